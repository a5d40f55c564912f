/* Addresses, routes, rules and neighbours, as the kernel lists them for the caller's namespace,
 * made into items. See net.h. */
#include "kind/support/net.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/cleanup.h"

enum { CLOCK_TICKS = 100 }; /* USER_HZ: in a second */

struct lister {
	struct net_saving *saving;
	enum net_item type;
	size_t start; /* of the content, and of the items, when this list began */
	size_t start_count;
	struct err *err;
};

/* An item whose attributes are those of a message that the table lists. */
static int add_item(struct lister *lister, const struct nlmsghdr *message, size_t header_size,
		    const struct net_attribute *table, const void *rec, size_t rec_size,
		    struct buf *attributes)
{
	const char *data = (const char *)message + NLMSG_HDRLEN + NLMSG_ALIGN(header_size);
	const char *end = (const char *)message + message->nlmsg_len;
	const char *refused = net_attributes_take(table, data, (size_t)(end - data), attributes);

	if (refused) {
		buf_printf(lister->saving->blockers, "%s with %s is not supported\n",
			   lister->type == NET_ROUTE ? "a route" : "an address", refused);
		return 0;
	}
	return net_add_item(lister->saving, lister->type, rec, rec_size, attributes->data,
			    attributes->size, lister->err);
}

/* ---- addresses ---- */

/* Of the flags, those that can be set, and whether it may be used yet; of the times, those that
 * are left. */
static void settle_address(struct buf *attributes)
{
	const uint32_t kept = IFA_F_NODAD | IFA_F_OPTIMISTIC | IFA_F_HOMEADDRESS |
			      IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN |
			      IFA_F_TENTATIVE;
	size_t size;
	const void *flags =
	    net_attribute_find(attributes->data, attributes->size, IFA_FLAGS, &size);
	const void *times =
	    net_attribute_find(attributes->data, attributes->size, IFA_CACHEINFO, &size);

	if (flags) {
		uint32_t value;
		void *place = attributes->data + ((const char *)flags - attributes->data);

		memcpy(&value, flags, sizeof(value));
		value &= kept;
		memcpy(place, &value, sizeof(value));
	}
	if (times) {
		struct ifa_cacheinfo value;
		void *place = attributes->data + ((const char *)times - attributes->data);

		memcpy(&value, times, sizeof(value));
		value.cstamp = 0;
		value.tstamp = 0;
		memcpy(place, &value, sizeof(value));
	}
}

