/* mapping: an address space: its mappings, its own pages, and where code, stack and heap are. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/mm.h"

extern const struct kind kind_mapping;

enum { LDT_ENTRY = 8 };

/* ---- dump ---- */

struct own_pages {
	struct dump_piece *pieces;
	size_t piece_count;
	struct image_extent_rec *guards;
	size_t guard_count;
};

static void add_piece(struct dump *d, struct own_pages *pages, const struct procfs_vma *vma,
		      uint64_t start, uint64_t end)
{
	struct dump_piece *last =
	    pages->piece_count ? &pages->pieces[pages->piece_count - 1] : NULL;
	bool is_unreadable = !(vma->prot & PROT_READ);

	if (last && last->extent.start + last->extent.length == start &&
	    last->is_unreadable == is_unreadable) {
		last->extent.length += end - start;
		return;
	}
	array_grow(pages->pieces, pages->piece_count);
	pages->pieces[pages->piece_count++] = (struct dump_piece){
		.extent = { .start = start, .length = end - start },
		.task = d->task,
		.address = start,
		.is_unreadable = is_unreadable,
	};
}

static void add_guard(struct own_pages *pages, uint64_t start, uint64_t end)
{
	array_grow(pages->guards, pages->guard_count);
	pages->guards[pages->guard_count++] =
	    (struct image_extent_rec){ .start = le64_make(start),
				       .length = le64_make(end - start) };
}

/* Cuts the runs of pages along the private mappings. */
static void sort_pages(struct dump *d, const struct page_run *runs, size_t run_count,
		       struct own_pages *pages)
{
	const struct dump_task *task = d->task;
	size_t r = 0;

	for (size_t i = 0; i < task->vma_count; i++) {
		const struct procfs_vma *vma = &task->vmas[i];

		while (r < run_count && runs[r].end <= vma->start)
			r++;
		for (size_t k = r; k < run_count && runs[k].start < vma->end; k++) {
			uint64_t start = runs[k].start > vma->start ? runs[k].start : vma->start;
			uint64_t end = runs[k].end < vma->end ? runs[k].end : vma->end;

			if (!mm_has_pages(vma))
				continue;
			if (runs[k].is_guard)
				add_guard(pages, start, end);
			else if (!vma->is_shared && !runs[k].is_file && !(vma->vm_flags & VMF(dp)))
				add_piece(d, pages, vma, start, end);
		}
	}
}

static int find_pages(struct dump *d, struct own_pages *pages, struct err *err)
{
	const struct dump_task *task = d->task;
	auto_free struct page_run *runs = NULL;
	size_t count;
	int r;

	if (task->vma_count == 0)
		return 0;
	r = dump_scan_pages(task, task->vmas[0].start, MM_ADDRESS_MAX, &runs, &count, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < task->vma_count; i++)
		d->own->pages_scanned += (task->vmas[i].end - task->vmas[i].start) / IMAGE_PAGE;
	sort_pages(d, runs, count, pages);
	return 0;
}

struct mapping_answers {
	size_t brk, table;
};

static void mapping_query(struct dump *d, struct script *script, void *ret_answers)
{
	struct mapping_answers *at = ret_answers;

	(void)d;
	at->brk = script_syscall(script, "get the program break", 0, SYS_brk, 0);
	/* A kernel may be without such tables. */
	at->table = script_syscall(script, "get the local descriptor table", SCRIPT_MAY_FAIL,
				   SYS_modify_ldt, 0, script_out(script, LDT_ENTRY), LDT_ENTRY);
}

static int make_head(struct dump *d, struct mm_rec *ret_head, struct err *err)
{
	const struct procfs_stat *stat = &d->task->stat;
	const struct mapping_answers *at = dump_answers(d, &kind_mapping);
	uint32_t exe;
	int r = mapfile_of_exe(d, &exe, err);

	if (r < 0)
		return r;
	if (script_result(d->script, at->table) > 0)
		(void)dump_block(d, NULL, "a local descriptor table is not supported");
	*ret_head = (struct mm_rec){
		.start_code = le64_make(stat->start_code),
		.end_code = le64_make(stat->end_code),
		.start_data = le64_make(stat->start_data),
		.end_data = le64_make(stat->end_data),
		.start_brk = le64_make(stat->start_brk),
		.brk = le64_make((uint64_t)script_result(d->script, at->brk)),
		.start_stack = le64_make(stat->start_stack),
		.arg_start = le64_make(stat->arg_start),
		.arg_end = le64_make(stat->arg_end),
		.env_start = le64_make(stat->env_start),
		.env_end = le64_make(stat->env_end),
		.exe = le32_make(exe),
	};
	return 0;
}

