/* Which pages of shared memory exist. See resident.h. */
#include "kind/support/resident.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "core/procfs.h"

bool host_has_swap(void)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored;
	uint64_t total;

	return procfs_read(AT_FDCWD, "/proc/meminfo", &text, &ignored) < 0 ||
	       !procfs_field(text.data, "SwapTotal", 10, &total) || total > 0;
}

struct extents {
	struct image_extent *list;
	size_t count;
};

static void add_page(struct extents *extents, uint64_t offset)
{
	struct image_extent *last = extents->count ? &extents->list[extents->count - 1] : NULL;

	if (last && last->start + last->length == offset) {
		last->length += IMAGE_PAGE;
		return;
	}
	array_grow(extents->list, extents->count);
	extents->list[extents->count++] = (struct image_extent){ offset, IMAGE_PAGE };
}

static int add_resident(struct extents *extents, char *at, uint64_t size)
{
	enum { WINDOW = 4096 }; /* pages in one call */
	unsigned char pages[WINDOW];

	for (uint64_t start = 0; start < size;) {
		uint64_t count = (size - start) / IMAGE_PAGE;

		if (count > WINDOW)
			count = WINDOW;
		if (mincore(at + start, count * IMAGE_PAGE, pages) < 0)
			return -errno;
		for (uint64_t i = 0; i < count; i++) {
			if (pages[i] & 1)
				add_page(extents, start + i * IMAGE_PAGE);
		}
		start += count * IMAGE_PAGE;
	}
	return 0;
}

int resident_extents(void *at, uint64_t size, struct image_extent **ret_extents, size_t *ret_count)
{
	struct extents extents = { .list = NULL };
	int r = 0;

	if (host_has_swap()) {
		array_grow(extents.list, extents.count);
		extents.list[extents.count++] = (struct image_extent){ 0, size };
	} else {
		r = add_resident(&extents, at, size);
	}
	if (r < 0) {
		free(extents.list);
		return r;
	}
	*ret_extents = extents.list;
	*ret_count = extents.count;
	return 0;
}
