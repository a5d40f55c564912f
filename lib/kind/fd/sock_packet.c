/* Packet sockets: what they listen to, their groups and options. Packets that were not read are
 * lost, as they are when a program does not keep up; a ring of shared memory is not supported. */
#include "kind/support/net.h"

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/grant.h"
#include "kind/support/socket.h"

extern const struct kind kind_sock_packet;

enum { MEMBERS_MAX = 512 };

RECORDS_BEGIN
struct packet_socket_rec {
	le32 index;    /* of a network interface; 0: all */
	le16 protocol; /* in the byte order of the network; 0: it gets no packets */
	le16 reserved;
	le32 fanout;	 /* as PACKET_FANOUT has it */
	le32 members;	 /* groups that follow */
	le32 is_lossy;	 /* 1: there were packets to be read */
	le32 has_fanout; /* 0 or 1 */
};
struct packet_member_rec {
	le32 index;
	le32 count;
	le16 type; /* PACKET_MR_* */
	le16 length;
	unsigned char address[32];
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct packet_socket_rec) == 24, "image format");
static_assert(sizeof(struct packet_member_rec) == 48, "image format");

/* clang-format off */
#define SOCK_PACKET_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, index, CLASS_PACKET) \
	FIELD(rec, protocol, CLASS_PACKET) \
	FIELD(rec, reserved, FIELD_FORM) \
	FIELD(rec, fanout, CLASS_PACKET) \
	FIELD(rec, members, FIELD_FORM) \
	FIELD(rec, is_lossy, FIELD_FREE) \
	FIELD(rec, has_fanout, FIELD_FORM) \
	TAIL(rec, memberships, CLASS_PACKET)
/* clang-format on */
FIELDS_OF(sock_packet, struct packet_socket_rec, SOCK_PACKET_FIELDS);

#define ROW(name, rules)                                                                           \
	{                                                                                          \
		SOL_PACKET, name, #name, OPTION_NUMBER, rules                                      \
	}

static const struct socket_option options[] = {
	ROW(PACKET_VERSION, OPTION_PLAIN),
	ROW(PACKET_AUXDATA, OPTION_PLAIN),
	ROW(PACKET_ORIGDEV, OPTION_PLAIN),
	ROW(PACKET_RESERVE, OPTION_PLAIN),
	ROW(PACKET_LOSS, OPTION_PLAIN),
	ROW(PACKET_VNET_HDR, OPTION_PLAIN),
	ROW(PACKET_TIMESTAMP, OPTION_PLAIN),
	ROW(PACKET_TX_HAS_OFF, OPTION_PLAIN),
	ROW(PACKET_QDISC_BYPASS, OPTION_SOFT),
	ROW(PACKET_IGNORE_OUTGOING, OPTION_PLAIN),
	{ .text = NULL },
};

static bool sock_packet_match(const struct target_fd *fd)
{
	return socket_is(fd, AF_PACKET, -1, -1);
}

/* ---- dump ---- */

struct diagnosis {
	uint32_t inode;
	struct buf *members; /* behind whether it is of a fanout group, a byte */
	bool is_found;
};

static int on_socket(void *argument, const struct nlmsghdr *message)
{
	struct diagnosis *diagnosis = argument;
	const struct packet_diag_msg *header = netlink_header(message, sizeof(*header));
	const struct nlattr *list;
	const struct packet_diag_mclist *entries;

	if (!header || header->pdiag_ino != diagnosis->inode)
		return 0;
	diagnosis->is_found = true;
	*(bool *)diagnosis->members->data =
	    netlink_find(message, sizeof(*header), PACKET_DIAG_FANOUT) != NULL;
	list = netlink_find(message, sizeof(*header), PACKET_DIAG_MCLIST);
	entries = list ? netlink_data(list) : NULL;
	for (size_t i = 0; list && i < netlink_size(list) / sizeof(*entries); i++) {
		struct packet_member_rec rec = { .index = le32_make(entries[i].pdmc_index),
						 .count = le32_make(entries[i].pdmc_count),
						 .type = le16_make(entries[i].pdmc_type),
						 .length = le16_make(entries[i].pdmc_alen) };

		memcpy(rec.address, entries[i].pdmc_addr,
		       entries[i].pdmc_alen <= 32 ? entries[i].pdmc_alen : 32);
		(void)buf_append(diagnosis->members, &rec, sizeof(rec));
	}
	return 0;
}

