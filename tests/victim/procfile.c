/* Files of /proc: of the process itself, of a child, of a thread; a directory; one shared with a
 * child by fork, one watched by epoll. */
#include <sys/epoll.h>
#include <sys/wait.h>

#include "victim.h"

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, flags);
	EXPECT(fd >= 0);
	return fd;
}

static pid_t child_make(void)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0) {
		victim_wait_file("end");
		_exit(0);
	}
	return child;
}

static void expect_in(int fd, const char *format, int number)
{
	char text[65536], wanted[64];
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)n;
	text[size] = '\0';
	(void)snprintf(wanted, sizeof(wanted), format, number);
	EXPECT(n == 0 && strstr(text, wanted));
}

/* Writes to its own memory. */
static void check_mem(int fd)
{
	static volatile int value = 1;
	int other = 7;

	EXPECT(pwrite(fd, &other, sizeof(other), (off_t)(uintptr_t)&value) == sizeof(other));
	EXPECT(value == 7);
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLPRI };
	pid_t child = child_make();
	int status_fd = open("/proc/self/status", O_RDONLY);
	int childs = open_of(child, "stat", O_RDONLY | O_CLOEXEC);
	int maps = open_of(getpid(), "maps", O_RDONLY | O_NONBLOCK);
	int mounts = open("/proc/self/mountinfo", O_RDONLY);
	int mem = open_of(getpid(), "mem", O_RDWR);
	int dir = open_of(getpid(), "task", O_RDONLY | O_DIRECTORY);
	int epoll = epoll_create1(0);
	char text[64], own[16], again[64];
	pid_t sharer;
	int status;

	if (argc == 2 && strcmp(argv[1], "gone") == 0) {
		victim_write("end", "");
		EXPECT(waitpid(child, &status, 0) == child);
		wait_for_restore();
		victim_done();
	}
	EXPECT(read(maps, text, 20) == 20 && lseek(maps, 0, SEEK_CUR) == 20);
	EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, mounts, &event) == 0);
	sharer = child_make();

	wait_for_restore();

	EXPECT(fcntl(childs, F_GETFD) == FD_CLOEXEC && fcntl(maps, F_GETFD) == 0);
	EXPECT(fcntl(maps, F_GETFL) & O_NONBLOCK && !(fcntl(status_fd, F_GETFL) & O_NONBLOCK));
	expect_in(status_fd, "\nPid:\t%d\n", getpid());
	expect_in(childs, "%d (", child);
	EXPECT(lseek(maps, 0, SEEK_CUR) == 20 && pread(maps, again, 20, 0) == 20);
	EXPECT(memcmp(text, again, 20) == 0);
	expect_in(mounts, " /proc ", 0);
	check_mem(mem);
	(void)snprintf(own, sizeof(own), "%d/stat", getpid());
	EXPECT(faccessat(dir, own, R_OK, 0) == 0);
	EXPECT(epoll_ctl(epoll, EPOLL_CTL_DEL, mounts, NULL) == 0);
	victim_write("end", "");
	EXPECT(waitpid(child, &status, 0) == child && waitpid(sharer, &status, 0) == sharer);
	/* The file of a dead process, which it was not before. */
	EXPECT(lseek(childs, 0, SEEK_SET) == 0 && read(childs, text, 1) < 0 && errno == ESRCH);
	victim_done();
}
