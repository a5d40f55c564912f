/* Files and directories of /proc that belong to one process: opened by a task, once all are there,
 * as the same kind of file of the process with the same pid. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/tree.h"
#include "restore/open.h"
#include "restore/restore.h"

extern const struct kind kind_procfile;

RECORDS_BEGIN
struct procfile_rec {
	le64 offset;
	le32 flags;
	le32 type; /* S_IFREG or S_IFDIR */
		   /* then the path, with its NUL */
};
RECORDS_END
static_assert(sizeof(struct procfile_rec) == 16, "image format");

static const char *procfile_path(const struct procfile_rec *rec)
{
	return (const char *)(rec + 1);
}

static bool procfile_match(const struct target_fd *fd)
{
	return (S_ISREG(fd->stat.st_mode) || S_ISDIR(fd->stat.st_mode)) && !(fd->flags & O_PATH) &&
	       fd->link[0] == '/' && file_is_of_a_process(fd);
}

/* The pid in "/proc/12/status": the first component that is a number. */
static uint32_t pid_in(const char *path)
{
	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		if (at[1] >= '0' && at[1] <= '9')
			return (uint32_t)strtoul(at + 1, NULL, 10);
	}
	return 0;
}

static bool is_inside(const struct dump *d, uint32_t pid)
{
	for (const struct dump_task *task = NULL; (task = dump_next_task(d, task));) {
		if (task->vpid == (pid_t)pid)
			return true;
		for (size_t i = 0; i < task->thread_count; i++) {
			if (task->threads[i].vtid == (pid_t)pid)
				return true;
		}
	}
	return false;
}

static int procfile_dump(struct dump *d, struct err *err)
{
	const struct target_fd *fd = d->fd;
	struct procfile_rec rec = {
		.offset = le64_make(fd->position),
		.flags = le32_make(file_flags(fd)),
		.type = le32_make(fd->stat.st_mode & S_IFMT),
	};
	auto_buf struct buf body = BUF_EMPTY;
	auto_free char *path = NULL;

	(void)err;
	if (file_block_extras(d))
		return 0;
	if (file_look_path(d, &path) < 0)
		return dump_block(d, "let the program close it",
				  "%s is a file of a process that is gone", fd->link);
	if (!is_inside(d, pid_in(path)))
		return dump_block(d, "let the program close it",
				  "%s is a file of a process outside of the container", fd->link);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, path, strlen(path) + 1);
	dump_record(d, fd->id, &kind_procfile, body.data, body.size);
	return 0;
}

static int procfile_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct procfile_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "procfile: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)))
		return err_set(err, ERR_DAMAGED, "procfile: unknown flags %#x",
			       le32_get(rec->flags));
	if (le32_get(rec->type) != S_IFREG && le32_get(rec->type) != S_IFDIR)
		return err_set(err, ERR_DAMAGED, "procfile: impossible type");
	if (le64_get(rec->offset) > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "procfile: impossible offset");
	if (!file_path_is_valid(procfile_path(rec), reader_left(&reader)) ||
	    pid_in(procfile_path(rec)) == 0)
		return err_set(err, ERR_DAMAGED, "procfile: bad path");
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of all processes and threads, sorted; owned. */
static uint32_t *list_pids(const struct image *image, size_t *ret_count)
{
	const struct record *record = NULL;
	uint32_t *pids = NULL;
	size_t count = 0;

	while ((record = image_next(image, TAG_TASK, record))) {
		array_grow(pids, count);
		pids[count++] = le32_get(((const struct task_rec *)record->body)->pid);
	}
	while ((record = image_next(image, TAG_REGISTERS, record))) {
		array_grow(pids, count);
		pids[count++] = le32_get(((const struct registers_rec *)record->body)->tid);
	}
	if (count > 0)
		qsort(pids, count, sizeof(*pids), compare_pids);
	*ret_count = count;
	return pids;
}

/* With the first record, all of them. */
static int procfile_link(const struct image *image, const struct record *record, struct err *err)
{
	auto_free uint32_t *pids = NULL;
	size_t count;

	if (image_next(image, kind_procfile.tag, NULL) != record)
		return 0;
	pids = list_pids(image, &count);
	for (; record; record = image_next(image, kind_procfile.tag, record)) {
		uint32_t pid = pid_in(procfile_path(record->body));

		if (count == 0 || !bsearch(&pid, pids, count, sizeof(*pids), compare_pids))
			return err_set(err, ERR_DAMAGED, "procfile: no process %" PRIu32, pid);
	}
	return 0;
}

/* Holds the number. */
static int procfile_restore(struct restore *rs, const struct record *record, struct err *err)
{
	int fd = memfd_create("a file of a process", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "create a file in memory");
	return restore_give_fd(rs, record, fd, err);
}

/* In the task that has it: what /proc shows depends on who looks. */
static int open_inside(struct restore_task *task, const struct procfile_rec *rec, int *ret_fd,
		       struct err *err)
{
	const char *path = procfile_path(rec);
	struct remote *remote = &task->threads[0].remote;
	struct open_how how = {
		.flags = (le32_get(rec->flags) & O_ACCMODE) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		.resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	auto_script struct script script = SCRIPT_NONE;
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, task->pid, 0);
	int number;
	size_t step;
	int r;

	if (pidfd < 0)
		return err_set(err, -errno, "open pidfd of task %d", task->vpid);
	script_init(&script, remote);
	step = script_syscall(&script, "open", 0, SYS_openat2, (uint64_t)AT_FDCWD,
			      script_copy(&script, path, strlen(path) + 1),
			      script_copy(&script, &how, sizeof(how)), sizeof(how));
	r = script_run(&script, err);
	if (r < 0)
		return err_wrap(err, "file %s", path);
	number = (int)script_result(&script, step);
	r = remote_take_fd(remote, pidfd, number, ret_fd, err);
	(void)script_syscall(&script, "close", 0, SYS_close, (uint64_t)number);
	return r < 0 ? r : script_run(&script, err);
}

static int check_opened(const struct procfile_rec *rec, int fd, struct err *err)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "look at %s", procfile_path(rec));
	if (fs.f_type != PROC_SUPER_MAGIC || (st.st_mode & S_IFMT) != le32_get(rec->type))
		return err_set(err, ERR_FAILED, "%s is no file of a process", procfile_path(rec));
	return 0;
}

static int procfile_replace(struct restore *rs, const struct record *record, int *ret_fd,
			    struct err *err)
{
	const struct procfile_rec *rec = record->body;
	struct restore_task *task = restore_holder(rs, record->id);
	uint64_t offset = le64_get(rec->offset);
	auto_close int fd = -1;
	int r;

	if (!task) /* nobody has it any more */
		return 0;
	r = open_inside(task, rec, &fd, err);
	if (r == 0)
		r = check_opened(rec, fd, err);
	if (r == 0)
		r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0)
		return r;
	if (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		restore_note(rs, "%s is read from its start again: %s", procfile_path(rec),
			     strerror(errno));
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct kind kind_procfile = {
	.name = "procfile",
	.summary = "files of /proc that belong to one process",
	.tag = TAG('P', 'R', 'O', 'F'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = procfile_match,
	.dump = procfile_dump,
	.check = procfile_check,
	.link = procfile_link,
	.restore = procfile_restore,
	.replace = procfile_replace,
};
