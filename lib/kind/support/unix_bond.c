/* Connections of unix sockets: which of two sockets was accepted, and from which listening one.
 *
 * The kernel does not tell. But an accepted socket has the name of the listening one, and others
 * may be given this name once that is gone. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/socket.h"
#include "kind/support/unix_save.h"

void unix_append(struct buf *body, const void *data, size_t size)
{
	(void)buf_append(body, data, size);
	buf_align(body, 8);
}

/* ---- sockets that are gone ---- */

static enum unix_form gone_form(const struct dump *d, int type, const struct unix_name *name,
				const struct unix_rec *rec)
{
	/* An accepted one has its name from the listening one. */
	if (name->length == 0 || le32_get(rec->listener) != 0)
		return UNIX_UNNAMED;
	if (name->text[0] != '\0')
		return UNIX_DELETED;
	/* An abstract name may belong to another by now. */
	if (le32_get(rec->state) != UNIX_LISTENING &&
	    (unix_socket_by_name(d, type, true, name) || unix_socket_by_name(d, type, false, name)))
		return UNIX_UNNAMED;
	return UNIX_ABSTRACT;
}

static void dump_gone(struct dump *d, uint32_t id, int type, const struct unix_name *name,
		      const struct unix_rec *model)
{
	struct socket_rec socket = { .flags = le32_make(O_RDWR),
				     .family = le32_make(AF_UNIX),
				     .type = le32_make((uint32_t)type) };
	struct unix_queue_rec queue = { .waiting = le32_make(0) };
	struct unix_rec rec = *model;
	enum unix_form form = gone_form(d, type, name, model);
	auto_buf struct buf body = BUF_EMPTY;

	rec.flags = le32_make(UNIX_GONE);
	rec.form = le32_make(form);
	rec.name_length = le32_make(form == UNIX_UNNAMED ? 0 : (uint32_t)name->length);
	(void)buf_append(&body, &socket, sizeof(socket));
	(void)buf_append(&body, &rec, sizeof(rec));
	unix_append(&body, name->text, le32_get(rec.name_length));
	dump_record(d, id, kind_by_name("sock_unix"), body.data, body.size);
	dump_record(d, id, kind_by_name("unix_queue"), &queue, sizeof(queue));
}

static uint32_t find_gone(struct dump *d, int type, bool is_listening, const struct unix_name *name,
			  const struct unix_rec *model)
{
	struct unix_sockets *sockets = d->own->unix_sockets;
	struct unix_gone *gone;

	for (size_t i = 0; i < sockets->gone_count; i++) {
		gone = &sockets->gone[i];
		if (gone->type == type && gone->is_listening == is_listening &&
		    unix_name_is(&gone->name, name))
			return gone->id;
	}
	array_grow(sockets->gone, sockets->gone_count);
	gone = &sockets->gone[sockets->gone_count++];
	*gone = (struct unix_gone){
		.id = dump_new_id(d), .type = type, .is_listening = is_listening, .name = *name
	};
	dump_gone(d, gone->id, type, name, model);
	return gone->id;
}

uint32_t unix_gone_sender(struct dump *d, const struct unix_name *name)
{
	struct unix_rec rec = { .state = le32_make(UNIX_ALONE) };

	return find_gone(d, SOCK_DGRAM, false, name, &rec);
}

/* Whoever connected with it has its credentials. */
static uint32_t gone_listener(struct dump *d, int type, const struct unix_name *name,
			      const struct unix_socket *client)
{
	struct unix_rec rec = { .state = le32_make(UNIX_LISTENING), .backlog = le32_make(1) };

	if (client)
		rec.peer_credentials = client->credentials;
	return find_gone(d, type, true, name, &rec);
}

/* ---- who was accepted ---- */

struct end {
	const struct unix_socket *socket; /* NULL: gone */
	const struct unix_name *name;
	int type;
};

static const struct unix_socket *listener_of(const struct dump *d, const struct end *end)
{
	const struct unix_socket *found = unix_socket_by_name(d, end->type, true, end->name);

	/* A file of the same name may have been put in the place of another. */
	if (found && end->socket && found->facts.file_inode != end->socket->facts.file_inode)
		return NULL;
	return found;
}

/* Of one that is gone, only what its peer is not. */
static bool is_accepted(const struct dump *d, const struct end *own, const struct end *peer)
{
	if (own->name->length == 0)
		return false;
	if (!own->socket)
		return listener_of(d, own) || !is_accepted(d, peer, own);
	return listener_of(d, own) || !unix_socket_is_bound(d, own->socket);
}

/* The id of the listening socket that `own` was accepted from; 0: it was not accepted. */
static uint32_t accepted_from(struct dump *d, const struct end *own, const struct end *peer)
{
	const struct unix_socket *listener;

	if (!is_accepted(d, own, peer))
		return 0;
	/* Without rights over the network, it may look so for both. */
	if (own->socket && peer->socket && own->socket->id > peer->socket->id &&
	    is_accepted(d, peer, own))
		return 0;
	listener = listener_of(d, own);
	return listener ? listener->id : gone_listener(d, own->type, own->name, peer->socket);
}

static uint32_t make_gone_peer(struct dump *d, const struct unix_socket *own,
			       const struct end *mine, const struct end *peer)
{
	uint32_t id = dump_new_id(d);
	struct unix_rec rec = { .state = le32_make(UNIX_CONNECTED) };

	if (own->type != SOCK_DGRAM) {
		rec.peer = le32_make(own->id);
		rec.listener = le32_make(accepted_from(d, peer, mine));
	} else {
		rec.state = le32_make(UNIX_ALONE);
	}
	dump_gone(d, id, own->type, peer->name, &rec);
	return id;
}

bool unix_leads_outside(const struct dump *d, const struct unix_socket *own)
{
	if (own->facts.is_listening || !own->facts.has_peer)
		return false;
	if (own->facts.peer != UNIX_DIAG_NOBODY)
		return !unix_socket_by_inode(d, own->facts.peer);
	/* Or it waits in a backlog: the death of a peer shuts both ways down. */
	return own->type != SOCK_DGRAM && own->facts.shutdown != 3 && !unix_socket_awaited(d, own);
}

void unix_bond_find(struct dump *d, const struct unix_socket *own, struct unix_bond *ret_bond)
{
	const struct unix_socket *awaited = unix_socket_awaited(d, own);
	const struct unix_socket *peer = NULL;
	struct end mine = { own, &own->name, own->type };
	struct end theirs = { NULL, &own->peer_name, own->type };
	struct unix_bond bond = { .state = UNIX_ALONE };

	if (own->facts.is_listening) {
		bond.state = UNIX_LISTENING;
	} else if (awaited) {
		bond = (struct unix_bond){ .state = UNIX_WAITING, .peer = awaited->id };
	} else if (own->facts.has_peer) {
		bond.state = UNIX_CONNECTED;
		if (own->facts.peer != UNIX_DIAG_NOBODY)
			peer = unix_socket_by_inode(d, own->facts.peer);
		if (peer)
			theirs = (struct end){ peer, &peer->name, own->type };
		bond.peer = peer ? peer->id : make_gone_peer(d, own, &mine, &theirs);
		if (own->type != SOCK_DGRAM)
			bond.listener = accepted_from(d, &mine, &theirs);
	}
	*ret_bond = bond;
}
