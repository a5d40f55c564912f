/* Locks of all three kinds, on files that a child shares or tries to lock for itself. */
#include <sys/file.h>
#include <sys/wait.h>

#include "victim.h"

enum { FREE = 0, TAKEN = 1, MANY = 150 };

static int file_open(const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	EXPECT(fd >= 0);
	return fd;
}

static int range_lock(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	return fcntl(fd, command, &lock);
}

/* Whether another process, with a description of its own, is kept from a lock of this type. */
static int try_range(const char *name, int type, off_t start, off_t length)
{
	int status;
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0) {
		int fd = file_open(name, O_RDWR);

		if (range_lock(fd, F_SETLK, type, start, length) == 0)
			_exit(FREE);
		_exit(errno == EAGAIN || errno == EACCES ? TAKEN : 2);
	}
	EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int try_flock(const char *name, int operation)
{
	int fd = file_open(name, O_RDWR);
	int r = flock(fd, operation | LOCK_NB);

	EXPECT(r == 0 || errno == EWOULDBLOCK);
	EXPECT(close(fd) == 0);
	return r == 0 ? FREE : TAKEN;
}

static void posix_expect(void)
{
	EXPECT(try_range("many", F_RDLCK, 0, 1) == TAKEN &&
	       try_range("many", F_WRLCK, 1, 1) == FREE);
	EXPECT(try_range("many", F_RDLCK, 2 * (MANY - 1), 1) == TAKEN);
	EXPECT(try_range("posix", F_RDLCK, 0, 100) == FREE);
	EXPECT(try_range("posix", F_WRLCK, 0, 100) == TAKEN);
	EXPECT(try_range("posix", F_RDLCK, 50, 1) == FREE);
	EXPECT(try_range("posix", F_RDLCK, 100, 10) == TAKEN);
	EXPECT(try_range("posix", F_WRLCK, 110, 890) == FREE);
	EXPECT(try_range("posix", F_RDLCK, 1000, 1) == TAKEN);
	EXPECT(try_range("posix", F_RDLCK, 1l << 40, 0) == TAKEN);
	EXPECT(try_range("posix", F_RDLCK, 999, 1) == FREE);
}

static void other_expect(void)
{
	EXPECT(try_flock("flock", LOCK_SH) == TAKEN);
	EXPECT(try_flock("shared", LOCK_SH) == FREE);
	EXPECT(try_flock("shared", LOCK_EX) == TAKEN);
	EXPECT(try_range("ofd", F_RDLCK, 5, 5) == TAKEN);
	EXPECT(try_range("ofd", F_WRLCK, 10, 0) == FREE);
	EXPECT(try_range("childs", F_RDLCK, 0, 0) == TAKEN);
}

/* Holds a lock of its own, waits for the parent's, and keeps the shared description. */
static void child_main(int posix, int taken)
{
	int own = file_open("childs", O_RDWR | O_CREAT);

	EXPECT(range_lock(own, F_SETLK, F_WRLCK, 0, 0) == 0);
	EXPECT(write(taken, "x", 1) == 1);
	EXPECT(range_lock(posix, F_SETLKW, F_WRLCK, 100, 10) == 0);
	victim_wait_file("released");
	_exit(0);
}

static void posix_make(int writer, int reader)
{
	EXPECT(range_lock(reader, F_SETLK, F_RDLCK, 0, 200) == 0);
	EXPECT(range_lock(writer, F_SETLK, F_WRLCK, 100, 10) == 0);
	EXPECT(range_lock(writer, F_SETLK, F_UNLCK, 110, 90) == 0);
	EXPECT(range_lock(writer, F_SETLK, F_WRLCK, 1000, 0) == 0);
}

int main(void)
{
	int writer = file_open("posix", O_RDWR | O_CREAT);
	int reader = file_open("posix", O_RDONLY);
	int whole = file_open("flock", O_RDWR | O_CREAT);
	int shared = file_open("shared", O_RDONLY | O_CREAT);
	int ofd = file_open("ofd", O_RDWR | O_CREAT);
	int many = file_open("many", O_RDWR | O_CREAT);
	int taken[2], status;
	pid_t child;
	char byte;

	posix_make(writer, reader);
	for (int i = 0; i < MANY; i++)
		EXPECT(range_lock(many, F_SETLK, F_WRLCK, 2 * i, 1) == 0);
	EXPECT(dup(writer) >= 0);
	EXPECT(flock(whole, LOCK_EX) == 0 && flock(shared, LOCK_SH) == 0);
	EXPECT(range_lock(ofd, F_OFD_SETLK, F_WRLCK, 5, 5) == 0);
	EXPECT(pipe(taken) == 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
		child_main(writer, taken[1]);
	EXPECT(read(taken[0], &byte, 1) == 1);
	posix_expect();
	other_expect();

	wait_for_restore();

	posix_expect();
	other_expect();
	/* The child has the same descriptions: its copies keep the locks. */
	EXPECT(close(whole) == 0 && close(ofd) == 0);
	EXPECT(try_flock("flock", LOCK_SH) == TAKEN);
	EXPECT(try_range("ofd", F_RDLCK, 5, 5) == TAKEN);
	/* The child waits for this one, and keeps it. */
	EXPECT(range_lock(writer, F_SETLK, F_UNLCK, 100, 10) == 0);
	while (try_range("posix", F_RDLCK, 100, 10) == FREE)
		;
	EXPECT(close(reader) == 0);
	EXPECT(try_range("posix", F_WRLCK, 1000, 0) == FREE);
	victim_write("released", "");
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(try_flock("flock", LOCK_EX) == FREE);
	EXPECT(try_range("ofd", F_WRLCK, 0, 0) == FREE);
	EXPECT(try_range("childs", F_WRLCK, 0, 0) == FREE);
	victim_done();
}
