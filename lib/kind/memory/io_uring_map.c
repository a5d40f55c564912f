/* io_uring_map: where rings of io_uring are mapped. The kernel gives such a mapping no address that
 * anybody asks for, nor lets it be moved to one (6.5): but it must take the only one that is left.
 * Ordinary memory has held the place until then. */
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/mm.h"
#include "kind/support/uring.h"
#include "restore/restore.h"

extern const struct kind kind_io_uring_map;

/* Not below 4 GiB, where nothing is to be had below vm.mmap_min_addr: linux/mman.h, 6.6. */
#define ABOVE_4G 0x80
/* Where mappings may be, whatever vm.mmap_min_addr says. */
#define LOWEST 0x10000u

enum { MAP_DONTFORK = 1, MAP_DONTDUMP = 2, MAP_ALL = 3 };

RECORDS_BEGIN
struct io_uring_map_rec {
	le64 start;  /* rising */
	le64 size;   /* bytes, in pages */
	le32 offset; /* what of the ring: 0, 0x8000000 or 0x10000000 */
	le32 file;   /* the ring: URNG */
	le32 prot;   /* PROT_* */
	le32 flags;  /* enum */
};
RECORDS_END
static_assert(sizeof(struct io_uring_map_rec) == 32, "image format");

/* ---- dump ---- */

static bool is_offset(uint64_t offset)
{
	return offset == URING_AT_RINGS || offset == URING_AT_COMPLETIONS ||
	       offset == URING_AT_REQUESTS;
}

/* The one ring with this inode, which nobody else has; before 5.16, all have the same. */
static const struct target_fd *find_ring(const struct dump *d, const struct procfs_vma *vma,
					 size_t *ret_count)
{
	const struct target_fd *found = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];

		if (!uring_is_link(file->link) || file->stat.st_ino != vma->inode)
			continue;
		found = file;
		(*ret_count)++;
	}
	return found;
}

/* Kernels differ in what part of it they map; what ours does not map, it will not map again. */
static bool can_map(const struct target_fd *ring, const struct procfs_vma *vma)
{
	size_t size = vma->end - vma->start;
	void *start = mmap(NULL, size, PROT_READ, MAP_SHARED, ring->fd, (off_t)vma->offset);

	return start != MAP_FAILED && munmap(start, size) == 0;
}

static bool is_whole(const struct procfs_vma *vma)
{
	return vma->is_shared && is_offset(vma->offset) &&
	       !(vma->vm_flags & (VMF(wf) | VMF(sr) | VMF(rr) | VMF(lo) | VMF(hg) | VMF(nh) |
				  VMF(mg) | VMF(sl) | VMF(um) | VMF(uw) | VMF(ui) | VMF(unknown)));
}

static int dump_map(struct dump *d, const struct procfs_vma *vma, struct buf *body)
{
	size_t count;
	const struct target_fd *ring = find_ring(d, vma, &count);
	struct io_uring_map_rec rec = {
		.start = le64_make(vma->start),
		.size = le64_make(vma->end - vma->start),
		.offset = le32_make((uint32_t)vma->offset),
		.file = le32_make(ring ? ring->id : 0),
		.prot = le32_make((uint32_t)vma->prot),
		.flags = le32_make((vma->vm_flags & VMF(dc) ? MAP_DONTFORK : 0u) |
				   (vma->vm_flags & VMF(dd) ? MAP_DONTDUMP : 0u)),
	};

	if (count != 1)
		return dump_block(d, NULL,
				  count == 0 ? "mapping %" PRIx64 " is of a ring of io_uring "
					       "without a descriptor, which is not supported"
					     : "mapping %" PRIx64 " may be of several rings of "
					       "io_uring on this kernel",
				  vma->start);
	if (!is_whole(vma) || !can_map(ring, vma))
		return dump_block(d, NULL,
				  "mapping %" PRIx64 " of a ring of io_uring was cut, advised, or "
				  "is private",
				  vma->start);
	(void)buf_append(body, &rec, sizeof(rec));
	return 0;
}

static int io_uring_map_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	if (!d->thread || d->task->groups[SHARE_MEMORY] != d->task->id)
		return 0;
	for (size_t i = 0; i < d->task->vma_count; i++) {
		if (uring_is_vma(&d->task->vmas[i]))
			(void)dump_map(d, &d->task->vmas[i], &body);
	}
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_io_uring_map, body.data, body.size);
	return 0;
}

/* ---- check, link ---- */

static int io_uring_map_check(const void *body, size_t length, struct err *err)
{
	const struct io_uring_map_rec *maps = body;
	uint64_t after = LOWEST;

	if (length == 0 || length % sizeof(*maps) != 0 || length / sizeof(*maps) > MM_VMAS_MAX)
		return err_set(err, ERR_DAMAGED, "io_uring_map: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*maps); i++) {
		uint64_t start = le64_get(maps[i].start);
		uint64_t size = le64_get(maps[i].size);

		if ((start | size) % IMAGE_PAGE || size == 0 || start < after ||
		    start > MM_ADDRESS_MAX || size > MM_ADDRESS_MAX - start)
			return err_set(err, ERR_DAMAGED, "io_uring_map: impossible range");
		if (!is_offset(le32_get(maps[i].offset)) || le32_get(maps[i].prot) & ~7u ||
		    le32_get(maps[i].flags) & ~(uint32_t)MAP_ALL)
			return err_set(err, ERR_DAMAGED, "io_uring_map: unknown bits");
		after = start + size;
	}
	return 0;
}

