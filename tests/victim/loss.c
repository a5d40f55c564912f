/* loss: what does not come back, one sort an argument, and the same without a loss. */
#include <grp.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

/* ---- timers ---- */

static timer_t start_timer(long nanoseconds, bool is_periodic)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec time = { .it_value = { .tv_nsec = nanoseconds } };
	timer_t timer;

	if (is_periodic)
		time.it_interval = time.it_value;
	EXPECT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	EXPECT(timer_settime(timer, 0, &time, NULL) == 0);
	return timer;
}

static void await_pending(void)
{
	sigset_t set;

	do
		EXPECT(sigpending(&set) == 0);
	while (!sigismember(&set, SIGRTMIN));
}

/* A signal that waits, of a timer that beats or not; or one that was taken, late. */
static void run_timer(bool is_periodic, bool is_taken)
{
	siginfo_t info;
	sigset_t set;

	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN) == 0);
	EXPECT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	(void)start_timer(1000, is_periodic);
	await_pending();
	do
		EXPECT(!is_taken || sigwaitinfo(&set, &info) == SIGRTMIN);
	while (is_taken && info.si_overrun == 0);
}

/* ---- ids ---- */

static pid_t run_zombie(bool is_other, bool is_leader)
{
	siginfo_t info;
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0 && is_leader && setsid() < 0)
		_exit(1);
	if (child == 0)
		_exit(is_other && (setresgid(33, 33, 33) < 0 || setresuid(33, 33, 33) < 0));
	EXPECT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0 && info.si_status == 0);
	return child;
}

static bool has_our_name(pid_t zombie)
{
	char path[64], name[16] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", zombie);
	fd = open(path, O_RDONLY);
	EXPECT(fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && close(fd) == 0);
	return strcmp(name, "loss\n") == 0;
}

static void run_sockets(bool has_groups)
{
	static const gid_t groups[] = { 5, 7 };
	int pair[2];

	EXPECT(!has_groups || setgroups(2, groups) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	EXPECT(!has_groups || setgroups(0, NULL) == 0);
}

/* ---- files ---- */

static void run_files(bool has_flags)
{
	int flags = FS_NODUMP_FL;
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/mount", victim_dir());
	EXPECT(mkdir(path, 0777) == 0 && mount("none", path, "tmpfs", 0, NULL) == 0);
	(void)strcat(path, "/file");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
	EXPECT(fd >= 0);
	if (has_flags && ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		victim_write("missing", strerror(errno));
	EXPECT(close(fd) == 0);
}

/* ---- scheduling, polling ---- */

static void run_slice(bool is_own)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = { .size = sizeof(attr), .runtime = 12345678 };

	EXPECT(!is_own || syscall(SYS_sched_setattr, 0, &attr, 0) == 0);
}

static void run_epoll(bool is_busy)
{
	struct {
		uint32_t microseconds;
		uint16_t budget;
		uint8_t is_preferred, padding;
	} params = { .microseconds = 50, .budget = 8 };
	int fd = epoll_create1(0);

	EXPECT(fd >= 0);
	if (is_busy && ioctl(fd, _IOW(0x8a, 1, params), &params) < 0) /* EPIOCSPARAMS, 6.9 */
		victim_write("missing", strerror(errno));
}

int main(int argc, char **argv)
{
	const char *sort = argc > 1 ? argv[1] : "";
	bool is_lost = argc > 2 && strcmp(argv[2], "lost") == 0;
	pid_t zombie = 0;

	if (strcmp(sort, "waiting") == 0)
		run_timer(is_lost, false);
	else if (strcmp(sort, "taken") == 0)
		run_timer(true, true);
	else if (strcmp(sort, "ids") == 0)
		zombie = run_zombie(is_lost, false);
	else if (strcmp(sort, "session") == 0)
		zombie = run_zombie(false, is_lost);
	else if (strcmp(sort, "flags") == 0)
		run_files(is_lost);
	else if (strcmp(sort, "slice") == 0)
		run_slice(is_lost);
	else if (strcmp(sort, "epoll") == 0)
		run_epoll(is_lost);
	if (strcmp(sort, "ids") == 0)
		run_sockets(is_lost);
	wait_for_restore();
	EXPECT(!zombie || has_our_name(zombie));
	EXPECT(!zombie || waitpid(zombie, NULL, 0) == zombie);
	victim_done();
}
