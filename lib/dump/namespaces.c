/* Which namespaces the tasks are in, besides the container's own: those of its first task.
 *
 * A namespace is told by the inode of its descriptor. Its owner and parent are asked of the kernel,
 * which names only those that are below our own: whatever leads out of the container is refused. */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"

/* ---- the list ---- */

const struct dump_namespace *dump_namespace_by_stat(const struct dump *d, const struct stat *stat)
{
	for (size_t i = 0; i < d->own->namespace_count; i++) {
		const struct dump_namespace *ns = &d->own->namespaces[i];

		if (ns->dev == stat->st_dev && ns->ino == stat->st_ino)
			return ns;
	}
	return NULL;
}

static int add_namespace(struct dump *d, enum namespace_type type, int fd, uint32_t *ret_id,
			 struct err *err);

/* The id of what this request leads to from a namespace. */
static int relative_of(struct dump *d, enum namespace_type type, int fd, unsigned long request,
		       uint32_t *ret_id, struct err *err)
{
	auto_close int found = ioctl(fd, request);

	if (found < 0)
		return -errno;
	return add_namespace(d, type, found, ret_id, err);
}

static int find_relatives(struct dump *d, struct dump_namespace *ns, struct err *err)
{
	int r = 0;

	if (ns->type == NAMESPACE_USER || ns->type == NAMESPACE_PID)
		r = relative_of(d, ns->type, ns->fd, NS_GET_PARENT, &ns->parent, err);
	if (r == 0)
		r = relative_of(d, NAMESPACE_USER, ns->fd, NS_GET_USERNS, &ns->owner, err);
	if (r == 0 && ns->type == NAMESPACE_USER &&
	    ioctl(ns->fd, NS_GET_OWNER_UID, &ns->owner_uid) < 0)
		r = -errno;
	return r;
}

/* Its relatives first, so that parents stand in front of their children. */
static int add_namespace(struct dump *d, enum namespace_type type, int fd, uint32_t *ret_id,
			 struct err *err)
{
	struct dump_private *own = d->own;
	struct dump_namespace ns = { .type = type, .task = d->task, .fd = -1 };
	const struct dump_namespace *known;
	struct stat stat;
	int r;

	if (fstat(fd, &stat) < 0)
		return err_set(err, -errno, "look at a namespace");
	known = dump_namespace_by_stat(d, &stat);
	if (known) {
		*ret_id = known->id;
		return 0;
	}
	ns.dev = stat.st_dev;
	ns.ino = stat.st_ino;
	ns.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ns.fd < 0)
		return err_set(err, -errno, "hold a namespace");
	r = find_relatives(d, &ns, err);
	if (r < 0) {
		drop_fd(&ns.fd);
		return r;
	}
	ns.id = dump_new_id(d);
	array_grow(own->namespaces, own->namespace_count);
	own->namespaces[own->namespace_count++] = ns;
	*ret_id = ns.id;
	return 0;
}

int dump_namespace_id(struct dump *d, enum namespace_type type, int fd, uint32_t *ret_id,
		      struct err *err)
{
	int r = add_namespace(d, type, fd, ret_id, err);

	/* The kernel names no relative that is not below our own. */
	if (r == -EPERM) {
		(void)dump_block(d, NULL, "its %s namespace is not the container's or below it",
				 namespace_name(type));
		return -EPERM;
	}
	return r == 0 || err->code
		   ? r
		   : err_set(err, r, "look at a %s namespace", namespace_name(type));
}

/* ---- the tasks ---- */

/* What the kernel calls a namespace: "net:[4026531840]". Much cheaper than its inode. */
enum { NAMESPACE_LINK_MAX = 64 };

static bool read_link(const struct dump_task *task, const char *path,
		      char ret_link[NAMESPACE_LINK_MAX])
{
	ssize_t length = readlinkat(task->proc, path, ret_link, NAMESPACE_LINK_MAX - 1);

	ret_link[length < 0 ? 0 : length] = '\0';
	return length >= 0;
}

static int stat_namespace(const struct dump_task *task, const char *name, struct stat *ret_stat)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "ns/%s", name);
	return fstatat(task->proc, path, ret_stat, 0) < 0 ? -errno : 0;
}