static int list_members(void *argument, struct buf *members, struct err *err)
{
	struct diagnosis *diagnosis = argument;
	auto_netlink struct netlink *netlink = NULL;
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct packet_diag_req header = { .sdiag_family = AF_PACKET,
					  .pdiag_show = PACKET_SHOW_MCLIST | PACKET_SHOW_FANOUT };
	struct netlink_reader reader = { .each = on_socket, .argument = diagnosis };
	int r = netlink_open(NETLINK_SOCK_DIAG, &netlink);

	if (r < 0)
		return err_set(err, r, "open a netlink socket");
	diagnosis->members = members;
	(void)buf_append(members, NULL, 1);
	netlink_begin(&message, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &header, sizeof(header));
	r = netlink_ask(netlink, &message, &reader);
	/* A list that finds no room in the first answer is left out: the next may be as long as
	 * what was read of that one. */
	if (r == 0 && !diagnosis->is_found)
		r = netlink_ask(netlink, &message, &reader);
	if (r < 0 || !diagnosis->is_found)
		return err_set(err, ERR_HOST,
			       "this kernel does not tell the groups of packet "
			       "sockets (it has no packet_diag)");
	return 0;
}

static int save_members(const struct dump *d, struct packet_socket_rec *rec, struct buf *members,
			struct err *err)
{
	auto_buf struct buf answer = BUF_EMPTY;
	struct diagnosis diagnosis = { .inode = (uint32_t)d->fd->stat.st_ino };
	auto_close int space = ioctl(d->fd->fd, SIOCGSKNS);
	int r;

	if (space < 0)
		space = openat(d->fd->task->proc, "ns/net", O_RDONLY | O_CLOEXEC);
	r = net_child(space, list_members, &diagnosis, &answer, err);
	if (r < 0)
		return r;
	rec->has_fanout = le32_make(answer.data[0] != 0);
	(void)buf_append(members, answer.data + 1, answer.size - 1);
	return 0;
}

/* Room in front of packets can't be changed while there is a ring; to set what it has changes
 * nothing. */
static bool has_ring(int fd)
{
	int reserve = 0;
	socklen_t size = sizeof(reserve);

	return getsockopt(fd, SOL_PACKET, PACKET_RESERVE, &reserve, &size) < 0 ||
	       setsockopt(fd, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve)) < 0;
}

static bool is_program(uint32_t fanout)
{
	uint32_t type = fanout >> 16 & 0xff;

	return type == PACKET_FANOUT_CBPF || type == PACKET_FANOUT_EBPF;
}

/* The reason why it cannot be saved, or NULL. */
static const char *save_place(int fd, struct packet_socket_rec *rec)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	socklen_t size = sizeof(address);
	int fanout = 0;
	socklen_t fanout_size = sizeof(fanout);
	char byte;

	if (socket_number(fd, SO_TYPE) == SOCK_PACKET)
		return "a packet socket of type SOCK_PACKET is not supported";
	if (has_ring(fd))
		return "a packet socket with a ring is not supported";
	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sll_ifindex < 0)
		return "a packet socket of a network interface that is gone is not supported";
	(void)getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, &fanout_size);
	if (is_program((uint32_t)fanout))
		return "a packet socket with a fanout program is not supported";
	rec->index = le32_make((uint32_t)address.sll_ifindex);
	rec->protocol = le16_make(address.sll_protocol);
	rec->fanout = le32_make((uint32_t)fanout);
	rec->is_lossy =
	    le32_make(recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) >= 0);
	return NULL;
}

static int sock_packet_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	auto_buf struct buf members = BUF_EMPTY;
	struct packet_socket_rec rec = { .index = le32_make(0) };
	const char *reason = save_place(d->fd->fd, &rec);
	int r;

	if (reason)
		return dump_block(d, NULL, "%s", reason);
	if (!socket_save(d, options, &body))
		return 0;
	r = save_members(d, &rec, &members, err);
	if (r < 0)
		return r;
	if (members.size > MEMBERS_MAX * sizeof(struct packet_member_rec))
		return dump_block(d, NULL, "a packet socket with more than %d groups", MEMBERS_MAX);
	rec.members = le32_make((uint32_t)(members.size / sizeof(struct packet_member_rec)));
	(void)buf_append(&body, &rec, sizeof(rec));
	if (members.size > 0)
		(void)buf_append(&body, members.data, members.size);
	dump_record(d, d->fd->id, &kind_sock_packet, body.data, body.size);
	return 0;
}

/* ---- check ---- */

static int check_member(const struct packet_member_rec *rec, struct err *err)
{
	if (le32_get(rec->index) > INT32_MAX || le16_get(rec->length) > sizeof(rec->address) ||
	    le16_get(rec->type) > PACKET_MR_UNICAST || le32_get(rec->reserved) ||
	    le32_get(rec->count) == 0 || le32_get(rec->count) > MEMBERS_MAX)
		return err_set(err, ERR_DAMAGED, "sock_packet: impossible group");
	return 0;
}

