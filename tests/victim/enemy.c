/* enemy: a container that would harm whoever saves it. What it does, says the first argument. While
 * it waits, it answers to the test. */
#include <linux/keyctl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "enemy.h"

/* Clears a terminal, changes its title, ends lines and strings, and is no UTF-8. */
#define NASTY "\033[2J)\n( \"\\\xff:"

static const char *path_of(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, PATH_MAX, "%s/%s", victim_dir(), name);
	return path;
}

static pid_t child(void (*work)(volatile uint64_t *), int number)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0)
		work(&enemy_counts->count[number]);
	return pid;
}

/* Until the test lets it verify; reaps what it did not make. */
static void answer(void)
{
	victim_write("ready", "");
	while (!victim_has_file("go")) {
		if (unlink(path_of("ping")) == 0)
			victim_write("pong", "");
		if (getpid() == 1) {
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
		}
		(void)usleep(2000);
	}
}

/* ---- names ---- */

static const char gone[] = "gone " NASTY "\nflags:\t02\n";

static int make_abstract(struct sockaddr_un *address, socklen_t *size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char name[] = "\0a\0" NASTY "\0\0z";

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, sizeof(name) - 1);
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name) - 1);
	EXPECT(bind(fd, (struct sockaddr *)address, *size) == 0 && listen(fd, 1) == 0);
	return fd;
}

static void *sleep_named(void *argument)
{
	(void)argument;
	EXPECT(prctl(PR_SET_NAME, ") Z 0 (\033[1m\n\x9b") == 0);
	for (;;)
		(void)pause();
	return NULL;
}

static void expect_name(int fd, const char *name)
{
	char path[PATH_MAX], link[PATH_MAX] = "";

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT(readlink(path, link, sizeof(link) - 1) > 0 && strstr(link, name));
}

static void make_mount(void)
{
	EXPECT(mkdir(path_of("m" NASTY), 0700) == 0);
	EXPECT(mount("s" NASTY " / / rw - tmpfs x rw", path_of("m" NASTY), "tmpfs", 0, "size=1m") ==
	       0);
	EXPECT(close(open(path_of("m" NASTY "/f" NASTY), O_WRONLY | O_CREAT, 0600)) == 0);
}

static void names(bool is_blocked)
{
	struct sockaddr_un address;
	socklen_t size;
	char name[16];
	pthread_t thread;
	int listener = make_abstract(&address, &size);
	int file = open(path_of("f" NASTY " (deleted)"), O_RDWR | O_CREAT, 0600);
	int lost = open(path_of(gone), O_RDWR | O_CREAT, 0600);
	int memory = memfd_create("m" NASTY " (deleted)", 0);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(file >= 0 && lost >= 0 && memory >= 0 && listener >= 0);
	EXPECT(unlink(path_of(gone)) == 0 && write(lost, "kept", 4) == 4);
	EXPECT(prctl(PR_SET_NAME, NASTY) == 0);
	EXPECT(sethostname(NASTY, strlen(NASTY)) == 0);
	EXPECT(syscall(SYS_add_key, "user", NASTY, "x", 1, KEY_SPEC_PROCESS_KEYRING) > 0 ||
	       errno == EDQUOT);
	EXPECT(mkdir(path_of("d" NASTY), 0700) == 0 && chdir(path_of("d" NASTY)) == 0);
	EXPECT(pthread_create(&thread, NULL, sleep_named, NULL) == 0);
	make_mount();
	if (is_blocked)
		EXPECT(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) >= 0);
	answer();
	EXPECT(prctl(PR_GET_NAME, name) == 0 && strcmp(name, NASTY) == 0);
	expect_name(file, "/f" NASTY " (deleted)");
	EXPECT(pread(lost, name, 5, 0) == 4 && memcmp(name, "kept", 4) == 0);
	expect_name(memory, "/memfd:m" NASTY " (deleted) (deleted)");
	EXPECT(connect(client, (struct sockaddr *)&address, size) == 0);
	EXPECT(access("../d" NASTY, F_OK) == 0);
	EXPECT(access(path_of("m" NASTY "/f" NASTY), F_OK) == 0);
}

/* ---- itself ---- */

static void spin_without_vdso(volatile uint64_t *count)
{
	lose_vdso(count, false);
}

static void sleep_without_vdso(volatile uint64_t *count)
{
	lose_vdso(count, true);
}

static void lie(volatile uint64_t *count)
{
	tell_lies();
	for (;;) {
		expect_lies();
		(*count)++;
		(void)usleep(1000);
	}
}

