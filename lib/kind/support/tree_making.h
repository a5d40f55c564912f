/* Files that are being made: what tree_restore.c makes, and tree_way.c finds in its way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kind/support/tree_index.h"
#include "kind/support/tree_record.h"
#include "kind/support/tree_shelf.h"

/* A directory that is being filled. */
struct level {
	uint32_t number;
	int fd;		       /* owned */
	uint32_t shelf_number; /* in a root directory */
	bool is_kept;	       /* it is not altered itself */
	bool is_mount;	       /* of others: nothing is made in it */
};

struct making {
	struct restore *rs;
	const char *place;
	struct tree_entry *entries; /* owned: those so far, by number */
	size_t count;
	struct level levels[TREE_DEPTH_MAX + 2];
	size_t depth;
	size_t disowned; /* files whose ids the container does not have */
	size_t bare;	 /* files without an attribute that they had */
	/* In a root directory: what is to be there. NULL: in a file system that only we have. */
	const struct tree_index *index;
	struct tree_shelf shelf; /* owned: then, where all is made, and what is in the way goes */
	size_t tamed;		 /* files there that have lost set-id bits or capabilities */
	bool adds;		 /* to what an engine has put there, which stays */
	size_t kept;		 /* files of the engine's in place of saved ones */
};

/* Below the root of the tree. Owned. */
char *tree_making_path(const struct making *making, uint32_t number);
/* Says what could not be done to it, by errno. */
int tree_making_fail(const struct making *making, uint32_t number, const char *what,
		     struct err *err);

/* tree_way.c: of what is in a root directory, or in one of its directories, only what the record
 * has too stays. */
int tree_remove_unknown(struct making *making, const struct level *level, struct err *err);
int tree_remove_others(const struct making *making, int dir, const struct tree_walk *walk,
		       struct err *err);
/* What is there already under the entry's name stays, or goes. -1 and errno. */
int tree_clear_place(struct making *making, const struct level *level, const char *name,
		     const struct tree_entry *entry, bool *ret_stays);
