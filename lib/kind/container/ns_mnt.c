/* ns_mnt: a mount namespace as ctckpt makes them: the invoker's view or a root directory, with a
 * fresh proc. */
#include <stdlib.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "dump/dump.h"

extern const struct kind kind_ns_mnt;

static int ns_mnt_dump(struct dump *d, struct err *err)
{
	auto_free char *stranger = NULL;
	int r;

	if (d->own->target->form == TARGET_TREE)
		return 0;
	r = container_check_mounts(d->own->tasks[0].proc, d->own->target->rootfs, &stranger, err);
	if (stranger)
		return dump_block(d, "unmount it in the container", "mount %s is not supported",
				  stranger);
	if (r < 0)
		return r;
	dump_record(d, dump_new_id(d), &kind_ns_mnt, NULL, 0);
	return 0;
}

static int ns_mnt_check(const void *body, size_t length, struct err *err)
{
	(void)body;
	return length == 0 ? 0 : err_set(err, ERR_DAMAGED, "ns_mnt: %zu bytes", length);
}

const struct kind kind_ns_mnt = {
	.name = "ns_mnt",
	.summary = "a mount namespace with the mounts that ctckpt makes",
	.tag = TAG('N', 'M', 'N', 'T'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.dump = ns_mnt_dump,
	.check = ns_mnt_check,
};
