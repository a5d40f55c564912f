/* Makes the addresses, neighbours, routes and rules of a network namespace those of an image: what
 * the kernel has made of itself meanwhile stays if it is the same, else it goes. See net.h. */
#include "kind/support/net.h"

#include <inttypes.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/cleanup.h"

enum { ROUNDS = 8 };

struct matching {
	struct netlink *netlink;
	enum net_item type;
	const void *content;
	size_t size;
	struct buf current; /* items */
};

static const char *name_of(enum net_item type)
{
	switch (type) {
	case NET_ADDRESS_ITEM:
		return "address";
	case NET_ROUTE:
		return "route";
	case NET_RULE:
		return "routing rule";
	default:
		return "neighbour";
	}
}

static size_t full_size(const struct net_view *view)
{
	return view->size + (size_t)((const char *)view->attributes - (const char *)view->rec);
}

static bool contains(const void *content, size_t size, const struct net_view *wanted)
{
	struct reader reader = reader_of(content, size);
	struct net_view view;

	while (net_next(&reader, wanted->type, &view)) {
		if (full_size(&view) == full_size(wanted) &&
		    memcmp(view.rec, wanted->rec, full_size(&view)) == 0)
			return true;
	}
	return false;
}

/* The kernel makes these, and takes them away, with the addresses that they are for: some later,
 * in a worker of its own. */
static bool is_of_kernel(const struct net_view *view)
{
	const struct net_route_rec *rec = view->rec;

	return view->type == NET_ROUTE && rec->protocol == RTPROT_KERNEL &&
	       net_attribute_u32(view->attributes, view->size, RTA_TABLE, 0) == RT_TABLE_LOCAL;
}

/* ---- messages ---- */

/* An address of IPv6 is looked for in the whole network before it may be used. Its owner had done
 * that: `flags` say that it is not to be done again. */
static void begin_address(const struct net_view *view, uint16_t type, uint16_t flags,
			  uint32_t address_flags, struct netlink_message *message)
{
	static const uint16_t without[] = { IFA_FLAGS, 0 };
	const struct net_address_rec *rec = view->rec;
	struct ifaddrmsg header = { .ifa_family = rec->family,
				    .ifa_prefixlen = rec->prefix,
				    .ifa_scope = rec->scope,
				    .ifa_index = le32_get(rec->index) };

	netlink_begin(message, type, flags, &header, sizeof(header));
	net_attributes_put(net_address_attributes, view->attributes, view->size, without, message);
	netlink_put_u32(message, IFA_FLAGS, address_flags);
}

static void begin_route(const struct net_view *view, uint16_t type, uint16_t flags,
			struct netlink_message *message)
{
	const struct net_route_rec *rec = view->rec;
	struct rtmsg header = { .rtm_family = rec->family,
				.rtm_dst_len = rec->destination,
				.rtm_src_len = rec->source,
				.rtm_tos = rec->tos,
				.rtm_protocol = rec->protocol,
				.rtm_scope = rec->scope,
				.rtm_type = rec->type,
				.rtm_flags = le32_get(rec->flags) };

	netlink_begin(message, type, flags, &header, sizeof(header));
	net_attributes_put(net_route_attributes, view->attributes, view->size, NULL, message);
}

/* Without a priority, the kernel would choose one. */
static void begin_rule(const struct net_view *view, uint16_t type, uint16_t flags,
		       struct netlink_message *message)
{
	const struct net_rule_rec *rec = view->rec;
	struct fib_rule_hdr header = { .family = rec->family,
				       .dst_len = rec->destination,
				       .src_len = rec->source,
				       .tos = rec->tos,
				       .action = rec->action,
				       .flags = le32_get(rec->flags) };
	size_t size;

	netlink_begin(message, type, flags, &header, sizeof(header));
	net_attributes_put(net_rule_attributes, view->attributes, view->size, NULL, message);
	if (!net_attribute_find(view->attributes, view->size, FRA_PRIORITY, &size))
		netlink_put_u32(message, FRA_PRIORITY, 0);
}

static void begin_neighbour(const struct net_view *view, uint16_t type, uint16_t flags,
			    struct netlink_message *message)
{
	const struct net_neighbour_rec *rec = view->rec;
	struct ndmsg header = { .ndm_family = rec->family,
				.ndm_ifindex = (int)le32_get(rec->index),
				.ndm_state = rec->state,
				.ndm_flags = rec->flags };

	netlink_begin(message, type, flags, &header, sizeof(header));
	net_attributes_put(net_neighbour_attributes, view->attributes, view->size, NULL, message);
}

/* ---- orders ---- */

