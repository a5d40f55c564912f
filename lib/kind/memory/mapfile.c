/* mapfile: what is behind mappings: files with a name, files that lost it, memory shared between
 * tasks. The executable is one too. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/file_identity.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/leases.h"
#include "kind/support/mapped_inode.h"
#include "kind/support/mm.h"
#include "kind/support/resident.h"
#include "kind/support/sysv.h"
#include "restore/open.h"

extern const struct kind kind_mapfile;

RECORDS_BEGIN
struct mapfile_rec {
	le32 type;			   /* enum mapfile_type */
	le32 flags;			   /* O_RDONLY or O_RDWR */
	le32 alias;			   /* the id of a descriptor's object, or of a segment */
	le32 name_length;		   /* of the name that follows: a path, or a memfd's name */
	le64 size;			   /* of unnamed objects, bytes */
	struct file_identity_rec identity; /* of named files */
};
RECORDS_END

/* Objects without a name, keyed by inode: their size is known when all mappings are. */
struct dump_shared {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint32_t id;
	enum mapfile_type type;
	uint32_t flags; /* O_RDWR as soon as one mapping may write */
	char *name;	/* owned */
	uint64_t size;
	struct dump_piece *pieces; /* owned */
	size_t piece_count;
};

/* Objects with a name, or a descriptor. */
struct dump_mapped {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint32_t flags;
	uint32_t id;
};

/* ---- dump ---- */

static void write_record(struct dump *d, uint32_t id, struct mapfile_rec rec, const char *name)
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
	place = (int)syscall(SYS_openat2, root, vma->name, &how, sizeof(how));
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
	write_record(d, id, rec, path);
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

static struct dump_shared *find_shared(struct dump *d, const struct procfs_vma *vma)
{
	for (size_t i = 0; i < d->own->shared_count; i++) {
		struct dump_shared *shared = &d->own->shared[i];

		if (shared->inode == vma->inode && shared->dev_major == vma->dev_major &&
		    shared->dev_minor == vma->dev_minor)
			return shared;
	}
	return NULL;
}

static const char deleted_suffix[] = " (deleted)";
static const char memfd_prefix[] = "/memfd:";

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* The name without " (deleted)", and for a memfd without "/memfd:". */
static char *bare_name(const char *name)
{
	char *bare = mem_string(name);

	if (ends_with(bare, deleted_suffix))
		bare[strlen(bare) - strlen(deleted_suffix)] = '\0';
	if (strncmp(bare, memfd_prefix, strlen(memfd_prefix)) == 0)
		memmove(bare, bare + strlen(memfd_prefix), strlen(bare) - strlen(memfd_prefix) + 1);
	return bare;
}

static struct dump_shared *add_shared(struct dump *d, const struct procfs_vma *vma)
{
	struct dump_private *own = d->own;
	struct dump_shared *shared;
	enum mapfile_type type = MAPFILE_UNNAMED;

	if (strcmp(vma->name, "/dev/zero (deleted)") == 0)
		type = MAPFILE_ANON;
	else if (strncmp(vma->name, memfd_prefix, strlen(memfd_prefix)) == 0)
		type = MAPFILE_MEMFD;
	array_grow(own->shared, own->shared_count);
	shared = &own->shared[own->shared_count++];
	*shared = (struct dump_shared){ .dev_major = vma->dev_major,
					.dev_minor = vma->dev_minor,
					.inode = vma->inode,
					.id = dump_new_id(d),
					.type = type,
					.name = bare_name(vma->name) };
	return shared;
}