static int write_vmas(struct dump *d, struct buf *body, uint32_t *ret_count, struct err *err)
{
	uint32_t count = 0;

	for (size_t i = 0; i < d->task->vma_count; i++) {
		int r;

		if (strcmp(d->task->vmas[i].name, "[vsyscall]") == 0)
			continue;
		r = mm_write_vma(d, body, &d->task->vmas[i], err);
		if (r < 0)
			return r;
		count++;
	}
	*ret_count = count;
	return 0;
}

static int mapping_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	auto_buf struct buf auxv = BUF_EMPTY;
	struct own_pages pages = { 0 };
	struct mm_rec head;
	uint32_t count;
	int r;

	if (!d->thread || d->task->groups[SHARE_MEMORY] != d->task->id)
		return 0;
	r = make_head(d, &head, err);
	if (r == 0)
		r = procfs_read(d->task->proc, "auxv", &auxv, err);
	if (r < 0)
		return r;
	auxv.size &= ~(size_t)15;
	(void)buf_append(&body, &head, sizeof(head));
	(void)buf_append(&body, auxv.data, auxv.size);
	r = write_vmas(d, &body, &count, err);
	if (r == 0)
		r = find_pages(d, &pages, err);
	if (r < 0)
		return r;
	(void)buf_append(&body, pages.guards, pages.guard_count * sizeof(*pages.guards));
	free(pages.guards);

	head.auxv_size = le32_make((uint32_t)auxv.size);
	head.vma_count = le32_make(count);
	head.guard_count = le32_make((uint32_t)pages.guard_count);
	memcpy(body.data, &head, sizeof(head));
	dump_record(d, d->task->mm_id, &kind_mapping, body.data, body.size);
	dump_add_source(d, d->task->mm_id, -1, pages.pieces, pages.piece_count);
	return 0;
}

/* ---- check ---- */

static int check_vma(const struct vma_rec *vma, uint64_t after, struct err *err)
{
	uint64_t start = le64_get(vma->start);
	uint64_t end = le64_get(vma->end);
	uint64_t offset = le64_get(vma->offset);
	uint32_t type = le16_get(vma->type);
	uint32_t flags = le32_get(vma->flags);
	bool has_file = type >= VMA_FILE && type <= VMA_ANON_SHARED;

	if ((start | end | offset) % IMAGE_PAGE || start < after || end <= start ||
	    end > MM_ADDRESS_MAX || start < 0x1000)
		return err_set(err, ERR_DAMAGED, "mapping: impossible range %" PRIx64 "-%" PRIx64,
			       start, end);
	if (type < VMA_ANON || type > VMA_VDSO || le32_get(vma->reserved) != 0 ||
	    flags & ~(uint32_t)VMA_FLAGS_ALL || le16_get(vma->prot) & ~7u)
		return err_set(err, ERR_DAMAGED, "mapping: unknown bits at %" PRIx64, start);
	if (has_file != (le32_get(vma->file) != 0) || (!has_file && offset != 0))
		return err_set(err, ERR_DAMAGED, "mapping: file of %" PRIx64, start);
	if (offset > (uint64_t)INT64_MAX - (end - start))
		return err_set(err, ERR_DAMAGED, "mapping: offset of %" PRIx64, start);
	if (flags & VMA_DROPPABLE && (type != VMA_ANON || flags & VMA_GROWSDOWN))
		return err_set(err, ERR_DAMAGED, "mapping: droppable at %" PRIx64, start);
	if (type >= VMA_VVAR && (flags || end - start > (1u << 20)))
		return err_set(err, ERR_DAMAGED, "mapping: impossible vdso");
	return 0;
}

static int check_guards(const struct mm_view *view, struct err *err)
{
	uint64_t after = 0;

	for (uint32_t i = 0; i < view->guard_count; i++) {
		uint64_t start = le64_get(view->guards[i].start);
		uint64_t length = le64_get(view->guards[i].length);

		if ((start | length) % IMAGE_PAGE || start < after || length == 0 ||
		    start > MM_ADDRESS_MAX || length > MM_ADDRESS_MAX - start)
			return err_set(err, ERR_DAMAGED, "mapping: impossible guard");
		after = start + length;
	}
	return 0;
}

static int mapping_check(const void *body, size_t length, struct err *err)
{
	struct mm_view view;
	uint64_t after = 0;
	unsigned int specials[VMA_VDSO + 1] = { 0 };
	int r = mm_view(body, length, &view, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < view.vma_count; i++) {
		r = check_vma(&view.vmas[i], after, err);
		if (r < 0)
			return r;
		after = le64_get(view.vmas[i].end);
		if (++specials[le16_get(view.vmas[i].type)] > 1 &&
		    le16_get(view.vmas[i].type) >= VMA_VVAR)
			return err_set(err, ERR_DAMAGED, "mapping: two vdsos");
	}
	if (le32_get(view.head->exe) == 0)
		return err_set(err, ERR_DAMAGED, "mapping: no executable");
	return check_guards(&view, err);
}

