/* Which attributes are kept of links, addresses, routes, rules and neighbours: all that can be set,
 * and nothing that leads out of the namespace. Sizes are those of linux/rtnetlink.h and its
 * neighbours; what older headers lack has its number here. */
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "kind/support/net_attributes.h"

#define U8(number)                                                                                 \
	{                                                                                          \
		number, NET_BYTES, 1, NULL, NULL                                                   \
	}
#define U16(number)                                                                                \
	{                                                                                          \
		number, NET_BYTES, 2, NULL, NULL                                                   \
	}
#define U32(number)                                                                                \
	{                                                                                          \
		number, NET_BYTES, 4, NULL, NULL                                                   \
	}
#define U64(number)                                                                                \
	{                                                                                          \
		number, NET_BYTES, 8, NULL, NULL                                                   \
	}
#define BYTES(number, size)                                                                        \
	{                                                                                          \
		number, NET_BYTES, size, NULL, NULL                                                \
	}
#define FORM(number, form)                                                                         \
	{                                                                                          \
		number, form, 0, NULL, NULL                                                        \
	}
#define TEXT(number, size)                                                                         \
	{                                                                                          \
		number, NET_TEXT, size, NULL, NULL                                                 \
	}
#define NEST(number, table)                                                                        \
	{                                                                                          \
		number, NET_NEST, 0, table, NULL                                                   \
	}
#define REFUSED(number, of)                                                                        \
	{                                                                                          \
		number, NET_REFUSED, 0, NULL, of                                                   \
	}
#define END                                                                                        \
	{                                                                                          \
		0, NET_END, 0, NULL, NULL                                                          \
	}

enum {
	LINK_GSO_IPV4_MAX_SIZE = 63,
	LINK_GRO_IPV4_MAX_SIZE = 64,
	BRIDGE_FDB_MAX_LEARNED = 49,
	PORT_MAB = 40,
	PORT_MAX_GROUPS = 42,
	PORT_NEIGH_VLAN_SUPPRESS = 43,
	RULE_DSCP = 25,
};

const struct net_attribute net_no_attributes[] = { END };

const struct net_attribute net_link_attributes[] = {
	FORM(IFLA_ADDRESS, NET_HARDWARE),
	FORM(IFLA_BROADCAST, NET_HARDWARE),
	FORM(IFLA_IFNAME, NET_NAME),
	U32(IFLA_MTU),
	U32(IFLA_TXQLEN),
	U8(IFLA_LINKMODE),
	TEXT(IFLA_IFALIAS, 256),
	U32(IFLA_GROUP),
	U32(IFLA_NUM_TX_QUEUES),
	U32(IFLA_NUM_RX_QUEUES),
	U8(IFLA_PROTO_DOWN),
	U32(IFLA_GSO_MAX_SEGS),
	U32(IFLA_GSO_MAX_SIZE),
	REFUSED(IFLA_PROP_LIST, "another name of it"),
	U32(IFLA_GRO_MAX_SIZE),
	U32(LINK_GSO_IPV4_MAX_SIZE),
	U32(LINK_GRO_IPV4_MAX_SIZE),
	END,
};

const struct net_attribute net_bridge_attributes[] = {
	U32(IFLA_BR_FORWARD_DELAY),
	U32(IFLA_BR_HELLO_TIME),
	U32(IFLA_BR_MAX_AGE),
	U32(IFLA_BR_AGEING_TIME),
	U32(IFLA_BR_STP_STATE),
	U16(IFLA_BR_PRIORITY),
	U8(IFLA_BR_VLAN_FILTERING),
	U16(IFLA_BR_VLAN_PROTOCOL),
	U16(IFLA_BR_GROUP_FWD_MASK),
	BYTES(IFLA_BR_GROUP_ADDR, 6),
	U8(IFLA_BR_MCAST_ROUTER),
	U8(IFLA_BR_MCAST_SNOOPING),
	U8(IFLA_BR_MCAST_QUERY_USE_IFADDR),
	U8(IFLA_BR_MCAST_QUERIER),
	U32(IFLA_BR_MCAST_HASH_MAX),
	U32(IFLA_BR_MCAST_LAST_MEMBER_CNT),
	U32(IFLA_BR_MCAST_STARTUP_QUERY_CNT),
	U64(IFLA_BR_MCAST_LAST_MEMBER_INTVL),
	U64(IFLA_BR_MCAST_MEMBERSHIP_INTVL),
	U64(IFLA_BR_MCAST_QUERIER_INTVL),
	U64(IFLA_BR_MCAST_QUERY_INTVL),
	U64(IFLA_BR_MCAST_QUERY_RESPONSE_INTVL),
	U64(IFLA_BR_MCAST_STARTUP_QUERY_INTVL),
	U8(IFLA_BR_NF_CALL_IPTABLES),
	U8(IFLA_BR_NF_CALL_IP6TABLES),
	U8(IFLA_BR_NF_CALL_ARPTABLES),
	U16(IFLA_BR_VLAN_DEFAULT_PVID),
	U8(IFLA_BR_VLAN_STATS_ENABLED),
	U8(IFLA_BR_MCAST_STATS_ENABLED),
	U8(IFLA_BR_MCAST_IGMP_VERSION),
	U8(IFLA_BR_MCAST_MLD_VERSION),
	U8(IFLA_BR_VLAN_STATS_PER_PORT),
	BYTES(IFLA_BR_MULTI_BOOLOPT, 8),
	U32(BRIDGE_FDB_MAX_LEARNED),
	END,
};

