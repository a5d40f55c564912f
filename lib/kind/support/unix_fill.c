/* Fills the queues of unix sockets. See unix_queue.h.
 *
 * The order matters. A datagram socket that is connected takes nothing from others than its peer,
 * so what others have sent comes first; and it can be connected with one that is connected already
 * only if that is its own peer. What a program has shut down takes nothing; options such as
 * SO_PASSCRED would give senders names. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/unix_as.h"
#include "kind/support/unix_queue.h"

struct node {
	struct unix_parts own;
	struct unix_queue_parts queue;
	int fd;		 /* borrowed; -1: not made */
	bool is_given;	 /* by the invoker: it stays as it is */
	bool is_new;	 /* that, or connected anew: nothing of the old connection is put into it */
	uint32_t early;	 /* messages that are sent before it is connected */
	size_t before;	 /* sockets that must be connected with it first */
	bool is_pending; /* is to be connected */
};

struct fill {
	struct restore *rs;
	struct node *nodes; /* owned; by rising ids */
	size_t count;
};

static void fill_free(struct fill *fill)
{
	free(fill->nodes);
}

static int compare_ids(const void *left, const void *right)
{
	const struct node *a = left;
	const struct node *b = right;

	return a->own.id < b->own.id ? -1 : a->own.id > b->own.id;
}

static struct node *node_find(const struct fill *fill, uint32_t id)
{
	struct node wanted = { .own.id = id };

	return bsearch(&wanted, fill->nodes, fill->count, sizeof(wanted), compare_ids);
}

static uint32_t state_of(const struct node *node)
{
	return le32_get(node->own.rec->state);
}

static uint32_t peer_of(const struct node *node)
{
	return le32_get(node->own.rec->peer);
}

static void list_nodes(struct fill *fill)
{
	const struct record *record = NULL;

	while ((record = image_next(fill->rs->image, TAG_UNIX_QUEUE, record))) {
		struct node *node;

		array_grow(fill->nodes, fill->count);
		node = &fill->nodes[fill->count++];
		*node = (struct node){ .fd = restore_fd(fill->rs, record->id),
				       .is_given = restore_is_granted(fill->rs, record->id),
				       .is_new = unix_is_new(fill->rs, record->id) };
		(void)unix_parts(fill->rs->image, record->id, &node->own);
		unix_queue_parts(record, &node->queue);
	}
	if (fill->count > 0)
		qsort(fill->nodes, fill->count, sizeof(*fill->nodes), compare_ids);
}

/* ---- connections to be accepted ---- */

static int connect_waiting(struct fill *fill, const struct node *node, struct err *err)
{
	for (uint32_t i = 0; i < le32_get(node->queue.rec->waiting); i++) {
		const struct node *client = node_find(fill, le32_get(node->queue.waiting[i]));
		int r = unix_connect_as(fill->rs, &client->own.rec->peer_credentials, client->fd,
					node->fd);

		if (r < 0)
			return err_set(err, r, "connect unix socket %u with %u", client->own.id,
				       node->own.id);
	}
	return 0;
}

/* ---- sending ---- */

/* A stream may take it in pieces; descriptors go with the first. */
static int send_all(int fd, struct msghdr *header)
{
	struct iovec *part = header->msg_iov;

	do {
		ssize_t n = sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		header->msg_controllen = 0;
		header->msg_control = NULL;
		part->iov_base = (char *)part->iov_base + n;
		part->iov_len -= (size_t)n;
	} while (part->iov_len > 0);
	return 0;
}

static void add_control(struct buf *control, int type, const void *data, size_t size)
{
	size_t start = control->size;
	struct cmsghdr *header = buf_append(control, NULL, CMSG_SPACE(size));

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA((struct cmsghdr *)(void *)(control->data + start)), data, size);
}

static void add_files(const struct restore *rs, const struct unix_message_parts *message,
		      struct buf *control)
{
	size_t count = le32_get(message->rec->files);
	auto_free int *files = mem_alloc(count, sizeof(*files));

	for (size_t i = 0; i < count; i++)
		files[i] = restore_fd(rs, le32_get(message->files[i]));
	if (count > 0)
		add_control(control, SCM_RIGHTS, files, count * sizeof(*files));
}

/* As much as may be in a queue. The saved size comes back with the other options. */
static void enlarge(int fd)
{
	int size = INT32_MAX / 2;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Messages that one process sends, one after the other. */
struct batch {
	const struct fill *fill;
	const struct node *to;
	struct reader messages;
	uint32_t count;
};

/* Who sends says who he is: in the child that has these credentials, it is true. */
static void add_credentials(struct buf *control)
{
	struct ucred own = { .pid = getpid(), .uid = geteuid(), .gid = getegid() };

	add_control(control, SCM_CREDENTIALS, &own, sizeof(own));
}

static int send_message(const struct fill *fill, const struct node *from, const struct node *to,
			const struct unix_message_parts *message)
{
	auto_buf struct buf control = BUF_EMPTY;
	auto_buf struct buf data = BUF_EMPTY;
	size_t size = le32_get(message->rec->size);
	struct iovec part = { .iov_base = buf_append(&data, message->data, size), .iov_len = size };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct sockaddr_un address;
	socklen_t address_size;
	auto_close int file = -1;

	if (to->own.type == SOCK_DGRAM && to->own.name_length > 0) {
		int r = unix_address_of(to->fd, &address, &address_size, &file);

		if (r < 0)
			return r;
		header.msg_name = &address;
		header.msg_namelen = address_size;
	}
	enlarge(from->fd);
	add_files(fill->rs, message, &control);
	if (le32_get(message->rec->credentials.are_known))
		add_credentials(&control);
	header.msg_control = control.data;
	header.msg_controllen = control.size;
	return send_all(from->fd, &header);
}

static int send_batch(void *argument)
{
	const struct batch *batch = argument;
	struct reader messages = batch->messages;
	struct unix_message_parts message;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < batch->count && unix_message_next(&messages, &message);
	     i++) {
		uint32_t sender = le32_get(message.rec->sender);
		uint32_t from = sender ? sender : peer_of(batch->to);

		r = send_message(batch->fill, node_find(batch->fill, from), batch->to, &message);
	}
	return r;
}

