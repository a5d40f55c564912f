/* identity: a process: its pid, parent, group, session and names; how it ended, for a zombie. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"
#include "kind/support/zombie.h"
#include "restore/open.h"

extern const struct kind kind_identity;

/* clang-format off */
#define IDENTITY_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, pid, FIELD_FREE) \
	FIELD(rec, parent, FIELD_LINK) \
	FIELD(rec, pgid, CLASS_SESSION) \
	FIELD(rec, sid, CLASS_SESSION) \
	FIELD(rec, mm, FIELD_LINK) \
	FIELD(rec, flags, FIELD_FORM) \
	FIELD(rec, exit_code, FIELD_FREE) \
	FIELD(rec, exit_signal, FIELD_FREE) \
	FIELD(rec, stop_signal, FIELD_FREE) \
	FIELD(rec, umask, FIELD_FREE) \
	FIELD(rec, personality, FIELD_FREE) \
	FIELD(rec, cwd_length, FIELD_FORM) \
	FIELD(rec, comm, FIELD_FREE) \
	TAIL(rec, cwd, CLASS_FILE)
/* clang-format on */
FIELDS_OF(identity, struct task_rec, IDENTITY_FIELDS);

/* ---- dump ---- */

static int dump_zombie(struct dump *d, struct err *err)
{
	const struct dump_task *task = d->task;
	struct task_rec rec = {
		.pid = le32_make((uint32_t)task->vpid),
		.parent = le32_make(task->parent),
		.flags = le32_make(TASK_ZOMBIE),
		.exit_code = le32_make((uint32_t)task->stat.exit_code),
		.exit_signal = le32_make((uint32_t)task->stat.exit_signal),
	};

	memcpy(rec.comm, task->stat.comm, strnlen(task->stat.comm, 15));
	dump_record(d, task->id, &kind_identity, &rec, sizeof(rec));
	return zombie_note_losses(d, err);
}

static int read_personality(const struct dump_task *task, uint32_t *ret_personality,
			    struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(task->proc, "personality", &text, err);

	if (r < 0)
		return r;
	*ret_personality = (uint32_t)strtoul(text.data, NULL, 16);
	return 0;
}

static int check_root(struct dump *d, struct err *err)
{
	auto_free char *root = NULL;
	int r = procfs_readlink(d->task->proc, "root", &root, err);

	if (r < 0)
		return r;
	if (strcmp(root, "/") != 0)
		return dump_block(d, NULL, "its root directory %s is not the container's", root);
	return 0;
}

static bool is_deleted(const struct dump_task *task)
{
	struct stat stat;

	return fstatat(task->proc, "cwd", &stat, 0) == 0 && stat.st_nlink == 0;
}

/* Its path leads elsewhere: a mount is over it. */
static bool is_hidden(const struct dump_task *task, const char *cwd)
{
	auto_free char *path = NULL;
	struct stat stat;

	return fstatat(task->proc, "cwd", &stat, 0) == 0 &&
	       file_find_path(task, cwd, &stat, &path) < 0;
}

static int identity_dump(struct dump *d, struct err *err)
{
	const struct dump_task *task = d->task;
	auto_buf struct buf body = BUF_EMPTY;
	auto_free char *cwd = NULL;
	struct task_rec rec;
	uint32_t personality;
	int r;

	if (!d->thread)
		return dump_zombie(d, err);
	r = read_personality(task, &personality, err);
	if (r == 0)
		r = check_root(d, err);
	if (r == 0)
		r = procfs_readlink(task->proc, "cwd", &cwd, err);
	if (r == -ENAMETOOLONG)
		return dump_block(d, NULL, "the path of its current directory is too long");
	if (r < 0)
		return r;
	if (is_deleted(task)) {
		char *link = cwd;

		cwd = file_deleted_path(link);
		free(link);
	} else if (is_hidden(task, cwd)) {
		return dump_block(d, NULL, "its current directory %s is below a mount", cwd);
	}
	if (is_deleted(task) && task->namespaces[NAMESPACE_MNT])
		return dump_block(
		    d, NULL, "its current directory %s is gone, in a mount namespace of its own",
		    cwd);
	rec = (struct task_rec){
		.pid = le32_make((uint32_t)task->vpid),
		.parent = le32_make(task->parent),
		.pgid = le32_make((uint32_t)d->thread->status.ns_pgid[d->own->level]),
		.sid = le32_make((uint32_t)d->thread->status.ns_sid[d->own->level]),
		.mm = le32_make(task->mm_id),
		.flags = le32_make((d->thread->stop_signal ? TASK_STOPPED : 0) |
				   (is_deleted(task) ? TASK_CWD_REMOVED : 0)),
		.exit_signal = le32_make((uint32_t)task->stat.exit_signal),
		.stop_signal = le32_make((uint32_t)d->thread->stop_signal),
		.umask = le32_make(d->thread->status.umask),
		.personality = le32_make(personality),
		.cwd_length = le32_make((uint32_t)strlen(cwd)),
	};
	memcpy(rec.comm, task->stat.comm, strnlen(task->stat.comm, 15));
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, cwd, strlen(cwd));
	dump_record(d, task->id, &kind_identity, body.data, body.size);
	return 0;
}

