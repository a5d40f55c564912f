/* Standard input, output and error where they lead outside of the container: restored as those of
 * the invoker. Takes what no other kind takes, under the numbers 0, 1 and 2 only. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "restore/open.h"

extern const struct kind kind_stdio;

enum stdio_form { STDIO_OTHER, STDIO_TERMINAL, STDIO_PIPE, STDIO_SOCKET, STDIO_FILE, STDIO_FORMS };

RECORDS_BEGIN
struct stdio_rec {
	le32 number; /* 0, 1 or 2 */
	le32 form;   /* enum stdio_form; for people only */
};
RECORDS_END
static_assert(sizeof(struct stdio_rec) == 8, "image format");

/* clang-format off */
#define STDIO_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, number, CLASS_STDIO) \
	FIELD(rec, form, FIELD_FORM)
/* clang-format on */
FIELDS_OF(stdio, struct stdio_rec, STDIO_FIELDS);

static const char *const form_names[] = { "other", "terminal", "pipe", "socket", "file" };

static enum stdio_form form_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFCHR:
		return STDIO_TERMINAL;
	case S_IFIFO:
		return STDIO_PIPE;
	case S_IFSOCK:
		return STDIO_SOCKET;
	case S_IFREG:
		return STDIO_FILE;
	default:
		return STDIO_OTHER;
	}
}

static int standard_number(const struct target_fd *fd, const struct dump_task *task)
{
	for (size_t i = 0; i < task->slot_count; i++) {
		const struct dump_slot *slot = &task->slots[i];

		if (slot->file == fd->id && slot->number >= 0 && slot->number <= 2)
			return slot->number;
	}
	return -1;
}

static bool stdio_match(const struct target_fd *fd)
{
	bool is_terminal = S_ISCHR(fd->stat.st_mode) && isatty(fd->fd);

	if (fd->flags & O_PATH)
		return false;
	/* A shell keeps its terminal under a high number too. */
	if (!is_terminal && standard_number(fd, fd->task) < 0)
		return false;
	for (size_t i = 0; kinds[i]; i++) {
		if (kinds[i] != &kind_stdio && kinds[i]->match && kinds[i]->match(fd))
			return false;
	}
	return true;
}

bool stdio_takes(struct dump *d)
{
	struct stdio_rec rec = { .form = le32_make(form_of(&d->fd->stat)) };
	const struct dump_task *task = NULL;
	int number = -1;

	while (!(d->fd->flags & O_PATH) && number < 0 && (task = dump_next_task(d, task)))
		number = standard_number(d->fd, task);
	if (number < 0)
		return false;
	rec.number = le32_make((uint32_t)number);
	dump_record(d, d->fd->id, &kind_stdio, &rec, sizeof(rec));
	return true;
}

static int stdio_dump(struct dump *d, struct err *err)
{
	(void)err;
	if (!stdio_takes(d) && !external_takes(d))
		return dump_block(d, "use it as descriptor 0, 1 or 2 only",
				  "terminal %s is outside of the container", d->fd->link);
	return 0;
}

static int stdio_check(const void *body, size_t length, struct err *err)
{
	const struct stdio_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "stdio: %zu bytes", length);
	if (le32_get(rec->number) > 2)
		return err_set(err, ERR_DAMAGED, "stdio: descriptor %u", le32_get(rec->number));
	if (le32_get(rec->form) >= STDIO_FORMS)
		return err_set(err, ERR_DAMAGED, "stdio: unknown form");
	return 0;
}

static int stdio_ask(struct plan *plan, const struct image *image, const struct record *record,
		     struct err *err)
{
	const struct stdio_rec *rec = record->body;
	uint32_t number = le32_get(rec->number);
	auto_free char *subject = mem_printf("descriptor %u", number);
	int flags = fcntl((int)number, F_GETFL);
	bool is_open = flags >= 0 && !(flags & O_PATH);
	struct question question = {
		.class = CLASS_STDIO,
		.id = record->id,
		.saved = number,
		.invoker = number,
		.is_descriptor = true,
		.subject = subject,
		.saved_text = form_names[le32_get(rec->form)],
		.invoker_text = is_open ? "open" : "closed",
	};

	(void)image;
	(void)err;
	plan_ask(plan, &question);
	return 0;
}

static bool stdio_grant(const struct image *image, const struct record *record,
			struct grant_look *ret_look)
{
	const struct stdio_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.is_any = true,
		.name = form_names[le32_get(rec->form)],
	};
	return true;
}

static int stdio_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct stdio_rec *rec = record->body;
	const struct decision *decision = plan_answer(rs->plan, CLASS_STDIO, record->id, 0);
	int number = (int)le32_get(rec->number);
	int theirs = restore_stdio(rs, number);
	auto_close int fd = -1;
	int r;

	if (theirs < 0 || (decision && decision->outcome == OUTCOME_SUBSTITUTE)) {
		restore_note(rs, "descriptor %d leads to /dev/null", number);
		r = restore_open(rs, "/dev/null", O_RDWR, S_IFCHR, &fd, err);
		if (r < 0)
			return r;
	} else {
		fd = fcntl(theirs, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return err_set(err, -errno, "duplicate descriptor %d", number);
	}
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_stdio = {
	.name = "stdio",
	.summary = "standard descriptors that lead outside of the container",
	.tag = TAG('S', 'T', 'D', 'I'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.fields = stdio_fields,
	.match = stdio_match,
	.dump = stdio_dump,
	.check = stdio_check,
	.ask = stdio_ask,
	.grant = stdio_grant,
	.restore = stdio_restore,
};
