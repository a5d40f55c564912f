/* Whole reads and writes. See io.h. */
#include "image/io.h"

#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

/* After a failed call: 0 to try again, once a descriptor in non-blocking mode is ready. */
static int wait_ready(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static ssize_t read_some(int fd, void *data, size_t size)
{
	for (;;) {
		ssize_t got = read(fd, data, size);
		int r;

		if (got >= 0)
			return got;
		r = wait_ready(fd, POLLIN);
		if (r < 0)
			return r;
	}
}

int io_read(struct io *io, void *data, size_t size, struct err *err)
{
	char *at = data;

	while (size > 0) {
		ssize_t got = read_some(io->fd, at, size);

		if (got < 0)
			return err_set(err, (int)got, "read image at offset %" PRIu64, io->offset);
		if (got == 0)
			return err_set(err, ERR_DAMAGED, "image is cut off at offset %" PRIu64,
				       io->offset);
		at += got;
		size -= (size_t)got;
		io->offset += (uint64_t)got;
	}
	return 0;
}

int io_read_at(int fd, uint64_t offset, void *data, size_t size, size_t *ret_size, struct err *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = pread(fd, (char *)data + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, -errno, "read image at offset %" PRIu64, offset + done);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*ret_size = done;
	return 0;
}

int io_expect_end(struct io *io, struct err *err)
{
	char byte;
	ssize_t got = read_some(io->fd, &byte, 1);

	if (got < 0)
		return err_set(err, (int)got, "read image at offset %" PRIu64, io->offset);
	if (got > 0)
		return err_set(err, ERR_DAMAGED,
			       "image ends at offset %" PRIu64 ", but there is more behind it",
			       io->offset);
	return 0;
}

int io_write(struct io *io, const void *data, size_t size, struct err *err)
{
	struct iovec piece = { (void *)data, size };

	return io_write_pieces(io, &piece, 1, err);
}

int io_write_pieces(struct io *io, struct iovec *pieces, size_t count, struct err *err)
{
	while (count > 0) {
		ssize_t put;

		if (pieces->iov_len == 0) {
			pieces++;
			count--;
			continue;
		}
		put = writev(io->fd, pieces, (int)count);
		if (put < 0) {
			int r = wait_ready(io->fd, POLLOUT);

			if (r < 0)
				return err_set(err, r, "write image at offset %" PRIu64,
					       io->offset);
			continue;
		}
		io->offset += (uint64_t)put;
		while (put > 0) {
			size_t part = (size_t)put < pieces->iov_len ? (size_t)put : pieces->iov_len;

			pieces->iov_base = (char *)pieces->iov_base + part;
			pieces->iov_len -= part;
			put -= (ssize_t)part;
			if (pieces->iov_len == 0) {
				pieces++;
				count--;
			}
		}
	}
	return 0;
}
