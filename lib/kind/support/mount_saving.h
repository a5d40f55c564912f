/* The mounts of a namespace while they are saved: between the files of mount_dump.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kind/support/mount_dump.h"
#include "kind/support/mount_record.h"

enum { NONE = -1 };

struct saved {
	const struct mountinfo *info;
	ssize_t parent; /* number in the same array */
	enum mount_how how;
	bool is_done;	  /* it has its place in the order */
	bool is_root;	  /* of the task */
	bool is_needed;	  /* something of the list refers to it */
	bool is_changed;  /* there, with other attributes */
	bool is_made;	  /* there, by ctckpt */
	bool is_along;	  /* it comes with the mount that it is on */
	bool is_followed; /* tied to mounts outside of the container: see MOUNT_FOLLOWED */
	ssize_t source;
	char *root;    /* owned: below the source, or in the file system */
	char *options; /* owned */
	uint32_t attributes;
	uint32_t content;
	uint32_t number; /* in the record */
};

struct saving {
	struct dump *d;
	int proc; /* of the task that sees them */
	const struct mount_origin *origin;
	struct mountinfo *mounts; /* owned */
	size_t count;
	struct mountinfo *host; /* owned: our own */
	size_t host_count;
	struct mountinfo *left; /* owned: what a container that has another root has left behind */
	size_t left_count;
	size_t node_count;   /* of those, the first: nodes in /dev, where we put the host's */
	struct saved *saved; /* owned: of the mounts, then of those left behind */
	size_t *order;	     /* owned */
	size_t order_count;
	bool *is_used; /* owned: of the origin's mounts, which are there */
	bool is_blocked;
};

/* "a/b" for "/x/a/b" below "/x", "" for "/x" itself; NULL if it is elsewhere. */
const char *path_below(const char *path, const char *top);
/* Of mount `n`, below its parent's root. */
const char *saving_point(const struct saving *saving, size_t n);
/* Like dump_block(), for a mount; the reason may be NULL. */
int saving_block(struct saving *saving, const struct mountinfo *mount, const char *remedy,
		 const char *reason);

/* Are there mounts of this group of peers? */
bool saving_has_group(const struct saving *saving, uint32_t group);

/* mount_source.c: how a mount that is not there is to be made. */
int saving_find_how(struct saving *saving, struct saved *saved);
/* The root is another one: what may have been taken from the former. Moves saving->saved. */
void saving_add_left(struct saving *saving);

/* `path` of the host was `point` in the container. */
void saving_leave_path(struct saving *saving, const char *path, const char *point);
/* After their number has changed. */
void saving_resize(struct saving *saving);

/* mount_nodes.c: a common device that this host has, too. */
bool device_is_common(const char *name, dev_t device);
void saving_add_nodes(struct saving *saving);
bool saving_has_node(const struct saving *saving, const char *point);

/* mount_list.c: the record, and those of the trees. */
int saving_take_trees(struct saving *saving, int proc, struct err *err);
void saving_write(struct saving *saving, const struct kind *kind, uint32_t id);
