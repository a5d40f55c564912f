/* ipcns: the ipc namespace of an object that is not in the container's own: System V objects,
 * message queues. The engine enters that before it makes the object again. */
#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/namespaces.h"

extern const struct kind kind_ipcns;

RECORDS_BEGIN
struct ipcns_rec {
	le32 ipcns; /* an ipc namespace */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct ipcns_rec) == 8, "image format");

void ipcns_dump(struct dump *d, uint32_t object, uint32_t ns)
{
	struct ipcns_rec rec = { .ipcns = le32_make(ns) };

	if (ns)
		dump_record(d, object, &kind_ipcns, &rec, sizeof(rec));
}

uint32_t ipcns_find(const struct image *image, uint32_t object)
{
	const struct record *record = image_find(image, TAG_IPCNS, object);

	return record ? le32_get(((const struct ipcns_rec *)record->body)->ipcns) : 0;
}

static int ipcns_check(const void *body, size_t length, struct err *err)
{
	const struct ipcns_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "ipcns: %zu bytes", length);
	if (le32_get(rec->ipcns) == 0 || le32_get(rec->reserved))
		return err_set(err, ERR_DAMAGED, "ipcns: unknown bits");
	return 0;
}

static int ipcns_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct ipcns_rec *rec = record->body;
	const struct namespace_rec *ns = namespace_find(image, le32_get(rec->ipcns));

	if (!ns || le32_get(ns->type) != NAMESPACE_IPC)
		return err_set(err, ERR_DAMAGED, "ipcns: ipc namespace %u is not in the image",
			       le32_get(rec->ipcns));
	return 0;
}

const struct kind kind_ipcns = {
	.name = "ipcns",
	.summary = "System V objects and message queues in an ipc namespace of single tasks",
	.tag = TAG_IPCNS,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.check = ipcns_check,
	.link = ipcns_link,
};
