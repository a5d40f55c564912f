/* One search for watched files: what the parts of watched.c share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kind/support/watched.h"

struct search {
	int root;  /* borrowed: O_PATH, the container's root */
	int probe; /* borrowed: an inotify of ours */
	struct watched *list;
	size_t count;
	size_t left;	/* of them, not found yet */
	size_t entries; /* of directories read */
};

/* Is `fd` one of those that are not found yet? Then it is found: as `file`, or under `path`. */
void search_try(struct search *search, int fd, uint32_t file, const char *path);
/* Walks what is mounted at `point`, nearest first. `asks_all`: inode numbers in directories are not
 * those of the kernel's names. */
void search_walk(struct search *search, const char *point, bool asks_all);