static int remove_item(struct netlink *netlink, const struct net_view *view)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;

	switch (view->type) {
	case NET_ADDRESS_ITEM:
		begin_address(view, RTM_DELADDR, 0, 0, &message);
		break;
	case NET_ROUTE:
		begin_route(view, RTM_DELROUTE, 0, &message);
		break;
	case NET_RULE:
		begin_rule(view, RTM_DELRULE, 0, &message);
		break;
	default:
		begin_neighbour(view, RTM_DELNEIGH, 0, &message);
		break;
	}
	return netlink_order(netlink, &message);
}

static int add_address(struct netlink *netlink, const struct net_view *view)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	const struct net_address_rec *rec = view->rec;
	uint32_t flags = net_attribute_u32(view->attributes, view->size, IFA_FLAGS, 0);
	bool is_usable = rec->family == AF_INET6 && !(flags & IFA_F_TENTATIVE);
	int r;

	flags &= ~(uint32_t)IFA_F_TENTATIVE;
	begin_address(view, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
		      is_usable ? flags | IFA_F_NODAD : flags, &message);
	r = netlink_order(netlink, &message);
	if (r < 0 || !is_usable || flags & IFA_F_NODAD)
		return r;
	begin_address(view, RTM_NEWADDR, NLM_F_REPLACE, flags, &message);
	return netlink_order(netlink, &message);
}

static int add_item(struct netlink *netlink, const struct net_view *view)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;

	switch (view->type) {
	case NET_ADDRESS_ITEM:
		return add_address(netlink, view);
	case NET_ROUTE:
		begin_route(view, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &message);
		break;
	case NET_RULE:
		begin_rule(view, RTM_NEWRULE, NLM_F_CREATE, &message);
		break;
	default:
		begin_neighbour(view, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &message);
		break;
	}
	return netlink_order(netlink, &message);
}

/* ---- what is too much, and what is missing ---- */

/* Of a bridge's table, entries that the kernel made for addresses of its ports can stay. */
static void remove_others(const struct matching *matching)
{
	struct reader reader = reader_of(matching->current.data, matching->current.size);
	struct net_view view;

	while (net_next(&reader, matching->type, &view)) {
		const struct net_neighbour_rec *rec = view.rec;

		if (is_of_kernel(&view) ||
		    (matching->type == NET_NEIGHBOUR && rec->family == AF_BRIDGE))
			continue;
		if (!contains(matching->content, matching->size, &view))
			(void)remove_item(matching->netlink, &view);
	}
}

static int explain(const struct matching *matching, const struct net_view *view, int r,
		   struct err *err)
{
	uint32_t index = net_attribute_u32(view->attributes, view->size, RTA_OIF, 0);
	const char *words = netlink_words(matching->netlink);
	char name[IF_NAMESIZE] = "";

	if (view->type == NET_RULE)
		index = 0;
	else if (view->type != NET_ROUTE)
		index = le32_get(*(const le32 *)view->rec);
	if (index != 0 && if_indextoname(index, name))
		return err_set(err, r, "add a %s on network interface %s%s%s%s",
			       name_of(view->type), name, *words ? " (" : "", words,
			       *words ? ")" : "");
	return err_set(err, r, "add a %s%s%s%s", name_of(view->type), *words ? " (" : "", words,
		       *words ? ")" : "");
}

/* Adds what is missing. A route may need another one that stands behind it: those that failed are
 * left to the next round, as long as one of them does better. */
static int add_round(struct matching *matching, size_t *ret_added, struct err *err)
{
	struct reader reader = reader_of(matching->content, matching->size);
	struct net_view view;
	int failure = 0;

	*ret_added = 0;
	while (net_next(&reader, matching->type, &view)) {
		int r;

		if (is_of_kernel(&view) ||
		    contains(matching->current.data, matching->current.size, &view))
			continue;
		r = add_item(matching->netlink, &view);
		if (r == 0)
			(*ret_added)++;
		else if (r != -EEXIST && failure == 0)
			failure = explain(matching, &view, r, err);
	}
	return failure;
}

static int list_current(struct matching *matching, struct err *err)
{
	auto_buf struct buf ignored = BUF_EMPTY;
	struct net_saving now = { .content = &matching->current, .blockers = &ignored };

	buf_clear(&matching->current);
	return net_list(matching->netlink, matching->type, &now, err);
}

int net_match(struct netlink *netlink, enum net_item type, const void *content, size_t size,
	      struct err *err)
{
	struct matching matching = { .netlink = netlink,
				     .type = type,
				     .content = content,
				     .size = size,
				     .current = BUF_EMPTY };
	size_t added = 1;
	int r = list_current(&matching, err);

	if (r == 0)
		remove_others(&matching);
	for (int i = 0; r == 0 && i < ROUNDS && added > 0; i++) {
		struct err failure = ERR_NONE;

		r = list_current(&matching, err);
		if (r == 0 && add_round(&matching, &added, &failure) == 0)
			break;
		if (r == 0 && (added == 0 || i == ROUNDS - 1)) {
			*err = failure;
			r = failure.code;
		}
	}
	buf_free(&matching.current);
	return r;
}