static int dump_unnamed(struct dump *d, const struct procfs_vma *vma, uint32_t *ret_id,
			enum mapfile_type *ret_type, struct err *err)
{
	struct dump_shared *shared = find_shared(d, vma);
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

static int dump_alias(struct dump *d, const struct procfs_vma *vma, const struct target_fd *file,
		      uint32_t flags, uint32_t *ret_id)
{
	struct mapfile_rec rec = { .type = le32_make(MAPFILE_ALIAS),
				   .flags = le32_make(flags),
				   .alias = le32_make(file->id) };

	*ret_id = add_mapped(d, vma, flags);
	write_record(d, *ret_id, rec, "");
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
		write_record(d, *id, rec, "");
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
	if (vma->is_shared && strncmp(vma->name, "/SYSV", 5) == 0 &&
	    ends_with(vma->name, deleted_suffix))
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
	if (!ends_with(vma->name, deleted_suffix)) {
		*ret_id = 0;
		return dump_block(d, "bring the file back, or restart the program",
				  "mapped file %s was replaced or cannot be read", vma->name);
	}
	file = find_descriptor(d, vma);
	if (file)
		return dump_alias(d, vma, file, flags, ret_id);
	return dump_unnamed(d, vma, ret_id, ret_type, err);
}

/* An executable that is gone: by value, and whole, as its task can execute it again. */
static int dump_exe_content(struct dump *d, const struct procfs_vma *vma, int fd, uint64_t size,
			    uint32_t *ret_id)
{
	const struct dump_mapped *known = find_mapped(d, vma, O_RDONLY);
	struct image_extent extent = { .length =
					   (size + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1) };
	auto_free char *name = bare_name(vma->name);
	bool is_memfd = strncmp(vma->name, memfd_prefix, strlen(memfd_prefix)) == 0;
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
	write_record(d, *ret_id, rec, name);
	dump_content(d, *ret_id, fd, &extent, 1);
	return 0;
}

/* Nothing else of the image brings this file back. */
static bool is_lost(struct dump *d, const struct procfs_vma *vma)
{
	auto_close int fd = open_mapped(d, vma);

	return fd < 0 && ends_with(vma->name, deleted_suffix) && !find_shared(d, vma) &&
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
	if (ends_with(path, deleted_suffix))
		return dump_exe_content(d, &vma, take_fd(&fd), (uint64_t)stat.st_size, ret_id);
	return mapfile_of_vma(d, &vma, ret_id, &type, err);
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
		write_record(d, shared->id, rec, shared->type == MAPFILE_ANON ? "" : shared->name);
		dump_add_source(d, shared->id, -1, shared->pieces, shared->piece_count);
		free(shared->name);
	}
	d->own->shared_count = 0;
	return 0;
}

/* ---- check ---- */

struct mapfile_view {
	const struct mapfile_rec *rec;
	char *name; /* owned */
	enum mapfile_type type;
	uint32_t flags;
};

static int mapfile_view(const void *body, size_t length, struct mapfile_view *ret_view,
			struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct mapfile_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t name_length = rec ? le32_get(rec->name_length) : 0;
	const void *name = rec ? reader_take(&reader, name_length) : NULL;

	if (!name || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "mapfile: %zu bytes", length);
	*ret_view = (struct mapfile_view){ .rec = rec,
					   .name = mem_copy(name, name_length),
					   .type = le32_get(rec->type),
					   .flags = le32_get(rec->flags) };
	return 0;
}

static void free_view(struct mapfile_view *view)
{
	free(view->name);
}

static int check_view(const struct mapfile_view *view, struct err *err)
{
	uint32_t name_length = le32_get(view->rec->name_length);
	uint64_t size = le64_get(view->rec->size);
	bool is_path = view->type == MAPFILE_PATH;
	bool is_sized = view->type >= MAPFILE_UNNAMED;
	bool is_alias = view->type == MAPFILE_ALIAS || view->type == MAPFILE_SYSV;

	if (view->type < MAPFILE_PATH || view->type > MAPFILE_SYSV ||
	    (view->flags != O_RDONLY && view->flags != O_RDWR))
		return err_set(err, ERR_DAMAGED, "mapfile: unknown bits");
	if (strlen(view->name) != name_length || name_length >= PATH_MAX)
		return err_set(err, ERR_DAMAGED, "mapfile: name");
	if ((is_path || view->type == MAPFILE_UNNAMED) &&
	    !file_path_is_valid(view->name, (size_t)name_length + 1))
		return err_set(err, ERR_DAMAGED, "mapfile: bad path");
	if (is_alias != (le32_get(view->rec->alias) != 0))
		return err_set(err, ERR_DAMAGED, "mapfile: alias");
	if (is_sized != (size != 0) || size % IMAGE_PAGE || size > MM_ADDRESS_MAX)
		return err_set(err, ERR_DAMAGED, "mapfile: size %" PRIu64, size);
	return is_path ? file_identity_check(&view->rec->identity, err) : 0;
}

static int mapfile_check(const void *body, size_t length, struct err *err)
{
	auto_with(free_view) struct mapfile_view view = { .name = NULL };
	int r = mapfile_view(body, length, &view, err);

	if (r < 0)
		return r;
	return check_view(&view, err);
}

uint64_t mapfile_anon_size(const struct record *record)
{
	const struct mapfile_rec *rec = record->body;

	return le32_get(rec->type) >= MAPFILE_ANON ? le64_get(rec->size) : 0;
}

