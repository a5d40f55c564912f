/* Namespaces of single tasks, made by the container's first task before it becomes the model of all
 * others. Each is made by a child that has entered the user namespace that is to own it, and is
 * held by a descriptor. Ids and limits are the kernel's to refuse: nothing here has more authority
 * than the container's own root. */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/mount_record.h"
#include "kind/support/mount_restore.h"
#include "restore/restore.h"

/* ---- children ---- */

struct part {
	struct restore *rs;
	const struct record *record;
	const struct namespace_rec *rec;
};

typedef int part_fn(const struct part *part, struct err *err);

/* Untraced: it runs on its own, and is gone before its parent goes on. `flags`: CLONE_FILES, for
 * one that makes descriptors for its parent. */
static pid_t start_child(uint64_t flags)
{
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | flags | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

static int reap(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

static int in_child(part_fn *work, const struct part *part, struct err *err)
{
	struct err *said =
	    mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;
	int r;

	if (said == MAP_FAILED)
		return err_set(err, -errno, "map %zu bytes", sizeof(*said));
	child = start_child(CLONE_FILES);
	if (child == 0)
		_exit(work(part, said) < 0 ? 1 : 0);
	status = child < 0 ? -errno : reap(child);
	r = status == 0	 ? 0
	    : said->code ? said->code
			 : err_set(said, status < 0 ? status : ERR_FAILED, "a helper failed");
	if (r < 0)
		*err = *said;
	(void)munmap(said, sizeof(*said));
	return r;
}

static int enter_owner(const struct part *part, struct err *err)
{
	uint32_t owner = le32_get(part->rec->owner);

	if (owner && setns(restore_fd(part->rs, owner), CLONE_NEWUSER) < 0)
		return err_set(err, -errno, "enter user namespace %u", owner);
	return 0;
}

static int open_namespace(const struct part *part, pid_t pid, const char *name, int *ret_fd,
			  struct err *err)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%d/ns/%s", pid, name);
	fd = openat(part->rs->own->root.proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open the new %s namespace", name);
	*ret_fd = fd;
	return 0;
}

/* ---- all but user namespaces ---- */

static int move_high(struct restore *rs, int fd, int *ret_high, struct err *err);

/* The mounts of a namespace in which a proc is to be made later, see late_proc.c. */
static int restore_mounts(const struct part *part, struct err *err)
{
	const struct record *mounts = image_find(part->rs->image, TAG_MOUNTS, part->record->id);
	int fd = -1;
	int r;

	if (!mounts)
		return 0;
	r = open_namespace(part, getpid(), "mnt", &fd, err);
	if (r == 0)
		r = move_high(part->rs, fd, &restore_object(part->rs, part->record->id)->staging,
			      err);
	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, -errno, "create a mount namespace");
	return mount_restore(part->rs, mounts, err);
}

static int restore_content(const struct part *part, struct err *err)
{
	/* The first task enters these itself. */
	if (le32_get(part->rec->type) == NAMESPACE_NET ||
	    le32_get(part->rec->type) == NAMESPACE_IPC)
		return 0;
	if (le32_get(part->rec->type) == NAMESPACE_MNT)
		return restore_mounts(part, err);
	for (size_t i = 0; kinds[i]; i++) {
		const struct record *record;
		int r;

		if (!kinds[i]->restore || kinds[i]->namespace != le32_get(part->rec->type))
			continue;
		record = image_find(part->rs->image, kinds[i]->tag, part->record->id);
		r = record ? kinds[i]->restore(part->rs, record, err) : 0;
		if (r < 0)
			return err_wrap(err, "%s", kinds[i]->name);
	}
	return 0;
}

static int make_namespace(const struct part *part, struct err *err)
{
	enum namespace_type type = le32_get(part->rec->type);
	const char *name = type == NAMESPACE_TIME ? "time_for_children" : namespace_name(type);
	int fd = -1;
	int r = enter_owner(part, err);

	if (r < 0)
		return r;
	if (unshare(namespace_flag(type)) < 0)
		return err_set(err, -errno, "create a %s namespace", namespace_name(type));
	r = restore_content(part, err);
	if (r == 0)
		r = open_namespace(part, getpid(), name, &fd, err);
	return r < 0 ? r : restore_give_fd(part->rs, part->record, fd, err);
}

int restore_make_namespace(struct restore *rs, const struct record *record, struct err *err)
{
	return in_child(make_namespace, &(struct part){ rs, record, record->body }, err);
}

/* ---- user namespaces ---- */

static bool is_mapped(const struct id_map *map, size_t count, uint32_t id, uint32_t *ret_left)
{
	for (size_t i = 0; i < count; i++) {
		if (id >= map[i].inside && id - map[i].inside < map[i].count) {
			*ret_left = map[i].count - (id - map[i].inside);
			return true;
		}
	}
	return false;
}

/* How many ids from `id` on the new container has in one piece; 0: it does not have it. */
static uint32_t known_ids(const struct part *part, bool is_gid, uint32_t id, uint32_t count)
{
	const struct plan *plan = part->rs->plan;
	size_t size;
	const struct id_map *map = is_gid ? plan_gid_map(plan, &size) : plan_uid_map(plan, &size);
	uint32_t left;

	if (!is_mapped(map, size, id, &left))
		return 0;
	return left < count ? left : count;
}

/* `ret_left`: so many from `id` on follow each other there, too. */
static uint32_t in_parent(const struct part *part, bool is_gid, uint32_t id, uint32_t *ret_left)
{
	return namespace_map_ids(part->rs->image, le32_get(part->rec->parent), is_gid, id,
				 ret_left);
}

/* The numbers of a map as its parent sees them, cut where they have no neighbours there or in the
 * new container. Ids that no task uses may be missing in that. */
static void print_range(const struct part *part, bool is_gid, const struct idmap_rec *range,
			struct buf *text, uint64_t *missing)
{
	uint32_t count = le32_get(range->count);
	uint32_t done = 0;

	while (done < count) {
		uint32_t outside = le32_get(range->outside) + done;
		uint32_t run = known_ids(part, is_gid, outside, count - done);
		uint32_t length;
		uint32_t first = in_parent(part, is_gid, outside, &length);
		uint32_t more;

		if (run == 0 || first == NAMESPACE_NO_ID) {
			*missing += count - done;
			return;
		}
		while (length < run &&
		       in_parent(part, is_gid, outside + length, &more) == first + length)
			length += more;
		length = length < run ? length : run;
		buf_printf(text, "%u %u %u\n", le32_get(range->inside) + done, first, length);
		done += length;
	}
}

static int write_file(const struct part *part, pid_t pid, const char *name, const char *text,
		      size_t size, struct err *err)
{
	char path[64];
	auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(part->rs->own->root.proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, size) < 0)
		return err_set(err, -errno, "write the %s of a user namespace", name);
	return 0;
}

