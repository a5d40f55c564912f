/* aio: contexts of Linux AIO. A context is named by the address of its ring, which the kernel
 * chooses: it is moved to the saved one, where ordinary memory has held its place. Events that
 * nobody has taken are events of requests that do nothing, with the saved content. */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/aio_ring.h"
#include "kind/support/mm.h"

extern const struct kind kind_aio;

#define RINGS_MAX 65536u

RECORDS_BEGIN
struct aio_rec {
	le64 address; /* of the ring, and name of the context */
	le32 pages;   /* of the ring */
	le32 unread;  /* events that follow, the oldest first */
};
struct aio_event_rec {
	le64 data;
	le64 object;
	le64 result;
	le64 result2;
};
RECORDS_END
static_assert(sizeof(struct aio_rec) == 16, "image format");
static_assert(sizeof(struct aio_event_rec) == sizeof(struct io_event), "image format");

/* ---- dump ---- */

static bool is_whole(const struct procfs_vma *vma)
{
	return vma->offset == 0 && vma->prot == (PROT_READ | PROT_WRITE) &&
	       vma->end - vma->start <= (uint64_t)AIO_PAGES_MAX * IMAGE_PAGE &&
	       !(vma->vm_flags & (VMF(dc) | VMF(dd) | VMF(wf) | VMF(sr) | VMF(rr)));
}

/* After a fork, the child has the memory and no context. */
static int is_context(struct dump *d, uint64_t address, bool *ret_is_context, struct err *err)
{
	static const struct {
		uint64_t seconds, nanoseconds;
	} now;
	auto_script struct script script = SCRIPT_NONE;
	size_t step;
	int r;

	script_init(&script, &d->thread->remote);
	step = script_syscall(&script, "ask for an AIO context", SCRIPT_MAY_FAIL, SYS_io_getevents,
			      address, 0, 0, 0, script_copy(&script, &now, sizeof(now)));
	r = script_run(&script, err);
	if (r == 0)
		*ret_is_context = script_result(&script, step) != -EINVAL;
	return r;
}

static int dump_ring(struct dump *d, const struct procfs_vma *vma, struct buf *body,
		     struct err *err)
{
	auto_buf struct buf events = BUF_EMPTY;
	uint32_t pages = (uint32_t)((vma->end - vma->start) / IMAGE_PAGE);
	struct aio_rec rec = { .address = le64_make(vma->start), .pages = le32_make(pages) };
	struct aio_head head;
	bool is_good;
	bool is_idle;
	int r;

	if (!is_whole(vma))
		return dump_block(
		    d, NULL, "the ring of AIO context %" PRIx64 " was cut, protected or advised",
		    vma->start);
	r = aio_read_head(&d->thread->remote, vma->start, pages, &head, &is_good, err);
	if (r == 0 && is_good)
		r = is_context(d, vma->start, &is_good, err);
	if (r < 0)
		return r;
	if (!is_good)
		return dump_block(d, NULL,
				  "mapping %" PRIx64 " is of an AIO context that it does not have",
				  vma->start);
	r = aio_look(&d->thread->remote, vma->start, pages, &events, &is_idle, err);
	if (r < 0)
		return r;
	if (!is_idle) {
		(void)dump_block(d, "let the program wait for them",
				 "requests of AIO context %" PRIx64 " are in flight", vma->start);
		dump_block_is_momentary(d);
		return 0;
	}
	rec.unread = le32_make((uint32_t)(events.size / sizeof(struct io_event)));
	(void)buf_append(body, &rec, sizeof(rec));
	(void)buf_append(body, events.data, events.size);
	return 0;
}

static int aio_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	int r = 0;

	if (!d->thread || d->task->groups[SHARE_MEMORY] != d->task->id)
		return 0;
	for (size_t i = 0; r == 0 && i < d->task->vma_count; i++) {
		if (mm_is_aio(&d->task->vmas[i]))
			r = dump_ring(d, &d->task->vmas[i], &body, err);
	}
	if (r == 0 && body.size > 0)
		dump_record(d, d->task->id, &kind_aio, body.data, body.size);
	return r;
}

/* ---- check, link ---- */

/* The next ring and its events; NULL if the bytes are cut, or at the end. */
static const struct aio_rec *next_ring(struct reader *reader,
				       const struct aio_event_rec **ret_events)
{
	const struct aio_rec *ring = reader_take(reader, sizeof(*ring));

	*ret_events =
	    ring ? reader_take(reader, (size_t)le32_get(ring->unread) * sizeof(**ret_events))
		 : NULL;
	return *ret_events ? ring : NULL;
}

