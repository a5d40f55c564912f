/* Descriptors to and from a target, without privilege. */
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "remote/remote.h"

int remote_take_fd(const struct remote *remote, int pidfd, int number, int *ret_fd, struct err *err)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	if (fd < 0)
		return err_set(err, -errno, "take descriptor %d of task %d", number, remote->tid);
	*ret_fd = fd;
	return 0;
}

static int send_fd(int socket, int fd, struct err *err)
{
	char byte = 0;
	struct iovec vector = { &byte, 1 };
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .space = { 0 } };
	struct msghdr message = { .msg_iov = &vector,
				  .msg_iovlen = 1,
				  .msg_control = control.space,
				  .msg_controllen = sizeof(control.space) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "send a descriptor");
	return 0;
}

/* What recvmsg needs in the target, in one piece. */
struct remote_message {
	struct msghdr header;
	struct iovec vector;
	char byte;
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
};

static int receive_remotely(struct remote *remote, int socket, int *ret_number, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	const struct remote_message *answer;
	struct remote_message *message;
	uint64_t at;
	int r;

	script_init(&script, remote);
	at = script_out(&script, sizeof(*message));
	message = script_local(&script, at);
	message->header.msg_iov = (void *)(at + offsetof(struct remote_message, vector));
	message->header.msg_iovlen = 1;
	message->header.msg_control = (void *)(at + offsetof(struct remote_message, control));
	message->header.msg_controllen = sizeof(message->control);
	message->vector.iov_base = (void *)(at + offsetof(struct remote_message, byte));
	message->vector.iov_len = 1;
	(void)script_syscall(&script, "receive a descriptor", 0, SYS_recvmsg, (uint64_t)socket, at,
			     MSG_CMSG_CLOEXEC);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	answer = script_output(&script, at, sizeof(*answer), err);
	if (!answer)
		return err->code;
	memcpy(ret_number, CMSG_DATA(&answer->control.align), sizeof(int));
	return 0;
}

static int make_pair(struct remote *remote, int ret_pair[2], struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	const int *pair;
	uint64_t at;
	int r;

	script_init(&script, remote);
	at = script_out(&script, 2 * sizeof(int));
	(void)script_syscall(&script, "create a socket pair", 0, SYS_socketpair, AF_UNIX,
			     SOCK_DGRAM | SOCK_CLOEXEC, 0, at);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	pair = script_output(&script, at, 2 * sizeof(int), err);
	if (!pair)
		return err->code;
	memcpy(ret_pair, pair, 2 * sizeof(int));
	return 0;
}

static int close_pair(struct remote *remote, const int pair[2], struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;

	script_init(&script, remote);
	for (int i = 0; i < 2; i++)
		(void)script_syscall(&script, "close", 0, SYS_close, (uint64_t)pair[i]);
	return script_run(&script, err);
}

int remote_push_fd(struct remote *remote, int pidfd, int fd, int *ret_number, struct err *err)
{
	auto_close int ours = -1;
	struct err late = ERR_NONE;
	int pair[2];
	int r = make_pair(remote, pair, err);
	int closed;

	if (r < 0)
		return r;
	r = remote_take_fd(remote, pidfd, pair[1], &ours, err);
	if (r == 0)
		r = send_fd(ours, fd, err);
	if (r == 0)
		r = receive_remotely(remote, pair[0], ret_number, err);
	/* The target keeps nothing of ours, whatever happened. */
	closed = close_pair(remote, pair, r < 0 ? &late : err);
	return r < 0 ? r : closed;
}
