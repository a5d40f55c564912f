/* Which files of the container's root directory are carried along: those that stand in the upper
 * directory of an overlay, or what is at paths that were named. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct tree_choice {
	/* O_PATH: of an overlay that is the root; -1: named paths count. It only tells names: what
	 * there is under them is read where the container sees it. */
	int upper;
	char **paths; /* owned, each and all: relative */
	size_t count;
};
#define TREE_CHOICE_NONE ((struct tree_choice){ .upper = -1 })
void tree_choice_free(struct tree_choice *choice);

/* "/a,/b/c". ERR_USAGE. */
int tree_choice_parse(const char *text, struct tree_choice *ret_choice, struct err *err);

/* Of a directory, below the root: */
enum tree_part {
	TREE_PART_WAY,	 /* it only leads to what is chosen */
	TREE_PART_SOME,	 /* itself, and some of what is in it */
	TREE_PART_WHOLE, /* itself, and all that is in it */
};
enum tree_part tree_choice_part(const struct tree_choice *choice, const char *path);
/* What is chosen in one that is not whole. Owned, each and all. Returns a negative errno. */
int tree_choice_names(const struct tree_choice *choice, const char *path, char ***ret_names,
		      size_t *ret_count);
