/* Namespaces of single tasks inside of the container, besides its own.
 *
 * A namespace has a record, and an id; 0 is the container's own of that type. What is in it has
 * records of its type's kind, with the same id. A task that is anywhere but in the container's own
 * has a record that says where, and which pids it has there. Ids of users in all of these records
 * are those that the container's user namespace sees. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "image/image.h"
#include "image/record.h"

struct dump;
struct restore;
struct script;

#define TAG_NAMESPACE TAG('N', 'S', 'P', 'C')
#define TAG_NSPROXY   TAG('N', 'S', 'P', 'X')

enum namespace_type {
	NAMESPACE_NONE,
	NAMESPACE_USER,
	NAMESPACE_PID,
	NAMESPACE_MNT,
	NAMESPACE_NET,
	NAMESPACE_UTS,
	NAMESPACE_IPC,
	NAMESPACE_TIME,
	NAMESPACE_CGROUP,
	NAMESPACE_TYPES,
};
enum {
	NAMESPACE_LEVELS = 32, /* MAX_PID_NS_LEVEL, linux/pid_namespace.h; users' likewise */
	NAMESPACE_MAPS = 340,  /* UID_GID_MAP_MAX_EXTENTS, linux/user_namespace.h */
};

/* As in /proc/PID/ns: "user". */
const char *namespace_name(enum namespace_type type);
/* CLONE_NEWUSER, ... */
int namespace_flag(enum namespace_type type);

enum namespace_rec_flag {
	NAMESPACE_NO_SETGROUPS = 1u << 0, /* user: setgroups(2) is denied */
};

RECORDS_BEGIN
struct namespace_rec {
	le32 type;   /* enum namespace_type */
	le32 owner;  /* a user namespace; 0: the container's */
	le32 parent; /* of a user or pid namespace; 0: the container's */
	le32 flags;
	le32 owner_uid; /* of a user namespace */
	le32 uid_count; /* struct idmap_rec that follow */
	le32 gid_count; /* that follow those */
	le32 reserved;
};

struct idmap_rec {
	le32 inside;
	le32 outside; /* in the container's user namespace */
	le32 count;
};

/* One row of pids for each thread, the leader's first; a row has `level_count` of them, from the
 * pid namespace below the container's to the task's own. Before them a row for its process group,
 * and one for its session; a pid is 0 where that cannot be seen. */
struct nsproxy_rec {
	le32 ids[9]; /* by enum namespace_type */
	le32 pid_for_children;
	le32 thread_count;
	le32 level_count;
	le32 pids[];
};
RECORDS_END
static_assert(sizeof(struct namespace_rec) == 32, "image format");
static_assert(sizeof(struct idmap_rec) == 12, "image format");
static_assert(sizeof(struct nsproxy_rec) == 48, "image format");
static_assert(NAMESPACE_TYPES == 9, "struct nsproxy_rec");

enum nsproxy_row { NSPROXY_GROUP, NSPROXY_SESSION, NSPROXY_THREADS };

/* The pid in that row, `level` levels below the container's pid namespace (1 is the first). */
static inline uint32_t nsproxy_pid(const struct nsproxy_rec *rec, size_t row, size_t level)
{
	return le32_get(rec->pids[row * le32_get(rec->level_count) + level - 1]);
}

/* The record of a namespace; NULL for the container's own. */
const struct namespace_rec *namespace_find(const struct image *image, uint32_t id);
/* Where a task is; NULL: in all of the container's own. */
const struct nsproxy_rec *nsproxy_find(const struct image *image, uint32_t task);
/* Is `id` the user or pid namespace `above`, or below it? */
bool namespace_is_below(const struct image *image, uint32_t id, uint32_t above);
size_t namespace_level(const struct image *image, uint32_t id);

enum { NAMESPACE_NO_ID = UINT32_MAX };
/* A user or group id as that user namespace sees it: UINT32_MAX if it does not. */
uint32_t namespace_map_uid(const struct image *image, uint32_t id, uint32_t uid);
uint32_t namespace_map_gid(const struct image *image, uint32_t id, uint32_t gid);
/* Either, and how many from `first` on follow each other there, too. */
uint32_t namespace_map_ids(const struct image *image, uint32_t id, bool is_gid, uint32_t first,
			   uint32_t *ret_left);

enum { NAMESPACE_MAGIC = 0x6e736673 }; /* NSFS_MAGIC, linux/magic.h */
/* By its flag; NAMESPACE_NONE if it is not known. */
enum namespace_type namespace_type_of(int flag);

#define TAG_NETNS TAG('S', 'N', 'E', 'T')
/* Dump, kind/fd/netns.c: the record of the socket at the cursor that is in another network
 * namespace than the container's. */
void netns_dump(struct dump *d);
/* The network namespace of that socket; 0: the container's own. */
uint32_t netns_find(const struct image *image, uint32_t socket);

#define TAG_IPCNS TAG('S', 'I', 'P', 'C')
/* Dump, kind/container/ipcns.c: the record that an object is in ipc namespace `ns`; 0: none. */
void ipcns_dump(struct dump *d, uint32_t object, uint32_t ns);
/* The ipc namespace of that object; 0: the container's own. */
uint32_t ipcns_find(const struct image *image, uint32_t object);

/* Restore, kind/task/creds.c: calls by which the running thread gets the planned ids of thread
 * `id`, from inside of user namespace `userns`. It keeps its capabilities. Ids that cannot be seen
 * from there stay as they are. */
int creds_take_ids(const struct restore *rs, uint32_t id, uint32_t userns, struct script *script,
		   struct err *err);
