/* The container's first task, before it becomes the model of all others: ordinary code of ours,
 * with the invoker's authority over files, which makes every object that tasks share. */
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container/join.h"
#include "core/cleanup.h"
#include "ctckpt/ctckpt.h"
#include "oci/bundle.h"
#include "restore/restore.h"

/* A socket is made in its network namespace, an ipc object and the limits of such a namespace in
 * that.
 */
static uint32_t namespace_of(const struct restore *rs, const struct kind *kind,
			     const struct record *record, enum namespace_type *ret_type)
{
	*ret_type = kind->scope == SCOPE_FD ? NAMESPACE_NET : NAMESPACE_IPC;
	if (kind->scope == SCOPE_FD)
		return netns_find(rs->image, record->id);
	if (kind->namespace != NAMESPACE_IPC)
		return 0;
	return namespace_find(rs->image, record->id) ? record->id
						     : ipcns_find(rs->image, record->id);
}

static int restore_record(struct restore *rs, const struct kind *kind, const struct record *record,
			  struct err *err)
{
	enum namespace_type type;
	uint32_t ns = namespace_of(rs, kind, record, &type);
	int r = ns ? restore_enter_namespace(rs, type, ns, err) : 0;

	if (r == 0)
		r = kind->scope == SCOPE_FD && restore_is_given_up(rs, record->id)
			? restore_instead(rs, record, err)
			: kind->restore(rs, record, err);
	if (r == 0 && ns)
		r = restore_enter_namespace(rs, type, 0, err);
	return r;
}

/* What the container has from its engine stays as that made it. */
static bool is_there(const struct restore *rs, const struct kind *kind, const struct record *record)
{
	return rs->own->is_joined && kind->scope == SCOPE_CONTAINER &&
	       (kind->namespace == NAMESPACE_NET || kind->namespace == NAMESPACE_UTS) &&
	       !namespace_find(rs->image, record->id);
}

static int restore_kind(struct restore *rs, const struct kind *kind, struct err *err)
{
	const struct record *record = NULL;

	while ((record = image_next(rs->image, kind->tag, record))) {
		int r;

		/* What is in other namespaces comes with them, but for networks, which hang
		 * together, mounts, which are copied from the container's, and ipc objects. */
		if (kind->namespace && kind->namespace != NAMESPACE_NET &&
		    kind->namespace != NAMESPACE_MNT && kind->namespace != NAMESPACE_IPC &&
		    namespace_find(rs->image, record->id))
			continue;
		if (is_there(rs, kind, record))
			continue;
		if (kind->grant && restore_is_granted(rs, record->id))
			continue;
		r = restore_record(rs, kind, record, err);
		if (r < 0)
			return err_wrap(err, "%s %u", kind->name, record->id);
	}
	return 0;
}