static void mapping_count(const void *body, size_t length, struct image_counts *counts)
{
	struct mm_view view;
	struct err ignored;

	if (mm_view(body, length, &view, &ignored) == 0)
		counts->mappings += (uint64_t)view.vma_count + view.guard_count;
}

/* Is [start, end) inside mappings up to this type? They may be neighbours. */
static bool is_inside(const struct mm_view *view, uint64_t start, uint64_t end, enum vma_type last)
{
	for (uint32_t i = mm_vma_behind(view, start); i < view->vma_count && start < end; i++) {
		uint32_t type = le16_get(view->vmas[i].type);

		if (le64_get(view->vmas[i].start) > start || type > (uint32_t)last)
			return false;
		start = le64_get(view->vmas[i].end);
	}
	return start >= end;
}

static int link_content(const struct image *image, const struct record *record,
			const struct mm_view *view, struct err *err)
{
	const struct record *content = image_find(image, TAG_CONTENT, record->id);
	const struct image_extent_rec *extents = content ? content->body : NULL;
	size_t count = content ? content->length / sizeof(*extents) : 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t start = le64_get(extents[i].start);

		if (!is_inside(view, start, start + le64_get(extents[i].length), VMA_FILE))
			return err_set(err, ERR_DAMAGED,
				       "mapping: content at %" PRIx64 " is in no private mapping",
				       start);
	}
	return 0;
}

/* The guards are installed in the task: elsewhere they would be in memory of ours. */
static int link_guards(const struct mm_view *view, struct err *err)
{
	for (uint32_t i = 0; i < view->guard_count; i++) {
		uint64_t start = le64_get(view->guards[i].start);

		if (!is_inside(view, start, start + le64_get(view->guards[i].length),
			       VMA_ANON_SHARED))
			return err_set(err, ERR_DAMAGED,
				       "mapping: guard at %" PRIx64 " is in no mapping", start);
	}
	return 0;
}

static int mapping_link(const struct image *image, const struct record *record, struct err *err)
{
	struct mm_view view;
	int r = mm_view(record->body, record->length, &view, err);

	if (r < 0)
		return r;
	if (!image_find(image, TAG_MAPFILE, le32_get(view.head->exe)))
		return err_set(err, ERR_DAMAGED, "mapping: the executable is not in the image");
	for (uint32_t i = 0; i < view.vma_count; i++) {
		const struct vma_rec *vma = &view.vmas[i];
		uint32_t file = le32_get(vma->file);
		const struct record *mapped = image_find(image, TAG_MAPFILE, file);
		uint64_t size = mapped ? mapfile_anon_size(mapped) : 0;
		bool is_anon = le16_get(vma->type) == VMA_ANON_SHARED;
		bool is_writable = true;

		if (file && !mapped)
			return err_set(err, ERR_DAMAGED, "mapping: file %u is not in the image",
				       file);
		if (file && is_anon != (size != 0))
			return err_set(err, ERR_DAMAGED, "mapping: file %u is of another type",
				       file);
		if (is_anon &&
		    le64_get(vma->offset) + le64_get(vma->end) - le64_get(vma->start) > size)
			return err_set(err, ERR_DAMAGED, "mapping: beyond object %u", file);
		if (is_anon && mapfile_segment(mapped, &is_writable) && !is_writable &&
		    le16_get(vma->prot) & PROT_WRITE)
			return err_set(err, ERR_DAMAGED, "mapping: segment %u is read only", file);
	}
	r = link_guards(&view, err);
	return r < 0 ? r : link_content(image, record, &view, err);
}

/* ---- ask ---- */

static int mapping_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	struct mm_view view;
	uint64_t locked = 0;
	int r = mm_view(record->body, record->length, &view, err);

	(void)image;
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < view.vma_count; i++) {
		if (le32_get(view.vmas[i].flags) & VMA_LOCKED)
			locked += le64_get(view.vmas[i].end) - le64_get(view.vmas[i].start);
	}
	if (locked > 0)
		plan_ask(plan, &(struct question){ .class = CLASS_MLOCK,
						   .id = record->id,
						   .saved = locked,
						   .invoker = plan_facts(plan)->hard_limits[8],
						   .subject = "locked memory" });
	return 0;
}

const struct kind kind_mapping = {
	.name = "mapping",
	.summary = "address spaces: anonymous memory, files, heap, stack, vdso",
	.tag = TAG_MM,
	.scope = SCOPE_TASK,
	.phase = PHASE_MEMORY,
	.answers_size = sizeof(struct mapping_answers),
	.query = mapping_query,
	.dump = mapping_dump,
	.check = mapping_check,
	.count = mapping_count,
	.link = mapping_link,
	.ask = mapping_ask,
};
