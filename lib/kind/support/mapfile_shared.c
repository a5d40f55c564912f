/* Memory behind mappings that has neither a name nor a descriptor. See mapfile_dump.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/support/mapfile_dump.h"
#include "kind/support/resident.h"

/* Pages of the mapping that the file has: behind its end, reading faults. */
static uint64_t readable_length(const struct dump *d, const struct procfs_vma *vma)
{
	uint64_t low = 0;
	uint64_t high = (vma->end - vma->start) / IMAGE_PAGE;
	struct err ignored;
	char byte;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (remote_read(&d->thread->remote, vma->start + middle * IMAGE_PAGE, &byte, 1,
				&ignored) == 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low * IMAGE_PAGE;
}

static void add_shared_piece(struct dump *d, struct dump_shared *shared, uint64_t offset,
			     uint64_t address, uint64_t length)
{
	/* A piece that an earlier mapping gave already is left out. */
	for (size_t i = 0; i < shared->piece_count && length > 0; i++) {
		uint64_t start = shared->pieces[i].extent.start;
		uint64_t end = start + shared->pieces[i].extent.length;

		if (end <= offset || start >= offset + length)
			continue;
		if (start > offset)
			add_shared_piece(d, shared, offset, address, start - offset);
		if (end >= offset + length)
			return;
		address += end - offset;
		length -= end - offset;
		offset = end;
	}
	if (length == 0)
		return;
	array_grow(shared->pieces, shared->piece_count);
	shared->pieces[shared->piece_count++] = (struct dump_piece){
		.extent = { .start = offset, .length = length },
		.task = d->task,
		.address = address,
	};
}

/* Which pages of shared memory exist is known to the target alone: mincore(2). */
static int add_resident(struct dump *d, struct dump_shared *shared, const struct procfs_vma *vma,
			struct err *err)
{
	enum { WINDOW = 64 * 1024 }; /* pages in one call: as many bytes of answer */

	for (uint64_t start = vma->start; start < vma->end;
	     start += (uint64_t)WINDOW * IMAGE_PAGE) {
		uint64_t bytes = vma->end - start;
		auto_script struct script script = SCRIPT_NONE;
		const unsigned char *pages;
		uint64_t answer;
		int r;

		if (bytes > (uint64_t)WINDOW * IMAGE_PAGE)
			bytes = (uint64_t)WINDOW * IMAGE_PAGE;
		script_init(&script, &d->thread->remote);
		answer = script_out(&script, bytes / IMAGE_PAGE);
		(void)script_syscall(&script, "ask for resident pages", 0, SYS_mincore, start,
				     bytes, answer);
		r = script_run(&script, err);
		if (r < 0)
			return r;
		pages = script_output(&script, answer, bytes / IMAGE_PAGE, err);
		if (!pages)
			return err->code;
		for (uint64_t i = 0; i < bytes / IMAGE_PAGE;) {
			uint64_t first = i;

			while (i < bytes / IMAGE_PAGE && pages[i] & 1)
				i++;
			if (i > first)
				add_shared_piece(
				    d, shared,
				    vma->offset + start - vma->start + first * IMAGE_PAGE,
				    start + first * IMAGE_PAGE, (i - first) * IMAGE_PAGE);
			else
				i++;
		}
	}
	return 0;
}

/* A private mapping shows the file but where its task has written. What was behind those pages, and
 * in no other mapping, no program can see any more. */
static int add_untouched(struct dump *d, struct dump_shared *shared, const struct procfs_vma *vma,
			 uint64_t length, struct err *err)
{
	auto_free struct page_run *runs = NULL;
	size_t count = 0;
	uint64_t at = vma->start;
	uint64_t end = vma->start + length;
	int r = length ? dump_scan_pages(d->task, at, end, &runs, &count, err) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (runs[i].is_file)
			continue;
		if (runs[i].start > at)
			add_shared_piece(d, shared, vma->offset + at - vma->start, at,
					 runs[i].start - at);
		at = runs[i].end;
	}
	add_shared_piece(d, shared, vma->offset + at - vma->start, at, end - at);
	return 0;
}

struct dump_shared *mapfile_find_shared(struct dump *d, const struct procfs_vma *vma)
{
	for (size_t i = 0; i < d->own->shared_count; i++) {
		struct dump_shared *shared = &d->own->shared[i];

		if (shared->inode == vma->inode && shared->dev_major == vma->dev_major &&
		    shared->dev_minor == vma->dev_minor)
			return shared;
	}
	return NULL;
}

static struct dump_shared *add_shared(struct dump *d, const struct procfs_vma *vma)
{
	struct dump_private *own = d->own;
	struct dump_shared *shared;
	enum mapfile_type type = MAPFILE_UNNAMED;

	if (strcmp(vma->name, "/dev/zero (deleted)") == 0)
		type = MAPFILE_ANON;
	else if (mapfile_is_memfd(vma->name))
		type = MAPFILE_MEMFD;
	array_grow(own->shared, own->shared_count);
	shared = &own->shared[own->shared_count++];
	*shared = (struct dump_shared){ .dev_major = vma->dev_major,
					.dev_minor = vma->dev_minor,
					.inode = vma->inode,
					.id = dump_new_id(d),
					.type = type,
					.name = mapfile_bare_name(vma->name) };
	return shared;
}

int mapfile_dump_unnamed(struct dump *d, const struct procfs_vma *vma, uint32_t *ret_id,
			 enum mapfile_type *ret_type, struct err *err)
{
	struct dump_shared *shared = mapfile_find_shared(d, vma);
	uint64_t length = vma->end - vma->start;
	int r = 0;

	if (!shared)
		shared = add_shared(d, vma);
	*ret_id = shared->id;
	*ret_type = shared->type;
	if (vma->is_shared && vma->vm_flags & VMF(mw))
		shared->flags = O_RDWR;
	if (shared->type == MAPFILE_ANON && !host_has_swap())
		r = add_resident(d, shared, vma, err);
	else {
		if (shared->type != MAPFILE_ANON)
			length = readable_length(d, vma);
		if (vma->is_shared)
			add_shared_piece(d, shared, vma->offset, vma->start, length);
		else
			r = add_untouched(d, shared, vma, length, err);
	}
	if (vma->offset + length > shared->size)
		shared->size = vma->offset + length;
	return r;
}

static int compare_pieces(const void *left, const void *right)
{
	const struct dump_piece *a = left;
	const struct dump_piece *b = right;

	return a->extent.start < b->extent.start ? -1 : a->extent.start > b->extent.start;
}

int mapfile_finish(struct dump *d, struct err *err)
{
	(void)err;
	for (size_t i = 0; i < d->own->shared_count; i++) {
		struct dump_shared *shared = &d->own->shared[i];
		struct mapfile_rec rec = { .type = le32_make(shared->type),
					   .flags = le32_make(shared->flags),
					   .size = le64_make(shared->size) };

		qsort(shared->pieces, shared->piece_count, sizeof(*shared->pieces), compare_pieces);
		mapfile_write(d, shared->id, rec, shared->type == MAPFILE_ANON ? "" : shared->name);
		dump_add_source(d, shared->id, -1, shared->pieces, shared->piece_count);
		free(shared->name);
	}
	d->own->shared_count = 0;
	return 0;
}
