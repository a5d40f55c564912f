/* descriptors: sparse numbers, close-on-exec, descriptions shared by dup and by fork. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { HIGH = 700 };

static void expect_closed(int number)
{
	EXPECT(fcntl(number, F_GETFD) < 0 && errno == EBADF);
}

static int count_open(void)
{
	int found = 0;

	for (int i = 0; i < 4096; i++)
		found += fcntl(i, F_GETFD) >= 0;
	return found;
}

/* Shares `fd`, and has closed and moved others. */
static void child_main(int fd, int ready)
{
	EXPECT(close(HIGH) == 0 && dup2(fd, 33) == 33 && fcntl(33, F_SETFD, FD_CLOEXEC) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("parent-read");
	expect_closed(HIGH);
	EXPECT(fcntl(33, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFD) == 0);
	EXPECT(syscall(SYS_kcmp, getpid(), getpid(), 0, fd, 33) == 0);
	EXPECT(lseek(33, 0, SEEK_CUR) == 7 && lseek(fd, 1, SEEK_SET) == 1);
	_exit(0);
}

int main(void)
{
	int fd = memfd_create("shared", 0);
	int other = memfd_create("other", MFD_CLOEXEC);
	int ready[2];
	int before;
	int status;
	pid_t child;
	char byte;

	EXPECT(fd >= 0 && other >= 0 && ftruncate(fd, 100) == 0 && lseek(fd, 5, SEEK_SET) == 5);
	EXPECT(fcntl(fd, F_DUPFD_CLOEXEC, HIGH) == HIGH && pipe2(ready, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0)
		child_main(fd, ready[1]);
	EXPECT(read(ready[0], &byte, 1) == 1);
	before = count_open();

	wait_for_restore();

	EXPECT(count_open() == before);
	EXPECT(fcntl(fd, F_GETFD) == 0 && fcntl(other, F_GETFD) == FD_CLOEXEC);
	EXPECT(fcntl(HIGH, F_GETFD) == FD_CLOEXEC);
	EXPECT(syscall(SYS_kcmp, getpid(), getpid(), 0, fd, HIGH) == 0);
	EXPECT(syscall(SYS_kcmp, getpid(), getpid(), 0, fd, other) != 0);
	EXPECT(lseek(HIGH, 2, SEEK_CUR) == 7);
	victim_write("parent-read", "");
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(lseek(fd, 0, SEEK_CUR) == 1);
	victim_done();
}
