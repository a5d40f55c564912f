/* sysv_shm: segments of System V shared memory, attached or not. Tasks map them as they map other
 * shared memory (memory/mapfile.c). */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/file_content.h"
#include "kind/support/ipc_limits.h"
#include "kind/support/mm.h"
#include "kind/support/resident.h"
#include "kind/support/sysv.h"

extern const struct kind kind_sysv_shm;

static const char what[] = "shared memory";

/* ---- dump ---- */

/* Our own mapping tells how mappings of it look, and what it is made of. */
static void look_at_mapping(struct dump *d, struct dump_segment *segment,
			    const struct procfs_vma *vmas, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (vmas[i].start != (uint64_t)(uintptr_t)segment->at)
			continue;
		segment->dev_major = vmas[i].dev_major;
		segment->dev_minor = vmas[i].dev_minor;
		segment->inode = vmas[i].inode;
		(void)snprintf(segment->name, sizeof(segment->name), "%s", vmas[i].name);
		if (vmas[i].vm_flags & VMF(ht))
			(void)dump_block(d, NULL,
					 "System V shared memory %d is of huge pages, which is "
					 "not supported",
					 segment->shmid);
		return;
	}
}

static int look_at_mappings(struct dump *d, size_t first, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_vma *vmas;
	size_t count;
	int r = procfs_read(AT_FDCWD, "/proc/self/smaps", &text, err);

	if (r == 0)
		r = procfs_maps_parse(text.data, &vmas, &count, err);
	if (r < 0)
		return r;
	for (size_t i = first; i < d->own->segment_count; i++)
		look_at_mapping(d, &d->own->segments[i], vmas, count);
	procfs_maps_free(vmas, count);
	return 0;
}

static int add_content(struct dump *d, struct dump_segment *segment, struct err *err)
{
	auto_free struct image_extent *extents = NULL;
	struct dump_piece *pieces;
	size_t count = 0;
	int r;

	if (!segment->at)
		return 0;
	r = resident_extents(segment->at, mm_page_up(segment->size), &extents, &count);
	if (r < 0)
		return err_set(err, r, "find the pages of shared memory %d", segment->shmid);
	pieces = mem_alloc(count, sizeof(*pieces));
	for (size_t i = 0; i < count; i++)
		pieces[i] = (struct dump_piece){
			.extent = extents[i],
			.address = (uint64_t)(uintptr_t)segment->at + extents[i].start,
		};
	dump_add_source(d, segment->id, -1, pieces, count);
	return 0;
}

/* Attaching and detaching ends a segment that nobody else has, where the namespace is so. */
static bool must_not_attach(const struct shmid_ds *stat, uint64_t is_rmid_forced)
{
	return is_rmid_forced && stat->shm_nattch == 0;
}

static int dump_segment(struct dump *d, int shmid, const struct shmid_ds *stat,
			uint64_t is_rmid_forced, struct err *err)
{
	struct dump_private *own = d->own;
	uint32_t flags = 0;
	struct sysv_shm_rec rec = { .head = sysv_describe(shmid, &stat->shm_perm),
				    .size = le64_make(stat->shm_segsz) };
	void *at = NULL;

	if (stat->shm_perm.mode & SHM_LOCKED)
		flags |= SYSV_SHM_LOCKED;
	if (stat->shm_perm.mode & SHM_DEST)
		flags |= SYSV_SHM_REMOVED;
	if (!must_not_attach(stat, is_rmid_forced)) {
		at = shmat(shmid, NULL, SHM_RDONLY);
		if (at == (void *)-1)
			return err_set(err, -errno, "attach shared memory %d", shmid);
	} else if (stat->shm_dtime != 0) {
		return dump_block(d, "write 0 to kernel.shm_rmid_forced in the container",
				  "System V shared memory %d cannot be read without removing it",
				  shmid);
	} else {
		flags |= SYSV_SHM_UNTOUCHED;
	}
	rec.flags = le32_make(flags);
	array_grow(own->segments, own->segment_count);
	own->segments[own->segment_count++] = (struct dump_segment){ .shmid = shmid,
								     .id = sysv_new_id(d),
								     .ns = d->ns ? d->ns->id : 0,
								     .size = stat->shm_segsz,
								     .attached = stat->shm_nattch,
								     .at = at };
	dump_record(d, own->last_id, &kind_sysv_shm, &rec, sizeof(rec));
	return 0;
}

static int dump_segments(struct dump *d, enum dump_ipc ipc, struct err *err)
{
	struct shm_info info;
	uint64_t is_rmid_forced = 0;
	bool is_own = ipc == DUMP_IPC_OWN;
	int last =
	    ipc == DUMP_IPC_NOBODY ? -1 : shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);
	int r = is_own ? ipc_limit_read("kernel/shm_rmid_forced", &is_rmid_forced, err) : 0;

	for (int i = 0; r == 0 && i <= last; i++) {
		struct shmid_ds stat;
		int shmid = shmctl(i, SHM_STAT_ANY, &stat);

		if (shmid < 0)
			continue;
		if (is_own)
			r = dump_segment(d, shmid, &stat, is_rmid_forced, err);
		else if (!sysv_block_foreign(d, what, shmid, stat.shm_cpid))
			(void)sysv_block_foreign(d, what, shmid, stat.shm_lpid);
	}
	return r;
}

static int sysv_shm_dump(struct dump *d, struct err *err)
{
	size_t first = d->own->segment_count;
	enum dump_ipc ipc;
	int r = sysv_enter(d, &ipc, err);

	if (r == 0)
		r = dump_segments(d, ipc, err);
	if (r == 0 && d->own->segment_count > first)
		r = look_at_mappings(d, first, err);
	for (size_t i = first; r == 0 && i < d->own->segment_count; i++)
		r = add_content(d, &d->own->segments[i], err);
	return r;
}

