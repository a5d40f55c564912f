/* Addresses of internet sockets. See inet.h. */
#include "kind/support/inet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static struct inet_address_rec save(const union inet_address *address)
{
	struct inet_address_rec rec = { .family = le16_make(address->any.sa_family) };

	switch (address->any.sa_family) {
	case AF_INET:
		rec.port = le16_make(ntohs(address->v4.sin_port));
		memcpy(rec.address, &address->v4.sin_addr, 4);
		break;
	case AF_INET6:
		rec.port = le16_make(ntohs(address->v6.sin6_port));
		rec.scope = le32_make(address->v6.sin6_scope_id);
		memcpy(rec.address, &address->v6.sin6_addr, 16);
		break;
	default:
		rec.family = le16_make(0);
	}
	return rec;
}

struct inet_address_rec inet_local(int fd)
{
	union inet_address address = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof(address);

	(void)getsockname(fd, &address.any, &size);
	return save(&address);
}

struct inet_address_rec inet_peer(int fd)
{
	union inet_address address = { .any.sa_family = AF_UNSPEC };
	socklen_t size = sizeof(address);

	(void)getpeername(fd, &address.any, &size);
	return save(&address);
}

bool inet_address_is_none(const struct inet_address_rec *rec)
{
	return le16_get(rec->family) == 0;
}

static bool is_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

bool inet_address_is_unbound(const struct inet_address_rec *rec)
{
	return le16_get(rec->port) == 0 && is_zero(rec->address, sizeof(rec->address));
}

bool inet_address_is_valid(const struct inet_address_rec *rec, uint32_t family)
{
	if (inet_address_is_none(rec))
		return inet_address_is_unbound(rec) && le32_get(rec->scope) == 0;
	if (le16_get(rec->family) != family)
		return false;
	return family == AF_INET6 || (le32_get(rec->scope) == 0 && is_zero(rec->address + 4, 12));
}

int inet_check(const struct socket_rec *socket, uint32_t type, uint32_t protocol, struct err *err)
{
	uint32_t family = le32_get(socket->family);

	if (family != AF_INET && family != AF_INET6)
		return err_set(err, ERR_DAMAGED, "socket: family %u", family);
	if (le32_get(socket->type) != type || le32_get(socket->protocol) != protocol)
		return err_set(err, ERR_DAMAGED, "socket: type %u, protocol %u",
			       le32_get(socket->type), le32_get(socket->protocol));
	return 0;
}

socklen_t inet_address_load(const struct inet_address_rec *rec, union inet_address *ret_address)
{
	union inet_address address;

	memset(&address, 0, sizeof(address));
	address.any.sa_family = le16_get(rec->family);
	if (le16_get(rec->family) == AF_INET) {
		address.v4.sin_port = htons(le16_get(rec->port));
		memcpy(&address.v4.sin_addr, rec->address, 4);
	} else {
		address.v6.sin6_port = htons(le16_get(rec->port));
		address.v6.sin6_scope_id = le32_get(rec->scope);
		memcpy(&address.v6.sin6_addr, rec->address, 16);
	}
	*ret_address = address;
	return le16_get(rec->family) == AF_INET ? sizeof(address.v4) : sizeof(address.v6);
}

struct inet_address_text inet_address_print(const struct inet_address_rec *rec)
{
	struct inet_address_text text = { "no address" };
	char name[INET6_ADDRSTRLEN];

	if (!inet_address_is_none(rec) &&
	    inet_ntop(le16_get(rec->family), rec->address, name, sizeof(name)))
		(void)snprintf(text.text, sizeof(text.text), "%s port %u", name,
			       le16_get(rec->port));
	return text;
}

int inet_bind(int fd, const struct inet_address_rec *rec, struct err *err)
{
	union inet_address address;
	socklen_t size = inet_address_load(rec, &address);
	int r;

	if (bind(fd, &address.any, size) == 0)
		return 0;
	r = err_set(err, -errno, "give a socket the address %s", inet_address_print(rec).text);
	if (r == -EADDRNOTAVAIL)
		(void)err_hint(err, "the container's new network does not have this address");
	return r;
}

/* ip_unprivileged_port_start of a fresh network. */
#define LOW_PORTS 1024u

void inet_ask_port(struct plan *plan, const struct record *record,
		   const struct inet_address_rec *local)
{
	uint16_t port = le16_get(local->port);
	struct inet_address_text text = inet_address_print(local);

	if (port != 0 && port < LOW_PORTS && !inet_address_is_none(local))
		plan_ask(plan, &(struct question){ .class = CLASS_PORT,
						   .id = record->id,
						   .saved = port,
						   .subject = text.text,
						   .saved_text = "a low port",
						   .invoker_text = "own network" });
}

int inet_ask(struct plan *plan, const struct image *image, const struct record *record,
	     struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);

	(void)image;
	(void)err;
	(void)socket_take(&reader);
	inet_ask_port(plan, record, reader_take(&reader, sizeof(struct inet_address_rec)));
	return 0;
}
