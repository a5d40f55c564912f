/* Files of a tmpfs, or of the root directory: directories before what is in them, depth first.
 * Small files have their bytes here, larger ones in the page stream. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "image/image.h"
#include "image/record.h"
#include "kind/kind.h"

enum {
	TREE_ENTRIES_MAX = 1 << 20,
	TREE_DEPTH_MAX = 128,
	TREE_NAME_MAX = 255,
	TREE_XATTRS_MAX = 1 << 20, /* bytes of one file */
	TREE_INLINE = 16384,	   /* larger files go to the page stream */
};
#define TREE_BYTES_MAX (240u << 20) /* of one record */

/* In the root directory, where other files are already. */
enum tree_flag {
	TREE_WHOLE = 1u << 0,  /* a directory: nothing else is in it */
	TREE_ON_WAY = 1u << 1, /* a directory, or a file with a mount on it: if it is there, it
				* stays as it is */
};

RECORDS_BEGIN
struct tree_rec {
	le32 count; /* of the tree_entry_rec that follow */
	le32 reserved;
};
struct tree_entry_rec {
	le32 parent; /* number of its directory, from 1; 0: the root itself */
	le32 mode;   /* type and permission bits */
	le32 uid;    /* as the container sees it */
	le32 gid;
	le32 link;    /* number of the entry that this is another name of; 0: none */
	le32 content; /* id of what the page stream has of it; 0: nothing */
	le64 size;    /* of a regular file; else 0 */
	le64 atime_s; /* signed */
	le64 mtime_s; /* likewise */
	le32 atime_ns;
	le32 mtime_ns;
	le32 name_length;
	le32 xattrs_length;
	le32 data_length; /* of a regular file's first bytes, or a link's target */
	le32 flags;	  /* of a tmpfs: zero */
	/* then the name; the attributes (name, NUL, le32 size, value); the data; zeros up to a
	 * multiple of 8 */
};
RECORDS_END
static_assert(sizeof(struct tree_rec) == 8, "image format");
static_assert(sizeof(struct tree_entry_rec) == 72, "image format");

/* An entry while a record is walked through: everything points into the record. */
struct tree_entry {
	uint32_t number; /* from 1 */
	const struct tree_entry_rec *rec;
	const char *name; /* not NUL-terminated */
	uint32_t name_length;
	const void *xattrs;
	uint32_t xattrs_length;
	const void *data;
	uint32_t data_length;
};

struct tree_walk {
	struct reader reader;
	const void *body;
	uint32_t count, done;
};
/* Both return 1, or 0 at the end, or an error for hostile bytes. tree_check() has been over all
 * of them. */
int tree_begin(const void *body, size_t length, struct tree_walk *ret_walk, struct err *err);
int tree_next(struct tree_walk *walk, struct tree_entry *ret_entry, struct err *err);
/* `flags` that entries may have. */
int tree_check(const void *body, size_t length, uint32_t flags, struct err *err);
/* Is the content of its files there? */
int tree_link(const struct image *image, const struct record *record, struct err *err);
/* The next of an entry's attributes; false at the end, or if it is cut off: then *at is not
 * `end`. */
bool tree_next_xattr(const char **at, const char *end, const char **ret_name,
		     const void **ret_value, uint32_t *ret_size);

/* The files below a directory, in a record of its own. What cannot be saved is blocked; `place` is
 * the mount point, for messages. Common devices at its top are empty files, if restore puts those
 * of its host over them. */
int tree_dump(struct dump *d, const struct kind *kind, uint32_t id, int dir, const char *place,
	      bool has_nodes, struct err *err);
/* Of the container's root directory `dir`, those that are chosen. */
struct tree_choice;
int tree_dump_chosen(struct dump *d, const struct kind *kind, uint32_t id, int dir,
		     const struct tree_choice *choice, struct err *err);
/* Makes below the directory `dir` what the record has, and nothing else; nobody else may know this
 * file system yet. `place` for messages. */
int tree_restore(struct restore *rs, const struct record *record, int dir, const char *place,
		 struct err *err);
/* Adds to a file system in memory that the container has from its engine. What is there already
 * stays; what is below a mount, which hid it, is left out; set-id bits are not set. */
int tree_add(struct restore *rs, const struct record *record, int dir, const char *place,
	     struct err *err);
/* Likewise in the container's root directory, whatever is in it: through no link and no mount. What
 * is in the way goes; set-id bits are not set. */
int tree_put(struct restore *rs, const struct record *record, int dir, struct err *err);
