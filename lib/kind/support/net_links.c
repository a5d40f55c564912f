/* Network interfaces, as they are in the caller's namespace, made into items. See net.h. */
#include "kind/support/net.h"

#include <linux/if_arp.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/cleanup.h"

static const struct net_link_type types[] = {
	[NET_LOOPBACK] = { "lo", net_no_attributes },
	[NET_DUMMY] = { "dummy", net_no_attributes },
	[NET_IFB] = { "ifb", net_no_attributes },
	[NET_BRIDGE] = { "bridge", net_bridge_attributes },
	[NET_VETH] = { "veth", net_no_attributes },
	[NET_VLAN] = { "vlan", net_vlan_attributes },
};

const struct net_link_type *net_link_type(uint32_t kind)
{
	return kind >= NET_LOOPBACK && kind < sizeof(types) / sizeof(types[0]) ? &types[kind]
									       : NULL;
}

uint32_t net_link_kind(const char *name)
{
	for (uint32_t kind = NET_DUMMY; net_link_type(kind); kind++) {
		if (strcmp(types[kind].name, name) == 0)
			return kind;
	}
	return 0;
}

struct net_link net_link_of(const struct net_view *view)
{
	const struct net_link_rec *rec = view->rec;
	const char *at = view->attributes;
	struct net_link link = { .rec = rec, .index = le32_get(rec->index) };
	size_t size;

	link.common = at;
	link.common_size = le32_get(rec->common_size);
	link.data = at + link.common_size;
	link.data_size = le32_get(rec->data_size);
	link.port = at + link.common_size + link.data_size;
	link.port_size = le32_get(rec->port_size);
	link.name = net_attribute_find(link.common, link.common_size, IFLA_IFNAME, &size);
	return link;
}

/* ---- what a message says ---- */

struct message {
	const struct ifinfomsg *header;
	const struct nlmsghdr *netlink;
	const struct nlattr *info;
	const char *name;
	const char *kind; /* NULL: hardware */
};

struct lister {
	struct net_saving *saving;
	struct netlink *netlink;
	size_t start, start_count;
	struct err *err;
};

static const struct nlattr *find(const struct message *message, uint16_t type)
{
	return netlink_find(message->netlink, sizeof(*message->header), type);
}

/* Some modules make one of these in every new namespace: there it is, or is not, after a restore.
 */
static bool is_fallback(const struct message *message)
{
	static const char *const names[] = { "tunl0",	 "gre0", "gretap0", "erspan0", "ip_vti0",
					     "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", NULL };

	if (message->header->ifi_flags & IFF_UP)
		return false;
	for (const char *const *name = names; *name; name++) {
		if (strcmp(*name, message->name) == 0)
			return true;
	}
	return false;
}

static void block(struct lister *lister, const struct message *message, const char *why)
{
	buf_printf(lister->saving->blockers, "network interface %s (%s) %s\n", message->name,
		   message->kind ? message->kind : "a device", why);
}

/* The namespace object where the other end of a veth is; 0 if it is none of the container's. */
static uint32_t find_space(const struct lister *lister, int nsid)
{
	for (size_t i = 0; i < lister->saving->space_count; i++) {
		if (lister->saving->nsids[i] == nsid)
			return lister->saving->spaces[i].id;
	}
	return 0;
}

/* What is fatal to a link of a supported kind. NULL: nothing. */
static const char *find_fault(const struct message *message, uint32_t kind,
			      const struct nlattr *data)
{
	const struct nlattr *xdp = netlink_find_in(find(message, IFLA_XDP), IFLA_XDP_ATTACHED);
	const struct nlattr *filtering = netlink_find_in(data, IFLA_BR_VLAN_FILTERING);
	const char *port = netlink_text(netlink_find_in(message->info, IFLA_INFO_SLAVE_KIND));

	if (xdp && netlink_size(xdp) == 1 && *(const uint8_t *)netlink_data(xdp) != 0)
		return "has an XDP program, which is not supported";
	if (kind == NET_BRIDGE && filtering && *(const uint8_t *)netlink_data(filtering) != 0)
		return "filters VLANs, which is not supported";
	if (find(message, IFLA_MASTER) && (!port || strcmp(port, "bridge") != 0))
		return "is a port of what is no bridge, which is not supported";
	return NULL;
}

/* Of the options of a bridge, those that it has: a kernel knows more of them than another one. */
static void settle_options(struct buf *lists, size_t start)
{
	size_t size = 0;
	const void *found = net_attribute_find(lists->data + start, lists->size - start,
					       IFLA_BR_MULTI_BOOLOPT, &size);
	struct br_boolopt_multi options;

	if (!found || size != sizeof(options))
		return;
	memcpy(&options, found, sizeof(options));
	options.optval &= options.optmask;
	options.optmask = options.optval;
	memcpy(lists->data + ((const char *)found - lists->data), &options, sizeof(options));
}

