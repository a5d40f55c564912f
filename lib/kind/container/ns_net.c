/* ns_net: the container's network namespace: interfaces, addresses, routes, rules, neighbours,
 * settings, nftables. What it does not share with the world outside comes back as it was. */
#include "kind/support/net.h"

#include <fcntl.h>
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/namespaces.h"

extern const struct kind kind_ns_net;

/* ---- dump ---- */

/* The id of the container's own network namespace, for veth pairs into it; a tree has none. */
static uint32_t own_id(struct dump *d)
{
	if (d->own->network == 0 && d->own->target->form == TARGET_CONTAINER &&
	    !dump_shares_network(d))
		d->own->network = dump_new_id(d);
	return d->own->network;
}

static struct net_space *list_spaces(struct dump *d, int own, size_t *ret_count)
{
	struct dump_private *private = d->own;
	struct net_space *spaces = mem_alloc(1 + private->namespace_count, sizeof(*spaces));
	size_t count = 0;

	if (own >= 0)
		spaces[count++] = (struct net_space){ .id = own_id(d), .fd = own };
	for (size_t i = 0; i < private->namespace_count; i++) {
		const struct dump_namespace *ns = &private->namespaces[i];

		if (ns->type == NAMESPACE_NET && ns->id)
			spaces[count++] = (struct net_space){ .id = ns->id, .fd = ns->fd };
	}
	*ret_count = count;
	return spaces;
}

static int ns_net_dump(struct dump *d, struct err *err)
{
	const struct dump_task *task = dump_own_task(d, NAMESPACE_NET);
	auto_buf struct buf content = BUF_EMPTY;
	auto_free struct net_space *spaces = NULL;
	auto_close int own = -1;
	size_t count;
	int r;

	/* A network that is not its own, as that of a tree, is not saved: it gets a fresh one. */
	if (!d->ns && (!task || d->own->target->form == TARGET_TREE || dump_shares_network(d)))
		return 0;
	if (task && d->own->target->form == TARGET_CONTAINER && !dump_shares_network(d))
		own = openat(task->proc, "ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 && !d->ns)
		return err_set(err, -errno, "open the network namespace");
	spaces = list_spaces(d, own, &count);
	r = net_save(d, d->ns ? d->ns->fd : own, spaces, count, &content, err);
	if (r < 0)
		return r;
	dump_record(d, d->ns ? d->ns->id : own_id(d), &kind_ns_net, content.data, content.size);
	return 0;
}

/* ---- check, link ---- */

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

/* ---- restore ---- */

static uint32_t namespace_of(const struct restore *rs, const struct record *record)
{
	return namespace_find(rs->image, record->id) ? record->id : 0;
}

static struct net_space *restored_spaces(const struct restore *rs, size_t *ret_count)
{
	const struct record *record = NULL;
	struct net_space *spaces = NULL;
	size_t count = 0;

	while ((record = image_next(rs->image, kind_ns_net.tag, record))) {
		array_grow(spaces, count);
		spaces[count++] = (struct net_space){
			.id = record->id,
			.fd = restore_namespace_fd(rs, NAMESPACE_NET, namespace_of(rs, record)),
			.content = record->body,
			.size = record->length,
		};
	}
	*ret_count = count;
	return spaces;
}

enum part { MAKE_LINKS, SET_LINKS, ALL_ELSE, PARTS };

static int restore_part(struct restore *rs, const struct record *record, enum part part,
			const struct net_space *spaces, size_t count, struct err *err)
{
	uint32_t id = namespace_of(rs, record);
	int r = id ? restore_enter_namespace(rs, NAMESPACE_NET, id, err) : 0;

	/* Before version 2 there was nothing but the loopback interface, and an empty body. */
	if (r < 0 || record->length == 0)
		return r;
	if (part == MAKE_LINKS)
		r = net_make_links(rs, record->body, record->length, spaces, count, err);
	else if (part == SET_LINKS)
		r = net_restore_links(rs, record->body, record->length, err);
	else
		r = net_restore_rest(rs, record->body, record->length, err);
	return r < 0 || !id ? r : restore_enter_namespace(rs, NAMESPACE_NET, 0, err);
}

/* With the first record, all of them: links join namespaces. */
static int ns_net_restore(struct restore *rs, const struct record *record, struct err *err)
{
	auto_free struct net_space *spaces = NULL;
	size_t count;
	int r = 0;

	if (image_next(rs->image, kind_ns_net.tag, NULL) != record)
		return 0;
	spaces = restored_spaces(rs, &count);
	for (enum part part = MAKE_LINKS; part < PARTS; part++) {
		const struct record *next = NULL;

		while (r == 0 && (next = image_next(rs->image, kind_ns_net.tag, next)))
			r = restore_part(rs, next, part, spaces, count, err);
	}
	return r;
}

const struct kind kind_ns_net = {
	.name = "ns_net",
	.summary =
	    "interfaces, addresses, routes, settings and nftables of the container's network",
	.tag = TAG('N', 'N', 'E', 'T'),
	.version = 3,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.namespace = NAMESPACE_NET,
	.dump = ns_net_dump,
	.check = ns_net_check,
	.link = ns_net_link,
	.restore = ns_net_restore,
};