static void be_nowhere(void)
{
	(void)child(lose_all, 0);
	(void)child(lie, 1);
	enemy_counts_go_on(2);
	answer();
	enemy_counts_go_on(2);
}

static void be_trapped(void)
{
	(void)child(step_itself, 1);
	(void)child(break_itself, 2);
	enemy_counts_go_on(3);
	answer();
	enemy_counts_go_on(3);
}

static void be_without_vdso(bool sleeps)
{
	(void)child(sleeps ? sleep_without_vdso : spin_without_vdso, 0);
	enemy_counts_go_on(1);
	answer();
	enemy_counts_go_on(1);
}

static void be_storm(void)
{
	pid_t pid = child(storm, 0);

	enemy_counts_go_on(1);
	answer();
	enemy_counts_go_on(1);
	EXPECT(kill(pid, SIGKILL) == 0);
}

static void count_up(volatile uint64_t *count)
{
	for (;;) {
		(*count)++;
		(void)sched_yield();
	}
}

/* One task of it steps another. */
static void trace(volatile uint64_t *count)
{
	pid_t prey = child(count_up, 1);
	int status;

	EXPECT(ptrace(PTRACE_ATTACH, prey, 0, 0) == 0);
	while (waitpid(prey, &status, 0) == prey && WIFSTOPPED(status)) {
		(*count)++;
		(void)ptrace(PTRACE_SINGLESTEP, prey, 0, 0);
	}
	_exit(1);
}

static void be_traced(void)
{
	(void)child(trace, 0);
	enemy_counts_go_on(2);
	answer();
	enemy_counts_go_on(2);
}

/* ---- sizes ---- */

static void be_large(void)
{
	const off_t large = 1ll << 60; /* 1 EiB */
	int memory = memfd_create("large", 0);
	char *range = mmap(NULL, 32ul << 40, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char byte;

	EXPECT(memory >= 0 && range != MAP_FAILED && ftruncate(memory, large) == 0);
	EXPECT(pwrite(memory, "e", 1, large - 1) == 1);
	range[31ul << 40] = 'r';
	for (int i = 0; i < 200; i++)
		EXPECT(dup(memory) >= 0);
	/* Every second page is a mapping of its own. */
	for (size_t i = 0; i < 20000; i += 2)
		EXPECT(mprotect(range + i * 4096, 4096, PROT_READ) == 0);
	answer();
	EXPECT(pread(memory, &byte, 1, large - 1) == 1 && byte == 'e');
	EXPECT(lseek(memory, 0, SEEK_DATA) > large - 8192);
	EXPECT(range[31ul << 40] == 'r' && range[0] == 0);
}

/* Further down than a path can tell. */
static void be_deep(void)
{
	EXPECT(chdir(victim_dir()) == 0);
	for (int i = 0; i < 30; i++) {
		char name[201];

		memset(name, 'd', sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		EXPECT(mkdir(name, 0700) == 0 && chdir(name) == 0);
	}
	EXPECT(open("file", O_RDWR | O_CREAT, 0600) >= 0);
	answer();
	EXPECT(access("file", F_OK) == 0);
}

/* ---- shared with somebody outside ---- */

static void fill_file(const char *name, bool is_gone)
{
	static char bytes[1 << 20];
	int fd = open(path_of(name), O_RDWR | O_CREAT, 0600);

	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < 8; i++)
		EXPECT(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	EXPECT(mmap(NULL, sizeof(bytes) * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) !=
	       MAP_FAILED);
	EXPECT(mmap(NULL, sizeof(bytes) * 8, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	EXPECT(!is_gone || unlink(path_of(name)) == 0);
}

static void be_shared(void)
{
	int ends[2], pair[2], packets[2];

	fill_file("named", false);
	fill_file("deleted", true);
	EXPECT(pipe(ends) == 0 && write(ends[1], "pipe", 4) == 4);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && write(pair[1], "pair", 4) == 4);
	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets) == 0);
	EXPECT(write(packets[1], "packet", 6) == 6);
	EXPECT(ftruncate(memfd_create("memory", 0), 8 << 20) == 0);
	answer();
}

static void alter(int fd, unsigned int round)
{
	char bytes[64] = "accomplice";
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return;
	(void)fcntl(fd, F_SETFL, round & 1 ? O_NONBLOCK : O_NONBLOCK | O_APPEND);
	switch (stat.st_mode & S_IFMT) {
	case S_IFREG:
		(void)ftruncate(fd, round & 2 ? 0 : 8 << 20);
		(void)lseek(fd, round, SEEK_SET);
		break;
	case S_IFIFO:
	case S_IFSOCK:
		(void)!write(fd, bytes, sizeof(bytes));
		(void)!read(fd, bytes, sizeof(bytes));
		(void)!read(fd, bytes, sizeof(bytes));
		break;
	default:
		break;
	}
}

/* Outside: holds all its descriptors, and alters what is behind them until it is enough. */
static int be_accomplice(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	time_t end = time(NULL) + 120;
	int fds[32];

	for (int i = 3; i < 32; i++)
		fds[i] = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);
	victim_write("accomplice", "");
	for (unsigned int round = 0; time(NULL) < end && !victim_has_file("enough"); round++) {
		for (int i = 3; i < 32; i++) {
			if (fds[i] >= 0)
				alter(fds[i], round);
		}
	}
	return 0;
}

