/* Objects in memory that have no descriptor: shared memory without a name, System V segments. See
 * mm.h. */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "kind/support/mm.h"
#include "kind/support/sysv.h"

uint64_t mm_object_size(const struct record *record)
{
	if (record->tag == TAG_MAPFILE)
		return mapfile_anon_size(record);
	return record->tag == TAG_SYSV_SHM ? sysv_shm_room(record) : 0;
}

static void attach(const struct record *record, bool is_writable, uint64_t place,
		   struct script *script)
{
	const struct sysv_shm_rec *segment = record->body;

	(void)script_syscall(script, "attach System V shared memory", 0, SYS_shmat,
			     le32_get(segment->head.id), place, is_writable ? 0 : SHM_RDONLY);
}

int mm_object_make(const struct image *image, const struct record *record, uint64_t place,
		   struct script *script, struct err *err)
{
	bool is_writable = true;
	uint32_t segment =
	    record->tag == TAG_MAPFILE ? mapfile_segment(record, &is_writable) : record->id;
	int r = script_room(script, 1, 0, err);

	if (r < 0)
		return r;
	if (segment)
		attach(image_find(image, TAG_SYSV_SHM, segment), is_writable, place, script);
	else
		(void)script_syscall(script, "make shared memory", 0, SYS_mmap, place,
				     mm_object_size(record), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE |
					 MAP_FIXED_NOREPLACE,
				     (uint64_t)-1, 0);
	return 0;
}

/* A segment that was removed lives as long as it is attached. */
int mm_objects_made(const struct image *image, struct script *script, struct err *err)
{
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_SYSV_SHM, record))) {
		const struct sysv_shm_rec *rec = record->body;
		int r = script_room(script, 1, 0, err);

		if (r < 0)
			return r;
		if (le32_get(rec->flags) & SYSV_SHM_REMOVED)
			(void)script_syscall(script, "remove System V shared memory", 0, SYS_shmctl,
					     le32_get(rec->head.id), IPC_RMID, 0);
	}
	return 0;
}
