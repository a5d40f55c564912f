/* Removing cgroups, on directories that take their place: those can be removed just so. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cgroup.h"
#include "core/cleanup.h"
#include "unit.h"

/* Makes `count` directories, each in the one before, below `top`; the path of the last is *path. */
static bool make_nested(const char *top, unsigned int count, struct buf *path)
{
	buf_printf(path, "%s", top);
	for (unsigned int i = 0; i < count; i++) {
		buf_printf(path, "/d");
		if (mkdir(path->data, 0700) < 0)
			return false;
	}
	return true;
}

static void depth(struct unit *unit)
{
	char top[] = "/tmp/unit-cgroup-XXXXXX";
	auto_free char *refusal = NULL;
	auto_buf struct buf path = BUF_EMPTY;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, mkdtemp(top)))
		return;
	refusal = mem_printf("remove cgroup %s: %s", top, strerror(ELOOP));
	/* The last of them is empty, and is not looked into. */
	EXPECT(unit, make_nested(top, 65, &path));
	EXPECT(unit, cgroup_destroy(top, &err) == -ELOOP);
	EXPECT_TEXT(unit, err.text, refusal);
	EXPECT(unit, access(path.data, F_OK) == 0 && rmdir(path.data) == 0);
	EXPECT(unit, cgroup_destroy(top, &err) == 0);
	EXPECT(unit, access(top, F_OK) < 0);
}

int main(void)
{
	static const struct unit_case cases[] = { UNIT_CASE(depth) };

	return UNIT_RUN(cases);
}
