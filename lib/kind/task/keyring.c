/* keyring: keys are not saved: what held some is empty after a restore, and that is said. The
 * session keyring of whoever runs ctckpt is none of the container's. */
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/owner.h"

extern const struct kind kind_keyring;

enum { SESSION = 2, KEYRINGS = 3, DESCRIPTION_MAX = 256 };

RECORDS_BEGIN
struct keyring_rec {
	le32 keys[3]; /* in the thread's, the process's and the session keyring */
	le32 session; /* the same number: the same session keyring; 0: the invoker's, or none */
};
RECORDS_END
static_assert(sizeof(struct keyring_rec) == 16, "image format");

/* clang-format off */
#define KEYRING_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, keys, CLASS_KEYRING) \
	FIELD(rec, session, FIELD_LINK)
/* clang-format on */
FIELDS_OF(keyring, struct keyring_rec, KEYRING_FIELDS);

static const struct {
	int32_t id;
	const char *name;
} keyrings[KEYRINGS] = { { KEY_SPEC_THREAD_KEYRING, "thread" },
			 { KEY_SPEC_PROCESS_KEYRING, "process" },
			 { KEY_SPEC_SESSION_KEYRING, "session" } };

/* A filter that was there from the start never let it have keys. */
static bool may_have_keys(const struct dump *d)
{
	const uint64_t args[6] = { KEYCTL_GET_KEYRING_ID };
	struct err ignored;

	return remote_check_call(&d->thread->remote, "keys", SYS_keyctl, args, &ignored) == 0;
}

/* True in *ret_is_new at its first thread. */
static uint32_t session_id(struct dump *d, int64_t serial, bool *ret_is_new)
{
	struct dump_private *own = d->own;

	*ret_is_new = false;
	for (size_t i = 0; i < own->keyring_count; i++) {
		if (own->keyrings[i].serial == serial)
			return own->keyrings[i].id;
	}
	*ret_is_new = true;
	array_grow(own->keyrings, own->keyring_count);
	own->keyrings[own->keyring_count] =
	    (struct dump_keyring){ .serial = serial, .id = dump_new_id(d) };
	return own->keyrings[own->keyring_count++].id;
}

/* One that cannot be read has perhaps one. */
static uint32_t count_of(struct script *script, size_t step)
{
	int64_t bytes = script_result(script, step);

	return bytes < 0 ? 1 : (uint32_t)bytes / (uint32_t)sizeof(int32_t);
}

/* The keyring that the kernel makes for all sessions of a user that have none; in it is the user's.
 * "keyring;0;0;1f3f0000;_uid_ses.0" */
static bool is_of_user(struct script *script, size_t step, uint64_t text)
{
	static const char name[] = ";_uid_ses.";
	struct err ignored;
	const char *description = script_result(script, step) > 0
				      ? script_output(script, text, DESCRIPTION_MAX, &ignored)
				      : NULL;

	return description && memmem(description, DESCRIPTION_MAX, name, strlen(name)) != NULL;
}

/* What several threads share is counted with the first of them. */
static int count_session(struct dump *d, int64_t serial, struct keyring_rec *rec, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	uint64_t text;
	size_t description, keys;
	bool is_new;
	uint32_t id = session_id(d, serial, &is_new);
	int r;

	script_init(&script, &d->thread->remote);
	text = script_out(&script, DESCRIPTION_MAX);
	description = script_syscall(&script, "look at a keyring", SCRIPT_MAY_FAIL, SYS_keyctl,
				     KEYCTL_DESCRIBE, (uint64_t)serial, text, DESCRIPTION_MAX);
	keys = script_syscall(&script, "count keys", SCRIPT_MAY_FAIL, SYS_keyctl, KEYCTL_READ,
			      (uint64_t)serial, 0, 0);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	if (!is_of_user(&script, description, text)) {
		rec->session = le32_make(id);
		rec->keys[SESSION] = le32_make(is_new ? count_of(&script, keys) : 0);
	} else if (is_new && count_of(&script, keys) > 0) {
		rec->keys[SESSION] = le32_make(count_of(&script, keys) - 1);
	}
	return 0;
}

static int count_keys(struct dump *d, const int64_t ids[KEYRINGS], struct keyring_rec *rec,
		      struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	size_t steps[SESSION];
	int r;

	script_init(&script, &d->thread->remote);
	for (int i = 0; i < SESSION; i++)
		steps[i] = script_syscall(&script, "count keys", SCRIPT_MAY_FAIL, SYS_keyctl,
					  KEYCTL_READ, (uint64_t)ids[i], 0, 0);
	r = script_run(&script, err);
	for (int i = 0; r == 0 && i < SESSION; i++) {
		if (ids[i] > 0)
			rec->keys[i] = le32_make(count_of(&script, steps[i]));
	}
	return r;
}

