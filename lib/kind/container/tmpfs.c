/* tmpfs: the files of file systems in memory that the container has mounted. They are made while
 * the mounts are: see ns_mnt. */
#include "kind/kind.h"
#include "kind/support/mount_dump.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_record.h"

static int tmpfs_check(const void *body, size_t length, struct err *err)
{
	return tree_check(body, length, 0, err);
}

static int tmpfs_link(const struct image *image, const struct record *record, struct err *err)
{
	return tree_link(image, record, err);
}

const struct kind kind_tmpfs = {
	.name = "tmpfs",
	.summary = "files in memory: directories, links, content, attributes",
	.tag = TAG_TREE,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.check = tmpfs_check,
	.link = tmpfs_link,
};
