/* Locks that are waited for with patience. */
#include "core/lock.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "unit.h"

static int open_new(struct unit *unit, char *path)
{
	int fd;

	EXPECT(unit, mkdtemp(path) != NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(unit, fd >= 0);
	return fd;
}

static bool is_free(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static void goes_with_the_descriptor(struct unit *unit)
{
	char path[] = "/tmp/unit-lock-XXXXXX";
	int fd = open_new(unit, path);
	struct err err = ERR_NONE;

	EXPECT(unit, lock_wait(fd, path, 0, &err) == 0);
	EXPECT(unit, !is_free(path));
	(void)close(fd);
	EXPECT(unit, is_free(path));
	(void)rmdir(path);
}

static void names_who_has_it(struct unit *unit)
{
	char path[] = "/tmp/unit-lock-XXXXXX";
	auto_close int held = open_new(unit, path);
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free char *wanted = mem_printf("%s is locked by process %d (lock)", path, getpid());
	struct err err = ERR_NONE;

	EXPECT(unit, flock(held, LOCK_EX) == 0);
	EXPECT(unit, lock_wait(fd, path, 1, &err) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, wanted);
	EXPECT_TEXT(unit, err.hint, "it may stand still: let it go on, or end it, then try again");
	/* Nobody is left who waits for it. */
	EXPECT(unit, waitpid(-1, NULL, WNOHANG) < 0);
	(void)rmdir(path);
}

/* A child has the lock; it lets go when it is told to, or ends with us. */
static void gets_what_another_gives_up(struct unit *unit)
{
	char path[] = "/tmp/unit-lock-XXXXXX";
	auto_close int fd = open_new(unit, path);
	struct err err = ERR_NONE;
	int ready[2];
	char byte;
	pid_t child;

	EXPECT(unit, pipe2(ready, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		int own = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)alarm(1);
		_exit(flock(own, LOCK_EX) < 0 || write(ready[1], "x", 1) != 1 || pause());
	}
	(void)close(ready[1]);
	EXPECT(unit, child > 0 && read(ready[0], &byte, 1) == 1);
	EXPECT(unit, lock_wait(fd, path, 60000, &err) == 0);
	EXPECT(unit, !is_free(path));
	(void)waitpid(child, NULL, 0);
	(void)close(ready[0]);
	(void)rmdir(path);
}

static const struct unit_case cases[] = {
	UNIT_CASE(goes_with_the_descriptor),
	UNIT_CASE(names_who_has_it),
	UNIT_CASE(gets_what_another_gives_up),
};

int main(void)
{
	return UNIT_RUN(cases);
}
