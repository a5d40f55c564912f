/* What may be in a network namespace, and is not supported: it is named, so that nothing is lost
 * without a word. A kernel without one of these has none. See net.h. */
#include "kind/support/net.h"

#include <fcntl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/procfs.h"

static int on_any(void *argument, const struct nlmsghdr *message)
{
	size_t *count = argument;

	(void)message;
	(*count)++;
	return 0;
}

/* How many answers there are to a question; none where the kernel does not know it. */
static size_t count_answers(struct netlink *netlink, uint16_t type, const void *header, size_t size)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	size_t count = 0;
	struct netlink_reader reader = { .each = on_any, .argument = &count };

	netlink_begin(&message, type, NLM_F_DUMP, header, size);
	(void)netlink_ask(netlink, &message, &reader);
	return count;
}

/* Those that an interface has from its beginning have no handle. */
static int on_qdisc(void *argument, const struct nlmsghdr *message)
{
	struct net_saving *saving = argument;
	const struct tcmsg *header = netlink_header(message, sizeof(*header));
	const char *kind =
	    header ? netlink_text(netlink_find(message, sizeof(*header), TCA_KIND)) : NULL;
	char name[IF_NAMESIZE] = "";

	if (!kind || header->tcm_handle == 0)
		return 0;
	buf_printf(saving->blockers,
		   "queueing discipline %s of network interface %s is not supported\n", kind,
		   if_indextoname((unsigned int)header->tcm_ifindex, name) ? name : "?");
	return 0;
}

static int find_qdiscs(struct net_saving *saving, struct netlink *netlink, struct err *err)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct netlink_reader reader = { .each = on_qdisc, .argument = saving };
	struct tcmsg header = { .tcm_family = AF_UNSPEC };
	int r;

	netlink_begin(&message, RTM_GETQDISC, NLM_F_DUMP, &header, sizeof(header));
	r = netlink_ask(netlink, &message, &reader);
	if (r < 0 && r != -EOPNOTSUPP)
		return err_set(err, r, "list queueing disciplines");
	return 0;
}

static void find_xfrm(struct net_saving *saving)
{
	auto_netlink struct netlink *netlink = NULL;
	struct xfrm_usersa_info state = { .family = AF_UNSPEC };
	struct xfrm_userpolicy_id policy = { .dir = 0 };

	if (netlink_open(NETLINK_XFRM, &netlink) < 0)
		return;
	if (count_answers(netlink, XFRM_MSG_GETSA, &state, sizeof(state)) > 0)
		buf_printf(saving->blockers, "IPsec states are not supported\n");
	if (count_answers(netlink, XFRM_MSG_GETPOLICY, &policy, sizeof(policy)) > 0)
		buf_printf(saving->blockers, "IPsec policies are not supported\n");
}

static void find_ipsets(struct net_saving *saving)
{
	auto_netlink struct netlink *netlink = NULL;
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct nfgenmsg header = { .version = NFNETLINK_V0 };
	uint8_t protocol = IPSET_PROTOCOL;
	size_t count = 0;
	struct netlink_reader reader = { .each = on_any, .argument = &count };

	if (netlink_open(NETLINK_NETFILTER, &netlink) < 0)
		return;
	netlink_begin(&message, NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST, NLM_F_DUMP, &header,
		      sizeof(header));
	netlink_put(&message, IPSET_ATTR_PROTOCOL, &protocol, sizeof(protocol));
	if (netlink_ask(netlink, &message, &reader) == 0 && count > 0)
		buf_printf(saving->blockers, "sets of ipset are not supported\n");
}

/* The names of those tables that somebody has used. */
static void find_iptables(struct net_saving *saving)
{
	static const char *const families[] = { "ip", "ip6", "arp" };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		auto_free char *path = mem_printf("net/%s_tables_names", families[i]);
		auto_buf struct buf text = BUF_EMPTY;
		auto_close int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		struct err ignored;

		if (self < 0 || procfs_read(self, path, &text, &ignored) < 0 || text.size == 0)
			continue;
		buf_printf(saving->blockers,
			   "rules of iptables-legacy (%stables) are not "
			   "supported\n",
			   families[i]);
	}
}

int net_find_others(struct net_saving *saving, struct netlink *netlink, struct err *err)
{
	struct nhmsg nexthop = { .nh_family = AF_UNSPEC };
	int r = find_qdiscs(saving, netlink, err);

	if (r < 0)
		return r;
	if (count_answers(netlink, RTM_GETNEXTHOP, &nexthop, sizeof(nexthop)) > 0)
		buf_printf(saving->blockers, "nexthop objects are not supported\n");
	find_xfrm(saving);
	find_ipsets(saving);
	find_iptables(saving);
	return 0;
}