static int aio_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct aio_event_rec *events;
	uint64_t after = IMAGE_PAGE;
	uint32_t count = 0;

	while (count == 0 || reader_left(&reader) > 0) {
		const struct aio_rec *ring = next_ring(&reader, &events);
		uint64_t address = ring ? le64_get(ring->address) : 0;
		uint32_t pages = ring ? le32_get(ring->pages) : 0;

		if (!ring || ++count > RINGS_MAX)
			return err_set(err, ERR_DAMAGED, "aio: %zu bytes", length);
		if (pages == 0 || pages > AIO_PAGES_MAX || address % IMAGE_PAGE != 0 ||
		    address < after || address > MM_ADDRESS_MAX - pages * (uint64_t)IMAGE_PAGE)
			return err_set(err, ERR_DAMAGED, "aio: impossible ring");
		if (le32_get(ring->unread) >= aio_slots(pages))
			return err_set(err, ERR_DAMAGED, "aio: %u events in %u slots",
				       le32_get(ring->unread), aio_slots(pages));
		after = address + pages * (uint64_t)IMAGE_PAGE;
	}
	return 0;
}

static int aio_link(const struct image *image, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	const struct aio_event_rec *events;
	struct mm_view view;
	int r = mm_link_task(image, record, "aio", &view, err);

	while (r == 0 && reader_left(&reader) > 0) {
		const struct aio_rec *ring = next_ring(&reader, &events);

		if (!ring || !mm_has_place(&view, le64_get(ring->address),
					   le32_get(ring->pages) * (uint64_t)IMAGE_PAGE))
			r = err_set(err, ERR_DAMAGED, "aio: there is no place for a ring");
	}
	return r;
}

/* ---- restore ---- */

static int make_context(struct script *script, uint32_t pages, uint64_t *ret_context,
			struct err *err)
{
	uint64_t answer;
	const uint64_t *context;
	struct aio_head head;
	bool is_ring;
	int r = script_run(script, err);

	if (r < 0)
		return r;
	answer = script_out(script, sizeof(*context));
	(void)script_syscall(script, "make an AIO context", 0, SYS_io_setup, aio_requests(pages),
			     answer);
	r = script_run(script, err);
	if (r < 0)
		return err->code == -EAGAIN ? err_hint(err, "raise fs.aio-max-nr") : r;
	context = script_output(script, answer, sizeof(*context), err);
	if (!context)
		return err->code;
	*ret_context = *context;
	r = aio_read_head(script->remote, *ret_context, pages, &head, &is_ring, err);
	if (r == 0 && !is_ring)
		return err_set(err, ERR_HOST, "this kernel has no AIO contexts of %u pages", pages);
	return r;
}

static int fill_context(struct remote *remote, uint64_t context, const struct aio_event_rec *events,
			uint32_t count, struct err *err)
{
	uint32_t added = 0;
	int r = count > 0 ? aio_add_events(remote, context, 0, count, &added, err) : 0;

	if (r == 0 && added != count)
		return err_set(err, ERR_HOST, "an AIO context has room for %u events, not %u",
			       added, count);
	if (r == 0 && count > 0)
		r = remote_write(remote, context + sizeof(struct aio_head), events,
				 count * sizeof(*events), err);
	return r;
}

static int aio_finish(struct restore *rs, const struct record *record, struct script *script,
		      struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	const struct aio_event_rec *events;
	int r = 0;

	(void)rs;
	while (r == 0 && reader_left(&reader) > 0) {
		const struct aio_rec *ring = next_ring(&reader, &events);
		uint32_t pages = le32_get(ring->pages);
		uint64_t size = pages * (uint64_t)IMAGE_PAGE;
		uint64_t context = 0;

		r = make_context(script, pages, &context, err);
		if (r == 0)
			r = fill_context(script->remote, context, events, le32_get(ring->unread),
					 err);
		if (r < 0)
			return r;
		(void)script_syscall(script, "move an AIO context", 0, SYS_mremap, context, size,
				     size, MREMAP_MAYMOVE | MREMAP_FIXED, le64_get(ring->address));
		r = script_run(script, err);
	}
	return r;
}

const struct kind kind_aio = {
	.name = "aio",
	.summary = "contexts of Linux AIO, with their events",
	.tag = TAG('A', 'I', 'O', 'C'),
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = aio_dump,
	.check = aio_check,
	.link = aio_link,
	.finish = aio_finish,
};