/* The number in what the kernel calls it is its inode's. */
static const struct dump_namespace *known_by_link(const struct dump *d, enum namespace_type type,
						  const char *path)
{
	char link[NAMESPACE_LINK_MAX];
	char known[NAMESPACE_LINK_MAX];

	if (!read_link(d->task, path, link))
		return NULL;
	for (size_t i = 0; i < d->own->namespace_count; i++) {
		const struct dump_namespace *ns = &d->own->namespaces[i];

		(void)snprintf(known, sizeof(known), "%s:[%ju]", namespace_name(type),
			       (uintmax_t)ns->ino);
		if (ns->type == type && strcmp(link, known) == 0)
			return ns;
	}
	return NULL;
}

/* -ENOENT, unsaid: this kernel has no such type, or nobody is in it. */
static int find_namespace(struct dump *d, enum namespace_type type, const char *name,
			  uint32_t *ret_id, struct err *err)
{
	const struct dump_namespace *known;
	auto_close int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "ns/%s", name);
	known = known_by_link(d, type, path);
	if (known) {
		*ret_id = known->id;
		return 0;
	}
	fd = openat(d->task->proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return err_set(err, -errno, "open the %s namespace", name);
	return dump_namespace_id(d, type, fd, ret_id, err);
}

/* A type that this kernel does not have is nobody's. */
static bool has_type(const struct dump *d, enum namespace_type type)
{
	for (size_t i = 0; i < d->own->namespace_count; i++) {
		if (d->own->namespaces[i].type == type)
			return true;
	}
	return false;
}

static int find_for_children(struct dump *d, struct err *err)
{
	struct dump_task *task = d->task;
	char own[NAMESPACE_LINK_MAX];
	char children[NAMESPACE_LINK_MAX];
	int r = find_namespace(d, NAMESPACE_PID, "pid_for_children", &task->pid_for_children, err);

	if (r == -ENOENT)
		return dump_block(d, NULL, "the pid namespace of its children has no first task");
	if (r < 0)
		return r;
	if (has_type(d, NAMESPACE_TIME) && read_link(task, "ns/time", own) &&
	    (!read_link(task, "ns/time_for_children", children) || strcmp(own, children) != 0))
		return dump_block(d, NULL, "its children have a time namespace of their own");
	return 0;
}

/* The kernel lets threads leave only these; a user or time namespace is entered by processes of one
 * thread, a pid namespace by children: unshare(2), setns(2). */
static const enum namespace_type thread_types[] = { NAMESPACE_MNT, NAMESPACE_UTS, NAMESPACE_IPC,
						    NAMESPACE_NET, NAMESPACE_CGROUP };

/* `links`: of the leader, in that order; then where its children go. */
static void check_thread(struct dump *d, const struct dump_thread *thread,
			 char links[][NAMESPACE_LINK_MAX])
{
	size_t count = sizeof(thread_types) / sizeof(thread_types[0]);
	char own[NAMESPACE_LINK_MAX];
	char path[64];

	for (size_t i = 0; i < count; i++) {
		const char *name = namespace_name(thread_types[i]);

		(void)snprintf(path, sizeof(path), "task/%d/ns/%s", thread->tid, name);
		if (links[i][0] && (!read_link(d->task, path, own) || strcmp(own, links[i]) != 0))
			(void)dump_block(d, NULL, "thread %d has a %s namespace of its own",
					 thread->vtid, name);
	}
	(void)snprintf(path, sizeof(path), "task/%d/ns/pid_for_children", thread->tid);
	(void)read_link(d->task, path, own);
	if (strcmp(own, links[count]) != 0)
		(void)dump_block(d, NULL, "children of thread %d have a pid namespace of their own",
				 thread->vtid);
}

static void check_threads(struct dump *d)
{
	size_t count = sizeof(thread_types) / sizeof(thread_types[0]);
	char links[sizeof(thread_types) / sizeof(thread_types[0]) + 1][NAMESPACE_LINK_MAX];

	for (size_t i = 0; i <= count; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "ns/%s",
			       i < count ? namespace_name(thread_types[i]) : "pid_for_children");
		(void)read_link(d->task, path, links[i]);
	}
	for (size_t i = 1; i < d->task->thread_count; i++)
		check_thread(d, &d->task->threads[i], links);
}

