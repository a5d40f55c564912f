/* What kinds refuse while they restore: what has changed since the plan, and what no reader of
 * images sees. The images are those of tests/hostile; the root is ours. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "hostile.h"
#include "kind/kind.h"
#include "policy/plan_private.h"
#include "restore/restore.h"
#include "unit.h"

struct work {
	struct image *image;
	struct plan plan; /* nothing was asked */
	struct restore rs;
};

static bool begin(struct unit *unit, struct work *work, const char *name, const char *edits)
{
	auto_edited struct edited_image edited = EDITED_IMAGE_NONE;
	auto_buf struct buf data = BUF_EMPTY;
	struct err err = ERR_NONE;

	*work = (struct work){ .image = NULL };
	if (!EXPECT(unit, hostile_load(name, &edited) && edited_apply_all(&edited, edits)))
		return false;
	edited_make(&edited, &data);
	(void)image_parse(data.data, data.size, &image_default_limits, &work->image, &err);
	if (work->image)
		(void)restore_init(&work->rs, work->image, &work->plan, &err);
	if (!EXPECT_TEXT(unit, err.text, ""))
		return false;
	work->rs.own->root.dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	work->rs.own->root.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return true;
}

static void end(struct work *work)
{
	if (work->rs.own) {
		(void)close(work->rs.own->root.dir);
		(void)close(work->rs.own->root.proc);
	}
	restore_free(&work->rs);
	image_free(work->image);
}
#define auto_work __attribute__((cleanup(end)))

/* The error of restoring that record; "" if there is none. */
static const char *restore(struct work *work, const struct record *record)
{
	static struct err err;

	err = ERR_NONE;
	(void)kind_by_tag(record->tag)->restore(&work->rs, record, &err);
	return err.text;
}

static void another_device(struct unit *unit)
{
	auto_work struct work work;
	const struct record *record;

	if (!begin(unit, &work, "file_system-1.zst", "CHRD.0+8:4=5"))
		return;
	record = image_next(work.image, kind_by_name("chardev")->tag, NULL);
	EXPECT_TEXT(unit, restore(&work, record), "/dev/null is device 1:3, not 1:5");
}

/* A record of the image's, but for the path. Owned. */
static struct record *with_path(const struct record *record, size_t head, const char *path)
{
	size_t length = head + strlen(path) + 1;
	struct record *copy = mem_alloc(1, sizeof(*copy) + length);
	unsigned char *body = (unsigned char *)(copy + 1);

	*copy = *record;
	memcpy(body, record->body, head);
	memcpy(body + head, path, strlen(path) + 1);
	copy->body = body;
	copy->length = (uint32_t)length;
	return copy;
}

/* One of 10 bytes, that had `size`. */
static void cut_off(struct unit *unit)
{
	static const struct {
		uint32_t flags;
		uint64_t position, size;
		bool is_good;
	} cases[] = {
		{ O_RDONLY, 10, 25880, true },
		{ O_RDONLY, 11, 25880, false },
		{ O_RDONLY, 11, 10, true },
		{ O_RDWR | O_APPEND, 11, 25880, true },
	};
	char path[] = "/tmp/unit-cut-XXXXXX";
	auto_close int file = mkostemp(path, O_CLOEXEC);
	auto_free char *refusal =
	    mem_printf("file %s has been truncated below the saved position", path);

	EXPECT(unit, file >= 0 && ftruncate(file, 10) == 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_work struct work work;
		auto_free struct record *record = NULL;
		auto_free char *edits = mem_printf(
		    "REGF.0+0:4=%u REGF.0+16:8=%llu REGF.0+24:8=%llu", cases[i].flags,
		    (unsigned long long)cases[i].position, (unsigned long long)cases[i].size);

		if (!begin(unit, &work, "file_system-1.zst", edits))
			break;
		record = with_path(image_next(work.image, kind_by_name("regfile")->tag, NULL), 120,
				   path);
		EXPECT_TEXT(unit, restore(&work, record), cases[i].is_good ? "" : refusal);
	}
	(void)unlink(path);
}

/* All of a kind, until one fails. */
static const char *restore_all(struct work *work, const char *name)
{
	const struct kind *kind = kind_by_name(name);
	const struct record *record = NULL;
	const char *words = "";

	while (!words[0] && (record = image_next(work->image, kind->tag, record)))
		words = restore(work, record);
	return words;
}

/* In a network of its own: these have names. */
static void expect_no_datagrams(struct unit *unit, const char *edits, const char *sockets,
				const char *queues)
{
	auto_work struct work work;

	if (!EXPECT(unit, unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) ||
	    !begin(unit, &work, "unix_queue-1.zst", edits))
		return;
	EXPECT_TEXT(unit, restore_all(&work, "sock_unix"), sockets);
	if (!sockets[0])
		EXPECT_TEXT(unit, restore_all(&work, "unix_queue"), queues);
}

/* 15 and 19 would both be of a pair with 18. */
static void connect_two(struct unit *unit)
{
	expect_no_datagrams(unit,
			    "UNIX.14+680:4=0 UNIX.14+688:4=0 UNIX.11+680:4=2 UNIX.11+688:4=18",
			    "unix socket: object 18 has no name to connect with", "");
}

/* 15 with 14, that with 13, that with 17, that with 15. */
static void connect_circle(struct unit *unit)
{
	expect_no_datagrams(unit, "UNIX.11+680:4=2 UNIX.11+688:4=14 UNIX.6+680:4=2 UNIX.6+688:4=17",
			    "", "unix socket 13 is connected in a circle");
}

static void datagrams(struct unit *unit)
{
	void (*const cases[])(struct unit *) = { connect_two, connect_circle };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = 1;
		pid_t child = fork();

		if (child == 0) {
			cases[i](unit);
			(void)fflush(stdout);
			_exit(unit->has_failed ? 1 : 0);
		}
		EXPECT(unit, waitpid(child, &status, 0) == child && status == 0);
	}
}

static void no_ids(struct unit *unit)
{
	auto_work struct work work;
	auto_script struct script script = SCRIPT_NONE;
	struct remote nobody = { .zone = { .size = 1 << 16 } };
	const struct record *record;
	struct err err = ERR_NONE;

	if (!begin(unit, &work, "file_system-1.zst", ""))
		return;
	script_init(&script, &nobody);
	record = image_next(work.image, kind_by_name("creds")->tag, NULL);
	EXPECT(unit, creds_take_ids(&work.rs, record->id, 0, &script, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "uid.real: the plan has no id");
}

static const struct unit_case cases[] = {
	UNIT_CASE(another_device),
	UNIT_CASE(cut_off),
	UNIT_CASE(datagrams),
	UNIT_CASE(no_ids),
};

int main(void)
{
	return UNIT_RUN(cases);
}
