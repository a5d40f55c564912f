/* The texts of /proc, parts of which a target chooses: names, paths, what it made many of. The
 * first byte of the input chooses the parser. What a parser takes must hold what its header
 * promises. */
#include "fuzz.h"

#include <signal.h>

#include "container/idmap.h"
#include "container/mountinfo.h"
#include "core/cleanup.h"
#include "core/filter.h"
#include "core/procfs.h"
#include "core/text.h"
#include "kind/support/epoll_items.h"
#include "kind/support/lock_lines.h"
#include "kind/support/tcp_table.h"
#include "kind/support/timer_list.h"
#include "kind/support/uring.h"
#include "kind/support/watched.h"
#include "policy/subid.h"
#include "target/cgroup.h"
#include "target/registry.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

/* A refusal has a code and a text. */
static bool is_taken(int r, const struct err *err)
{
	MUST(r == 0 || (r < 0 && err->text[0] != '\0'));
	return r == 0;
}

/* ---- lib/core ---- */

static void parse_stat(const char *text)
{
	struct procfs_stat stat;
	struct err err = ERR_NONE;

	if (is_taken(procfs_stat_parse(text, &stat, &err), &err))
		MUST(memchr(stat.comm, '\0', sizeof(stat.comm)));
}

static void parse_status(const char *text)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	struct err err = ERR_NONE;

	if (is_taken(procfs_status_parse(text, &status, &err), &err))
		MUST(status.ns_depth <= sizeof(status.ns_pid) / sizeof(status.ns_pid[0]));
}

static void parse_maps(const char *text)
{
	struct procfs_vma *vmas = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!is_taken(procfs_maps_parse(text, &vmas, &count, &err), &err))
		return;
	for (size_t i = 0; i < count; i++) {
		MUST(vmas[i].start < vmas[i].end && vmas[i].name);
		MUST(i == 0 || vmas[i - 1].end <= vmas[i].start);
	}
	procfs_maps_free(vmas, count);
}

static void parse_fields(const char *text)
{
	static const char *const names[] = { "pos", "flags", "eventfd-count", "", "a:b", "\n" };
	uint64_t value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)procfs_field(text, names[i], 8, &value);
		(void)procfs_field(text, names[i], 10, &value);
		(void)procfs_field(text, names[i], 16, &value);
	}
}

/* What goes to a terminal neither moves its cursor nor can be more than said. */
static void parse_shown(const char *text)
{
	auto_buf struct buf shown = BUF_EMPTY;
	int columns = text_append_safe(&shown, text);

	MUST(columns >= 0 && (size_t)columns <= shown.size);
	for (size_t i = 0; i < shown.size; i++)
		MUST((unsigned char)shown.data[i] >= ' ' && shown.data[i] != 0x7f);
}

static void parse_filter(const char *text)
{
	struct filter filter = FILTER_NONE;
	struct err err = ERR_NONE;
	struct seccomp_data data = { .nr = 1 };

	if (!is_taken(filter_parse(text, &filter, &err), &err))
		return;
	if (filter_is_valid(filter.code, filter.count))
		(void)filter_verdict(&filter, &data);
	filter_free(&filter);
}

/* ---- containers ---- */

static void parse_mountinfo(const char *text)
{
	struct mountinfo *mounts = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!is_taken(mountinfo_parse(text, &mounts, &count, &err), &err))
		return;
	for (size_t i = 0; i < count; i++) {
		MUST(mounts[i].root && mounts[i].point && mounts[i].options);
		MUST(mounts[i].type && mounts[i].source && mounts[i].super);
		(void)mountinfo_is_made(&mounts[i], i % 2 == 0);
	}
	mountinfo_free(mounts, count);
}

static void parse_cgroup_mounts(const char *text)
{
	struct cgroup_mount *mounts = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!is_taken(cgroup_mounts_parse(text, &mounts, &count, &err), &err))
		return;
	for (size_t i = 0; i < count; i++) {
		auto_free char *path = cgroup_map_path(&mounts[i], mounts[0].root);

		/* It stays below the mount. */
		MUST(!path || strncmp(path, mounts[i].point, strlen(mounts[i].point)) == 0 ||
		     strcmp(mounts[i].point, "/") == 0);
	}
	cgroup_mounts_free(mounts, count);
}

static void parse_cgroup(const char *text)
{
	for (enum freezer_form form = FREEZER_V1; form <= FREEZER_V2; form++) {
		auto_free char *path = NULL;
		struct err err = ERR_NONE;

		if (is_taken(cgroup_path_parse(text, form, &path, &err), &err) && path)
			MUST(path[0] == '/' && !strchr(path, '\n'));
	}
}

static void parse_id_map(const char *text)
{
	auto_free struct id_range *ranges = NULL;
	auto_free struct id_map *map = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	(void)is_taken(idmap_parse_identity(text, &map, &count, &err), &err);
	(void)subid_map_is_initial(text);
	subid_parse_map(text, &ranges, &count);
	for (size_t i = 1; i < count; i++)
		MUST(ranges[i - 1].first <= ranges[i].first);
}

