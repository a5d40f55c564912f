/* Netlink sockets: a protocol, a port, groups and options. What the kernel has said, and the
 * program has not read, cannot be said again. */
#include "kind/support/socket.h"

#include <inttypes.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "dump/dump.h"

extern const struct kind kind_sock_netlink;

enum { GROUP_WORDS_MAX = 64, PROTOCOL_MAX = 31, LINE_FIELDS = 10 };

RECORDS_BEGIN
struct netlink_socket_rec {
	le32 port; /* 0: it has none */
	le32 peer; /* port that it is connected to */
	le32 peer_groups;
	le32 words; /* of 32 bits that follow, and zeros up to a multiple of 8: its groups */
};
RECORDS_END
static_assert(sizeof(struct netlink_socket_rec) == 16, "image format");

#define ROW(name)                                                                                  \
	{                                                                                          \
		SOL_NETLINK, name, #name, OPTION_NUMBER, OPTION_PLAIN                              \
	}

static const struct socket_option options[] = {
	ROW(NETLINK_PKTINFO),	     ROW(NETLINK_BROADCAST_ERROR),
	ROW(NETLINK_NO_ENOBUFS),     ROW(NETLINK_LISTEN_ALL_NSID),
	ROW(NETLINK_CAP_ACK),	     ROW(NETLINK_EXT_ACK),
	ROW(NETLINK_GET_STRICT_CHK), { .text = NULL },
};

static bool sock_netlink_match(const struct target_fd *fd)
{
	return socket_is(fd, AF_NETLINK, -1, -1);
}

/* ---- dump ---- */

/* A line of /proc/net/netlink: the 8th field is the list that it is in the middle of, the last the
 * inode. */
static bool line_is_listing(const char *line, ino_t inode)
{
	uint64_t fields[LINE_FIELDS] = { 0 };

	for (size_t i = 0; i < LINE_FIELDS; i++) {
		/* A pointer, and groups, are hexadecimal; the port may be negative. */
		int base = i == 0 || i == 3 ? 16 : 10;

		scan_blanks(&line);
		(void)scan_char(&line, '-');
		if (!scan_number(&line, base, UINT64_MAX, &fields[i]))
			return false;
	}
	return fields[9] == inode && fields[6] != 0;
}

static int is_listing(const struct dump *d, bool *ret_is_listing, struct err *err)
{
	const struct dump_task *task = dump_net_task(d);
	auto_buf struct buf text = BUF_EMPTY;
	int r = task ? procfs_read(task->proc, "net/netlink", &text, err) : 0;

	for (const char *line = text.data; r == 0 && line && *line;) {
		*ret_is_listing = *ret_is_listing || line_is_listing(line, d->fd->stat.st_ino);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return r;
}

static bool has_message(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) >= 0;
}

static int save_addresses(int fd, struct netlink_socket_rec *rec, struct err *err)
{
	struct sockaddr_nl local;
	struct sockaddr_nl peer;
	socklen_t local_size = sizeof(local);
	socklen_t peer_size = sizeof(peer);

	if (getsockname(fd, (struct sockaddr *)&local, &local_size) < 0 ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_size) < 0)
		return err_set(err, -errno, "ask for the addresses of a netlink socket");
	rec->port = le32_make(local.nl_pid);
	rec->peer = le32_make(peer.nl_pid);
	rec->peer_groups = le32_make(peer.nl_groups);
	return 0;
}

/* The kernel tells how much room they take. */
static int save_groups(int fd, struct netlink_socket_rec *rec, struct buf *body, struct err *err)
{
	uint32_t groups[GROUP_WORDS_MAX] = { 0 };
	socklen_t size = sizeof(groups);
	size_t count;

	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size) < 0)
		return err_set(err, -errno, "ask for the groups of a netlink socket");
	if (size > sizeof(groups))
		return err_set(err, ERR_HOST, "this kernel has more groups of netlink than known");
	for (count = size / sizeof(groups[0]); count > 0 && groups[count - 1] == 0;)
		count--;
	rec->words = le32_make((uint32_t)count);
	(void)buf_append(body, rec, sizeof(*rec));
	for (size_t i = 0; i < count; i++) {
		le32 word = le32_make(groups[i]);

		(void)buf_append(body, &word, sizeof(word));
	}
	buf_align(body, 8);
	return 0;
}

