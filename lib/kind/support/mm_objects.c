/* Objects in memory that have no descriptor: shared memory without a name, System V segments. See
 * mm.h. */
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "kind/support/mm.h"
#include "kind/support/namespaces.h"
#include "kind/support/sysv.h"

uint64_t mm_object_size(const struct record *record)
{
	if (record->tag == TAG_MAPFILE)
		return mapfile_anon_size(record);
	return record->tag == TAG_SYSV_SHM ? sysv_shm_room(record) : 0;
}

static void enter(const struct restore *rs, uint32_t ns, struct script *script)
{
	(void)script_syscall(script, "enter an ipc namespace", 0, SYS_setns,
			     (uint64_t)restore_namespace_fd(rs, NAMESPACE_IPC, ns),
			     (uint64_t)namespace_flag(NAMESPACE_IPC));
}

/* In the ipc namespace of a segment. */
static void attach(const struct record *record, bool is_writable, uint64_t place,
		   struct script *script)
{
	const struct sysv_shm_rec *segment = record->body;

	(void)script_syscall(script, "attach System V shared memory", 0, SYS_shmat,
			     le32_get(segment->head.id), place, is_writable ? 0 : SHM_RDONLY);
}

int mm_object_make(const struct restore *rs, const struct record *record, uint64_t place,
		   struct script *script, struct err *err)
{
	bool is_writable = true;
	uint32_t segment =
	    record->tag == TAG_MAPFILE ? mapfile_segment(record, &is_writable) : record->id;
	uint32_t ns = segment ? ipcns_find(rs->image, segment) : 0;
	int r = script_room(script, 3, 0, err);

	if (r < 0)
		return r;
	if (ns)
		enter(rs, ns, script);
	if (segment)
		attach(image_find(rs->image, TAG_SYSV_SHM, segment), is_writable, place, script);
	else
		(void)script_syscall(script, "make shared memory", 0, SYS_mmap, place,
				     mm_object_size(record), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE |
					 MAP_FIXED_NOREPLACE,
				     (uint64_t)-1, 0);
	if (ns)
		enter(rs, 0, script);
	return 0;
}

/* A segment that was removed lives as long as it is attached. */
int mm_objects_made(const struct restore *rs, struct script *script, struct err *err)
{
	const struct record *record = NULL;

	while ((record = image_next(rs->image, TAG_SYSV_SHM, record))) {
		const struct sysv_shm_rec *rec = record->body;
		uint32_t ns = ipcns_find(rs->image, record->id);
		int r = script_room(script, 3, 0, err);

		if (r < 0)
			return r;
		if (!(le32_get(rec->flags) & SYSV_SHM_REMOVED))
			continue;
		if (ns)
			enter(rs, ns, script);
		(void)script_syscall(script, "remove System V shared memory", 0, SYS_shmctl,
				     le32_get(rec->head.id), IPC_RMID, 0);
		if (ns)
			enter(rs, 0, script);
	}
	return 0;
}