static int write_map(const struct part *part, pid_t pid, bool is_gid, struct err *err)
{
	const struct idmap_rec *map = (const void *)(part->rec + 1);
	uint32_t count = le32_get(is_gid ? part->rec->gid_count : part->rec->uid_count);
	const char *name = is_gid ? "gid_map" : "uid_map";
	auto_buf struct buf text = BUF_EMPTY;
	uint64_t missing = 0;

	if (is_gid)
		map += le32_get(part->rec->uid_count);
	for (uint32_t i = 0; i < count; i++)
		print_range(part, is_gid, &map[i], &text, &missing);
	if (missing > 0)
		restore_note(part->rs,
			     "a user namespace in the container: %" PRIu64
			     " ids of its %s are not in the new container",
			     missing, name);
	return text.size == 0 ? 0 : write_file(part, pid, name, text.data, text.size, err);
}

static int write_maps(const struct part *part, pid_t pid, struct err *err)
{
	int r = 0;

	if (le32_get(part->rec->flags) & NAMESPACE_NO_SETGROUPS)
		r = write_file(part, pid, "setgroups", "deny", 4, err);
	if (r == 0)
		r = write_map(part, pid, false, err);
	return r < 0 ? r : write_map(part, pid, true, err);
}

/* The maps of a process that may not be looked at are nobody's to write. Others may see it, too: it
 * keeps nothing open but what it needs. */
static void be_visible(int ready, int done)
{
	unsigned int low = (unsigned int)(ready < done ? ready : done);
	unsigned int high = (unsigned int)(ready < done ? done : ready);

	if (low > 0)
		(void)close_range(0, low - 1, 0);
	if (high > low + 1)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0u, 0);
	(void)prctl(PR_SET_DUMPABLE, 1);
}

