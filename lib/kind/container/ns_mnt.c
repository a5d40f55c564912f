/* ns_mnt: the mounts of a container: those that ctckpt and its tasks have made in it, over those of
 * the host or of its root directory. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/mount_bound.h"
#include "kind/support/mount_dump.h"
#include "kind/support/mount_join.h"
#include "kind/support/mount_record.h"
#include "kind/support/mount_restore.h"
#include "kind/support/namespaces.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

extern const struct kind kind_ns_mnt;

struct own_mounts {
	struct mountinfo *mounts;
	size_t count;
};

static void own_mounts_free(struct own_mounts *own)
{
	mountinfo_free(own->mounts, own->count);
}

static bool is_of_engine(const struct target *target)
{
	return target->engine || target->is_hooked;
}

/* A copy of the container's, and what was done in it since. */
static int dump_nested(struct dump *d, struct err *err)
{
	auto_with(own_mounts_free) struct own_mounts own = { .mounts = NULL };
	struct mount_origin origin = { .may_follow = is_of_engine(d->own->target) };
	int r = mountinfo_read(file_first_task(d)->proc, "mountinfo", &own.mounts, &own.count, err);

	if (r < 0)
		return r;
	origin.own = own.mounts;
	origin.own_count = own.count;
	return mount_dump(d, &kind_ns_mnt, d->ns->id, d->ns->task->proc, &origin, err);
}

static int ns_mnt_dump(struct dump *d, struct err *err)
{
	auto_with(own_mounts_free) struct own_mounts own = { .mounts = NULL };
	struct mount_origin origin = { .has_root = d->own->target->has_root,
				       .rootfs = d->own->target->rootfs,
				       .has_made = true,
				       .is_foreign = is_of_engine(d->own->target),
				       .may_follow = is_of_engine(d->own->target) };
	int r = 0;

	if (d->ns)
		return dump_nested(d, err);
	if (d->own->target->form == TARGET_TREE)
		return 0;
	if (!origin.has_root)
		r = mountinfo_read(AT_FDCWD, "/proc/self/mountinfo", &own.mounts, &own.count, err);
	if (r < 0)
		return r;
	origin.own = own.mounts;
	origin.own_count = own.count;
	return mount_dump(d, &kind_ns_mnt, dump_new_id(d), file_first_task(d)->proc, &origin, err);
}

static int ns_mnt_check(const void *body, size_t length, struct err *err)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;

	return mount_list_read(body, length, &list, err);
}

static int ns_mnt_link(const struct image *image, const struct record *record, struct err *err)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	int r;

	if (image_next(image, TAG_MOUNTS, NULL) != record && !namespace_find(image, record->id))
		return err_set(err, ERR_DAMAGED, "ns_mnt: a second one");
	r = mount_list_read(record->body, record->length, &list, err);
	return r < 0 ? r : mount_list_link(image, &list, err);
}

/* What is below a mount of the host comes with it. */
static bool is_along(const struct mount_list *list, size_t n)
{
	uint32_t parent = list->entries[n].parent;

	while (parent && list->entries[parent - 1].how != MOUNT_NAMED)
		parent = list->entries[parent - 1].parent;
	return parent != 0;
}

/* What a container of an engine's has not, is not made for it. */
static bool has_no_memory(const struct plan *plan, const struct record *record,
			  const struct mount_list *list, size_t n)
{
	const struct image *image = plan_image(plan);
	auto_free char *place = mount_list_place(list, n);
	const struct bound_point *point;

	if (!plan_facts(plan)->is_joined || namespace_find(image, record->id) ||
	    !mount_joined_files(image, list, n))
		return false;
	point = bound_point_at(plan_facts(plan)->bound, place);
	return !point || point->sort != BOUND_TMPFS;
}

static void ask_for(struct plan *plan, const struct record *record, const struct mount_list *list,
		    size_t n)
{
	const struct host_facts *facts = plan_facts(plan);
	auto_free char *place = mount_list_place(list, n);
	auto_free char *subject = mem_printf("mount %s", place);
	bool is_named = facts->is_joined;
	enum mount_offer offer;

	for (size_t i = 0; i < facts->volume_count; i++)
		is_named |= strcmp(facts->volumes[i], place) == 0;
	is_named |= facts->bound && bound_point_at(facts->bound, place);
	offer = has_no_memory(plan, record, list, n) ? MOUNT_NO_MEMORY
		: is_named			     ? MOUNT_OFFERED
						     : MOUNT_UNNAMED;
	plan_ask(plan, &(struct question){
			   .class = CLASS_MOUNT,
			   .id = record->id,
			   .detail = (uint32_t)n,
			   .saved = 1,
			   .invoker = offer,
			   .path = place,
			   .subject = subject,
			   .saved_text =
			       list->entries[n].how == MOUNT_NAMED ? "of the host" : "with files",
			   .invoker_text = offer == MOUNT_OFFERED ? "named" : "-" });
}

static int ns_mnt_ask(struct plan *plan, const struct image *image, const struct record *record,
		      struct err *err)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	int r = mount_list_read(record->body, record->length, &list, err);

	(void)image;
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		if ((list.entries[i].how == MOUNT_NAMED && !is_along(&list, i)) ||
		    mount_is_missed(&list, i, plan_facts(plan)->bound) ||
		    has_no_memory(plan, record, &list, i))
			ask_for(plan, record, &list, i);
	}
	return r;
}

/* The container's own namespace is made of what its first task sees. */
static bool is_abandoned(const struct image *image)
{
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_TASK, record))) {
		const struct task_rec *task = record->body;
		const struct nsproxy_rec *ns = nsproxy_find(image, record->id);

		if (!(le32_get(task->flags) & TASK_ZOMBIE) &&
		    (!ns || le32_get(ns->ids[NAMESPACE_MNT]) == 0))
			return false;
	}
	return true;
}

static int ns_mnt_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct record *namespace = image_find(rs->image, TAG_NAMESPACE, record->id);

	if (!namespace && rs->own->is_joined)
		return mount_join(rs, record, err);
	if (!namespace && is_abandoned(rs->image))
		restore_note(rs, "no task is in the container's own mount namespace: in copies of "
				 "it, what was mounted cannot be unmounted");
	return namespace ? restore_make_namespace(rs, namespace, err)
			 : mount_restore(rs, record, err);
}

const struct kind kind_ns_mnt = {
	.name = "ns_mnt",
	.summary = "the tree of mounts",
	.tag = TAG_MOUNTS,
	.version = 2,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.dump = ns_mnt_dump,
	.check = ns_mnt_check,
	.link = ns_mnt_link,
	.ask = ns_mnt_ask,
	.restore = ns_mnt_restore,
	.namespace = NAMESPACE_MNT,
};
