/* What a process shares with others without being a thread of theirs: the arguments of clone(2)
 * but for CLONE_THREAD. A group is called by the id of its first task. */
#pragma once

#include "image/image.h"
#include "kind/kind.h"

/* The groups of a living task of the image; its own id where it shares nothing. */
void sharing_of(const struct image *image, uint32_t task, uint32_t ret_groups[SHARE_COUNT]);
