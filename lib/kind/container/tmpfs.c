/* tmpfs: the files of file systems in memory that the container has mounted. They are made while
 * the mounts are: see ns_mnt. */
#include "kind/kind.h"
#include "kind/support/file_content.h"
#include "kind/support/mount_dump.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_record.h"

static int tmpfs_check(const void *body, size_t length, struct err *err)
{
	return tree_check(body, length, err);
}

static int tmpfs_link(const struct image *image, const struct record *record, struct err *err)
{
	struct tree_walk walk;
	struct tree_entry entry;
	int r = tree_begin(record->body, record->length, &walk, err);

	while (r > 0 && (r = tree_next(&walk, &entry, err)) > 0) {
		uint32_t content = le32_get(entry.rec->content);
		int linked = file_content_link(image, content, le64_get(entry.rec->size), err);

		if (content && linked < 0)
			return linked;
	}
	return r;
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
