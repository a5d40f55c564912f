/* Takes and puts back what waits in a pseudo-terminal. See terminal_queue.h.
 *
 * What is written to one end is processed by the other end's line discipline in a worker of the
 * kernel's, at some later time, with the settings of that time. So that settings are changed only
 * after that, input is put in with echo on: when the echo of a piece is there, it is done. */
#include "kind/support/terminal_queue.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "freeze/deadline.h"

enum {
	PUT_TIMEOUT_US = 10000000,
	ECHO_PIECE = 128, /* its echo fits into every buffer on the way */
	BUFFER_SMALL = 256,
	BUFFER_LARGE = 1792,
	ROOM_CERTAIN = 12288, /* there is always room for that */
	ROOM_TIMEOUT_MS = 20,
	LINES_MAX = 2048, /* more than this might not all be in the line discipline yet */
	DISCIPLINE_SIZE = 4095,
};

/* Characters that have a meaning while input is put in. */
enum { CHAR_EOF = 4, CHAR_STOP = 0x13, CHAR_NEXT = 0x16, CHAR_ERASE = 0x7f };

void terminal_queue_free(struct terminal_queue *queue)
{
	buf_free(&queue->pieces);
	buf_free(&queue->input);
	buf_free(&queue->output);
}

/* ---- settings ---- */

static int set(int slave, const struct termios2 *settings)
{
	return ioctl(slave, TCSETS2, settings) < 0 ? -errno : 0;
}

/* Nothing is processed, but for what `local_modes` ask for. */
static struct termios2 plain(const struct termios2 *settings, tcflag_t local_modes)
{
	struct termios2 result = *settings;

	result.c_iflag = 0;
	result.c_oflag = 0;
	result.c_lflag = local_modes;
	memset(result.c_cc, 0, sizeof(result.c_cc));
	result.c_cc[VMIN] = 1;
	return result;
}

static bool has_lines(const struct termios2 *settings)
{
	return (settings->c_lflag & ICANON) && !(settings->c_lflag & EXTPROC);
}

/* Bytes go through as they are, at whatever time. */
static bool is_raw(const struct termios2 *settings)
{
	return (settings->c_lflag & (ICANON | ISIG | ECHO | ECHONL)) == 0 &&
	       (settings->c_iflag & (IXON | ISTRIP | INLCR | IGNCR | ICRNL | IUCLC | PARMRK)) == 0;
}

static bool is_ready(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	return poll(&polled, 1, 0) > 0 && (polled.revents & events);
}

/* ---- taking ---- */

/* Descriptions of the target's may block: no more is asked for than is there. */
static ssize_t read_some(int fd, struct buf *out, size_t limit)
{
	int waiting = 0;
	size_t size = out->size;
	ssize_t n;
	char *room;

	if (!is_ready(fd, POLLIN) || ioctl(fd, FIONREAD, &waiting) < 0 || waiting <= 0)
		return 0;
	if ((size_t)waiting > limit)
		waiting = (int)limit;
	room = buf_append(out, NULL, (size_t)waiting);
	n = read(fd, room, (size_t)waiting);
	out->size = size + (n > 0 ? (size_t)n : 0);
	return n < 0 ? -errno : n;
}

static int take_output(int master, struct buf *output)
{
	ssize_t n;

	do {
		n = read_some(master, output, TERMINAL_QUEUE_MAX - output->size);
	} while (n > 0 && output->size < TERMINAL_QUEUE_MAX);
	return n < 0 ? (int)n : 0;
}

static void add_piece(struct terminal_queue *queue, enum terminal_piece kind, size_t length)
{
	le32 piece = le32_make((uint32_t)kind << 16 | (uint32_t)length);

	(void)buf_append(&queue->pieces, &piece, sizeof(piece));
	queue->is_changed = true;
}

/* A read gives one line, of whatever length up to that of the buffer. */
static int take_lines(int slave, struct terminal_queue *queue)
{
	char line[TERMINAL_PIECE_MAX];

	while (is_ready(slave, POLLIN) && queue->input.size < TERMINAL_QUEUE_MAX) {
		ssize_t n = read(slave, line, sizeof(line));

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		(void)buf_append(&queue->input, line, (size_t)n);
		add_piece(queue, n > 0 && line[n - 1] == '\n' ? PIECE_LINE : PIECE_FORCED,
			  (size_t)n);
		if (queue->pieces.size / sizeof(le32) >= TERMINAL_QUEUE_MAX)
			return -EOVERFLOW;
	}
	return 0;
}

static int take_bytes(int slave, struct terminal_queue *queue)
{
	ssize_t n;

	do {
		n = read_some(slave, &queue->input, TERMINAL_PIECE_MAX);
		if (n > 0)
			add_piece(queue, PIECE_BYTES, (size_t)n);
	} while (n > 0 && queue->input.size < TERMINAL_QUEUE_MAX);
	return n < 0 ? (int)n : 0;
}

