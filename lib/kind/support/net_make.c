/* Makes the links of a network namespace, and sets what they are. See net.h. */
#include "kind/support/net.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>

#include "core/cleanup.h"

static int explain(const struct netlink *netlink, const char *name, const char *what, int r,
		   struct err *err)
{
	const char *words = netlink_words(netlink);

	if (*words)
		return err_set(err, r, "network interface %s: %s (%s)", name, what, words);
	return err_set(err, r, "network interface %s: %s", name, what);
}

static bool find_link(const void *content, size_t size, uint32_t index, struct net_link *ret_link)
{
	struct reader reader = reader_of(content, size);
	struct net_view view;

	while (net_next(&reader, NET_LINK, &view)) {
		*ret_link = net_link_of(&view);
		if (ret_link->index == index)
			return true;
	}
	return false;
}

/* A bridge has the lowest address of its ports, until somebody gives it one: so it is not given
 * the one that it has anyway. */
static bool has_address_of_port(const void *content, size_t size, const struct net_link *bridge)
{
	struct reader reader = reader_of(content, size);
	struct net_view view;
	size_t own_size = 0;
	size_t port_size = 0;
	const void *own =
	    net_attribute_find(bridge->common, bridge->common_size, IFLA_ADDRESS, &own_size);

	while (own && net_next(&reader, NET_LINK, &view)) {
		struct net_link port = net_link_of(&view);
		const void *address =
		    net_attribute_find(port.common, port.common_size, IFLA_ADDRESS, &port_size);

		if (le32_get(port.rec->master) == bridge->index && address &&
		    port_size == own_size && memcmp(address, own, own_size) == 0)
			return true;
	}
	return false;
}

/* ---- making ---- */

/* What only a link that exists can be told. */
static const uint16_t later[] = { IFLA_IFALIAS, IFLA_LINKMODE, IFLA_PROTO_DOWN, 0 };
static const uint16_t later_of_bridge[] = { IFLA_IFALIAS, IFLA_LINKMODE, IFLA_PROTO_DOWN,
					    IFLA_ADDRESS, 0 };

static void put_peer(const struct net_link *peer, int space, struct netlink_message *message)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)peer->index };
	size_t nest = netlink_nest(message, VETH_INFO_PEER);

	netlink_put_raw(message, &header, sizeof(header));
	net_attributes_put(net_link_attributes, peer->common, peer->common_size, later, message);
	if (space >= 0)
		netlink_put_u32(message, IFLA_NET_NS_FD, (uint32_t)space);
	if (!message->is_full)
		netlink_nest_end(message, nest);
}

/* `peer` and the descriptor of its namespace (-1: this one) are of a veth. */
static int make_link(struct netlink *netlink, const struct net_link *link,
		     const struct net_link *peer, int space, const uint16_t *without,
		     struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	const struct net_link_type *type = net_link_type(le32_get(link->rec->kind));
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)link->index };
	size_t info;
	size_t data;
	int r;

	netlink_begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	net_attributes_put(net_link_attributes, link->common, link->common_size, without, &message);
	if (!peer && le32_get(link->rec->lower))
		netlink_put_u32(&message, IFLA_LINK, le32_get(link->rec->lower));
	info = netlink_nest(&message, IFLA_LINKINFO);
	netlink_put(&message, IFLA_INFO_KIND, type->name, strlen(type->name) + 1);
	data = netlink_nest(&message, IFLA_INFO_DATA);
	if (peer)
		put_peer(peer, space, &message);
	else if (le32_get(link->rec->kind) != NET_BRIDGE)
		net_attributes_put(type->attributes, link->data, link->data_size, NULL, &message);
	if (!message.is_full) {
		netlink_nest_end(&message, data);
		netlink_nest_end(&message, info);
	}
	r = netlink_order(netlink, &message);
	return r < 0 ? explain(netlink, link->name, "create it", r, err) : 0;
}

struct making {
	struct netlink *netlink;
	const void *content;
	size_t size;
	const struct net_space *spaces;
	size_t space_count;
};

static bool exists(uint32_t index)
{
	char name[IF_NAMESIZE];

	return if_indextoname(index, name) != NULL;
}

/* The end that stands first makes both. One whose other end is in a namespace that is not there
 * yet is made from there. */