static int on_address(void *argument, const struct nlmsghdr *message)
{
	struct lister *lister = argument;
	const struct ifaddrmsg *header = netlink_header(message, sizeof(*header));
	auto_buf struct buf attributes = BUF_EMPTY;
	struct net_address_rec rec;

	if (!header || message->nlmsg_type != RTM_NEWADDR ||
	    (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return 0;
	rec = (struct net_address_rec){ .index = le32_make(header->ifa_index),
					.family = header->ifa_family,
					.prefix = header->ifa_prefixlen,
					.scope = header->ifa_scope };
	if (net_attributes_take(
		net_address_attributes, (const char *)header + NLMSG_ALIGN(sizeof(*header)),
		message->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(sizeof(*header)), &attributes)) {
		buf_printf(lister->saving->blockers, "an address of a kind that is not known\n");
		return 0;
	}
	settle_address(&attributes);
	return net_add_item(lister->saving, NET_ADDRESS_ITEM, &rec, sizeof(rec), attributes.data,
			    attributes.size, lister->err);
}

/* ---- routes ---- */

/* The kernel tells the time that is left in one way, and takes it in another. */
static void add_expiry(const struct nlmsghdr *message, struct buf *attributes)
{
	const struct nlattr *info = netlink_find(message, sizeof(struct rtmsg), RTA_CACHEINFO);
	struct net_attribute_rec rec = { .type = le16_make(RTA_EXPIRES), .size = le16_make(4) };
	struct rta_cacheinfo times;
	uint32_t seconds;

	if (!info || netlink_size(info) < sizeof(times))
		return;
	memcpy(&times, netlink_data(info), sizeof(times));
	if ((int32_t)times.rta_expires <= 0)
		return;
	seconds = (times.rta_expires + CLOCK_TICKS - 1) / CLOCK_TICKS;
	(void)buf_append(attributes, &rec, sizeof(rec));
	(void)buf_append(attributes, &seconds, sizeof(seconds));
}

static int on_route(void *argument, const struct nlmsghdr *message)
{
	struct lister *lister = argument;
	const struct rtmsg *header = netlink_header(message, sizeof(*header));
	auto_buf struct buf attributes = BUF_EMPTY;
	struct net_route_rec rec;
	const char *refused;

	if (!header || message->nlmsg_type != RTM_NEWROUTE || header->rtm_flags & RTM_F_CLONED ||
	    (header->rtm_family != AF_INET && header->rtm_family != AF_INET6))
		return 0;
	rec = (struct net_route_rec){
		.family = header->rtm_family,
		.destination = header->rtm_dst_len,
		.source = header->rtm_src_len,
		.tos = header->rtm_tos,
		.protocol = header->rtm_protocol,
		.scope = header->rtm_scope,
		.type = header->rtm_type,
		.flags = le32_make(header->rtm_flags & (RTNH_F_ONLINK | RTNH_F_PERVASIVE)),
	};
	refused =
	    net_attributes_take(net_route_attributes, (const char *)header + sizeof(*header),
				message->nlmsg_len - NLMSG_HDRLEN - sizeof(*header), &attributes);
	if (refused) {
		buf_printf(lister->saving->blockers, "a route with %s is not supported\n", refused);
		return 0;
	}
	add_expiry(message, &attributes);
	return net_add_item(lister->saving, NET_ROUTE, &rec, sizeof(rec), attributes.data,
			    attributes.size, lister->err);
}

/* ---- rules ---- */

static int on_rule(void *argument, const struct nlmsghdr *message)
{
	struct lister *lister = argument;
	const struct fib_rule_hdr *header = netlink_header(message, sizeof(*header));
	auto_buf struct buf attributes = BUF_EMPTY;
	struct net_rule_rec rec;

	if (!header || message->nlmsg_type != RTM_NEWRULE ||
	    (header->family != AF_INET && header->family != AF_INET6))
		return 0;
	rec = (struct net_rule_rec){ .family = header->family,
				     .destination = header->dst_len,
				     .source = header->src_len,
				     .tos = header->tos,
				     .action = header->action,
				     .flags = le32_make(header->flags & FIB_RULE_INVERT) };
	return add_item(lister, message, sizeof(*header), net_rule_attributes, &rec, sizeof(rec),
			&attributes);
}

/* ---- neighbours ---- */

/* What was told by somebody, not learned. */
static bool is_lasting(const struct nlmsghdr *message, const struct ndmsg *header)
{
	if (header->ndm_family == AF_BRIDGE)
		return header->ndm_state & (NUD_PERMANENT | NUD_NOARP) &&
		       !(header->ndm_flags & (NTF_SELF | NTF_EXT_LEARNED)) &&
		       netlink_u32(netlink_find(message, sizeof(*header), NDA_MASTER), 0) !=
			   (uint32_t)header->ndm_ifindex;
	return (header->ndm_family == AF_INET || header->ndm_family == AF_INET6) &&
	       (header->ndm_state & NUD_PERMANENT || header->ndm_flags & NTF_PROXY);
}

static int on_neighbour(void *argument, const struct nlmsghdr *message)
{
	struct lister *lister = argument;
	const struct ndmsg *header = netlink_header(message, sizeof(*header));
	auto_buf struct buf attributes = BUF_EMPTY;
	struct net_neighbour_rec rec;
	uint8_t flags;

	if (!header || message->nlmsg_type != RTM_NEWNEIGH || !is_lasting(message, header))
		return 0;
	flags = header->ndm_flags & (NTF_PROXY | NTF_ROUTER | NTF_STICKY);
	if (header->ndm_family == AF_BRIDGE)
		flags |= NTF_MASTER;
	rec =
	    (struct net_neighbour_rec){ .index = le32_make((uint32_t)header->ndm_ifindex),
					.family = header->ndm_family,
					.flags = flags,
					.state = header->ndm_state & (NUD_PERMANENT | NUD_NOARP) };
	return add_item(lister, message, sizeof(*header), net_neighbour_attributes, &rec,
			sizeof(rec), &attributes);
}

/* ---- the lists ---- */

static void on_again(void *argument)
{
	struct lister *lister = argument;

	lister->saving->content->size = lister->start;
	lister->saving->item_count = lister->start_count;
}

static int ask(struct lister *lister, struct netlink *netlink, uint16_t type, const void *header,
	       size_t size, int (*each)(void *, const struct nlmsghdr *))
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct netlink_reader reader = { .each = each, .again = on_again, .argument = lister };
	int r;

	lister->start = lister->saving->content->size;
	lister->start_count = lister->saving->item_count;
	netlink_begin(&message, type, NLM_F_DUMP, header, size);
	r = netlink_ask(netlink, &message, &reader);
	if (r < 0 && lister->err->code == 0)
		return err_set(lister->err, r, "list what is in the network namespace");
	return r;
}

static int list_neighbours(struct lister *lister, struct netlink *netlink)
{
	static const struct ndmsg questions[] = { { .ndm_family = AF_UNSPEC },
						  { .ndm_flags = NTF_PROXY },
						  { .ndm_family = AF_BRIDGE } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(questions) / sizeof(questions[0]); i++)
		r = ask(lister, netlink, RTM_GETNEIGH, &questions[i], sizeof(questions[i]),
			on_neighbour);
	return r;
}

int net_list(struct netlink *netlink, enum net_item type, struct net_saving *saving,
	     struct err *err)
{
	struct lister lister = { .saving = saving, .type = type, .err = err };

	*err = ERR_NONE;
	switch (type) {
	case NET_ADDRESS_ITEM:
		return ask(&lister, netlink, RTM_GETADDR, &(struct ifaddrmsg){ 0 },
			   sizeof(struct ifaddrmsg), on_address);
	case NET_ROUTE:
		return ask(&lister, netlink, RTM_GETROUTE, &(struct rtmsg){ 0 },
			   sizeof(struct rtmsg), on_route);
	case NET_RULE:
		return ask(&lister, netlink, RTM_GETRULE, &(struct fib_rule_hdr){ 0 },
			   sizeof(struct fib_rule_hdr), on_rule);
	case NET_NEIGHBOUR:
		return list_neighbours(&lister, netlink);
	default:
		return 0;
	}
}
