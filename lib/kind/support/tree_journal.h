/* The journal of what was done to a root directory: records one behind the other in a file that
 * nobody else has. Each is there before what it tells of is done; the last one may be cut off. */
#pragma once

#include <stdint.h>
#include <time.h>

enum tree_deed {
	TREE_DEED_ROOT,	   /* the first: attributes of the root */
	TREE_DEED_SHELF,   /* the next shelf, from 0, is made there under this name */
	TREE_DEED_ENTER,   /* `number` is this directory, which was there: attributes follow */
	TREE_DEED_MAKE,	   /* `number` is this directory, or 0: this file, which was not there */
	TREE_DEED_MOVE,	   /* what was there is `number` on the shelf */
	TREE_DEED_DISSOLVE /* the directory `number`, which is empty, is removed */
};

struct tree_step {
	uint32_t size; /* with the name and its NUL, and the attributes: a multiple of 8 */
	uint32_t deed;
	uint32_t dir; /* number of the directory that it is in; 0: the root */
	uint32_t number;
	uint64_t device, inode;
	uint32_t uid, gid, mode;
	uint32_t name_size;
	uint32_t xattrs_size; /* name, NUL, int32_t size, value; size -1: it could not be read */
	uint32_t shelf;	      /* of what is moved */
	struct timespec times[2];
};
