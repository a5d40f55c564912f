/* Which pages of an address space exist and are not zero. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "dump/pagescan.h"

/* With more, PAGEMAP_SCAN reports regions twice. */
enum { SCAN_REGIONS = 512 };

static void add_run(struct page_run **runs, size_t *count, uint64_t start, uint64_t end,
		    bool is_file, bool is_guard)
{
	struct page_run *last = *count ? &(*runs)[*count - 1] : NULL;

	if (last && last->end == start && last->is_file == is_file && last->is_guard == is_guard) {
		last->end = end;
		return;
	}
	array_grow(*runs, *count);
	(*runs)[(*count)++] = (struct page_run){ start, end, is_file, is_guard };
}

/* 1: this kernel has no PAGEMAP_SCAN with these categories. */
static int scan(int pagemap, uint64_t start, uint64_t end, uint64_t guard, struct page_run **runs,
		size_t *count, struct err *err)
{
	struct page_region regions[SCAN_REGIONS];

	while (start < end) {
		struct pm_scan_arg arg = {
			.size = sizeof(arg),
			.start = start,
			.end = end,
			.vec = (uint64_t)(uintptr_t)regions,
			.vec_len = SCAN_REGIONS,
			.category_inverted = PAGE_IS_PFNZERO,
			.category_mask = PAGE_IS_PFNZERO,
			.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
			.return_mask = PAGE_IS_FILE | guard,
		};
		int n = ioctl(pagemap, PAGEMAP_SCAN, &arg);

		if (n < 0 && (errno == ENOTTY || errno == EINVAL))
			return 1;
		if (n < 0)
			return err_set(err, -errno, "scan pages");
		for (int i = 0; i < n; i++)
			add_run(runs, count, regions[i].start, regions[i].end,
				regions[i].categories & PAGE_IS_FILE,
				guard && regions[i].categories & guard);
		start = n < SCAN_REGIONS ? end : arg.walk_end;
	}
	return 0;
}

/* Before 6.7: one word a page, Documentation/admin-guide/mm/pagemap.rst. Zero pages look like
 * others. */
static int read_words(int pagemap, uint64_t start, uint64_t end, struct page_run **runs,
		      size_t *count, struct err *err)
{
	uint64_t words[4096];

	while (start < end) {
		uint64_t pages = (end - start) / IMAGE_PAGE;
		ssize_t n;

		if (pages > sizeof(words) / sizeof(words[0]))
			pages = sizeof(words) / sizeof(words[0]);
		n = pread(pagemap, words, pages * 8, (off_t)(start / IMAGE_PAGE * 8));
		if (n <= 0)
			return err_set(err, n < 0 ? -errno : -EIO, "read pagemap");
		for (size_t i = 0; i < (size_t)n / 8; i++) {
			uint64_t at = start + i * IMAGE_PAGE;

			if (words[i] >> 62)
				add_run(runs, count, at, at + IMAGE_PAGE, words[i] >> 61 & 1,
					words[i] >> 58 & 1);
		}
		start += (uint64_t)n / 8 * IMAGE_PAGE;
	}
	return 0;
}

/* Between mappings there are words, too: of the whole address space, too many to be read. */
static int scan_words(int pagemap, const struct dump_task *task, uint64_t start, uint64_t end,
		      struct page_run **runs, size_t *count, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < task->vma_count; i++) {
		const struct procfs_vma *vma = &task->vmas[i];
		uint64_t from = vma->start > start ? vma->start : start;
		uint64_t to = vma->end < end ? vma->end : end;

		if (from < to)
			r = read_words(pagemap, from, to, runs, count, err);
	}
	return r;
}

int dump_scan_pages(const struct dump_task *task, uint64_t start, uint64_t end,
		    struct page_run **ret_runs, size_t *ret_count, struct err *err)
{
	auto_close int pagemap = openat(task->proc, "pagemap", O_RDONLY | O_CLOEXEC);
	struct page_run *runs = NULL;
	size_t count = 0;
	int r;

	if (pagemap < 0)
		return err_set(err, -errno, "open pagemap of task %d", task->vpid);
	r = scan(pagemap, start, end, PAGE_IS_GUARD, &runs, &count, err);
	if (r > 0) {
		count = 0;
		r = scan(pagemap, start, end, 0, &runs, &count, err);
	}
	if (r > 0) {
		count = 0;
		r = scan_words(pagemap, task, start, end, &runs, &count, err);
	}
	if (r < 0) {
		free(runs);
		return err_wrap(err, "task %d", task->vpid);
	}
	*ret_runs = runs;
	*ret_count = count;
	return 0;
}
