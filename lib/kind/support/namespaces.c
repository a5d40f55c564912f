/* Look-ups in the records of namespaces. See namespaces.h. */
#include "kind/support/namespaces.h"

#include <sched.h>

#include "core/buf.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
	const char *name;
	int flag;
} types[NAMESPACE_TYPES] = {
	[NAMESPACE_USER] = { "user", CLONE_NEWUSER },
	[NAMESPACE_PID] = { "pid", CLONE_NEWPID },
	[NAMESPACE_MNT] = { "mnt", CLONE_NEWNS },
	[NAMESPACE_NET] = { "net", CLONE_NEWNET },
	[NAMESPACE_UTS] = { "uts", CLONE_NEWUTS },
	[NAMESPACE_IPC] = { "ipc", CLONE_NEWIPC },
	[NAMESPACE_TIME] = { "time", CLONE_NEWTIME },
	[NAMESPACE_CGROUP] = { "cgroup", CLONE_NEWCGROUP },
};

const char *namespace_name(enum namespace_type type)
{
	return types[type].name;
}

int namespace_flag(enum namespace_type type)
{
	return types[type].flag;
}

enum namespace_type namespace_type_of(int flag)
{
	for (enum namespace_type type = NAMESPACE_USER; type < NAMESPACE_TYPES; type++) {
		if (types[type].flag == flag)
			return type;
	}
	return NAMESPACE_NONE;
}

const struct namespace_rec *namespace_find(const struct image *image, uint32_t id)
{
	const struct record *record = id ? image_find(image, TAG_NAMESPACE, id) : NULL;

	return record ? record->body : NULL;
}

const struct nsproxy_rec *nsproxy_find(const struct image *image, uint32_t task)
{
	const struct record *record = image_find(image, TAG_NSPROXY, task);

	return record ? record->body : NULL;
}

/* Parents stand in front of their children: there are no circles. */
bool namespace_is_below(const struct image *image, uint32_t id, uint32_t above)
{
	while (id != above) {
		const struct namespace_rec *rec = namespace_find(image, id);

		if (!rec)
			return false;
		id = le32_get(rec->parent);
	}
	return true;
}

size_t namespace_level(const struct image *image, uint32_t id)
{
	const struct namespace_rec *rec;
	size_t level = 0;

	for (; (rec = namespace_find(image, id)); id = le32_get(rec->parent))
		level++;
	return level;
}

static uint32_t map_id(const struct idmap_rec *map, uint32_t count, uint32_t id, uint32_t *ret_left)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = le32_get(map[i].outside);

		if (id >= first && id - first < le32_get(map[i].count)) {
			*ret_left = le32_get(map[i].count) - (id - first);
			return le32_get(map[i].inside) + (id - first);
		}
	}
	return NAMESPACE_NO_ID;
}

uint32_t namespace_map_ids(const struct image *image, uint32_t id, bool is_gid, uint32_t first,
			   uint32_t *ret_left)
{
	const struct namespace_rec *rec = namespace_find(image, id);
	const struct idmap_rec *map = rec ? (const void *)(rec + 1) : NULL;

	*ret_left = UINT32_MAX - first;
	if (!rec)
		return first;
	return is_gid ? map_id(map + le32_get(rec->uid_count), le32_get(rec->gid_count), first,
			       ret_left)
		      : map_id(map, le32_get(rec->uid_count), first, ret_left);
}

uint32_t namespace_map_uid(const struct image *image, uint32_t id, uint32_t uid)
{
	uint32_t left;

	return namespace_map_ids(image, id, false, uid, &left);
}

uint32_t namespace_map_gid(const struct image *image, uint32_t id, uint32_t gid)
{
	uint32_t left;

	return namespace_map_ids(image, id, true, gid, &left);
}
