/* What a checkpoint writes of a pseudo-terminal: the record of kind terminal. */
#include <asm/termbits.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/apart.h"
#include "kind/support/files.h"
#include "kind/support/terminal.h"
#include "kind/support/terminal_queue.h"

extern const struct kind kind_terminal;

static void settings_save(const struct termios2 *settings, struct terminal_rec *rec)
{
	rec->input_modes = le32_make(settings->c_iflag);
	rec->output_modes = le32_make(settings->c_oflag);
	rec->control_modes = le32_make(settings->c_cflag);
	rec->local_modes = le32_make(settings->c_lflag);
	rec->input_speed = le32_make(settings->c_ispeed);
	rec->output_speed = le32_make(settings->c_ospeed);
	memcpy(rec->characters, settings->c_cc, TERMINAL_CHARACTERS);
}

static bool has_other_discipline(int fd)
{
	int discipline = 0;

	return fd >= 0 && (ioctl(fd, TIOCGETD, &discipline) < 0 || discipline != 0);
}

static bool block_strange(struct dump *d, const struct dump_terminal *pair)
{
	struct pollfd polled = { .fd = pair->master, .events = POLLIN | POLLPRI };
	const char *trouble = NULL;

	if (has_other_discipline(pair->master) || has_other_discipline(pair->slave))
		trouble = "has a line discipline other than N_TTY";
	else if (pair->master >= 0 && poll(&polled, 1, 0) < 0)
		trouble = strerror(errno);
	else if (polled.revents & POLLPRI)
		trouble = "has packet status that was not read yet";
	else if (pair->slave < 0 && polled.revents & POLLIN)
		trouble = "has output already, but its slave was never opened";
	if (trouble)
		(void)dump_block(d, "let the program read it first", "terminal /dev/pts/%u %s",
				 pair->index, trouble);
	return trouble != NULL;
}

static uint32_t flags_of_master(int master)
{
	uint32_t flags = 0;
	int value = 0;

	if (ioctl(master, TIOCGPTLCK, &value) == 0 && value)
		flags |= TERMINAL_LOCKED;
	if (ioctl(master, TIOCGPKT, &value) == 0 && value)
		flags |= TERMINAL_PACKET;
	return flags;
}

static uint32_t flags_of(const struct dump *d, const struct dump_terminal *pair)
{
	uint32_t flags = pair->master >= 0 ? flags_of_master(pair->master) : TERMINAL_OUTSIDE;
	int value = 0;

	if (pair->slave < 0)
		flags |= TERMINAL_UNTOUCHED;
	else if (ioctl(pair->slave, TIOCGEXCL, &value) == 0 && value)
		flags |= TERMINAL_EXCLUSIVE;
	for (size_t i = 0; i < d->own->file_count; i++) {
		if (d->own->files[i].id == pair->master_file &&
		    strcmp(d->own->files[i].link, "/dev/ptmx") == 0)
			flags |= TERMINAL_BY_DEV_PTMX;
	}
	return flags;
}