/* Takes up to `count` messages with the same credentials. */
static struct batch next_batch(const struct fill *fill, struct node *node, uint32_t count,
			       struct unix_credentials *ret_who)
{
	struct reader *messages = &node->queue.messages;
	struct batch batch = { .fill = fill, .to = node, .messages = *messages };
	struct reader ahead = *messages;
	struct unix_message_parts message;

	while (batch.count < count && unix_message_next(&ahead, &message)) {
		if (batch.count == 0)
			*ret_who = message.rec->credentials;
		if (memcmp(ret_who, &message.rec->credentials, sizeof(*ret_who)) != 0)
			break;
		batch.count++;
		*messages = ahead;
	}
	return batch;
}

/* Sends `count` messages, at most. */
static int send_messages(struct fill *fill, struct node *node, uint32_t count, struct err *err)
{
	while (count > 0 && !node->is_new) {
		struct unix_credentials who;
		struct batch batch = next_batch(fill, node, count, &who);
		int r;

		if (batch.count == 0)
			return 0;
		count -= batch.count;
		r = unix_as(fill->rs, &who, send_batch, &batch);
		if (r < 0)
			return err_set(err, r, "put %u messages into unix socket %u", batch.count,
				       node->own.id);
	}
	return 0;
}

/* ---- datagrams ---- */

static void count_early(struct node *node)
{
	struct reader messages = node->queue.messages;
	struct unix_message_parts message;

	for (uint32_t i = 1; unix_message_next(&messages, &message); i++) {
		if (le32_get(message.rec->sender) != 0)
			node->early = i;
	}
}

static bool is_connected(int fd)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);

	return getpeername(fd, (struct sockaddr *)&address, &size) == 0;
}

static void plan_connections(struct fill *fill)
{
	for (size_t i = 0; i < fill->count; i++) {
		struct node *node = &fill->nodes[i];
		struct node *peer = node_find(fill, peer_of(node));

		if (node->own.type != SOCK_DGRAM || !peer || node->is_given ||
		    is_connected(node->fd))
			continue;
		node->is_pending = true;
		if (peer != node && peer_of(peer) != node->own.id)
			peer->before++;
	}
}

static int connect_one(struct fill *fill, struct node *node, struct err *err)
{
	const struct node *peer = node_find(fill, peer_of(node));
	int r = unix_connect(node->fd, peer->fd);

	node->is_pending = false;
	return r < 0 ? err_set(err, r, "connect unix socket %u with %u", node->own.id, peer->own.id)
		     : 0;
}

/* And whatever could not be connected before it. */
static int connect_chain(struct fill *fill, struct node *node, struct err *err)
{
	int r = 0;

	while (r == 0 && node->is_pending && node->before == 0) {
		struct node *peer = node_find(fill, peer_of(node));

		r = connect_one(fill, node, err);
		if (peer == node || peer_of(peer) == node->own.id)
			return r;
		peer->before--;
		node = peer;
	}
	return r;
}

static int fill_datagrams(struct fill *fill, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fill->count; i++) {
		if (fill->nodes[i].own.type == SOCK_DGRAM) {
			count_early(&fill->nodes[i]);
			r = send_messages(fill, &fill->nodes[i], fill->nodes[i].early, err);
		}
	}
	plan_connections(fill);
	for (size_t i = 0; r == 0 && i < fill->count; i++)
		r = connect_chain(fill, &fill->nodes[i], err);
	for (size_t i = 0; r == 0 && i < fill->count; i++) {
		if (fill->nodes[i].is_pending)
			return err_set(err, ERR_DAMAGED, "unix socket %u is connected in a circle",
				       fill->nodes[i].own.id);
	}
	return r;
}

/* ---- the end ---- */

static int finish_node(struct fill *fill, const struct node *node, struct err *err)
{
	uint32_t shut = le32_get(node->own.rec->shutdown);
	int r;

	if (node->fd < 0 || node->is_given)
		return 0;
	r = node->is_new ? 0 : unix_reopen(fill->rs, &node->own, node->fd, err);
	if (r < 0)
		return r;
	if (shut != 0 && !node->is_new && shutdown(node->fd, (int)shut - 1) < 0)
		return err_set(err, -errno, "shut unix socket %u down", node->own.id);
	if (le32_get(node->own.rec->flags) & UNIX_GONE)
		return 0;
	return socket_restore_options(fill->rs, node->fd, node->own.socket, NULL, err);
}

int unix_fill_all(struct restore *rs, struct err *err)
{
	auto_with(fill_free) struct fill fill = { .rs = rs };
	int r = 0;

	list_nodes(&fill);
	for (size_t i = 0; r == 0 && i < fill.count; i++) {
		if (state_of(&fill.nodes[i]) == UNIX_LISTENING)
			r = connect_waiting(&fill, &fill.nodes[i], err);
	}
	if (r == 0)
		r = fill_datagrams(&fill, err);
	for (size_t i = 0; r == 0 && i < fill.count; i++)
		r = send_messages(&fill, &fill.nodes[i], UINT32_MAX, err);
	for (size_t i = 0; r == 0 && i < fill.count; i++)
		r = finish_node(&fill, &fill.nodes[i], err);
	return r;
}
