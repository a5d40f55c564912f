/* The parser of mountinfo, and which mounts are strangers. */
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

#define ROOT  "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
#define PROC  "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
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

/* The mount point of the stranger, or "" if there is none. */
static bool stranger_is(const char *target, const char *own, const char *wanted)
{
	struct list theirs = parse(target);
	struct list ours = own ? parse(own) : (struct list){ NULL, 0 };
	const struct mountinfo *found =
	    mountinfo_stranger(theirs.mounts, theirs.count, ours.mounts, ours.count);
	bool is_wanted = theirs.count > 0 && strcmp(found ? found->point : "", wanted) == 0;

	mountinfo_free(theirs.mounts, theirs.count);
	mountinfo_free(ours.mounts, ours.count);
	return is_wanted;
}

static void test_view(struct unit *unit)
{
	EXPECT(unit, stranger_is(ROOT PROC OURS QUEUE, ROOT PROC, ""));
	EXPECT(unit, stranger_is(ROOT PROC OURS "99 27 0:50 / /mnt rw - tmpfs x rw\n", ROOT PROC,
				 "/mnt"));
	EXPECT(unit, stranger_is(ROOT PROC OURS OURS, ROOT PROC, "/proc"));
	EXPECT(unit, stranger_is("27 1 254:0 / / ro,relatime - ext4 /dev/vda rw\n" PROC OURS,
				 ROOT PROC, "/"));
	EXPECT(unit, stranger_is(ROOT PROC "90 22 0:41 / /proc ro,relatime - proc proc ro\n",
				 ROOT PROC, "/proc"));
	EXPECT(unit,
	       stranger_is(ROOT PROC OURS "99 27 254:0 /etc /mnt rw,relatime - ext4 /dev/vda rw\n",
			   ROOT PROC, "/mnt"));
}

#define BOX                                                                                        \
	"65 42 254:0 /srv/box / rw,relatime - ext4 /dev/vda rw\n"                                  \
	"66 65 0:41 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"                      \
	"68 65 0:42 / /dev rw,nosuid,relatime - tmpfs tmpfs rw\n"                                  \
	"69 68 0:6 /null /dev/null rw,relatime - devtmpfs devtmpfs rw\n"

static void test_root(struct unit *unit)
{
	EXPECT(unit, stranger_is(BOX, NULL, ""));
	EXPECT(unit, stranger_is(BOX "70 68 0:6 /kmsg /dev/zero rw - devtmpfs devtmpfs rw\n", NULL,
				 "/dev/zero"));
	EXPECT(unit, stranger_is(BOX "70 68 0:6 /kmsg /dev/kmsg rw - devtmpfs devtmpfs rw\n", NULL,
				 "/dev/kmsg"));
	EXPECT(unit, stranger_is(BOX ROOT, NULL, "/"));
	EXPECT(unit, stranger_is(BOX "99 65 0:50 / /data rw - tmpfs x rw\n", NULL, "/data"));
}

static const struct unit_case cases[] = {
	UNIT_CASE(test_escapes), UNIT_CASE(test_empty_source), UNIT_CASE(test_damaged),
	UNIT_CASE(test_view),	 UNIT_CASE(test_root),
};

int main(void)
{
	return UNIT_RUN(cases);
}
