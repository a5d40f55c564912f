/* Descriptors that the invoker gives for those that were saved: which are refused. */
#include "kind/support/grant.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "hostile.h"
#include "policy/plan.h"
#include "unit.h"

static void expect_refused(struct unit *unit, const char *text, const char *words)
{
	const char *const texts[] = { text, NULL };
	auto_grants struct grants grants = GRANTS_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, grants_take(texts, &grants, &err) == ERR_USAGE);
	EXPECT_TEXT(unit, err.text, words);
}

static void texts(struct unit *unit)
{
	static const char *const bad[] = { "",	      "5=0",	"fd=0",	   "fd5",
					   "fd5=",    "fd5=0x", "fd5=0 ",  "fd5:0",
					   "7fd5=0",  "7:5=0",	"7:=0",	   "-1:fd5=0",
					   "fd-1=0",  "x=0",	"fd5=-1",  "fd4294967296=0",
					   "fd5=0=1", "7::fd5", "7:fdx=0", "fd5=2147483648" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		auto_free char *words =
		    mem_printf("--grant %s: not of the form [PID:]fdN=FD", bad[i]);

		expect_refused(unit, bad[i], words);
	}
	expect_refused(unit, "fd5=777", "--grant fd5=777: descriptor 777 is not open");
}

/* ---- which one is meant ---- */

static void find(struct unit *unit, const char *name, const char *const *texts, const char *words)
{
	auto_edited struct edited_image edited = EDITED_IMAGE_NONE;
	auto_grants struct grants grants = GRANTS_NONE;
	auto_image struct image *image = NULL;
	auto_buf struct buf data = BUF_EMPTY;
	struct host_facts facts = HOST_FACTS_NONE;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, hostile_load(name, &edited)))
		return;
	EXPECT(unit, edited_parse(&edited, &data, &image, &err) == 0);
	EXPECT(unit, grants_take(texts, &grants, &err) == 0);
	(void)grants_find(&grants, image, &facts, &err);
	EXPECT_TEXT(unit, err.text, words);
	free(facts.grants);
}

static const char files[] = "filelock-3.zst";	  /* descriptors 3 and 4 of its first task */
static const char counters[] = "eventpoll-1.zst"; /* 6 and 7; 3 is an epoll */

static void places(struct unit *unit)
{
	static const char *const good[] = { "1:fd3=0", NULL };
	static const char *const no_task[] = { "77:fd3=0", NULL };
	static const char *const no_slot[] = { "fd777=0", NULL };
	static const char *const no_kind[] = { "fd3=0", NULL };
	static const char *const twice[] = { "fd3=0", "1:fd3=1", NULL };

	find(unit, files, good, "");
	find(unit, files, no_task, "--grant 77:fd3=0: the image has no task 77");
	find(unit, files, no_slot, "--grant fd777=0: task 1 has no descriptor 777");
	find(unit, counters, no_kind, "--grant fd3=0: that is no descriptor that could be given");
	find(unit, files, twice, "--grant 1:fd3=1: that is the same as fd3=0");
}

/* Two files have a position each; two counters may have become one. */
static void one_for_two(struct unit *unit)
{
	for (int round = 0; round < 2; round++) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		auto_free char *first =
		    mem_printf("fd%d=%d", round ? 6 : 3, fcntl(fd, F_DUPFD_CLOEXEC, 10));
		auto_free char *second =
		    mem_printf("fd%d=%d", round ? 7 : 4, fcntl(fd, F_DUPFD_CLOEXEC, 10));
		auto_free char *words = mem_printf(
		    "--grant %s: the same open file is given by %s: open it twice", second, first);
		const char *const both[] = { first, second, NULL };

		find(unit, round ? counters : files, both, round ? "" : words);
		(void)close(fd);
	}
}

/* ---- does it fit? ---- */

static void fits(struct unit *unit)
{
	const struct grant_look file = {
		.type = S_IFREG, .flags = O_RDWR, .position = 50, .size = 100
	};
	struct grant_look saved = file, given = file;

	given.size = 60;
	EXPECT(unit, grant_compare(&saved, &given) == GRANT_FITS);
	given.size = 50;
	EXPECT(unit, grant_compare(&saved, &given) == GRANT_FITS);
	given.size = 49;
	EXPECT(unit, grant_compare(&saved, &given) == GRANT_SHORT);
	/* It was beyond the end already; it goes on at the end, wherever that is. */
	saved.size = 49;
	EXPECT(unit, grant_compare(&saved, &given) == GRANT_FITS);
	saved = file;
	saved.flags |= O_APPEND;
	EXPECT(unit, grant_compare(&saved, &given) == GRANT_FITS);
	saved = file;
	saved.type = given.type = S_IFDIR;
	EXPECT(unit, grant_compare(&saved, &given) == GRANT_FITS);
}

static void does_not_fit(struct unit *unit)
{
	const struct grant_look file = { .type = S_IFREG, .flags = O_RDWR };
	const struct grant_look any = { .type = S_IFREG, .is_any = true };
	const struct grant_look socket = { .type = S_IFSOCK,
					   .flags = O_RDWR,
					   .family = AF_INET,
					   .socket_type = SOCK_STREAM,
					   .is_connected = true };
	struct grant_look given = file;

	given.type = S_IFIFO;
	EXPECT(unit, grant_compare(&file, &given) == GRANT_TYPE);
	EXPECT(unit, grant_compare(&any, &given) == GRANT_FITS);
	given.type = S_IFDIR;
	EXPECT(unit, grant_compare(&any, &given) == GRANT_TYPE);
	given = file;
	given.flags = O_PATH;
	EXPECT(unit, grant_compare(&file, &given) == GRANT_TYPE);
	EXPECT(unit, grant_compare(&any, &given) == GRANT_TYPE);
	given.flags = O_RDONLY;
	EXPECT(unit, grant_compare(&file, &given) == GRANT_ACCESS);
	given.flags = O_WRONLY;
	EXPECT(unit, grant_compare(&file, &given) == GRANT_ACCESS);
	given = socket;
	EXPECT(unit, grant_compare(&socket, &given) == GRANT_FITS);
	given.is_connected = false;
	EXPECT(unit, grant_compare(&socket, &given) == GRANT_ALONE);
	given.family = AF_INET6;
	EXPECT(unit, grant_compare(&socket, &given) == GRANT_TYPE);
}

static const struct unit_case cases[] = {
	UNIT_CASE(texts), UNIT_CASE(places),	   UNIT_CASE(one_for_two),
	UNIT_CASE(fits),  UNIT_CASE(does_not_fit),
};

int main(void)
{
	return UNIT_RUN(cases);
}
