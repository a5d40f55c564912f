/* Places in the new root, whose content is nobody's to trust: links in it lead nowhere else. All
 * functions with `root` take an O_PATH descriptor of it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* Returns an O_PATH descriptor, or a negative errno. */
int place_open(int root, const char *path);
/* The same, made if it is missing: a directory, or an empty file. */
int place_make(int root, const char *path, bool is_dir, int *ret_place, struct err *err);
/* Mounts a mount that is not attached yet. */
int place_attach(int mount, int place, struct err *err);
/* A part of the host's file system, or of another mount, as a mount that is not attached yet: with
 * `*is_deep` with what is mounted in it. Where the kernel gives it only so, that becomes true. */
int place_take(int dir, const char *path, bool *is_deep, int *ret_mount, struct err *err);
/* Sets attributes of a mount, with `is_deep` of those below it, too; those of times, if the kernel
 * lets us. */
int place_restrict(int mount, uint64_t attributes, bool is_deep, struct err *err);
