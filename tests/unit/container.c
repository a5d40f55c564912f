/* Containers made by container_start(): ids, pid, mounts, clocks, errors. */
#include "container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "container/join.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "unit.h"

#define EXPECT_WELL(unit, result, err)                                                             \
	do {                                                                                       \
		if (!EXPECT(unit, (result) == 0))                                                  \
			(void)printf("# %s\n", (err)->text);                                       \
	} while (0)

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return err_set(err, ERR_FAILED, "line %d: %s (errno %d)", __LINE__,        \
				       #condition, errno);                                         \
	} while (0)

/* ---- what runs inside ---- */

static int read_text(const char *path, char *text, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

	if (got < 0)
		return -errno;
	text[got] = '\0';
	return 0;
}

static bool loopback_answers(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	auto_close int server = socket(AF_INET, SOCK_STREAM, 0);
	auto_close int client = socket(AF_INET, SOCK_STREAM, 0);

	return bind(server, (struct sockaddr *)&address, length) == 0 && listen(server, 1) == 0 &&
	       getsockname(server, (struct sockaddr *)&address, &length) == 0 &&
	       connect(client, (struct sockaddr *)&address, length) == 0;
}

static int inside_basics(void *argument, struct err *err)
{
	char text[4096];
	char name[65];

	(void)argument;
	CHECK(getpid() == 1 && getppid() == 0 && getsid(0) == 1);
	CHECK(getuid() == 0 && getgid() == 0);
	CHECK(gethostname(name, sizeof(name)) == 0 && strcmp(name, "box") == 0);
	CHECK(read_text("/proc/self/status", text, sizeof(text)) == 0);
	CHECK(strstr(text, "\nPid:\t1\n") && strstr(text, "\nNSpid:\t1\n"));
	CHECK(loopback_answers());
	_exit(0);
}

static int inside_other_id(void *argument, struct err *err)
{
	(void)argument;
	CHECK(getuid() == 1000 && getgid() == 2000);
	CHECK(sethostname("caps", 4) == 0);
	_exit(0);
}

