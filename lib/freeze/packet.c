/* Packets between a holder and its clients. See packet.h. */
#include "freeze/packet.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "freeze/holder.h"

int packet_address(const char *path, struct sockaddr_un *ret_address, int *ret_dir, struct err *err)
{
	auto_free char *copy = mem_string(path);
	auto_free char *copy2 = mem_string(path);
	auto_close int dir = -1;
	int length;

	dir = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open %s", copy);
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	length = snprintf(ret_address->sun_path, sizeof(ret_address->sun_path),
			  "/proc/self/fd/%d/%s", dir, basename(copy2));
	if (length < 0 || (size_t)length >= sizeof(ret_address->sun_path))
		return err_set(err, -ENAMETOOLONG, "socket %s", path);
	*ret_dir = take_fd(&dir);
	return 0;
}

int packet_check_peer(int fd, struct err *err)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return err_set(err, -errno, "ask who the peer is");
	if (peer.uid != 0 && peer.uid != geteuid())
		return err_set(err, -EPERM, "socket of user %u", peer.uid);
	return 0;
}

static int send_message(int fd, const struct msghdr *message, struct err *err)
{
	while (sendmsg(fd, message, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return err_set(err, -errno, "send to the holder's socket");
	}
	return 0;
}

/* One whole packet of at most `size` bytes; a cut or missing one is an error. */
static int receive_message(int fd, struct msghdr *message, size_t *ret_size, struct err *err)
{
	ssize_t n;

	do {
		n = recvmsg(fd, message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, -errno, "receive from the holder's socket");
	if (n == 0)
		return err_set(err, -ECONNRESET, "receive from the holder's socket");
	*ret_size = (size_t)n;
	return 0;
}

int packet_send_request(int fd, uint32_t verb, const void *body, size_t size, const int *fds,
			size_t fd_count, struct err *err)
{
	struct packet_request request = { .verb = verb, .fd_count = (uint32_t)fd_count };
	struct iovec parts[] = { { &request, sizeof(request) }, { (void *)body, size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = size ? 2 : 1 };
	union {
		char bytes[CMSG_SPACE(HOLDER_FDS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control = { .bytes = { 0 } };

	if (size > HOLDER_REQUEST_MAX || fd_count > HOLDER_FDS_MAX)
		return err_set(err, -E2BIG, "request to the holder");
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	return send_message(fd, &message, err);
}

static size_t take_fds(struct msghdr *message, int *fds)
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t got;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + count, CMSG_DATA(c), got * sizeof(int));
		count += got;
	}
	return count;
}

int packet_receive_request(int fd, uint32_t *ret_verb, struct buf *body, int *fds,
			   size_t *ret_fd_count, struct err *err)
{
	struct packet_request request = { 0 };
	union {
		char bytes[CMSG_SPACE(HOLDER_FDS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec parts[2] = { { &request, sizeof(request) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	size_t size = 0;
	int r;

	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control);
	buf_clear(body);
	parts[1].iov_base = buf_append(body, NULL, HOLDER_REQUEST_MAX);
	parts[1].iov_len = HOLDER_REQUEST_MAX;
	r = receive_message(fd, &message, &size, err);
	if (r < 0)
		return r;
	*ret_fd_count = take_fds(&message, fds);
	if (size < sizeof(request) || request.fd_count != *ret_fd_count ||
	    message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return err_set(err, -EPROTO, "request to the holder");
	body->size = size - sizeof(request);
	*ret_verb = request.verb;
	return 0;
}

int packet_send_reply(int fd, int code, const struct err *reason, const struct buf *body,
		      struct err *err)
{
	struct packet_reply reply = { .code = code, .size = body->size };
	struct iovec part = { &reply, sizeof(reply) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int r;

	if (code < 0)
		reply.err = *reason;
	r = send_message(fd, &message, err);
	for (size_t at = 0; r == 0 && at < body->size; at += PACKET_PIECE) {
		size_t left = body->size - at;

		part = (struct iovec){ body->data + at, left < PACKET_PIECE ? left : PACKET_PIECE };
		r = send_message(fd, &message, err);
	}
	return r;
}

static int receive_body(int fd, size_t size, struct buf *body, struct err *err)
{
	while (body->size < size) {
		size_t before = body->size;
		struct iovec part = { buf_append(body, NULL, PACKET_PIECE), PACKET_PIECE };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
		size_t got = 0;
		int r = receive_message(fd, &message, &got, err);

		body->size = before + got;
		if (r < 0)
			return r;
	}
	return 0;
}

int packet_receive_reply(int fd, struct buf *body, struct err *err)
{
	struct packet_reply reply = { 0 };
	struct iovec part = { &reply, sizeof(reply) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	auto_buf struct buf unwanted = BUF_EMPTY;
	size_t got = 0;
	int r = receive_message(fd, &message, &got, err);

	if (r < 0)
		return r;
	if (got != sizeof(reply) || reply.size > PACKET_REPLY_MAX)
		return err_set(err, -EPROTO, "reply of the holder");
	if (!body)
		body = &unwanted;
	buf_clear(body);
	r = receive_body(fd, reply.size, body, err);
	if (r < 0 || reply.code >= 0)
		return r;
	*err = reply.err;
	err->text[sizeof(err->text) - 1] = '\0';
	err->hint[sizeof(err->hint) - 1] = '\0';
	err->code = reply.code;
	return reply.code;
}
