/* Paths that the invoker names, and directories that are cleared: what is refused. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/err.h"
#include "kind/support/tree_choice.h"
#include "kind/support/tree_clear.h"
#include "unit.h"

/* ---- paths that go along ---- */

static void expect_no_choice(struct unit *unit, const char *text, const char *path)
{
	auto_free char *words = mem_printf("--file-system: %s is not a path below the root", path);
	struct tree_choice choice = TREE_CHOICE_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, tree_choice_parse(text, &choice, &err) == ERR_USAGE);
	EXPECT_TEXT(unit, err.text, words);
	tree_choice_free(&choice);
}

/* Components of that length each, until there are more bytes than that. */
static char *make_path(size_t component, size_t length)
{
	struct buf path = BUF_EMPTY;

	while (path.size < length) {
		(void)buf_append(&path, "/", 1);
		memset(buf_append(&path, NULL, component), 'n', component);
	}
	(void)buf_append(&path, "", 1);
	return path.data;
}

static void choices(struct unit *unit)
{
	static const char *const bad[] = { "",	     "a",  "/",	      "/a/", "//a",   "/a//b",
					   "/a/./b", "/.", "/a/../b", "/..", "/a/..", "/a,b" };
	auto_free char *component = make_path(256, 1);
	auto_free char *longest = make_path(255, 1);
	auto_free char *path = make_path(200, 4096);
	struct tree_choice choice = TREE_CHOICE_NONE;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_no_choice(unit, bad[i], strcmp(bad[i], "/a,b") == 0 ? "b" : bad[i]);
	/* Errors have no room for all of them. */
	EXPECT(unit, tree_choice_parse(component, &choice, &err) == ERR_USAGE);
	EXPECT(unit, tree_choice_parse(path, &choice, &err) == ERR_USAGE);
	EXPECT(unit, tree_choice_parse(longest, &choice, &err) == 0 && choice.count == 1);
	tree_choice_free(&choice);
	EXPECT(unit, tree_choice_parse("/.a,/b/..c/d", &choice, &err) == 0 && choice.count == 2);
	tree_choice_free(&choice);
}

/* ---- what is in the way ---- */

static void clears(struct unit *unit)
{
	enum { DEEPER = 520 };
	char path[] = "/tmp/ctckpt-unit-XXXXXX";
	auto_close int top = -1;
	auto_close int at = -1;

	if (!EXPECT(unit, mkdtemp(path)))
		return;
	top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	at = dup(top);
	for (int i = 0; i < DEEPER; i++) {
		int below;

		if (!EXPECT(unit, mkdirat(at, "d", 0700) == 0))
			break;
		below = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = below;
	}
	/* It can be a descriptor for each. */
	EXPECT(unit, tree_clear(top, "d") == -ELOOP);
	/* From its end; the numbers of the descriptors do not matter. */
	for (int i = 0; i < DEEPER; i++) {
		int above = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		EXPECT(unit, unlinkat(above, "d", AT_REMOVEDIR) == 0);
		(void)close(at);
		at = above;
	}
	EXPECT(unit, mkdirat(top, "d", 0700) == 0 && mkdirat(top, "d/e", 0700) == 0);
	EXPECT(unit, tree_clear(top, "d") == 0 && faccessat(top, "d", F_OK, 0) < 0);
	EXPECT(unit, rmdir(path) == 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(choices),
	UNIT_CASE(clears),
};

int main(void)
{
	return UNIT_RUN(cases);
}
