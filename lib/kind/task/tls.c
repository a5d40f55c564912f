/* tls: the segments of set_thread_area(2), by which programs of 32 bits reach their thread-local
 * storage. */
#include <asm/ldt.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>

#include "kind/kind.h"
#include "kind/support/compat.h"
#include "kind/support/owner.h"

extern const struct kind kind_tls;

enum {
	ENTRY_FIRST = 12, /* of the kernel's table: asm/segment.h */
	ENTRY_COUNT = 3,
};

/* The bits of struct user_desc from seg_32bit on. */
enum tls_flag {
	TLS_32BIT = 1u << 0,
	TLS_DOWN = 1u << 1,
	TLS_CODE = 1u << 2,
	TLS_READ_ONLY = 1u << 3,
	TLS_PAGES = 1u << 4,
	TLS_ABSENT = 1u << 5,
	TLS_USEABLE = 1u << 6,
};

RECORDS_BEGIN
struct tls_rec {
	le32 base;
	le32 limit;
	le32 flags;    /* of struct user_desc, from seg_32bit on; 0: no segment */
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct tls_rec) == 16, "image format");

/* As the kernel has it; the bits in one word. */
struct tls_entry {
	uint32_t number, base, limit, flags;
};
static_assert(sizeof(struct tls_entry) == sizeof(struct user_desc), "asm/ldt.h");

static int tls_dump(struct dump *d, struct err *err)
{
	struct tls_rec recs[ENTRY_COUNT] = { 0 };
	bool has_any = false;

	for (uint32_t i = 0; i < ENTRY_COUNT; i++) {
		struct tls_entry entry = { 0 };

		/* EIO: a kernel without programs of 32 bits. */
		if (ptrace(PTRACE_GET_THREAD_AREA, d->thread->tid, ENTRY_FIRST + i, &entry) < 0)
			return errno == EIO ? 0 : err_set(err, -errno, "read segment %u", i);
		if (entry.flags & TLS_ABSENT)
			continue;
		has_any = true;
		recs[i] = (struct tls_rec){ .base = le32_make(entry.base),
					    .limit = le32_make(entry.limit),
					    .flags = le32_make(entry.flags) };
	}
	if (has_any)
		dump_record(d, d->thread->id, &kind_tls, recs, sizeof(recs));
	return 0;
}

static int tls_check(const void *body, size_t length, struct err *err)
{
	const uint32_t known = TLS_32BIT | TLS_DOWN | TLS_READ_ONLY | TLS_PAGES | TLS_USEABLE;
	const struct tls_rec *rec = body;

	if (length != ENTRY_COUNT * sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "tls: %zu bytes", length);
	for (uint32_t i = 0; i < ENTRY_COUNT; i++) {
		uint32_t flags = le32_get(rec[i].flags);
		bool is_none = flags == 0;

		if (flags & ~known || (!is_none && !(flags & TLS_32BIT)) ||
		    le32_get(rec[i].reserved) != 0)
			return err_set(err, ERR_DAMAGED, "tls: unknown bits");
		if (le32_get(rec[i].limit) > 0xfffff ||
		    (is_none && (le32_get(rec[i].base) != 0 || le32_get(rec[i].limit) != 0)))
			return err_set(err, ERR_DAMAGED, "tls: impossible segment");
	}
	return 0;
}

static int tls_finish(struct restore *rs, const struct record *record, struct script *script,
		      struct err *err)
{
	const struct tls_rec *rec = record->body;
	int r = script_room(script, ENTRY_COUNT, ENTRY_COUNT * 64, err);

	(void)rs;
	for (uint32_t i = 0; r == 0 && i < ENTRY_COUNT; i++) {
		const struct tls_entry entry = { ENTRY_FIRST + i, le32_get(rec[i].base),
						 le32_get(rec[i].limit), le32_get(rec[i].flags) };

		if (entry.flags != 0)
			(void)script_syscall(script, "set a thread's segment", SCRIPT_32,
					     NR32_SET_THREAD_AREA,
					     script_copy(script, &entry, sizeof(entry)));
	}
	return r;
}

const struct kind kind_tls = {
	.name = "tls",
	.summary = "segments of thread-local storage (set_thread_area)",
	.tag = TAG_TLS,
	.scope = SCOPE_THREAD,
	.phase = PHASE_STATE,
	.dump = tls_dump,
	.check = tls_check,
	.link = owner_link_thread,
	.finish = tls_finish,
};
