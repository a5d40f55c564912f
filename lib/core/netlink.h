/* Netlink: questions to the kernel, and orders, in messages of attributes. The door to libmnl.
 *
 * The kernel answers at once: nothing here waits for anybody else. */
#pragma once

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct netlink; /* a socket */

/* NETLINK_ROUTE, NETLINK_NETFILTER, ... Returns a negative errno. */
int netlink_open(int protocol, struct netlink **ret_netlink);
void netlink_free(struct netlink *netlink);
static inline void netlink_cleanup(struct netlink **netlink)
{
	netlink_free(*netlink);
}
#define auto_netlink __attribute__((cleanup(netlink_cleanup)))

/* A message in the making: a header of its type, then attributes. One that grows over its room is
 * not sent: -EMSGSIZE. */
struct netlink_message {
	struct nlmsghdr *header; /* owned; NULL: nothing begun */
	bool is_full;
};
#define NETLINK_MESSAGE_NONE ((struct netlink_message){ .header = NULL })

void netlink_begin(struct netlink_message *message, uint16_t type, uint16_t flags,
		   const void *header, size_t size);
void netlink_put(struct netlink_message *message, uint16_t type, const void *data, size_t size);
void netlink_put_u32(struct netlink_message *message, uint16_t type, uint32_t value);
/* Bytes as they are, without an attribute around them, up to the next multiple of 4. */
void netlink_put_raw(struct netlink_message *message, const void *data, size_t size);
/* What is put until the end is inside of the attribute. */
size_t netlink_nest(struct netlink_message *message, uint16_t type);
void netlink_nest_end(struct netlink_message *message, size_t nest);
void netlink_message_free(struct netlink_message *message);
#define auto_netlink_message __attribute__((cleanup(netlink_message_free)))

/* Sends an order and waits until it is done. Returns a negative errno. */
int netlink_order(struct netlink *netlink, struct netlink_message *message);
/* Sends a question, and calls `each` for every answer until it returns less than 0. `flags` of the
 * message: NLM_F_DUMP for all there are. A list that changed while it was read is asked for again
 * from its beginning: then `again` is called before, if it is not NULL. */
struct netlink_reader {
	int (*each)(void *argument, const struct nlmsghdr *message);
	void (*again)(void *argument);
	void *argument;
};
int netlink_ask(struct netlink *netlink, struct netlink_message *message,
		const struct netlink_reader *reader);
/* What the kernel said of the last failure; "" if nothing. */
const char *netlink_words(const struct netlink *netlink);

/* ---- what is in a message ---- */

/* The header of a type; NULL if the message is too short for it. */
const void *netlink_header(const struct nlmsghdr *message, size_t size);
/* The attribute of a type behind a header of `header_size`; NULL if there is none. */
const struct nlattr *netlink_find(const struct nlmsghdr *message, size_t header_size,
				  uint16_t type);
/* The attribute of a type within another, or within some bytes. */
const struct nlattr *netlink_find_in(const struct nlattr *nest, uint16_t type);
const struct nlattr *netlink_find_bytes(const void *data, size_t size, uint16_t type);
const void *netlink_data(const struct nlattr *attribute);
size_t netlink_size(const struct nlattr *attribute);
/* The value of a u32; `otherwise` if there is no attribute, or of another size. */
uint32_t netlink_u32(const struct nlattr *attribute, uint32_t otherwise);
/* A text that ends with a NUL in its attribute; NULL if it is none. */
const char *netlink_text(const struct nlattr *attribute);