uint32_t mapfile_segment(const struct record *record, bool *ret_is_writable)
{
	const struct mapfile_rec *rec = record->body;

	*ret_is_writable = le32_get(rec->flags) == O_RDWR;
	return le32_get(rec->type) == MAPFILE_SYSV ? le32_get(rec->alias) : 0;
}

static int link_segment(const struct image *image, const struct record *record, struct err *err)
{
	const struct mapfile_rec *rec = record->body;
	const struct record *segment = image_find(image, TAG_SYSV_SHM, le32_get(rec->alias));

	if (!segment || sysv_shm_room(segment) != le64_get(rec->size))
		return err_set(err, ERR_DAMAGED, "mapfile: segment %u is not in the image",
			       le32_get(rec->alias));
	if (image_find(image, TAG_CONTENT, record->id))
		return err_set(err, ERR_DAMAGED, "mapfile: content of a mapped segment");
	return 0;
}

static int mapfile_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct mapfile_rec *rec = record->body;
	uint32_t alias = le32_get(rec->alias);
	const struct record *content = image_find(image, TAG_CONTENT, record->id);
	const struct image_extent_rec *extents = content ? content->body : NULL;
	size_t count = content ? content->length / sizeof(*extents) : 0;

	if (le32_get(rec->type) == MAPFILE_SYSV)
		return link_segment(image, record, err);
	/* Nothing but files that are known not to block, and can be mapped. */
	if (alias && !image_find(image, kind_by_name("regfile")->tag, alias) &&
	    !image_find(image, kind_by_name("memfd")->tag, alias))
		return err_set(err, ERR_DAMAGED, "mapfile: object %u is no file of the image",
			       alias);
	if (count > 0 && le32_get(rec->type) < MAPFILE_UNNAMED)
		return err_set(err, ERR_DAMAGED, "mapfile: content of a named file");
	for (size_t i = 0; i < count; i++) {
		uint64_t start = le64_get(extents[i].start);

		if (start > le64_get(rec->size) ||
		    le64_get(extents[i].length) > le64_get(rec->size) - start)
			return err_set(err, ERR_DAMAGED, "mapfile: content behind the end");
	}
	return 0;
}

/* ---- ask, restore ---- */

/* Some task executes it, or has mapped what is in it as code. */
static bool is_code(const struct image *image, uint32_t id, bool *ret_is_exe)
{
	const struct record *record = NULL;
	struct mm_view view;
	struct err ignored;
	bool found = false;

	*ret_is_exe = false;
	while ((record = image_next(image, TAG_MM, record))) {
		if (mm_view(record->body, record->length, &view, &ignored) < 0)
			continue;
		*ret_is_exe = *ret_is_exe || le32_get(view.head->exe) == id;
		for (uint32_t i = 0; !found && i < view.vma_count; i++)
			found = le32_get(view.vmas[i].file) == id &&
				le16_get(view.vmas[i].type) == VMA_FILE &&
				le16_get(view.vmas[i].prot) & PROT_EXEC;
	}
	return found || *ret_is_exe;
}

static void judge_trial(const struct mapfile_view *view, bool has_code, struct file_trial *trial)
{
	struct file_identity saved = file_identity_of(&view->rec->identity);
	enum file_judgement judgement = FILE_FITS;

	if (has_code)
		file_trial_expect_code(trial);
	if (trial->result == 0 && trial->has_identity)
		judgement =
		    file_identity_judge(&saved, &trial->identity, view->flags == O_RDWR, has_code);
	if (judgement == FILE_FITS)
		return;
	trial->remark = file_identity_explain(&saved, &trial->identity);
	if (judgement == FILE_UNFIT) {
		trial->result = -ESTALE;
		trial->trouble = trial->remark;
	}
}

static int mapfile_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	auto_with(free_view) struct mapfile_view view = { .name = NULL };
	auto_file_trial struct file_trial trial = { .path = NULL };
	bool has_code;
	int r = mapfile_view(record->body, record->length, &view, err);

	if (r < 0 || view.type != MAPFILE_PATH)
		return r;
	trial.path = view.name;
	trial.flags = view.flags;
	trial.type = S_IFREG;
	trial.is_identified = true;
	has_code = is_code(image, record->id, &trial.is_executed);
	file_trial_run(plan, &trial);
	judge_trial(&view, has_code, &trial);
	file_trial_ask(plan, record->id, &trial);
	if (trial.is_executed && trial.result == 0 && trial.stat.st_mode & (S_ISUID | S_ISGID))
		plan_ask(plan, &(struct question){ .class = CLASS_SETID,
						   .id = record->id,
						   .saved = 1,
						   .path = trial.path,
						   .type = S_IFREG,
						   .subject = trial.path,
						   .saved_text = "set-id executable",
						   .invoker_text = "-" });
	return 0;
}

