/* Reading queues with MSG_PEEK. See unix_peek.h.
 *
 * A peek returns descriptors as duplicates. It ends behind the part of a stream that carries some,
 * but may begin in front of it. */
#include "kind/support/unix_peek.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

enum { FILES_MAX = 253 }; /* SCM_MAX_FD, in one message */

static void message_free(struct unix_message *message)
{
	for (size_t i = 0; i < message->file_count; i++)
		drop_fd(&message->files[i]);
	free(message->files);
	free(message->objects);
	free(message->data);
}

void unix_queue_free(struct unix_queue *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		message_free(&queue->messages[i]);
	free(queue->messages);
	*queue = UNIX_QUEUE_EMPTY;
}

/* ---- names ---- */

static int set_name(const struct sockaddr_un *address, socklen_t size, struct unix_name *ret_name)
{
	size_t start = offsetof(struct sockaddr_un, sun_path);
	size_t length = size > start ? size - start : 0;

	if (length > sizeof(ret_name->text))
		return -EPROTO;
	*ret_name = (struct unix_name){ .length = length };
	memcpy(ret_name->text, (const char *)address + start, length);
	return 0;
}

/* The kernel adds a NUL to a path that fills all its room. */
union address {
	struct sockaddr_un address;
	char room[sizeof(struct sockaddr_un) + 1];
};

int unix_name_own(int fd, struct unix_name *ret_name)
{
	union address name;
	socklen_t size = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
		return -errno;
	return set_name(&name.address, size, ret_name);
}

int unix_name_peer(int fd, struct unix_name *ret_name)
{
	union address name;
	socklen_t size = sizeof(name);

	if (getpeername(fd, (struct sockaddr *)&name, &size) < 0)
		return -errno;
	return set_name(&name.address, size, ret_name);
}

/* ---- one peek ---- */

static int set_offset(int fd, int offset)
{
	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ? -errno : 0;
}

static void take_files(const struct cmsghdr *control, struct unix_message *message)
{
	size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	message->files = mem_resize(message->files, message->file_count + count, sizeof(int));
	memcpy(message->files + message->file_count, CMSG_DATA(control), count * sizeof(int));
	message->file_count += count;
}

/* Descriptors that come in other wrappings are closed with us. */
static int take_control(struct msghdr *header, struct unix_message *message)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
	     control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET)
			continue;
		if (control->cmsg_type == SCM_RIGHTS)
			take_files(control, message);
		if (control->cmsg_type == SCM_CREDENTIALS) {
			message->has_credentials = true;
			memcpy(&message->credentials, CMSG_DATA(control),
			       sizeof(message->credentials));
		}
	}
	return header->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

/* At most `room` bytes from the offset on; the whole size of a datagram is returned. */
static ssize_t peek(int fd, size_t room, int flags, struct unix_message *ret_message)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FILES_MAX * sizeof(int)) + 1024];
	} control;
	union address name;
	struct iovec part = { .iov_base = mem_alloc(room + 1, 1), .iov_len = room };
	struct msghdr header = { .msg_name = &name,
				 .msg_namelen = sizeof(name),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control.room) };
	ssize_t size;
	int r;

	*ret_message = (struct unix_message){ .data = part.iov_base };
	size = recvmsg(fd, &header, flags | MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (size < 0)
		return -errno;
	r = take_control(&header, ret_message);
	if (r == 0)
		r = set_name(&name.address, header.msg_namelen, &ret_message->sender);
	ret_message->size = (size_t)size;
	return r < 0 ? r : size;
}

static void add(struct unix_queue *queue, struct unix_message *message)
{
	array_grow(queue->messages, queue->count);
	queue->messages[queue->count++] = *message;
	*message = (struct unix_message){ .data = NULL };
}

/* ---- streams ---- */

/* How many of these bytes stand in front of the last part that was sent in one piece: it alone may
 * carry the descriptors. A buffer that ends a byte too early has what fits of whole parts. */
static int find_carrier(int fd, int offset, size_t size, size_t *ret_before)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (size - 1 + page - 1) / page * page;
	char *memory =
	    mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t n = -1;
	int r;

	if (memory == MAP_FAILED)
		return -errno;
	r = mprotect(memory + room, page, PROT_NONE) < 0 ? -errno : set_offset(fd, offset);
	if (r == 0) {
		n = recv(fd, memory + room - (size - 1), size, MSG_PEEK | MSG_DONTWAIT);
		r = n < 0 && errno != EFAULT ? -errno : 0;
	}
	(void)munmap(memory, room + page);
	*ret_before = n > 0 ? (size_t)n : 0;
	return r;
}

