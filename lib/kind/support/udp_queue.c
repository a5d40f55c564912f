/* Datagrams that were not read. See udp_queue.h. */
#include "kind/support/udp_queue.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/apart.h"

/* ---- dump ---- */

/* Where it was sent to, which is told with this option only. */
static struct inet_address_rec find_target(struct msghdr *message, uint16_t family)
{
	struct inet_address_rec to = { .family = le16_make(0) };

	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		struct in6_pktinfo v6;
		struct in_pktinfo v4;

		if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO &&
		    family == AF_INET) {
			memcpy(&v4, CMSG_DATA(at), sizeof(v4));
			to.family = le16_make(AF_INET);
			memcpy(to.address, &v4.ipi_addr, 4);
		}
		if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO &&
		    family == AF_INET6) {
			memcpy(&v6, CMSG_DATA(at), sizeof(v6));
			to.family = le16_make(AF_INET6);
			memcpy(to.address, &v6.ipi6_addr, 16);
		}
	}
	return to;
}

static struct inet_address_rec sender_of(const union inet_address *address)
{
	struct inet_address_rec rec = { .family = le16_make(address->any.sa_family) };

	if (address->any.sa_family == AF_INET) {
		rec.port = le16_make(ntohs(address->v4.sin_port));
		memcpy(rec.address, &address->v4.sin_addr, 4);
	} else {
		rec.port = le16_make(ntohs(address->v6.sin6_port));
		rec.scope = le32_make(address->v6.sin6_scope_id);
		memcpy(rec.address, &address->v6.sin6_addr, 16);
	}
	return rec;
}

static int save_one(int fd, char *room, struct buf *body)
{
	static const char zeros[8];
	union inet_address address;
	char control[512];
	struct iovec vector = { room, UDP_DATAGRAM_MAX };
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct udp_datagram_rec rec = { .reserved = le32_make(0) };
	ssize_t n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	/* Joined by the kernel, and told where the joints are (UDP_GRO). */
	if (message.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	rec.from = sender_of(&address);
	rec.to = find_target(&message, address.any.sa_family);
	rec.length = le32_make((uint32_t)n);
	(void)buf_append(body, &rec, sizeof(rec));
	(void)buf_append(body, room, (size_t)n);
	(void)buf_append(body, zeros, (8 - (size_t)n % 8) % 8);
	return 0;
}

/* Every peek moves the offset behind what it has seen. */
static int save_all(int fd, struct buf *body, uint32_t *count)
{
	auto_free char *room = mem_alloc(UDP_DATAGRAM_MAX, 1);
	int r = 0;

	while (r == 0 && *count < UDP_QUEUE_MAX) {
		r = save_one(fd, room, body);
		*count += r == 0;
	}
	return r == -EAGAIN ? 0 : r;
}

/* Options are switched on for as long as it takes. */
static int peek_all(void *argument, struct buf *output)
{
	int fd = *(const int *)argument;
	bool is_v6 = socket_number(fd, SO_DOMAIN) == AF_INET6;
	int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int name = is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO;
	int offset = socket_number(fd, SO_PEEK_OFF);
	socklen_t size = sizeof(int);
	uint32_t count = 0;
	int start = 0;
	int one = 1;
	int tells;
	int r;

	(void)buf_append(output, &count, sizeof(count));
	if (getsockopt(fd, level, name, &tells, &size) < 0 ||
	    setsockopt(fd, level, name, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start)) < 0)
		return -errno;
	r = save_all(fd, output, &count);
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
	(void)setsockopt(fd, level, name, &tells, sizeof(tells));
	memcpy(output->data, &count, sizeof(count));
	return r;
}

int udp_queue_save(int fd, struct buf *body, uint32_t *ret_count)
{
	auto_buf struct buf output = BUF_EMPTY;
	int r = run_apart(peek_all, &fd, &output);

	if (r < 0)
		return r;
	memcpy(ret_count, output.data, sizeof(*ret_count));
	(void)buf_append(body, output.data + sizeof(*ret_count), output.size - sizeof(*ret_count));
	return 0;
}

/* ---- check ---- */

int udp_queue_check(struct reader *reader, uint32_t count, struct err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct udp_datagram_rec *rec = reader_take(reader, sizeof(*rec));
		uint32_t length = rec ? le32_get(rec->length) : 0;
		uint32_t family = rec ? le16_get(rec->from.family) : 0;

		if (!rec || length > UDP_DATAGRAM_MAX || le32_get(rec->reserved) != 0 ||
		    !reader_take(reader, (length + 7) & ~7u))
			return err_set(err, ERR_DAMAGED, "sock_udp: datagrams are cut");
		if ((family != AF_INET && family != AF_INET6) ||
		    !inet_address_is_valid(&rec->from, family) ||
		    !inet_address_is_valid(&rec->to, family))
			return err_set(err, ERR_DAMAGED, "sock_udp: impossible address");
	}
	return 0;
}

/* ---- restore ---- */

struct forger {
	int v4, v6; /* raw sockets, -1 until they are needed */
	uint16_t port;
};

static uint32_t add_words(uint32_t sum, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum == 0xffff ? 0xffff : ~sum);
}

