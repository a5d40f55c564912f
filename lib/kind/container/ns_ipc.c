/* ns_ipc: an ipc namespace and its limits. What is in it are kinds of their own. */

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/ipc_limits.h"
#include "kind/support/sysv.h"

extern const struct kind kind_ns_ipc;

/* ---- dump ---- */

static int ns_ipc_dump(struct dump *d, struct err *err)
{
	struct ipc_limits_rec rec;
	enum dump_ipc ipc;
	int r = sysv_enter(d, &ipc, err);

	if (r < 0 || ipc == DUMP_IPC_NOBODY || (!d->ns && d->own->target->form == TARGET_TREE))
		return r;
	ipc_limits_read(&rec);
	/* Those of the host are none of the container's. */
	dump_record(d, dump_ns_id(d), &kind_ns_ipc, &rec, ipc == DUMP_IPC_OWN ? sizeof(rec) : 0);
	return 0;
}

/* ---- check, restore ---- */

/* Without a body: limits as they are in a fresh namespace. */
static int ns_ipc_check(const void *body, size_t length, struct err *err)
{
	const struct ipc_limits_rec *rec = body;

	if (length == 0)
		return 0;
	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "ns_ipc: %zu bytes", length);
	if (le64_get(rec->values[IPC_SHM_RMID_FORCED]) > 1 &&
	    le64_get(rec->values[IPC_SHM_RMID_FORCED]) != UINT64_MAX)
		return err_set(err, ERR_DAMAGED, "ns_ipc: a switch that is neither on nor off");
	return 0;
}

static int ns_ipc_restore(struct restore *rs, const struct record *record, struct err *err)
{
	return record->length > 0 ? ipc_limits_set(rs, record, err) : 0;
}

const struct kind kind_ns_ipc = {
	.name = "ns_ipc",
	.summary = "an ipc namespace and its limits",
	.tag = TAG_NS_IPC,
	.version = 2,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_LINKED, /* what is in it is there */
	.namespace = NAMESPACE_IPC,
	.dump = ns_ipc_dump,
	.check = ns_ipc_check,
	.restore = ns_ipc_restore,
};
