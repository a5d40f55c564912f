/* AIO contexts: what is in their rings, and what is still to come. */
#include "kind/support/aio_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "image/image.h"

#define AIO_MAGIC 0xa10a10a1u

enum {
	BATCH = 512, /* requests of one call */
	CALLS = 32,  /* of one script */
	CPUS_MAX = 1 << 15,
};

uint32_t aio_slots(uint32_t pages)
{
	return (uint32_t)((pages * (uint64_t)IMAGE_PAGE - sizeof(struct aio_head)) /
			  sizeof(struct io_event));
}

/* The kernel doubles the number, and adds 2. */
uint32_t aio_requests(uint32_t pages)
{
	return pages < 2 ? 1 : aio_slots(pages - 1) / 2;
}

int aio_read_head(const struct remote *remote, uint64_t address, uint32_t pages,
		  struct aio_head *ret_head, bool *ret_is_ring, struct err *err)
{
	int r = remote_read(remote, address, ret_head, sizeof(*ret_head), err);

	if (r < 0)
		return r;
	*ret_is_ring = ret_head->magic == AIO_MAGIC && ret_head->size == sizeof(*ret_head) &&
		       ret_head->slots == aio_slots(pages) && ret_head->head < ret_head->slots &&
		       ret_head->tail < ret_head->slots;
	return 0;
}

/* ---- requests that are done at once ---- */

static int submit(struct script *script, uint64_t context, const struct iocb *request,
		  uint32_t count, uint32_t *ret_added, bool *ret_is_full, struct err *err)
{
	uint64_t pointers[BATCH];
	uint64_t address = script_copy(script, request, sizeof(*request));
	uint64_t list;
	uint32_t added = 0;
	int r;

	for (size_t i = 0; i < BATCH; i++)
		pointers[i] = address;
	list = script_copy(script, pointers, sizeof(pointers));
	for (uint32_t i = 0; i < CALLS && count > 0; i++) {
		uint32_t batch = count < BATCH ? count : BATCH;

		(void)script_syscall(script, "submit requests", SCRIPT_MAY_FAIL, SYS_io_submit,
				     context, batch, list);
		count -= batch;
	}
	r = script_run(script, err);
	for (size_t i = 0; r == 0 && i < script->count; i++) {
		int64_t result = script_result(script, i);

		if (result > 0 && result <= BATCH)
			added += (uint32_t)result;
		else if (result == -EAGAIN)
			*ret_is_full = true;
		else
			r = err_set(err, (int)result, "submit requests");
	}
	*ret_added = added;
	return r;
}

/* Reads of an empty file. */
static int open_empty(struct script *script, uint32_t *ret_number, struct err *err)
{
	size_t step = script_syscall(script, "make an empty file", 0, SYS_memfd_create,
				     script_copy(script, "aio", 4), MFD_CLOEXEC);
	int r = script_run(script, err);

	if (r == 0)
		*ret_number = (uint32_t)script_result(script, step);
	return r;
}

int aio_add_events(struct remote *remote, uint64_t context, uint64_t cookie, uint32_t count,
		   uint32_t *ret_added, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct iocb request = { .aio_data = cookie, .aio_lio_opcode = IOCB_CMD_PREAD };
	uint32_t total = 0;
	bool is_full = false;
	int r;
	int closed;

	script_init(&script, remote);
	r = open_empty(&script, &request.aio_fildes, err);
	if (r < 0)
		return r;
	while (r == 0 && !is_full && total < count) {
		uint32_t added = 0;

		r = submit(&script, context, &request, count - total, &added, &is_full, err);
		total += added;
	}
	*ret_added = total;
	if (r < 0)
		script_free(&script);
	script_init(&script, remote);
	(void)script_syscall(&script, "close the empty file", 0, SYS_close, request.aio_fildes);
	closed = script_run(&script, err);
	return r < 0 ? r : closed;
}

/* ---- slots ---- */

/* A processor takes slots from the context by so many, and keeps what it has not used. The rest
 * that is no such number nobody gets. */
static int unreachable_slots(uint32_t slots, uint32_t *ret_count, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	uint32_t cpus = 0;
	uint32_t batch;
	int r = procfs_read(AT_FDCWD, "/sys/devices/system/cpu/possible", &text, err);

	if (r < 0)
		return r;
	for (const char *range = text.data; range; range = strchr(range, ',')) {
		unsigned int first;
		unsigned int last;
		int n;

		range += *range == ',';
		n = sscanf(range, "%u-%u", &first, &last);
		if (n < 1 || (n == 2 && (last < first || last >= CPUS_MAX)))
			return err_set(err, ERR_HOST,
				       "this kernel lists processors in another form");
		cpus += n == 2 ? last - first + 1 : 1;
	}
	batch = cpus > 0 ? (slots - 1) / (cpus * 4) : 0;
	*ret_count = batch > 1 ? (slots - 1) % batch : 0;
	return 0;
}

