/* Pipes and fifos. See pipe_ends.h. */
#include "kind/support/pipe_ends.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/files.h"
#include "restore/open.h"

/* The reader of a fifo that never had a writer does not hang up; but where there are writers, an
 * empty pipe says "not now" instead of "no more". */
static bool is_at_end(int fd)
{
	auto_close int from = -1;
	auto_close int to = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	from = ends[0];
	to = ends[1];
	return tee(fd, to, 1, SPLICE_F_NONBLOCK) == 0;
}

bool pipe_leads_outside(const struct dump *d)
{
	const struct target_fd *fd = d->fd;
	bool is_reader = file_can_read(fd->flags);
	struct pollfd state = { .fd = fd->fd };

	/* One that reads and writes is its own other end. */
	if (dump_has_file(d, fd->stat.st_dev, fd->stat.st_ino, is_reader ? O_WRONLY : O_RDONLY))
		return false;
	/* A reader whose last writer is gone hangs up; a writer without readers has an error. */
	if (poll(&state, 1, 0) >= 0 && (state.revents & (is_reader ? POLLHUP : POLLERR)))
		return false;
	return !is_reader || !is_at_end(fd->fd);
}

/* A pipe with room for a byte more than another of this capacity. */
static int copy_new(uint32_t capacity, int ret_ends[2])
{
	if (pipe2(ret_ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (fcntl(ret_ends[1], F_SETPIPE_SZ, capacity < 8192 ? 8192 : (int)capacity) >= 0)
		return 0;
	(void)close(ret_ends[0]);
	(void)close(ret_ends[1]);
	return -EPERM;
}

/* Takes all out of a copy. A read goes on over the ends of what was written, but not of packets:
 * with a byte more behind them, also a single packet is noticed. */
static int copy_drain(int from, int to, size_t length, struct buf *content)
{
	char *data = buf_append(content, NULL, length + 1);
	size_t expected = length;
	ssize_t n;

	if (write(to, "", 1) == 1)
		expected++;
	n = read(from, data, expected);
	if (n < 0)
		return -errno;
	content->size = length;
	return (size_t)n == expected ? 0 : -EPROTO;
}

/* tee() copies without taking; reading would take the bytes away from the target. */
static int peek(const struct target_fd *fd, size_t length, uint32_t capacity, struct buf *content)
{
	auto_close int own = -1;
	auto_close int from = -1;
	auto_close int to = -1;
	int ends[2];
	ssize_t n;
	int r;

	if (!file_can_read(fd->flags)) {
		own = file_open_again(fd->fd, O_RDONLY);
		if (own < 0)
			return own;
	}
	r = copy_new(capacity, ends);
	if (r < 0)
		return r;
	from = ends[0];
	to = ends[1];

	n = tee(own >= 0 ? own : fd->fd, to, length, SPLICE_F_NONBLOCK);
	if (n < 0)
		return -errno;
	if ((size_t)n != length)
		return -ENOBUFS;
	return copy_drain(from, to, length, content);
}

static bool carrier_save(struct dump *d, struct pipe_rec *rec, struct buf *content)
{
	const struct target_fd *fd = d->fd;
	int capacity = fcntl(fd->fd, F_GETPIPE_SZ);
	int length = 0;
	int r = 0;

	if (capacity < 0 || (uint32_t)capacity > PIPE_CAPACITY_MAX ||
	    ioctl(fd->fd, FIONREAD, &length) < 0) {
		(void)dump_block(d, NULL, "a pipe of %d bytes is not supported", capacity);
		return false;
	}
	if (length > 0)
		r = peek(fd, (size_t)length, (uint32_t)capacity, content);
	if (r == -EPROTO) {
		(void)dump_block(d, "let the program read the pipe empty first",
				 "a pipe that holds packets (O_DIRECT) is not supported");
		return false;
	}
	if (r < 0) {
		(void)dump_block(d, NULL, "the %d bytes in a pipe cannot be read: %s", length,
				 strerror(-r));
		return false;
	}
	rec->capacity = le32_make((uint32_t)capacity);
	rec->length = le32_make((uint32_t)length);
	return true;
}

bool pipe_save(struct dump *d, struct pipe_rec *ret_rec, struct buf *content)
{
	uint32_t first = dump_first_file(d, d->fd->stat.st_dev, d->fd->stat.st_ino);

	*ret_rec = (struct pipe_rec){ .flags = le32_make(file_flags(d->fd)) };
	if (first == d->fd->id)
		return carrier_save(d, ret_rec, content);
	ret_rec->carrier = le32_make(first);
	return true;
}

int pipe_check(const struct pipe_rec *rec, size_t left, struct err *err)
{
	uint32_t capacity = le32_get(rec->capacity);
	uint32_t length = le32_get(rec->length);

	if (!file_flags_are_valid(le32_get(rec->flags)))
		return err_set(err, ERR_DAMAGED, "pipe: unknown flags %#x", le32_get(rec->flags));
	if (length != left)
		return err_set(err, ERR_DAMAGED, "pipe: %zu bytes of content instead of %u", left,
			       length);
	if (le32_get(rec->carrier) != 0) {
		if (capacity != 0 || length != 0)
			return err_set(err, ERR_DAMAGED, "pipe: content in a second description");
		return 0;
	}
	if (capacity == 0 || capacity > PIPE_CAPACITY_MAX || (capacity & 4095) != 0 ||
	    length > capacity)
		return err_set(err, ERR_DAMAGED, "pipe: impossible size");
	return 0;
}

static int set_capacity(struct restore *rs, uint32_t capacity, uint32_t length, int fd,
			struct err *err)
{
	int now = fcntl(fd, F_GETPIPE_SZ);

	if (now == (int)capacity || fcntl(fd, F_SETPIPE_SZ, (int)capacity) >= 0)
		return 0;
	if (now < (int)length)
		return err_set(err, -errno, "make room for the %u bytes in a pipe", length);
	restore_note(rs, "a pipe holds %d bytes instead of %u: %s", now, capacity, strerror(errno));
	return 0;
}

int pipe_fill(struct restore *rs, const struct pipe_rec *rec, const void *content, int fd,
	      struct err *err)
{
	uint32_t length = le32_get(rec->length);
	int r;

	r = set_capacity(rs, le32_get(rec->capacity), length, fd, err);
	if (r < 0)
		return r;
	/* Content that does not fit must be an error, not a wait. */
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, -errno, "fill a pipe");
	for (uint32_t done = 0; done < length;) {
		ssize_t n = write(fd, (const char *)content + done, length - done);

		if (n < 0)
			return err_set(err, -errno, "put %u bytes into a pipe", length);
		done += (uint32_t)n;
	}
	return 0;
}