static void parse_registry_entry(const char *text)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	struct registry_place place;
	struct err err = ERR_NONE;

	if (!is_taken(registry_entry_parse(text, strlen(text), "web", &entry, &place, &err), &err))
		return;
	MUST(strcmp(entry.name, "web") == 0 && entry.init > 0);
	MUST(memchr(place.boot_id, '\0', sizeof(place.boot_id)));
}

/* ---- fdinfo and the files beside it ---- */

static void parse_locks(const char *text)
{
	const char *at = lock_line_first(text);
	struct lock_line line;

	while (at && lock_line_next(&at, &line))
		MUST(at > text && at <= text + strlen(text));
}

static void parse_tcp(const char *text)
{
	struct tcp_table table = TCP_TABLE_NONE;

	tcp_table_parse(&table, text);
	tcp_table_sort(&table);
	for (size_t i = 0; i < table.count; i++)
		MUST(tcp_table_find(&table, 0, &table.lines[i].local, &table.lines[i].peer));
	free(table.lines);
}

static void parse_timers(const char *text)
{
	auto_free struct timer_line *timers = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!is_taken(timer_list_parse(text, &timers, &count, &err), &err))
		return;
	for (size_t i = 0; i < count; i++)
		MUST(timers[i].signal >= 0 && timers[i].pid >= 0);
	for (size_t i = 1; i < count; i++)
		MUST(timers[i - 1].id <= timers[i].id);
}

static void parse_uring(const char *text)
{
	struct uring_info info;

	(void)uring_info_parse(text, &info);
}

static void parse_watched(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		struct watched *watched = mem_alloc(1, sizeof(*watched));

		line += *line == '\n';
		if (watched_parse(line, watched))
			MUST(watched->handle && !strchr(watched->handle, '\n'));
		watched_free(watched, 1);
	}
}

static void parse_epoll(const char *text)
{
	auto_free struct epoll_item *items = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!is_taken(epoll_items_parse(text, &items, &count, &err), &err))
		return;
	for (size_t i = 0; i < count; i++)
		MUST(items[i].number >= 0 && items[i].nth < count);
}

/* ---- the table ---- */

/* New ones at the end: the files in seeds/fuzz_proc begin with these letters. */
static const struct parser {
	char letter;
	void (*parse)(const char *text);
	const char *seed;
} parsers[] = {
	{ 'a', parse_stat,
	  "77 (cat) S 10 11 12 34816 -1 4194560 0 0 0 0 1 2 0 0 20 -5 1 0 4242\n" },
	{ 'b', parse_status, "Name:\tx\nTgid:\t5\nPid:\t6\nNSpid:\t6\t3\t1\nGroups:\t4 24 \n" },
	{ 'c', parse_maps, "1000-2000 r-xp 00001000 fe:01 42   /a\\012b\nVmFlags: rd ex um2 \n" },
	{ 'd', parse_fields, "pos:\t12\nflags:\t0100002\neventfd-count:     ff\n" },
	{ 'e', parse_shown, "a\033[2J\u202e\u00e9\n" },
	{ 'f', parse_filter, "0600000000000000" },
	{ 'g', parse_mountinfo, "36 35 98:0 / /a\\040b rw master:1 - tmpfs tmpfs rw\n" },
	{ 'h', parse_cgroup_mounts, "30 24 0:26 /x /sys/fs/cgroup rw - cgroup2 cgroup rw\n" },
	{ 'i', parse_cgroup, "5:freezer:/a:b\n0::/user.slice (deleted)\n" },
	{ 'j', parse_id_map,
	  "         0       1000          1\n         1     100000      65536\n" },
	{ 'k', parse_registry_entry, "{\"ctckpt_container\": 1, \"name\": \"web\", \"init\": 7}" },
	{ 'l', parse_locks, "pos:\t0\nlock:\t1: POSIX  ADVISORY  WRITE 7 00:1e:44 0 EOF\n" },
	{ 'm', parse_tcp, "   0: 0100007F:1389 0100007F:1388 04 002CC6F6:00000000 01:0 0 0 0 7\n" },
	{ 'n', parse_timers, "ID: 7\nsignal: 34/de\nnotify: signal/tid.85\nClockID: -2\n" },
	{ 'o', parse_uring, "SqMask:\t0x3\nSqHead:\t3\nSQEs:\t0\nUserFiles:\t0\nPollList:\n" },
	{ 'p', parse_watched,
	  "inotify wd:1 ino:1f sdev:fe00000 mask:2 ignored_mask:0 fhandle-bytes:8 "
	  "fhandle-type:1 f_handle:1f00\n" },
	{ 'q', parse_epoll, "tfd:        5 events:       19 data:                7  pos:0\n" },
};
#define PARSER_COUNT (sizeof(parsers) / sizeof(parsers[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = NULL;

	/* Texts of the kernel have no NUL; and what is behind one, a parser does not see. */
	if (size < 1 || memchr(data, '\0', size))
		return 0;
	text = mem_copy(data + 1, size - 1);
	parsers[(data[0] - (size_t)'a') % PARSER_COUNT].parse(text);
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	const struct parser *parser = &parsers[fuzz_random(random) % PARSER_COUNT];

	buf_printf(seed, "%c%s", parser->letter, parser->seed);
}