/* Its owner is whoever made it. */
static _Noreturn void be_owner(const struct part *part, int ready, int done)
{
	uint32_t uid = namespace_map_uid(part->rs->image, le32_get(part->rec->parent),
					 le32_get(part->rec->owner_uid));
	char byte = 0;

	if (uid != NAMESPACE_NO_ID && setresuid(uid, uid, uid) < 0)
		restore_note(part->rs, "a user namespace in the container belongs to another user");
	if (unshare(CLONE_NEWUSER) < 0)
		byte = (char)errno;
	/* The id change has cleared both. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	be_visible(ready, done);
	if (write(ready, &byte, 1) == 1)
		(void)!read(done, &byte, 1);
	_exit(0);
}

static int furnish(const struct part *part, pid_t child, int ready, struct err *err)
{
	char byte;
	int fd = -1;
	int r = 0;

	if (read(ready, &byte, 1) != 1 || byte != 0)
		return err_set(err, byte ? -byte : ERR_FAILED, "create a user namespace");
	r = write_maps(part, child, err);
	if (r == 0)
		r = open_namespace(part, child, "user", &fd, err);
	return r < 0 ? r : restore_give_fd(part->rs, part->record, fd, err);
}

static int make_user_namespace(const struct part *part, struct err *err)
{
	auto_close int ready_in = -1;
	auto_close int ready_out = -1;
	auto_close int done_in = -1;
	auto_close int done_out = -1;
	int ends[2];
	pid_t child;
	int r = enter_owner(part, err);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	ready_in = ends[0];
	ready_out = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	done_in = ends[0];
	done_out = ends[1];
	child = start_child(0);
	if (child == 0) {
		drop_fd(&done_out);
		be_owner(part, ready_out, done_in);
	}
	if (child < 0)
		return err_set(err, -errno, "create a process");
	drop_fd(&ready_out);
	r = furnish(part, child, ready_in, err);
	drop_fd(&done_out);
	(void)reap(child);
	return r;
}

int restore_make_user_namespace(struct restore *rs, const struct record *record, struct err *err)
{
	return in_child(make_user_namespace, &(struct part){ rs, record, record->body }, err);
}

/* ---- the container's own ---- */

static int move_high(struct restore *rs, int fd, int *ret_high, struct err *err)
{
	int high = fcntl(fd, F_DUPFD, (int)rs->own->shared->next);
	int r = -errno;

	(void)close(fd);
	if (high < 0)
		return err_set(err, r, "hold a namespace");
	rs->own->shared->next = (uint32_t)high + 1;
	*ret_high = high;
	return 0;
}

/* What tasks need to find their way: the container's own namespaces, and the file by which the next
 * pid is chosen where clone3(2) may not (see clone.c). */
int restore_hold_own_namespaces(struct restore *rs, struct err *err)
{
	struct restore_shared *shared = rs->own->shared;
	struct part part = { .rs = rs };
	int fd = -1;
	int r;

	for (enum namespace_type type = NAMESPACE_USER; type < NAMESPACE_TYPES; type++)
		shared->own_namespaces[type] = -1;
	shared->last_pid = -1;
	if (!image_next(rs->image, TAG_NSPROXY, NULL) &&
	    !image_next(rs->image, TAG_NAMESPACE, NULL) &&
	    !image_next(rs->image, kind_by_name("nsfd")->tag, NULL))
		return 0;
	for (enum namespace_type type = NAMESPACE_USER; type < NAMESPACE_TYPES; type++) {
		struct err ignored;

		if (open_namespace(&part, getpid(), namespace_name(type), &fd, &ignored) < 0)
			continue;
		r = move_high(rs, fd, &shared->own_namespaces[type], err);
		if (r < 0)
			return r;
	}
	fd = openat(rs->own->root.proc, "sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? 0 : move_high(rs, fd, &shared->last_pid, err);
}

int restore_namespace_fd(const struct restore *rs, enum namespace_type type, uint32_t id)
{
	return id ? restore_fd(rs, id) : rs->own->shared->own_namespaces[type];
}

int restore_enter_namespace(struct restore *rs, enum namespace_type type, uint32_t id,
			    struct err *err)
{
	if (setns(restore_namespace_fd(rs, type, id), namespace_flag(type)) < 0)
		return err_set(err, -errno, "enter %s namespace %u", namespace_name(type), id);
	return 0;
}
