/* ns_ipc: an ipc namespace and its limits. What is in it are kinds of their own. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/ipc_limits.h"
#include "kind/support/mqueue.h"
#include "kind/support/sysv.h"

extern const struct kind kind_ns_ipc;

/* Of a namespace of single tasks: nothing but its limits. */
static int look_inside(struct dump *d, struct ipc_limits_rec *ret_rec, struct err *err)
{
	struct shm_info shm;
	struct seminfo sem;
	struct msginfo msg;
	auto_close int dir = -1;
	auto_closedir DIR *queues = NULL;
	const struct dirent *entry;
	int r = mqueue_mount(&dir, err);

	if (r < 0)
		return r;
	ipc_limits_read(ret_rec);
	/* SEM_INFO and MSG_INFO put the number of objects there, semctl(2), msgctl(2). */
	if (shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&shm) < 0 ||
	    semctl(0, 0, SEM_INFO, &sem) < 0 ||
	    msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&msg) < 0)
		return err_set(err, -errno, "look into an ipc namespace");
	if (shm.used_ids > 0 || sem.semusz > 0 || msg.msgpool > 0)
		(void)dump_block(
		    d, NULL, "System V objects in an ipc namespace of its own are not supported");
	queues = fdopendir(take_fd(&dir));
	while (queues && (entry = readdir(queues))) {
		if (entry->d_name[0] != '.')
			return dump_block(d, NULL,
					  "message queue /%s in an ipc namespace of its own is not "
					  "supported",
					  entry->d_name);
	}
	return 0;
}

static int dump_nested(struct dump *d, struct err *err)
{
	struct ipc_limits_rec rec;
	auto_close int back = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	int r;

	if (back < 0 || setns(d->ns->fd, CLONE_NEWIPC) < 0)
		return err_set(err, -errno, "enter an ipc namespace");
	r = look_inside(d, &rec, err);
	if (setns(back, CLONE_NEWIPC) < 0)
		return err_set(err, -errno, "leave an ipc namespace");
	if (r == 0)
		dump_record(d, d->ns->id, &kind_ns_ipc, &rec, sizeof(rec));
	return r;
}

static int ns_ipc_dump(struct dump *d, struct err *err)
{
	struct ipc_limits_rec rec;
	bool is_own;
	int r = sysv_enter(d, &is_own, err);

	if (d->ns)
		return dump_nested(d, err);
	if (r < 0 || d->own->target->form == TARGET_TREE)
		return r;
	ipc_limits_read(&rec);
	/* Those of the host are none of the container's. */
	dump_record(d, dump_new_id(d), &kind_ns_ipc, &rec, is_own ? sizeof(rec) : 0);
	return 0;
}

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
