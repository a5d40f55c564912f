/* Trial opens. See file_trial.h. */
#include "kind/support/file_trial.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/file_opener.h"
#include "kind/support/files.h"
#include "kind/support/mount_place.h"
#include "restore/open.h"

static int try_access(int place, int mode)
{
	if (syscall(SYS_faccessat2, place, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	return 0;
}

static int access_mode(uint32_t flags)
{
	return (file_can_read(flags) ? R_OK : 0) | (file_can_write(flags) ? W_OK : 0);
}

static int try_really(int place, struct file_trial *trial)
{
	auto_close int fd = file_open_again(place, (int)(trial->flags & (O_ACCMODE | O_APPEND)));

	if (fd < 0)
		return fd;
	if (trial->is_identified && S_ISREG(trial->stat.st_mode))
		trial->has_identity = file_identity_get(fd, &trial->identity) == 0;
	return 0;
}

static const char noexec[] = "its file system is mounted noexec";

static int try_execution(int place, struct file_trial *trial)
{
	struct statvfs fs;
	int r = trial->is_executed ? try_access(place, X_OK) : 0;

	trial->is_noexec = fstatvfs(place, &fs) == 0 && fs.f_flag & ST_NOEXEC;
	if (r < 0 && S_ISREG(trial->stat.st_mode))
		trial->trouble = trial->is_noexec ? noexec : "it may not be executed";
	return r;
}

void file_trial_expect_code(struct file_trial *trial)
{
	if (trial->result < 0 || !trial->is_noexec)
		return;
	trial->result = -EACCES;
	trial->trouble = noexec;
}

static const char *is_now(mode_t type)
{
	switch (type & S_IFMT) {
	case S_IFREG:
		return "it is a regular file now";
	case S_IFDIR:
		return "it is a directory now";
	case S_IFIFO:
		return "it is a fifo now";
	case S_IFLNK:
		return "it is a symbolic link now";
	case S_IFSOCK:
		return "it is a socket now";
	default:
		return "it is a device now";
	}
}

void file_trial_expect(struct file_trial *trial, mode_t type)
{
	if (trial->result < 0 || (trial->stat.st_mode & S_IFMT) == type)
		return;
	trial->result = -ESTALE;
	trial->trouble = is_now(trial->stat.st_mode);
}

static int try_place(int proc, int place, struct file_trial *trial)
{
	int r;

	if (trial->type != 0)
		file_trial_expect(trial, trial->type);
	if (trial->result < 0)
		return trial->result;
	if (S_ISREG(trial->stat.st_mode) && open_is_of_a_process(proc, place)) {
		trial->trouble = "it is a file of a process";
		return -ESTALE;
	}
	r = try_execution(place, trial);
	if (r < 0 || trial->flags & O_PATH)
		return r;
	if (trial->type != S_IFREG && trial->type != S_IFDIR)
		return try_access(place, access_mode(trial->flags));
	return try_really(place, trial);
}

int file_trial_open(int root, const char *path, struct file_trial *trial)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;
	struct open_place place;
	int r = open_place(root, path, trial->type, &place);

	if (r < 0)
		return r;
	fd = place.fd;
	trial->stat = place.stat;
	trial->has_links = place.has_links && trial->type != S_IFCHR;
	return try_place(proc, fd, trial);
}

/* Over these of a root directory, the container mounts what is like the invoker's own. */
static bool is_mounted_over(const char *path)
{
	static const char *const points[] = { "/dev", "/proc", "/sys" };

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		size_t length = strlen(points[i]);

		if (strncmp(path, points[i], length) == 0 &&
		    (path[length] == '/' || path[length] == '\0'))
			return true;
	}
	return false;
}

int file_trial_root(const struct plan *plan, const char *path, int *ret_fd)
{
	int root = plan_facts(plan)->root;

	if (root <= 0 || is_mounted_over(path))
		root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else
		root = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (root < 0)
		return -errno;
	*ret_fd = root;
	return 0;
}

static int try_path(const struct plan *plan, const char *path, struct file_trial *trial)
{
	auto_close int root = -1;
	int r = file_trial_root(plan, path, &root);

	return r < 0 ? r : file_trial_open(root, path, trial);
}

static int try_with_maps(const struct plan *plan, const char *path, struct file_trial *trial)
{
	int r = try_path(plan, path, trial);

	if ((r != -EACCES && r != -EPERM) || trial->trouble || !plan_opener(plan))
		return r;
	trial->result = 0; /* as it begins */
	return file_opener_try(plan_opener(plan), path, trial);
}

/* What is only there when the mounts are cannot be tried. */
static void assume(const struct mount_place *place, struct file_trial *trial)
{
	trial->stat = (struct stat){ .st_mode = place->is_known ? place->mode : trial->type,
				     .st_size = INT64_MAX };
	if (place->is_known)
		trial->stat.st_size = (off_t)place->size;
	if (place->is_missing)
		trial->result = -ENOENT;
	else if (trial->type)
		file_trial_expect(trial, trial->type);
}

void file_trial_run(struct plan *plan, struct file_trial *trial)
{
	auto_with(mount_place_free) struct mount_place place = { .path = NULL };

	trial->result = 0;
	mount_place_find(plan, trial->path, &place);
	if (place.path)
		trial->result = try_with_maps(plan, place.path, trial);
	else
		assume(&place, trial);
}

int kind_try_file(struct plan *plan, const char *path, uint32_t flags)
{
	struct file_trial trial = { .path = path, .flags = flags };

	file_trial_run(plan, &trial);
	return trial.result;
}

static const char *access_text(uint32_t flags)
{
	if (flags & O_PATH)
		return "look up";
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return "read";
	case O_WRONLY:
		return "write";
	default:
		return "read and write";
	}
}

/* "open", and what is to be said of it; or why not. */
static char *invoker_text(const struct file_trial *trial)
{
	const char *trouble = trial->trouble;

	if (trial->result < 0)
		return mem_printf("open: %s", trouble ? trouble : strerror(-trial->result));
	if (trial->remark)
		return mem_printf("open: %s", trial->remark);
	if (trial->is_by_maps)
		return mem_string("open: as the container's root");
	return mem_string(trial->has_links ? "open: by way of a symbolic link" : "open");
}

void file_trial_ask(struct plan *plan, uint32_t id, const struct file_trial *trial)
{
	auto_free char *invoker = invoker_text(trial);
	struct question question = {
		.class = S_ISCHR(trial->type) || S_ISBLK(trial->type) ? CLASS_DEVICE : CLASS_FILE,
		.id = id,
		.detail = trial->detail,
		.saved = trial->flags,
		.invoker = (uint64_t)-trial->result,
		.path = trial->path,
		.type = trial->type,
		.is_descriptor = trial->is_descriptor,
		.subject = trial->path,
		.saved_text = trial->purpose ? trial->purpose : access_text(trial->flags),
		.invoker_text = invoker,
	};

	plan_ask(plan, &question);
}

void file_trial_free(struct file_trial *trial)
{
	free(trial->remark);
}