/* Fills the slots that the other processors keep, as far as the task may go there. */
static int fill_elsewhere(struct remote *remote, uint64_t context, uint64_t cookie, uint32_t slots,
			  uint32_t *total, struct err *err)
{
	size_t size = CPUS_MAX / 8;
	auto_free unsigned long *own = mem_alloc(1, size);
	auto_free unsigned long *mask = mem_alloc(1, size);
	size_t bits = 8 * sizeof(*mask);
	long known = syscall(SYS_sched_getaffinity, remote->tid, size, own);
	int r = 0;

	if (known < 0)
		return err_set(err, -errno, "read affinity");
	for (size_t i = 0; r == 0 && i < (size_t)known * 8; i++) {
		uint32_t added = 0;

		memset(mask, 0, size);
		mask[i / bits] = 1ul << i % bits;
		if (syscall(SYS_sched_setaffinity, remote->tid, known, mask) < 0)
			continue;
		r = aio_add_events(remote, context, cookie, slots, &added, err);
		*total += added;
	}
	if (syscall(SYS_sched_setaffinity, remote->tid, known, own) < 0 && r == 0)
		return err_set(err, -errno, "give affinity back");
	return r;
}

/* ---- events ---- */

static int write_slots(struct remote *remote, uint64_t ring, const struct aio_head *head,
		       const struct buf *events, struct err *err)
{
	const struct io_event *event = (const void *)events->data;
	uint32_t count = (uint32_t)(events->size / sizeof(*event));
	uint32_t first = (head->tail + head->slots - count) % head->slots;
	uint32_t to_end = head->slots - first < count ? head->slots - first : count;
	uint64_t slots = ring + sizeof(*head);
	int r = 0;

	if (to_end > 0)
		r = remote_write(remote, slots + first * sizeof(*event), event,
				 to_end * sizeof(*event), err);
	if (r == 0 && count > to_end)
		r = remote_write(remote, slots, event + to_end, (count - to_end) * sizeof(*event),
				 err);
	/* A program may write this number itself: it is how events are taken. */
	if (r == 0)
		r = remote_write(remote, ring + offsetof(struct aio_head, head), &first,
				 sizeof(first), err);
	return r;
}

/* Appends the events without this cookie, and leaves nothing but them in the ring. */
static int sort_events(struct remote *remote, uint64_t ring, uint32_t pages, uint64_t cookie,
		       struct buf *events, struct err *err)
{
	size_t size = (size_t)pages * IMAGE_PAGE;
	auto_free char *copy = mem_alloc(1, size);
	const struct io_event *slots = (const void *)(copy + sizeof(struct aio_head));
	struct aio_head head;
	bool is_ring;
	int r = aio_read_head(remote, ring, pages, &head, &is_ring, err);

	if (r == 0 && !is_ring)
		r = err_set(err, ERR_FAILED, "its ring has changed");
	if (r == 0)
		r = remote_read(remote, ring, copy, size, err);
	if (r < 0)
		return r;
	for (uint32_t i = head.head; i != head.tail; i = (i + 1) % head.slots) {
		if (slots[i].data != cookie)
			(void)buf_append(events, &slots[i], sizeof(slots[i]));
	}
	return write_slots(remote, ring, &head, events, err);
}

int aio_look(struct remote *remote, uint64_t context, uint32_t pages, struct buf *events,
	     bool *ret_is_idle, struct err *err)
{
	uint32_t slots = aio_slots(pages);
	uint32_t total = 0;
	uint32_t rest = 0;
	struct err late = ERR_NONE;
	uint64_t cookie;
	int r = unreachable_slots(slots, &rest, err);
	int sorted;

	if (r < 0)
		return r;
	if (getrandom(&cookie, sizeof(cookie), 0) != sizeof(cookie))
		return err_set(err, -errno, "get a random number");
	r = aio_add_events(remote, context, cookie, slots, &total, err);
	if (r == 0)
		r = fill_elsewhere(remote, context, cookie, slots, &total, err);
	sorted = sort_events(remote, context, pages, cookie, events, &late);
	if (r == 0 && sorted < 0) {
		*err = late;
		r = sorted;
	}
	*ret_is_idle = total + events->size / sizeof(struct io_event) + rest == slots - 1;
	return r;
}
