/* Whole reads and writes of the image's descriptor: a file, a pipe, a socket; blocking or not. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/err.h"

/* Where a front-to-back reader or writer is; `offset` is for messages. */
struct io {
	int fd; /* borrowed */
	uint64_t offset;
};

/* Exactly `size` bytes; ERR_DAMAGED if the input ends before. */
int io_read(struct io *io, void *data, size_t size, struct err *err);
/* Up to `size` bytes at an offset; less only at the end of the file. The size is *ret_size. */
int io_read_at(int fd, uint64_t offset, void *data, size_t size, size_t *ret_size, struct err *err);
/* ERR_DAMAGED if there is another byte. */
int io_expect_end(struct io *io, struct err *err);
int io_write(struct io *io, const void *data, size_t size, struct err *err);
/* The pieces, one after the other; alters `pieces`. */
int io_write_pieces(struct io *io, struct iovec *pieces, size_t count, struct err *err);