static int make_veth(const struct making *making, const struct net_link *link, struct err *err)
{
	uint32_t lower = le32_get(link->rec->lower);
	uint32_t id = le32_get(link->rec->peer);
	struct net_link peer;

	if (id == 0) {
		if (!find_link(making->content, making->size, lower, &peer))
			return err_set(err, ERR_DAMAGED,
				       "network interface %s: there is no other end", link->name);
		return make_link(making->netlink, link, &peer, -1, later, err);
	}
	for (size_t i = 0; i < making->space_count; i++) {
		const struct net_space *space = &making->spaces[i];

		if (space->id != id || space->fd < 0)
			continue;
		if (!find_link(space->content, space->size, lower, &peer))
			return err_set(err, ERR_DAMAGED,
				       "network interface %s: there is no other end", link->name);
		return make_link(making->netlink, link, &peer, space->fd, later, err);
	}
	return 0;
}

static int make_one(const struct making *making, const struct net_link *link, struct err *err)
{
	bool is_bridge = le32_get(link->rec->kind) == NET_BRIDGE;

	if (le32_get(link->rec->kind) == NET_VETH)
		return make_veth(making, link, err);
	return make_link(making->netlink, link, NULL, -1,
			 is_bridge && has_address_of_port(making->content, making->size, link)
			     ? later_of_bridge
			     : later,
			 err);
}

/* All that hang on nothing that is missing. */
static int make_round(const struct making *making, size_t *ret_made, bool *ret_waits,
		      struct err *err)
{
	struct reader reader = reader_of(making->content, making->size);
	struct net_view view;

	*ret_made = 0;
	*ret_waits = false;
	while (net_next(&reader, NET_LINK, &view)) {
		struct net_link link = net_link_of(&view);
		int r;

		if (exists(link.index))
			continue;
		if (le32_get(link.rec->kind) == NET_VLAN && !exists(le32_get(link.rec->lower))) {
			*ret_waits = true;
			continue;
		}
		r = make_one(making, &link, err);
		if (r < 0)
			return r;
		if (exists(link.index))
			(*ret_made)++;
	}
	return 0;
}

int net_make_links(struct restore *rs, const void *content, size_t size,
		   const struct net_space *spaces, size_t space_count, struct err *err)
{
	auto_netlink struct netlink *netlink = NULL;
	struct making making = {
		.content = content, .size = size, .spaces = spaces, .space_count = space_count
	};
	bool waits = true;
	size_t made = 1;
	int r = netlink_open(NETLINK_ROUTE, &netlink);

	(void)rs;
	if (r < 0)
		return err_set(err, r, "open a netlink socket");
	making.netlink = netlink;
	while (r == 0 && waits && made > 0)
		r = make_round(&making, &made, &waits, err);
	if (r == 0 && waits)
		return err_set(err, ERR_DAMAGED, "network interfaces that hang on nothing");
	return r;
}

/* ---- setting ---- */

static int change_link(struct netlink *netlink, const struct net_link *link,
		       struct netlink_message *message, const char *what, struct err *err)
{
	int r = netlink_order(netlink, message);

	return r < 0 ? explain(netlink, link->name, what, r, err) : 0;
}

static void begin_change(const struct net_link *link, struct netlink_message *message)
{
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int)link->index };

	netlink_begin(message, RTM_NEWLINK, 0, &header, sizeof(header));
}

static int set_master(struct netlink *netlink, const struct net_link *link, struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;

	if (!le32_get(link->rec->master))
		return 0;
	begin_change(link, &message);
	netlink_put_u32(&message, IFLA_MASTER, le32_get(link->rec->master));
	return change_link(netlink, link, &message, "make it a port", err);
}

/* The numbers of queues can't be changed. */
static const uint16_t constant[] = { IFLA_IFNAME, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, 0 };
static const uint16_t constant_or_own[] = { IFLA_IFNAME, IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES,
					    IFLA_ADDRESS, 0 };

static int set_common(struct netlink *netlink, const struct net_link *link,
		      const struct net_link *now, bool keeps_address, struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;

	begin_change(link, &message);
	if (!net_attributes_put_changes(net_link_attributes, link->common, link->common_size,
					now->common, now->common_size,
					keeps_address ? constant_or_own : constant, &message))
		return 0;
	return change_link(netlink, link, &message, "set it", err);
}

