/* Inodes of mappings. See mapped_inode.h. */
#include "kind/support/mapped_inode.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

static bool is_same(const struct procfs_vma *a, const struct procfs_vma *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

/* What the kernel says of our own mapping at this address. */
static bool is_mapped_here(const void *address, const struct procfs_vma *vma)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_vma *vmas = NULL;
	struct err ignored;
	size_t count = 0;
	bool found = false;

	if (procfs_read(AT_FDCWD, "/proc/self/maps", &text, &ignored) < 0 ||
	    procfs_maps_parse(text.data, &vmas, &count, &ignored) < 0)
		return false;
	for (size_t i = 0; !found && i < count; i++)
		found = vmas[i].start == (uintptr_t)address && is_same(&vmas[i], vma);
	procfs_maps_free(vmas, count);
	return found;
}

bool mapped_inode_is(int fd, const struct procfs_vma *vma)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct stat stat;
	void *mapping;
	bool r;

	if (fstat(fd, &stat) < 0 || stat.st_ino != vma->inode)
		return false;
	if (stat.st_dev == makedev(vma->dev_major, vma->dev_minor))
		return true;
	mapping = mmap(NULL, page, PROT_NONE, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return false;
	r = is_mapped_here(mapping, vma);
	(void)munmap(mapping, page);
	return r;
}
