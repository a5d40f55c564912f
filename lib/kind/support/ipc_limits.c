/* Limits of an ipc namespace. See ipc_limits.h. */
#include "kind/support/ipc_limits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "restore/open.h"

enum { NUMBERS_MAX = 4 };

/* The files, and which limits are in them. */
static const struct limit_file {
	const char *path; /* beneath /proc/sys */
	enum ipc_limit first;
	int count;
} files[] = {
	{ "kernel/shmmax", IPC_SHMMAX, 1 },
	{ "kernel/shmall", IPC_SHMALL, 1 },
	{ "kernel/shmmni", IPC_SHMMNI, 1 },
	{ "kernel/shm_rmid_forced", IPC_SHM_RMID_FORCED, 1 },
	{ "kernel/msgmax", IPC_MSGMAX, 1 },
	{ "kernel/msgmnb", IPC_MSGMNB, 1 },
	{ "kernel/msgmni", IPC_MSGMNI, 1 },
	{ "kernel/sem", IPC_SEM, 4 },
	{ "fs/mqueue/queues_max", IPC_MQ_QUEUES_MAX, 1 },
	{ "fs/mqueue/msg_max", IPC_MQ_MSG_MAX, 1 },
	{ "fs/mqueue/msgsize_max", IPC_MQ_MSGSIZE_MAX, 1 },
	{ "fs/mqueue/msg_default", IPC_MQ_MSG_DEFAULT, 1 },
	{ "fs/mqueue/msgsize_default", IPC_MQ_MSGSIZE_DEFAULT, 1 },
};
enum { FILES = sizeof(files) / sizeof(files[0]) };

static int read_numbers(int proc, const char *path, int count, uint64_t *ret_values,
			struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *name = mem_printf("sys/%s", path);
	const char *at;
	int r = procfs_read(proc, name, &text, err);

	if (r < 0)
		return r;
	at = text.data;
	for (int i = 0; i < count; i++) {
		scan_blanks(&at);
		if (!scan_number(&at, 10, UINT64_MAX, &ret_values[i]))
			return err_set(err, ERR_FAILED, "%s cannot be understood", name);
	}
	return 0;
}

static int write_numbers(int proc, const char *path, int count, const uint64_t *values)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *name = mem_printf("sys/%s", path);
	auto_close int fd = openat(proc, name, O_WRONLY | O_CLOEXEC);

	for (int i = 0; i < count; i++)
		buf_printf(&text, "%s%" PRIu64, i ? " " : "", values[i]);
	if (fd < 0 || write(fd, text.data, text.size) != (ssize_t)text.size)
		return errno ? -errno : -EINVAL;
	return 0;
}

int ipc_limit_read(const char *path, uint64_t *ret_value, struct err *err)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return read_numbers(proc, path, 1, ret_value, err);
}

void ipc_limits_read(struct ipc_limits_rec *ret_rec)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < FILES; i++) {
		uint64_t values[NUMBERS_MAX];
		struct err ignored;
		bool is_known =
		    read_numbers(proc, files[i].path, files[i].count, values, &ignored) == 0;

		for (int k = 0; k < files[i].count; k++)
			ret_rec->values[(int)files[i].first + k] =
			    le64_make(is_known ? values[k] : UINT64_MAX);
	}
}

/* The saved numbers of a file, and whether any of them is below, or above, what is there. */
struct change {
	uint64_t saved[NUMBERS_MAX];
	uint64_t now[NUMBERS_MAX];
	bool is_lower, is_higher;
};

/* False: nothing is known of this file here, or there. */
static bool find_change(const struct restore *rs, const struct ipc_limits_rec *rec,
			const struct limit_file *file, struct change *ret_change)
{
	struct err ignored;

	*ret_change = (struct change){ .is_lower = false };
	if (read_numbers(restore_root(rs)->proc, file->path, file->count, ret_change->now,
			 &ignored) < 0)
		return false;
	for (int i = 0; i < file->count; i++) {
		ret_change->saved[i] = le64_get(rec->values[(int)file->first + i]);
		if (ret_change->saved[i] == UINT64_MAX)
			return false;
		ret_change->is_lower |= ret_change->saved[i] < ret_change->now[i];
		ret_change->is_higher |= ret_change->saved[i] > ret_change->now[i];
	}
	return true;
}

static const struct record *limits_of(const struct image *image, uint32_t ns)
{
	const struct record *record = NULL;

	if (ns)
		return image_find(image, TAG_NS_IPC, ns);
	while ((record = image_next(image, TAG_NS_IPC, record))) {
		if (!namespace_find(image, record->id))
			return record;
	}
	return NULL;
}

void ipc_limits_raise(struct restore *rs, const struct record *object)
{
	const struct record *record = limits_of(rs->image, ipcns_find(rs->image, object->id));

	for (int i = 0; record && record->length > 0 && i < FILES; i++) {
		struct change change;

		if (files[i].first == IPC_SHM_RMID_FORCED ||
		    !find_change(rs, record->body, &files[i], &change) || !change.is_higher)
			continue;
		for (int k = 0; k < files[i].count; k++) {
			if (change.saved[k] > change.now[k])
				change.now[k] = change.saved[k];
		}
		/* Where it cannot be done, it is said at the end. */
		(void)write_numbers(restore_root(rs)->proc, files[i].path, files[i].count,
				    change.now);
	}
}

void ipc_limit_need(const struct restore *rs, const char *path, uint64_t value)
{
	int proc = restore_root(rs)->proc;
	struct err ignored;
	uint64_t now;

	/* Where it cannot be done, what needs it fails. */
	if (read_numbers(proc, path, 1, &now, &ignored) == 0 && now < value)
		(void)write_numbers(proc, path, 1, &value);
}

int ipc_limits_set(struct restore *rs, const struct record *record, struct err *err)
{
	for (int i = 0; i < FILES; i++) {
		struct change change;
		int r;

		if (!find_change(rs, record->body, &files[i], &change) ||
		    (!change.is_lower && !change.is_higher))
			continue;
		r = write_numbers(restore_root(rs)->proc, files[i].path, files[i].count,
				  change.saved);
		if (r < 0 && (change.is_lower || files[i].first == IPC_SHM_RMID_FORCED))
			return err_set(err, r, "set %s to %" PRIu64, files[i].path,
				       change.saved[0]);
		if (r < 0)
			restore_note(rs,
				     "%s stays at %" PRIu64 ": this kernel does not let it be set",
				     files[i].path, change.now[0]);
	}
	return 0;
}
