/* Open file descriptions of pseudo-terminals: masters, slaves, and slaves opened as /dev/tty. Kind
 * terminal makes them, with the pair. */
#include <string.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/terminal.h"

extern const struct kind kind_pty;

/* The record is a struct pty_rec. */

static bool pty_match(const struct target_fd *fd)
{
	enum pty_end end;
	uint32_t index;

	return pty_identify(fd, &end, &index);
}

static int pty_dump(struct dump *d, struct err *err)
{
	struct pty_rec rec = { .flags = le32_make(file_flags(d->fd)) };
	enum pty_end end = PTY_ENDS;
	uint32_t index = 0;
	uint32_t id;
	int r;

	if (file_block_extras(d))
		return 0;
	if (!pty_identify(d->fd, &end, &index))
		return err_set(err, ERR_FAILED, "%s has changed", d->fd->link);
	r = terminal_at(d, index, &id, err);
	if (r < 0)
		return r;
	rec.terminal = le32_make(id);
	rec.end = le32_make(end);
	dump_record(d, d->fd->id, &kind_pty, &rec, sizeof(rec));
	return 0;
}

static int pty_check(const void *body, size_t length, struct err *err)
{
	const struct pty_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "pty: %zu bytes", length);
	if (le32_get(rec->end) >= PTY_ENDS || !file_flags_are_valid(le32_get(rec->flags)) ||
	    le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "pty: unknown bits");
	return 0;
}

static int pty_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct pty_rec *rec = record->body;
	const struct record *pair = image_find(image, TAG_TERMINAL, le32_get(rec->terminal));
	const struct terminal_rec *terminal = pair ? pair->body : NULL;
	bool is_master = le32_get(rec->end) == PTY_MASTER;
	uint32_t flags = terminal ? le32_get(terminal->flags) : 0;

	if (!terminal)
		return err_set(err, ERR_DAMAGED, "pty: terminal %u is not in the image",
			       le32_get(rec->terminal));
	if (is_master ? le32_get(terminal->master) != record->id : flags & TERMINAL_UNTOUCHED)
		return err_set(err, ERR_DAMAGED, "pty: terminal %u has no such end", pair->id);
	return 0;
}

const struct kind kind_pty = {
	.name = "pty",
	.summary = "ends of pseudo-terminals",
	.needs = "devpts",
	.tag = TAG_PTY,
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = pty_match,
	.dump = pty_dump,
	.check = pty_check,
	.link = pty_link,
};
