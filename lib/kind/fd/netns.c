/* netns: the network namespace of a socket that is not in the container's own. Whatever kind of
 * socket it is: the engine enters that before it is made again. */
#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/namespaces.h"

extern const struct kind kind_netns;

RECORDS_BEGIN
struct netns_rec {
	le32 netns; /* a network namespace */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct netns_rec) == 8, "image format");

void netns_dump(struct dump *d)
{
	struct netns_rec rec = { .netns = le32_make(d->fd->ns) };

	if (S_ISSOCK(d->fd->stat.st_mode) && d->fd->ns)
		dump_record(d, d->fd->id, &kind_netns, &rec, sizeof(rec));
}

uint32_t netns_find(const struct image *image, uint32_t socket)
{
	const struct record *record = image_find(image, TAG_NETNS, socket);

	return record ? le32_get(((const struct netns_rec *)record->body)->netns) : 0;
}

static int netns_check(const void *body, size_t length, struct err *err)
{
	const struct netns_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "netns: %zu bytes", length);
	if (le32_get(rec->netns) == 0 || le32_get(rec->reserved))
		return err_set(err, ERR_DAMAGED, "netns: unknown bits");
	return 0;
}

static int netns_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct netns_rec *rec = record->body;
	const struct namespace_rec *ns = namespace_find(image, le32_get(rec->netns));

	if (!ns || le32_get(ns->type) != NAMESPACE_NET)
		return err_set(err, ERR_DAMAGED, "netns: network namespace %u is not in the image",
			       le32_get(rec->netns));
	return 0;
}

const struct kind kind_netns = {
	.name = "netns",
	.summary = "sockets in a network namespace of single tasks",
	.tag = TAG_NETNS,
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.check = netns_check,
	.link = netns_link,
};