/* Without flow control, output goes on that the stop character stopped, and no other. */
static int take_stop(int slave, const struct termios2 *settings, struct terminal_queue *queue)
{
	struct termios2 flowing = *settings;
	int r;

	if (is_ready(slave, POLLOUT))
		return 0;
	flowing.c_iflag &= ~(tcflag_t)IXON;
	r = set(slave, &flowing);
	if (r < 0)
		return r;
	queue->is_stopped = is_ready(slave, POLLOUT);
	queue->is_held = !queue->is_stopped;
	queue->is_changed = true;
	return 0;
}

static bool is_too_much(int slave, const struct termios2 *settings)
{
	int waiting = 0;

	if (ioctl(slave, FIONREAD, &waiting) < 0)
		return true;
	if (has_lines(settings))
		return waiting > LINES_MAX;
	return waiting >= DISCIPLINE_SIZE && !is_raw(settings);
}

int terminal_queue_take(int master, int slave, const struct termios2 *settings,
			struct terminal_queue *queue)
{
	struct termios2 bare = plain(settings, 0);
	int r;

	if (is_too_much(slave, settings))
		return -EOVERFLOW;
	r = take_output(master, &queue->output);
	queue->is_changed = queue->output.size > 0;
	if (r == 0)
		r = take_stop(slave, settings, queue);
	if (r == 0 && has_lines(settings))
		r = take_lines(slave, queue);
	/* What is left is no line yet: it can be read when there are none. */
	if (r == 0)
		r = set(slave, &bare);
	if (r == 0)
		r = take_bytes(slave, queue);
	if (r == 0)
		r = take_output(master, &queue->output);
	(void)set(slave, settings);
	return r;
}

/* ---- putting back ---- */

static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd polled = { .fd = fd, .events = events };
	uint64_t left = time_left_us(deadline, PUT_TIMEOUT_US);

	if (left == 0)
		return -ETIMEDOUT;
	return poll(&polled, 1, (int)(left / 1000) + 1) < 0 && errno != EINTR ? -errno : 0;
}

static int expect_echo(int master, size_t count, uint64_t deadline)
{
	int r = 0;

	while (r == 0 && count > 0) {
		struct buf echo = BUF_EMPTY;
		ssize_t n = read_some(master, &echo, count);

		buf_free(&echo);
		if (n > 0)
			count -= (size_t)n;
		else
			r = n < 0 ? (int)n : wait_for(master, POLLIN, deadline);
	}
	return r;
}

/* `count` bytes come back. */
static int put_echoed(int master, const void *data, size_t size, size_t count, uint64_t deadline)
{
	ssize_t n = write(master, data, size);

	if (n != (ssize_t)size)
		return n < 0 ? -errno : -EIO;
	return expect_echo(master, count, deadline);
}

static int put_bytes(int master, const unsigned char *data, size_t size, uint64_t deadline)
{
	int r = 0;

	for (size_t done = 0; r == 0 && done < size; done += ECHO_PIECE) {
		size_t part = size - done < ECHO_PIECE ? size - done : ECHO_PIECE;

		r = put_echoed(master, data + done, part, part, deadline);
	}
	return r;
}

/* A part of a line: newlines, and what quotes them, are quoted. */
static int put_quoted(int master, const unsigned char *data, size_t size, uint64_t deadline)
{
	unsigned char quoted[2 * ECHO_PIECE];
	int r = 0;

	for (size_t done = 0; r == 0 && done < size; done += ECHO_PIECE) {
		size_t part = size - done < ECHO_PIECE ? size - done : ECHO_PIECE;
		size_t length = 0;

		for (size_t i = 0; i < part; i++) {
			unsigned char c = data[done + i];

			if (c == '\n' || c == CHAR_NEXT)
				quoted[length++] = CHAR_NEXT;
			quoted[length++] = c;
		}
		r = put_echoed(master, quoted, length, part, deadline);
	}
	return r;
}

/* The end-of-file character has no echo: a character follows that is taken back, and that has. */
static int put_end(int master, int slave, struct termios2 *settings, uint64_t deadline)
{
	static const unsigned char end[] = { CHAR_EOF, 'x', CHAR_ERASE };
	int r;

	settings->c_cc[VEOF] = CHAR_EOF;
	settings->c_cc[VERASE] = CHAR_ERASE;
	r = set(slave, settings);
	if (r == 0)
		r = put_echoed(master, end, sizeof(end), 2, deadline);
	settings->c_cc[VEOF] = 0;
	settings->c_cc[VERASE] = 0;
	return r < 0 ? r : set(slave, settings);
}

static int put_lines(int master, int slave, const struct termios2 *settings,
		     const struct terminal_content *content, uint64_t deadline)
{
	struct termios2 lines = plain(settings, ICANON | ECHO | IEXTEN);
	const unsigned char *data = content->input;
	int r;

	lines.c_cc[VLNEXT] = CHAR_NEXT;
	r = set(slave, &lines);
	for (uint32_t i = 0; r == 0 && i < content->piece_count; i++) {
		size_t length = le32_get(content->pieces[i]) & 0xffff;
		enum terminal_piece kind = le32_get(content->pieces[i]) >> 16;

		r = put_quoted(master, data, length - (kind == PIECE_LINE), deadline);
		if (r == 0 && kind == PIECE_LINE)
			r = put_echoed(master, "\n", 1, 1, deadline);
		if (r == 0 && kind == PIECE_FORCED)
			r = put_end(master, slave, &lines, deadline);
		data += length;
	}
	return r;
}

