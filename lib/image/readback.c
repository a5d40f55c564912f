/* Checksums of blocks in a file. See readback.h. */
#include "image/readback.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/buf.h"
#include "image/checksum.h"
#include "image/io.h"

/* So much stays in a core's own cache between the read and the checksum. */
#define PIECE (256u << 10)

struct readback {
	int fd;	     /* borrowed */
	char *piece; /* owned: of PIECE bytes */
	struct checksum_stream *sum;
};

struct readback *readback_new(int fd)
{
	struct readback *readback = mem_alloc(1, sizeof(*readback));

	readback->fd = fd;
	readback->piece = mem_resize(NULL, PIECE, 1);
	readback->sum = checksum_stream_new();
	return readback;
}

void readback_free(struct readback *readback)
{
	if (!readback)
		return;
	free(readback->piece);
	checksum_stream_free(readback->sum);
	free(readback);
}

int readback_block(struct readback *readback, uint64_t offset, size_t length, uint64_t *ret_sum,
		   struct err *err)
{
	while (length > 0) {
		size_t size = length < PIECE ? length : PIECE;
		size_t got;
		int r = io_read_at(readback->fd, offset, readback->piece, size, &got, err);

		if (r < 0)
			return r;
		if (got < size)
			return err_set(err, ERR_DAMAGED, "image is cut off at offset %" PRIu64,
				       offset + got);
		checksum_stream_add(readback->sum, readback->piece, size);
		offset += size;
		length -= size;
	}
	*ret_sum = checksum_stream_take(readback->sum);
	return 0;
}