static struct udphdr make_header(const struct udp_datagram_rec *rec, uint16_t port)
{
	return (struct udphdr){
		.source = htons(le16_get(rec->from.port)),
		.dest = htons(port),
		.len = htons((uint16_t)(sizeof(struct udphdr) + le32_get(rec->length))),
	};
}

static int raw_socket(int *fd, int family)
{
	if (*fd < 0)
		*fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	return *fd < 0 ? -errno : 0;
}

/* Without a checksum, which IPv4 allows. */
static int send_v4(struct forger *forger, const struct udp_datagram_rec *rec)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct udphdr udp = make_header(rec, forger->port);
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct iovec parts[3] = { { &ip, sizeof(ip) },
				  { &udp, sizeof(udp) },
				  { (void *)(uintptr_t)(rec + 1), le32_get(rec->length) } };
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 3
	};
	int r = raw_socket(&forger->v4, AF_INET);

	if (!inet_address_is_none(&rec->to))
		memcpy(&to.sin_addr, rec->to.address, 4);
	memcpy(&ip.saddr, rec->from.address, 4);
	memcpy(&ip.daddr, &to.sin_addr, 4);
	ip.tot_len = htons((uint16_t)(sizeof(ip) + sizeof(udp) + le32_get(rec->length)));
	if (r == 0 && sendmsg(forger->v4, &message, MSG_DONTWAIT) < 0)
		return -errno;
	return r;
}

static int send_v6(struct forger *forger, const struct udp_datagram_rec *rec)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct udphdr udp = make_header(rec, forger->port);
	uint32_t length = (uint32_t)sizeof(udp) + le32_get(rec->length);
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28),
			      .ip6_plen = htons((uint16_t)length),
			      .ip6_nxt = IPPROTO_UDP,
			      .ip6_hlim = 64 };
	struct iovec parts[3] = { { &ip, sizeof(ip) },
				  { &udp, sizeof(udp) },
				  { (void *)(uintptr_t)(rec + 1), le32_get(rec->length) } };
	struct msghdr message = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 3
	};
	uint32_t sum = IPPROTO_UDP + length;
	int r = raw_socket(&forger->v6, AF_INET6);

	if (!inet_address_is_none(&rec->to))
		memcpy(&to.sin6_addr, rec->to.address, 16);
	to.sin6_scope_id = le32_get(rec->from.scope);
	memcpy(&ip.ip6_src, rec->from.address, 16);
	memcpy(&ip.ip6_dst, &to.sin6_addr, 16);
	sum = add_words(sum, &ip.ip6_src, 32);
	sum = add_words(sum, &udp, sizeof(udp));
	udp.check = htons(fold(add_words(sum, rec + 1, le32_get(rec->length))));
	if (r == 0 && sendmsg(forger->v6, &message, MSG_DONTWAIT) < 0)
		return -errno;
	return r;
}

static bool is_mapped(const struct udp_datagram_rec *rec)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)rec->from.address);
}

static int send_one(struct forger *forger, const struct udp_datagram_rec *rec)
{
	auto_free struct udp_datagram_rec *copy = NULL;

	if (le16_get(rec->from.family) == AF_INET)
		return send_v4(forger, rec);
	if (!is_mapped(rec))
		return send_v6(forger, rec);
	copy = mem_copy(rec, sizeof(*rec) + le32_get(rec->length));
	memcpy(copy->from.address, rec->from.address + 12, 4);
	memcpy(copy->to.address, rec->to.address + 12, 4);
	return send_v4(forger, copy);
}

static int send_all(struct forger *forger, struct reader *reader, uint32_t count, struct err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct udp_datagram_rec *rec = reader_take(reader, sizeof(*rec));
		int r;

		(void)reader_take(reader, (le32_get(rec->length) + 7) & ~7u);
		r = send_one(forger, rec);
		if (r < 0)
			return err_set(err, r, "send a datagram again");
	}
	return 0;
}

/* SO_MEMINFO counts what found no room. */
static uint32_t dropped(int fd)
{
	uint32_t numbers[9] = { 0 };
	socklen_t size = sizeof(numbers);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers, &size) < 0 ? 0 : numbers[8];
}

/* Any port, for the time being: the datagrams of others do not come here, nor these to others. */
static int take_port(int fd, uint16_t *ret_port, struct err *err)
{
	struct inet_address_rec local = inet_local(fd);
	int r = inet_bind(fd, &local, err);

	if (r < 0)
		return r;
	local = inet_local(fd);
	*ret_port = le16_get(local.port);
	return 0;
}

int udp_queue_restore(struct restore *rs, int fd, struct reader *reader, uint32_t count,
		      struct err *err)
{
	static const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct forger forger = { .v4 = -1, .v6 = -1 };
	int r = take_port(fd, &forger.port, err);

	if (r == 0)
		r = send_all(&forger, reader, count, err);
	drop_fd(&forger.v4);
	drop_fd(&forger.v6);
	if (r < 0)
		return r;
	if (dropped(fd) > 0)
		restore_note(rs, "%u of %u datagrams that a UDP socket had received found no room",
			     dropped(fd), count);
	/* A port that was not asked for is given back. */
	if (connect(fd, &none, sizeof(none)) < 0)
		return err_set(err, -errno, "take a socket's port away");
	return 0;
}