static int find_of_zombie(struct dump *d, struct err *err)
{
	struct dump_task *task = d->task;
	int r;

	if (task->status.ns_depth == d->own->level + 1)
		return 0;
	r = find_namespace(d, NAMESPACE_PID, "pid", &task->namespaces[NAMESPACE_PID], err);
	task->pid_for_children = task->namespaces[NAMESPACE_PID];
	if (r == 0 && task->status.ns_pid[task->status.ns_depth - 1] == 1)
		return dump_block(d, NULL, "it was the first task of a pid namespace, and is dead");
	return r;
}

static bool shares_directory(const struct dump *d, const struct dump_task *task)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		const struct dump_task *other = &d->own->tasks[i];

		if (other != task && other->thread_count > 0 &&
		    other->groups[SHARE_DIRECTORY] == task->groups[SHARE_DIRECTORY])
			return true;
	}
	return false;
}

static int find_of_task(struct dump *d, struct err *err)
{
	struct dump_task *task = d->task;
	int r = 0;

	if (task->thread_count == 0)
		return find_of_zombie(d, err);
	for (enum namespace_type type = NAMESPACE_USER; r == 0 && type < NAMESPACE_TYPES; type++) {
		if (has_type(d, type))
			r = find_namespace(d, type, namespace_name(type), &task->namespaces[type],
					   err);
	}
	if (r == 0)
		r = find_for_children(d, err);
	if (r == 0 && task->thread_count > 1)
		check_threads(d);
	/* Who shares it can enter neither. */
	if (r == 0 && (task->namespaces[NAMESPACE_USER] || task->namespaces[NAMESPACE_MNT]) &&
	    shares_directory(d, task))
		return dump_block(d, NULL,
				  "in a user or mount namespace, its current directory is that of "
				  "another process, too");
	return r;
}

/* Is this namespace of a type that belongs to somebody, and that to a user namespace below `owner`?
 */
static bool is_nested(const struct dump_task *task, enum namespace_type type,
		      const struct stat *owner)
{
	auto_close int ns = -1;
	auto_close int theirs = -1;
	char path[64];
	struct stat stat;

	(void)snprintf(path, sizeof(path), "ns/%s", namespace_name(type));
	ns = openat(task->proc, path, O_RDONLY | O_CLOEXEC);
	if (ns >= 0)
		theirs = ioctl(ns, NS_GET_USERNS);
	return theirs >= 0 && fstat(theirs, &stat) == 0 &&
	       (stat.st_dev != owner->st_dev || stat.st_ino != owner->st_ino);
}

/* Of the tasks' namespaces of this type, the first that belongs to the container's user namespace;
 * none if all tasks have left it. */
static int find_own(const struct dump *d, enum namespace_type type, const struct stat *owner,
		    struct stat *ret_stat, struct err *err)
{
	int r = stat_namespace(&d->own->tasks[0], namespace_name(type), ret_stat);

	if (r < 0)
		return r == -ENOENT ? r
				    : err_set(err, r, "look at the container's %s namespace",
					      namespace_name(type));
	if (type == NAMESPACE_PID || d->own->target->form == TARGET_TREE)
		return 0;
	for (size_t i = 0; i < d->own->task_count; i++) {
		const struct dump_task *task = &d->own->tasks[i];

		if (task->thread_count > 0 && !is_nested(task, type, owner))
			return stat_namespace(task, namespace_name(type), ret_stat);
	}
	*ret_stat = (struct stat){ .st_ino = 0 };
	return 0;
}

static int find_owner(const struct dump *d, struct stat *ret_stat, struct err *err)
{
	auto_close int owner = dump_open_owner(d->own->tasks[0].proc, d->own->target->form);

	if (owner < 0 || fstat(owner, ret_stat) < 0)
		return err_set(err, owner < 0 ? owner : -errno,
			       "look at the container's user namespace");
	return 0;
}

static int add_own(struct dump *d, struct err *err)
{
	struct dump_private *own = d->own;
	struct stat owner;
	int r = find_owner(d, &owner, err);

	for (enum namespace_type type = NAMESPACE_USER; r == 0 && type < NAMESPACE_TYPES; type++) {
		struct stat stat = owner;

		if (type != NAMESPACE_USER)
			r = find_own(d, type, &owner, &stat, err);
		if (r == -ENOENT && !err->code) {
			r = 0;
			continue;
		}
		array_grow(own->namespaces, own->namespace_count);
		own->namespaces[own->namespace_count++] = (struct dump_namespace){
			.type = type, .dev = stat.st_dev, .ino = stat.st_ino, .fd = -1
		};
	}
	return r;
}

