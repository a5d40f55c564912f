/* All unix sockets of the container. See unix_sockets.h. */
#include "kind/support/unix_sockets.h"

#include <linux/netlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/putback.h"
#include "kind/support/socket.h"

void unix_sockets_free(struct unix_sockets *sockets)
{
	if (!sockets)
		return;
	for (size_t i = 0; i < sockets->count; i++) {
		unix_facts_free(&sockets->list[i]->facts);
		unix_queue_free(&sockets->list[i]->queue);
		free(sockets->list[i]);
	}
	putback_end(sockets->putback);
	for (size_t i = 0; i < sockets->asker_count; i++)
		drop_fd(&sockets->askers[i].netlink);
	free(sockets->askers);
	free(sockets->list);
	free(sockets->gone);
	free(sockets);
}

/* Who can be asked of the socket at the cursor. ERR_HOST: nobody is in its network. */
static int find_asker(struct dump *d, int *ret_netlink, struct err *err)
{
	struct unix_sockets *sockets = d->own->unix_sockets;
	auto_close int namespace = -1;
	int netlink = -1;
	int r;

	for (size_t i = 0; i < sockets->asker_count; i++) {
		if (sockets->askers[i].netns == d->fd->ns) {
			*ret_netlink = sockets->askers[i].netlink;
			return 0;
		}
	}
	namespace = dump_net_open(d);
	if (namespace < 0)
		return ERR_HOST;
	r = unix_diag_socket(namespace, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG, &netlink, err);
	if (r < 0)
		return r;
	array_grow(sockets->askers, sockets->asker_count);
	sockets->askers[sockets->asker_count++] =
	    (struct unix_asker){ .netns = d->fd->ns, .netlink = netlink };
	*ret_netlink = netlink;
	return 0;
}

uint32_t unix_pid_inside(const struct dump *d, pid_t pid)
{
	const struct dump_task *task = pid > 0 ? dump_task_by_pid(d, pid) : NULL;

	return task ? (uint32_t)task->vpid : 0;
}

/* Of a process that has ended, only the container itself knows which pid it had there; in our view,
 * another may have the same by now. */
static int ask_pid(struct dump *d, pid_t *ret_pid, struct err *err)
{
	struct remote *remote = &d->fd->task->threads[0].remote;
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);
	auto_script struct script script = SCRIPT_NONE;
	const void *output;
	uint64_t value;
	size_t step;
	int r;

	script_init(&script, remote);
	value = script_copy(&script, &peer, sizeof(peer));
	step = script_syscall(&script, "get a socket's peer", SCRIPT_MAY_FAIL, SYS_getsockopt,
			      (uint64_t)d->fd->number, SOL_SOCKET, SO_PEERCRED, value,
			      script_copy(&script, &size, sizeof(size)));
	r = script_run(&script, err);
	/* The container's seccomp filter does not let it tell. */
	if (r == ERR_REFUSED)
		return 0;
	if (r < 0)
		return r;
	output = script_output(&script, value, sizeof(peer), err);
	if (!output)
		return err->code;
	memcpy(&peer, output, sizeof(peer));
	if (script_result(&script, step) == 0)
		*ret_pid = peer.pid > 0 ? peer.pid : 0;
	return 0;
}

static int read_credentials(struct dump *d, struct unix_socket *own, struct err *err)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	pid_t pid;
	int r = 0;

	if (getsockopt(own->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid == (uid_t)-1)
		return 0;
	pid = (pid_t)unix_pid_inside(d, peer.pid);
	if (!d->fd->is_in_flight)
		r = ask_pid(d, &pid, err);
	own->credentials = (struct unix_credentials){
		.are_known = le32_make(1),
		.pid = le32_make((uint32_t)pid),
		.uid = le32_make(peer.uid),
		.gid = le32_make(peer.gid),
	};
	return r;
}

