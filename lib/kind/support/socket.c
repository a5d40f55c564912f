/* What sockets of all families share. See socket.h. */
#include "kind/support/socket.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "restore/open.h"

/* Not in all headers: 6.5 and later. */
enum { NUMBER_PASSPIDFD = 76, NUMBER_RCVPRIORITY = 82, NUMBER_PASSRIGHTS = 83, NUMBER_INQ = 84 };

/* The name of an option is its text. */
#define ROW(name, form, rules)                                                                     \
	{                                                                                          \
		SOL_SOCKET, name, #name, form, rules                                               \
	}

/* In the order in which they are set. SO_INCOMING_CPU changes by itself, but for listening
 * sockets, and SO_REUSEPORT programs cannot be read. */
static const struct socket_option options[] = {
	ROW(SO_DEBUG, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_REUSEADDR, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_REUSEPORT, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_BINDTODEVICE, OPTION_TEXT, OPTION_EARLY),
	ROW(SO_MARK, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_DONTROUTE, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_BROADCAST, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_NO_CHECK, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_SNDBUF, OPTION_BUFFER, OPTION_EARLY | OPTION_GROWS),
	ROW(SO_RCVBUF, OPTION_BUFFER, OPTION_EARLY),
	/* Whether the two were set by the program: others grow by themselves. */
	ROW(SO_BUF_LOCK, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_RESERVE_MEM, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_TXREHASH, OPTION_NUMBER, OPTION_EARLY),
	ROW(SO_PRIORITY, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_LINGER, OPTION_LINGER, OPTION_PLAIN),
	ROW(SO_KEEPALIVE, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_OOBINLINE, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_RCVLOWAT, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_RCVTIMEO, OPTION_TIME, OPTION_PLAIN),
	ROW(SO_SNDTIMEO, OPTION_TIME, OPTION_PLAIN),
	ROW(SO_PASSCRED, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_PASSSEC, OPTION_NUMBER, OPTION_SOFT),
	{ SOL_SOCKET, NUMBER_PASSPIDFD, "SO_PASSPIDFD", OPTION_NUMBER, OPTION_PLAIN },
	{ SOL_SOCKET, NUMBER_PASSRIGHTS, "SO_PASSRIGHTS", OPTION_NUMBER, OPTION_PLAIN },
	{ SOL_SOCKET, NUMBER_RCVPRIORITY, "SO_RCVPRIORITY", OPTION_NUMBER, OPTION_PLAIN },
	{ SOL_SOCKET, NUMBER_INQ, "SO_INQ", OPTION_NUMBER, OPTION_PLAIN },
	ROW(SO_RCVMARK, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_RXQ_OVFL, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_WIFI_STATUS, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_NOFCS, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_SELECT_ERR_QUEUE, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_PREFER_BUSY_POLL, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_BUSY_POLL, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_BUSY_POLL_BUDGET, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_MAX_PACING_RATE, OPTION_LONG, OPTION_PLAIN),
	ROW(SO_ZEROCOPY, OPTION_NUMBER, OPTION_SOFT),
	ROW(SO_TXTIME, OPTION_BYTES, OPTION_SOFT),
	ROW(SO_TIMESTAMP_OLD, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_TIMESTAMP_NEW, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_TIMESTAMPNS_OLD, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_TIMESTAMPNS_NEW, OPTION_NUMBER, OPTION_PLAIN),
	ROW(SO_TIMESTAMPING_OLD, OPTION_BYTES, OPTION_SOFT),
	ROW(SO_TIMESTAMPING_NEW, OPTION_BYTES, OPTION_SOFT),
	ROW(SO_PEEK_OFF, OPTION_NUMBER, OPTION_PLAIN),
	{ .text = NULL },
};

/* ---- dump ---- */

int socket_number(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

bool socket_is(const struct target_fd *fd, int family, int type, int protocol)
{
	if (!S_ISSOCK(fd->stat.st_mode) || fd->flags & O_PATH)
		return false;
	return (family < 0 || socket_number(fd->fd, SO_DOMAIN) == family) &&
	       (type < 0 || socket_number(fd->fd, SO_TYPE) == type) &&
	       (protocol < 0 || socket_number(fd->fd, SO_PROTOCOL) == protocol);
}

static bool is_own_namespace(const struct stat *theirs)
{
	struct stat own;

	return stat("/proc/self/ns/net", &own) == 0 && own.st_ino == theirs->st_ino;
}

/* Without rights over its namespace, the only one that can be told is our own. */
static bool has_own_cookie(int fd)
{
	auto_close int own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookies[2] = { 0 };
	socklen_t size = sizeof(cookies[0]);

	return own >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookies[0], &size) == 0 &&
	       getsockopt(own, SOL_SOCKET, SO_NETNS_COOKIE, &cookies[1], &size) == 0 &&
	       cookies[0] == cookies[1];
}