static bool is_empty(const struct keyring_rec *rec)
{
	return (le32_get(rec->keys[0]) | le32_get(rec->keys[1]) | le32_get(rec->keys[SESSION]) |
		le32_get(rec->session)) == 0;
}

struct keyring_answers {
	bool has_asked;
	size_t steps[KEYRINGS];
};

static void keyring_query(struct dump *d, struct script *script, void *ret_answers)
{
	struct keyring_answers *at = ret_answers;

	at->has_asked = may_have_keys(d);
	for (int i = 0; at->has_asked && i < KEYRINGS; i++)
		at->steps[i] = script_syscall(script, "look for keys", SCRIPT_MAY_FAIL, SYS_keyctl,
					      KEYCTL_GET_KEYRING_ID, (uint64_t)keyrings[i].id, 0);
}

static int keyring_dump(struct dump *d, struct err *err)
{
	long session = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	const struct keyring_answers *at = dump_answers(d, &kind_keyring);
	struct keyring_rec rec = { .session = le32_make(0) };
	int64_t ids[KEYRINGS];
	int r = 0;

	if (session < 0 || !at->has_asked)
		return 0;
	for (int i = 0; i < KEYRINGS; i++)
		ids[i] = script_result(d->script, at->steps[i]);
	if (ids[0] > 0 || ids[1] > 0)
		r = count_keys(d, ids, &rec, err);
	if (r == 0 && ids[SESSION] > 0 && ids[SESSION] != session)
		r = count_session(d, ids[SESSION], &rec, err);
	if (r == 0 && !is_empty(&rec))
		dump_record(d, d->thread->id, &kind_keyring, &rec, sizeof(rec));
	return r;
}

static int keyring_check(const void *body, size_t length, struct err *err)
{
	(void)body;
	if (length != sizeof(struct keyring_rec))
		return err_set(err, ERR_DAMAGED, "keyring: %zu bytes", length);
	return 0;
}

static int keyring_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	const struct keyring_rec *rec = record->body;

	(void)image;
	(void)err;
	for (uint32_t i = 0; i < KEYRINGS; i++) {
		auto_free char *keys = mem_printf("%u keys", le32_get(rec->keys[i]));

		if (le32_get(rec->keys[i]))
			plan_ask(plan, &(struct question){ .class = CLASS_KEYRING,
							   .id = record->id,
							   .detail = i,
							   .saved = le32_get(rec->keys[i]),
							   .saved_text = keys,
							   .invoker_text = "-" });
	}
	return 0;
}

/* Are there session keyrings, and more than one? */
static bool has_sessions(const struct restore *rs, bool *ret_are_many)
{
	const struct record *record = NULL;
	uint32_t first = 0;

	*ret_are_many = false;
	while ((record = image_next(rs->image, kind_keyring.tag, record))) {
		uint32_t id = le32_get(((const struct keyring_rec *)record->body)->session);

		*ret_are_many |= first && id && id != first;
		first = first ? first : id;
	}
	return first != 0;
}

/* A fresh session keyring, which all tasks inherit. */
static int make_session(struct restore *rs, struct err *err)
{
	bool are_many;

	if (!has_sessions(rs, &are_many))
		return 0;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return err_set(err, -errno, "make a session keyring");
	if (are_many)
		restore_note(rs, "tasks with session keyrings of their own share one");
	return 0;
}

static int keyring_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct keyring_rec *rec = record->body;

	for (int i = 0; i < KEYRINGS; i++) {
		if (le32_get(rec->keys[i]))
			restore_note(rs, "task %d: %u keys of its %s keyring are not saved",
				     restore_pid(rs, record->id), le32_get(rec->keys[i]),
				     keyrings[i].name);
	}
	return image_next(rs->image, record->tag, NULL) == record ? make_session(rs, err) : 0;
}

const struct kind kind_keyring = {
	.name = "keyring",
	.summary = "keyrings are fresh: keys are not saved",
	.needs = "keyring",
	.tag = TAG('K', 'E', 'Y', 'S'),
	.scope = SCOPE_THREAD,
	.fields = keyring_fields,
	.phase = PHASE_STATE,
	.answers_size = sizeof(struct keyring_answers),
	.query = keyring_query,
	.dump = keyring_dump,
	.check = keyring_check,
	.link = owner_link_thread,
	.ask = keyring_ask,
	.restore = keyring_restore,
};
