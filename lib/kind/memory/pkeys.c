/* pkeys: protection keys of memory, pkeys(7): which are in use, and the mappings that have one.
 * What a thread may do with each is in its registers. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/mm.h"

extern const struct kind kind_pkeys;

enum {
	KEYS = 16,	 /* the first is everybody's */
	KEY_OF_CODE = 1, /* the kernel takes the first that is free for what is only executed */
};

/* No processor has user memory there: nothing is changed. */
static const uint64_t nowhere = (UINT64_C(1) << 56) - IMAGE_PAGE;

RECORDS_BEGIN
struct pkeys_rec {
	le32 used; /* a bit for each key that the program has allocated */
	le32 reserved;
};

struct pkeys_mapping_rec {
	le64 start; /* of a mapping of the task */
	le32 key;   /* 1 to 15; it may have been freed since */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct pkeys_rec) == 8, "image format");
static_assert(sizeof(struct pkeys_mapping_rec) == 16, "image format");

struct pkeys_answers {
	bool has_asked;
	size_t first;
};

/* That there is no memory is said only of keys that are in use. */
static void pkeys_query(struct dump *d, struct script *script, void *ret_answers)
{
	const uint64_t args[6] = { nowhere, IMAGE_PAGE, PROT_READ, 1 };
	struct pkeys_answers *at = ret_answers;
	struct err ignored = ERR_NONE;

	(void)d;
	/* A filter that kills for this has kept the program from it, too. */
	if (remote_check_call(script->remote, "ask for a protection key", SYS_pkey_mprotect, args,
			      &ignored) < 0)
		return;
	at->has_asked = true;
	at->first = script->count;
	for (uint64_t key = 1; key < KEYS; key++)
		(void)script_syscall(script, "ask for a protection key", SCRIPT_MAY_FAIL,
				     SYS_pkey_mprotect, args[0], args[1], args[2], key);
}

static uint32_t read_used(struct script *script, const struct pkeys_answers *at)
{
	uint32_t used = 0;

	for (uint32_t key = 1; at->has_asked && key < KEYS; key++) {
		if (script_result(script, at->first + key - 1) == -ENOMEM)
			used |= 1u << key;
	}
	return used;
}

/* The kernel gives such memory a key by itself, again at a restore. */
static bool is_code(const struct procfs_vma *vma)
{
	return vma->prot == PROT_EXEC && strcmp(vma->name, "[vsyscall]") != 0;
}

static bool has_code(const struct dump_task *task)
{
	for (size_t i = 0; i < task->vma_count; i++) {
		if (is_code(&task->vmas[i]))
			return true;
	}
	return false;
}

/* Will a restore find this one's key where it was? */
static bool is_possible(const struct procfs_vma *vma, uint32_t used, bool beside_code)
{
	if (is_code(vma))
		return vma->key == KEY_OF_CODE || (vma->key == 0 && used == 0);
	return vma->key < KEYS && !(beside_code && vma->key == KEY_OF_CODE);
}

static int pkeys_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct pkeys_rec rec = { .reserved = le32_make(0) };
	bool beside_code = has_code(d->task);
	bool is_all_possible;
	uint32_t used;

	(void)err;
	if (!d->thread || d->task->groups[SHARE_MEMORY] != d->task->id)
		return 0;
	used = read_used(d->script, dump_answers(d, &kind_pkeys));
	is_all_possible = !beside_code || !(used >> KEY_OF_CODE & 1);
	rec.used = le32_make(used);
	(void)buf_append(&body, &rec, sizeof(rec));
	for (size_t i = 0; i < d->task->vma_count; i++) {
		const struct procfs_vma *vma = &d->task->vmas[i];
		const struct pkeys_mapping_rec mapping = { .start = le64_make(vma->start),
							   .key = le32_make((uint32_t)vma->key) };

		is_all_possible &= is_possible(vma, used, beside_code);
		if (vma->key != 0 && !is_code(vma))
			(void)buf_append(&body, &mapping, sizeof(mapping));
	}
	if (!is_all_possible)
		return dump_block(d, NULL,
				  "memory that is only executed, beside protection keys of the "
				  "program's own, is not supported");
	if (used != 0 || body.size > sizeof(rec))
		dump_record(d, d->task->id, &kind_pkeys, body.data, body.size);
	return 0;
}

static size_t mapping_count(const struct record *record)
{
	return (record->length - sizeof(struct pkeys_rec)) / sizeof(struct pkeys_mapping_rec);
}

static const struct pkeys_mapping_rec *mappings_of(const void *body)
{
	return (const void *)((const struct pkeys_rec *)body + 1);
}