/* A socket stays in the network namespace that it was made in, wherever it is passed to. */
static bool is_inside(const struct dump *d, int fd)
{
	const struct dump_task *task = NULL;
	auto_close int theirs = ioctl(fd, SIOCGSKNS);
	struct stat wanted;
	struct stat found;

	while ((task = dump_next_task(d, task)) && task->thread_count == 0)
		;
	if (!task || fstatat(task->proc, "ns/net", &wanted, 0) < 0)
		return false;
	/* Of one that only tasks of the container are in. */
	if (d->fd->ns)
		return dump_net_task(d) != NULL;
	if (theirs >= 0 && fstat(theirs, &found) == 0)
		return found.st_ino == wanted.st_ino;
	return is_own_namespace(&wanted) && has_own_cookie(fd);
}

/* The kernel tells an error once, and a message of its error queue too. */
static bool has_error(int fd)
{
	struct pollfd state = { .fd = fd };

	return poll(&state, 1, 0) > 0 && state.revents & POLLERR;
}

/* Appends the filter. The length is in instructions, sk_get_filter() in net/core/filter.c. */
static bool save_filter(struct dump *d, int fd, struct buf *body, uint32_t *ret_count)
{
	socklen_t count = 0;
	socklen_t room;
	char none;

	*ret_count = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &none, &count) < 0) {
		if (errno == EACCES)
			(void)dump_block(d, NULL, "a BPF program on a socket is not supported");
		return errno != EACCES;
	}
	if (count == 0)
		return true;
	room = count;
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER,
		       buf_append(body, NULL, count * sizeof(struct sock_filter)), &room) < 0 ||
	    room != count) {
		(void)dump_block(d, NULL, "the filter of a socket can't be read");
		return false;
	}
	*ret_count = count;
	return true;
}

bool socket_save_fd(struct dump *d, int fd, uint32_t flags, const struct socket_option *own,
		    struct buf *body)
{
	size_t start = body->size;
	struct socket_rec rec = { .flags = le32_make(flags) };
	uint32_t count;

	if (!is_inside(d, fd)) {
		(void)dump_block(d, NULL, "a socket of another network namespace is not supported");
		return false;
	}
	if (has_error(fd)) {
		(void)dump_block(d, "let the program read SO_ERROR or the socket's error queue",
				 "a socket with an error that was not yet read is not supported");
		dump_block_is_momentary(d);
		return false;
	}
	rec.family = le32_make((uint32_t)socket_number(fd, SO_DOMAIN));
	rec.type = le32_make((uint32_t)socket_number(fd, SO_TYPE));
	rec.protocol = le32_make((uint32_t)socket_number(fd, SO_PROTOCOL));
	rec.is_locked = le32_make(socket_number(fd, SO_LOCK_FILTER) > 0);
	(void)buf_append(body, &rec, sizeof(rec));
	socket_options_save(fd, options, body);
	socket_options_save(fd, own, body);
	rec.options = le32_make((uint32_t)(body->size - start - sizeof(rec)));
	if (!save_filter(d, fd, body, &count))
		return false;
	rec.filter = le32_make(count);
	memcpy(body->data + start, &rec, sizeof(rec));
	return true;
}

bool socket_save(struct dump *d, const struct socket_option *own, struct buf *body)
{
	if (file_block_extras(d))
		return false;
	return socket_save_fd(d, d->fd->fd, file_flags(d->fd), own, body);
}

void socket_replace_filter(struct buf *body, size_t start, const void *filter, size_t count)
{
	struct socket_rec rec;

	memcpy(&rec, body->data + start, sizeof(rec));
	body->size -= le32_get(rec.filter) * sizeof(struct sock_filter);
	rec.filter = le32_make((uint32_t)count);
	memcpy(body->data + start, &rec, sizeof(rec));
	if (filter)
		(void)buf_append(body, filter, count * sizeof(struct sock_filter));
}

/* ---- check ---- */

static int check_head(const struct socket_rec *rec, struct err *err)
{
	uint32_t flags = le32_get(rec->flags);

	if (!file_flags_are_valid(flags) || (flags & O_ACCMODE) != O_RDWR)
		return err_set(err, ERR_DAMAGED, "socket: unknown flags %#x", flags);
	if (le32_get(rec->netns) != 0 || le32_get(rec->is_locked) > 1)
		return err_set(err, ERR_DAMAGED, "socket: unknown bits");
	if (le32_get(rec->options) % 8 != 0)
		return err_set(err, ERR_DAMAGED, "socket: options are cut");
	if (le32_get(rec->filter) > BPF_MAXINSNS)
		return err_set(err, ERR_DAMAGED, "socket: a filter of %u instructions",
			       le32_get(rec->filter));
	return 0;
}