const struct net_attribute net_vlan_attributes[] = {
	U16(IFLA_VLAN_ID),
	BYTES(IFLA_VLAN_FLAGS, 8),
	REFUSED(IFLA_VLAN_EGRESS_QOS, "a map of priorities"),
	REFUSED(IFLA_VLAN_INGRESS_QOS, "a map of priorities"),
	U16(IFLA_VLAN_PROTOCOL),
	END,
};

const struct net_attribute net_port_attributes[] = {
	U16(IFLA_BRPORT_PRIORITY),
	U32(IFLA_BRPORT_COST),
	U8(IFLA_BRPORT_MODE),
	U8(IFLA_BRPORT_GUARD),
	U8(IFLA_BRPORT_PROTECT),
	U8(IFLA_BRPORT_FAST_LEAVE),
	U8(IFLA_BRPORT_LEARNING),
	U8(IFLA_BRPORT_UNICAST_FLOOD),
	U8(IFLA_BRPORT_PROXYARP),
	U8(IFLA_BRPORT_PROXYARP_WIFI),
	U8(IFLA_BRPORT_MULTICAST_ROUTER),
	U8(IFLA_BRPORT_MCAST_FLOOD),
	U8(IFLA_BRPORT_MCAST_TO_UCAST),
	U8(IFLA_BRPORT_VLAN_TUNNEL),
	U8(IFLA_BRPORT_BCAST_FLOOD),
	U16(IFLA_BRPORT_GROUP_FWD_MASK),
	U8(IFLA_BRPORT_NEIGH_SUPPRESS),
	U8(IFLA_BRPORT_ISOLATED),
	REFUSED(IFLA_BRPORT_BACKUP_PORT, "a backup port"),
	U32(IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT),
	U8(IFLA_BRPORT_LOCKED),
	U8(PORT_MAB),
	U32(PORT_MAX_GROUPS),
	U8(PORT_NEIGH_VLAN_SUPPRESS),
	END,
};

const struct net_attribute net_address_attributes[] = {
	FORM(IFA_ADDRESS, NET_ADDRESS),
	FORM(IFA_LOCAL, NET_ADDRESS),
	TEXT(IFA_LABEL, 16),
	FORM(IFA_BROADCAST, NET_ADDRESS),
	FORM(IFA_ANYCAST, NET_ADDRESS),
	BYTES(IFA_CACHEINFO, sizeof(struct ifa_cacheinfo)),
	U32(IFA_FLAGS),
	U32(IFA_RT_PRIORITY),
	U8(IFA_PROTO),
	END,
};

static const struct net_attribute metrics[] = {
	U32(RTAX_LOCK),
	U32(RTAX_MTU),
	U32(RTAX_WINDOW),
	U32(RTAX_RTT),
	U32(RTAX_RTTVAR),
	U32(RTAX_SSTHRESH),
	U32(RTAX_CWND),
	U32(RTAX_ADVMSS),
	U32(RTAX_REORDERING),
	U32(RTAX_HOPLIMIT),
	U32(RTAX_INITCWND),
	U32(RTAX_FEATURES),
	U32(RTAX_RTO_MIN),
	U32(RTAX_INITRWND),
	U32(RTAX_QUICKACK),
	TEXT(RTAX_CC_ALGO, 16),
	U32(RTAX_FASTOPEN_NO_COOKIE),
	END,
};

static const struct net_attribute path_attributes[] = {
	FORM(RTA_GATEWAY, NET_ADDRESS),
	U32(RTA_FLOW),
	BYTES(RTA_VIA, 18), /* a family, and an address of IPv6 */
	REFUSED(RTA_ENCAP, "encapsulation"),
	END,
};

const struct net_attribute net_route_attributes[] = {
	FORM(RTA_DST, NET_ADDRESS),
	FORM(RTA_SRC, NET_ADDRESS),
	U32(RTA_OIF),
	FORM(RTA_GATEWAY, NET_ADDRESS),
	U32(RTA_PRIORITY),
	FORM(RTA_PREFSRC, NET_ADDRESS),
	NEST(RTA_METRICS, metrics),
	{ RTA_MULTIPATH, NET_PATHS, 0, path_attributes, NULL },
	U32(RTA_FLOW),
	U32(RTA_TABLE),
	BYTES(RTA_VIA, 18),
	U8(RTA_PREF),
	REFUSED(RTA_ENCAP, "encapsulation"),
	U32(RTA_EXPIRES),
	REFUSED(RTA_NH_ID, "a nexthop object"),
	END,
};

const struct net_attribute net_rule_attributes[] = {
	FORM(FRA_DST, NET_ADDRESS),
	FORM(FRA_SRC, NET_ADDRESS),
	FORM(FRA_IIFNAME, NET_NAME),
	U32(FRA_GOTO),
	U32(FRA_PRIORITY),
	U32(FRA_FWMARK),
	U32(FRA_FLOW),
	U64(FRA_TUN_ID),
	U32(FRA_SUPPRESS_IFGROUP),
	U32(FRA_SUPPRESS_PREFIXLEN),
	U32(FRA_TABLE),
	U32(FRA_FWMASK),
	FORM(FRA_OIFNAME, NET_NAME),
	U8(FRA_L3MDEV),
	BYTES(FRA_UID_RANGE, 8),
	U8(FRA_PROTOCOL),
	U8(FRA_IP_PROTO),
	BYTES(FRA_SPORT_RANGE, 4),
	BYTES(FRA_DPORT_RANGE, 4),
	U8(RULE_DSCP),
	END,
};

const struct net_attribute net_neighbour_attributes[] = {
	FORM(NDA_DST, NET_ADDRESS),
	FORM(NDA_LLADDR, NET_HARDWARE),
	U16(NDA_VLAN),
	U8(NDA_PROTOCOL),
	U32(NDA_FLAGS_EXT),
	END,
};
