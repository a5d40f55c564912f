/* The mounts of one mount namespace, as an image has them: in the order in which they are mounted,
 * parents first. Paths in it are resolved one component at a time, within one mount, and never
 * through a link: see mount_restore.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"
#include "image/record.h"

#define TAG_MOUNTS TAG('N', 'M', 'N', 'T')
#define TAG_TREE   TAG('T', 'M', 'F', 'S')
#define TAG_FILES  TAG('F', 'S', 'Y', 'S')

enum {
	MOUNT_COUNT_MAX = 1024,
	MOUNT_PATH_MAX = 4096,	   /* with the NUL */
	MOUNT_OPTIONS_MAX = 65536, /* likewise */
};

enum mount_how {
	MOUNT_THERE = 1,  /* made with the container, or inherited: found at its point */
	MOUNT_GONE,	  /* such a one that the container has unmounted */
	MOUNT_FILESYSTEM, /* a new file system */
	MOUNT_BIND,	  /* of another mount of the list */
	MOUNT_NAMED,	  /* of the host: named by the invoker */
};

enum mount_flags {
	MOUNT_CHANGED = 1,  /* THERE: its attributes are not those that it was made with */
	MOUNT_ROOT = 2,	    /* it becomes the root, in place of the container's first one */
	MOUNT_FOLLOWED = 4, /* what was mounted on it outside of the container showed there, or the
			     * other way: not any more */
};

enum mount_propagation {
	MOUNT_UNBINDABLE = 1,
};

RECORDS_BEGIN
struct mounts_rec {
	le32 has_root; /* 0 or 1: the container had a root directory of its own */
	le32 count;    /* of the mount_rec that follow */
};
struct mount_rec {
	le32 how;
	le32 flags;
	le32 parent;	  /* number of the mount that it is on, from 1; 0: none of the list */
	le32 source;	  /* BIND: number of the mount that it is taken from */
	le32 content;	  /* a tmpfs: the id of its tree; 0: none */
	le32 attributes;  /* MOUNT_ATTR_* */
	le32 propagation; /* 0, or 1: unbindable */
	le32 group;	  /* of peers; 0: none */
	le32 master;	  /* the group that it is a slave of; 0: none */
	le32 point_length;
	le32 root_length;
	le32 type_length;
	le32 source_length;
	le32 options_length;
	/* then the texts, without a NUL, and zeros up to a multiple of 8 */
};
RECORDS_END
static_assert(sizeof(struct mounts_rec) == 8, "image format");
static_assert(sizeof(struct mount_rec) == 56, "image format");

/* A mount_rec taken apart. Texts are owned. */
struct mount_entry {
	enum mount_how how;
	uint32_t flags;
	uint32_t parent, source, content;
	uint32_t attributes;
	uint32_t propagation, group, master;
	char *point;   /* below the parent's root, without a slash in front; else absolute */
	char *root;    /* the same in the source; of a file system: below its root */
	char *type;    /* of a file system */
	char *device;  /* what a file system calls its source */
	char *options; /* with commas */
};

struct mount_list {
	bool has_root;
	struct mount_entry *entries; /* owned */
	size_t count;
};
#define MOUNT_LIST_NONE ((struct mount_list){ .entries = NULL })
void mount_list_free(struct mount_list *list);
#define auto_mount_list __attribute__((cleanup(mount_list_free)))

void mount_list_write(const struct mount_list *list, struct buf *body);
/* Hostile bytes: a list that is returned may be acted upon. */
int mount_list_read(const void *body, size_t length, struct mount_list *ret_list, struct err *err);
/* Are the trees there that it names? */
int mount_list_link(const struct image *image, const struct mount_list *list, struct err *err);
/* Where mount `n` is, seen from the root. Owned. */
char *mount_list_place(const struct mount_list *list, size_t n);

/* The file systems that can be made anew: is this one of them? */
bool mount_type_is_known(const char *type);
/* Those options of a mounted file system that are to be given again, with commas; owned. False,
 * with *ret_stranger (owned), if there is one that cannot be. */
bool mount_options_filter(const char *type, const char *options, char **ret_kept,
			  char **ret_stranger);
/* Would mount_options_filter() have returned them? */
bool mount_options_are_valid(const char *type, const char *options);
/* MOUNT_ATTR_* of what mountinfo shows; false for a word that is not known. */
bool mount_attributes_parse(const char *options, uint32_t *ret_attributes);
#define MOUNT_ATTRIBUTES                                                                           \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |            \
	 MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NODIRATIME |                     \
	 MOUNT_ATTR_NOSYMFOLLOW)