static const char *take_lists(const struct message *message, uint32_t kind,
			      const struct nlattr *data, struct net_link_rec *rec,
			      struct buf *lists)
{
	const struct nlattr *port = netlink_find_in(message->info, IFLA_INFO_SLAVE_DATA);
	const char *start = (const char *)message->header + NLMSG_ALIGN(sizeof(*message->header));
	const char *end = (const char *)message->netlink + message->netlink->nlmsg_len;
	const char *refused =
	    net_attributes_take(net_link_attributes, start, (size_t)(end - start), lists);
	size_t common = lists->size;
	size_t both;

	if (!refused && data)
		refused = net_attributes_take(types[kind].attributes, netlink_data(data),
					      netlink_size(data), lists);
	if (kind == NET_BRIDGE)
		settle_options(lists, common);
	both = lists->size;
	if (!refused && port)
		refused = net_attributes_take(net_port_attributes, netlink_data(port),
					      netlink_size(port), lists);
	rec->common_size = le32_make((uint32_t)common);
	rec->data_size = le32_make((uint32_t)(both - common));
	rec->port_size = le32_make((uint32_t)(lists->size - both));
	return refused;
}

/* Where a link hangs on another one. */
static const char *take_lower(struct lister *lister, const struct message *message, uint32_t kind,
			      struct net_link_rec *rec)
{
	const struct nlattr *elsewhere = find(message, IFLA_LINK_NETNSID);

	if (kind != NET_VETH && kind != NET_VLAN)
		return NULL;
	rec->lower = le32_make(netlink_u32(find(message, IFLA_LINK), 0));
	if (!elsewhere || !lister->saving->spaces)
		return NULL;
	if (kind == NET_VETH)
		rec->peer = le32_make(find_space(lister, (int)netlink_u32(elsewhere, 0)));
	return le32_get(rec->peer) ? NULL : "has its other end outside of the container";
}

static int add_link(struct lister *lister, const struct message *message, uint32_t kind)
{
	auto_buf struct buf lists = BUF_EMPTY;
	const struct nlattr *data = netlink_find_in(message->info, IFLA_INFO_DATA);
	struct net_link_rec rec = {
		.index = le32_make((uint32_t)message->header->ifi_index),
		.kind = le32_make(kind),
		.flags = le32_make(message->header->ifi_flags & NET_LINK_FLAGS),
		.master = le32_make(netlink_u32(find(message, IFLA_MASTER), 0)),
	};
	const char *fault = find_fault(message, kind, data);
	const char *refused = NULL;

	if (!fault)
		fault = take_lower(lister, message, kind, &rec);
	if (!fault)
		refused = take_lists(message, kind, data, &rec, &lists);
	if (fault)
		block(lister, message, fault);
	if (refused)
		buf_printf(lister->saving->blockers, "network interface %s: %s is not supported\n",
			   message->name, refused);
	if (fault || refused)
		return 0;
	return net_add_item(lister->saving, NET_LINK, &rec, sizeof(rec), lists.data, lists.size,
			    lister->err);
}

static int on_link(void *argument, const struct nlmsghdr *netlink)
{
	struct lister *lister = argument;
	struct message message = { .netlink = netlink,
				   .header = netlink_header(netlink, sizeof(*message.header)) };
	uint32_t kind = 0;

	if (!message.header || netlink->nlmsg_type != RTM_NEWLINK)
		return 0;
	message.info = find(&message, IFLA_LINKINFO);
	message.name = netlink_text(find(&message, IFLA_IFNAME));
	message.kind = netlink_text(netlink_find_in(message.info, IFLA_INFO_KIND));
	if (!message.name || is_fallback(&message))
		return 0;
	if (message.header->ifi_type == ARPHRD_LOOPBACK)
		kind = NET_LOOPBACK;
	else if (message.kind)
		kind = net_link_kind(message.kind);
	if (kind)
		return add_link(lister, &message, kind);
	block(lister, &message,
	      !message.kind || strcmp(message.kind, "tun") == 0 || find(&message, IFLA_LINK_NETNSID)
		  ? "leads outside of the container"
		  : "is not supported");
	return 0;
}

static void on_again(void *argument)
{
	struct lister *lister = argument;

	lister->saving->content->size = lister->start;
	lister->saving->item_count = lister->start_count;
	buf_clear(lister->saving->blockers);
}

int net_save_links(struct net_saving *saving, struct netlink *netlink, struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct lister lister = { .saving = saving,
				 .netlink = netlink,
				 .start = saving->content->size,
				 .start_count = saving->item_count,
				 .err = err };
	struct netlink_reader reader = { .each = on_link, .again = on_again, .argument = &lister };
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	int r;

	*err = ERR_NONE;
	netlink_begin(&message, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	netlink_put_u32(&message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = netlink_ask(netlink, &message, &reader);
	if (r < 0 && err->code == 0)
		return err_set(err, r, "list network interfaces");
	return r;
}
