/* What is in one network namespace: of the container, or of tasks in it.
 *
 * Saving: net_save() makes the content of a record; a child process of ours is in the namespace
 * meanwhile. Restoring: each step works on the namespace of the calling process, in this order:
 *
 *   net_make_links()      of every namespace, so that veth pairs between them come to be
 *   net_restore_links()   of every namespace: settings, sysctls, then they are raised: with both
 *                         ends of a veth up, the kernel makes addresses and routes
 *   net_restore_rest()    of every namespace: addresses, neighbours, routes, rules, and nftables
 *
 * The content is a sequence of items: struct net_item_rec, the item, zeros up to a multiple of 8.
 */
#pragma once

/* In front of the kernel's own headers, which then leave out what it has. */
#include <net/if.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "image/record.h"
#include "kind/kind.h"
#include "kind/support/net_attributes.h"

#define NET_CONTENT_MAX (32u << 20) /* bytes of a namespace in an image */
#define NET_ITEMS_MAX	(1u << 17)

enum net_item {
	NET_LINK = 1,
	NET_ADDRESS_ITEM = 2,
	NET_ROUTE = 3,
	NET_RULE = 4,
	NET_NEIGHBOUR = 5,
	NET_SYSCTL = 6,
	NET_NFTABLES = 7,
	NET_FEATURES = 8,
};

enum net_link_kind {
	NET_LOOPBACK = 1,
	NET_DUMMY = 2,
	NET_IFB = 3,
	NET_BRIDGE = 4,
	NET_VETH = 5,
	NET_VLAN = 6,
};

/* Flags of a link that can be set. */
#define NET_LINK_FLAGS                                                                             \
	(IFF_UP | IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_DYNAMIC | IFF_MULTICAST |           \
	 IFF_PROMISC | IFF_ALLMULTI | IFF_PORTSEL | IFF_AUTOMEDIA)

RECORDS_BEGIN
struct net_item_rec {
	le32 type; /* enum net_item */
	le32 size; /* of the item that follows */
};
struct net_link_rec {
	le32 index;
	le32 kind;	  /* enum net_link_kind */
	le32 flags;	  /* IFF_UP and others that can be set */
	le32 lower;	  /* index of the other end of a veth, or of what a vlan is on; 0: none */
	le32 peer;	  /* of a veth: id of the namespace of its other end; 0: the same */
	le32 master;	  /* index of the bridge that it is a port of; 0: none */
	le32 common_size; /* of the attributes that follow: of every link, */
	le32 data_size;	  /* of its kind, */
	le32 port_size;	  /* of a port of a bridge */
	le32 reserved;
};
struct net_address_rec {
	le32 index;
	unsigned char family; /* AF_INET or AF_INET6 */
	unsigned char prefix;
	unsigned char scope;
	unsigned char reserved;
};
struct net_route_rec {
	unsigned char family;
	unsigned char destination; /* bits of it */
	unsigned char source;
	unsigned char tos;
	unsigned char protocol;
	unsigned char scope;
	unsigned char type;
	unsigned char reserved;
	le32 flags; /* RTNH_F_ONLINK and RTNH_F_PERVASIVE */
};
struct net_rule_rec {
	unsigned char family;
	unsigned char destination; /* bits of it */
	unsigned char source;
	unsigned char tos;
	unsigned char action;
	unsigned char reserved[3];
	le32 flags; /* FIB_RULE_INVERT */
};
struct net_neighbour_rec {
	le32 index;
	unsigned char family; /* AF_INET, AF_INET6 or AF_BRIDGE */
	unsigned char flags;  /* NTF_PROXY, NTF_ROUTER, NTF_MASTER, NTF_STICKY */
	unsigned char type;
	unsigned char state; /* NUD_PERMANENT or NUD_NOARP; 0: none */
};
struct net_sysctl_rec {
	le32 name_size; /* of the path below /proc/sys/net, with its NUL; the value follows */
	le32 value_size;
};
struct net_features_rec {
	le32 index;    /* of an interface */
	le32 reserved; /* names follow, each with + (on) or - in front, and a NUL */
};
RECORDS_END
static_assert(sizeof(struct net_item_rec) == 8, "image format");
static_assert(sizeof(struct net_link_rec) == 40, "image format");
static_assert(sizeof(struct net_address_rec) == 8, "image format");
static_assert(sizeof(struct net_route_rec) == 12, "image format");
static_assert(sizeof(struct net_rule_rec) == 12, "image format");
static_assert(sizeof(struct net_neighbour_rec) == 8, "image format");
static_assert(sizeof(struct net_sysctl_rec) == 8, "image format");
static_assert(sizeof(struct net_features_rec) == 8, "image format");

