/* cpu: what the processor of the checkpoint could do, which programs chose by at their start, and
 * the form of the extended state. What the restoring one lacks is refused by name, or given up by
 * the policy; a state that is in registers cannot be given up. */
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/cpu.h"
#include "kind/support/cpu_record.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

extern const struct kind kind_cpu;

/* clang-format off */
#define CPU_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, words, CLASS_CPU) \
	FIELD(rec, part_count, FIELD_FORM) \
	FIELD(rec, reserved, FIELD_FORM) \
	TAIL(rec, parts, CLASS_CPU)
/* clang-format on */
FIELDS_OF(cpu, struct cpu_rec, CPU_FIELDS);

static int cpu_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct cpu_rec rec = { .part_count = le32_make(0) };
	uint32_t count = 0;
	struct cpu cpu;

	(void)err;
	cpu_look(&cpu);
	for (size_t i = 0; i < CPU_WORDS; i++)
		rec.words[i] = le32_make(cpu.words[i]);
	for (size_t i = 0; i < CPU_PARTS; i++)
		count += cpu.parts[i].size > 0;
	rec.part_count = le32_make(count);
	(void)buf_append(&body, &rec, sizeof(rec));
	for (uint32_t i = 0; i < CPU_PARTS; i++) {
		if (cpu.parts[i].size > 0)
			(void)buf_append(
			    &body,
			    &(struct cpu_part_rec){ .number = le32_make(i),
						    .offset = le32_make(cpu.parts[i].offset),
						    .size = le32_make(cpu.parts[i].size) },
			    sizeof(struct cpu_part_rec));
	}
	dump_record(d, dump_new_id(d), &kind_cpu, body.data, body.size);
	return 0;
}

static int cpu_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct cpu_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t count = rec ? le32_get(rec->part_count) : 0;
	const struct cpu_part_rec *parts =
	    rec && count <= CPU_PARTS ? reader_take(&reader, count * sizeof(*parts)) : NULL;

	if (!parts || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "cpu: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "cpu: unknown bits");
	for (uint32_t i = 0; i < count; i++) {
		uint32_t offset = le32_get(parts[i].offset);
		uint32_t size = le32_get(parts[i].size);

		if (le32_get(parts[i].number) >= CPU_PARTS || le32_get(parts[i].reserved) != 0 ||
		    (i > 0 && le32_get(parts[i].number) <= le32_get(parts[i - 1].number)))
			return err_set(err, ERR_DAMAGED, "cpu: numbers of parts");
		if (size == 0 || size > XSTATE_MAX || offset > XSTATE_MAX - size ||
		    (le32_get(parts[i].number) > 1 && offset < XSTATE_MIN))
			return err_set(err, ERR_DAMAGED, "cpu: place of a part");
	}
	return 0;
}

/* Whatever is in a thread's registers has a place there. */
static int check_thread(const struct cpu *cpu, const struct registers_rec *rec, struct err *err)
{
	uint64_t parts = cpu_parts_in(registers_xstate(rec));

	for (unsigned int i = 2; i < CPU_PARTS; i++) {
		if (parts >> i & 1 &&
		    (cpu->parts[i].size == 0 ||
		     cpu->parts[i].offset + cpu->parts[i].size > le32_get(rec->xstate_size)))
			return err_set(err, ERR_DAMAGED, "cpu: registers of thread %u have part %u",
				       le32_get(rec->tid), i);
	}
	return 0;
}

static int cpu_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *thread = NULL;
	struct cpu cpu;
	int r = 0;

	if (image_next(image, record->tag, NULL) != record)
		return err_set(err, ERR_DAMAGED, "cpu: a second one");
	cpu_of_record(record, &cpu);
	while (r == 0 && (thread = image_next(image, TAG_REGISTERS, thread)))
		r = check_thread(&cpu, thread->body, err);
	return r;
}

/* ---- what is missing here ---- */

struct missing {
	const struct cpu *saved;
	struct cpu here;
	uint64_t used; /* parts that are in registers */
};

static void look_here(const struct image *image, const struct cpu *saved, struct missing *missing)
{
	const struct record *thread = NULL;

	missing->saved = saved;
	missing->used = 0;
	cpu_look(&missing->here);
	while ((thread = image_next(image, TAG_REGISTERS, thread)))
		missing->used |= cpu_parts_in(registers_xstate(thread->body));
}

static bool lacks_feature(const struct missing *missing, uint32_t i)
{
	return missing->saved->words[i / 32] & ~missing->here.words[i / 32] & UINT32_C(1) << i % 32;
}

static bool lacks_part(const struct missing *missing, unsigned int part)
{
	return missing->used >> part & 1 &&
	       missing->saved->parts[part].size != missing->here.parts[part].size;
}

enum { FEATURES = 32 * CPU_WORDS };

static int cpu_ask(struct plan *plan, const struct image *image, const struct record *record,
		   struct err *err)
{
	struct question question = { .class = CLASS_CPU,
				     .id = record->id,
				     .saved = CPU_CHOSEN,
				     .saved_text = "there",
				     .invoker_text = "-" };
	struct missing missing;
	char name[CPU_NAME];
	struct cpu saved;

	(void)err;
	cpu_of_record(record, &saved);
	look_here(image, &saved, &missing);
	for (uint32_t i = 0; i < FEATURES + CPU_PARTS; i++) {
		bool is_part = i >= FEATURES;
		auto_free char *subject = NULL;

		if (!(is_part ? lacks_part(&missing, i - FEATURES) : lacks_feature(&missing, i)))
			continue;
		question.detail = i;
		question.saved = is_part ? CPU_IN_USE : CPU_CHOSEN;
		question.saved_text = is_part ? "in registers" : "there";
		subject = is_part ? mem_printf("cpu state %s", cpu_part_name(i - FEATURES, name))
				  : mem_printf("cpu %s", cpu_feature_name(i / 32, i % 32, name));
		question.subject = subject;
		plan_ask(plan, &question);
	}
	return 0;
}

static int cpu_restore(struct restore *rs, const struct record *record, struct err *err)
{
	auto_buf struct buf names = BUF_EMPTY;
	struct missing missing;
	char name[CPU_NAME];
	struct cpu saved;

	(void)err;
	cpu_of_record(record, &saved);
	look_here(rs->image, &saved, &missing);
	for (uint32_t i = 0; i < FEATURES; i++) {
		if (lacks_feature(&missing, i))
			buf_printf(&names, "%s%s", names.size ? ", " : "",
				   cpu_feature_name(i / 32, i % 32, name));
	}
	if (names.size > 0)
		restore_note(rs,
			     "this processor lacks %s: a program that uses it will be ended by "
			     "SIGILL",
			     names.data);
	return 0;
}

const struct kind kind_cpu = {
	.name = "cpu",
	.summary = "what the processor can do is not less than it was",
	.tag = TAG_CPU,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.fields = cpu_fields,
	.dump = cpu_dump,
	.check = cpu_check,
	.link = cpu_link,
	.ask = cpu_ask,
	.restore = cpu_restore,
};
