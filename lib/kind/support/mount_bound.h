/* The mounts of an image in a container whose mounts a bundle makes. */
#pragma once

#include "image/image.h"
#include "kind/support/mount_record.h"
#include "policy/bound.h"

/* Mounts that the bundle has are there, with its source, options and attributes; a tmpfs among them
 * keeps its content. What tasks have mounted themselves stays as it is. What else was there when
 * the container was made is left out: a mount that is gone, of no place. `bound` may be NULL. */
void mount_list_apply(struct mount_list *list, const struct bound *bound);
/* A tmpfs at that place, which was the container's alone, or its engine's: its files are in the
 * image only, so it is a new one also where a bundle has a directory of the host. Its options,
 * owned; NULL: there is none. */
char *mount_memory_options(const struct image *image, const char *place);
/* Mount `n` of the list as it is in the image: would files be lost by leaving it out? */
bool mount_is_missed(const struct mount_list *list, size_t n, const struct bound *bound);
