/* Saves what is in a network namespace. See net.h. */
#include "kind/support/net.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/cleanup.h"

int net_add_item(struct net_saving *saving, enum net_item type, const void *rec, size_t rec_size,
		 const void *rest, size_t rest_size, struct err *err)
{
	struct net_item_rec item = { .type = le32_make(type),
				     .size = le32_make((uint32_t)(rec_size + rest_size)) };
	struct buf *content = saving->content;

	if (content->size + rec_size + rest_size > NET_CONTENT_MAX - 16 ||
	    saving->item_count >= NET_ITEMS_MAX)
		return err_set(err, ERR_REFUSED,
			       "there is more in the network namespace than an image may hold: %d "
			       "things, or %u MiB",
			       NET_ITEMS_MAX, NET_CONTENT_MAX >> 20);
	(void)buf_append(content, &item, sizeof(item));
	if (rec_size > 0)
		(void)buf_append(content, rec, rec_size);
	if (rest_size > 0)
		(void)buf_append(content, rest, rest_size);
	buf_align(content, 8);
	saving->item_count++;
	return 0;
}

int net_save_tables(struct net_saving *saving, struct netlink *netlink, struct err *err)
{
	static const enum net_item types[] = { NET_ADDRESS_ITEM, NET_NEIGHBOUR, NET_ROUTE,
					       NET_RULE };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(types) / sizeof(types[0]); i++)
		r = net_list(netlink, types[i], saving, err);
	return r;
}

/* ---- the container's other namespaces ---- */

static int on_nsid(void *argument, const struct nlmsghdr *message)
{
	int *nsid = argument;

	*nsid = (int)netlink_u32(netlink_find(message, sizeof(struct rtgenmsg), NETNSA_NSID),
				 (uint32_t)-1);
	return 0;
}

static int find_nsid(struct netlink *netlink, int fd)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
	int nsid = -1;
	struct netlink_reader reader = { .each = on_nsid, .argument = &nsid };

	netlink_begin(&message, RTM_GETNSID, 0, &header, sizeof(header));
	netlink_put_u32(&message, NETNSA_FD, (uint32_t)fd);
	return netlink_ask(netlink, &message, &reader) < 0 ? -1 : nsid;
}

/* ---- the work of the child ---- */

struct work {
	const struct net_space *spaces;
	size_t space_count;
};

static int save_here(const struct work *work, struct net_saving *saving, struct err *err)
{
	auto_netlink struct netlink *netlink = NULL;
	auto_free int *nsids = mem_alloc(work->space_count, sizeof(*nsids));
	int r = netlink_open(NETLINK_ROUTE, &netlink);

	if (r < 0)
		return err_set(err, r, "open a netlink socket");
	for (size_t i = 0; i < work->space_count; i++)
		nsids[i] = find_nsid(netlink, work->spaces[i].fd);
	saving->spaces = work->spaces;
	saving->space_count = work->space_count;
	saving->nsids = nsids;
	r = net_save_links(saving, netlink, err);
	if (r == 0)
		r = net_save_features(saving, err);
	if (r == 0)
		r = net_save_tables(saving, netlink, err);
	if (r == 0)
		r = net_find_others(saving, netlink, err);
	if (r == 0)
		r = net_save_sysctls(saving, err);
	if (r == 0)
		r = net_save_nftables(saving, err);
	saving->nsids = NULL;
	return r;
}

/* The answer: the size of the blockers, they, and the content. */
static int save_in_child(void *argument, struct buf *answer, struct err *err)
{
	auto_buf struct buf content = BUF_EMPTY;
	auto_buf struct buf blockers = BUF_EMPTY;
	struct net_saving saving = { .content = &content, .blockers = &blockers };
	int r = save_here(argument, &saving, err);
	uint64_t size = blockers.size;

	if (r < 0)
		return r;
	(void)buf_append(answer, &size, sizeof(size));
	if (blockers.size > 0)
		(void)buf_append(answer, blockers.data, blockers.size);
	(void)buf_append(answer, content.data, content.size);
	return 0;
}

static void tell_blockers(struct dump *d, const char *lines, size_t size)
{
	const char *end = lines + size;

	while (lines < end) {
		const char *stop = memchr(lines, '\n', (size_t)(end - lines));

		if (!stop)
			break;
		(void)dump_block(d, NULL, "%.*s", (int)(stop - lines), lines);
		lines = stop + 1;
	}
}

int net_save(struct dump *d, int fd, const struct net_space *spaces, size_t space_count,
	     struct buf *content, struct err *err)
{
	struct work work = { .spaces = spaces, .space_count = space_count };
	auto_buf struct buf answer = BUF_EMPTY;
	struct reader reader;
	const uint64_t *size;
	const char *lines;
	int r = net_child(fd, save_in_child, &work, &answer, err);

	if (r < 0)
		return r;
	reader = reader_of(answer.data, answer.size);
	size = reader_take(&reader, sizeof(*size));
	lines = size ? reader_take(&reader, *size) : NULL;
	if (!lines)
		return err_set(err, ERR_FAILED, "a process of ours said too little");
	tell_blockers(d, lines, *size);
	(void)buf_append(content, reader.at, reader_left(&reader));
	return 0;
}
