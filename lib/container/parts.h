/* What the files of this directory share: the steps by which a container comes to be. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/container.h"
#include "core/err.h"

struct stage {
	const struct container_spec *spec;
	pid_t caller;
	uid_t uid; /* of the caller */
	gid_t gid;
	int sync;
	int rootfs; /* O_PATH; -1: none */
};

/* userns.c */

/* Why unshare(CLONE_NEWUSER) failed with `code` (negative errno): ERR_HOST, with the sysctl that
 * forbids it as a hint. */
int userns_explain(int code, struct err *err);
/* Caller: writes the maps of the user namespace of `pid`, a child of ours. */
int userns_write_maps(pid_t pid, const struct container_spec *spec, struct err *err);
/* Stage: takes ids that the maps know, 0 if they do; stays dumpable. */
int userns_enter_ids(const struct stage *stage, struct err *err);
bool userns_maps_id(const struct id_map *map, size_t count, uint32_t id);
/* The path of newuidmap or newgidmap, or NULL: never by PATH. */
const char *userns_helper(const char *name);

/* stage.c */

/* The stage's whole life; the first task is born in it. */
_Noreturn void stage_main(const struct stage *stage);

/* timens.c */

/* Stage: sets the offsets of the time namespace that its children will be in. */
int timens_set_offsets(int64_t monotonic_ns, int64_t boottime_ns, struct err *err);

/* net.c */
int net_loopback_up(struct err *err);

/* mounts.c: run by the first task in its own mount namespace */

/* The invoker's view, with /proc, /dev/mqueue and /dev/pts of its own. */
int mounts_make_view(struct volumes *volumes, struct err *err);
/* Makes the current directory the root. */
int mounts_make_root(bool has_tty_group, struct volumes *volumes, struct err *err);

/* A mount that ctckpt makes: for mounts.c to make, for mountinfo.c to know. */
enum mount_place { PLACE_ROOT, PLACE_DEV };
struct mount_row {
	enum mount_place place;
	const char *name;  /* of the directory in its place */
	const char *point; /* where that is in the container */
	const char *type;
	const char *options[4]; /* key=value, or key; NULL at the end */
	uint64_t attributes;	/* MOUNT_ATTR_* */
	const char *shown;	/* the same as mountinfo writes them */
	bool is_optional;	/* may be EPERM */
	bool is_in_view;	/* made without a root file system, too */
};
extern const struct mount_row mount_rows[]; /* ends with a NULL name */
extern const char *const mount_devices[];   /* names in /dev; ends with NULL */
