/* namespace: user, uts, ipc, time and network namespaces of single tasks: what is in them, who
 * shares them, who owns them, and that they are apart. With an argument: with capabilities, a
 * cgroup namespace, or one
 * that cannot be saved. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "family.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { USER, MAPPED_INNER, UNMAPPED, UTS, UTS_TWIN, TIME, IPC, NET, DEEP, MEMBERS };

struct board {
	char ns[MEMBERS + 1][6][64];
	int built, verified;
};

static struct board *board;
static bool is_capable; /* the restore gives capabilities back */
static const char *const names[6] = { "user", "uts", "ipc", "net", "time", "mnt" };

static void look(int number)
{
	for (int i = 0; i < 6; i++) {
		char path[64];
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		memset(board->ns[number][i], 0, 64);
		n = readlink(path, board->ns[number][i], 63);
		EXPECT(n > 0 || (n < 0 && errno == ENOENT));
	}
}

static bool is_same(int one, int other, int type)
{
	return strcmp(board->ns[one][type], board->ns[other][type]) == 0;
}

static void expect_text(const char *path, const char *text)
{
	char found[256] = "";
	unsigned int a, b, c, x, y, z;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0);
	(void)close(fd);
	if (sscanf(text, "%u %u %u", &a, &b, &c) == 3)
		EXPECT(sscanf(found, "%u %u %u", &x, &y, &z) == 3 && a == x && b == y && c == z);
	else
		EXPECT(strncmp(found, text, strlen(text)) == 0);
}

static void live(int number)
{
	look(number);
	add_one(&board->built);
	victim_wait_file("go");
	look(number);
}

static void verified(void)
{
	add_one(&board->verified);
	await_count(&board->verified, MEMBERS);
	_exit(0);
}

static void be_user(void)
{
	char uid_map[32], gid_map[32];

	(void)snprintf(uid_map, sizeof(uid_map), "1000 %u 1", geteuid());
	(void)snprintf(gid_map, sizeof(gid_map), "1000 %u 1", getegid());
	enter_user_namespace(1000);
	live(USER);
	EXPECT(getuid() == 1000 && geteuid() == 1000 && getgid() == 1000);
	expect_text("/proc/self/setgroups", "deny");
	expect_text("/proc/self/uid_map", uid_map);
	expect_text("/proc/self/gid_map", gid_map);
	/* All capabilities of its own namespace, none of another. */
	EXPECT(sethostname("x", 1) < 0 && errno == EPERM);
	if (is_capable)
		EXPECT(unshare(CLONE_NEWUTS) == 0 && sethostname("mine", 4) == 0);
	verified();
}

/* A user namespace in a user namespace, with another namespace that belongs to the outer one. */
static void be_inner(void)
{
	enter_user_namespace(0);
	EXPECT(unshare(CLONE_NEWUTS) == 0 && sethostname("outer-user", 10) == 0);
	enter_user_namespace(7);
	live(MAPPED_INNER);
	EXPECT(getuid() == 7 && sethostname("x", 1) < 0 && errno == EPERM);
	verified();
}

static void be_unmapped(void)
{
	EXPECT(unshare(CLONE_NEWUSER) == 0 && getuid() == 65534);
	live(UNMAPPED);
	EXPECT(getuid() == 65534 && getgid() == 65534);
	expect_text("/proc/self/uid_map", "");
	verified();
}

static void expect_name(const char *name)
{
	struct utsname found;

	EXPECT(uname(&found) == 0 && strcmp(found.nodename, name) == 0);
}

static void be_uts(void)
{
	pid_t twin;
	int status;

	EXPECT(unshare(CLONE_NEWUTS) == 0 && sethostname("inner", 5) == 0);
	twin = fork();
	live(twin ? UTS : UTS_TWIN);
	expect_name("inner");
	add_one(&board->verified);
	await_count(&board->verified, MEMBERS);
	if (twin)
		EXPECT(waitpid(twin, &status, 0) == twin && status == 0);
	_exit(0);
}

static time_t now(clockid_t clock)
{
	struct timespec time;

	EXPECT(clock_gettime(clock, &time) == 0);
	return time.tv_sec;
}

static void be_time(void)
{
	time_t before = now(CLOCK_MONOTONIC);
	int fd;

	/* A kernel without them has the same clock everywhere. */
	if (unshare(CLONE_NEWTIME) == 0) {
		char text[64];
		long long old = 0;
		FILE *file = fopen("/proc/self/timens_offsets", "r");

		EXPECT(file && fscanf(file, "monotonic %lld", &old) == 1);
		(void)fclose(file);
		(void)snprintf(text, sizeof(text), "monotonic %lld 0\n", old + 5000000);
		write_text("/proc/self/timens_offsets", text);
		fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
		EXPECT(fd >= 0 && setns(fd, CLONE_NEWTIME) == 0);
		(void)close(fd);
		before += 5000000;
	}
	EXPECT(now(CLOCK_MONOTONIC) >= before && now(CLOCK_MONOTONIC) < before + 10000);
	live(TIME);
	EXPECT(now(CLOCK_MONOTONIC) >= before && now(CLOCK_MONOTONIC) < before + 10000);
	verified();
}

