/* Filling ordinary memory by huge pages, where the system gives them only on request ("madvise" in
 * /sys/kernel/mm/transparent_hugepage/enabled). The advice would stay with the mapping, so it is
 * given to a window of ours: a task reads into the window, and moves the pages, without a copy, to
 * where they belong, by UFFDIO_MOVE (userfaultfd(2), Linux 6.8). Twice as fast as small pages, and
 * nothing in /proc/PID/smaps differs but the pages' size. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "remote/remote.h"
#include "restore/restore.h"

#define HUGE_PAGE   (2ull << 20)
#define HUGE_WINDOW (32ull << 20)

struct huge {
	struct restore_task *task; /* NULL: not set up for any */
	int number;		   /* of the userfaultfd in the task */
	bool is_refused;	   /* this host, or this task, does not do it */
};

/* How many bytes of [address, address + size) can be moved to `address`: 0, or a multiple of
 * HUGE_PAGE, at most HUGE_WINDOW. */
uint64_t huge_length(const struct restore_task *task, uint64_t address, uint64_t size);
/* Where in the range the next such address may be; size if nowhere. */
uint64_t huge_distance(uint64_t address, uint64_t size);
/* Is it worth trying at all? */
bool huge_is_useful(void);
/* Makes the window and the userfaultfd in the task. Where it can't be done, huge->is_refused. */
int huge_begin(struct huge *huge, const struct restore *rs, struct restore_task *task,
	       struct err *err);
/* Reads `size` bytes of the image at `offset`, and moves them to `address`. *ret_done is false,
 * with nothing in the task changed, where the kernel would not: then is_refused. */
int huge_fill(struct huge *huge, const struct restore *rs, uint64_t address, uint64_t size,
	      uint64_t offset, bool *ret_done, struct err *err);
int huge_end(struct huge *huge, const struct restore *rs, struct err *err);
