/* Pseudo-terminals: a master and a slave with all that the kernel keeps of the pair. The pair makes
 * all open file descriptions of its ends (kind pty), because some can only be made at one time. */
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/terminal.h"
#include "kind/support/terminal_queue.h"
#include "restore/open.h"

extern const struct kind kind_terminal;

#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif

/* ---- check ---- */

/* Flags that go together, and what is empty then. */
static bool flags_are_valid(const struct terminal_rec *rec)
{
	uint32_t flags = le32_get(rec->flags);
	uint32_t form = flags & (TERMINAL_HUNG_UP | TERMINAL_OUTSIDE | TERMINAL_UNTOUCHED);
	bool has_content = le32_get(rec->piece_count) > 0 || le32_get(rec->output_size) > 0;
	bool has_master = le32_get(rec->master) != 0;

	if (flags & ~(uint32_t)TERMINAL_FLAGS || (form & (form - 1)) != 0)
		return false;
	if (has_master == ((form & (TERMINAL_HUNG_UP | TERMINAL_OUTSIDE)) != 0))
		return false;
	if (form && (has_content || flags & (TERMINAL_STOPPED | TERMINAL_HELD)))
		return false;
	if (!has_master && flags & (TERMINAL_LOCKED | TERMINAL_PACKET | TERMINAL_BY_DEV_PTMX))
		return false;
	if (form & (TERMINAL_HUNG_UP | TERMINAL_UNTOUCHED) && flags & TERMINAL_EXCLUSIVE)
		return false;
	if (flags & TERMINAL_STOPPED && !(le32_get(rec->input_modes) & IXON))
		return false;
	return (flags & TERMINAL_STOPPED) == 0 || (flags & TERMINAL_HELD) == 0;
}

/* One piece of `length` bytes at `data`, among others of this form of input. */
static bool piece_is_valid(enum terminal_piece kind, const char *data, size_t length, bool is_last,
			   bool has_lines)
{
	if (length > TERMINAL_PIECE_MAX || kind >= PIECE_KINDS)
		return false;
	if (kind == PIECE_BYTES)
		return length > 0 && (is_last || !has_lines);
	return has_lines && (kind == PIECE_FORCED || (length > 0 && data[length - 1] == '\n'));
}

static bool content_is_valid(const struct terminal_rec *rec, struct reader *reader)
{
	uint32_t local = le32_get(rec->local_modes);
	bool has_lines = (local & ICANON) && !(local & EXTPROC);
	uint32_t count = le32_get(rec->piece_count);
	const le32 *pieces;
	size_t total = 0;

	if (count > TERMINAL_QUEUE_MAX || le32_get(rec->output_size) > TERMINAL_QUEUE_MAX)
		return false;
	pieces = reader_take(reader, count * sizeof(le32));
	for (uint32_t i = 0; pieces && i < count; i++) {
		size_t length = le32_get(pieces[i]) & 0xffff;
		enum terminal_piece kind = le32_get(pieces[i]) >> 16;
		const char *data = reader_take(reader, length);

		total += length + (kind == PIECE_FORCED);
		if (!data || total > (has_lines ? 4095 : TERMINAL_QUEUE_MAX) ||
		    !piece_is_valid(kind, data, length, i + 1 == count, has_lines))
			return false;
	}
	return pieces && reader_left(reader) == le32_get(rec->output_size);
}

static int terminal_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct terminal_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "terminal: %zu bytes", length);
	if (le32_get(rec->index) >= TERMINAL_INDEX_MAX)
		return err_set(err, ERR_DAMAGED, "terminal: impossible number %u",
			       le32_get(rec->index));
	if (!flags_are_valid(rec) || le32_get(rec->reserved) != 0 ||
	    rec->characters[TERMINAL_CHARACTERS] != 0 || le32_get(rec->mode) & ~07777u)
		return err_set(err, ERR_DAMAGED, "terminal: unknown bits");
	if (!content_is_valid(rec, &reader))
		return err_set(err, ERR_DAMAGED, "terminal: impossible content");
	return 0;
}

static bool is_first_with(const struct image *image, const struct record *record)
{
	const struct terminal_rec *rec = record->body;
	const struct record *other = NULL;

	while ((other = image_next(image, TAG_TERMINAL, other)) && other != record) {
		const struct terminal_rec *before = other->body;

		if (le32_get(before->index) == le32_get(rec->index) ||
		    (le32_get(before->flags) & le32_get(rec->flags) & TERMINAL_OUTSIDE))
			return false;
	}
	return true;
}