static int pkeys_check(const void *body, size_t length, struct err *err)
{
	const struct pkeys_rec *rec = body;
	uint64_t after = 0;
	size_t count;

	if (length < sizeof(*rec) ||
	    (length - sizeof(*rec)) % sizeof(struct pkeys_mapping_rec) != 0 ||
	    length > sizeof(*rec) + (size_t)MM_VMAS_MAX * sizeof(struct pkeys_mapping_rec))
		return err_set(err, ERR_DAMAGED, "pkeys: %zu bytes", length);
	if (le32_get(rec->used) & ~(uint32_t)((1u << KEYS) - 2) || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "pkeys: unknown bits");
	count = (length - sizeof(*rec)) / sizeof(struct pkeys_mapping_rec);
	for (size_t i = 0; i < count; i++) {
		const struct pkeys_mapping_rec *mapping = &mappings_of(body)[i];
		uint32_t key = le32_get(mapping->key);

		if (key == 0 || key >= KEYS || le32_get(mapping->reserved) != 0)
			return err_set(err, ERR_DAMAGED, "pkeys: key %" PRIu32, key);
		if (le64_get(mapping->start) < after)
			return err_set(err, ERR_DAMAGED, "pkeys: mappings fall");
		after = le64_get(mapping->start) + 1;
	}
	return 0;
}

/* The mapping that begins there; NULL: none does. */
static const struct vma_rec *find_mapping(const struct mm_view *view, uint64_t start)
{
	uint32_t i = mm_vma_behind(view, start);

	return i < view->vma_count && le64_get(view->vmas[i].start) == start ? &view->vmas[i]
									     : NULL;
}

/* All keys that a restore has to allocate: also those of mappings which were freed since. */
static uint32_t keys_of(const struct record *record)
{
	uint32_t keys = le32_get(((const struct pkeys_rec *)record->body)->used);

	for (size_t i = 0; i < mapping_count(record); i++)
		keys |= 1u << le32_get(mappings_of(record->body)[i].key);
	return keys;
}

static bool is_beside_code(const struct mm_view *view)
{
	for (uint32_t i = 0; i < view->vma_count; i++) {
		if (le16_get(view->vmas[i].prot) == PROT_EXEC)
			return true;
	}
	return false;
}

static int pkeys_link(const struct image *image, const struct record *record, struct err *err)
{
	struct mm_view view;
	int r = mm_link_task(image, record, "pkeys", &view, err);

	if (r < 0)
		return r;
	if (is_beside_code(&view) && keys_of(record) >> KEY_OF_CODE & 1)
		return err_set(err, ERR_DAMAGED, "pkeys: the key of memory that is only executed");
	for (size_t i = 0; i < mapping_count(record); i++) {
		uint64_t start = le64_get(mappings_of(record->body)[i].start);

		if (!find_mapping(&view, start))
			return err_set(err, ERR_DAMAGED, "pkeys: no mapping at %" PRIx64, start);
	}
	return 0;
}

/* The kernel gives the first that is free. What that lets this thread do, its registers undo. */
static void allocate(uint32_t keys, bool beside_code, struct script *script)
{
	for (uint32_t key = beside_code ? KEY_OF_CODE + 1 : 1; keys >> key; key++)
		(void)script_syscall(script, "allocate a protection key", 0, SYS_pkey_alloc, 0, 0);
}

static void free_unused(uint32_t keys, uint32_t used, bool beside_code, struct script *script)
{
	for (uint32_t key = beside_code ? KEY_OF_CODE + 1 : 1; keys >> key; key++) {
		if (!(used >> key & 1))
			(void)script_syscall(script, "free a protection key", 0, SYS_pkey_free,
					     key);
	}
}

static int protect(const struct record *record, const struct mm_view *view, struct script *script,
		   struct err *err)
{
	for (size_t i = 0; i < mapping_count(record); i++) {
		const struct pkeys_mapping_rec *mapping = &mappings_of(record->body)[i];
		const struct vma_rec *vma = find_mapping(view, le64_get(mapping->start));
		int r = script_room(script, 1, 0, err);

		if (r < 0)
			return r;
		assert(vma); /* pkeys_link */
		(void)script_syscall(script, "protect memory by a key", 0, SYS_pkey_mprotect,
				     le64_get(vma->start),
				     le64_get(vma->end) - le64_get(vma->start), le16_get(vma->prot),
				     le32_get(mapping->key));
	}
	return 0;
}

static int pkeys_finish(struct restore *rs, const struct record *record, struct script *script,
			struct err *err)
{
	const struct pkeys_rec *rec = record->body;
	uint32_t keys = keys_of(record);
	struct mm_view view;
	int r = mm_link_task(rs->image, record, "pkeys", &view, err);

	if (r == 0)
		r = script_room(script, KEYS, 0, err);
	if (r < 0)
		return r;
	allocate(keys, is_beside_code(&view), script);
	r = protect(record, &view, script, err);
	if (r == 0)
		r = script_room(script, KEYS, 0, err);
	if (r == 0)
		free_unused(keys, le32_get(rec->used), is_beside_code(&view), script);
	return r;
}

const struct kind kind_pkeys = {
	.name = "pkeys",
	.summary = "protection keys of memory",
	.tag = TAG('P', 'K', 'E', 'Y'),
	.scope = SCOPE_TASK,
	.phase = PHASE_LIMITS,
	.answers_size = sizeof(struct pkeys_answers),
	.query = pkeys_query,
	.dump = pkeys_dump,
	.check = pkeys_check,
	.link = pkeys_link,
	.finish = pkeys_finish,
};
