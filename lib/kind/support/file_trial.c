/* Trial opens. See file_trial.h. */
#include "kind/support/file_trial.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/files.h"
#include "kind/support/mount_place.h"
#include "restore/open.h"

static int file_trial_access(int place, uint32_t flags)
{
	int mode = (file_can_read(flags) ? R_OK : 0) | (file_can_write(flags) ? W_OK : 0);

	if (syscall(SYS_faccessat2, place, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	return 0;
}

int file_trial_open(int root, const char *path, uint32_t flags, mode_t type, struct stat *ret_stat)
{
	auto_close int place = -1;
	auto_close int fd = -1;
	int r;

	r = open_path(root, path, type, &place);
	if (r < 0)
		return r;
	if (fstat(place, ret_stat) < 0)
		return -errno;
	if (flags & O_PATH)
		return 0;
	if (type != S_IFREG && type != S_IFDIR)
		return file_trial_access(place, flags);

	fd = file_open_again(place, (int)(flags & (O_ACCMODE | O_APPEND)));
	return fd < 0 ? fd : 0;
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

static void try_path(const struct plan *plan, const char *path, struct file_trial *trial)
{
	auto_close int root = -1;

	trial->result = file_trial_root(plan, path, &root);
	if (trial->result == 0)
		trial->result =
		    file_trial_open(root, path, trial->flags, trial->type, &trial->stat);
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
	else if (trial->type && (trial->stat.st_mode & S_IFMT) != trial->type)
		trial->result = -ESTALE;
}

void file_trial_run(struct plan *plan, struct file_trial *trial)
{
	auto_with(mount_place_free) struct mount_place place = { .path = NULL };

	trial->result = 0;
	mount_place_find(plan, trial->path, &place);
	if (place.path)
		try_path(plan, place.path, trial);
	else
		assume(&place, trial);
	if (trial->result == -ESTALE)
		trial->trouble = "it is not of the saved type any more";
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

void file_trial_ask(struct plan *plan, uint32_t id, const struct file_trial *trial)
{
	auto_free char *invoker = NULL;
	struct question question = {
		.class = CLASS_FILE,
		.id = id,
		.detail = trial->detail,
		.saved = trial->flags,
		.invoker = (uint64_t)-trial->result,
		.subject = trial->path,
		.saved_text = access_text(trial->flags),
	};

	if (trial->result < 0)
		invoker = mem_printf("open: %s",
				     trial->trouble ? trial->trouble : strerror(-trial->result));
	question.invoker_text = invoker ? invoker : "open";
	plan_ask(plan, &question);
}