/* The kernel has one file system for all segments, its inodes are their ids, and the names in it
 * their keys: another ipc namespace may have the same. Who has left the namespace of a segment may
 * still have it attached. */
struct dump_segment *sysv_shm_of_vma(struct dump *d, const struct procfs_vma *vma)
{
	struct dump_segment *found = NULL;

	for (size_t i = 0; i < d->own->segment_count; i++) {
		struct dump_segment *segment = &d->own->segments[i];

		if (!segment->at || segment->inode != vma->inode ||
		    segment->dev_major != vma->dev_major || segment->dev_minor != vma->dev_minor ||
		    strcmp(segment->name, vma->name) != 0)
			continue;
		if (segment->ns == d->task->namespaces[NAMESPACE_IPC])
			return segment;
		found = segment;
	}
	return found;
}

void sysv_shm_finish(struct dump *d)
{
	/* What could not be looked at was not counted. */
	for (size_t i = 0; d->own->blocker_count == 0 && i < d->own->segment_count; i++) {
		const struct dump_segment *segment = &d->own->segments[i];

		if (segment->seen != segment->attached)
			(void)dump_block(d, NULL,
					 "System V shared memory %d has %" PRIu64
					 " attachments, %" PRIu64 " of them in the container",
					 segment->shmid, segment->attached, segment->seen);
	}
}

void sysv_shm_free(struct dump_private *own)
{
	for (size_t i = 0; i < own->segment_count; i++) {
		if (own->segments[i].at)
			(void)shmdt(own->segments[i].at);
	}
	free(own->segments);
	own->segments = NULL;
	own->segment_count = 0;
}

/* ---- check, link, ask ---- */

static int sysv_shm_check(const void *body, size_t length, struct err *err)
{
	const uint32_t all = SYSV_SHM_LOCKED | SYSV_SHM_REMOVED | SYSV_SHM_UNTOUCHED;
	const struct sysv_shm_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "sysv_shm: %zu bytes", length);
	if (le64_get(rec->size) == 0 || le64_get(rec->size) > MM_ADDRESS_MAX)
		return err_set(err, ERR_DAMAGED, "sysv_shm: impossible size %" PRIu64,
			       le64_get(rec->size));
	if (le32_get(rec->flags) & ~all || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "sysv_shm: unknown bits");
	if (le32_get(rec->flags) & SYSV_SHM_REMOVED && le32_get(rec->head.key) != IPC_PRIVATE)
		return err_set(err, ERR_DAMAGED, "sysv_shm: removed, and has a key");
	return sysv_check(&rec->head, "sysv_shm", err);
}

uint64_t sysv_shm_room(const struct record *record)
{
	const struct sysv_shm_rec *rec = record->body;

	return le32_get(rec->flags) & SYSV_SHM_UNTOUCHED ? 0 : mm_page_up(le64_get(rec->size));
}

static int sysv_shm_link(const struct image *image, const struct record *record, struct err *err)
{
	if (image_find(image, TAG_CONTENT, record->id) && sysv_shm_room(record) == 0)
		return err_set(err, ERR_DAMAGED, "sysv_shm: content that nobody wrote");
	return file_content_link(image, record->id, sysv_shm_room(record), err);
}

static int sysv_shm_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	const struct sysv_shm_rec *rec = record->body;

	(void)image;
	(void)err;
	if (le32_get(rec->flags) & SYSV_SHM_LOCKED)
		plan_ask(plan, &(struct question){ .class = CLASS_MLOCK,
						   .id = record->id,
						   .saved = mm_page_up(le64_get(rec->size)),
						   .invoker = plan_facts(plan)->hard_limits[8],
						   .subject = "locked shared memory" });
	return sysv_ask(plan, record, what);
}

/* ---- restore ---- */

static int sysv_shm_get(key_t key, int flags, const void *body)
{
	const struct sysv_shm_rec *rec = body;
	int id = shmget(key, le64_get(rec->size), flags);

	/* More than this host has: programs that never fill it are content with that. */
	if (id < 0 && errno == ENOMEM)
		id = shmget(key, le64_get(rec->size), flags | SHM_NORESERVE);
	return id;
}

static int sysv_shm_restore(struct restore *rs, const struct record *record, struct err *err)
{
	static const struct sysv_class class = { what, "shm_next_id", sysv_shm_get };
	const struct sysv_shm_rec *rec = record->body;
	const struct decision *lock = plan_answer(rs->plan, CLASS_MLOCK, record->id, 0);
	int shmid = (int)le32_get(rec->head.id);
	struct shmid_ds owner = { .shm_segsz = 0 };
	int r;

	ipc_limits_raise(rs, record);
	r = sysv_make(rs, record, &class, err);
	if (r < 0)
		return r;
	sysv_owner(rs, record, &owner.shm_perm);
	if (shmctl(shmid, IPC_SET, &owner) < 0)
		return err_set(err, -errno, "set the owner of shared memory %d", shmid);
	if (lock && lock->outcome == OUTCOME_KEEP && shmctl(shmid, SHM_LOCK, NULL) < 0)
		return err_set(err, -errno, "lock shared memory %d", shmid);
	return 0;
}

const struct kind kind_sysv_shm = {
	.name = "sysv_shm",
	.summary = "System V shared memory",
	.needs = "sysv_ipc",
	.tag = TAG_SYSV_SHM,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_FILES,
	.namespace = NAMESPACE_IPC,
	.dump = sysv_shm_dump,
	.check = sysv_shm_check,
	.link = sysv_shm_link,
	.ask = sysv_shm_ask,
	.restore = sysv_shm_restore,
};
