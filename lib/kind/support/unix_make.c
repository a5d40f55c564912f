/* Makes unix sockets. See unix_make.h. */
#include "kind/support/unix_make.h"

#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/unix_as.h"
#include "kind/support/unix_bind.h"
#include "restore/open.h"

/* ---- records ---- */

const void *unix_take(struct reader *reader, size_t size)
{
	return reader_take(reader, (size + 7) & ~(size_t)7);
}

bool unix_parts(const struct image *image, uint32_t id, struct unix_parts *ret_parts)
{
	const struct record *record = image_find(image, TAG_UNIX_SOCKET, id);
	struct reader reader;
	struct unix_parts parts = { .id = id, .record = record };

	if (!record)
		return false;
	reader = reader_of(record->body, record->length);
	parts.socket = socket_take(&reader);
	parts.type = (int)le32_get(parts.socket->type);
	parts.rec = reader_take(&reader, sizeof(*parts.rec));
	parts.name_length = le32_get(parts.rec->name_length);
	parts.name = unix_take(&reader, parts.name_length);
	if (le32_get(parts.rec->path_length) > 0)
		parts.path = unix_take(&reader, le32_get(parts.rec->path_length));
	if (le32_get(parts.rec->target_length) > 0)
		parts.target = unix_take(&reader, le32_get(parts.rec->target_length));
	parts.outsider = unix_take(&reader, le32_get(parts.rec->outsider_length));
	*ret_parts = parts;
	return true;
}

/* ---- addresses ---- */

int unix_address_of(int fd, struct sockaddr_un *ret_address, socklen_t *ret_size, int *ret_file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -errno;
	if (size > sizeof(address))
		size = sizeof(address);
	*ret_file = -1;
	if (size > offsetof(struct sockaddr_un, sun_path) && address.sun_path[0] != '\0') {
		*ret_file = ioctl(fd, SIOCUNIXFILE);
		if (*ret_file < 0)
			return -errno;
		(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d",
			       *ret_file);
		size = sizeof(address);
	}
	*ret_address = address;
	*ret_size = size;
	return 0;
}

int unix_connect(int fd, int to)
{
	struct sockaddr_un address;
	socklen_t size;
	int file_fd = -1;
	int r = unix_address_of(to, &address, &size, &file_fd);
	auto_close int file = file_fd;

	if (r < 0)
		return r;
	(void)file;
	return connect(fd, (const struct sockaddr *)&address, size) < 0 ? -errno : 0;
}

/* ---- one socket ---- */

static int make_socket(struct restore *rs, const struct unix_parts *parts, int *ret_fd,
		       struct err *err)
{
	auto_close int fd = -1;
	int r = socket_make(parts->socket, &fd, err);

