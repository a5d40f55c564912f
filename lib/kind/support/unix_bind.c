/* Names of unix sockets. See unix_bind.h. */
#include "kind/support/unix_bind.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/unix_as.h"
#include "restore/open.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE	 2
#endif

static const char own_root[] = "/root";

struct binding {
	int fd;
	int tree; /* a mount for the directory that the name is in; -1: none */
	struct sockaddr_un address;
	socklen_t size;
};

static int bind_here(void *argument)
{
	const struct binding *binding = argument;

	return bind(binding->fd, (const struct sockaddr *)&binding->address, binding->size) < 0
		   ? -errno
		   : 0;
}

/* ---- a root directory for one name ---- */

/* Below where relative names begin: deeper than any name can lead up. */
static void deepen(struct buf *path)
{
	for (size_t i = 0; i < sizeof(((struct sockaddr_un *)0)->sun_path) / 3 + 1; i++)
		buf_printf(path, "/d");
}

static int make_directories(char *path)
{
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		path[i] = '/';
	}
	return 0;
}

/* From here on, no name leads out of an empty file system. */
static int enter_nothing(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("names", "/proc", "tmpfs", 0, NULL) < 0 || chroot("/proc") < 0 || chdir("/") < 0)
		return -errno;
	return mkdir(own_root, 0700) < 0 ? -errno : 0;
}