static int inside_rootfs(void *argument, struct err *err)
{
	char text[4096];
	struct stat st;
	int fd;

	(void)argument;
	CHECK(stat("/etc/passwd", &st) < 0 && errno == ENOENT);
	CHECK(stat("/marker", &st) == 0);
	CHECK(read_text("/proc/self/status", text, sizeof(text)) == 0);
	CHECK((fd = open("/dev/null", O_RDWR)) >= 0 && write(fd, "x", 1) == 1);
	CHECK(stat("/dev/zero", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x105);
	CHECK(stat("/dev/mqueue", &st) == 0 && stat("/dev/shm", &st) == 0);
	CHECK((st.st_mode & 07777) == 01777);
	CHECK((fd = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0);
	CHECK(read_text("/proc/self/mountinfo", text, sizeof(text)) == 0);
	CHECK(!strstr(text, "/home") && strstr(text, " / "));
	CHECK(getcwd(text, sizeof(text)) && strcmp(text, "/") == 0);
	_exit(0);
}

static int inside_clocks(void *argument, struct err *err)
{
	const struct timespec *outside = argument;
	struct timespec now;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	CHECK(now.tv_sec >= outside->tv_sec + 999 && now.tv_sec <= outside->tv_sec + 1003);
	CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
	CHECK(now.tv_sec >= outside[1].tv_sec - 7 && now.tv_sec <= outside[1].tv_sec - 3);
	_exit(0);
}

static int inside_failure(void *argument, struct err *err)
{
	(void)argument;
	(void)err_set(err, -ENOENT, "look for %s", "nothing");
	return err_hint(err, "look elsewhere");
}

static int inside_exec(void *argument, struct err *err)
{
	char *const argv[] = { (char *)"true", NULL };

	(void)argument;
	(void)execvp("true", argv);
	return err_set(err, -errno, "run true");
}

static int inside_wait(void *argument, struct err *err)
{
	(void)argument;
	(void)pause();
	return err_set(err, ERR_FAILED, "it did not wait");
}

/* Nobody inside may see what is the host's; a program that is executed then may be seen. */
static int inside_joined(void *argument, struct err *err)
{
	char *const argv[] = { (char *)"sleep", (char *)"1000", NULL };
	const int *ours = argument;

	CHECK(prctl(PR_GET_DUMPABLE) == 0);
	CHECK(fcntl(*ours, F_GETFD) < 0 && errno == EBADF);
	for (int fd = 3; fd < 100; fd++)
		CHECK(fcntl(fd, F_GETFD) < 0 || fd == container_sync_fd());
	CHECK(!getenv("PATH"));
	CHECK(join_ready(err) == 0);
	(void)execv("/bin/sleep", argv);
	return err_set(err, -errno, "run sleep");
}

/* ---- outside ---- */

struct setting {
	struct container_spec spec;
	struct id_map uid;
	struct id_map gid;
};

static void setting_init(struct setting *setting, int (*main)(void *, struct err *))
{
	memset(setting, 0, sizeof(*setting));
	setting->uid = (struct id_map){ 0, geteuid(), 1 };
	setting->gid = (struct id_map){ 0, getegid(), 1 };
	setting->spec = (struct container_spec){
		.hostname = "box",
		.uid_map = &setting->uid,
		.uid_map_count = 1,
		.gid_map = &setting->gid,
		.gid_map_count = 1,
		.cgroup = -1,
		.cgroup_v1 = -1,
		.main = main,
	};
}

static int run(const struct container_spec *spec, struct err *err)
{
	struct container container = CONTAINER_NONE;
	int status = 0;
	int r;

	r = container_start(spec, &container, err);
	if (r == 0)
		r = container_go(&container, err);
	if (r == 0)
		r = container_wait_exec(&container, err);
	if (container.init > 0)
		(void)waitpid(container.init, &status, 0);
	container_free(&container);
	if (r == 0 && status != 0)
		r = err_set(err, ERR_FAILED, "status %x", status);
	return r;
}

static void try_simple(struct unit *unit, int (*main)(void *, struct err *))
{
	struct err err = ERR_NONE;
	struct setting setting;
	int r;

	setting_init(&setting, main);
	r = run(&setting.spec, &err);
	EXPECT_WELL(unit, r, &err);
}

static void test_other_id(struct unit *unit)
{
	struct err err = ERR_NONE;
	struct setting setting;
	int r;

	setting_init(&setting, inside_other_id);
	setting.uid.inside = 1000;
	setting.gid.inside = 2000;
	r = run(&setting.spec, &err);
	EXPECT_WELL(unit, r, &err);
}

static void test_clocks(struct unit *unit)
{
	struct err err = ERR_NONE;
	struct setting setting;
	struct timespec now[2];
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &now[0]);
	(void)clock_gettime(CLOCK_BOOTTIME, &now[1]);
	setting_init(&setting, inside_clocks);
	setting.spec.has_time_offsets = true;
	setting.spec.monotonic_offset_ns = 1000500000000;
	setting.spec.boottime_offset_ns = -5500000000;
	setting.spec.argument = now;
	r = run(&setting.spec, &err);
	EXPECT_WELL(unit, r, &err);
}

static void test_failure(struct unit *unit)
{
	struct err err = ERR_NONE;
	struct setting setting;
	int r;

	setting_init(&setting, inside_failure);
	r = run(&setting.spec, &err);
	EXPECT(unit, r == -ENOENT);
	EXPECT_TEXT(unit, err.text, "look for nothing: No such file or directory");
	EXPECT_TEXT(unit, err.hint, "look elsewhere");
}

/* With the mount points that were made in it. */
static void remove_root(const char *path)
{
	static const char *const names[] = { "marker", "proc", "dev", "sys" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_free char *name = mem_printf("%s/%s", path, names[i]);

		(void)remove(name);
	}
	if (rmdir(path) < 0)
		perror(path);
}

static void test_rootfs(struct unit *unit)
{
	char path[] = "/tmp/ctckpt-root-XXXXXX";
	struct err err = ERR_NONE;
	struct setting setting;
	auto_free char *marker = NULL;
	int r;

	if (!mkdtemp(path))
		abort();
	marker = mem_printf("%s/marker", path);
	(void)close(open(marker, O_CREAT | O_WRONLY, 0600));
	setting_init(&setting, inside_rootfs);
	setting.spec.rootfs = path;
	r = run(&setting.spec, &err);
	EXPECT_WELL(unit, r, &err);
	remove_root(path);
}

static void test_rootfs_link(struct unit *unit)
{
	char path[] = "/tmp/ctckpt-root-XXXXXX";
	struct err err = ERR_NONE;
	struct setting setting;
	auto_free char *link = NULL;
	int r;

	if (!mkdtemp(path))
		abort();
	link = mem_printf("%s/dev", path);
	if (symlink("/etc", link) < 0)
		abort();
	setting_init(&setting, inside_rootfs);
	setting.spec.rootfs = path;
	r = run(&setting.spec, &err);
	EXPECT(unit, r == -ENOTDIR);
	EXPECT(unit, strstr(err.text, ": mount point /dev: Not a directory"));
	remove_root(path);
}

static int inside_basic_ids(void *argument, struct err *err)
{
	(void)argument;
	CHECK(getuid() == 0 && getgid() == 0 && getpid() == 1);
	CHECK(sethostname("caps", 4) == 0);
	_exit(0);
}

/* 0 inside is not the invoker: root maps it himself, others would need newuidmap. */
static void test_foreign_ids(struct unit *unit)
{
	struct err err = ERR_NONE;
	struct setting setting;
	int r;

	setting_init(&setting, inside_basic_ids);
	setting.uid.outside = 100000;
	setting.gid.outside = 100000;
	r = run(&setting.spec, &err);
	if (geteuid() == 0)
		EXPECT_WELL(unit, r, &err);
	else
		EXPECT(unit, r < 0 && strstr(err.text, "newuidmap"));
}

static void test_seize(struct unit *unit)
{
	struct err err = ERR_NONE;
	struct container container = CONTAINER_NONE;
	struct setting setting;
	int status = 0;
	bool is_ok;

	setting_init(&setting, inside_exec);
	if (geteuid() == 0) {
		setting.uid.outside = 100000;
		setting.gid.outside = 100000;
	}
	is_ok = container_start(&setting.spec, &container, &err) == 0 &&
		ptrace(PTRACE_SEIZE, container.init, 0, PTRACE_O_TRACEEXEC) == 0 &&
		container_go(&container, &err) == 0 &&
		waitpid(container.init, &status, __WALL) == container.init &&
		status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
	EXPECT(unit, is_ok);
	container_kill(&container);
	container_free(&container);
}

/* A caller that is killed at any moment leaves nothing. This process inherits what it would. */
static void test_orphans(struct unit *unit)
{
	int left = 0;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		abort();
	for (int delay = 0; delay < 3000; delay += 50) {
		struct timespec pause_time = { .tv_nsec = delay * 1000 };
		pid_t caller = fork();

		if (caller == 0) {
			struct container container = CONTAINER_NONE;
			struct err err = ERR_NONE;
			struct setting setting;

			setting_init(&setting, inside_exec);
			(void)container_start(&setting.spec, &container, &err);
			for (;;)
				(void)pause();
		}
		if (!EXPECT(unit, caller > 0))
			break;
		(void)nanosleep(&pause_time, NULL);
		(void)kill(caller, SIGKILL);
	}
	/* Should one stay, then so does this test. */
	(void)alarm(20);
	while (wait(NULL) > 0 || errno == EINTR)
		left++;
	(void)alarm(0);
	EXPECT(unit, left >= 60);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void test_basics(struct unit *unit)
{
	try_simple(unit, inside_basics);
}

static void test_exec(struct unit *unit)
{
	try_simple(unit, inside_exec);
}

static void test_join(struct unit *unit)
{
	auto_close int ours = open("/", O_PATH | O_DIRECTORY); /* NOLINT: it is inherited */
	struct container container = CONTAINER_NONE;
	struct container task = CONTAINER_NONE;
	struct err err = ERR_NONE;
	struct setting setting;
	pid_t inside = 0;
	int r;

	setting_init(&setting, inside_wait);
	r = container_start(&setting.spec, &container, &err);
	if (r == 0)
		r = container_go(&container, &err);
	if (r == 0)
		r = container_join(container.init, container.pidfd, inside_joined, &ours, &task,
				   &err);
	if (r == 0)
		r = join_expect(&task, &inside, &err);
	EXPECT_WELL(unit, r, &err);
	EXPECT(unit, inside > 1 && inside != task.init);
	join_end(&task);
	container_free(&task);
	container_kill(&container);
	container_free(&container);
}

static const struct unit_case cases[] = {
	UNIT_CASE(test_basics),	     UNIT_CASE(test_exec),	  UNIT_CASE(test_other_id),
	UNIT_CASE(test_clocks),	     UNIT_CASE(test_failure),	  UNIT_CASE(test_rootfs),
	UNIT_CASE(test_rootfs_link), UNIT_CASE(test_foreign_ids), UNIT_CASE(test_seize),
	UNIT_CASE(test_orphans),     UNIT_CASE(test_join),
};

int main(void)
{
	return UNIT_RUN(cases);
}
