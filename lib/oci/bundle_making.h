/* A bundle's root while it is made, in the container's first task: between the files bundle_*.c. */
#pragma once

#include <stddef.h>

#include "core/err.h"
#include "oci/bundle.h"
#include "restore/restore.h"

struct making {
	struct bundle_mounts *mounts;
	const struct oci_config *config;
	struct restore *rs;
	int root;
	int *read_only; /* owned: mounts that are filled first */
	size_t read_only_count;
};

/* bundle_mounts.c: the mounts of config.json, in their order. */
int making_mounts(struct making *making, struct err *err);
/* bundle_devices.c: what each container has in its /dev, and the bundle's own. */
int making_devices(const struct making *making, struct err *err);
/* All saved objects are there: a node for the container's own terminal, if it has one. */
int making_console(const struct bundle_mounts *mounts, struct err *err);
