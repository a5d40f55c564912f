/* signals: what a process does on each signal. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/compat.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"

extern const struct kind kind_signals;

RECORDS_BEGIN
struct signals_rec {
	le32 signal;
	le32 reserved; /* zero */
	le64 handler;
	le64 flags;
	le64 restorer;
	le64 mask;
};
RECORDS_END
static_assert(sizeof(struct signals_rec) == 40, "image format");

enum { SIGNAL_COUNT = 64 };
#define ACTIONS_SIZE ((SIGNAL_COUNT + 1) * sizeof(struct signal_action))

static bool is_settable(uint32_t signal)
{
	return signal >= 1 && signal <= SIGNAL_COUNT && signal != SIGKILL && signal != SIGSTOP;
}

static bool is_default(const struct signal_action *action)
{
	return action->handler == 0 && action->flags == 0 && action->mask == 0;
}

static struct signal_action action_of(const struct signals_rec *rec)
{
	return (struct signal_action){ le64_get(rec->handler), le64_get(rec->flags),
				       le64_get(rec->restorer), le64_get(rec->mask) };
}

static void signals_append(struct buf *body, uint32_t signal, const struct signal_action *action)
{
	struct signals_rec rec = { .signal = le32_make(signal),
				   .handler = le64_make(action->handler),
				   .flags = le64_make(action->flags),
				   .restorer = le64_make(action->restorer),
				   .mask = le64_make(action->mask) };

	(void)buf_append(body, &rec, sizeof(rec));
}

struct signals_answers {
	uint64_t actions;
};

static void signals_query(struct dump *d, struct script *s, void *ret_answers)
{
	struct signals_answers *at = ret_answers;

	(void)d;
	at->actions = script_out(s, ACTIONS_SIZE);
	for (uint32_t i = 1; i <= SIGNAL_COUNT; i++) {
		if (is_settable(i))
			(void)script_syscall(s, "get signal action", 0, SYS_rt_sigaction, i, 0,
					     at->actions + i * sizeof(struct signal_action), 8);
	}
}

static int signals_dump(struct dump *d, struct err *err)
{
	const struct signals_answers *at;
	auto_buf struct buf body = BUF_EMPTY;
	const struct signal_action *actions;

	if (!d->thread)
		return 0;
	at = dump_answers(d, &kind_signals);
	actions = script_output(d->script, at->actions, ACTIONS_SIZE, err);
	if (!actions)
		return err->code;
	for (uint32_t i = 1; i <= SIGNAL_COUNT; i++) {
		struct signal_action action = actions[i];

		if (!is_default(&action))
			signals_append(&body, i, &action);
	}
	dump_record(d, d->task->id, &kind_signals, body.data, body.size);
	return 0;
}

static int signals_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	uint32_t last = 0;

	if (length % sizeof(struct signals_rec) != 0)
		return err_set(err, ERR_DAMAGED, "signals: %zu bytes", length);
	while (reader_left(&reader) > 0) {
		const struct signals_rec *rec = reader_take(&reader, sizeof(*rec));
		uint32_t signal = le32_get(rec->signal);

		if (!is_settable(signal))
			return err_set(err, ERR_DAMAGED, "signals: an action for signal %" PRIu32,
				       signal);
		if (signal <= last)
			return err_set(err, ERR_DAMAGED, "signals: out of order");
		if (le32_get(rec->reserved) != 0)
			return err_set(err, ERR_DAMAGED, "signals: unknown bits");
		last = signal;
	}
	return 0;
}

/* The kernel remembers by which sort of call an action was set: its handler gets a frame of that
 * sort. */
static void set_actions_32(const struct signal_action *actions, struct script *script)
{
	struct signal_action_32 actions_32[SIGNAL_COUNT + 1];
	uint64_t address;

	for (uint32_t i = 0; i <= SIGNAL_COUNT; i++)
		actions_32[i] = signal_action_32(&actions[i]);
	address = script_copy(script, actions_32, sizeof(actions_32));
	for (uint32_t i = 1; i <= SIGNAL_COUNT; i++) {
		if (is_settable(i))
			(void)script_syscall(script, "set signal action", SCRIPT_32,
					     NR32_RT_SIGACTION, i,
					     address + i * sizeof(actions_32[0]), 0, 8);
	}
}

static void set_actions(const struct signal_action *actions, struct script *script)
{
	uint64_t address = script_copy(script, actions, (SIGNAL_COUNT + 1) * sizeof(*actions));

	for (uint32_t i = 1; i <= SIGNAL_COUNT; i++) {
		if (is_settable(i))
			(void)script_syscall(script, "set signal action", 0, SYS_rt_sigaction, i,
					     address + i * sizeof(*actions), 0, 8);
	}
}

/* All of them: a fresh task has inherited what whoever restores it ignores. */
static int signals_finish(struct restore *rs, const struct record *record, struct script *script,
			  struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	struct signal_action actions[SIGNAL_COUNT + 1] = { { .handler = 0 } };
	int r = script_room(script, SIGNAL_COUNT, sizeof(actions) + 64, err);

	if (r < 0)
		return r;
	while (reader_left(&reader) > 0) {
		const struct signals_rec *rec = reader_take(&reader, sizeof(*rec));

		actions[le32_get(rec->signal)] = action_of(rec);
	}
	if (compat_is_32(rs->image, record->id))
		set_actions_32(actions, script);
	else
		set_actions(actions, script);
	return 0;
}

bool signals_ignore_trap(const struct record *signals, struct signal_action *ret_action)
{
	const struct signals_rec *recs = signals ? signals->body : NULL;

	for (size_t i = 0; recs && i < signals->length / sizeof(*recs); i++) {
		if (le32_get(recs[i].signal) != SIGTRAP)
			continue;
		*ret_action = action_of(&recs[i]);
		return ret_action->handler == (uint64_t)(uintptr_t)SIG_IGN;
	}
	return false;
}

const struct kind kind_signals = {
	.name = "signals",
	.summary = "signal actions",
	.tag = TAG('S', 'I', 'G', 'A'),
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.answers_size = sizeof(struct signals_answers),
	.query = signals_query,
	.dump = signals_dump,
	.check = signals_check,
	.link = owner_link_task,
	.finish = signals_finish,
};
