/* Content of files that have no name. See file_content.h. */
#include "kind/support/file_content.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/files.h"
#include "kind/support/leases.h"

#define EXTENTS_MAX (1u << 20)

struct extents {
	struct image_extent *list; /* owned */
	size_t count;
};

static void extents_free(struct extents *extents)
{
	free(extents->list);
}

static uint64_t page_up(uint64_t value)
{
	return (value + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1);
}

/* Rounds to pages, and joins what then touches the last one. */
static void extents_add(struct extents *extents, uint64_t start, uint64_t end)
{
	struct image_extent *last = extents->count ? &extents->list[extents->count - 1] : NULL;

	start &= ~(uint64_t)(IMAGE_PAGE - 1);
	end = page_up(end);
	if (last && start <= last->start + last->length) {
		last->length = end - last->start;
		return;
	}
	array_grow(extents->list, extents->count);
	extents->list[extents->count++] = (struct image_extent){ start, end - start };
}

static int extents_find(int fd, off_t size, struct extents *extents)
{
	off_t end = 0;

	while (end < size) {
		off_t start = lseek(fd, end, SEEK_DATA);

		if (start < 0 && errno == ENXIO)
			return 0; /* a hole up to the end */
		if (start < 0)
			return -errno;
		end = lseek(fd, start, SEEK_HOLE);
		if (end < 0)
			return -errno;
		if (end <= start)
			return -EIO;
		extents_add(extents, (uint64_t)start, (uint64_t)(end < size ? end : size));
		if (extents->count > EXTENTS_MAX)
			return -E2BIG;
	}
	return 0;
}

/* A description of our own, whose extents can be found. Where the file's mode or a lease
 * forbids to open it again, the shared one: seeking in that would move the target's position, so it
 * is taken whole. */
static int file_content_open(const struct dump *d, struct extents *extents, int *ret_fd)
{
	const struct target_fd *fd = d->fd;
	int own = lease_holder(d, &fd->stat) ? -EWOULDBLOCK : file_open_again(fd->fd, O_RDONLY);

	if (own >= 0) {
		*ret_fd = own;
		return extents_find(own, fd->stat.st_size, extents);
	}
	if (!file_can_read(fd->flags) || (fd->flags & O_DIRECT))
		return own;
	own = fcntl(fd->fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	extents_add(extents, 0, (uint64_t)fd->stat.st_size);
	*ret_fd = own;
	return 0;
}

void file_content_dump(struct dump *d, uint32_t id)
{
	auto_with(extents_free) struct extents extents = { .list = NULL };
	auto_close int fd = -1;
	int r;

	if (d->fd->stat.st_size == 0)
		return;
	r = file_content_open(d, &extents, &fd);
	if (r < 0)
		(void)dump_block(d, NULL, "the content of %s cannot be read: %s", d->fd->link,
				 strerror(-r));
	else if (extents.count > 0)
		dump_content(d, id, take_fd(&fd), extents.list, extents.count);
}

int file_content_take(struct dump *d, uint32_t id, int fd, bool is_shared, uint64_t size)
{
	auto_with(extents_free) struct extents extents = { .list = NULL };
	auto_close int own = fd;
	int r = 0;

	if (!is_shared)
		r = extents_find(own, (off_t)size, &extents);
	else if (size > 0)
		extents_add(&extents, 0, size);

	if (r < 0)
		return r;
	if (extents.count > 0)
		dump_content(d, id, take_fd(&own), extents.list, extents.count);
	return extents.count > 0;
}

int file_content_link(const struct image *image, uint32_t id, uint64_t size, struct err *err)
{
	const struct record *record = image_find(image, TAG_CONTENT, id);
	const struct image_extent_rec *last;
	uint64_t end;

	if (!record || record->length < sizeof(*last))
		return 0;
	last = (const struct image_extent_rec *)record->body + record->length / sizeof(*last) - 1;
	if (__builtin_add_overflow(le64_get(last->start), le64_get(last->length), &end) ||
	    end > page_up(size))
		return err_set(err, ERR_DAMAGED,
			       "object %u: content behind the end of a file of %" PRIu64 " bytes",
			       id, size);
	return 0;
}

int file_content_restore(struct restore *rs, uint32_t id, int fd, struct err *err)
{
	int own;

	if (!image_find(rs->image, TAG_CONTENT, id))
		return 0;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return err_set(err, -errno, "duplicate a descriptor");
	return restore_content_fd(rs, id, own, err);
}
