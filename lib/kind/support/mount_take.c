/* Taking mounts. See mount_take.h. */
#include "kind/support/mount_take.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"

enum { PATIENCE_MS = 60000 }; /* for one step: a mount may belong to a server that stands still */

/* What the child says of each step: 0 and perhaps a descriptor, or an errno and where. */
struct answer {
	int error;
	char what[60];
};

static int refuse(struct answer *answer, const char *what)
{
	*answer = (struct answer){ .error = errno };
	strncpy(answer->what, what, sizeof(answer->what) - 1);
	return -1;
}

/* ---- the child ---- */

static int send_answer(int socket, const struct answer *answer, int fd)
{
	struct iovec data = { (void *)(uintptr_t)answer, sizeof(*answer) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* For who is not of the user namespace that it belongs to, all mounts of a copy are locked. */
static int enter_owner(int namespace, struct answer *answer)
{
	auto_close int owner = ioctl(namespace, NS_GET_USERNS);
	struct stat wanted;
	struct stat own;

	if (owner < 0 || fstat(owner, &wanted) < 0 || stat("/proc/self/ns/user", &own) < 0 ||
	    wanted.st_ino == own.st_ino)
		return 0;
	if (setns(owner, CLONE_NEWUSER) < 0)
		return refuse(answer, "enter the user namespace");
	return 0;
}

/* Private before anything is taken away: the target's own mounts may be peers of these. */
static int enter_copy(int namespace, struct answer *answer)
{
	if (enter_owner(namespace, answer) < 0)
		return -1;
	if (setns(namespace, CLONE_NEWNS) < 0)
		return refuse(answer, "enter the mount namespace");
	if (unshare(CLONE_NEWNS) < 0)
		return refuse(answer, "copy the mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return refuse(answer, "make the copied mounts private");
	return 0;
}

/* Nothing on it can be written, executed or opened as a device, and reading leaves no trace: where
 * nothing can be written, the time of access is not, either. */
static int disarm(int tree)
{
	struct mount_attr attributes = {
		.attr_set =
		    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};

	return mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes));
}

static int take(const struct mount_step *step, int *ret_fd, struct answer *answer)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	auto_close int place = sys_openat2(AT_FDCWD, step->point, &how);
	auto_close int tree = -1;

	if (place < 0)
		return refuse(answer, "find the mount");
	if (step->is_taken) {
		tree = open_tree(place, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		if (tree < 0 || disarm(tree) < 0)
			return refuse(answer, "copy the mount");
	}
	/* What is locked on its parent goes with that. */
	if (step->is_unmounted && umount2(step->point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 &&
	    errno != EINVAL)
		return refuse(answer, "look below the mount");
	*ret_fd = take_fd(&tree);
	return 0;
}

static _Noreturn void child_main(int socket, int namespace, const struct mount_step *steps,
				 size_t count)
{
	struct answer answer = { .error = 0 };
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = enter_copy(namespace, &answer);
	for (size_t i = 0; r == 0 && i < count; i++) {
		auto_close int fd = -1;

		r = take(&steps[i], &fd, &answer);
		if (r == 0)
			r = send_answer(socket, &answer, fd);
	}
	if (r < 0)
		(void)send_answer(socket, &answer, -1);
	_exit(0);
}

/* ---- the parent ---- */

static int receive_answer(int socket, struct answer *ret_answer, int *ret_fd, struct err *err)
{
	struct iovec data = { ret_answer, sizeof(*ret_answer) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct pollfd ready = { .fd = socket, .events = POLLIN };
	const struct cmsghdr *header;

	if (poll(&ready, 1, PATIENCE_MS) <= 0)
		return err_set(err, ERR_FAILED, "no answer from the mount namespace");
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*ret_answer))
		return err_set(err, ERR_FAILED, "the helper in the mount namespace died");
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return 0;
}

static int receive_all(int socket, struct mount_step *steps, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct answer answer = { .error = 0 };
		int r = receive_answer(socket, &answer, &steps[i].fd, err);

		if (r == 0 && answer.error != 0)
			r = err_set(err, -answer.error, "%s", answer.what);
		if (r < 0)
			return err_wrap(err, "mount %s", steps[i].point);
	}
	return 0;
}

int mount_take(int proc, struct mount_step *steps, size_t count, struct err *err)
{
	auto_close int namespace = openat(proc, "ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_close int socket = -1;
	int ends[2];
	pid_t pid;
	int r;

	if (namespace < 0)
		return err_set(err, -errno, "open the mount namespace");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket");
	socket = ends[0];
	pid = fork();
	if (pid == 0)
		child_main(ends[1], namespace, steps, count);
	(void)close(ends[1]);
	if (pid < 0)
		return err_set(err, -errno, "fork");
	r = receive_all(socket, steps, count, err);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
