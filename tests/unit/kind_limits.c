/* More of a thing than there can be is refused for its length alone: nobody looks at the rest. */
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/cgroup_limit.h"
#include "kind/support/mm.h"
#include "unit.h"

struct limit {
	const char *kind;
	size_t size; /* of one */
	size_t most;
};

static void expect_refused(struct unit *unit, const struct limit *limit)
{
	size_t length = limit->size * (limit->most + 1);
	auto_free char *words = mem_printf("%s: %zu bytes", limit->kind, length);
	struct err err = ERR_NONE;
	/* Never touched. */
	void *body =
	    mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	EXPECT(unit, kind_by_name(limit->kind)->check(body, length, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, words);
	(void)munmap(body, length);
}

static void lengths(struct unit *unit)
{
	static const struct limit limits[] = {
		{ "anon_name", 96, MM_VMAS_MAX },    { "mempolicy", 152, MM_VMAS_MAX },
		{ "io_uring_map", 32, MM_VMAS_MAX }, { "sysv_undo", 8, 1 << 20 },
		{ "mq_notify", 24, 65536 },	     { "posix_timers", 64, 65536 },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		expect_refused(unit, &limits[i]);
}

/* Numbers of watches, and types, in rising order: all are good. */
static void watches(struct unit *unit)
{
	enum { COUNT = 65537, HEAD = 4, WATCH = 6 };
	size_t length = (HEAD + COUNT * WATCH) * sizeof(le32);
	auto_free le32 *body = mem_alloc(length, 1);
	struct err err = ERR_NONE;

	body[3] = le32_make(COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		le32 *watch = body + HEAD + (size_t)i * WATCH;

		watch[0] = le32_make(i + 1);
		watch[1] = le32_make(IN_MODIFY);
		watch[2] = le32_make(S_IFREG);
		watch[3] = le32_make(7);
	}
	EXPECT(unit, kind_by_name("inotify")->check(body, length, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "inotify: 1572904 bytes for 65537 watches");
}

/* All that fits of bytes, and of the largest huge pages; and what the latter cannot say. */
static void no_limits(struct unit *unit)
{
	EXPECT(unit, cgroup_limit_is_none(UINT64_C(0x7ffffffffffff000)));
	EXPECT(unit, cgroup_limit_is_none(UINT64_C(0x7fffffffc0000000)));
	EXPECT(unit, !cgroup_limit_is_none(UINT64_C(0x7fffffffbfffffff)));
}

static const struct unit_case cases[] = {
	UNIT_CASE(watches),
	UNIT_CASE(lengths),
	UNIT_CASE(no_limits),
};

int main(void)
{
	return UNIT_RUN(cases);
}
