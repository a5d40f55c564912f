/* The v2 freezer: cgroup.freeze is the wish, "frozen" in cgroup.events the state; poll(2) on the
 * latter wakes when it changes. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "core/buf.h"
#include "core/cgroup.h"
#include "core/cleanup.h"
#include "freeze/deadline.h"
#include "freeze/freezer.h"

static int read_frozen(int events, bool *ret_is_frozen, struct err *err)
{
	char text[512];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n < 0)
		return err_set(err, -errno, "read cgroup.events");
	text[n] = '\0';
	*ret_is_frozen = strstr(text, "frozen 1") != NULL;
	return 0;
}

static int open_events(int cgroup, int *ret_events, struct err *err)
{
	int events = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (events < 0)
		return err_set(err, -errno, "open cgroup.events");
	*ret_events = events;
	return 0;
}

static int cgroup2_freeze(int cgroup, uint64_t deadline, struct err *err)
{
	auto_close int events = -1;
	bool is_frozen = false;
	int r = open_events(cgroup, &events, err);

	if (r == 0)
		r = cgroup_file_write(cgroup, "cgroup.freeze", "1", err);
	while (r == 0) {
		struct pollfd change = { .fd = events, .events = POLLPRI };
		struct timespec left;

		r = read_frozen(events, &is_frozen, err);
		if (r < 0 || is_frozen)
			break;
		left = timespec_us(time_left_us(deadline, FREEZE_TIMEOUT_US));
		if (ppoll(&change, 1, &left, NULL) == 0)
			r = err_set(err, -ETIMEDOUT, "cgroup.events does not say frozen");
	}
	return r;
}

/* Tasks run as soon as the write returns; the event follows when the first has done so. */
static int cgroup2_thaw(int cgroup, struct err *err)
{
	return cgroup_file_write(cgroup, "cgroup.freeze", "0", err);
}

static int cgroup2_is_frozen(int cgroup, bool *ret_is_frozen, struct err *err)
{
	auto_close int events = -1;
	int r = open_events(cgroup, &events, err);

	return r < 0 ? r : read_frozen(events, ret_is_frozen, err);
}

static int cgroup2_is_asked(int cgroup, bool *ret_is_asked, struct err *err)
{
	auto_buf struct buf value = BUF_EMPTY;
	int r = cgroup_file_read(cgroup, "cgroup.freeze", &value, err);

	if (r < 0)
		return r;
	*ret_is_asked = value.data[0] == '1';
	return 0;
}

const struct freezer freezer_cgroup2 = {
	.freeze = cgroup2_freeze,
	.thaw = cgroup2_thaw,
	.is_frozen = cgroup2_is_frozen,
	.is_asked = cgroup2_is_asked,
};