static void be_ipc(void)
{
	EXPECT(unshare(CLONE_NEWIPC) == 0);
	live(IPC);
	EXPECT(shmget(4711, 4096, IPC_CREAT | IPC_EXCL | 0600) >= 0);
	verified();
}

static void be_net(void)
{
	EXPECT(unshare(CLONE_NEWNET) == 0);
	live(NET);
	verified();
}

/* Three user namespaces deep, with all types below the second. */
static void be_deep(void)
{
	enter_user_namespace(0);
	enter_user_namespace(0);
	EXPECT(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) == 0);
	EXPECT(sethostname("deep", 4) == 0);
	enter_user_namespace(33);
	live(DEEP);
	EXPECT(getuid() == 33 && geteuid() == 33 && getgid() == 33);
	expect_name("deep");
	verified();
}

static void start(void (*be)(void))
{
	int built = board->built;
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		be();
	await_count(&board->built, built + 1);
}

static char *read_cgroup(void)
{
	char text[4096] = "";
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	return strdup(text);
}

/* It begins where the container's own does. */
static _Noreturn void start_in_cgroup_namespace(void)
{
	struct stat own;
	struct stat childs;
	char path[64];
	pid_t child = fork();
	int status;

	if (child == 0) {
		char *before = read_cgroup();

		EXPECT(unshare(CLONE_NEWCGROUP) == 0);
		victim_write("apart", "");
		victim_wait_file("go");
		EXPECT(strcmp(read_cgroup(), before) == 0);
		victim_write("same", "");
		(void)pause();
	}
	victim_wait_file("apart");
	wait_for_restore();
	victim_wait_file("same");
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", child);
	EXPECT(stat("/proc/self/ns/cgroup", &own) == 0 && stat(path, &childs) == 0);
	EXPECT(own.st_ino != childs.st_ino);
	EXPECT(kill(child, SIGKILL) == 0 && wait(&status) == child);
	victim_done();
}

static int is_apart;

static void *leave(void *flags)
{
	EXPECT(unshare(*(int *)flags) == 0);
	__atomic_store_n(&is_apart, 1, __ATOMIC_SEQ_CST);
	(void)pause();
	return NULL;
}

static void start_thread_in(int flags)
{
	pthread_t thread;

	EXPECT(pthread_create(&thread, NULL, leave, &flags) == 0);
	await_count(&is_apart, 1);
}

static _Noreturn void be_unsupported(const char *what)
{
	if (strcmp(what, "thread-uts") == 0)
		start_thread_in(CLONE_NEWUTS);
	else if (strcmp(what, "thread-no-first-task") == 0)
		start_thread_in(CLONE_NEWPID);
	else if (strcmp(what, "time-for-children") == 0)
		EXPECT(unshare(CLONE_NEWTIME) == 0);
	else if (strcmp(what, "no-first-task") == 0)
		EXPECT(unshare(CLONE_NEWPID) == 0);
	else
		victim_fail("%s?", what);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	static void (*const members[])(void) = { be_user, be_inner, be_unmapped, be_uts,
						 be_time, be_ipc,   be_net,	 be_deep };
	int status;

	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(board != MAP_FAILED);
	is_capable = argc > 1 && strcmp(argv[1], "capable") == 0;
	if (argc > 1 && strcmp(argv[1], "cgroup") == 0)
		start_in_cgroup_namespace();
	if (argc > 1 && !is_capable) {
		pid_t child = fork();

		if (child == 0)
			be_unsupported(argv[1]);
		EXPECT(wait(&status) == child);
		return 0;
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		start(members[i]);
	await_count(&board->built, MEMBERS);

	wait_for_restore();

	await_count(&board->verified, MEMBERS);
	look(MEMBERS);
	for (int i = 0; i < 6; i++) {
		EXPECT(is_same(UTS, UTS_TWIN, i));
		EXPECT(is_same(UTS, MEMBERS, i) == (i != 1));
		EXPECT(is_same(IPC, MEMBERS, i) == (i != 2));
		EXPECT(is_same(NET, MEMBERS, i) == (i != 3));
		EXPECT(is_same(DEEP, MEMBERS, i) == (i > 3));
	}
	EXPECT(!is_same(USER, MEMBERS, 0) && !is_same(USER, UNMAPPED, 0));
	EXPECT(shmget(4711, 0, 0) < 0 && errno == ENOENT);
	while (wait(&status) > 0)
		EXPECT(status == 0);
	victim_done();
}