static int sock_netlink_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct netlink_socket_rec rec = { .port = le32_make(0) };
	bool is_busy = false;
	int r = is_listing(d, &is_busy, err);

	if (r < 0)
		return r;
	if (is_busy || has_message(d->fd->fd)) {
		(void)dump_block(d, "let the program read them",
				 "messages in the queue of a netlink socket");
		dump_block_is_momentary(d);
		return 0;
	}
	if (!socket_save(d, options, &body))
		return 0;
	r = save_addresses(d->fd->fd, &rec, err);
	if (r == 0)
		r = save_groups(d->fd->fd, &rec, &body, err);
	if (r < 0)
		return r;
	dump_record(d, d->fd->id, &kind_sock_netlink, body.data, body.size);
	return 0;
}

/* ---- check ---- */

static int check_groups(struct reader *reader, uint32_t count, struct err *err)
{
	const le32 *words = reader_take(reader, (count + count % 2) * sizeof(*words));

	if (!words || reader_left(reader) != 0)
		return err_set(err, ERR_DAMAGED, "sock_netlink: groups are cut");
	if ((count > 0 && le32_get(words[count - 1]) == 0) ||
	    (count % 2 && le32_get(words[count]) != 0))
		return err_set(err, ERR_DAMAGED, "sock_netlink: impossible groups");
	return 0;
}

static int sock_netlink_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct socket_rec *socket;
	const struct netlink_socket_rec *rec;
	int r = socket_check(&reader, options, &socket, err);

	if (r < 0)
		return r;
	if (le32_get(socket->family) != AF_NETLINK ||
	    (le32_get(socket->type) != SOCK_RAW && le32_get(socket->type) != SOCK_DGRAM) ||
	    le32_get(socket->protocol) > PROTOCOL_MAX)
		return err_set(err, ERR_DAMAGED, "sock_netlink: impossible type");
	rec = reader_take(&reader, sizeof(*rec));
	if (!rec || le32_get(rec->words) > GROUP_WORDS_MAX)
		return err_set(err, ERR_DAMAGED, "sock_netlink: %zu bytes", length);
	return check_groups(&reader, le32_get(rec->words), err);
}

/* ---- restore ---- */

static int join(int fd, const le32 *words, size_t count, struct err *err)
{
	for (uint32_t i = 0; i < count * 32; i++) {
		int group = (int)i + 1;

		if (le32_get(words[i / 32]) >> i % 32 & 1 &&
		    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return err_set(err, -errno, "join group %d of netlink", group);
	}
	return 0;
}

static int set_addresses(int fd, const struct netlink_socket_rec *rec, struct err *err)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK, .nl_pid = le32_get(rec->port) };
	struct sockaddr_nl peer = { .nl_family = AF_NETLINK,
				    .nl_pid = le32_get(rec->peer),
				    .nl_groups = le32_get(rec->peer_groups) };

	if (local.nl_pid && bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		return err_set(err, -errno, "bind a netlink socket to port %" PRIu32, local.nl_pid);
	if ((peer.nl_pid || peer.nl_groups) &&
	    connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0)
		return err_set(err, -errno, "connect a netlink socket");
	return 0;
}

static int sock_netlink_restore(struct restore *rs, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	const struct socket_rec *socket = socket_take(&reader);
	const struct netlink_socket_rec *rec = reader_take(&reader, sizeof(*rec));
	auto_close int fd = -1;
	int r = socket_make(socket, &fd, err);

	if (r == 0)
		r = socket_restore_early(rs, fd, socket, options, err);
	if (r == 0)
		r = set_addresses(fd, rec, err);
	if (r == 0)
		r = join(fd, reader.at == reader.end ? NULL : (const void *)reader.at,
			 le32_get(rec->words), err);
	if (r == 0)
		r = socket_restore_options(rs, fd, socket, options, err);
	if (r < 0)
		return err_wrap(err, "protocol %" PRIu32, le32_get(socket->protocol));
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_sock_netlink = {
	.name = "sock_netlink",
	.summary = "netlink sockets, without what was not read from them",
	.tag = TAG('S', 'N', 'L', 'K'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = sock_netlink_match,
	.dump = sock_netlink_dump,
	.check = sock_netlink_check,
	.restore = sock_netlink_restore,
};
