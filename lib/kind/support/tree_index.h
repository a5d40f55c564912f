/* The files of a saved tree, found by directory and name, however many there are: sorted, since who
 * chose the names may be an enemy of hashes. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/image.h"

struct tree_file {
	uint32_t parent;  /* number of its directory; 0: the root itself, which has no name */
	uint32_t number;  /* from 1 */
	uint32_t flags;	  /* enum tree_flag */
	const char *name; /* borrowed from the record; not NUL-terminated */
	uint32_t name_length;
	mode_t mode;
	uint64_t size;
};

struct tree_index {
	const struct record *tree;
	struct tree_file *files; /* owned */
	size_t count;
};

void tree_index_make(const struct record *tree, struct tree_index *ret_index);
/* NULL if there is none. */
const struct tree_file *tree_index_find(const struct tree_index *index, uint32_t parent,
					const char *name, size_t length);
void tree_index_free(struct tree_index *index);
