/* Restores what is in a network namespace, once its links are there. See net.h. */
#include "kind/support/net.h"

#include <linux/netlink.h>

#include "core/cleanup.h"

/* Nothing may make addresses of itself until the saved ones are there. Then what did is matched
 * again. */
static int restore_addresses(struct restore *rs, struct netlink *netlink, const void *content,
			     size_t size, struct err *err)
{
	int r = net_match(netlink, NET_ADDRESS_ITEM, content, size, err);

	if (r == 0)
		r = net_restore_sysctls(rs, content, size, true, err);
	if (r == 0)
		r = net_match(netlink, NET_ADDRESS_ITEM, content, size, err);
	return r;
}

int net_restore_links(struct restore *rs, const void *content, size_t size, struct err *err)
{
	auto_netlink struct netlink *netlink = NULL;
	int r = netlink_open(NETLINK_ROUTE, &netlink);

	if (r < 0)
		return err_set(err, r, "open a netlink socket");
	r = net_set_links(netlink, content, size, err);
	if (r == 0)
		net_restore_features(rs, content, size);
	if (r == 0)
		r = net_restore_sysctls(rs, content, size, false, err);
	return r < 0 ? r : net_raise_links(netlink, content, size, err);
}

int net_restore_rest(struct restore *rs, const void *content, size_t size, struct err *err)
{
	static const enum net_item types[] = { NET_NEIGHBOUR, NET_RULE, NET_ROUTE };
	auto_netlink struct netlink *netlink = NULL;
	int r = netlink_open(NETLINK_ROUTE, &netlink);

	if (r < 0)
		return err_set(err, r, "open a netlink socket");
	r = restore_addresses(rs, netlink, content, size, err);
	for (size_t i = 0; r == 0 && i < sizeof(types) / sizeof(types[0]); i++)
		r = net_match(netlink, types[i], content, size, err);
	return r < 0 ? r : net_restore_nftables(content, size, err);
}