static void save_node(const struct dump *d, uint32_t index, struct terminal_rec *rec)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "root/dev/pts/%u", index);
	if (fstatat(file_first_task(d)->proc, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	rec->mode = le32_make(st.st_mode & 07777);
	rec->uid = le32_make(st.st_uid);
	rec->gid = le32_make(st.st_gid);
}

/* Nobody reads or writes meanwhile: all who have an end stand still. */
static int take_queue(const struct dump_terminal *pair, uint32_t flags,
		      const struct termios2 *settings, struct terminal_queue *queue)
{
	int off = 0;
	int on = 1;
	int r;

	if (flags & TERMINAL_PACKET && ioctl(pair->master, TIOCPKT, &off) < 0)
		return -errno;
	r = terminal_queue_take(pair->master, pair->slave, settings, queue);
	if (queue->is_changed) {
		struct terminal_content content = {
			.pieces = (const void *)queue->pieces.data,
			.piece_count = (uint32_t)(queue->pieces.size / sizeof(le32)),
			.input = (const void *)queue->input.data,
			.output = (const void *)queue->output.data,
			.output_size = (uint32_t)queue->output.size,
		};
		int put = terminal_queue_put(pair->master, pair->slave, settings, queue->is_stopped,
					     queue->is_held, &content);

		r = r < 0 ? r : put;
	}
	if (flags & TERMINAL_PACKET && ioctl(pair->master, TIOCPKT, &on) < 0 && r == 0)
		r = -errno;
	return r;
}

struct taking {
	const struct dump_terminal *pair;
	uint32_t flags;
	const struct termios2 *settings;
};

/* How a queue comes back; the pieces, the input and the output follow. */
struct taken {
	size_t pieces, input, output;
	bool is_changed, is_stopped, is_held;
};

static int take_apart(void *argument, struct buf *output)
{
	const struct taking *taking = argument;
	auto_terminal_queue struct terminal_queue queue = { .is_changed = false };
	int r = take_queue(taking->pair, taking->flags, taking->settings, &queue);
	struct taken taken = {
		.pieces = queue.pieces.size,
		.input = queue.input.size,
		.output = queue.output.size,
		.is_changed = queue.is_changed,
		.is_stopped = queue.is_stopped,
		.is_held = queue.is_held,
	};

	(void)buf_append(output, &taken, sizeof(taken));
	(void)buf_append(output, queue.pieces.data, queue.pieces.size);
	(void)buf_append(output, queue.input.data, queue.input.size);
	(void)buf_append(output, queue.output.data, queue.output.size);
	return r;
}

/* Whatever happens to us, what was taken is put back. */
static int take_safely(const struct dump_terminal *pair, uint32_t flags,
		       const struct termios2 *settings, struct terminal_queue *queue)
{
	struct taking taking = { pair, flags, settings };
	auto_buf struct buf output = BUF_EMPTY;
	int r = run_apart(take_apart, &taking, &output);
	struct taken taken;
	const char *data;

	if (r < 0)
		return r;
	memcpy(&taken, output.data, sizeof(taken));
	data = output.data + sizeof(taken);
	queue->is_changed = taken.is_changed;
	queue->is_stopped = taken.is_stopped;
	queue->is_held = taken.is_held;
	(void)buf_append(&queue->pieces, data, taken.pieces);
	(void)buf_append(&queue->input, data + taken.pieces, taken.input);
	(void)buf_append(&queue->output, data + taken.pieces + taken.input, taken.output);
	return 0;
}

/* What was typed at the user's own terminal, and not read, cannot be put back by us. */
static int look_outside(struct dump *d, const struct dump_terminal *pair)
{
	int waiting = 0;

	if (ioctl(pair->slave, FIONREAD, &waiting) == 0 && waiting > 0)
		return dump_block(d, "let the program read it first",
				  "%d bytes that were typed at the container's own terminal wait "
				  "to be read",
				  waiting);
	return 0;
}

static int save_queue(struct dump *d, const struct dump_terminal *pair,
		      const struct termios2 *settings, struct terminal_rec *rec,
		      struct terminal_queue *queue, struct err *err)
{
	uint32_t flags = le32_get(rec->flags);
	int r;

	if (pair->slave < 0)
		return 0;
	if (pair->master < 0)
		return look_outside(d, pair);
	r = take_safely(pair, flags, settings, queue);
	if (r == -EOVERFLOW)
		return dump_block(d, "let the program read it first",
				  "too much input waits in terminal /dev/pts/%u", pair->index);
	if (r < 0)
		return err_set(err, r, "look at what waits in terminal /dev/pts/%u", pair->index);
	flags |= queue->is_stopped ? TERMINAL_STOPPED : 0;
	flags |= queue->is_held ? TERMINAL_HELD : 0;
	rec->flags = le32_make(flags);
	rec->piece_count = le32_make((uint32_t)(queue->pieces.size / sizeof(le32)));
	rec->output_size = le32_make((uint32_t)queue->output.size);
	return 0;
}

static int save_living(struct dump *d, const struct dump_terminal *pair, struct terminal_rec *rec,
		       struct terminal_queue *queue, struct err *err)
{
	/* Settings are the slave's at both ends. */
	int any = pair->slave >= 0 ? pair->slave : pair->master;
	struct termios2 settings;
	struct winsize size;

	if (ioctl(any, TCGETS2, &settings) < 0 || ioctl(any, TIOCGWINSZ, &size) < 0)
		return err_set(err, -errno, "look at terminal /dev/pts/%u", pair->index);
	settings_save(&settings, rec);
	rec->rows = le16_make(size.ws_row);
	rec->columns = le16_make(size.ws_col);
	rec->width = le16_make(size.ws_xpixel);
	rec->height = le16_make(size.ws_ypixel);
	rec->flags = le32_make(flags_of(d, pair));
	save_node(d, pair->index, rec);
	return save_queue(d, pair, &settings, rec, queue, err);
}

static bool is_second_outside(const struct dump *d, const struct dump_terminal *pair)
{
	const struct dump_terminals *terminals = dump_terminals(d);

	for (const struct dump_terminal *other = terminals->pairs; other != pair; other++) {
		if (other->master < 0 && !other->is_hung_up)
			return pair->master < 0 && !pair->is_hung_up;
	}
	return false;
}

int terminal_save(struct dump *d, struct dump_terminal *pair, struct err *err)
{
	struct terminal_rec rec = {
		.index = le32_make(pair->index),
		.flags = le32_make(TERMINAL_HUNG_UP),
		.master = le32_make(pair->master_file),
	};
	auto_terminal_queue struct terminal_queue queue = { .is_changed = false };
	auto_buf struct buf body = BUF_EMPTY;
	int r = 0;

	if (is_second_outside(d, pair))
		return dump_block(d, NULL,
				  "the other end of terminal /dev/pts/%u is outside of "
				  "the container",
				  pair->index);
	if (!pair->is_hung_up) {
		if (block_strange(d, pair))
			return 0;
		r = save_living(d, pair, &rec, &queue, err);
	}
	if (r < 0)
		return r;
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, queue.pieces.data, queue.pieces.size);
	(void)buf_append(&body, queue.input.data, queue.input.size);
	(void)buf_append(&body, queue.output.data, queue.output.size);
	dump_record(d, pair->id, &kind_terminal, body.data, body.size);
	return 0;
}
