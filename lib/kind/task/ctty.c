/* ctty: the controlling terminal of a session, and its foreground process group. The session's
 * leader takes it while the tree grows (restore/tree.c), so that its children inherit it. */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/kind.h"
#include "kind/support/terminal.h"
#include "kind/support/tree.h"

extern const struct kind kind_ctty;

/* The record is a struct ctty_rec, for the leaders of sessions that have a terminal, and for
 * members that have given theirs up. */

static struct dump_terminal *pair_by_number(const struct dump *d, int tty_nr)
{
	const struct dump_terminals *terminals = dump_terminals(d);
	/* As the kernel encodes a device number: the minor's low 8 bits, the major, the rest. */
	uint32_t number = (uint32_t)tty_nr;
	uint32_t index = (number & 0xff) | (number >> 12 & 0xfff00);

	for (size_t i = 0; (number >> 8 & 0xfff) == 136 && i < terminals->count; i++) {
		if (terminals->pairs[i].index == index && terminals->pairs[i].slave >= 0)
			return &terminals->pairs[i];
	}
	return NULL;
}

/* Asks the leader itself, by a description of ours: numbers are those of its namespace. False: it
 * is not its terminal. */
static int ask_leader(struct dump *d, const struct dump_terminal *pair, bool *ret_is_it,
		      uint32_t *ret_foreground, struct err *err)
{
	struct remote *remote = &d->thread->remote;
	auto_script struct script script = SCRIPT_NONE;
	const uint32_t *group;
	uint64_t out;
	size_t asked;
	int number;
	int r = remote_push_fd(remote, d->task->pidfd, pair->slave, &number, err);

	if (r < 0)
		return r;
	script_init(&script, remote);
	out = script_out(&script, sizeof(*group));
	asked = script_syscall(&script, "ask for the foreground group", SCRIPT_MAY_FAIL, SYS_ioctl,
			       (uint64_t)number, TIOCGPGRP, out);
	(void)script_syscall(&script, "close", 0, SYS_close, (uint64_t)number);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	*ret_is_it = script_result(&script, asked) >= 0;
	group = script_output(&script, out, sizeof(*group), err);
	if (!group)
		return err->code;
	*ret_foreground = *group <= TASK_PID_MAX ? *group : 0;
	return 0;
}

/* The leader of its session has a terminal, and it has none. */
static bool has_given_up(const struct dump *d, uint32_t *ret_terminal)
{
	const struct dump_task *leader = dump_task_by_pid(d, d->task->stat.session);
	const struct dump_terminal *pair;

	if (d->task->stat.tty_nr != 0 || !leader || leader == d->task || leader->stat.tty_nr == 0)
		return false;
	pair = pair_by_number(d, leader->stat.tty_nr);
	*ret_terminal = pair ? pair->id : 0;
	return pair != NULL;
}

static int ctty_dump(struct dump *d, struct err *err)
{
	const struct dump_task *task = d->task;
	struct ctty_rec rec = { .flags = le32_make(0) };
	const struct dump_terminal *pair;
	uint32_t terminal = 0;
	uint32_t foreground = 0;
	bool is_it = false;
	int r = 0;

	if (!d->thread)
		return 0;
	if (has_given_up(d, &terminal)) {
		rec.terminal = le32_make(terminal);
		rec.flags = le32_make(CTTY_GIVEN_UP);
		dump_record(d, task->id, &kind_ctty, &rec, sizeof(rec));
		return 0;
	}
	if (task->stat.tty_nr == 0 || task->stat.session != task->pid)
		return 0;
	pair = pair_by_number(d, task->stat.tty_nr);
	if (pair)
		r = ask_leader(d, pair, &is_it, &foreground, err);
	if (r < 0)
		return r;
	if (is_it) {
		rec.terminal = le32_make(pair->id);
		rec.foreground = le32_make(foreground);
	}
	dump_record(d, task->id, &kind_ctty, &rec, sizeof(rec));
	return 0;
}

static int ctty_check(const void *body, size_t length, struct err *err)
{
	const struct ctty_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "ctty: %zu bytes", length);
	if (le32_get(rec->flags) & ~(uint32_t)CTTY_GIVEN_UP || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "ctty: unknown bits");
	if (le32_get(rec->foreground) > TASK_PID_MAX)
		return err_set(err, ERR_DAMAGED, "ctty: impossible process group");
	return 0;
}

/* A terminal is that of one session. */
static bool is_taken_before(const struct image *image, const struct record *record)
{
	const struct ctty_rec *rec = record->body;
	const struct record *other = NULL;

	if (le32_get(rec->terminal) == 0)
		return false;
	while ((other = image_next(image, TAG_CTTY, other)) && other != record) {
		const struct ctty_rec *before = other->body;

		if (le32_get(before->flags) == 0 &&
		    le32_get(before->terminal) == le32_get(rec->terminal))
			return true;
	}
	return false;
}

static int ctty_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct ctty_rec *rec = record->body;
	const struct record *task = image_find(image, TAG_TASK, record->id);
	const struct task_rec *owner = task ? task->body : NULL;
	bool is_leader = owner && le32_get(owner->sid) == le32_get(owner->pid);
	bool is_given_up = le32_get(rec->flags) & CTTY_GIVEN_UP;

	if (!owner || le32_get(owner->flags) & TASK_ZOMBIE)
		return err_set(err, ERR_DAMAGED, "ctty: of no task");
	if (le32_get(rec->terminal) && !terminal_can_control(image, le32_get(rec->terminal)))
		return err_set(err, ERR_DAMAGED, "ctty: terminal %u cannot be one",
			       le32_get(rec->terminal));
	if (is_leader == is_given_up)
		return err_set(err, ERR_DAMAGED, "ctty: task %u does not lead its session",
			       le32_get(owner->pid));
	if (!is_given_up && is_taken_before(image, record))
		return err_set(err, ERR_DAMAGED, "ctty: terminal %u of two sessions",
			       le32_get(rec->terminal));
	return 0;
}

const struct ctty_rec *ctty_of(const struct image *image, uint32_t task)
{
	const struct record *record = image_find(image, TAG_CTTY, task);

	return record ? record->body : NULL;
}

static int ctty_finish(struct restore *rs, const struct record *record, struct script *script,
		       struct err *err)
{
	const struct ctty_rec *rec = record->body;

	(void)err;
	if (le32_get(rec->flags) & CTTY_GIVEN_UP)
		(void)script_syscall(script, "give the controlling terminal up", SCRIPT_MAY_FAIL,
				     SYS_ioctl, (uint64_t)restore_fd(rs, le32_get(rec->terminal)),
				     TIOCNOTTY);
	else if (le32_get(rec->terminal) == 0)
		restore_note(rs,
			     "session %d had a controlling terminal outside of the container, "
			     "and has none now",
			     restore_pid(rs, record->id));
	return 0;
}

const struct kind kind_ctty = {
	.name = "ctty",
	.summary = "controlling terminals and foreground process groups",
	.tag = TAG_CTTY,
	.scope = SCOPE_TASK,
	.phase = PHASE_TASKS,
	.dump = ctty_dump,
	.check = ctty_check,
	.link = ctty_link,
	.finish = ctty_finish,
};