/* ---- no container ---- */

/* The parent of somebody who has more rights than it; `argv` is executed as the child. */
static void be_parent(char **argv)
{
	int ends[2];
	pid_t pid;

	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		EXPECT(dup2(ends[0], 0) == 0);
		(void)execv(argv[0], argv);
		_exit(1);
	}
	answer();
	EXPECT(waitpid(pid, NULL, WNOHANG) == 0);
	EXPECT(close(ends[1]) == 0 && waitpid(pid, NULL, 0) == pid);
}

/* Memory that is written by somebody who is not saved. */
static _Noreturn void live(void)
{
	char pid[16];

	(void)close_range(3, ~0u, 0);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	victim_write("pid", pid);
	answer();
	_exit(0);
}

/* It may be gone by then. */
static void overwrite(pid_t pid, uint64_t address, char *bytes, size_t size)
{
	struct iovec from = { bytes, size };
	struct iovec to = { (void *)(uintptr_t)address, size };

	(void)process_vm_writev(pid, &from, 1, &to, 1, 0);
}

/* Our code in there is made to go round for ever; or results become others. Not the calls: they
 * would be made. */
static void alter_zone(pid_t pid, uint64_t code, size_t size, bool is_code, unsigned int *seed)
{
	enum { PAGE = 4096, AREA = 256 << 10, ENTRY = 64, RESULT = 56, ENTRIES = 64 };
	char bytes[PAGE];

	for (size_t i = 0; i + 1 < sizeof(bytes) && is_code; i += 2)
		memcpy(bytes + i, "\xeb\xfe", 2);
	if (is_code)
		overwrite(pid, code, bytes, 256);
	if (is_code || size < PAGE + AREA)
		return;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)rand_r(seed);
	overwrite(pid, code + PAGE, bytes, sizeof(bytes));
	for (size_t i = 1; i <= ENTRIES; i++)
		overwrite(pid, code + PAGE + AREA - i * ENTRY + RESULT, bytes + i * 8,
			  ENTRY - RESULT);
}

static void be_outsider(bool is_code)
{
	time_t end = time(NULL) + 120;
	unsigned int seed = 1;
	uint64_t start, stop;
	pid_t pid = fork();
	int status;

	EXPECT(pid >= 0);
	if (pid == 0)
		live();
	(void)close_range(3, ~0u, 0);
	while (waitpid(pid, &status, WNOHANG) == 0 && time(NULL) < end) {
		if (find_mapping_of(pid, "rwxp", &start, &stop))
			alter_zone(pid, start, stop - start, is_code, &seed);
	}
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	(void)victim_dir();
	enemy_begin();
	if (strcmp(what, "names") == 0)
		names(false);
	else if (strcmp(what, "blocked-names") == 0)
		names(true);
	else if (strcmp(what, "nowhere") == 0)
		be_nowhere();
	else if (strcmp(what, "trapped") == 0)
		be_trapped();
	else if (strcmp(what, "spin") == 0)
		be_without_vdso(false);
	else if (strcmp(what, "sleep") == 0)
		be_without_vdso(true);
	else if (strcmp(what, "storm") == 0)
		be_storm();
	else if (strcmp(what, "trace") == 0)
		be_traced();
	else if (strcmp(what, "large") == 0)
		be_large();
	else if (strcmp(what, "deep") == 0)
		be_deep();
	else if (strcmp(what, "shared") == 0)
		be_shared();
	else if (strcmp(what, "accomplice") == 0 && argc > 2)
		return be_accomplice(atoi(argv[2]));
	else if (strcmp(what, "outsider") == 0 && argc > 2)
		be_outsider(strcmp(argv[2], "code") == 0);
	else if (strcmp(what, "parent") == 0 && argc > 2)
		be_parent(argv + 2);
	else
		victim_fail("unknown: %s", what);
	victim_done();
}
