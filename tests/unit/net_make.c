/* The network of an image whose interfaces have lost each other, in a network namespace of this
 * process: the reader refuses most of such, and restoring does so, too. */
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/net.h"
#include "unit.h"

/* Its interface 5, called "one". */
static void make_content(struct buf *content, uint32_t kind, uint32_t lower, uint32_t peer)
{
	const struct net_link_rec rec = { .index = le32_make(5),
					  .kind = le32_make(kind),
					  .lower = le32_make(lower),
					  .peer = le32_make(peer),
					  .common_size = le32_make(8) };
	const struct {
		le16 type, size;
		char text[4];
	} name = { le16_make(IFLA_IFNAME), le16_make(sizeof(name.text)), "one" };
	struct net_saving saving = { .content = content };
	struct err err = ERR_NONE;

	if (net_add_item(&saving, NET_LINK, &rec, sizeof(rec), &name, sizeof(name), &err) < 0)
		abort();
}

static void expect_not_made(struct unit *unit, uint32_t kind, uint32_t peer, const char *words)
{
	auto_buf struct buf content = BUF_EMPTY;
	auto_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct err err = ERR_NONE;
	struct net_space space;

	make_content(&content, kind, 77, peer);
	space = (struct net_space){ 3, own, content.data, content.size };
	EXPECT(unit,
	       net_make_links(NULL, content.data, content.size, &space, 1, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, words);
}

static void lost_ends(struct unit *unit)
{
	expect_not_made(unit, NET_VETH, 0, "network interface one: there is no other end");
	expect_not_made(unit, NET_VETH, 3, "network interface one: there is no other end");
	expect_not_made(unit, NET_VLAN, 0, "network interfaces that hang on nothing");
}

static void lost_links(struct unit *unit)
{
	auto_netlink struct netlink *netlink = NULL;
	auto_buf struct buf content = BUF_EMPTY;
	struct err err = ERR_NONE;

	make_content(&content, NET_DUMMY, 0, 0);
	EXPECT(unit, netlink_open(NETLINK_ROUTE, &netlink) == 0);
	EXPECT(unit, net_set_links(netlink, content.data, content.size, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "network interface one: there is none");
}

static void too_much(struct unit *unit)
{
	struct buf content = { .size = NET_CONTENT_MAX - 16 };
	struct net_saving saving = { .content = &content };
	struct err err = ERR_NONE;

	EXPECT(unit, net_add_item(&saving, NET_LINK, "", 1, NULL, 0, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text,
		    "there is more in the network namespace than an image may hold: 131072 things, "
		    "or 32 MiB");
}

static const struct unit_case cases[] = {
	UNIT_CASE(lost_ends),
	UNIT_CASE(lost_links),
	UNIT_CASE(too_much),
};

int main(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	return UNIT_RUN(cases);
}
