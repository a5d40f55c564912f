/* ns_ipc: an ipc namespace without System V objects in it. */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"

extern const struct kind kind_ns_ipc;

static int ns_ipc_dump(struct dump *d, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	const struct shm_info *shm;
	const struct seminfo *sem;
	const struct msginfo *msg;
	uint64_t at[3];
	int r;

	if (!d->ns && d->own->target->form == TARGET_TREE)
		return 0;
	script_init(&script, &dump_ns_task(d)->threads[0].remote);
	for (int i = 0; i < 3; i++)
		at[i] = script_out(&script, 128);
	(void)script_syscall(&script, "count shared memory", 0, SYS_shmctl, 0, SHM_INFO, at[0]);
	(void)script_syscall(&script, "count semaphores", 0, SYS_semctl, 0, 0, SEM_INFO, at[1]);
	(void)script_syscall(&script, "count message queues", 0, SYS_msgctl, 0, MSG_INFO, at[2]);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	shm = script_output(&script, at[0], sizeof(*shm), err);
	sem = shm ? script_output(&script, at[1], sizeof(*sem), err) : NULL;
	msg = sem ? script_output(&script, at[2], sizeof(*msg), err) : NULL;
	if (!msg)
		return err->code;
	/* SEM_INFO and MSG_INFO put the number of objects there, semctl(2), msgctl(2). */
	if (shm->used_ids > 0)
		(void)dump_block(d, NULL, "System V shared memory is not supported");
	if (sem->semusz > 0)
		(void)dump_block(d, NULL, "System V semaphores are not supported");
	if (msg->msgpool > 0)
		(void)dump_block(d, NULL, "System V message queues are not supported");
	dump_record(d, dump_ns_id(d), &kind_ns_ipc, NULL, 0);
	return 0;
}

static int ns_ipc_check(const void *body, size_t length, struct err *err)
{
	(void)body;
	return length == 0 ? 0 : err_set(err, ERR_DAMAGED, "ns_ipc: %zu bytes", length);
}

const struct kind kind_ns_ipc = {
	.name = "ns_ipc",
	.summary = "an ipc namespace without objects",
	.tag = TAG('N', 'I', 'P', 'C'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.namespace = NAMESPACE_IPC,
	.dump = ns_ipc_dump,
	.check = ns_ipc_check,
};