	if (r == 0)
		r = socket_restore_early(rs, fd, parts->socket, NULL, err);
	if (r == 0 && parts->name_length > 0)
		r = unix_bind(rs, fd, parts, err);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

struct listening {
	int fd;
	int backlog;
};

static int start_listening(void *argument)
{
	const struct listening *listening = argument;

	return listen(listening->fd, listening->backlog) < 0 ? -errno : 0;
}

static int make_single(struct restore *rs, const struct unix_parts *parts, struct err *err)
{
	auto_close int fd = -1;
	int r = make_socket(rs, parts, &fd, err);

	if (r == 0 && le32_get(parts->rec->state) == UNIX_LISTENING) {
		struct listening listening = { fd, (int)le32_get(parts->rec->backlog) };

		r = unix_as(rs, &parts->rec->peer_credentials, start_listening, &listening);
		if (r < 0)
			(void)err_set(err, r, "listen");
	}
	return r < 0 ? r : restore_give_fd(rs, parts->record, take_fd(&fd), err);
}

/* ---- two that are connected ---- */

/* What a child does with our descriptors, it tells through shared memory. */
struct making {
	int type;
	int pair[2];
};

static int make_pair_here(void *argument)
{
	struct making *making = argument;

	return socketpair(AF_UNIX, making->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, making->pair) < 0
		   ? -errno
		   : 0;
}

static int give_pair(struct restore *rs, const struct unix_parts *first, int first_fd,
		     const struct unix_parts *second, int second_fd, struct err *err)
{
	auto_close int other = second_fd;
	int r = restore_give_fd(rs, first->record, first_fd, err);

	return r < 0 ? r : restore_give_fd(rs, second->record, take_fd(&other), err);
}

/* Names may have been given later. */
static int name_both(struct restore *rs, const struct unix_parts *first,
		     const struct unix_parts *second, const int pair[2], struct err *err)
{
	int r = socket_restore_early(rs, pair[0], first->socket, NULL, err);

	if (r == 0)
		r = socket_restore_early(rs, pair[1], second->socket, NULL, err);
	if (r == 0 && first->name_length > 0)
		r = unix_bind(rs, pair[0], first, err);
	if (r == 0 && second->name_length > 0)
		r = unix_bind(rs, pair[1], second, err);
	return r;
}

static int make_pair(struct restore *rs, const struct unix_parts *first,
		     const struct unix_parts *second, struct err *err)
{
	const struct unix_credentials *who = &first->rec->peer_credentials;
	struct making *making =
	    mmap(NULL, sizeof(*making), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pair[2];
	int r;

	if (making == MAP_FAILED)
		return err_set(err, -errno, "map memory");
	making->type = first->type;
	r = unix_as(rs, le32_get(who->are_known) ? who : &second->rec->peer_credentials,
		    make_pair_here, making);
	memcpy(pair, making->pair, sizeof(pair));
	(void)munmap(making, sizeof(*making));
	if (r < 0)
		return err_set(err, r, "make a pair of sockets");
	r = name_both(rs, first, second, pair, err);
	if (r == 0)
		return give_pair(rs, first, pair[0], second, pair[1], err);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

struct connecting {
	int fd;
	int to;
};

static int connect_here(void *argument)
{
	const struct connecting *connecting = argument;

	return unix_connect(connecting->fd, connecting->to);
}

int unix_connect_as(struct restore *rs, const struct unix_credentials *who, int fd, int to)
{
	struct connecting connecting = { fd, to };

	return unix_as(rs, who, connect_here, &connecting);
}

static int make_accepted(struct restore *rs, const struct unix_parts *client,
			 const struct unix_parts *accepted, struct err *err)
{
	struct unix_parts listener;
	int listening;
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	auto_close int from = -1;
	auto_close int to = -1;
	int r = 0;

	if (!unix_parts(rs->image, le32_get(accepted->rec->listener), &listener))
		return err_set(err, ERR_DAMAGED, "unix socket: without what it was accepted from");
	if (restore_fd(rs, listener.id) < 0)
		r = make_single(rs, &listener, err);
	if (r == 0)
		r = make_socket(rs, client, &from, err);
	if (r < 0)
		return r;
	listening = restore_fd(rs, listener.id);
	r = unix_connect_as(rs, &accepted->rec->peer_credentials, from, listening);
	if (r < 0)
		return err_set(err, r, "connect");
	to = accept4(listening, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (to < 0)
		return err_set(err, -errno, "accept");
	r = socket_restore_early(rs, to, accepted->socket, NULL, err);
	return r < 0 ? r : give_pair(rs, client, take_fd(&from), accepted, take_fd(&to), err);
}

static int make_connected(struct restore *rs, const struct unix_parts *own, struct err *err)
{
	struct unix_parts peer;

	if (!unix_parts(rs->image, le32_get(own->rec->peer), &peer))
		return err_set(err, ERR_DAMAGED, "unix socket: without its peer");
	if (le32_get(own->rec->listener) != 0)
		return make_accepted(rs, &peer, own, err);
	if (le32_get(peer.rec->listener) != 0)
		return make_accepted(rs, own, &peer, err);
	return make_pair(rs, own, &peer, err);
}

/* Who has no name can only have been made together with its peer. */
static int make_datagram_pairs(struct restore *rs, struct err *err)
{
	const struct record *record = NULL;
	int r = 0;

	while (r == 0 && (record = image_next(rs->image, TAG_UNIX_SOCKET, record))) {
		struct unix_parts own;
		struct unix_parts peer;

		(void)unix_parts(rs->image, record->id, &own);
		if (own.type != SOCK_DGRAM ||
		    !unix_parts(rs->image, le32_get(own.rec->peer), &peer) ||
		    peer.name_length > 0 || restore_fd(rs, own.id) >= 0)
			continue;
		if (restore_fd(rs, peer.id) >= 0)
			return err_set(err, ERR_DAMAGED,
				       "unix socket: object %u has no name to connect with",
				       peer.id);
		r = make_pair(rs, &own, &peer, err);
	}
	return r;
}

/* ---- outside ---- */

static bool is_reopened(const struct restore *rs, const struct unix_parts *parts)
{
	const struct decision *decision = plan_answer(rs->plan, CLASS_SOCKET, parts->id, 0);

	return decision && decision->outcome == OUTCOME_REOPEN;
}

bool unix_is_new(const struct restore *rs, uint32_t id)
{
	struct unix_parts own;

	return restore_is_granted(rs, id) ||
	       (unix_parts(rs->image, id, &own) && own.type != SOCK_DGRAM && is_reopened(rs, &own));
}

/* By path, as the invoker; never waits. */
int unix_reopen(const struct restore *rs, const struct unix_parts *own, int fd, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int place = -1;
	int r;

	if (!own->target || !is_reopened(rs, own))
		return 0;
	r = restore_open_path(rs, own->target, S_IFSOCK, &place, err);
	if (r < 0)
		return r;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, -errno, "connect with %s", own->target);
	return 0;
}

static int make_anew(struct restore *rs, const struct unix_parts *own, struct err *err)
{
	auto_close int fd = -1;
	int r = make_socket(rs, own, &fd, err);

	if (r == 0)
		r = unix_reopen(rs, own, fd, err);
	return r < 0 ? r : restore_give_fd(rs, own->record, take_fd(&fd), err);
}

/* Of those that no task has: the other end of what is given or connected again; and what listens is
 * made with the first connection to it. */
static bool is_needless(const struct restore *rs, const struct unix_parts *own)
{
	return le32_get(own->rec->flags) & UNIX_GONE &&
	       (le32_get(own->rec->state) == UNIX_LISTENING ||
		unix_is_new(rs, le32_get(own->rec->peer)));
}

int unix_make(struct restore *rs, const struct record *record, struct err *err)
{
	struct unix_parts own;
	int r = 0;

	if (image_next(rs->image, TAG_UNIX_SOCKET, NULL) == record)
		r = make_datagram_pairs(rs, err);
	if (r < 0 || restore_fd(rs, record->id) >= 0)
		return r;
	(void)unix_parts(rs->image, record->id, &own);
	if (is_needless(rs, &own))
		return 0;
	if (unix_is_new(rs, own.id))
		return make_anew(rs, &own, err);
	if (own.type != SOCK_DGRAM && le32_get(own.rec->state) == UNIX_CONNECTED)
		return make_connected(rs, &own, err);
	return make_single(rs, &own, err);
}
