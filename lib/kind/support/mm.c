/* The record of an address space, taken apart. See mm.h. */
#include "kind/support/mm.h"

#include "kind/support/owner.h"
#include "kind/support/tree.h"

int mm_view(const void *body, size_t length, struct mm_view *ret_view, struct err *err)
{
	struct reader reader = reader_of(body, length);
	struct mm_view view = { .head = reader_take(&reader, sizeof(struct mm_rec)) };

	if (!view.head)
		return err_set(err, ERR_DAMAGED, "mapping: %zu bytes", length);
	view.auxv_size = le32_get(view.head->auxv_size);
	view.vma_count = le32_get(view.head->vma_count);
	view.guard_count = le32_get(view.head->guard_count);
	if (view.auxv_size > MM_AUXV_MAX || view.auxv_size % 16 != 0)
		return err_set(err, ERR_DAMAGED, "mapping: auxiliary vector of %u bytes",
			       view.auxv_size);
	if (view.vma_count > MM_VMAS_MAX || view.guard_count > MM_VMAS_MAX)
		return err_set(err, ERR_DAMAGED, "mapping: %u mappings, %u guards", view.vma_count,
			       view.guard_count);
	view.auxv = reader_take(&reader, view.auxv_size);
	view.vmas = reader_take(&reader, (size_t)view.vma_count * sizeof(struct vma_rec));
	view.guards =
	    view.vmas
		? reader_take(&reader, (size_t)view.guard_count * sizeof(struct image_extent_rec))
		: NULL;
	if (!view.auxv || !view.vmas || !view.guards || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "mapping: %zu bytes for %u mappings", length,
			       view.vma_count);
	*ret_view = view;
	return 0;
}

uint32_t mm_vma_behind(const struct mm_view *view, uint64_t address)
{
	uint32_t low = 0;
	uint32_t high = view->vma_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (le64_get(view->vmas[middle].end) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool mm_has_place(const struct mm_view *view, uint64_t start, uint64_t size)
{
	uint32_t i = mm_vma_behind(view, start);
	const struct vma_rec *vma = &view->vmas[i];

	return i < view->vma_count && le64_get(vma->start) == start &&
	       le64_get(vma->end) == start + size && le16_get(vma->type) == VMA_ANON &&
	       le32_get(vma->flags) == 0;
}

int mm_link_task(const struct image *image, const struct record *record, const char *name,
		 struct mm_view *ret_view, struct err *err)
{
	const struct record *task = image_find(image, TAG_TASK, record->id);
	const struct record *mm;
	int r = owner_link_task(image, record, err);

	if (r < 0)
		return r;
	mm = image_find(image, TAG_MM, le32_get(((const struct task_rec *)task->body)->mm));
	if (!mm)
		return err_set(err, ERR_DAMAGED, "%s: a task without memory", name);
	return mm_view(mm->body, mm->length, ret_view, err);
}