static int terminal_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct terminal_rec *rec = record->body;
	uint32_t id = le32_get(rec->master);
	const struct record *master = id ? image_find(image, TAG_PTY, id) : NULL;
	const struct pty_rec *end = master ? master->body : NULL;

	if (id &&
	    (!end || le32_get(end->terminal) != record->id || le32_get(end->end) != PTY_MASTER))
		return err_set(err, ERR_DAMAGED, "terminal: object %u is not its master", id);
	if (!is_first_with(image, record))
		return err_set(err, ERR_DAMAGED, "terminal: there are two of them");
	return 0;
}

/* ---- ask ---- */

static int terminal_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	const struct terminal_rec *rec = record->body;
	auto_free char *subject = mem_printf("terminal /dev/pts/%u", le32_get(rec->index));

	(void)image;
	(void)err;
	if (!(le32_get(rec->flags) & TERMINAL_OUTSIDE))
		plan_ask(plan, &(struct question){ .class = CLASS_PTY,
						   .id = record->id,
						   .saved = le32_get(rec->index),
						   .subject = subject,
						   .saved_text = "the container's",
						   .invoker_text = "a fresh devpts" });
	else
		plan_ask(plan, &(struct question){
				   .class = CLASS_STDIO,
				   .id = record->id,
				   .subject = subject,
				   .saved_text = "the container's own",
				   .invoker_text = isatty(STDIN_FILENO) ? "a terminal" : "none",
			       });
	return 0;
}

/* ---- restore ---- */

static void settings_load(const struct terminal_rec *rec, struct termios2 *settings)
{
	*settings = (struct termios2){
		.c_iflag = le32_get(rec->input_modes),
		.c_oflag = le32_get(rec->output_modes),
		.c_cflag = le32_get(rec->control_modes),
		.c_lflag = le32_get(rec->local_modes),
		.c_ispeed = le32_get(rec->input_speed),
		.c_ospeed = le32_get(rec->output_speed),
	};
	memcpy(settings->c_cc, rec->characters, TERMINAL_CHARACTERS);
}

struct terminal_content terminal_content(const struct terminal_rec *rec)
{
	struct terminal_content content = {
		.pieces = (const void *)(rec + 1),
		.piece_count = le32_get(rec->piece_count),
		.output_size = le32_get(rec->output_size),
	};

	content.input = (const void *)(content.pieces + content.piece_count);
	content.output = content.input;
	for (uint32_t i = 0; i < content.piece_count; i++)
		content.output += le32_get(content.pieces[i]) & 0xffff;
	return content;
}

const struct record *terminal_console(const struct image *image)
{
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_TERMINAL, record))) {
		if (le32_get(((const struct terminal_rec *)record->body)->flags) & TERMINAL_OUTSIDE)
			return record;
	}
	return NULL;
}

bool terminal_can_control(const struct image *image, uint32_t terminal)
{
	const struct record *record = image_find(image, TAG_TERMINAL, terminal);
	const struct terminal_rec *rec = record ? record->body : NULL;

	return rec && !(le32_get(rec->flags) & (TERMINAL_UNTOUCHED | TERMINAL_HUNG_UP));
}

static bool is_own_devpts(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC;
}

/* A new pair, whose number is the lowest that is free. */
static int open_new(struct restore *rs, const char *path, int *ret_master, uint32_t *ret_index,
		    struct err *err)
{
	auto_close int master = -1;
	int r = restore_open(rs, path, O_RDWR, S_IFCHR, &master, err);

	if (r < 0)
		return r;
	if (ioctl(master, TIOCGPTN, ret_index) < 0)
		return err_set(err, -errno, "ask %s for its number", path);
	*ret_master = take_fd(&master);
	return 0;
}

/* Those that are in front of it are taken until it is there. */
static int open_numbered(struct restore *rs, const char *path, uint32_t index, int *ret_master,
			 struct err *err)
{
	int fillers[TERMINAL_INDEX_MAX] = { 0 };
	size_t count = 0;
	uint32_t got = 0;
	int master = -1;
	int r;

	do {
		if (master >= 0)
			fillers[count++] = master;
		master = -1;
		r = open_new(rs, path, &master, &got, err);
	} while (r == 0 && got < index && count < TERMINAL_INDEX_MAX);
	for (size_t i = 0; i < count; i++)
		(void)close(fillers[i]);
	if (r == 0 && got != index) {
		(void)close(master);
		return err_set(err, ERR_FAILED, "terminal /dev/pts/%u is in use", index);
	}
	*ret_master = master;
	return r;
}