static int check_place(const struct packet_socket_rec *rec, struct err *err)
{
	if (le32_get(rec->index) > INT32_MAX || le32_get(rec->is_lossy) > 1 ||
	    le16_get(rec->reserved) || le32_get(rec->has_fanout) > 1 ||
	    le32_get(rec->members) > MEMBERS_MAX || is_program(le32_get(rec->fanout)))
		return err_set(err, ERR_DAMAGED, "sock_packet: unknown bits");
	return 0;
}

static int sock_packet_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct socket_rec *socket;
	const struct packet_socket_rec *rec;
	const struct packet_member_rec *member;
	int r = socket_check(&reader, options, &socket, err);

	if (r < 0)
		return r;
	if (le32_get(socket->family) != AF_PACKET || le32_get(socket->protocol) != 0 ||
	    (le32_get(socket->type) != SOCK_RAW && le32_get(socket->type) != SOCK_DGRAM))
		return err_set(err, ERR_DAMAGED, "sock_packet: impossible type");
	rec = reader_take(&reader, sizeof(*rec));
	if (!rec || reader_left(&reader) != (uint64_t)le32_get(rec->members) * sizeof(*member))
		return err_set(err, ERR_DAMAGED, "sock_packet: %zu bytes", length);
	r = check_place(rec, err);
	while (r == 0 && (member = reader_take(&reader, sizeof(*member))))
		r = check_member(member, err);
	return r;
}

/* ---- ask ---- */

static int sock_packet_ask(struct plan *plan, const struct image *image,
			   const struct record *record, struct err *err)
{
	(void)image;
	(void)err;
	plan_ask(plan, &(struct question){ .class = CLASS_PACKET,
					   .id = record->id,
					   .subject = "packet socket",
					   .saved_text = "open",
					   .invoker_text = "own network" });
	return 0;
}

static bool sock_packet_grant(const struct image *image, const struct record *record,
			      struct grant_look *ret_look)
{
	(void)image;
	*ret_look = grant_look_socket(record);
	return true;
}

/* ---- restore ---- */

static int join(int fd, const struct packet_member_rec *rec, struct err *err)
{
	struct {
		struct packet_mreq request;
		unsigned char more[24]; /* the kernel takes addresses longer than the struct's */
	} group = { .request = { .mr_ifindex = (int)le32_get(rec->index),
				 .mr_type = le16_get(rec->type),
				 .mr_alen = le16_get(rec->length) } };

	memcpy((char *)&group + offsetof(struct packet_mreq, mr_address), rec->address,
	       sizeof(rec->address));
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return err_set(err, -errno, "join a group of a packet socket");
	}
	return 0;
}

/* From its binding on it gets packets: so this is the last. */
static int bind_packets(int fd, const struct packet_socket_rec *rec, struct err *err)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = le16_get(rec->protocol),
				       .sll_ifindex = (int)le32_get(rec->index) };
	uint32_t fanout = le32_get(rec->fanout);

	if ((address.sll_protocol || address.sll_ifindex) &&
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, -errno, "bind a packet socket to network interface %d",
			       address.sll_ifindex);
	if (le32_get(rec->has_fanout) &&
	    setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)) < 0)
		return err_set(err, -errno, "join fanout group %u", fanout & 0xffff);
	return 0;
}

static int sock_packet_restore(struct restore *rs, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	const struct socket_rec *socket = socket_take(&reader);
	const struct packet_socket_rec *rec = reader_take(&reader, sizeof(*rec));
	const struct packet_member_rec *member;
	auto_close int fd = -1;
	int r = socket_make(socket, &fd, err);

	if (r == 0)
		r = socket_restore_early(rs, fd, socket, options, err);
	while (r == 0 && (member = reader_take(&reader, sizeof(*member))))
		r = join(fd, member, err);
	if (r == 0)
		r = socket_restore_options(rs, fd, socket, options, err);
	if (r == 0)
		r = bind_packets(fd, rec, err);
	if (r < 0)
		return r;
	if (le32_get(rec->is_lossy))
		restore_note(rs, "packets that a packet socket had received, and its program had "
				 "not read, are lost");
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_sock_packet = {
	.name = "sock_packet",
	.summary = "packet sockets, without packets that were not read",
	.needs = "packet_sockets",
	.tag = TAG('S', 'P', 'K', 'T'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.fields = sock_packet_fields,
	.match = sock_packet_match,
	.dump = sock_packet_dump,
	.check = sock_packet_check,
	.ask = sock_packet_ask,
	.grant = sock_packet_grant,
	.restore = sock_packet_restore,
};
