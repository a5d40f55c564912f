/* sysv_sem: sets of System V semaphores. What tasks will undo at their end is task/sysv_undo.c. */
#include <inttypes.h>
#include <string.h>
#include <sys/sem.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/ipc_limits.h"
#include "kind/support/sysv.h"

extern const struct kind kind_sysv_sem;

static const char what[] = "semaphores";

#define SEMAPHORES_MAX (1u << 20) /* in one container */

union semun { /* semctl(2): to be defined by its callers */
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

/* ---- dump ---- */

static void write_set(struct dump *d, const struct dump_semaphores *set,
		      const struct semid_ds *stat)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct sysv_sem_rec rec = { .head = sysv_describe(set->semid, &stat->sem_perm),
				    .count = le32_make(set->count),
				    .is_used = le32_make(set->is_used) };

	(void)buf_append(&body, &rec, sizeof(rec));
	for (uint32_t i = 0; i < set->count; i++) {
		le16 value = le16_make(set->values[i]);

		(void)buf_append(&body, &value, sizeof(value));
	}
	dump_record(d, set->id, &kind_sysv_sem, body.data, body.size);
}

static int dump_set(struct dump *d, int semid, const struct semid_ds *stat, size_t *total,
		    struct err *err)
{
	struct dump_private *own = d->own;
	struct dump_semaphores *set;

	*total += stat->sem_nsems;
	if (*total > SEMAPHORES_MAX)
		return err_set(err, ERR_REFUSED, "more than %u System V semaphores",
			       SEMAPHORES_MAX);
	array_grow(own->sets, own->set_count);
	set = &own->sets[own->set_count++];
	*set = (struct dump_semaphores){ .semid = semid,
					 .id = sysv_new_id(d),
					 .ns = d->ns ? d->ns->id : 0,
					 .count = (uint32_t)stat->sem_nsems,
					 .is_used = stat->sem_otime != 0,
					 .values = mem_alloc(stat->sem_nsems, sizeof(uint16_t)) };
	if (semctl(semid, 0, GETALL, (union semun){ .array = set->values }) < 0)
		return err_set(err, -errno, "read semaphores %d", semid);
	write_set(d, set, stat);
	return 0;
}

static void check_foreign(struct dump *d, int semid, const struct semid_ds *stat)
{
	for (int i = 0; i < (int)stat->sem_nsems; i++) {
		if (sysv_block_foreign(d, what, semid, semctl(semid, i, GETPID)))
			return;
	}
}

static int sysv_sem_dump(struct dump *d, struct err *err)
{
	struct seminfo info;
	size_t total = 0;
	enum dump_ipc ipc;
	int r = sysv_enter(d, &ipc, err);
	int last = r < 0 || ipc == DUMP_IPC_NOBODY
		       ? -1
		       : semctl(0, 0, SEM_INFO, (union semun){ .info = &info });

	for (int i = 0; r == 0 && i <= last; i++) {
		struct semid_ds stat = { .sem_nsems = 0 };
		int semid = semctl(i, 0, SEM_STAT_ANY, (union semun){ .buf = &stat });

		if (semid < 0)
			continue;
		if (ipc == DUMP_IPC_OWN)
			r = dump_set(d, semid, &stat, &total, err);
		else
			check_foreign(d, semid, &stat);
	}
	return r;
}

void sysv_sem_free(struct dump_private *own)
{
	for (size_t i = 0; i < own->set_count; i++)
		free(own->sets[i].values);
	free(own->sets);
	own->sets = NULL;
	own->set_count = 0;
}

/* ---- check, ask ---- */

static int sysv_sem_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct sysv_sem_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t count = rec ? le32_get(rec->count) : 0;

	if (!rec || count == 0 || count > SEMAPHORES_MAX ||
	    reader_left(&reader) != count * sizeof(rec->values[0]))
		return err_set(err, ERR_DAMAGED, "sysv_sem: %zu bytes", length);
	if (le32_get(rec->is_used) > 1)
		return err_set(err, ERR_DAMAGED, "sysv_sem: unknown bits");
	for (uint32_t i = 0; i < count; i++) {
		if (le16_get(rec->values[i]) > SYSV_SEM_MAX)
			return err_set(err, ERR_DAMAGED, "sysv_sem: impossible value %u",
				       le16_get(rec->values[i]));
	}
	return sysv_check(&rec->head, "sysv_sem", err);
}

static int sysv_sem_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	(void)image;
	(void)err;
	return sysv_ask(plan, record, what);
}

/* ---- restore ---- */

static int sysv_sem_get(key_t key, int flags, const void *body)
{
	const struct sysv_sem_rec *rec = body;

	return semget(key, (int)le32_get(rec->count), flags);
}

static int set_values(const struct sysv_sem_rec *rec, struct err *err)
{
	int semid = (int)le32_get(rec->head.id);
	uint32_t count = le32_get(rec->count);
	auto_free uint16_t *values = mem_alloc(count, sizeof(*values));
	bool is_zero = true;

	for (uint32_t i = 0; i < count; i++) {
		values[i] = le16_get(rec->values[i]);
		is_zero &= values[i] == 0;
	}
	if (!is_zero && semctl(semid, 0, SETALL, (union semun){ .array = values }) < 0)
		return err_set(err, -errno, "set semaphores %d", semid);
	return 0;
}

/* By the time of the last operation programs tell whether a set is ready for use. */
static int use(const struct sysv_sem_rec *rec, struct err *err)
{
	int semid = (int)le32_get(rec->head.id);
	short first = le16_get(rec->values[0]) == SYSV_SEM_MAX ? -1 : 1;
	struct sembuf operations[] = { { .sem_op = first }, { .sem_op = (short)-first } };

	if (le32_get(rec->is_used) && semop(semid, operations, 2) < 0)
		return err_set(err, -errno, "use semaphores %d", semid);
	return 0;
}

static int sysv_sem_restore(struct restore *rs, const struct record *record, struct err *err)
{
	static const struct sysv_class class = { what, "sem_next_id", sysv_sem_get };
	const struct sysv_sem_rec *rec = record->body;
	int semid = (int)le32_get(rec->head.id);
	struct semid_ds owner = { .sem_nsems = 0 };
	int r;

	ipc_limits_raise(rs, record);
	r = sysv_make(rs, record, &class, err);
	if (r == 0)
		r = set_values(rec, err);
	if (r == 0)
		r = use(rec, err);
	if (r < 0)
		return r;
	sysv_owner(rs, record, &owner.sem_perm);
	if (semctl(semid, 0, IPC_SET, (union semun){ .buf = &owner }) < 0)
		return err_set(err, -errno, "set the owner of semaphores %d", semid);
	return 0;
}

const struct kind kind_sysv_sem = {
	.name = "sysv_sem",
	.summary = "System V semaphores",
	.needs = "sysv_ipc",
	.tag = TAG_SYSV_SEM,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_FILES,
	.namespace = NAMESPACE_IPC,
	.dump = sysv_sem_dump,
	.check = sysv_sem_check,
	.ask = sysv_sem_ask,
	.restore = sysv_sem_restore,
};