static int open_master(struct restore *rs, const struct terminal_rec *rec, int *ret_master,
		       struct err *err)
{
	static const char own[] = "/dev/pts/ptmx";
	bool is_by_dev = le32_get(rec->flags) & TERMINAL_BY_DEV_PTMX;
	auto_close int place = -1;
	int unlocked = 0;
	int r = restore_open_path(rs, own, S_IFCHR, &place, err);

	if (r < 0)
		return r;
	if (!is_own_devpts(place))
		return err_set(err, ERR_FAILED, "%s is not of a devpts", own);
	if (is_by_dev && faccessat(restore_root(rs)->dir, "dev/ptmx", R_OK | W_OK, 0) < 0)
		is_by_dev = false;
	r = open_numbered(rs, is_by_dev ? "/dev/ptmx" : own, le32_get(rec->index), ret_master, err);
	if (r == 0 && ioctl(*ret_master, TIOCSPTLCK, &unlocked) < 0)
		return err_set(err, -errno, "unlock a terminal");
	return r;
}

static int open_slave(int master, uint32_t flags, int *ret_slave, struct err *err)
{
	/* With O_CLOEXEC, the kernel would show it for every duplicate. */
	*ret_slave = ioctl(master, TIOCGPTPEER, (flags & O_ACCMODE) | O_NOCTTY | O_NONBLOCK);
	return *ret_slave < 0 ? err_set(err, -errno, "open a terminal") : 0;
}

/* /dev/tty leads to the terminal of whoever opens it: for that moment, it is ours. Losing it sends
 * signals to our group, which is us; and the first task of a namespace has none that it does not
 * ask for. */
static int open_controlling(struct restore *rs, int slave, uint32_t flags, int *ret_fd,
			    struct err *err)
{
	int r;

	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_set(err, -errno, "take a controlling terminal");
	r = restore_open(rs, "/dev/tty", flags, S_IFCHR, ret_fd, err);
	if (ioctl(slave, TIOCNOTTY) < 0 && r == 0)
		r = err_set(err, -errno, "give a controlling terminal up");
	return r;
}

/* An end that is not the master, which is there. */
static int restore_end(struct restore *rs, const struct record *record, int master, int slave,
		       struct err *err)
{
	const struct pty_rec *rec = record->body;
	uint32_t flags = le32_get(rec->flags);
	auto_close int fd = -1;
	int r;

	if (le32_get(rec->end) == PTY_CONTROLLING) {
		r = open_controlling(rs, slave, flags, &fd, err);
	} else {
		r = open_slave(master, flags, &fd, err);
		if (r == 0)
			r = restore_status_flags(rs, fd, flags, err);
	}
	return r < 0 ? r : restore_give_fd(rs, record, take_fd(&fd), err);
}

static int restore_ends(struct restore *rs, uint32_t id, int master, int slave, struct err *err)
{
	const struct record *record = NULL;
	int r = 0;

	while (r == 0 && (record = image_next(rs->image, TAG_PTY, record))) {
		const struct pty_rec *rec = record->body;

		if (le32_get(rec->terminal) == id && le32_get(rec->end) != PTY_MASTER)
			r = restore_end(rs, record, master, slave, err);
	}
	return r;
}

static int set_node(struct restore *rs, const struct terminal_rec *rec, struct err *err)
{
	auto_free char *path = mem_printf("/dev/pts/%u", le32_get(rec->index));
	auto_close int place = -1;
	char self[32];
	struct stat st;
	int r = restore_open_path(rs, path, S_IFCHR, &place, err);

	if (r < 0)
		return r;
	if (fstat(place, &st) < 0 || !is_own_devpts(place))
		return err_set(err, -ENODEV, "look at %s", path);
	if ((st.st_uid != le32_get(rec->uid) || st.st_gid != le32_get(rec->gid)) &&
	    fchownat(place, "", le32_get(rec->uid), le32_get(rec->gid), AT_EMPTY_PATH) < 0)
		restore_note(rs, "%s belongs to %u:%u: %s", path, st.st_uid, st.st_gid,
			     strerror(errno));
	(void)snprintf(self, sizeof(self), "self/fd/%d", place);
	if (fchmodat(restore_root(rs)->proc, self, le32_get(rec->mode), 0) < 0)
		return err_set(err, -errno, "set mode of %s", path);
	return 0;
}

