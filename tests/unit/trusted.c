/* Files that are believed: who else could have written one. */
#include "policy/trusted.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit.h"

enum {
	SOMEBODY = 12345,
	LIMIT = 100,
};

struct place {
	char *dir;  /* owned */
	char *path; /* owned: of a file in it that anybody may trust */
};

static struct place place_new(size_t size)
{
	struct place place = { .dir = mem_string("/tmp/ctckpt-trusted.XXXXXX") };
	auto_close int fd = -1;

	if (!mkdtemp(place.dir))
		abort();
	place.path = mem_printf("%s/file", place.dir);
	fd = open(place.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	for (; size > 0; size--) {
		if (write(fd, "x", 1) != 1)
			abort();
	}
	return place;
}

static void place_free(struct place *place)
{
	(void)chmod(place->dir, 0700);
	(void)unlink(place->path);
	(void)rmdir(place->path);
	(void)rmdir(place->dir);
	free(place->path);
	free(place->dir);
}
#define auto_place __attribute__((cleanup(place_free)))

static void expect(struct unit *unit, const char *path, enum trusted_owner owner, int code,
		   const char *words)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;

	EXPECT(unit, trusted_read(path, owner, LIMIT, &text, &err) == code);
	EXPECT_TEXT(unit, err.text, words);
	EXPECT(unit, code == 0 || text.size == 0);
}

static void own(struct unit *unit)
{
	auto_place struct place place = place_new(LIMIT);

	expect(unit, place.path, TRUSTED_OWN, 0, "");
	if (geteuid() != 0)
		expect(unit, place.path, TRUSTED_ROOT, ERR_REFUSED, "it does not belong to root");
}

static void too_long(struct unit *unit)
{
	auto_place struct place place = place_new(LIMIT + 1);

	expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED, "it has more than 100 bytes");
	/* Of which the kernel does not say how long it is. */
	expect(unit, "/proc/filesystems", TRUSTED_ROOT, ERR_REFUSED, "it has more than 100 bytes");
}

static void no_file(struct unit *unit)
{
	auto_place struct place place = place_new(0);

	expect(unit, place.dir, TRUSTED_OWN, ERR_REFUSED, "it is not a regular file");
	EXPECT(unit, unlink(place.path) == 0 && mkfifo(place.path, 0600) == 0);
	expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED, "it is not a regular file");
	EXPECT(unit, unlink(place.path) == 0 && symlink("/etc/passwd", place.path) == 0);
	expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED, "it is not a regular file");
}

static void writable(struct unit *unit)
{
	auto_place struct place place = place_new(0);

	for (mode_t who = 0020; who >= 0002; who >>= 3) {
		EXPECT(unit, chmod(place.path, 0600 | who) == 0);
		expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED, "others may write it");
		EXPECT(unit, chmod(place.path, 0600) == 0 && chmod(place.dir, 0700 | who) == 0);
		expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED,
		       "others may write in its directory");
		EXPECT(unit, chmod(place.dir, 01700 | who) == 0);
		expect(unit, place.path, TRUSTED_OWN, 0, "");
		EXPECT(unit, chmod(place.dir, 0700) == 0);
	}
}

/* Root can make files that are somebody's. */
static void of_others(struct unit *unit)
{
	auto_place struct place place = place_new(0);

	if (chown(place.path, SOMEBODY, (gid_t)-1) < 0)
		return;
	expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED,
	       "it does not belong to the invoker or root");
	expect(unit, place.path, TRUSTED_ROOT, ERR_REFUSED, "it does not belong to root");
	EXPECT(unit, chown(place.path, 0, (gid_t)-1) == 0);
	EXPECT(unit, chown(place.dir, SOMEBODY, (gid_t)-1) == 0);
	expect(unit, place.path, TRUSTED_OWN, ERR_REFUSED,
	       "its directory does not belong to the invoker or root");
	expect(unit, place.path, TRUSTED_ROOT, ERR_REFUSED,
	       "its directory does not belong to root");
}

static const struct unit_case cases[] = {
	UNIT_CASE(own),	     UNIT_CASE(too_long),  UNIT_CASE(no_file),
	UNIT_CASE(writable), UNIT_CASE(of_others),
};

int main(void)
{
	return UNIT_RUN(cases);
}
