/* Attributes of what is in a network namespace, as records keep them: of those in a netlink message
 * that a table lists, in the table's order, so that two equal objects have equal bytes. Nothing
 * that is not in the table goes from a message to a record, or from a record to a message.
 *
 * In a record an attribute is a struct net_attribute_rec, its value, and zeros up to a multiple
 * of 4. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/netlink.h"
#include "image/record.h"

/* What a value must be. */
enum net_form {
	NET_END,      /* of the table */
	NET_BYTES,    /* of just this size: numbers too, in the byte order that netlink has them */
	NET_ADDRESS,  /* 4 or 16 bytes */
	NET_HARDWARE, /* 1 to 32 */
	NET_NAME,     /* of an interface */
	NET_TEXT,     /* of at most this size, with its NUL; without control characters */
	NET_NEST,     /* attributes */
	NET_PATHS,    /* of a route: struct rtnexthop, each with attributes */
	NET_REFUSED,  /* what is not supported: the table says what it is */
};

struct net_attribute {
	uint16_t type;
	uint16_t form; /* enum net_form */
	uint32_t size;
	const struct net_attribute *nested;
	const char *refusal; /* for NET_REFUSED */
};

RECORDS_BEGIN
struct net_attribute_rec {
	le16 type;
	le16 size; /* of the value */
};
struct net_path_rec {
	le32 index;	      /* of the interface; 0: none */
	le16 size;	      /* of the attributes that follow */
	unsigned char flags;  /* RTNH_F_ONLINK and RTNH_F_PERVASIVE */
	unsigned char weight; /* less 1 */
};
RECORDS_END
static_assert(sizeof(struct net_attribute_rec) == 4, "image format");
static_assert(sizeof(struct net_path_rec) == 8, "image format");

/* What a name of an interface may be, dev_valid_name() in net/core/dev.c. */
bool net_name_is_valid(const char *name, size_t size);

/* Adds those attributes of `data` that are in the table. Returns NULL, or what is refused. */
const char *net_attributes_take(const struct net_attribute *table, const void *data, size_t size,
				struct buf *out);
/* Hostile bytes: are they what net_attributes_take() makes? */
bool net_attributes_are_valid(const struct net_attribute *table, const void *bytes, size_t size);
/* Puts checked ones into a message, but for those that `without` lists, which ends with 0; NULL:
 * all. */
void net_attributes_put(const struct net_attribute *table, const void *bytes, size_t size,
			const uint16_t *without, struct netlink_message *message);
/* Likewise, without those that have the same value among the `now`. False: there are none. */
bool net_attributes_put_changes(const struct net_attribute *table, const void *bytes, size_t size,
				const void *now, size_t now_size, const uint16_t *without,
				struct netlink_message *message);
/* The value of a checked attribute; NULL if it is not there. */
const void *net_attribute_find(const void *bytes, size_t size, uint16_t type, size_t *ret_size);
uint32_t net_attribute_u32(const void *bytes, size_t size, uint16_t type, uint32_t otherwise);

/* net_tables.c */
extern const struct net_attribute net_link_attributes[];
extern const struct net_attribute net_bridge_attributes[];
extern const struct net_attribute net_vlan_attributes[];
extern const struct net_attribute net_port_attributes[];
extern const struct net_attribute net_no_attributes[];
extern const struct net_attribute net_address_attributes[];
extern const struct net_attribute net_route_attributes[];
extern const struct net_attribute net_rule_attributes[];
extern const struct net_attribute net_neighbour_attributes[];
