/* machine: what programs have in their memory of this kernel and processor: the code of the vdso,
 * and the parts of the extended register state. */
#include <cpuid.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "dump/dump.h"
#include "image/checksum.h"
#include "kind/support/cpu_record.h"
#include "kind/support/mm.h"

extern const struct kind kind_machine;

RECORDS_BEGIN
struct machine_rec {
	le64 vdso_checksum; /* XXH3-64; 0: the tasks have none */
	le32 vdso_size;	    /* bytes */
	le32 reserved;
	le64 xstate_features; /* XCR0 */
};
RECORDS_END
static_assert(sizeof(struct machine_rec) == 24, "image format");

static uint64_t xstate_features(void)
{
	uint32_t low;
	uint32_t high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* That of programs of 32 bits is compat's. */
static const struct remote *some_remote(const struct dump *d)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		const struct dump_task *task = &d->own->tasks[i];

		if (task->thread_count > 0 && !remote_is_32(&task->threads[0].remote))
			return &task->threads[0].remote;
	}
	return NULL;
}

static int machine_dump(struct dump *d, struct err *err)
{
	const struct remote *remote = some_remote(d);
	struct machine_rec rec = { .xstate_features = le64_make(xstate_features()) };
	auto_free void *code = NULL;
	uint64_t start;
	uint64_t end;

	if (remote && procfs_find_vdso(remote->tid, &start, &end) && end - start <= (1u << 20)) {
		int r;

		code = mem_alloc(end - start, 1);
		r = remote_read(remote, start, code, end - start, err);
		if (r < 0)
			return r;
		rec.vdso_size = le32_make((uint32_t)(end - start));
		rec.vdso_checksum = le64_make(checksum(code, end - start));
	}
	dump_record(d, dump_new_id(d), &kind_machine, &rec, sizeof(rec));
	return 0;
}

static int machine_check(const void *body, size_t length, struct err *err)
{
	const struct machine_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "machine: %zu bytes", length);
	if (le32_get(rec->reserved) != 0 || le32_get(rec->vdso_size) > (1u << 20) ||
	    le32_get(rec->vdso_size) % IMAGE_PAGE)
		return err_set(err, ERR_DAMAGED, "machine: unknown bits");
	return 0;
}

static int machine_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct machine_rec *rec = record->body;
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	uint32_t size = le32_get(rec->vdso_size);
	uint64_t start = 0;
	uint64_t end = 0;

	/* Where there is a record of the processor, it says what of this state is in use. */
	if (!image_next(rs->image, TAG_CPU, NULL) &&
	    (le64_get(rec->xstate_features) & ~xstate_features()))
		return err_set(err, ERR_HOST, "this processor lacks register state of the image's");
	if (size == 0)
		return 0;
	if (!vdso || !procfs_find_vdso(getpid(), &start, &end) || end - start != size ||
	    checksum(vdso, size) != le64_get(rec->vdso_checksum)) {
		(void)err_set(err, ERR_HOST, "this kernel's vdso is not the image's");
		return err_hint(err, "restore under the kernel of the checkpoint");
	}
	return 0;
}

const struct kind kind_machine = {
	.name = "machine",
	.summary = "the kernel's vdso and the processor's register state fit",
	.tag = TAG('M', 'A', 'C', 'H'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.dump = machine_dump,
	.check = machine_check,
	.restore = machine_restore,
};