static int set_info(struct netlink *netlink, const struct net_link *link,
		    const struct net_link *now, bool is_port, struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	const char *kind = is_port ? "bridge" : net_link_type(le32_get(link->rec->kind))->name;
	bool has_changes;
	size_t info;
	size_t data;

	begin_change(link, &message);
	info = netlink_nest(&message, IFLA_LINKINFO);
	netlink_put(&message, is_port ? IFLA_INFO_SLAVE_KIND : IFLA_INFO_KIND, kind,
		    strlen(kind) + 1);
	data = netlink_nest(&message, is_port ? IFLA_INFO_SLAVE_DATA : IFLA_INFO_DATA);
	has_changes =
	    is_port
		? net_attributes_put_changes(net_port_attributes, link->port, link->port_size,
					     now->port, now->port_size, NULL, &message)
		: net_attributes_put_changes(net_link_type(le32_get(link->rec->kind))->attributes,
					     link->data, link->data_size, now->data, now->data_size,
					     NULL, &message);
	if (!has_changes)
		return 0;
	if (!message.is_full) {
		netlink_nest_end(&message, data);
		netlink_nest_end(&message, info);
	}
	return change_link(netlink, link, &message, is_port ? "set the port" : "set it", err);
}

static int set_link(struct netlink *netlink, const struct net_link *link, const struct buf *current,
		    bool keeps_address, struct err *err)
{
	struct net_link now;
	int r;

	if (!find_link(current->data, current->size, link->index, &now))
		return err_set(err, ERR_DAMAGED, "network interface %s: there is none", link->name);
	r = set_common(netlink, link, &now, keeps_address, err);
	if (r == 0 && link->data_size > 0)
		r = set_info(netlink, link, &now, false, err);
	if (r == 0 && now.port_size > 0)
		r = set_info(netlink, link, &now, true, err);
	return r;
}

/* What differs from what there is. */
static int set_round(struct netlink *netlink, const void *content, size_t size, bool has_ports,
		     struct err *err)
{
	auto_buf struct buf current = BUF_EMPTY;
	auto_buf struct buf ignored = BUF_EMPTY;
	struct net_saving now = { .content = &current, .blockers = &ignored };
	struct reader reader = reader_of(content, size);
	struct net_view view;
	int r = net_save_links(&now, netlink, err);

	while (r == 0 && net_next(&reader, NET_LINK, &view)) {
		struct net_link link = net_link_of(&view);
		bool keeps_address = !has_ports && le32_get(link.rec->kind) == NET_BRIDGE &&
				     has_address_of_port(content, size, &link);

		r = set_link(netlink, &link, &current, keeps_address, err);
	}
	return r;
}

/* Some settings of a bridge can't be changed once it has ports; others adjust to these, so that
 * there may be a difference again. */
int net_set_links(struct netlink *netlink, const void *content, size_t size, struct err *err)
{
	struct reader reader = reader_of(content, size);
	struct net_view view;
	int r = set_round(netlink, content, size, false, err);

	while (r == 0 && net_next(&reader, NET_LINK, &view)) {
		struct net_link link = net_link_of(&view);

		r = set_master(netlink, &link, err);
	}
	for (int i = 0; r == 0 && i < 2; i++)
		r = set_round(netlink, content, size, true, err);
	return r;
}

static int raise_link(struct netlink *netlink, const struct net_link *link, struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC,
				    .ifi_index = (int)link->index,
				    .ifi_change = NET_LINK_FLAGS,
				    .ifi_flags = le32_get(link->rec->flags) };

	netlink_begin(&message, RTM_NEWLINK, 0, &header, sizeof(header));
	return change_link(netlink, link, &message, "set its flags", err);
}

/* First those that others hang on. */
int net_raise_links(struct netlink *netlink, const void *content, size_t size, struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		struct reader reader = reader_of(content, size);
		struct net_view view;

		while (r == 0 && net_next(&reader, NET_LINK, &view)) {
			struct net_link link = net_link_of(&view);

			if ((le32_get(link.rec->kind) == NET_VLAN) == (i == 1))
				r = raise_link(netlink, &link, err);
		}
	}
	return r;
}
