/* Changes of a root directory that can be undone.
 *
 * What is in the way is not removed but moved to a shelf, a directory of ours in the root; in
 * another directory of it, where that is another file system, or nothing can be made in the root.
 * What is new is made there, and gets its name when it is whole. A journal says all of this before
 * it is done, and which files they are: so whatever happens in the middle, and whoever else changes
 * something meanwhile, what is ours can be taken away, and what was there comes back. The shelf
 * goes at the end, with what is still on it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_SHELF_NEW "new" /* what is being made, on the shelf */

struct tree_shelf {
	int root;			/* borrowed */
	int journal;			/* borrowed: an empty file */
	int dir;			/* borrowed: the shelf that was opened last; -1: none */
	struct tree_shelf_one *shelves; /* owned */
	uint32_t shelf_count;
	uint32_t current;
	struct tree_shelf_dir *dirs; /* owned: by their numbers, from 1 */
	uint32_t dir_count;
	uint32_t moved;
};
#define TREE_SHELF_NONE ((struct tree_shelf){ .root = -1, .journal = -1, .dir = -1 })
#define auto_tree_shelf __attribute__((cleanup(tree_shelf_free)))
void tree_shelf_free(struct tree_shelf *shelf);

/* All return 0 or a negative errno. `number` is that of a directory, 0 for the root. */
int tree_shelf_begin(int root, int journal, struct tree_shelf *ret_shelf);
/* Before anything is made for that directory, which is open as `dir`. */
int tree_shelf_open(struct tree_shelf *shelf, uint32_t number, int dir);
/* Before `name` in that directory, which is open as `fd`, is altered, or anything in it. */
int tree_shelf_enter(struct tree_shelf *shelf, uint32_t number, const char *name, int fd,
		     uint32_t *ret_number);
/* Takes away what is there under this name, if anything is; -EXDEV: a mount is on it, or below. */
int tree_shelf_move(struct tree_shelf *shelf, uint32_t number, int dir, const char *name);
/* What was made on the shelf under TREE_SHELF_NEW gets its place, where nothing is. A directory
 * gets a number. */
int tree_shelf_place(struct tree_shelf *shelf, uint32_t number, int dir, const char *name,
		     uint32_t *ret_number);

/* Is it the name of a shelf? One that is there is of a restore that goes on, or was killed with all
 * that belongs to it. */
bool tree_shelf_is_name(const char *name);

/* By the journal alone, in a process that nothing hides a part of the root from: what was done is
 * undone, or stays. An empty journal is none. */
struct tree_undone {
	size_t left;	/* what could not be put back, or removed */
	char shelf[64]; /* the name of a shelf that stays; "" */
};
int tree_shelf_undo(int root, int journal, struct tree_undone *ret_undone);
int tree_shelf_keep(int root, int journal, struct tree_undone *ret_undone);
