/* The v1 freezer: freezer.state says THAWED, FREEZING or FROZEN. Nothing announces the change: it
 * has to be read until it says so, and reading is also what makes the kernel look. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "core/buf.h"
#include "core/cgroup.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "freeze/deadline.h"
#include "freeze/freezer.h"

#define PAUSE_FIRST_US	  20
#define PAUSE_MOST_US	  10000
#define PATIENCE_FIRST_US 30000
#define PATIENCE_MOST_US  1000000 /* from then on, it is tried in any case */

static int read_state(int cgroup, struct buf *state, struct err *err)
{
	int r = cgroup_file_read(cgroup, "freezer.state", state, err);

	if (r == 0 && state->size > 0 && state->data[state->size - 1] == '\n')
		state->data[--state->size] = '\0';
	return r;
}

/* Gives the processor to those who have to freeze; longer each time. */
static void pause_us(uint64_t *pause, uint64_t deadline)
{
	struct timespec time = timespec_us(time_left_us(deadline, *pause));

	(void)ppoll(NULL, 0, &time, NULL);
	if (*pause < PAUSE_MOST_US)
		*pause *= 2;
}

static bool is_killed(uint64_t tid)
{
	auto_with(procfs_status_free) struct procfs_status status = { 0 };
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *path = mem_printf("/proc/%" PRIu64 "/status", tid);
	struct err ignored = ERR_NONE;

	return procfs_read(AT_FDCWD, path, &text, &ignored) == 0 &&
	       procfs_status_parse(text.data, &status, &ignored) == 0 &&
	       (status.sig_pending | status.shared_pending) >> (SIGKILL - 1) & 1;
}

/* Is there a thread that has been killed, and is not dead? */
static bool is_tangled(int cgroup)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored = ERR_NONE;
	const char *at;
	uint64_t tid;

	if (cgroup_file_read(cgroup, "tasks", &text, &ignored) < 0)
		return true;
	for (at = text.data; scan_number(&at, 10, INT_MAX, &tid);) {
		if (is_killed(tid))
			return true;
		(void)scan_char(&at, '\n');
	}
	return false;
}

/* Threads that another one's execve(2) has killed can't die once they are frozen, and it is not
 * frozen before they are dead: they have to be let go for a moment. Others are better left alone:
 * who was frozen for a moment gets EINTR from calls that are never restarted. */
static int untangle(int cgroup, uint64_t *pause, uint64_t deadline, struct err *err)
{
	int r = cgroup_file_write(cgroup, "freezer.state", "THAWED", err);

	pause_us(pause, deadline);
	return r;
}

static int cgroup1_freeze(int cgroup, uint64_t deadline, struct err *err)
{
	auto_buf struct buf state = BUF_EMPTY;
	uint64_t pause = PAUSE_FIRST_US;
	uint64_t thaw_pause = PAUSE_FIRST_US;
	uint64_t patience = PATIENCE_FIRST_US;
	uint64_t thaw_at = clock_us() + patience;
	bool is_tangle;

	for (;;) {
		/* Written again, as tasks that came in between may have been missed. */
		int r = cgroup_file_write(cgroup, "freezer.state", "FROZEN", err);

		if (r == 0)
			r = read_state(cgroup, &state, err);
		if (r < 0)
			return r;
		if (strcmp(state.data, "FROZEN") == 0)
			return 0;
		if (clock_us() >= deadline)
			return err_set(err, -ETIMEDOUT, "freezer.state stays %s", state.data);
		pause_us(&pause, deadline);
		if (clock_us() < thaw_at)
			continue;
		is_tangle = is_tangled(cgroup);
		if (is_tangle || patience > PATIENCE_MOST_US) {
			r = untangle(cgroup, &thaw_pause, deadline, err);
			if (r < 0)
				return r;
			pause = PAUSE_FIRST_US;
		}
		if (!is_tangle)
			patience *= 2;
		thaw_at = clock_us() + patience;
	}
}

static int cgroup1_thaw(int cgroup, struct err *err)
{
	return cgroup_file_write(cgroup, "freezer.state", "THAWED", err);
}

static int cgroup1_is_frozen(int cgroup, bool *ret_is_frozen, struct err *err)
{
	auto_buf struct buf state = BUF_EMPTY;
	int r = read_state(cgroup, &state, err);

	if (r < 0)
		return r;
	*ret_is_frozen = strcmp(state.data, "FROZEN") == 0;
	return 0;
}

static int cgroup1_is_asked(int cgroup, bool *ret_is_asked, struct err *err)
{
	auto_buf struct buf value = BUF_EMPTY;
	int r = cgroup_file_read(cgroup, "freezer.self_freezing", &value, err);

	if (r < 0)
		return r;
	*ret_is_asked = value.data[0] == '1';
	return 0;
}

const struct freezer freezer_cgroup1 = {
	.freeze = cgroup1_freeze,
	.thaw = cgroup1_thaw,
	.is_frozen = cgroup1_is_frozen,
	.is_asked = cgroup1_is_asked,
};
