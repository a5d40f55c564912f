/* The clocks of a container go on where they stood. */
#include <time.h>

#include "container/container.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void restore_set_clocks(const struct image *image, struct container_spec *spec)
{
	const struct record *record = image_next(image, TAG_TIME, NULL);
	const struct time_rec *rec;

	while (record && namespace_find(image, record->id))
		record = image_next(image, TAG_TIME, record);
	if (!record)
		return;
	rec = record->body;
	spec->has_time_offsets = true;
	spec->monotonic_offset_ns =
	    (int64_t)le64_get(rec->monotonic_ns) - clock_ns(CLOCK_MONOTONIC);
	spec->boottime_offset_ns = (int64_t)le64_get(rec->boottime_ns) - clock_ns(CLOCK_BOOTTIME);
}