static int io_uring_map_link(const struct image *image, const struct record *record,
			     struct err *err)
{
	const struct io_uring_map_rec *maps = record->body;
	struct mm_view view;
	int r = mm_link_task(image, record, "io_uring_map", &view, err);

	for (size_t i = 0; r == 0 && i < record->length / sizeof(*maps); i++) {
		if (!image_find(image, TAG_URING, le32_get(maps[i].file)))
			return err_set(err, ERR_DAMAGED, "io_uring_map: ring %u is not there",
				       le32_get(maps[i].file));
		if (!mm_has_place(&view, le64_get(maps[i].start), le64_get(maps[i].size)))
			return err_set(err, ERR_DAMAGED, "io_uring_map: there is no place for it");
	}
	return r;
}

/* ---- restore ---- */

struct range {
	uint64_t start, size;
};

static int read_maps(const struct restore_task *task, struct procfs_vma **ret_vmas,
		     size_t *ret_count, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	int r = procfs_open_pid(task->pid, &proc, err);

	if (r == 0)
		r = procfs_read(proc, "maps", &text, err);
	return r < 0 ? r : procfs_maps_parse(text.data, ret_vmas, ret_count, err);
}

/* What is free between the mappings; the last ends behind user space. */
static int find_gaps(const struct restore_task *task, struct buf *gaps, struct err *err)
{
	struct procfs_vma *vmas;
	size_t count;
	uint64_t after = LOWEST;
	int r = read_maps(task, &vmas, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i <= count && after < MM_ADDRESS_MAX; i++) {
		uint64_t start =
		    i < count && vmas[i].start < MM_ADDRESS_MAX ? vmas[i].start : MM_ADDRESS_MAX;
		struct range gap = { after, start - after };

		if (start > after)
			(void)buf_append(gaps, &gap, sizeof(gap));
		after = i < count && vmas[i].end > after ? vmas[i].end : after;
		if (start == MM_ADDRESS_MAX)
			break;
	}
	procfs_maps_free(vmas, count);
	return 0;
}

/* Those that cannot be filled show in where the ring comes to be. */
static int fill_gaps(const struct buf *gaps, struct script *script, struct err *err)
{
	const struct range *ranges = (const void *)gaps->data;
	int r = 0;

	for (size_t i = 0; r == 0 && i < gaps->size / sizeof(*ranges); i++) {
		r = script_room(script, 1, 0, err);
		(void)script_syscall(script, "fill a gap", SCRIPT_MAY_FAIL, SYS_mmap,
				     ranges[i].start, ranges[i].size, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
					 MAP_FIXED_NOREPLACE,
				     (uint64_t)-1, 0);
	}
	return r < 0 ? r : script_run(script, err);
}

static int empty_gaps(const struct buf *gaps, struct script *script, struct err *err)
{
	const struct range *ranges = (const void *)gaps->data;
	int r = 0;

	for (size_t i = 0; r == 0 && i < gaps->size / sizeof(*ranges); i++) {
		r = script_room(script, 1, 0, err);
		(void)script_syscall(script, "empty a gap", 0, SYS_munmap, ranges[i].start,
				     ranges[i].size);
	}
	return r < 0 ? r : script_run(script, err);
}

static int map_ring(const struct restore *rs, const struct io_uring_map_rec *map,
		    struct script *script, struct err *err)
{
	uint64_t start = le64_get(map->start);
	uint64_t size = le64_get(map->size);
	uint64_t flags = MAP_SHARED | (start > UINT32_MAX ? ABOVE_4G : 0);
	uint32_t advice = le32_get(map->flags);
	size_t step;
	int r;

	(void)script_syscall(script, "make room for a ring", 0, SYS_munmap, start, size);
	step =
	    script_syscall(script, "map a ring", 0, SYS_mmap, 0, size, le32_get(map->prot), flags,
			   (uint64_t)restore_fd(rs, le32_get(map->file)), le32_get(map->offset));
	if (advice & MAP_DONTFORK)
		(void)script_syscall(script, "advise", 0, SYS_madvise, start, size, MADV_DONTFORK);
	if (advice & MAP_DONTDUMP)
		(void)script_syscall(script, "advise", 0, SYS_madvise, start, size, MADV_DONTDUMP);
	r = script_run(script, err);
	if (r == 0 && (uint64_t)script_result(script, step) != start)
		return err_set(err, ERR_HOST,
			       "this kernel does not map a ring of io_uring at %" PRIx64, start);
	return r;
}

static int io_uring_map_finish(struct restore *rs, const struct record *record,
			       struct script *script, struct err *err)
{
	const struct io_uring_map_rec *maps = record->body;
	auto_buf struct buf gaps = BUF_EMPTY;
	int r = script_run(script, err);

	if (r == 0)
		r = find_gaps(rs->task, &gaps, err);
	if (r == 0)
		r = fill_gaps(&gaps, script, err);
	for (size_t i = 0; r == 0 && i < record->length / sizeof(*maps); i++)
		r = map_ring(rs, &maps[i], script, err);
	return r < 0 ? r : empty_gaps(&gaps, script, err);
}

const struct kind kind_io_uring_map = {
	.name = "io_uring_map",
	.summary = "where rings of io_uring are mapped",
	.needs = "io_uring",
	.tag = TAG_URING_MAP,
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = io_uring_map_dump,
	.check = io_uring_map_check,
	.link = io_uring_map_link,
	.finish = io_uring_map_finish,
};
