/* Limits in hierarchies of v1. See cgroup_v1.h. */
#include "kind/support/cgroup_v1.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/support/cgroup_limit.h"
#include "kind/support/cgroup_tree.h"
#include "kind/support/files.h"
#include "kind/support/loss.h"
#include "target/cgroup.h"

/* A cgroup, and the one above. */
struct place {
	int dir, above;
};

static bool read_file(int dir, const char *file, struct buf *text)
{
	struct err none = ERR_NONE;

	if (dir < 0 || cgroup_file_read(dir, file, text, &none) < 0)
		return false;
	while (text->size > 0 && text->data[text->size - 1] == '\n')
		text->data[--text->size] = '\0';
	return text->size > 0;
}

static bool read_number(int dir, const char *file, uint64_t *ret_number)
{
	auto_buf struct buf text = BUF_EMPTY;
	const char *at;

	if (!read_file(dir, file, &text))
		return false;
	at = text.data;
	return scan_number(&at, 10, UINT64_MAX, ret_number) && *at == '\0';
}

static void bytes_limit(const struct place *at, const char *file, struct buf *out)
{
	uint64_t bytes;

	if (read_number(at->dir, file, &bytes) && !cgroup_limit_is_none(bytes))
		buf_printf(out, "%" PRIu64, bytes);
}

/* v1 limits the sum of both. */
static void swap_limit(const struct place *at, const char *file, struct buf *out)
{
	uint64_t bytes, both;

	if (read_number(at->dir, file, &both) && !cgroup_limit_is_none(both) &&
	    read_number(at->dir, "memory.limit_in_bytes", &bytes))
		buf_printf(out, "%" PRIu64, both > bytes ? both - bytes : 0);
}

static void count_limit(const struct place *at, const char *file, struct buf *out)
{
	uint64_t count;

	if (read_number(at->dir, file, &count))
		buf_printf(out, "%" PRIu64, count);
}

/* "-1" is none, and no number. */
static void cpu_limit(const struct place *at, const char *file, struct buf *out)
{
	uint64_t quota, period;

	if (read_number(at->dir, file, &quota) &&
	    read_number(at->dir, "cpu.cfs_period_us", &period))
		buf_printf(out, "%" PRIu64 " %" PRIu64, quota, period);
}

/* Every cgroup has some: those of the one above are no limit of its own. */
static void set_limit(const struct place *at, const char *file, struct buf *out)
{
	auto_buf struct buf above = BUF_EMPTY;
	auto_buf struct buf own = BUF_EMPTY;

	if (read_file(at->dir, file, &own) && read_file(at->above, file, &above) &&
	    strcmp(own.data, above.data) != 0)
		buf_printf(out, "%s", own.data);
}

/* "8:0 1048576" a line becomes "8:0 rbps=1048576". */
static void throttle(const struct place *at, const char *file, const char *key, struct buf *out)
{
	auto_buf struct buf text = BUF_EMPTY;

	if (!read_file(at->dir, file, &text))
		return;
	for (const char *line = text.data; *line;) {
		size_t length = strcspn(line, "\n");
		size_t device = strcspn(line, " \n");

		if (device < length)
			buf_printf(out, "%s%.*s %s=%.*s", out->size ? "\n" : "", (int)device, line,
				   key, (int)(length - device - 1), line + device + 1);
		line += length + (line[length] == '\n');
	}
}

static void io_limit(const struct place *at, const char *file, struct buf *out)
{
	throttle(at, file, "rbps", out);
	throttle(at, "blkio.throttle.write_bps_device", "wbps", out);
	throttle(at, "blkio.throttle.read_iops_device", "riops", out);
	throttle(at, "blkio.throttle.write_iops_device", "wiops", out);
}

static const struct {
	const char *controller;
	const char *attribute; /* of v2; or what has none there, and is lost */
	const char *file;      /* of v1, or the first of those that are read */
	void (*read)(const struct place *at, const char *file, struct buf *out);
} limits[] = {
	{ "memory", "memory.max", "memory.limit_in_bytes", bytes_limit },
	{ "memory", "memory.swap.max", "memory.memsw.limit_in_bytes", swap_limit },
	{ "pids", "pids.max", "pids.max", count_limit },
	{ "cpu", "cpu.max", "cpu.cfs_quota_us", cpu_limit },
	{ "cpuset", "cpuset.cpus", "cpuset.cpus", set_limit },
	{ "cpuset", "cpuset.mems", "cpuset.mems", set_limit },
	{ "blkio", "io.max", "blkio.throttle.read_bps_device", io_limit },
	{ "hugetlb", "hugetlb.2MB.max", "hugetlb.2MB.limit_in_bytes", bytes_limit },
	{ "hugetlb", "hugetlb.1GB.max", "hugetlb.1GB.limit_in_bytes", bytes_limit },
	{ "hugetlb", "hugetlb.2MB.rsvd.max", "hugetlb.2MB.rsvd.limit_in_bytes", bytes_limit },
	{ "hugetlb", "hugetlb.1GB.rsvd.max", "hugetlb.1GB.rsvd.limit_in_bytes", bytes_limit },
	{ "devices", "devices.list", "devices.list", set_limit },
	{ "net_cls", "net_cls.classid", "net_cls.classid", set_limit },
	{ "net_prio", "net_prio.ifpriomap", "net_prio.ifpriomap", set_limit },
};

/* Who limits others, too, limits by what is the invoker's, not the container's. */
static bool is_own(const struct dump *d, int dir)
{
	auto_free pid_t *pids = NULL;
	struct err none = ERR_NONE;
	size_t count = 0;

	if (cgroup_tasks(dir, &pids, &count, &none) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (pids[i] == 0 || !dump_task_by_pid(d, pids[i]))
			return false;
	}
	return count > 0;
}

/* That of none: there is no such row. */
static uint32_t attribute_number(const char *file)
{
	uint32_t number = 0;

	while (number < cgroup_attribute_count && strcmp(cgroup_attributes[number].file, file) != 0)
		number++;
	return number;
}

/* From where the first task is upwards, as long as nobody else is in there: the lowest that has
 * such a limit. */
static void find_limit(const struct dump *d, int proc, size_t number, struct buf *out)
{
	auto_free char *path = cgroup_v1_place(proc, limits[number].controller);
	struct err none = ERR_NONE;
	char *slash;

	while (path && out->size == 0 && (slash = strrchr(path, '/')) && slash != path) {
		auto_close int above = -1;
		auto_close int dir = -1;

		if (cgroup_open(path, &dir, &none) < 0 || !is_own(d, dir))
			return;
		*slash = '\0';
		(void)cgroup_open(path, &above, &none);
		limits[number].read(&(struct place){ dir, above }, limits[number].file, out);
	}
}

void cgroup_v1_limits(struct dump *d, cgroup_v1_put_fn *put, void *argument)
{
	const struct dump_task *first = dump_next_task(d, NULL);

	for (size_t i = 0; first && i < sizeof(limits) / sizeof(limits[0]); i++) {
		uint32_t row = attribute_number(limits[i].attribute);
		auto_buf struct buf text = BUF_EMPTY;

		find_limit(d, first->proc, i, &text);
		if (text.size > 0 && row < cgroup_attribute_count)
			put(argument, row, text.data);
		else if (text.size > 0)
			dump_loss(d, LOSS_CGROUP, 0, 1, limits[i].attribute);
	}
}
