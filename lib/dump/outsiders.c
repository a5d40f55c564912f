/* What a task shares with a process that is not saved, as clone(2) lets them, would come back as
 * its own, without a word. Looked for: parents outside, and, where the target is a part of a tree,
 * whoever is seen to have the same address space. */
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "target/process.h"

static const struct {
	int what;
	const char *name;
} shares[] = {
	{ KCMP_VM, "memory" },
	{ KCMP_FILES, "descriptors" },
	{ KCMP_FS, "a current directory" },
};

static void check_pair(struct dump *d, struct dump_task *task, pid_t outsider)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		if (syscall(SYS_kcmp, task->pid, outsider, shares[i].what, 0, 0) != 0)
			continue;
		d->task = task;
		d->own->is_untouchable = true; /* somebody runs in there */
		(void)dump_block(d, "save that process, too",
				 "it shares %s with process %d, which is outside of the container",
				 shares[i].name, outsider);
		d->task = NULL;
		return;
	}
}

/* Address spaces are laid out by chance: two that begin and end alike are one, or of a fork. */
static bool looks_alike(const struct procfs_stat *one, const struct procfs_stat *other)
{
	return one->start_stack == other->start_stack && one->start_code == other->start_code &&
	       one->arg_start == other->arg_start && one->env_end == other->env_end;
}

static bool read_stat(pid_t pid, struct buf *text, struct procfs_stat *ret_stat)
{
	struct err ignored = ERR_NONE;
	auto_close int proc = -1;

	return procfs_open_pid(pid, &proc, &ignored) == 0 &&
	       procfs_read(proc, "stat", text, &ignored) == 0 &&
	       procfs_stat_parse(text->data, ret_stat, &ignored) == 0;
}

static void check_outsider(struct dump *d, pid_t pid, struct buf *text)
{
	struct dump_private *own = d->own;
	struct procfs_stat stat;

	if (dump_task_by_pid(d, pid) || !read_stat(pid, text, &stat))
		return;
	for (size_t i = 0; i < own->task_count; i++) {
		struct dump_task *task = &own->tasks[i];

		if (task->thread_count > 0 && task->stat.ppid != pid &&
		    looks_alike(&task->stat, &stat))
			check_pair(d, task, pid);
	}
}

int dump_check_outsiders(struct dump *d, struct err *err)
{
	struct dump_private *own = d->own;
	auto_buf struct buf text = BUF_EMPTY;
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r;

	for (size_t i = 0; i < own->task_count; i++) {
		struct dump_task *task = &own->tasks[i];

		if (task->thread_count > 0 && !task->parent && task->stat.ppid > 0)
			check_pair(d, task, task->stat.ppid);
	}
	if (own->target->form != TARGET_TREE)
		return 0;
	r = process_list(&pids, &count, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		check_outsider(d, pids[i], &text);
	return r;
}
