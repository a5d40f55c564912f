/* What is behind the mappings of a container: files with a name or a descriptor, and objects that
 * have neither. See mm.h, too. */
#pragma once

#include "dump/dump.h"
#include "kind/support/mapfile_rec.h"

/* Objects without a name, keyed by inode: their size is known when all mappings are. */
struct dump_shared {
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	uint32_t id;
	enum mapfile_type type;
	uint32_t flags; /* O_RDWR as soon as one mapping may write */
	char *name;	/* owned */
	uint64_t size;
	struct dump_piece *pieces; /* owned */
	size_t piece_count;
};

/* Of a name as /proc/PID/maps has it. */
bool mapfile_is_deleted(const char *name);
bool mapfile_is_memfd(const char *name);
/* Without " (deleted)", and for a memfd without "/memfd:". Owned by the caller. */
char *mapfile_bare_name(const char *name);

void mapfile_write(struct dump *d, uint32_t id, struct mapfile_rec rec, const char *name);

/* mapfile_shared.c: an object without a name that a mapping met before is of; NULL if none was. */
struct dump_shared *mapfile_find_shared(struct dump *d, const struct procfs_vma *vma);
/* Adds what this mapping of d->task shows of it. */
int mapfile_dump_unnamed(struct dump *d, const struct procfs_vma *vma, uint32_t *ret_id,
			 enum mapfile_type *ret_type, struct err *err);
