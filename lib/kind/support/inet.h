/* Addresses and options of internet sockets. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "kind/support/socket.h"

RECORDS_BEGIN
struct inet_address_rec {
	le16 family; /* AF_INET, AF_INET6; 0: none */
	le16 port;
	le32 scope;		   /* of a link-local address: the interface */
	unsigned char address[16]; /* of AF_INET, the first four bytes */
};
RECORDS_END
static_assert(sizeof(struct inet_address_rec) == 24, "image format");

union inet_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* ---- dump ---- */

/* What getsockname(2) or getpeername(2) say; no address for a failure. */
struct inet_address_rec inet_local(int fd);
struct inet_address_rec inet_peer(int fd);

/* ---- check ---- */

/* An address of this family, or none. */
bool inet_address_is_valid(const struct inet_address_rec *rec, uint32_t family);
/* A socket of IPv4 or IPv6 with this type and protocol. */
int inet_check(const struct socket_rec *socket, uint32_t type, uint32_t protocol, struct err *err);

/* ---- ask ---- */

/* If the port is one of those that an ordinary user of a network may not take. */
void inet_ask_port(struct plan *plan, const struct record *record,
		   const struct inet_address_rec *local);
/* The `ask` of kinds whose own address follows the socket. */
int inet_ask(struct plan *plan, const struct image *image, const struct record *record,
	     struct err *err);

/* ---- restore ---- */

bool inet_address_is_none(const struct inet_address_rec *rec);
/* Neither address nor port: a socket that is not bound. */
bool inet_address_is_unbound(const struct inet_address_rec *rec);
socklen_t inet_address_load(const struct inet_address_rec *rec, union inet_address *ret_address);
/* "127.0.0.1 port 80", for messages. */
struct inet_address_text {
	char text[80];
};
struct inet_address_text inet_address_print(const struct inet_address_rec *rec);
int inet_bind(int fd, const struct inet_address_rec *rec, struct err *err);

/* ---- options, for socket.h ---- */

/* IP and IPv6, for sockets of any protocol. */
extern const struct socket_option inet_options[];
/* Those, and TCP's: of closed and listening sockets, and of connections. */
extern const struct socket_option inet_tcp_options[];
extern const struct socket_option inet_connection_options[];
/* Those, and UDP's. */
extern const struct socket_option inet_udp_options[];
/* Those of raw sockets. */
extern const struct socket_option inet_raw_options[];