int socket_check(struct reader *reader, const struct socket_option *own,
		 const struct socket_rec **ret_socket, struct err *err)
{
	const struct socket_rec *rec = reader_take(reader, sizeof(*rec));
	const void *saved;
	int r;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "socket: %zu bytes", reader_left(reader));
	r = check_head(rec, err);
	if (r < 0)
		return r;
	saved = reader_take(reader, le32_get(rec->options));
	if (!saved || !reader_take(reader, le32_get(rec->filter) * sizeof(struct sock_filter)))
		return err_set(err, ERR_DAMAGED, "socket: options are cut");
	r = socket_options_check(saved, le32_get(rec->options), options, own, err);
	if (r < 0)
		return r;
	*ret_socket = rec;
	return 0;
}

/* ---- restore ---- */

const struct socket_rec *socket_take(struct reader *reader)
{
	const struct socket_rec *rec = reader_take(reader, sizeof(*rec));

	(void)reader_take(reader, le32_get(rec->options) +
				      le32_get(rec->filter) * sizeof(struct sock_filter));
	return rec;
}

int socket_saved_number(const struct socket_rec *socket, int name, int otherwise)
{
	return socket_options_number(socket + 1, le32_get(socket->options), SOL_SOCKET, name,
				     otherwise);
}

int socket_make(const struct socket_rec *rec, int *ret_fd, struct err *err)
{
	int type = (int)le32_get(rec->type) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = socket((int)le32_get(rec->family), type, (int)le32_get(rec->protocol));

	if (fd < 0)
		return err_set(err, -errno, "create a socket");
	*ret_fd = fd;
	return 0;
}

/* The limits on sizes are the host's; only its root goes beyond. What grows by itself needs no
 * note. */
static void force_buffer(struct restore *rs, int fd, const struct socket_rec *socket, int name,
			 int force, int lock)
{
	int saved = socket_saved_number(socket, name, 0);
	int now = socket_number(fd, name);
	int half = saved / 2;

	if (saved <= now || !(socket_saved_number(socket, SO_BUF_LOCK, ~0) & lock))
		return;
	if (setsockopt(fd, SOL_SOCKET, force, &half, sizeof(half)) == 0)
		return;
	restore_note(rs, "%s of a socket is %d bytes instead of %d: the host's limit",
		     name == SO_SNDBUF ? "the send buffer" : "the receive buffer", now, saved);
}

static int restore_filter(int fd, const struct socket_rec *socket, struct err *err)
{
	struct sock_fprog program = { .len = (unsigned short)le32_get(socket->filter) };
	int is_locked = 1;
	int r = 0;

	if (program.len > 0) {
		program.filter = mem_copy((const char *)(socket + 1) + le32_get(socket->options),
					  program.len * sizeof(struct sock_filter));
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
			r = err_set(err, -errno, "attach a socket's filter");
		free(program.filter);
		if (r < 0)
			return r;
	}
	if (le32_get(socket->is_locked) &&
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &is_locked, sizeof(is_locked)) < 0)
		return err_set(err, -errno, "lock a socket's filter");
	return 0;
}

int socket_restore_early(struct restore *rs, int fd, const struct socket_rec *socket,
			 const struct socket_option *own, struct err *err)
{
	int one = 1;
	int r;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return err_set(err, -errno, "set SO_REUSEADDR");
	r = socket_options_restore(rs, fd, socket + 1, le32_get(socket->options), options, true,
				   err);
	if (r < 0)
		return r;
	return socket_options_restore(rs, fd, socket + 1, le32_get(socket->options), own, true,
				      err);
}

int socket_restore_options(struct restore *rs, int fd, const struct socket_rec *socket,
			   const struct socket_option *own, struct err *err)
{
	size_t size = le32_get(socket->options);
	int r = socket_options_restore(rs, fd, socket + 1, size, options, false, err);

	if (r == 0)
		r = socket_options_restore(rs, fd, socket + 1, size, own, false, err);
	if (r == 0)
		r = restore_filter(fd, socket, err);
	if (r < 0)
		return r;
	force_buffer(rs, fd, socket, SO_SNDBUF, SO_SNDBUFFORCE, 1);
	force_buffer(rs, fd, socket, SO_RCVBUF, SO_RCVBUFFORCE, 2);
	return restore_status_flags(rs, fd, le32_get(socket->flags), err);
}