static int restore_phase(struct restore *rs, enum phase phase, struct err *err)
{
	for (size_t i = 0; kinds[i]; i++) {
		int r;

		if (!kinds[i]->restore || kinds[i]->phase != phase)
			continue;
		r = restore_kind(rs, kinds[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is lowered again by the saved limits: room for descriptors and locked memory. */
static void raise_limit(__rlimit_resource_t resource)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(resource, &limit);
	}
}

/* An execution takes the capabilities of all but root, unless they are ambient. */
static int keep_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (getuid() == 0 && geteuid() == 0)
		return 0;
	if (syscall(SYS_capget, &header, data) < 0)
		return err_set(err, -errno, "read capabilities");
	data[0].inheritable = data[0].permitted;
	data[1].inheritable = data[1].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return err_set(err, -errno, "keep capabilities");
	for (int cap = 0; cap < 64; cap++) {
		if (data[cap / 32].permitted & (1u << (cap % 32)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_set(err, -errno, "keep capability %d", cap);
	}
	return 0;
}

/* A bundle may hide parts of the one that the container sees. Without one, the saved mounts may: a
 * copy has none of them on it. What an engine has hidden from its container stays hidden. */
static int open_proc(const struct restore_private *own)
{
	int copy = -1;

	if (own->bundle && own->bundle->proc >= 0)
		return fcntl(own->bundle->proc, F_DUPFD_CLOEXEC, 0);
	if (!own->is_joined)
		copy = open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return copy >= 0 ? copy : open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_root(struct restore_private *own, struct err *err)
{
	own->root.dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own->root.proc = open_proc(own);
	if (own->root.dir < 0 || own->root.proc < 0)
		return err_set(err, -errno, "open the container's root");
	return 0;
}

/* The mounts are there: the root may be another one. */
static int open_root_again(struct restore_private *own, struct err *err)
{
	drop_fd(&own->root.dir);
	own->root.dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return own->root.dir < 0 ? err_set(err, -errno, "open the container's root") : 0;
}

static int detach_stdio(struct restore *rs, struct err *err)
{
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	const struct kind *stdio = kind_by_name("stdio");

	if (null < 0)
		return err_set(err, -errno, "open /dev/null");
	for (int n = 0; n < 3; n++) {
		if (dup2(null, n) < 0)
			return err_set(err, -errno, "open /dev/null");
	}
	if (stdio && image_next(rs->image, stdio->tag, NULL))
		restore_note(rs, "in the background, what led outside of the container as standard "
				 "input or output leads to /dev/null");
	return 0;
}

/* New tasks of the container get pids above the saved ones. Where the file is not writable, the
 * kernel starts from below, and finds free ones. */
static void set_last_pid(const struct restore_private *own)
{
	auto_close int fd = openat(own->root.proc, "sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	pid_t last = 1;
	char text[16];

	for (size_t i = 0; i < own->task_count; i++) {
		const struct restore_task *task = &own->tasks[i];

		last = task->vpid > last ? task->vpid : last;
		for (size_t j = 0; j < task->thread_count; j++)
			last = task->threads[j].vtid > last ? task->threads[j].vtid : last;
	}
	(void)snprintf(text, sizeof(text), "%d", last);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		return;
}

/* The image itself, where every task can read its pages from it. */
static int hold_image(struct restore_private *own, struct err *err)
{
	struct restore_shared *shared = own->shared;

	/* In an engine's container others may see what its tasks have open. */
	if (own->is_joined || !own->image->is_seekable || own->image->compression != IMAGE_PLAIN)
		return 0;
	shared->image_fd = fcntl(own->image->fd, F_DUPFD, (int)shared->next);
	if (shared->image_fd < 0)
		return err_set(err, -errno, "hold the image");
	shared->next = (uint32_t)shared->image_fd + 1;
	return 0;
}

/* Descriptors that our caller left open are none of the container's. */
static int close_on_execution(uint32_t first, uint32_t last, struct err *err)
{
	if (close_range(first, last, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, -errno, "close inherited descriptors");
	return 0;
}

static int execute(int program, struct err *err)
{
	char name[] = "ctckpt";
	char *arguments[] = { name, NULL };
	char *environment[] = { NULL };

	(void)execveat(program, "", arguments, environment, AT_EMPTY_PATH);
	return err_set(err, -errno, "execute the first program");
}

static int make_objects(struct restore *rs, struct err *err)
{
	int r;

	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_MEMLOCK);
	r = close_on_execution(3, ~0u, err);
	if (r == 0)
		r = open_root(rs->own, err);
	if (r == 0 && rs->own->detach)
		r = detach_stdio(rs, err);
	if (r == 0)
		r = restore_hold_own_namespaces(rs, err);
	if (r == 0)
		r = restore_phase(rs, PHASE_ROOT, err);
	if (r == 0)
		r = restore_phase(rs, PHASE_NAMESPACES, err);
	if (r == 0)
		r = open_root_again(rs->own, err);
	if (r == 0)
		r = restore_give_grants(rs, err);
	for (enum phase phase = PHASE_NAMESPACES + 1; r == 0 && phase < PHASE_COUNT; phase++)
		r = restore_phase(rs, phase, err);
	if (r == 0 && rs->own->bundle)
		r = bundle_settle(rs->own->bundle, err);
	if (r == 0)
		r = hold_image(rs->own, err);
	if (r == 0)
		set_last_pid(rs->own);
	return r;
}

static int make_all(struct restore *rs, struct err *err)
{
	auto_close int program = -1;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, 0);
	r = make_objects(rs, err);
	if (r == 0)
		r = keep_capabilities(err);
	if (r == 0)
		r = close_on_execution(0, rs->own->base - 1, err);
	if (r == 0)
		r = restore_make_program(rs, &program, err);
	return r < 0 ? r : execute(program, err);
}

int restore_stage_main(void *argument, struct err *err)
{
	struct restore *rs = argument;
	int r = make_all(rs, err);

	restore_undo_here(rs);
	return r;
}

/* The program that has waited for us has no name any more. */
static void leave_no_trace(void)
{
	struct stat stat;

	(void)umount2(RESTORE_WAITER, MNT_DETACH);
	if (lstat(RESTORE_WAITER, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size == 0)
		(void)unlink(RESTORE_WAITER);
}

/* Nobody in the container may look at us; what is made is taken from a program that has nothing
 * else. */
static int make_inside(struct restore *rs, struct err *err)
{
	auto_close int program = -1;
	int r = make_objects(rs, err);

	if (r == 0)
		r = close_on_execution(0, rs->own->base - 1, err);
	if (r == 0)
		r = restore_make_waiter(rs, &program, err);
	if (r == 0)
		r = join_ready(err);
	return r < 0 ? r : execute(program, err);
}

int restore_stage_join(void *argument, struct err *err)
{
	struct restore *rs = argument;
	int r;

	leave_no_trace();
	r = make_inside(rs, err);
	restore_undo_here(rs);
	return r;
}
