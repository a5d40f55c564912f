/* System V objects. See sysv.h. */
#include "kind/support/sysv.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "restore/open.h"

/* ---- dump ---- */

static int enter_own(struct dump *d, struct err *err)
{
	const struct dump_task *task = dump_own_task(d, NAMESPACE_IPC);
	struct dump_private *own = d->own;
	auto_close int theirs = -1;
	struct stat now;
	struct stat wanted;

	own->ipc = DUMP_IPC_NOBODY;
	if (!task)
		return 0;
	theirs = openat(task->proc, "ns/ipc", O_RDONLY | O_CLOEXEC);
	if (theirs < 0 || fstat(theirs, &wanted) < 0 || stat("/proc/self/ns/ipc", &now) < 0)
		return err_set(err, -errno, "look at the ipc namespace");
	own->ipc = DUMP_IPC_FOREIGN;
	if (now.st_ino == wanted.st_ino)
		return 0;
	if (setns(theirs, CLONE_NEWIPC) < 0)
		return err_set(err, -errno, "enter the ipc namespace");
	/* A tree of tasks may share it with others that nobody stopped. */
	if (own->target->form == TARGET_CONTAINER)
		own->ipc = DUMP_IPC_OWN;
	return 0;
}

int sysv_enter(struct dump *d, enum dump_ipc *ret_ipc, struct err *err)
{
	int r = 0;

	if (d->ns && setns(d->ns->fd, CLONE_NEWIPC) < 0)
		return err_set(err, -errno, "enter an ipc namespace");
	if (!d->ns && d->own->ipc == DUMP_IPC_UNKNOWN)
		r = enter_own(d, err);
	*ret_ipc = d->ns ? DUMP_IPC_OWN : d->own->ipc;
	return r;
}

uint32_t sysv_new_id(struct dump *d)
{
	uint32_t id = dump_new_id(d);

	ipcns_dump(d, id, d->ns ? d->ns->id : 0);
	return id;
}

bool sysv_block_foreign(struct dump *d, const char *what, int id, pid_t pid)
{
	const struct dump_task *task = pid > 0 ? dump_task_by_pid(d, pid) : NULL;

	if (!task)
		return false;
	(void)dump_block(d, "start the container in an ipc namespace of its own",
			 "task %d (%s) uses System V %s %d, which is outside of the container",
			 task->vpid, task->stat.comm, what, id);
	return true;
}

struct sysv_rec sysv_describe(int id, const struct ipc_perm *perm)
{
	return (struct sysv_rec){
		.id = le32_make((uint32_t)id),
		.key = le32_make((uint32_t)perm->__key),
		.mode = le32_make(perm->mode & 0777u),
		.uid = le32_make(perm->uid),
		.gid = le32_make(perm->gid),
		.creator_uid = le32_make(perm->cuid),
		.creator_gid = le32_make(perm->cgid),
	};
}

/* ---- check, ask ---- */

int sysv_check(const struct sysv_rec *rec, const char *kind, struct err *err)
{
	if (le32_get(rec->id) > INT_MAX)
		return err_set(err, ERR_DAMAGED, "%s: impossible id", kind);
	if (le32_get(rec->mode) > 0777 || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "%s: unknown bits", kind);
	return 0;
}

int sysv_ask(struct plan *plan, const struct record *record, const char *what)
{
	const struct sysv_rec *rec = record->body;
	const struct {
		enum policy_class class;
		uint32_t detail;
		le32 saved;
		const char *whose;
	} ids[] = { { CLASS_UID, 0, rec->uid, "uid of the owner" },
		    { CLASS_UID, 1, rec->creator_uid, "uid of the creator" },
		    { CLASS_GID, 0, rec->gid, "gid of the owner" },
		    { CLASS_GID, 1, rec->creator_gid, "gid of the creator" } };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		auto_free char *subject =
		    mem_printf("%s %" PRIu32 ", %s", what, le32_get(rec->id), ids[i].whose);

		plan_ask(plan, &(struct question){ .class = ids[i].class,
						   .id = record->id,
						   .detail = ids[i].detail,
						   .saved = le32_get(ids[i].saved),
						   .subject = subject });
	}
	return 0;
}

/* ---- restore ---- */

static uint32_t planned_id(const struct restore *rs, const struct record *record,
			   enum policy_class class, uint32_t detail)
{
	return (uint32_t)plan_value(rs->plan, class, record->id, detail, UINT32_MAX);
}

static int choose_id(const struct restore *rs, const struct sysv_class *class, uint32_t id,
		     struct err *err)
{
	auto_free char *path = mem_printf("sys/kernel/%s", class->next_id);
	auto_close int fd = openat(restore_root(rs)->proc, path, O_WRONLY | O_CLOEXEC);
	char text[16];
	int length = snprintf(text, sizeof(text), "%" PRIu32, id);

	if (fd < 0 || write(fd, text, (size_t)length) != length)
		return err_set(err, -errno, "choose the id of %s %" PRIu32 " by %s", class->what,
			       id, class->next_id);
	return 0;
}

/* The kernel would take capabilities from whoever stops being root. */
static int keep_capabilities(int bits, struct err *err)
{
	if (prctl(PR_SET_SECUREBITS, bits) < 0)
		return err_set(err, -errno, "set securebits");
	return 0;
}

/* The real and saved ids stay. */
static int become(uint32_t uid, uint32_t gid, struct err *err)
{
	if (syscall(SYS_setresgid, -1, gid, -1) < 0 || syscall(SYS_setresuid, -1, uid, -1) < 0)
		return err_set(err, -errno, "become %" PRIu32 ":%" PRIu32, uid, gid);
	return 0;
}

static int make_as_creator(struct restore *rs, const struct record *record,
			   const struct sysv_class *class, struct err *err)
{
	const struct sysv_rec *rec = record->body;
	uint32_t id = le32_get(rec->id);
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int result;
	int r =
	    become(planned_id(rs, record, CLASS_UID, 1), planned_id(rs, record, CLASS_GID, 1), err);

	if (r < 0)
		return r;
	result = class->get((key_t)le32_get(rec->key),
			    IPC_CREAT | IPC_EXCL | (int)le32_get(rec->mode), record->body);
	if (result < 0)
		return err_set(err, -errno, "make %s %" PRIu32, class->what, id);
	if ((uint32_t)result != id)
		return err_set(err, ERR_DAMAGED, "%s %" PRIu32 ": the id is taken", class->what,
			       id);
	return become(uid, gid, err);
}

int sysv_make(struct restore *rs, const struct record *record, const struct sysv_class *class,
	      struct err *err)
{
	const struct sysv_rec *rec = record->body;
	int bits = prctl(PR_GET_SECUREBITS);
	int r = choose_id(rs, class, le32_get(rec->id), err);

	if (r == 0)
		r = keep_capabilities(bits | SECBIT_NO_SETUID_FIXUP, err);
	if (r == 0)
		r = make_as_creator(rs, record, class, err);
	return r < 0 ? r : keep_capabilities(bits, err);
}

void sysv_owner(const struct restore *rs, const struct record *record, struct ipc_perm *ret_perm)
{
	const struct sysv_rec *rec = record->body;

	*ret_perm = (struct ipc_perm){ .uid = planned_id(rs, record, CLASS_UID, 0),
				       .gid = planned_id(rs, record, CLASS_GID, 0),
				       .mode = (unsigned short)le32_get(rec->mode) };
}
