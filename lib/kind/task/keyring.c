/* keyring: keys are not saved: what held some is empty after a restore, and that is said. The
 * session keyring of whoever runs ctckpt is none of the container's. */
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/owner.h"

extern const struct kind kind_keyring;

enum { KEYRINGS = 3 };

RECORDS_BEGIN
struct keyring_rec {
	le32 keys[3]; /* in the thread's, the process's and the session keyring */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct keyring_rec) == 16, "image format");

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

static int count_keys(struct dump *d, const int64_t ids[KEYRINGS], struct keyring_rec *rec,
		      struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	size_t steps[KEYRINGS];
	int r;

	script_init(&script, &d->thread->remote);
	for (int i = 0; i < KEYRINGS; i++)
		steps[i] = script_syscall(&script, "count keys", SCRIPT_MAY_FAIL, SYS_keyctl,
					  KEYCTL_READ, (uint64_t)ids[i], 0, 0);
	r = script_run(&script, err);
	for (int i = 0; r == 0 && i < KEYRINGS; i++) {
		int64_t bytes = script_result(&script, steps[i]);

		/* One that cannot be read has perhaps one. */
		if (ids[i] > 0)
			rec->keys[i] =
			    le32_make(bytes < 0 ? 1 : (uint32_t)bytes / (uint32_t)sizeof(int32_t));
	}
	return r;
}

static int keyring_dump(struct dump *d, struct err *err)
{
	long session = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	auto_script struct script script = SCRIPT_NONE;
	struct keyring_rec rec = { .reserved = le32_make(0) };
	int64_t ids[KEYRINGS];
	size_t steps[KEYRINGS];
	int r;

	if (session < 0 || !may_have_keys(d))
		return 0;
	script_init(&script, &d->thread->remote);
	for (int i = 0; i < KEYRINGS; i++)
		steps[i] = script_syscall(&script, "look for keys", SCRIPT_MAY_FAIL, SYS_keyctl,
					  KEYCTL_GET_KEYRING_ID, (uint64_t)keyrings[i].id, 0);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	for (int i = 0; i < KEYRINGS; i++)
		ids[i] = script_result(&script, steps[i]);
	if (ids[KEYRINGS - 1] == session)
		ids[KEYRINGS - 1] = 0;
	r = count_keys(d, ids, &rec, err);
	if (r == 0 && (le32_get(rec.keys[0]) | le32_get(rec.keys[1]) | le32_get(rec.keys[2])))
		dump_record(d, d->thread->id, &kind_keyring, &rec, sizeof(rec));
	return r;
}

static int keyring_check(const void *body, size_t length, struct err *err)
{
	const struct keyring_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "keyring: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "keyring: unknown bits");
	return 0;
}

static bool has_session(const struct restore *rs)
{
	const struct record *record = NULL;

	while ((record = image_next(rs->image, kind_keyring.tag, record))) {
		if (le32_get(((const struct keyring_rec *)record->body)->keys[KEYRINGS - 1]))
			return true;
	}
	return false;
}

/* A fresh session keyring, which all tasks inherit. */
static int keyring_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct keyring_rec *rec = record->body;

	for (int i = 0; i < KEYRINGS; i++) {
		if (le32_get(rec->keys[i]))
			restore_note(rs, "task %d: %u keys of its %s keyring are not saved",
				     restore_pid(rs, record->id), le32_get(rec->keys[i]),
				     keyrings[i].name);
	}
	if (image_next(rs->image, record->tag, NULL) == record && has_session(rs) &&
	    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return err_set(err, -errno, "make a session keyring");
	return 0;
}

const struct kind kind_keyring = {
	.name = "keyring",
	.summary = "keyrings are fresh: keys are not saved",
	.tag = TAG('K', 'E', 'Y', 'S'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_STATE,
	.dump = keyring_dump,
	.check = keyring_check,
	.link = owner_link_thread,
	.restore = keyring_restore,
};
