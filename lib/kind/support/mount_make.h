/* Single steps of mounting. All take descriptors; none takes a path that leads through a link. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "kind/support/mount_record.h"

/* A new file system with options that mount_options_filter() has let through; not attached yet. */
int mount_new(const char *type, const char *device, const char *options, int *ret_mount,
	      struct err *err);
/* Gives a mounted tmpfs other options. Returns a negative errno. */
int mount_change_options(int mount, const char *options);
/* Directories below `dir`, made where they are missing; the last one is *ret_dir. */
int mount_make_path(int dir, const char *path, int *ret_dir, struct err *err);
/* Sets all of them and clears all others, if the kernel lets us: if not, *ret_is_stricter. Returns
 * a negative errno. */
int mount_set_attributes(int mount, uint32_t attributes, bool *ret_is_stricter);
/* Peer groups, slaves, unbindable mounts. `roots` are descriptors of the list's mounts. */
int mount_set_propagation(const struct mount_list *list, const int *roots, struct err *err);