static int add_stream(int fd, int offset, struct unix_queue *queue, struct unix_message *message)
{
	struct unix_message first = { .has_credentials = message->has_credentials,
				      .credentials = message->credentials };
	size_t before = 0;
	int r = 0;

	if (message->file_count > 0)
		r = find_carrier(fd, offset, message->size, &before);
	if (r < 0)
		return r;
	if (before > 0) {
		first.data = mem_copy(message->data, before);
		first.size = before;
		add(queue, &first);
		message->size -= before;
		memmove(message->data, (char *)message->data + before, message->size);
	}
	add(queue, message);
	return 0;
}

static int peek_stream(int fd, struct unix_queue *queue)
{
	int total = 0;
	int r = 0;

	if (ioctl(fd, SIOCINQ, &total) < 0)
		return -errno;
	for (int offset = 0; r == 0 && offset < total;) {
		auto_with(message_free) struct unix_message message = { .data = NULL };
		ssize_t n;

		/* Not touched for what most queues are. */
		if (offset > 0)
			r = set_offset(fd, offset);
		n = r == 0 ? peek(fd, (size_t)(total - offset), 0, &message) : r;
		if (n <= 0 || queue->count >= UNIX_MESSAGES_MAX)
			return n < 0 ? (int)n : -EPROTO;
		r = add_stream(fd, offset, queue, &message);
		offset += (int)n;
	}
	return r;
}

/* A byte that was sent out of band is none of the others. */
static bool has_urgent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* ---- datagrams ---- */

static ssize_t peek_datagram(int fd, int offset, struct unix_message *ret_message)
{
	ssize_t size;
	size_t room;
	int r = set_offset(fd, offset);

	if (r < 0)
		return r;
	size = peek(fd, 4096, MSG_TRUNC, ret_message);
	if (size <= 4096)
		return size;
	room = (size_t)size;
	message_free(ret_message);
	*ret_message = (struct unix_message){ .data = NULL };
	r = set_offset(fd, offset);
	return r < 0 ? r : peek(fd, room, MSG_TRUNC, ret_message);
}

/* At the end of a sequence of packets, an end of file is like an empty packet from nobody. */
static bool is_end(int fd, int type, const struct unix_message *message)
{
	return message->size == 0 && !message->has_credentials && unix_queue_has_end(fd, type);
}

/* The first one is seen without an offset, also if it is empty and was looked at before: others
 * like it are not. Behind a look, the next is found by its offset. */
static int peek_first(int fd, int type, struct unix_queue *queue)
{
	auto_with(message_free) struct unix_message message = { .data = NULL };
	ssize_t size = peek_datagram(fd, -1, &message);

	if (size == 0 && !is_end(fd, type, &message))
		add(queue, &message);
	/* A socket for packets that was never connected has no queue. */
	return size == -EAGAIN || size == -ENOTCONN ? 0 : size < 0 ? (int)size : 1;
}

static int peek_datagrams(int fd, int type, struct unix_queue *queue)
{
	int offset = 0;
	int r = peek_first(fd, type, queue);

	if (r <= 0)
		return r;
	for (;;) {
		auto_with(message_free) struct unix_message message = { .data = NULL };
		ssize_t size = peek_datagram(fd, offset, &message);

		if (size == -EAGAIN || (size >= 0 && is_end(fd, type, &message)))
			return 0;
		if (size < 0 || queue->count >= UNIX_MESSAGES_MAX)
			return size < 0 ? (int)size : -EPROTO;
		add(queue, &message);
		offset += (int)size;
	}
}

bool unix_queue_has_end(int fd, int type)
{
	struct pollfd end = { .fd = fd, .events = POLLRDHUP };

	return type == SOCK_SEQPACKET && poll(&end, 1, 0) > 0 && end.revents & POLLRDHUP;
}

int unix_queue_peek(int fd, int type, struct unix_queue *ret_queue)
{
	struct unix_queue queue = UNIX_QUEUE_EMPTY;
	socklen_t size = sizeof(int);
	int saved = -1;
	int r = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &saved, &size) < 0)
		return -errno;
	if (saved >= 0)
		r = set_offset(fd, 0);
	if (r == 0 && type == SOCK_STREAM)
		r = has_urgent(fd) ? -EPROTO : peek_stream(fd, &queue);
	else if (r == 0)
		r = peek_datagrams(fd, type, &queue);
	if (set_offset(fd, saved) < 0 && r == 0)
		r = -EPROTO;
	if (r < 0)
		unix_queue_free(&queue);
	else
		*ret_queue = queue;
	return r;
}
