/* descriptors: the table of a process: which number is which open file description. */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

extern const struct kind kind_descriptors;

enum { FDSLOT_CLOEXEC = 1 };

/* fs.nr_open's default: no table is larger. */
#define FD_NUMBER_MAX (1u << 20)

static int ask_cloexec(struct dump *d, struct dump_slot *slot, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	size_t asked;
	int r;

	script_init(&script, &d->thread->remote);
	asked = script_syscall(&script, "look at descriptor flags", 0, SYS_fcntl,
			       (uint64_t)slot->number, F_GETFD);
	r = script_run(&script, err);
	if (r == 0)
		slot->is_cloexec = script_result(&script, asked) & FD_CLOEXEC;
	return r;
}

static int descriptors_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	if (!d->thread)
		return 0;
	for (size_t i = 0; i < d->task->slot_count; i++) {
		struct dump_slot *slot = &d->task->slots[i];
		int r = slot->is_unsure ? ask_cloexec(d, slot, err) : 0;
		struct fdslot_rec rec = {
			.number = le32_make((uint32_t)slot->number),
			.flags = le32_make(slot->is_cloexec ? FDSLOT_CLOEXEC : 0),
			.file = le32_make(slot->file),
		};

		if (r < 0)
			return r;
		(void)buf_append(&body, &rec, sizeof(rec));
	}
	dump_record(d, d->task->id, &kind_descriptors, body.data, body.size);
	return 0;
}

static int descriptors_check(const void *body, size_t length, struct err *err)
{
	const struct fdslot_rec *slots = body;
	size_t count = length / sizeof(*slots);

	if (length % sizeof(*slots) != 0)
		return err_set(err, ERR_DAMAGED, "descriptors: %zu bytes", length);
	for (size_t i = 0; i < count; i++) {
		if (le32_get(slots[i].number) >= FD_NUMBER_MAX ||
		    (i > 0 && le32_get(slots[i].number) <= le32_get(slots[i - 1].number)))
			return err_set(err, ERR_DAMAGED, "descriptors: number %u",
				       le32_get(slots[i].number));
		if (le32_get(slots[i].flags) & ~(uint32_t)FDSLOT_CLOEXEC ||
		    le32_get(slots[i].reserved) != 0)
			return err_set(err, ERR_DAMAGED, "descriptors: unknown bits");
	}
	return 0;
}

static void descriptors_count(const void *body, size_t length, struct image_counts *counts)
{
	(void)body;
	counts->descriptors += length / sizeof(struct fdslot_rec);
}

static int descriptors_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct fdslot_rec *slots = record->body;
	const struct record *task = image_find(image, TAG_TASK, record->id);

	if (!task || task >= record)
		return err_set(err, ERR_DAMAGED, "descriptors: of no task");
	for (size_t i = 0; i < record->length / sizeof(*slots); i++) {
		const struct record *file = file_record(image, le32_get(slots[i].file));

		if (!file || file >= record)
			return err_set(err, ERR_DAMAGED, "descriptors: %u is of no open file",
				       le32_get(slots[i].number));
	}
	return 0;
}

/* By their tasks, files are told apart. */
static int descriptors_ask(struct plan *plan, const struct image *image,
			   const struct record *record, struct err *err)
{
	const struct fdslot_rec *slots = record->body;

	(void)image;
	(void)err;
	for (size_t i = 0; i < record->length / sizeof(*slots); i++)
		plan_name_file(plan, le32_get(slots[i].file), record->id);
	return 0;
}

static bool is_dropped(const struct restore *rs, const struct fdslot_rec *slot)
{
	const struct decision *decision = plan_answer_file(rs->plan, le32_get(slot->file));

	return decision && decision->outcome == OUTCOME_DROP;
}

/* The objects are in every task under high numbers; those are closed at the very end. */
static int descriptors_finish(struct restore *rs, const struct record *record,
			      struct script *script, struct err *err)
{
	const struct fdslot_rec *slots = record->body;

	if (!rs->task->keeps_files)
		return 0;
	for (size_t i = 0; i < record->length / sizeof(*slots); i++) {
		int r = script_room(script, 1, 0, err);

		if (r < 0)
			return r;
		if (is_dropped(rs, &slots[i]))
			continue;
		(void)script_syscall(script, "place a descriptor", 0, SYS_dup3,
				     (uint64_t)restore_fd(rs, le32_get(slots[i].file)),
				     le32_get(slots[i].number),
				     le32_get(slots[i].flags) & FDSLOT_CLOEXEC ? O_CLOEXEC : 0);
	}
	return 0;
}

const struct kind kind_descriptors = {
	.name = "descriptors",
	.summary = "descriptor tables, descriptors shared by dup and fork",
	.tag = TAG_FDTABLE,
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = descriptors_dump,
	.check = descriptors_check,
	.count = descriptors_count,
	.link = descriptors_link,
	.ask = descriptors_ask,
	.finish = descriptors_finish,
};
