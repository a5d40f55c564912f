/* Unix sockets: their names and connections. What is in their queues is another kind's. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "kind/support/loss.h"
#include "kind/support/mount_place.h"
#include "kind/support/own_groups.h"
#include "kind/support/socket.h"
#include "kind/support/unix_bind.h"
#include "kind/support/unix_make.h"
#include "kind/support/unix_outsider.h"
#include "kind/support/unix_path.h"
#include "kind/support/unix_queue.h"
#include "kind/support/unix_save.h"
#include "restore/open.h"

extern const struct kind kind_sock_unix;

/* The record is what all sockets share, a struct unix_rec, a name, a path. */

static bool sock_unix_match(const struct target_fd *fd)
{
	return socket_is(fd, AF_UNIX, -1, -1);
}

/* The path to connect with once more. Who was accepted from a socket of ours did not connect. */
static const char *outside_path(const struct unix_socket *own, const struct unix_bond *bond)
{
	const char *path = own->peer_name.text;

	if (bond->listener != 0 || !file_path_is_valid(path, own->peer_name.length))
		return NULL;
	return path;
}

/* A listening socket with the ids of those who wait; false if that is not possible. */
static bool may_wait(struct dump *d, const struct unix_socket *own)
{
	size_t before = 0;
	bool is_blocked = false;

	if (own->facts.waiting_count > UNIX_WAITING_MAX) {
		(void)dump_block(d, NULL,
				 "more than %u connections to be accepted are not supported",
				 UNIX_WAITING_MAX);
		return false;
	}
	for (size_t i = 0; i < own->facts.waiting_count && !is_blocked; i++) {
		uint32_t inode = own->facts.waiting[i];
		const struct unix_socket *client =
		    inode == UNIX_DIAG_NOBODY ? NULL : unix_socket_by_inode(d, inode);
		int sent = 0;

		is_blocked = !client || ioctl(client->fd, SIOCOUTQ, &sent) < 0 || sent > 0;
		before += !is_blocked;
	}
	if (is_blocked) {
		(void)dump_block(
		    d, "let the program accept it first",
		    "connection %zu that waits to be accepted %s", before + 1,
		    own->facts.waiting[before] == UNIX_DIAG_NOBODY
			? "was closed by its client, and may hold data that cannot be read"
		    : unix_socket_by_inode(d, own->facts.waiting[before])
			? "holds data that cannot be read"
			: "comes from outside of the container");
		dump_block_is_momentary(d);
	}
	return !is_blocked;
}

/* The name, and the file that leads to it. False if it was blocked. */
static bool save_name(struct dump *d, const struct unix_socket *own, struct unix_rec *rec,
		      char **ret_path)
{
	struct stat st;
	int r = 0;

	*ret_path = NULL;
	if (own->name.length == 0 || le32_get(rec->listener) != 0)
		return true;
	rec->name_length = le32_make((uint32_t)own->name.length);
	rec->form = le32_make(UNIX_ABSTRACT);
	if (own->name.text[0] == '\0')
		return true;

	r = unix_path_find(d, own, ret_path, &st);
	if (r < 0) {
		(void)dump_block(d, "start the container with the file inside of it",
				 "the file of unix socket %.*s is outside of the container",
				 (int)own->name.length, own->name.text);
		return false;
	}
	rec->form = le32_make(*ret_path ? UNIX_PATH : UNIX_DELETED);
	if (!*ret_path)
		return true;
	rec->path_length = le32_make((uint32_t)strlen(*ret_path) + 1);
	rec->mode = le32_make(st.st_mode & 07777);
	rec->owner = le32_make(st.st_uid);
	rec->group = le32_make(st.st_gid);
	return true;
}

/* Of whom waits to be accepted, the other end will see who holds it now. */
static struct unix_credentials credentials_of(const struct dump *d, const struct unix_socket *own,
					      enum unix_state state)
{
	const struct dump_task *task = d->fd->task;