static int set_state(const struct terminal_rec *rec, int master, int slave, struct err *err)
{
	struct terminal_content content = terminal_content(rec);
	struct winsize size = {
		.ws_row = le16_get(rec->rows),
		.ws_col = le16_get(rec->columns),
		.ws_xpixel = le16_get(rec->width),
		.ws_ypixel = le16_get(rec->height),
	};
	uint32_t flags = le32_get(rec->flags);
	struct termios2 settings;
	int r = 0;

	settings_load(rec, &settings);
	if (ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_set(err, -errno, "set window size");
	if (slave < 0)
		r = ioctl(master, TCSETS2, &settings) < 0 ? -errno : 0;
	else
		r = terminal_queue_put(master, slave, &settings, flags & TERMINAL_STOPPED,
				       flags & TERMINAL_HELD, &content);
	return r < 0 ? err_set(err, r, "fill terminal /dev/pts/%u", le32_get(rec->index)) : 0;
}

/* What would have been in the way before. */
static int set_modes(const struct terminal_rec *rec, int master, int slave, struct err *err)
{
	uint32_t flags = le32_get(rec->flags);
	int on = 1;

	if ((flags & TERMINAL_EXCLUSIVE && ioctl(slave, TIOCEXCL) < 0) ||
	    (flags & TERMINAL_PACKET && ioctl(master, TIOCPKT, &on) < 0) ||
	    (flags & TERMINAL_LOCKED && ioctl(master, TIOCSPTLCK, &on) < 0))
		return err_set(err, -errno, "set modes of a terminal");
	return 0;
}

static int give_master(struct restore *rs, const struct terminal_rec *rec, int master,
		       struct err *err)
{
	const struct record *record = image_find(rs->image, TAG_PTY, le32_get(rec->master));
	auto_close int fd = master;
	int r;

	if (le32_get(rec->flags) & TERMINAL_HUNG_UP)
		return 0;
	if (!record)
		return restore_give_console(rs, take_fd(&fd), err);
	r = restore_status_flags(rs, fd, le32_get(((const struct pty_rec *)record->body)->flags),
				 err);
	return r < 0 ? r : restore_give_fd(rs, record, take_fd(&fd), err);
}

/* A node of the number of /dev/ptmx leads to the devpts beside it: that must be the one. */
static int check_devpts(struct restore *rs, int slave, struct err *err)
{
	auto_close int dir = -1;
	struct stat here;
	struct stat st;
	int r = restore_open_path(rs, "/dev/pts", S_IFDIR, &dir, err);

	if (r < 0)
		return r;
	if (fstat(dir, &here) < 0 || fstat(slave, &st) < 0)
		return err_set(err, -errno, "look at a terminal");
	if (here.st_dev != st.st_dev)
		return err_set(err, ERR_FAILED, "/dev/ptmx does not belong to /dev/pts");
	return 0;
}

static int restore_pair(struct restore *rs, const struct record *record, int master, int *slave,
			struct err *err)
{
	const struct terminal_rec *rec = record->body;
	uint32_t flags = le32_get(rec->flags);
	int r = 0;

	if (!(flags & TERMINAL_UNTOUCHED)) {
		r = open_slave(master, O_RDWR, slave, err);
		if (r == 0)
			r = check_devpts(rs, *slave, err);
	}
	if (r == 0)
		r = restore_ends(rs, record->id, master, *slave, err);
	if (r < 0 || flags & TERMINAL_HUNG_UP)
		return r;
	r = set_node(rs, rec, err);
	if (r == 0)
		r = set_state(rec, master, *slave, err);
	if (r == 0)
		r = set_modes(rec, master, *slave, err);
	return r;
}

/* The slave stays until the end, for session leaders to take: also one that nobody has open. */
static int terminal_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct terminal_rec *rec = record->body;
	auto_close int master = -1;
	auto_close int slave = -1;
	int r = open_master(rs, rec, &master, err);

	if (r == 0)
		r = restore_pair(rs, record, master, &slave, err);
	if (r == 0)
		r = give_master(rs, rec, take_fd(&master), err);
	if (r == 0 && slave >= 0 && !(le32_get(rec->flags) & TERMINAL_HUNG_UP))
		r = restore_give_fd(rs, record, take_fd(&slave), err);
	return r;
}

const struct kind kind_terminal = {
	.name = "terminal",
	.summary = "pseudo-terminals: settings, size, input and output that waits",
	.needs = "devpts",
	.tag = TAG_TERMINAL,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_FILES,
	.check = terminal_check,
	.link = terminal_link,
	.ask = terminal_ask,
	.restore = terminal_restore,
};