static int compare_identity(struct restore *rs, const struct record *record,
			    const struct mapfile_view *view, int fd, struct err *err)
{
	struct file_identity saved = file_identity_of(&view->rec->identity);
	struct file_identity now;
	auto_free char *change = NULL;
	bool is_exe;
	int r = file_identity_get(fd, &now);

	if (r < 0)
		return err_set(err, r, "look at the mapped file %s", view->name);
	change = file_identity_explain(&saved, &now);
	switch (file_identity_judge(&saved, &now, view->flags == O_RDWR,
				    change && is_code(rs->image, record->id, &is_exe))) {
	case FILE_FITS:
		return 0;
	case FILE_DIFFERS:
		restore_note(rs, "mapped file %s: %s", view->name, change);
		return 0;
	default:
		(void)err_set(err, ERR_REFUSED, "mapped file %s: %s", view->name, change);
		return err_hint(err, "restore where the file is as it was at the checkpoint");
	}
}

static int restore_path(struct restore *rs, const struct record *record,
			const struct mapfile_view *view, int *ret_fd, struct err *err)
{
	auto_close int fd = -1;
	int r = restore_open(rs, view->name, view->flags, S_IFREG, &fd, err);

	if (r < 0)
		return err_wrap(err, "mapped file %s", view->name);
	r = restore_has_device(rs, fd) ? 0 : compare_identity(rs, record, view, fd, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Opened anew where the descriptor's own mode is not what the mapping needs. */
static int restore_alias(struct restore *rs, const struct mapfile_view *view, int *ret_fd,
			 struct err *err)
{
	return restore_reopen(rs, restore_fd(rs, le32_get(view->rec->alias)), view->flags, ret_fd,
			      err);
}

static int restore_unnamed_file(struct restore *rs, const struct record *record,
				const struct mapfile_view *view, int *ret_fd, struct err *err)
{
	uint64_t size = le64_get(view->rec->size);
	auto_close int fd = -1;
	int content;
	int r;

	if (view->type == MAPFILE_MEMFD) {
		fd = memfd_create(view->name, MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
			return err_set(err, -errno, "make memfd %s", view->name);
	} else {
		r = restore_unnamed(rs, view->name, 0700, size, &fd, err);
		if (r < 0)
			return r;
	}
	content = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (content < 0)
		return err_set(err, -errno, "duplicate a descriptor");
	r = restore_content_fd(rs, record->id, content, err);
	if (r < 0)
		return r;
	if (view->flags == O_RDONLY)
		return restore_reopen(rs, fd, O_RDONLY, ret_fd, err);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* What a policy keeps of it is the file, which gives its ids to whoever executes it. */
static void note_setid(struct restore *rs, const struct record *record, const char *name)
{
	const struct decision *decision = plan_answer(rs->plan, CLASS_SETID, record->id, 0);

	if (decision && decision->outcome == OUTCOME_KEEP)
		restore_note(rs, "%s is set-id: its tasks go on with the ids of the plan", name);
}

static int mapfile_restore(struct restore *rs, const struct record *record, struct err *err)
{
	auto_with(free_view) struct mapfile_view view = { .name = NULL };
	int fd = -1;
	int r = mapfile_view(record->body, record->length, &view, err);

	if (r < 0 || view.type >= MAPFILE_ANON)
		return r;
	note_setid(rs, record, view.name);
	if (view.type == MAPFILE_PATH)
		r = restore_path(rs, record, &view, &fd, err);
	else if (view.type == MAPFILE_ALIAS)
		r = restore_alias(rs, &view, &fd, err);
	else
		r = restore_unnamed_file(rs, record, &view, &fd, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, fd, err);
}

const struct kind kind_mapfile = {
	.name = "mapfile",
	.summary = "mapped files, executables, shared memory without a name",
	.tag = TAG_MAPFILE,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_LINKED,
	.check = mapfile_check,
	.link = mapfile_link,
	.ask = mapfile_ask,
	.restore = mapfile_restore,
};