	if (state == UNIX_WAITING)
		return (struct unix_credentials){
			.are_known = le32_make(1),
			.pid = le32_make((uint32_t)task->vpid),
			.uid = le32_make(task->threads[0].status.uid[1]),
			.gid = le32_make(task->threads[0].status.gid[1]),
		};
	return own->credentials;
}

/* What SO_PEERGROUPS tells is the list of whoever makes the socket, once more. */
static void note_groups(struct dump *d, const struct unix_socket *own)
{
	socklen_t size = 0;
	auto_free gid_t *groups = NULL;

	if (getsockopt(own->fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
		return;
	groups = mem_alloc(size + 1, 1);
	if (getsockopt(own->fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0 &&
	    !own_groups_are(groups, size / sizeof(*groups)))
		dump_loss(d, LOSS_PEER_GROUPS, own->id, 1, NULL);
}

static void append_outsider(struct buf *body, struct unix_rec *rec, const char *path,
			    const char *outsider)
{
	unix_append(body, path, le32_get(rec->target_length));
	unix_append(body, outsider, le32_get(rec->outsider_length));
}

static void write_record(struct dump *d, const struct unix_socket *own,
			 const struct unix_bond *bond, struct buf *body)
{
	bool is_outside = unix_leads_outside(d, own);
	auto_free char *outsider = is_outside ? unix_describe_outsider(own->fd) : NULL;
	const char *target = is_outside ? outside_path(own, bond) : NULL;
	struct unix_rec rec = {
		.state = le32_make(bond->state),
		.flags = le32_make(is_outside ? UNIX_OUTSIDE : 0),
		.target_length = le32_make(target ? (uint32_t)strlen(target) + 1 : 0),
		.outsider_length = le32_make(outsider ? (uint32_t)strlen(outsider) : 0),
		.peer = le32_make(bond->peer),
		.listener = le32_make(bond->listener),
		.shutdown = le32_make(own->facts.shutdown & 3),
		.backlog = le32_make(own->facts.is_listening ? own->facts.backlog : 0),
		.peer_credentials = credentials_of(d, own, bond->state),
	};
	auto_free char *path = NULL;

	if (!save_name(d, own, &rec, &path))
		return;
	(void)buf_append(body, &rec, sizeof(rec));
	unix_append(body, own->name.text, le32_get(rec.name_length));
	if (path)
		unix_append(body, path, le32_get(rec.path_length));
	append_outsider(body, &rec, target, outsider);
	dump_record(d, own->id, &kind_sock_unix, body->data, body->size);
	unix_queue_dump(d, own, bond);
	note_groups(d, own);
}

/* Its peer has no name to be found by, and is not its pair any more. */
static bool is_forsaken(const struct dump *d, const struct unix_socket *own)
{
	const struct unix_socket *peer =
	    own->facts.has_peer ? unix_socket_by_inode(d, own->facts.peer) : NULL;

	return peer && peer->name.length == 0 && peer->facts.peer != own->inode;
}

static int sock_unix_dump(struct dump *d, struct err *err)
{
	const struct unix_socket *own = unix_socket_here(d);
	auto_buf struct buf body = BUF_EMPTY;
	struct unix_bond bond;

	(void)err;
	if (unix_leads_outside(d, own) && stdio_takes(d))
		return 0;
	if (!own->is_known && external_takes(d))
		return 0;
	if (!socket_save(d, NULL, &body))
		return 0;
	if (!own->is_known)
		return dump_block(d, NULL, "this kernel does not show a unix socket");
	if (own->facts.is_listening && !may_wait(d, own))
		return 0;
	if (own->type == SOCK_DGRAM && is_forsaken(d, own))
		return dump_block(d, NULL,
				  "a unix socket without a name whose pair was connected "
				  "elsewhere is not supported");
	if (own->queue_error < 0)
		return dump_block(d, "let the program read it first",
				  "what is in a unix socket cannot be read: %s",
				  own->queue_error == -EPROTO ? "it was sent out of band"
							      : strerror(-own->queue_error));
	unix_bond_find(d, own, &bond);
	write_record(d, own, &bond, &body);
	return 0;
}

/* ---- check ---- */

static int check_head(const struct socket_rec *socket, const struct unix_rec *rec, struct err *err)
{
	uint32_t type = le32_get(socket->type);
	uint32_t state = le32_get(rec->state);
	bool has_peer = state == UNIX_CONNECTED || state == UNIX_WAITING;

	if (le32_get(socket->family) != AF_UNIX || le32_get(socket->protocol) != 0 ||
	    (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET))
		return err_set(err, ERR_DAMAGED, "unix socket: of another family or type");
	if (state >= UNIX_STATES || le32_get(rec->form) >= UNIX_FORMS ||
	    (le32_get(rec->flags) & ~(UNIX_GONE | UNIX_OUTSIDE)) != 0 ||
	    (le32_get(rec->shutdown) & ~3u) != 0 || le32_get(rec->peer_credentials.are_known) > 1 ||
	    (le32_get(rec->mode) & ~07777u) != 0)
		return err_set(err, ERR_DAMAGED, "unix socket: unknown bits");
	if (has_peer != (le32_get(rec->peer) != 0) ||
	    (type == SOCK_DGRAM && (state == UNIX_LISTENING || state == UNIX_WAITING)) ||
	    (le32_get(rec->listener) != 0 &&
	     (state != UNIX_CONNECTED || type == SOCK_DGRAM || le32_get(rec->form) != 0)))
		return err_set(err, ERR_DAMAGED, "unix socket: impossible connection");
	if (le32_get(rec->backlog) > INT32_MAX ||
	    (state != UNIX_LISTENING && le32_get(rec->backlog) != 0))
		return err_set(err, ERR_DAMAGED, "unix socket: impossible backlog");
	return 0;
}

static int check_outside(const struct unix_rec *rec, const char *target, struct err *err)
{
	bool is_outside = le32_get(rec->flags) & UNIX_OUTSIDE;
	uint32_t size = le32_get(rec->target_length);

	if (is_outside ? le32_get(rec->state) != UNIX_CONNECTED || le32_get(rec->flags) & UNIX_GONE
		       : size != 0 || le32_get(rec->outsider_length) != 0)
		return err_set(err, ERR_DAMAGED, "unix socket: impossible outside");
	if (size != 0 && (le32_get(rec->listener) != 0 || !file_path_is_valid(target, size)))
		return err_set(err, ERR_DAMAGED, "unix socket: impossible outside");
	return 0;
}

static int check_name(const struct unix_rec *rec, const char *name, const char *path,
		      struct err *err)
{
	uint32_t length = le32_get(rec->name_length);
	uint32_t size = le32_get(rec->path_length);
	enum unix_form form = (enum unix_form)le32_get(rec->form);
	bool is_file = form == UNIX_PATH || form == UNIX_DELETED;

	if ((form == UNIX_UNNAMED) != (length == 0) || (form == UNIX_PATH) != (size != 0) ||
	    (le32_get(rec->state) == UNIX_LISTENING && length == 0))
		return err_set(err, ERR_DAMAGED, "unix socket: impossible name");
	if (length > 0 && (name[0] != '\0') != is_file)
		return err_set(err, ERR_DAMAGED, "unix socket: impossible name");
	if (is_file && strnlen(name, length) + 1 < length)
		return err_set(err, ERR_DAMAGED, "unix socket: impossible name");
	if (size > 0 && !file_path_is_valid(path, size))
		return err_set(err, ERR_DAMAGED, "unix socket: impossible path");
	return 0;
}

static int sock_unix_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct socket_rec *socket;
	const struct unix_rec *rec;
	const char *name;
	const char *path;
	const char *target;
	int r = socket_check(&reader, NULL, &socket, err);

	if (r < 0)
		return r;
	rec = reader_take(&reader, sizeof(*rec));
	if (!rec || le32_get(rec->name_length) > UNIX_NAME_MAX ||
	    le32_get(rec->path_length) > FILE_PATH_MAX ||
	    le32_get(rec->target_length) > FILE_PATH_MAX ||
	    le32_get(rec->outsider_length) > UNIX_OUTSIDER_MAX)
		return err_set(err, ERR_DAMAGED, "unix socket: %zu bytes", length);
	name = unix_take(&reader, le32_get(rec->name_length));
	path = unix_take(&reader, le32_get(rec->path_length));
	target = name && path ? unix_take(&reader, le32_get(rec->target_length)) : NULL;
	if (!target || !unix_take(&reader, le32_get(rec->outsider_length)) ||
	    reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "unix socket: %zu bytes", length);
	r = check_head(socket, rec, err);
	if (r == 0)
		r = check_outside(rec, target, err);
	return r < 0 ? r : check_name(rec, name, path, err);
}

/* ---- link ---- */

static int link_listener(const struct image *image, const struct unix_parts *own, struct err *err)
{
	struct unix_parts listener = { .rec = NULL };

	if (!unix_parts(image, le32_get(own->rec->listener), &listener) ||
	    le32_get(listener.rec->state) != UNIX_LISTENING || listener.type != own->type)
		return err_set(err, ERR_DAMAGED,
			       "unix socket: accepted from object %u, which does not "
			       "listen",
			       le32_get(own->rec->listener));
	return 0;
}

static int link_stream(const struct unix_parts *own, const struct unix_parts *peer, struct err *err)
{
	bool is_waiting = le32_get(own->rec->state) == UNIX_WAITING;

	if (is_waiting && le32_get(peer->rec->state) == UNIX_LISTENING)
		return 0;
	if (!is_waiting && le32_get(peer->rec->state) == UNIX_CONNECTED && peer->id != own->id &&
	    le32_get(peer->rec->peer) == own->id &&
	    (le32_get(peer->rec->listener) == 0 || le32_get(own->rec->listener) == 0))
		return 0;
	return err_set(err, ERR_DAMAGED, "unix socket: objects %u and %u are not connected",
		       own->id, peer->id);
}

static int link_datagram(const struct unix_parts *own, const struct unix_parts *peer,
			 struct err *err)
{
	if (peer->name_length > 0 ||
	    (peer->id != own->id &&
	     (le32_get(peer->rec->peer) == own->id || le32_get(peer->rec->state) == UNIX_ALONE)))
		return 0;
	return err_set(err, ERR_DAMAGED, "unix socket: object %u has no name to connect with",
		       peer->id);
}

static int sock_unix_link(const struct image *image, const struct record *record, struct err *err)
{
	struct unix_parts own;
	struct unix_parts peer = { .rec = NULL };
	int r = 0;

	(void)unix_parts(image, record->id, &own);
	if (!image_find(image, TAG_UNIX_QUEUE, record->id))
		return err_set(err, ERR_DAMAGED, "unix socket: object %u has no queue", record->id);
	if (le32_get(own.rec->listener) != 0)
		r = link_listener(image, &own, err);
	if (r < 0 || le32_get(own.rec->peer) == 0)
		return r;
	if (!unix_parts(image, le32_get(own.rec->peer), &peer) || peer.type != own.type)
		return err_set(err, ERR_DAMAGED,
			       "unix socket: connected with object %u, which is none "
			       "of its kind",
			       le32_get(own.rec->peer));
	if (le32_get(own.rec->flags) & UNIX_OUTSIDE && !(le32_get(peer.rec->flags) & UNIX_GONE))
		return err_set(err, ERR_DAMAGED, "unix socket: object %u is not outside", peer.id);
	if (own.type == SOCK_DGRAM)
		return link_datagram(&own, &peer, err);
	return link_stream(&own, &peer, err);
}

static void ask_file(struct plan *plan, const struct unix_parts *own)
{
	struct file_trial trial = { .path = own->path, .flags = O_RDWR, .type = S_IFSOCK };
	auto_with(mount_place_free) struct mount_place place = { .path = NULL };
	auto_close int root = -1;

	/* What is only there when the mounts are has nobody's sockets. */
	mount_place_find(plan, own->path, &place);
	if (place.path) {
		trial.result = file_trial_root(plan, place.path, &root);
		if (trial.result == 0)
			trial.result = unix_bind_trial(root, place.path);
	}
	if (trial.result == -EEXIST)
		trial.trouble = "it is no socket";
	file_trial_ask(plan, own->id, &trial);
}

static int find_outsider(struct plan *plan, const struct unix_parts *own)
{
	auto_with(mount_place_free) struct mount_place found = { .path = NULL };
	auto_close int root = -1;
	auto_close int place = -1;
	int r;

	mount_place_find(plan, own->target, &found);
	if (!found.path)
		return -ENOENT;
	r = file_trial_root(plan, found.path, &root);
	if (r == 0)
		r = open_path(root, found.path, S_IFSOCK, &place);
	if (r < 0)
		return r;
	if (syscall(SYS_faccessat2, place, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	return unix_file_is_bound(place) ? 0 : -ECONNREFUSED;
}

static enum socket_target saved_target(const struct unix_parts *own)
{
	if (!own->target)
		return SOCKET_TARGET_NONE;
	return own->type == SOCK_DGRAM ? SOCKET_TARGET_MESSAGES : SOCKET_TARGET_CONNECTION;
}

static void ask_outside(struct plan *plan, const struct unix_parts *own)
{
	int found = own->target ? find_outsider(plan, own) : -ENOENT;
	auto_free char *outsider = mem_copy(own->outsider, le32_get(own->rec->outsider_length));
	auto_free char *subject =
	    own->target ? mem_printf("unix socket to %s", own->target) : mem_string("unix socket");
	struct question question = {
		.class = CLASS_SOCKET,
		.id = own->id,
		.saved = saved_target(own),
		.invoker = (uint64_t)-found,
		.path = own->target,
		.subject = subject,
		.saved_text = outsider,
		.invoker_text = found == 0 ? "reachable" : "not to be had",
	};

	plan_ask(plan, &question);
}

static int sock_unix_ask(struct plan *plan, const struct image *image, const struct record *record,
			 struct err *err)
{
	struct unix_parts own;

	(void)err;
	(void)unix_parts(image, record->id, &own);
	if (own.path)
		ask_file(plan, &own);
	if (le32_get(own.rec->flags) & UNIX_OUTSIDE)
		ask_outside(plan, &own);
	return 0;
}

/* One that leads outside; without its queue. */
static bool sock_unix_grant(const struct image *image, const struct record *record,
			    struct grant_look *ret_look)
{
	struct unix_queue_parts queue;
	struct unix_parts own;

	(void)unix_parts(image, record->id, &own);
	unix_queue_parts(image_find(image, TAG_UNIX_QUEUE, record->id), &queue);
	*ret_look = grant_look_socket(record);
	ret_look->is_connected = true;
	ret_look->is_unread = le32_get(queue.rec->messages) > 0;
	return le32_get(own.rec->flags) & UNIX_OUTSIDE;
}

static int sock_unix_restore(struct restore *rs, const struct record *record, struct err *err)
{
	return unix_make(rs, record, err);
}

const struct kind kind_sock_unix = {
	.name = "sock_unix",
	.summary = "unix sockets: stream, dgram and seqpacket",
	.needs = "sock_diag",
	.tag = TAG_UNIX_SOCKET,
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = sock_unix_match,
	.collect = unix_sockets_collect,
	.dump = sock_unix_dump,
	.check = sock_unix_check,
	.link = sock_unix_link,
	.ask = sock_unix_ask,
	.grant = sock_unix_grant,
	.restore = sock_unix_restore,
};