static int mount_at(int tree, const char *place)
{
	if (tree >= 0 &&
	    syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

static bool is_directory(const char *path, int fd)
{
	struct stat a;
	struct stat b;

	return stat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_ino == b.st_ino;
}

/* What is mounted may be above the directory that a relative name begins in, or be itself it. */
static int go_to(const char *base, int cwd, bool is_covered)
{
	if (chroot(own_root) < 0 || chdir("/") < 0)
		return -errno;
	if (cwd < 0)
		return 0;
	return (is_covered ? chdir(base + sizeof(own_root) - 1) : fchdir(cwd)) < 0 ? -errno : 0;
}

static int bind_apart(void *argument)
{
	const struct binding *binding = argument;
	auto_free char *name = mem_copy(binding->address.sun_path,
					binding->size - offsetof(struct sockaddr_un, sun_path));
	auto_buf struct buf base = BUF_EMPTY;
	auto_free char *place = NULL;
	auto_close int cwd = -1;
	bool is_covered;
	int r = enter_nothing();

	if (r < 0)
		return r;
	buf_printf(&base, "%s", own_root);
	if (name[0] != '/')
		deepen(&base);
	place = mem_printf("%s/%s", base.data, name);
	r = make_directories(place);
	*strrchr(place, '/') = '\0';
	if (name[0] != '/')
		cwd = open(base.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
	is_covered = is_directory(place, cwd);
	if (r == 0)
		r = mount_at(binding->tree, place);
	if (r == 0)
		r = go_to(base.data, cwd, is_covered);
	if (r == 0)
		r = bind_here(argument);
	if (r == 0 && binding->tree < 0)
		r = unlink(name) < 0 ? -errno : 0;
	return r;
}

/* ---- a file that leads to the socket ---- */

/* Whatever its type: only who has bound it answers otherwise. */
static int is_unused(int parent, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int place = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	auto_close int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (place < 0 || probe < 0 || fstat(place, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
	if (connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return -EADDRINUSE;
	return errno == ECONNREFUSED		       ? 0
	       : errno == EPROTOTYPE || errno == EPERM ? -EADDRINUSE
						       : -errno;
}

static int split(int root, const char *path, const char **ret_name, int *ret_parent)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent =
	    slash == path ? mem_string("/") : mem_copy(path, (size_t)(slash - path));

	if (slash[1] == '\0')
		return -EISDIR;
	*ret_name = slash + 1;
	return open_directory(root, parent, ret_parent);
}

int unix_bind_trial(int root, const char *path)
{
	auto_close int parent = -1;
	const char *name;
	int r = split(root, path, &name, &parent);

	if (r < 0)
		return r;
	if (syscall(SYS_faccessat2, parent, "", W_OK | X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	r = is_unused(parent, name);
	return r == -ENOENT ? 0 : r;
}

/* What was in its place, if it is still what was looked at. */
static int put_in_place(struct restore *rs, const char *path, int draft, const char *from,
			int parent, const char *name)
{
	struct stat st;
	int r;

	/* Told before it is there: should the name be taken, this is the file of nobody. */
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    fstatat(draft, from, &st, AT_SYMLINK_NOFOLLOW) == 0)
		restore_made(rs, path, &st);
	if (syscall(SYS_renameat2, draft, from, parent, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	r = is_unused(parent, name);
	if (r < 0)
		return r;
	if (syscall(SYS_renameat2, draft, from, parent, name, RENAME_EXCHANGE) < 0)
		return -errno;
	r = is_unused(draft, from);
	if (r < 0)
		(void)syscall(SYS_renameat2, draft, from, parent, name, RENAME_EXCHANGE);
	return r;
}

static void dress(struct restore *rs, int draft, const char *from, const struct unix_parts *parts)
{
	uid_t owner = le32_get(parts->rec->owner);
	gid_t group = le32_get(parts->rec->group);
	struct stat st;

	if (fstatat(draft, from, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (st.st_uid != owner || st.st_gid != group) &&
	    fchownat(draft, from, owner, group, AT_SYMLINK_NOFOLLOW) < 0)
		restore_note(rs, "socket %s belongs to the invoker", parts->path);
	if (fchmodat(draft, from, le32_get(parts->rec->mode) & 07777, 0) < 0)
		restore_note(rs, "socket %s has other permissions: %s", parts->path,
			     strerror(errno));
}

/* In the directory of `path`. */
static int make_draft(struct restore *rs, const char *path, int parent, char *ret_name, size_t size,
		      int *ret_draft)
{
	auto_free char *draft = NULL;
	uint64_t number = 0;
	struct stat st;
	int fd;

	if (getrandom(&number, sizeof(number), 0) < 0)
		return -errno;
	(void)snprintf(ret_name, size, ".ctckpt-%016llx", (unsigned long long)number);
	draft = mem_printf("%.*s/%s", (int)(strrchr(path, '/') - path), path, ret_name);
	restore_making_directory(rs, draft);
	if (mkdirat(parent, ret_name, 0700) < 0)
		return -errno;
	fd = openat(parent, ret_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0)
		restore_made(rs, draft, &st);
	*ret_draft = fd;
	return 0;
}

static int bind_file(struct restore *rs, struct binding *binding, const struct unix_parts *parts)
{
	auto_close int parent = -1;
	auto_close int draft = -1;
	auto_close int tree = -1;
	auto_free char *told = mem_copy(parts->name, parts->name_length);
	const char *from = strrchr(told, '/') ? strrchr(told, '/') + 1 : told;
	const char *name;
	char draft_name[32];
	int r = split(restore_root(rs)->dir, parts->path, &name, &parent);

	if (r == 0)
		r = make_draft(rs, parts->path, parent, draft_name, sizeof(draft_name), &draft);
	if (r < 0)
		return r;
	tree = (int)syscall(SYS_open_tree, draft, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC);
	binding->tree = tree;
	r = tree < 0 ? -errno : unix_apart(bind_apart, binding);
	if (r == 0) {
		dress(rs, draft, from, parts);
		r = put_in_place(rs, parts->path, draft, from, parent, name);
	}
	(void)unlinkat(draft, from, 0);
	(void)unlinkat(parent, draft_name, AT_REMOVEDIR);
	return r;
}

static int explain(int r, const struct unix_parts *parts, struct err *err)
{
	const char *path = parts->path ? parts->path : "";

	if (r == -EADDRINUSE && parts->path) {
		(void)err_set(err, ERR_REFUSED, "socket %s is in use", path);
		return err_hint(err,
				"end the program that has it, or restore with another --rootfs");
	}
	if (r == -EEXIST)
		return err_set(err, ERR_FAILED, "%s is in the way: it is not a socket", path);
	return err_set(err, r, "bind socket %s", path);
}

int unix_bind(struct restore *rs, int fd, const struct unix_parts *parts, struct err *err)
{
	struct binding binding = {
		.fd = fd,
		.tree = -1,
		.address = { .sun_family = AF_UNIX },
		.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + parts->name_length),
	};
	int r = 0;

	if (binding.size > sizeof(binding.address))
		binding.size = sizeof(binding.address);
	memcpy(binding.address.sun_path, parts->name,
	       binding.size - offsetof(struct sockaddr_un, sun_path));
	switch ((enum unix_form)le32_get(parts->rec->form)) {
	case UNIX_ABSTRACT:
		r = bind_here(&binding);
		break;
	case UNIX_DELETED:
		r = unix_apart(bind_apart, &binding);
		break;
	case UNIX_PATH:
		r = bind_file(rs, &binding, parts);
		break;
	case UNIX_UNNAMED:
	case UNIX_FORMS:
		break;
	}
	return r < 0 ? explain(r, parts, err) : 0;
}
