/* The limits of an ipc namespace: files beneath /proc/sys that show the namespace of who reads.
 *
 * Objects may be larger than the limits of their namespace, if these were lowered later: so a
 * restore raises them before it makes objects, and sets them exactly afterwards (ns_ipc.c). */
#pragma once

#include <stdint.h>

#include "core/err.h"
#include "image/record.h"
#include "kind/kind.h"

#define TAG_NS_IPC TAG('N', 'I', 'P', 'C')

enum ipc_limit {
	IPC_SHMMAX,
	IPC_SHMALL,
	IPC_SHMMNI,
	IPC_SHM_RMID_FORCED,
	IPC_MSGMAX,
	IPC_MSGMNB,
	IPC_MSGMNI,
	IPC_SEM, /* four: SEMMSL, SEMMNS, SEMOPM, SEMMNI */
	IPC_MQ_QUEUES_MAX = IPC_SEM + 4,
	IPC_MQ_MSG_MAX,
	IPC_MQ_MSGSIZE_MAX,
	IPC_MQ_MSG_DEFAULT,
	IPC_MQ_MSGSIZE_DEFAULT,
	IPC_LIMITS,
};

RECORDS_BEGIN
struct ipc_limits_rec {
	le64 values[16]; /* as in sys/kernel and sys/fs/mqueue, or 18446744073709551615 */
};
RECORDS_END
static_assert(sizeof(struct ipc_limits_rec) == 128, "image format");
static_assert(IPC_LIMITS == 16, "image format");

/* Dump: all limits of the ipc namespace that we are in. Those that this kernel does not have are
 * UINT64_MAX. */
void ipc_limits_read(struct ipc_limits_rec *ret_rec);
/* Dump: one of them, by its path beneath /proc/sys. */
int ipc_limit_read(const char *path, uint64_t *ret_value, struct err *err);

/* Restore: none is below the saved one of the ipc namespace of this object, which we are in. For
 * those who make objects; may be called again. */
void ipc_limits_raise(struct restore *rs, const struct record *object);
/* Restore: nor this one below `value`; ipc_limits_set() takes that back. */
void ipc_limit_need(const struct restore *rs, const char *path, uint64_t value);
/* Restore: as they were saved. */
int ipc_limits_set(struct restore *rs, const struct record *record, struct err *err);
