/* Files behind mappings that have a name or a descriptor, and executables. See mapfile_dump.h. */
#include "kind/support/mapfile_dump.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/files.h"
#include "kind/support/leases.h"
#include "kind/support/mapped_inode.h"
#include "kind/support/sysv.h"

extern const struct kind kind_mapfile;

/* Objects with a name, or a descriptor. */
struct dump_mapped {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint32_t flags;
	uint32_t id;
};

static const char deleted_suffix[] = " (deleted)";
static const char memfd_prefix[] = "/memfd:";

bool mapfile_is_deleted(const char *name)
{
	size_t length = strlen(name);

	return length >= strlen(deleted_suffix) &&
	       strcmp(name + length - strlen(deleted_suffix), deleted_suffix) == 0;
}

bool mapfile_is_memfd(const char *name)
{
	return strncmp(name, memfd_prefix, strlen(memfd_prefix)) == 0;
}

char *mapfile_bare_name(const char *name)
{
	char *bare = mem_string(name);

	if (mapfile_is_deleted(bare))
		bare[strlen(bare) - strlen(deleted_suffix)] = '\0';
	if (mapfile_is_memfd(bare))
		memmove(bare, bare + strlen(memfd_prefix), strlen(bare) - strlen(memfd_prefix) + 1);
	return bare;
}

void mapfile_write(struct dump *d, uint32_t id, struct mapfile_rec rec, const char *name)
{
	auto_buf struct buf body = BUF_EMPTY;

	rec.name_length = le32_make((uint32_t)strlen(name));
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, name, strlen(name));
	dump_record(d, id, &kind_mapfile, body.data, body.size);
}

/* Opens what has its path in the target's view, if it is still the mapped inode. -1 if not. */
static int open_mapped(struct dump *d, const struct procfs_vma *vma)
{
	auto_close int root = openat(d->task->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	auto_close int place = -1;
	auto_close int fd = -1;
	struct stat stat;

	if (root < 0)
		return -1;
	place = sys_openat2(root, vma->name, &how);
	if (place < 0 || fstat(place, &stat) < 0 || !S_ISREG(stat.st_mode) ||
	    stat.st_ino != vma->inode)
		return -1;
	fd = lease_duplicate(d, &stat);
	if (fd == -ENOENT)
		fd = file_open_again(place, O_RDONLY);
	return fd >= 0 && mapped_inode_is(fd, vma) ? take_fd(&fd) : -1;
}

static struct dump_mapped *find_mapped(const struct dump *d, const struct procfs_vma *vma,
				       uint32_t flags)
{
	for (size_t i = 0; i < d->own->mapped_count; i++) {
		struct dump_mapped *mapped = &d->own->mapped[i];

		if (mapped->inode == vma->inode && mapped->dev_major == vma->dev_major &&
		    mapped->dev_minor == vma->dev_minor && mapped->flags == flags)
			return mapped;
	}
	return NULL;
}

static uint32_t add_mapped(struct dump *d, const struct procfs_vma *vma, uint32_t flags)
{
	struct dump_private *own = d->own;

	array_grow(own->mapped, own->mapped_count);
	own->mapped[own->mapped_count] = (struct dump_mapped){ .dev_major = vma->dev_major,
							       .dev_minor = vma->dev_minor,
							       .inode = vma->inode,
							       .flags = flags,
							       .id = dump_new_id(d) };
	return own->mapped[own->mapped_count++].id;
}

static int dump_path(struct dump *d, int fd, const char *path, uint32_t id, uint32_t flags,
		     struct err *err)
{
	struct mapfile_rec rec = { .type = le32_make(MAPFILE_PATH), .flags = le32_make(flags) };
	struct file_identity identity;
	int r = file_identity_get(fd, &identity);

	if (r < 0)
		return err_set(err, r, "look at the mapped file %s", path);
	rec.identity = file_identity_put(&identity);
	mapfile_write(d, id, rec, path);
	return 0;
}

/* A descriptor of the container on the same unnamed file. */
static const struct target_fd *find_descriptor(const struct dump *d, const struct procfs_vma *vma)
{
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];

		if (file->stat.st_ino == vma->inode && S_ISREG(file->stat.st_mode) &&
		    !(file->flags & O_PATH) && strcmp(file->link, vma->name) == 0)
			return file;
	}
	return NULL;
}

static int dump_alias(struct dump *d, const struct procfs_vma *vma, const struct target_fd *file,
		      uint32_t flags, uint32_t *ret_id)
{
	struct mapfile_rec rec = { .type = le32_make(MAPFILE_ALIAS),
				   .flags = le32_make(flags),
				   .alias = le32_make(file->id) };

	*ret_id = add_mapped(d, vma, flags);
	mapfile_write(d, *ret_id, rec, "");
	return 0;
}

static int dump_segment(struct dump *d, const struct procfs_vma *vma, uint32_t flags,
			uint32_t *ret_id, enum mapfile_type *ret_type)
{
	struct dump_segment *segment = sysv_shm_of_vma(d, vma);
	uint32_t *id = segment ? &segment->mapped[flags == O_RDWR] : NULL;

	*ret_type = MAPFILE_SYSV;
	*ret_id = 0;
	if (!segment)
		return dump_block(d, "start the container in an ipc namespace of its own",
				  "mapping of %s: this shared memory is outside of the container",
				  vma->name);
	segment->seen++;
	if (*id == 0) {
		struct mapfile_rec rec = { .type = le32_make(MAPFILE_SYSV),
					   .flags = le32_make(flags),
					   .alias = le32_make(segment->id),
					   .size = le64_make(mm_page_up(segment->size)) };

		*id = dump_new_id(d);
		mapfile_write(d, *id, rec, "");
	}
	*ret_id = *id;
	return 0;
}

