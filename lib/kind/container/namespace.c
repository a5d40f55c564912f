/* namespace: a namespace of single tasks inside of the container: its type, who owns it, what it is
 * below, and the ids of a user namespace. What is in it is saved by the kind of its type. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/namespaces.h"
#include "kind/support/ns_limits.h"
#include "restore/restore.h"

extern const struct kind kind_namespace;

/* ---- dump ---- */

static int namespace_dump(struct dump *d, struct err *err)
{
	for (size_t i = 0; i < d->own->namespace_count; i++) {
		const struct dump_namespace *ns = &d->own->namespaces[i];
		auto_buf struct buf body = BUF_EMPTY;
		struct namespace_rec rec = { .type = le32_make(ns->type),
					     .owner = le32_make(ns->owner),
					     .parent = le32_make(ns->parent),
					     .owner_uid = le32_make(ns->owner_uid) };
		int r = ns_limits_dump(d, ns, err);

		if (r < 0)
			return r;
		if (ns->id == 0)
			continue;
		(void)buf_append(&body, &rec, sizeof(rec));
		if (ns->type == NAMESPACE_USER)
			r = dump_user_maps(ns, &body, err);
		if (r < 0)
			return r;
		dump_record(d, ns->id, &kind_namespace, body.data, body.size);
	}
	return 0;
}

/* ---- check ---- */

static bool overlaps(uint32_t one, uint32_t other, uint32_t one_count, uint32_t other_count)
{
	return one < other ? other - one < one_count : one - other < other_count;
}

static int check_map(const struct idmap_rec *map, uint32_t count, struct err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = le32_get(map[i].count);

		if (size == 0 || le32_get(map[i].inside) > UINT32_MAX - size ||
		    le32_get(map[i].outside) > UINT32_MAX - size)
			return err_set(err, ERR_DAMAGED, "namespace: impossible id map");
		for (uint32_t j = 0; j < i; j++) {
			uint32_t other = le32_get(map[j].count);

			if (overlaps(le32_get(map[i].inside), le32_get(map[j].inside), size,
				     other) ||
			    overlaps(le32_get(map[i].outside), le32_get(map[j].outside), size,
				     other))
				return err_set(err, ERR_DAMAGED,
					       "namespace: an id is mapped twice");
		}
	}
	return 0;
}

static int check_user(const struct namespace_rec *rec, struct err *err)
{
	const struct idmap_rec *map = (const void *)(rec + 1);
	uint32_t uids = le32_get(rec->uid_count);
	int r;

	if (le32_get(rec->parent) != le32_get(rec->owner) ||
	    le32_get(rec->owner_uid) == NAMESPACE_NO_ID)
		return err_set(err, ERR_DAMAGED, "namespace: impossible owner");
	r = check_map(map, uids, err);
	return r < 0 ? r : check_map(map + uids, le32_get(rec->gid_count), err);
}

static int namespace_check(const void *body, size_t length, struct err *err)
{
	const struct namespace_rec *rec = body;
	uint32_t type = length < sizeof(*rec) ? 0 : le32_get(rec->type);
	uint32_t uids;
	uint32_t gids;

	if (length < sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "namespace: %zu bytes", length);
	uids = le32_get(rec->uid_count);
	gids = le32_get(rec->gid_count);
	if (uids > NAMESPACE_MAPS || gids > NAMESPACE_MAPS ||
	    length != sizeof(*rec) + (uids + gids) * sizeof(struct idmap_rec))
		return err_set(err, ERR_DAMAGED, "namespace: %zu bytes", length);
	if (type == NAMESPACE_NONE || type >= NAMESPACE_TYPES || le32_get(rec->reserved) ||
	    le32_get(rec->flags) & ~(uint32_t)NAMESPACE_NO_SETGROUPS)
		return err_set(err, ERR_DAMAGED, "namespace: unknown bits");
	if (type == NAMESPACE_USER)
		return check_user(rec, err);
	if (uids || gids || le32_get(rec->flags) || le32_get(rec->owner_uid) ||
	    (type != NAMESPACE_PID && le32_get(rec->parent)))
		return err_set(err, ERR_DAMAGED, "namespace: only user namespaces have id maps");
	return 0;
}

/* ---- link ---- */

static int check_reference(const struct image *image, const struct record *record, uint32_t id,
			   enum namespace_type type, struct err *err)
{
	const struct record *found = id ? image_find(image, TAG_NAMESPACE, id) : NULL;
	const struct namespace_rec *rec = found ? found->body : NULL;

	if (id && (!found || found >= record || le32_get(rec->type) != type))
		return err_set(err, ERR_DAMAGED, "namespace: %s namespace %u is not in front of it",
			       namespace_name(type), id);
	return 0;
}

/* All that a user namespace maps, its parent must map, too. */
static int check_within(const struct image *image, const struct namespace_rec *rec, struct err *err)
{
	const struct idmap_rec *map = (const void *)(rec + 1);
	uint32_t uids = le32_get(rec->uid_count);
	uint32_t parent = le32_get(rec->parent);

	for (uint32_t i = 0; i < uids + le32_get(rec->gid_count); i++) {
		uint32_t left;

		if (namespace_map_ids(image, parent, i >= uids, le32_get(map[i].outside), &left) ==
			NAMESPACE_NO_ID ||
		    left < le32_get(map[i].count))
			return err_set(err, ERR_DAMAGED,
				       "namespace: maps an id that is not in its parent");
	}
	return 0;
}

static int namespace_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct namespace_rec *rec = record->body;
	enum namespace_type type = le32_get(rec->type);
	uint32_t parent = le32_get(rec->parent);
	int r = check_reference(image, record, le32_get(rec->owner), NAMESPACE_USER, err);

	if (r == 0 && type == NAMESPACE_PID)
		r = check_reference(image, record, parent, NAMESPACE_PID, err);
	if (r < 0)
		return r;
	if ((type == NAMESPACE_USER || type == NAMESPACE_PID) &&
	    namespace_level(image, parent) >= NAMESPACE_LEVELS)
		return err_set(err, ERR_DAMAGED, "namespace: too deep");
	if (type == NAMESPACE_PID && parent &&
	    !namespace_is_below(image, le32_get(rec->owner),
				le32_get(namespace_find(image, parent)->owner)))
		return err_set(err, ERR_DAMAGED,
			       "namespace: its owner is not below that of its parent");
	return type == NAMESPACE_USER ? check_within(image, rec, err) : 0;
}

/* ---- restore ---- */

static int namespace_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct namespace_rec *rec = record->body;

	switch ((enum namespace_type)le32_get(rec->type)) {
	case NAMESPACE_USER:
		return restore_make_user_namespace(rs, record, err);
	case NAMESPACE_PID: /* it begins with its init */
	case NAMESPACE_MNT: /* ns_mnt makes it, once the container's mounts are made */
		return 0;
	default:
		return restore_make_namespace(rs, record, err);
	}
}

const struct kind kind_namespace = {
	.name = "namespace",
	.summary = "user, pid and other namespaces of single tasks inside of the container",
	.tag = TAG_NAMESPACE,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.dump = namespace_dump,
	.check = namespace_check,
	.link = namespace_link,
	.restore = namespace_restore,
};
