/* The parser of mountinfo, and which mounts are ours. */
#include "container/mountinfo.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

struct list {
	struct mountinfo *mounts;
	size_t count;
};

static struct list parse(const char *text)
{
	struct err err = ERR_NONE;
	struct list list = { NULL, 0 };

	if (mountinfo_parse(text, &list.mounts, &list.count, &err) < 0)
		return (struct list){ NULL, 0 };
	return list;
}

#define OURS  "90 22 0:41 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
#define QUEUE "91 22 0:42 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw\n"

static void test_escapes(struct unit *unit)
{
	struct list list =
	    parse("1 2 0:5 /a\\040b /x\\134y\\012z rw shared:1 master:2 - tmpfs a\\011b rw\n"
		  "3 4 8:1 / /\\400\\18x\\ ro - ext4 - rw\n");

	EXPECT(unit, list.count == 2 && strcmp(list.mounts[0].root, "/a b") == 0 &&
			 strcmp(list.mounts[0].point, "/x\\y\nz") == 0 &&
			 strcmp(list.mounts[0].source, "a\tb") == 0);
	EXPECT(unit, list.count == 2 && strcmp(list.mounts[1].point, "/\\400\\18x\\") == 0 &&
			 strcmp(list.mounts[1].source, "-") == 0 && list.mounts[1].dev_major == 8);
	mountinfo_free(list.mounts, list.count);
}

static void test_empty_source(struct unit *unit)
{
	struct list list = parse("1 2 0:5 / /x rw - tmpfs  rw\n");

	EXPECT(unit, list.count == 1 && strcmp(list.mounts[0].source, "") == 0);
	mountinfo_free(list.mounts, list.count);
}

static void test_damaged(struct unit *unit)
{
	static const char *const texts[] = {
		"\n",
		"1\n",
		"1 2 0 / / rw - a b c\n",
		"1 2 0:5 / / rw a b c\n",
		"1 2 0:5 / / rw -\n",
		"1 2 0:5 / / rw - tmpfs\n",
		"1 2 0:5 / / rw - tmpfs x\n",
		"1 2 0:99999999999 / / rw - tmpfs x rw\n",
		"-1 2 0:5 / / rw - tmpfs x rw\n",
		"1 2 0:5  / rw - tmpfs x rw\n",
		"1 2 0:5 / / rw - tmpfs x rw\n1 2",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct list list = parse(texts[i]);

		if (list.mounts)
			(void)printf("# text %zu was accepted\n", i);
		EXPECT(unit, list.mounts == NULL);
		mountinfo_free(list.mounts, list.count);
	}
}

static void test_optional_fields(struct unit *unit)
{
	struct list list = parse("1 2 0:5 / /x ro,nosuid shared:7 master:3 - tmpfs a rw,size=4k\n"
				 "3 4 0:5 / /y rw unbindable - tmpfs a ro\n");

	EXPECT(unit, list.count == 2 && list.mounts[0].group == 7 && list.mounts[0].master == 3 &&
			 !list.mounts[0].is_unbindable &&
			 strcmp(list.mounts[0].super, "rw,size=4k") == 0);
	EXPECT(unit, list.count == 2 && list.mounts[1].group == 0 && list.mounts[1].master == 0 &&
			 list.mounts[1].is_unbindable && strcmp(list.mounts[1].super, "ro") == 0);
	mountinfo_free(list.mounts, list.count);
}

static bool is_made(const char *text, bool has_root)
{
	struct list list = parse(text);
	bool result = list.count == 1 && mountinfo_is_made(&list.mounts[0], has_root);

	mountinfo_free(list.mounts, list.count);
	return result;
}

static void test_made(struct unit *unit)
{
	EXPECT(unit, is_made(OURS, false) && is_made(OURS, true) && is_made(QUEUE, false));
	EXPECT(unit, !is_made("9 2 0:5 / /dev rw - tmpfs tmpfs rw\n", false));
	EXPECT(unit, is_made("9 2 0:5 / /dev rw - tmpfs tmpfs rw\n", true));
	EXPECT(unit, !is_made("9 2 0:5 /x /dev rw - tmpfs tmpfs rw\n", true));
	EXPECT(unit, is_made("9 2 0:6 /null /dev/null rw - devtmpfs devtmpfs rw\n", true));
	EXPECT(unit, !is_made("9 2 0:6 /null /dev/null rw - devtmpfs devtmpfs rw\n", false));
	EXPECT(unit, !is_made("9 2 0:6 /kmsg /dev/null rw - devtmpfs devtmpfs rw\n", true));
	EXPECT(unit, !is_made("9 2 0:6 /kmsg /dev/kmsg rw - devtmpfs devtmpfs rw\n", true));
}

static const struct unit_case cases[] = {
	UNIT_CASE(test_escapes), UNIT_CASE(test_empty_source),	  UNIT_CASE(test_damaged),
	UNIT_CASE(test_made),	 UNIT_CASE(test_optional_fields),
};

int main(void)
{
	return UNIT_RUN(cases);
}
