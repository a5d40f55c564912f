/* A bundle that a container is restored from: the mounts, ids, capabilities, limits, seccomp filter
 * and hooks are its, whatever the image says; the tasks and what they have come from the image.
 *
 * What the bundle allows goes into the plan as a bound (policy/bound.h). What it makes is made by
 * the container's first task, in the order of config.json. */
#pragma once

#include <stdbool.h>

#include "core/err.h"
#include "core/filter.h"
#include "oci/config.h"
#include "policy/bound.h"

struct bundle {
	char *dir;		   /* owned; absolute */
	struct oci_config *config; /* owned */
	char *rootfs;		   /* owned; absolute */
	struct filter filter;	   /* seccomp */
	struct bound *bound;	   /* owned */
};
#define BUNDLE_NONE ((struct bundle){ .dir = NULL })

/* What cannot be had is refused by name. */
int bundle_open(const char *dir, struct bundle *ret_bundle, struct err *err);
void bundle_free(struct bundle *bundle);
/* The longest way to a mount point that is there in the root directory, without links; the rest
 * behind it. Owned. */
char *bundle_resolve(int root, const char *rootfs, const char *point);

/* bundle_devices.c: what each container has in /dev; ends with NULL. */
extern const char *const bundle_nodes[];

/* bundle_root.c */
struct restore;
struct runtime;
struct bundle_mounts {
	const struct bundle *bundle;
	struct restore *rs;	       /* for notes */
	const struct runtime *runtime; /* for its hooks */
	int proc;		       /* a proc of the container where nothing is hidden; -1 */
};
/* For container_spec.make_root: struct bundle_mounts. */
int bundle_make_root(void *argument, struct err *err);
/* When all saved objects are there: sysctls, and the node of the console. */
int bundle_settle(const struct bundle_mounts *mounts, struct err *err);

/* bundle_options.c: what the options of one mount say. */
struct mount_wish {
	uint64_t attributes;	  /* MOUNT_ATTR_* */
	uint64_t deep_attributes; /* of what is mounted below it, too */
	uint64_t propagation;	  /* MS_*; 0: private */
	bool is_bind;
	bool is_deep; /* rbind */
	char *data;   /* owned: for the file system, with commas; also read-only: "ro" */
};
int mount_wish_read(const struct oci_mount *mount, struct mount_wish *ret_wish, struct err *err);
void mount_wish_free(struct mount_wish *wish);
