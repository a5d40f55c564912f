/* ioctl PAGEMAP_SCAN, Linux 6.7 (linux/fs.h): headers of today's distributions lack it. */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

#ifndef PAGEMAP_SCAN
#define PAGE_IS_WPALLOWED (1ull << 0)
#define PAGE_IS_WRITTEN	  (1ull << 1)
#define PAGE_IS_FILE	  (1ull << 2)
#define PAGE_IS_PRESENT	  (1ull << 3)
#define PAGE_IS_SWAPPED	  (1ull << 4)
#define PAGE_IS_PFNZERO	  (1ull << 5)

struct page_region {
	uint64_t start, end, categories;
};

struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted,
	    category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#endif
#ifndef PAGE_IS_GUARD
#define PAGE_IS_GUARD (1ull << 8) /* 6.15 */
#endif
