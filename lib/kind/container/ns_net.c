/* ns_net: the container's network namespace: interfaces, addresses, routes, rules, neighbours,
 * settings, nftables. What it does not share with the world outside comes back as it was. */
#include "kind/support/net.h"

#include <fcntl.h>
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"

extern const struct kind kind_ns_net;

static int ns_net_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf content = BUF_EMPTY;
	auto_close int fd = -1;
	int r;

	/* A tree's network is not its own: it gets a fresh one. */
	if (d->own->target->form == TARGET_TREE)
		return 0;
	fd = openat(d->own->tasks[0].proc, "ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "open the network namespace");
	r = net_save(d, fd, NULL, 0, &content, err);
	if (r < 0)
		return r;
	dump_record(d, dump_new_id(d), &kind_ns_net, content.data, content.size);
	return 0;
}

static int ns_net_check(const void *body, size_t length, struct err *err)
{
	int r = net_check(body, length, err);

	return r < 0 ? err_wrap(err, "ns_net") : 0;
}

static int ns_net_link(const struct image *image, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	struct net_view view;

	while (net_next(&reader, NET_LINK, &view)) {
		uint32_t peer = le32_get(((const struct net_link_rec *)view.rec)->peer);

		if (peer && !image_find(image, kind_ns_net.tag, peer))
			return err_set(err, ERR_DAMAGED, "ns_net: there is no namespace %u", peer);
	}
	return 0;
}

/* Before version 2 there was nothing but the loopback interface, and an empty body. */
static int ns_net_restore(struct restore *rs, const struct record *record, struct err *err)
{
	int r;

	if (record->length == 0)
		return 0;
	r = net_make_links(rs, record->body, record->length, NULL, 0, err);
	if (r == 0)
		r = net_restore_rest(rs, record->body, record->length, err);
	return r;
}

const struct kind kind_ns_net = {
	.name = "ns_net",
	.summary =
	    "interfaces, addresses, routes, settings and nftables of the container's network",
	.tag = TAG('N', 'N', 'E', 'T'),
	.version = 2,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.dump = ns_net_dump,
	.check = ns_net_check,
	.link = ns_net_link,
	.restore = ns_net_restore,
};