/* How much the kernel takes depends on the pieces (drivers/tty/tty_buffer.c): large ones first, up
 * to its limit; small ones go on in buffers that were used before, whatever the limit; the smallest
 * into what is left of the last. */
static int put_all(int fd, const unsigned char *data, size_t size, uint64_t deadline)
{
	static const size_t parts[] = { BUFFER_LARGE, BUFFER_SMALL, 1 };
	size_t form = 0;

	while (size > 0) {
		struct pollfd polled = { .fd = fd, .events = POLLOUT };
		ssize_t n = write(fd, data, size < parts[form] ? size : parts[form]);

		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		if (time_left_us(deadline, 1) == 0)
			return -ETIMEDOUT;
		/* The line discipline may be about to take its part. */
		if (poll(&polled, 1, ROOM_TIMEOUT_MS) == 0 && form < 2)
			form++;
	}
	return 0;
}

/* Leaves small buffers that were used: without them, a new pair has less room than an old one. */
static int make_room(int from, int to, size_t size)
{
	static const unsigned char zeros[BUFFER_SMALL];
	struct buf discarded = BUF_EMPTY;
	ssize_t n = 1;

	for (size_t done = 0; done < size && n > 0; done += sizeof(zeros)) {
		struct pollfd polled = { .fd = from, .events = POLLOUT };

		n = write(from, zeros, sizeof(zeros));
		if (n < 0 && errno == EAGAIN)
			n = poll(&polled, 1, ROOM_TIMEOUT_MS);
	}
	if (n < 0)
		return -errno;
	do {
		buf_clear(&discarded);
		n = read_some(to, &discarded, TERMINAL_PIECE_MAX);
	} while (n > 0);
	buf_free(&discarded);
	return (int)n;
}

static int put_much(int from, int to, const unsigned char *data, size_t size, uint64_t deadline)
{
	int r = size > ROOM_CERTAIN ? make_room(from, to, size) : 0;

	return r < 0 ? r : put_all(from, data, size, deadline);
}

/* More than the line discipline takes, and nothing that it would do with it. */
static int put_raw(int master, int slave, const struct termios2 *settings,
		   const unsigned char *data, size_t size, uint64_t deadline)
{
	int flags = fcntl(master, F_GETFL);
	int r = set(slave, settings);

	if (r < 0 || flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
		return r < 0 ? r : -errno;
	r = put_much(master, slave, data, size, deadline);
	(void)fcntl(master, F_SETFL, flags);
	return r;
}

static int put_input(int master, int slave, const struct termios2 *settings,
		     const struct terminal_content *content, uint64_t deadline)
{
	struct termios2 echoing = plain(settings, ECHO);
	size_t size = 0;
	int r;

	for (uint32_t i = 0; i < content->piece_count; i++)
		size += le32_get(content->pieces[i]) & 0xffff;
	if (content->piece_count == 0)
		return 0;
	if (has_lines(settings))
		return put_lines(master, slave, settings, content, deadline);
	if (size >= DISCIPLINE_SIZE)
		return put_raw(master, slave, settings, content->input, size, deadline);
	r = set(slave, &echoing);
	return r < 0 ? r : put_bytes(master, content->input, size, deadline);
}

/* As the user would do it. */
static int put_stop(int master, int slave, const struct termios2 *settings, uint64_t deadline)
{
	static const unsigned char stop = CHAR_STOP;
	struct termios2 stoppable = plain(settings, settings->c_lflag & (ICANON | EXTPROC));
	int r;

	stoppable.c_iflag = IXON;
	stoppable.c_cc[VSTOP] = CHAR_STOP;
	r = set(slave, &stoppable);
	if (r == 0 && write(master, &stop, 1) != 1)
		r = -errno;
	/* Nothing tells when it has stopped. */
	while (r == 0 && is_ready(slave, POLLOUT)) {
		if (time_left_us(deadline, 1) == 0)
			return -ETIMEDOUT;
		(void)poll(NULL, 0, 1);
	}
	return r;
}

int terminal_queue_put(int master, int slave, const struct termios2 *settings, bool is_stopped,
		       bool is_held, const struct terminal_content *content)
{
	uint64_t deadline = clock_us() + PUT_TIMEOUT_US;
	struct termios2 bare = plain(settings, settings->c_lflag & (ICANON | EXTPROC));
	int r;

	(void)ioctl(slave, TCXONC, TCOON);
	r = put_input(master, slave, settings, content, deadline);
	if (r == 0)
		r = set(slave, &bare);
	if (r == 0)
		r = put_much(slave, master, content->output, content->output_size, deadline);
	if (r == 0 && is_stopped)
		r = put_stop(master, slave, settings, deadline);
	if (r == 0)
		r = set(slave, settings);
	if (r == 0 && is_held && ioctl(slave, TCXONC, TCOOFF) < 0)
		r = -errno;
	return r;
}