/* ---- check ---- */

/* Low 7 bits a signal that ends a process, bit 7 a core dump, or a status in the next 8. */
static bool is_exit_code(uint32_t code)
{
	static const uint64_t harmless = 1ull << SIGCHLD | 1ull << SIGCONT | 1ull << SIGURG |
					 1ull << SIGWINCH | 1ull << SIGSTOP | 1ull << SIGTSTP |
					 1ull << SIGTTIN | 1ull << SIGTTOU;
	uint32_t signal = code & 0x7f;

	if (signal == 0)
		return (code & ~0xff00u) == 0;
	return code <= 0xff && (signal == 64 || (signal < 64 && !(harmless >> signal & 1)));
}

static int check_zombie(const struct task_rec *rec, struct err *err)
{
	if (le32_get(rec->flags) != TASK_ZOMBIE || le32_get(rec->mm) || le32_get(rec->parent) == 0)
		return err_set(err, ERR_DAMAGED, "identity: impossible zombie");
	if (!is_exit_code(le32_get(rec->exit_code)))
		return err_set(err, ERR_DAMAGED, "identity: impossible exit code");
	return 0;
}

static bool is_path(const char *text, size_t length)
{
	auto_free char *path = length < FILE_PATH_MAX ? mem_copy(text, length) : NULL;

	return path && file_path_is_valid(path, length + 1);
}

static int identity_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct task_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t cwd_length = rec ? le32_get(rec->cwd_length) : 0;
	const char *cwd = rec ? reader_take(&reader, cwd_length) : NULL;

	if (!cwd || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "identity: %zu bytes", length);
	if (le32_get(rec->pid) == 0 || le32_get(rec->pid) > TASK_PID_MAX ||
	    le32_get(rec->pgid) > TASK_PID_MAX || le32_get(rec->sid) > TASK_PID_MAX)
		return err_set(err, ERR_DAMAGED, "identity: impossible pid");
	if (le32_get(rec->flags) & ~(uint32_t)(TASK_ZOMBIE | TASK_STOPPED | TASK_CWD_REMOVED) ||
	    le32_get(rec->exit_signal) > 64 || le32_get(rec->umask) > 0777)
		return err_set(err, ERR_DAMAGED, "identity: unknown bits");
	if (memchr(rec->comm, '\0', sizeof(rec->comm)) == NULL)
		return err_set(err, ERR_DAMAGED, "identity: comm has no end");
	if (le32_get(rec->flags) & TASK_ZOMBIE)
		return check_zombie(rec, err);
	if (le32_get(rec->mm) == 0)
		return err_set(err, ERR_DAMAGED, "identity: no address space");
	if (le32_get(rec->flags) & TASK_STOPPED
		? le32_get(rec->stop_signal) < SIGSTOP || le32_get(rec->stop_signal) > SIGTTOU
		: le32_get(rec->stop_signal) != 0)
		return err_set(err, ERR_DAMAGED, "identity: impossible stop signal");
	if (!is_path(cwd, cwd_length))
		return err_set(err, ERR_DAMAGED, "identity: impossible current directory");
	return 0;
}

static int identity_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct task_rec *rec = record->body;
	uint32_t parent = le32_get(rec->parent);
	uint32_t mm = le32_get(rec->mm);
	const struct record *up = parent ? image_find(image, TAG_TASK, parent) : NULL;

	/* Parents stand in front of their children: so there are no circles. */
	if (parent && (!up || up >= record))
		return err_set(err, ERR_DAMAGED, "identity: parent %u is not in front of it",
			       parent);
	if (up && le32_get(((const struct task_rec *)up->body)->flags) & TASK_ZOMBIE)
		return err_set(err, ERR_DAMAGED, "identity: its parent is dead");
	if (mm && !image_find(image, TAG('M', 'M', 'A', 'P'), mm))
		return err_set(err, ERR_DAMAGED, "identity: address space %u is not in the image",
			       mm);
	if (!(le32_get(rec->flags) & TASK_ZOMBIE))
		return owner_link_parts(image, record, SCOPE_TASK, err);
	return 0;
}