int mapfile_of_vma(struct dump *d, const struct procfs_vma *vma, uint32_t *ret_id,
		   enum mapfile_type *ret_type, struct err *err)
{
	uint32_t flags = vma->is_shared && vma->vm_flags & VMF(mw) ? O_RDWR : O_RDONLY;
	const struct dump_mapped *known;
	const struct target_fd *file;
	auto_close int fd = -1;

	/* By its name first: numbers of such inodes and of others are alike. */
	if (vma->is_shared && strncmp(vma->name, "/SYSV", 5) == 0 && mapfile_is_deleted(vma->name))
		return dump_segment(d, vma, flags, ret_id, ret_type);
	known = find_mapped(d, vma, flags);
	*ret_type = MAPFILE_PATH;
	if (known) {
		*ret_id = known->id;
		return 0;
	}
	if (vma->name[0] != '/') {
		*ret_id = 0;
		return dump_block(d, NULL, "mapping of %s is not supported", vma->name);
	}
	if (strlen(vma->name) >= FILE_PATH_MAX) {
		*ret_id = 0;
		return dump_block(d, NULL, "the path of a mapped file is too long");
	}
	fd = open_mapped(d, vma);
	if (fd >= 0) {
		*ret_id = add_mapped(d, vma, flags);
		return dump_path(d, fd, vma->name, *ret_id, flags, err);
	}
	if (!mapfile_is_deleted(vma->name)) {
		*ret_id = 0;
		return dump_block(d, "bring the file back, or restart the program",
				  "mapped file %s was replaced or cannot be read", vma->name);
	}
	file = find_descriptor(d, vma);
	if (file)
		return dump_alias(d, vma, file, flags, ret_id);
	return mapfile_dump_unnamed(d, vma, ret_id, ret_type, err);
}

/* An executable that is gone: by value, and whole, as its task can execute it again. */
static int dump_exe_content(struct dump *d, const struct procfs_vma *vma, int fd, uint64_t size,
			    uint32_t *ret_id)
{
	const struct dump_mapped *known = find_mapped(d, vma, O_RDONLY);
	struct image_extent extent = { .length =
					   (size + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1) };
	auto_free char *name = mapfile_bare_name(vma->name);
	bool is_memfd = mapfile_is_memfd(vma->name);
	struct mapfile_rec rec = {
		.type = le32_make(is_memfd ? MAPFILE_MEMFD : MAPFILE_UNNAMED),
		.flags = le32_make(O_RDONLY),
		.size = le64_make(extent.length),
	};

	if (known || size == 0) {
		(void)close(fd);
		*ret_id = known ? known->id : 0;
		return known ? 0 : dump_block(d, NULL, "its executable %s is empty", vma->name);
	}
	*ret_id = add_mapped(d, vma, O_RDONLY);
	mapfile_write(d, *ret_id, rec, name);
	dump_content(d, *ret_id, fd, &extent, 1);
	return 0;
}

/* Nothing else of the image brings this file back. */
static bool is_lost(struct dump *d, const struct procfs_vma *vma)
{
	auto_close int fd = open_mapped(d, vma);

	return fd < 0 && mapfile_is_deleted(vma->name) && !mapfile_find_shared(d, vma) &&
	       !find_descriptor(d, vma);
}

int mapfile_of_exe(struct dump *d, uint32_t *ret_id, struct err *err)
{
	auto_free char *path = NULL;
	auto_close int fd = openat(d->task->proc, "exe", O_RDONLY | O_CLOEXEC);
	struct procfs_vma vma;
	struct stat stat;
	enum mapfile_type type;
	int r = procfs_readlink(d->task->proc, "exe", &path, err);

	*ret_id = 0;
	if (r == -ENAMETOOLONG)
		return dump_block(d, NULL, "the path of its executable is too long");
	if (r < 0)
		return r;
	if (fd < 0 || fstat(fd, &stat) < 0)
		return err_set(err, -errno, "open the executable %s", path);
	/* It is mapped, nearly always: then its object is known by the device that maps show. */
	for (size_t i = 0; i < d->task->vma_count; i++) {
		const struct procfs_vma *mapped = &d->task->vmas[i];

		if (mapped->inode != stat.st_ino || strcmp(mapped->name, path) != 0)
			continue;
		if (is_lost(d, mapped))
			return dump_exe_content(d, mapped, take_fd(&fd), (uint64_t)stat.st_size,
						ret_id);
		return mapfile_of_vma(d, mapped, ret_id, &type, err);
	}
	vma = (struct procfs_vma){ .name = path,
				   .inode = stat.st_ino,
				   .dev_major = major(stat.st_dev),
				   .dev_minor = minor(stat.st_dev) };
	if (mapfile_is_deleted(path))
		return dump_exe_content(d, &vma, take_fd(&fd), (uint64_t)stat.st_size, ret_id);
	return mapfile_of_vma(d, &vma, ret_id, &type, err);
}
