/* Offsets of a new time namespace, time_namespaces(7). */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "container/parts.h"
#include "core/buf.h"
#include "core/cleanup.h"

#define NS_PER_SECOND 1000000000ll

/* The kernel counts from the first time namespace, not from the one around us; a new namespace
 * starts with the offsets of its parent. */
static int read_offset(const char *text, const char *clock, int64_t *ret_ns, struct err *err)
{
	const char *line = strstr(text, clock);
	int64_t seconds;
	int64_t nanoseconds;

	if (!line ||
	    sscanf(line + strlen(clock), "%" SCNd64 " %" SCNd64, &seconds, &nanoseconds) != 2)
		return err_set(err, -EPROTO, "read the offset of clock %s", clock);
	*ret_ns = seconds * NS_PER_SECOND + nanoseconds;
	return 0;
}

static void print_offset(struct buf *text, const char *clock, int64_t ns)
{
	int64_t seconds = ns / NS_PER_SECOND;
	int64_t rest = ns % NS_PER_SECOND;

	if (rest < 0) {
		rest += NS_PER_SECOND;
		seconds--;
	}
	buf_printf(text, "%s %" PRId64 " %" PRId64 "\n", clock, seconds, rest);
}

int timens_set_offsets(int64_t monotonic_ns, int64_t boottime_ns, struct err *err)
{
	char old[256];
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int fd = -1;
	int64_t monotonic = 0;
	int64_t boottime = 0;
	ssize_t got;
	int r;

	fd = open("/proc/self/timens_offsets", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open /proc/self/timens_offsets");
	got = read(fd, old, sizeof(old) - 1);
	if (got < 0)
		return err_set(err, -errno, "read /proc/self/timens_offsets");
	old[got] = '\0';
	r = read_offset(old, "monotonic", &monotonic, err);
	if (r == 0)
		r = read_offset(old, "boottime", &boottime, err);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(monotonic, monotonic_ns, &monotonic) ||
	    __builtin_add_overflow(boottime, boottime_ns, &boottime))
		return err_set(err, -ERANGE, "set the clocks of the time namespace");

	print_offset(&text, "monotonic", monotonic);
	print_offset(&text, "boottime", boottime);
	if (lseek(fd, 0, SEEK_SET) < 0 || write(fd, text.data, text.size) < 0)
		return err_set(err, -errno, "set the clocks of the time namespace");
	return 0;
}
