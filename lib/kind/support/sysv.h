/* What System V shared memory, semaphores and message queues have in common: an id that programs
 * hold, a key by which others find them, owner, creator and mode.
 *
 * A checkpoint reads them from within their ipc namespace, which the dumper enters. A
 * restore makes them in the first task: the kernel gives the wanted id to the next new object, and
 * makes whoever is the effective user its creator. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/types.h>

#include "core/err.h"
#include "image/record.h"
#include "kind/kind.h"

#define TAG_SYSV_SHM TAG('S', 'H', 'M', 'S')
#define TAG_SYSV_SEM TAG('S', 'E', 'M', 'S')
#define SYSV_SEM_MAX 32767u /* SEMVMX, linux/sem.h */

RECORDS_BEGIN
struct sysv_rec {
	le32 id;	  /* as programs know it */
	le32 key;	  /* 0: private */
	le32 mode;	  /* permissions */
	le32 uid;	  /* of the owner */
	le32 gid;	  /* of the owner */
	le32 creator_uid; /* the effective ones of who made it */
	le32 creator_gid;
	le32 reserved; /* zero */
};

struct sysv_shm_rec {
	struct sysv_rec head;
	le64 size;  /* bytes */
	le32 flags; /* enum sysv_shm_flag */
	le32 reserved;
};

struct sysv_sem_rec {
	struct sysv_rec head;
	le32 count;   /* of semaphores */
	le32 is_used; /* 0 or 1: the time of the last semop(2) is not zero */
	le16 values[];
};
RECORDS_END
static_assert(sizeof(struct sysv_rec) == 32, "image format");
static_assert(sizeof(struct sysv_shm_rec) == 48, "image format");
static_assert(sizeof(struct sysv_sem_rec) == 40, "image format");

enum sysv_shm_flag {
	SYSV_SHM_LOCKED = 1u << 0,
	SYSV_SHM_REMOVED = 1u << 1,   /* by IPC_RMID: it ends with its last attachment */
	SYSV_SHM_UNTOUCHED = 1u << 2, /* nobody ever attached it */
};

/* ---- dump ---- */

/* Whose objects are in the ipc namespace that we look into. Nobody: it is the container's own, and
 * no task is in it. */
enum dump_ipc { DUMP_IPC_UNKNOWN, DUMP_IPC_OWN, DUMP_IPC_FOREIGN, DUMP_IPC_NOBODY };

/* Enters the ipc namespace at the cursor, or else the container's own. Foreign in *ret_ipc if the
 * container has none of its own: then the objects there are others'. */
int sysv_enter(struct dump *d, enum dump_ipc *ret_ipc, struct err *err);
/* A new object in that namespace: its id. */
uint32_t sysv_new_id(struct dump *d);
/* Blocks when an object that is not the container's was made or used by process `pid` (as we see
 * it) and that is one of the container's tasks. True if it did. */
bool sysv_block_foreign(struct dump *d, const char *what, int id, pid_t pid);
struct sysv_rec sysv_describe(int id, const struct ipc_perm *perm);

/* ---- check, ask ---- */

int sysv_check(const struct sysv_rec *rec, const char *kind, struct err *err);
int sysv_ask(struct plan *plan, const struct record *record, const char *what);

/* ---- restore: all bodies begin with a struct sysv_rec ---- */

struct sysv_class {
	const char *what;    /* "shared memory" */
	const char *next_id; /* beneath /proc/sys/kernel */
	int (*get)(key_t key, int flags, const void *body);
};

/* Makes the object of this record, with its id, key and creator. */
int sysv_make(struct restore *rs, const struct record *record, const struct sysv_class *class,
	      struct err *err);
/* Its owner and mode, for IPC_SET. */
void sysv_owner(const struct restore *rs, const struct record *record, struct ipc_perm *ret_perm);

/* ---- shared memory, for those who map it ---- */

/* A segment while it is dumped. */
struct dump_segment {
	int shmid;
	uint32_t id;
	uint32_t ns; /* an ipc namespace; 0: the container's own */
	uint64_t size;
	uint64_t attached; /* by whomever */
	uint64_t seen;	   /* mappings of the container's */
	void *at;	   /* where we have it; NULL: nowhere */
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	char name[32];	    /* "/SYSV00000001 (deleted)", of its key */
	uint32_t mapped[2]; /* ids of MAPF records: read only, writable; 0: none yet */
};

/* The segment that is behind a mapping of the task at the cursor; NULL if it is none of the
 * container's. */
struct dump_segment *sysv_shm_of_vma(struct dump *d, const struct procfs_vma *vma);
/* Once all mappings are known: blocks where one attached it who is not in the container. */
void sysv_shm_finish(struct dump *d);
void sysv_shm_free(struct dump_private *own);
/* What must be mapped to receive its content; 0: nothing. */
uint64_t sysv_shm_room(const struct record *record);

/* ---- semaphores, for those who look for what a task will undo ---- */

/* A set while it is dumped. */
struct dump_semaphores {
	int semid;
	uint32_t id;
	uint32_t ns; /* an ipc namespace; 0: the container's own */
	uint32_t count;
	bool is_used;	  /* by semop(2), ever */
	uint16_t *values; /* owned */
};
void sysv_sem_free(struct dump_private *own);

/* A step of semop(2) may move the value by this much, up or down, whatever it is. */
enum { SEM_STEP = 16384 };
struct sembuf;
/* Appends pairs of operations that leave the semaphore alone, and raise by `by` (or lower) what its
 * task will add at its end. There are at most 2 * (|by| / SEM_STEP + 1). Returns how many. */
size_t sysv_undo_operations(uint16_t number, uint16_t value, int by, struct sembuf *operations);