/* A network namespace of the container: for veth pairs that join two of them. */
struct net_space {
	uint32_t id;	     /* of its object */
	int fd;		     /* borrowed; -1: not there yet */
	const void *content; /* restoring: checked; borrowed */
	size_t size;
};

/* An item of a checked content, and what it is. */
struct net_view {
	enum net_item type;
	const void *rec; /* the struct of its type */
	const void *attributes;
	size_t size; /* of the attributes; of an NET_NFTABLES, of all */
};
/* The next item of `type` (0: any) in a content that was checked. */
bool net_next(struct reader *reader, enum net_item type, struct net_view *ret_view);

/* A link's three lists of attributes. */
struct net_link {
	const struct net_link_rec *rec;
	uint32_t index;
	const void *common, *data, *port;
	size_t common_size, data_size, port_size;
	const char *name;
};
struct net_link net_link_of(const struct net_view *view);
/* Of every kind of link that is supported: its name, and its attributes. */
struct net_link_type {
	const char *name;
	const struct net_attribute *attributes;
};
const struct net_link_type *net_link_type(uint32_t kind);
/* 0 if it is not supported. */
uint32_t net_link_kind(const char *name);

/* ---- dump ---- */

/* Saves the namespace `fd`, and adds its items to `content`; says by dump_block() what cannot be
 * saved. `spaces` are all of the container's. */
int net_save(struct dump *d, int fd, const struct net_space *spaces, size_t space_count,
	     struct buf *content, struct err *err);

/* The parts of it, in a child that is in the namespace. Lines in `blockers` end it. */
struct net_saving {
	struct buf *content;
	struct buf *blockers; /* lines */
	size_t item_count;
	const struct net_space *spaces; /* NULL: wherever the other ends of veth pairs are */
	const int *nsids; /* of the spaces, as this namespace calls them; -1: not at all */
	size_t space_count;
};
/* Returns less than 0, with err set, when there is more than an image may hold. */
int net_add_item(struct net_saving *saving, enum net_item type, const void *rec, size_t rec_size,
		 const void *rest, size_t rest_size, struct err *err);
int net_save_links(struct net_saving *saving, struct netlink *netlink, struct err *err);
/* Of the links that are in the content. */
int net_save_features(struct net_saving *saving, struct err *err);
int net_save_tables(struct net_saving *saving, struct netlink *netlink, struct err *err);
int net_save_sysctls(struct net_saving *saving, struct err *err);
int net_save_nftables(struct net_saving *saving, struct err *err);
/* What is there, and not supported. */
int net_find_others(struct net_saving *saving, struct netlink *netlink, struct err *err);
/* Items of one type as they are in the namespace of the caller, in the order of the kernel. */
int net_list(struct netlink *netlink, enum net_item type, struct net_saving *saving,
	     struct err *err);

/* ---- check ---- */

/* Hostile bytes. */
int net_check(const void *content, size_t size, struct err *err);
bool net_sysctl_is_valid(const char *name, const char *value);
int net_check_features(const char *text, size_t size, struct err *err);
int net_check_nftables(const void *declared, size_t size, struct err *err);

/* ---- restore ---- */

int net_make_links(struct restore *rs, const void *content, size_t size,
		   const struct net_space *spaces, size_t space_count, struct err *err);
int net_restore_links(struct restore *rs, const void *content, size_t size, struct err *err);
int net_restore_rest(struct restore *rs, const void *content, size_t size, struct err *err);

/* The parts of it. */
int net_set_links(struct netlink *netlink, const void *content, size_t size, struct err *err);
/* Brings links up, in the order in which they were made. */
int net_raise_links(struct netlink *netlink, const void *content, size_t size, struct err *err);
/* Makes the items of `type` in the namespace those that are in the content. */
int net_match(struct netlink *netlink, enum net_item type, const void *content, size_t size,
	      struct err *err);
/* With `is_late`, those that make addresses; else all others. `rs` takes the notes. */
int net_restore_sysctls(struct restore *rs, const void *content, size_t size, bool is_late,
			struct err *err);
/* `rs` takes the notes. */
void net_restore_features(struct restore *rs, const void *content, size_t size);
int net_restore_nftables(const void *content, size_t size, struct err *err);

/* ---- a child process of ours ---- */

/* Runs `work` in a child, in the network namespace `fd` (-1: the caller's), which gives back what
 * it appends to `ret_answer`. Returns what the work returned. */
int net_child(int fd, int (*work)(void *argument, struct buf *answer, struct err *err),
	      void *argument, struct buf *ret_answer, struct err *err);