static int take_files(struct dump *d, struct unix_message *message, struct err *err)
{
	message->objects = mem_alloc(message->file_count, sizeof(*message->objects));
	for (size_t i = 0; i < message->file_count; i++) {
		int r = dump_add_file(d, take_fd(&message->files[i]), &message->objects[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A peek of one byte in the task itself. Without room for descriptors, it gets none. */
static int ask_sender(struct dump *d, int offset, uint32_t *ret_pid, struct err *err)
{
	static const size_t room = CMSG_SPACE(sizeof(struct ucred));
	struct remote *remote = &d->fd->task->threads[0].remote;
	auto_script struct script script = SCRIPT_NONE;
	struct iovec part = { .iov_len = 1 };
	struct msghdr header = { .msg_iovlen = 1, .msg_controllen = room };
	const struct cmsghdr *control;
	struct ucred sender;
	uint64_t place;
	size_t step;
	int r;

	if (setsockopt(d->fd->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0)
		return err_set(err, -errno, "look at a queue");
	script_init(&script, remote);
	part.iov_base = (void *)(uintptr_t)script_out(&script, 8);
	header.msg_iov = (void *)(uintptr_t)script_copy(&script, &part, sizeof(part));
	place = script_out(&script, room);
	header.msg_control = (void *)(uintptr_t)place;
	step = script_syscall(
	    &script, "look at a queue", SCRIPT_MAY_FAIL, SYS_recvmsg, (uint64_t)d->fd->number,
	    script_copy(&script, &header, sizeof(header)), MSG_PEEK | MSG_DONTWAIT);
	r = script_run(&script, err);
	if (r == ERR_REFUSED)
		return 0;
	control = r == 0 ? script_output(&script, place, room, err) : NULL;
	if (!control)
		return err->code;
	memcpy(&sender, CMSG_DATA(control), sizeof(sender));
	if (script_result(&script, step) >= 0 && control->cmsg_type == SCM_CREDENTIALS &&
	    sender.pid > 0)
		*ret_pid = (uint32_t)sender.pid;
	return 0;
}

/* Of a process that has ended, only the container knows which one it was. */
static int find_senders(struct dump *d, struct unix_socket *own, struct err *err)
{
	int saved = socket_number(own->fd, SO_PEEK_OFF);
	struct putback *putback = d->own->unix_sockets->putback;
	bool is_moved = false;
	int offset = 0;
	int r = 0;

	putback_set(putback, own->fd, SOL_SOCKET, SO_PEEK_OFF, saved);
	for (size_t i = 0; r == 0 && i < own->queue.count; i++) {
		struct unix_message *message = &own->queue.messages[i];

		if (message->has_credentials)
			message->pid = unix_pid_inside(d, message->credentials.pid);
		if (message->has_credentials && message->pid == 0 && !d->fd->is_in_flight) {
			is_moved = true;
			r = ask_sender(d, offset, &message->pid, err);
		}
		offset += (int)message->size;
	}
	if (is_moved)
		(void)setsockopt(own->fd, SOL_SOCKET, SO_PEEK_OFF, &saved, sizeof(saved));
	putback_done(putback);
	return r;
}

/* With credentials, packets are told from the end of file, whether the program wants them or not.
 */
static void peek_to_end(struct putback *putback, struct unix_socket *own)
{
	const int yes = 1;
	int wanted = socket_number(own->fd, SO_PASSCRED);

	putback_set(putback, own->fd, SOL_SOCKET, SO_PASSCRED, wanted);
	(void)setsockopt(own->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
	own->queue_error = unix_queue_peek(own->fd, own->type, &own->queue);
	(void)setsockopt(own->fd, SOL_SOCKET, SO_PASSCRED, &wanted, sizeof(wanted));
	for (size_t i = 0; i < own->queue.count; i++)
		own->queue.messages[i].has_credentials &= wanted != 0;
}

static int peek_queue(struct unix_sockets *sockets, struct unix_socket *own, struct err *err)
{
	int r = sockets->putback ? 0 : putback_begin(&sockets->putback, err);

	if (r < 0)
		return r;
	putback_set(sockets->putback, own->fd, SOL_SOCKET, SO_PEEK_OFF,
		    socket_number(own->fd, SO_PEEK_OFF));
	if (unix_queue_has_end(own->fd, own->type))
		peek_to_end(sockets->putback, own);
	else
		own->queue_error = unix_queue_peek(own->fd, own->type, &own->queue);
	putback_done(sockets->putback);
	return 0;
}

static int read_queue(struct dump *d, struct unix_socket *own, struct err *err)
{
	int r;

	if (own->facts.is_listening)
		return 0;
	r = peek_queue(d->own->unix_sockets, own, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < own->queue.count; i++) {
		r = take_files(d, &own->queue.messages[i], err);
		if (r < 0)
			return r;
	}
	return find_senders(d, own, err);
}

/* A socket that was inherited from outside may be standard input or output. */
static int look_outside(struct unix_socket *own)
{
	auto_close int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct err ignored = ERR_NONE;

	if (netlink >= 0)
		(void)unix_diag_ask(netlink, own->inode, &own->facts, &ignored);
	return 0;
}

int unix_sockets_collect(struct dump *d, struct err *err)
{
	struct unix_socket *own = mem_alloc(1, sizeof(*own));
	struct unix_sockets *sockets;
	int netlink = -1;
	int r;

	if (!d->own->unix_sockets)
		d->own->unix_sockets = mem_alloc(1, sizeof(*sockets));
	sockets = d->own->unix_sockets;
	array_grow(sockets->list, sockets->count);
	sockets->list[sockets->count++] = own;
	own->id = d->fd->id;
	own->inode = (uint32_t)d->fd->stat.st_ino;
	own->fd = d->fd->fd;
	own->type = socket_number(own->fd, SO_TYPE);
	own->netns = d->fd->ns;
	r = find_asker(d, &netlink, err);
	if (r == 0)
		r = unix_diag_ask(netlink, own->inode, &own->facts, err);
	own->is_known = r == 0;
	/* Of another network namespace: refused by name when it is dumped. */
	if (r == ERR_HOST)
		return look_outside(own);
	if (r < 0)
		return r;
	if (unix_name_own(own->fd, &own->name) < 0)
		own->name.length = 0;
	if (unix_name_peer(own->fd, &own->peer_name) < 0)
		own->peer_name.length = 0;
	r = read_credentials(d, own, err);
	return r < 0 ? r : read_queue(d, own, err);
}

/* ---- look-ups ---- */

struct unix_socket *unix_socket_here(const struct dump *d)
{
	return unix_socket_by_inode(d, (uint32_t)d->fd->stat.st_ino);
}

struct unix_socket *unix_socket_by_inode(const struct dump *d, uint32_t inode)
{
	const struct unix_sockets *sockets = d->own->unix_sockets;

	for (size_t i = 0; i < sockets->count; i++) {
		if (sockets->list[i]->inode == inode)
			return sockets->list[i];
	}
	return NULL;
}

const struct unix_socket *unix_socket_awaited(const struct dump *d,
					      const struct unix_socket *client)
{
	const struct unix_sockets *sockets = d->own->unix_sockets;

	for (size_t i = 0; i < sockets->count; i++) {
		const struct unix_facts *facts = &sockets->list[i]->facts;

		for (size_t j = 0; j < facts->waiting_count; j++) {
			if (facts->waiting[j] == client->inode)
				return sockets->list[i];
		}
	}
	return NULL;
}

bool unix_name_is(const struct unix_name *a, const struct unix_name *b)
{
	return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

const struct unix_socket *unix_socket_by_name(const struct dump *d, int type, bool is_listening,
					      const struct unix_name *name)
{
	const struct unix_sockets *sockets = d->own->unix_sockets;

	for (size_t i = 0; name->length > 0 && i < sockets->count; i++) {
		const struct unix_socket *found = sockets->list[i];

		if (found->is_known && found->type == type &&
		    found->facts.is_listening == is_listening && unix_name_is(&found->name, name) &&
		    (name->text[0] != '\0' || found->netns == d->fd->ns))
			return found;
	}
	return NULL;
}

/* ---- who has a name ---- */

/* By a second try in the same place, for a moment: nobody of the container is awake. */
static bool is_abstract_bound(const struct dump *d, const struct unix_socket *own)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int namespace = dump_net_open(d);
	auto_close int probe = -1;
	struct err err = ERR_NONE;

	if (namespace < 0 || unix_diag_socket(namespace, AF_UNIX, own->type, 0, &probe, &err) < 0 ||
	    own->name.length > sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, own->name.text, own->name.length);
	return bind(probe, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + own->name.length)) < 0 &&
	       errno == EADDRINUSE;
}

bool unix_file_is_bound(int place)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
	return connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	       errno != ECONNREFUSED;
}

bool unix_socket_is_bound(const struct dump *d, const struct unix_socket *own)
{
	auto_close int place = -1;

	if (own->name.length == 0)
		return false;
	if (own->name.text[0] == '\0')
		return is_abstract_bound(d, own);
	place = ioctl(own->fd, SIOCUNIXFILE);
	return place >= 0 && unix_file_is_bound(place);
}
