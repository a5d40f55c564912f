/* Archives as the layers of OCI images are: written front to back, and read for one member. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Before anything else here, and before a process gives up opening files: the library is loaded,
 * and finds out how to convert names. ERR_HOST: there is none. */
int tar_prepare(struct err *err);

/* ---- writing ---- */

struct tar_writer;
typedef int tar_write_fn(void *argument, const void *data, size_t size, struct err *err);

/* `write` is given the archive's bytes in order. */
struct tar_writer *tar_writer_new(tar_write_fn *write, void *argument);
void tar_writer_free(struct tar_writer *writer);
static inline void tar_writer_cleanup(struct tar_writer **writer)
{
	tar_writer_free(*writer);
}
#define auto_tar __attribute__((cleanup(tar_writer_cleanup)))
/* Of nobody's but root's, for nobody's eyes but root's. `time` in seconds since the epoch. */
int tar_add_directory(struct tar_writer *writer, const char *name, uint64_t time, struct err *err);
/* Its `size` bytes follow by tar_add_bytes(). */
int tar_add_file(struct tar_writer *writer, const char *name, uint64_t size, uint64_t time,
		 struct err *err);
int tar_add_bytes(struct tar_writer *writer, const void *data, size_t size, struct err *err);
int tar_end(struct tar_writer *writer, struct err *err);

/* ---- reading: an enemy's bytes ---- */

struct tar_search {
	const char *name; /* of the member, a regular file */
	uint64_t most;	  /* bytes that all members may have */
	/* The next bytes of the archive, valid until the next call; *ret_size 0 at its end. */
	int (*read)(void *argument, const void **ret_data, size_t *ret_size, struct err *err);
	tar_write_fn *write; /* is given the bytes of the member */
	void *argument;
};

/* Reads the whole archive, which may be compressed by gzip or zstd. The member must be there, once.
 * No name in the archive is used for anything but a comparison. ERR_DAMAGED, ERR_REFUSED. */
int tar_find(const struct tar_search *search, struct err *err);