int dump_find_namespaces(struct dump *d, struct err *err)
{
	struct dump_private *own = d->own;
	int r = 0;

	if (own->tasks[0].thread_count == 0)
		return 0;
	r = add_own(d, err);
	for (size_t i = 0; r == 0 && i < own->task_count; i++) {
		d->task = &own->tasks[i];
		r = find_of_task(d, err);
		if (r == -EPERM && err->code == 0) /* noted */
			r = 0;
		if (r < 0)
			(void)err_wrap(err, "task %d (%s)", d->task->vpid, d->task->stat.comm);
	}
	for (size_t i = 0; r == 0 && i < own->task_count; i++) {
		d->task = &own->tasks[i];
		if (d->task->namespaces[NAMESPACE_CGROUP])
			r = dump_check_cgroup_root(d, err);
	}
	d->task = NULL;
	return r;
}

bool dump_shares_network(const struct dump *d)
{
	const struct dump_task *task = dump_own_task(d, NAMESPACE_NET);
	struct stat theirs;
	struct stat ours;

	return task && stat_namespace(task, "net", &theirs) == 0 &&
	       stat("/proc/self/ns/net", &ours) == 0 && theirs.st_dev == ours.st_dev &&
	       theirs.st_ino == ours.st_ino;
}

/* ---- descriptors ---- */

/* Those that only a descriptor holds: nobody in them could be asked. */
static void check_held(struct dump *d, size_t count)
{
	for (size_t i = count; i < d->own->namespace_count; i++) {
		enum namespace_type type = d->own->namespaces[i].type;

		if (type != NAMESPACE_USER && type != NAMESPACE_NET)
			(void)dump_block(d, NULL, "a %s namespace without a task is not supported",
					 namespace_name(type));
	}
}

/* A unix socket from outside is a matter of who is at its other end. */
static bool is_of_network(int fd)
{
	int family = AF_UNIX;
	socklen_t size = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family != AF_UNIX;
}

/* Then a socket of another network is no obstacle. */
static bool may_be_foreign(const struct dump *d)
{
	return d->own->outside.external && !d->fd->is_in_flight &&
	       d->own->target->form == TARGET_CONTAINER;
}

static int find_network(struct dump *d, int ns, struct err *err)
{
	if (may_be_foreign(d) && add_namespace(d, NAMESPACE_NET, ns, &d->fd->ns, err) == -EPERM) {
		d->fd->is_foreign = true;
		return 0;
	}
	return dump_namespace_id(d, NAMESPACE_NET, ns, &d->fd->ns, err);
}

int dump_find_file_namespace(struct dump *d, struct err *err)
{
	struct target_fd *file = d->fd;
	size_t count = d->own->namespace_count;
	auto_close int ns = -1;
	struct statfs fs;
	int r = 0;

	if (S_ISSOCK(file->stat.st_mode)) {
		ns = ioctl(file->fd, SIOCGSKNS);
		if (ns >= 0)
			r = find_network(d, ns, err);
		else if (is_of_network(file->fd) && may_be_foreign(d))
			file->is_foreign = true;
		else if (is_of_network(file->fd) && d->own->target->form == TARGET_CONTAINER)
			return dump_block(d, NULL,
					  "a socket of a network outside of the container "
					  "is not supported");
	} else if (S_ISREG(file->stat.st_mode) && fstatfs(file->fd, &fs) == 0 &&
		   fs.f_type == NAMESPACE_MAGIC) {
		enum namespace_type type = namespace_type_of(ioctl(file->fd, NS_GET_NSTYPE));

		if (type != NAMESPACE_NONE)
			r = dump_namespace_id(d, type, file->fd, &file->ns, err);
	}
	check_held(d, count);
	return r == -EPERM && err->code == 0 ? 0 : r;
}

void dump_free_namespaces(struct dump_private *own)
{
	for (size_t i = 0; i < own->namespace_count; i++) {
		dump_dismiss_stand_in(own->namespaces[i].stand_in);
		drop_fd(&own->namespaces[i].fd);
	}
	free(own->namespaces);
}