static bool is_elsewhere(const struct image *image, uint32_t task)
{
	const struct nsproxy_rec *ns = nsproxy_find(image, task);

	return ns && le32_get(ns->ids[NAMESPACE_MNT]) != 0;
}

/* What is in /proc comes with the container. */
static bool is_made_later(const struct image *image, const struct record *record, const char *cwd)
{
	const struct task_rec *rec = record->body;

	return le32_get(rec->flags) & TASK_CWD_REMOVED || is_elsewhere(image, record->id) ||
	       strncmp(cwd, "/proc/", 6) == 0;
}

static void ask_cwd(struct plan *plan, const struct image *image, const struct record *record)
{
	const struct task_rec *rec = record->body;
	auto_free char *cwd = mem_copy(rec + 1, le32_get(rec->cwd_length));
	struct file_trial trial = {
		.path = cwd,
		.purpose = "work in",
		.flags = O_PATH,
		.type = S_IFDIR,
		.is_executed = true,
	};

	if (is_made_later(image, record, cwd))
		return;
	file_trial_run(plan, &trial);
	file_trial_ask(plan, record->id, &trial);
}

static int identity_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	const struct task_rec *rec = record->body;

	(void)err;
	plan_name_task(plan, record->id, record->id, (pid_t)le32_get(rec->pid),
		       (const char *)rec->comm);
	if (le32_get(rec->flags) & TASK_ZOMBIE)
		return 0;
	if (le32_get(rec->sid) == 0)
		plan_ask(plan, &(struct question){ .class = CLASS_SESSION,
						   .id = record->id,
						   .subject = "session",
						   .saved_text = "led from outside" });
	ask_cwd(plan, image, record);
	return 0;
}

/* ---- restore ---- */

/* The current directory, as a descriptor of this record's object. */
static int identity_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct task_rec *rec = record->body;
	auto_free char *cwd = mem_copy(rec + 1, le32_get(rec->cwd_length));
	int fd = -1;
	int r;

	/* In a mount namespace of its own, it goes there when it enters that. */
	if (le32_get(rec->flags) & TASK_ZOMBIE || is_elsewhere(rs->image, record->id))
		return 0;
	if (le32_get(rec->flags) & TASK_CWD_REMOVED)
		r = restore_removed_directory(cwd, 0755, &fd, err);
	else
		r = restore_open_path(rs, cwd, S_IFDIR, &fd, err);
	if (r < 0)
		return err_wrap(err, "current directory %s", cwd);
	return restore_give_fd(rs, record, fd, err);
}

static void note_stop(struct restore *rs, const struct task_rec *rec)
{
	int signal = (int)le32_get(rec->stop_signal);

	if (le32_get(rec->flags) & TASK_STOPPED && signal != SIGSTOP)
		restore_note(rs, "task %u is stopped by SIGSTOP, not by SIG%s", le32_get(rec->pid),
			     sigabbrev_np(signal));
}

static int identity_finish(struct restore *rs, const struct record *record, struct script *script,
			   struct err *err)
{
	const struct task_rec *rec = record->body;

	(void)err;
	note_stop(rs, rec);
	if (!is_elsewhere(rs->image, record->id))
		(void)script_syscall(script, "enter the current directory", 0, SYS_fchdir,
				     (uint64_t)restore_fd(rs, record->id));
	(void)script_syscall(script, "set umask", 0, SYS_umask, le32_get(rec->umask));
	(void)script_syscall(script, "set personality", 0, SYS_personality,
			     le32_get(rec->personality));
	(void)script_syscall(script, "set name", 0, SYS_prctl, PR_SET_NAME,
			     script_copy(script, rec->comm, sizeof(rec->comm)));
	return 0;
}

const struct kind kind_identity = {
	.name = "identity",
	.summary = "processes: pid, parent, process group, session, name, zombies",
	.tag = TAG_TASK,
	.scope = SCOPE_TASK,
	.phase = PHASE_TASKS,
	.fields = identity_fields,
	.dump = identity_dump,
	.check = identity_check,
	.link = identity_link,
	.ask = identity_ask,
	.restore = identity_restore,
	.finish = identity_finish,
};
