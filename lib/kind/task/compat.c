/* compat: a process that runs a program of 32 bits, with the vdso that the kernel gives those. */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "image/checksum.h"
#include "kind/kind.h"
#include "kind/support/compat.h"
#include "kind/support/mm.h"
#include "kind/support/owner.h"

extern const struct kind kind_compat;

RECORDS_BEGIN
struct compat_rec {
	le64 vdso_checksum; /* XXH3-64 */
	le32 vdso_size;	    /* bytes */
	le32 reserved;	    /* zero */
};
RECORDS_END
static_assert(sizeof(struct compat_rec) == 16, "image format");

/* It has a few pages, and no task can make it larger. */
enum { VDSO_MAX = 1 << 20 };

static int sum_vdso(const struct remote *remote, uint64_t start, uint64_t size, uint64_t *ret_sum,
		    struct err *err)
{
	auto_free void *code = mem_alloc(size, 1);
	int r = remote_read(remote, start, code, size, err);

	if (r == 0)
		*ret_sum = checksum(code, size);
	return r;
}

/* As the kernel maps it: its data, then its code, without a gap. */
static bool is_whole(const struct dump_task *task)
{
	uint64_t end = 0;

	for (size_t i = 0; i < task->vma_count; i++) {
		const struct procfs_vma *vma = &task->vmas[i];

		if (strcmp(vma->name, "[vdso]") == 0)
			return end == vma->start;
		if (strncmp(vma->name, "[vvar", 5) == 0) {
			if (end != 0 && end != vma->start)
				return false;
			end = vma->end;
		}
	}
	return false;
}

static int compat_dump(struct dump *d, struct err *err)
{
	struct compat_rec rec = { .reserved = le32_make(0) };
	uint64_t start, end, sum = 0;
	int r;

	if (!d->thread || !remote_is_32(&d->thread->remote))
		return 0;
	if (!is_whole(d->task) || !procfs_find_vdso(d->thread->remote.tid, &start, &end))
		return dump_block(d, NULL, "a vdso that was moved in parts is not supported");
	r = sum_vdso(&d->thread->remote, start, end - start, &sum, err);
	if (r < 0)
		return r;
	rec.vdso_checksum = le64_make(sum);
	rec.vdso_size = le32_make((uint32_t)(end - start));
	dump_record(d, d->task->id, &kind_compat, &rec, sizeof(rec));
	return 0;
}

static int compat_check(const void *body, size_t length, struct err *err)
{
	const struct compat_rec *rec = body;
	uint32_t size;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "compat: %zu bytes", length);
	size = le32_get(rec->vdso_size);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "compat: unknown bits");
	if (size == 0 || size > VDSO_MAX || size % IMAGE_PAGE)
		return err_set(err, ERR_DAMAGED, "compat: vdso of %" PRIu32 " bytes", size);
	return 0;
}

/* In a child, of which our tracer learns nothing: where there are no such calls, there is a signal.
 */
static int compat_restore(struct restore *rs, const struct record *record, struct err *err)
{
	int status;
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);

	if (child == 0) {
		long result = 20; /* getpid */

		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
		_exit(result == syscall(SYS_getpid) ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return err_set(err, -errno, "try a call of 32 bits");
	if (status != 0)
		return err_set(err, ERR_HOST, "this kernel runs no programs of 32 bits");
	if (image_next(rs->image, TAG_COMPAT, NULL) == record)
		restore_note(rs, "to the kernel, address spaces of programs of 32 bits are of 64: "
				 "so say /proc/PID/maps and core dumps");
	return 0;
}

/* The vdso is in its place by now. */
static int compat_finish(struct restore *rs, const struct record *record, struct script *script,
			 struct err *err)
{
	const struct compat_rec *rec = record->body;
	uint64_t start = 0, end = 0, sum = 0;
	int r = 0;

	(void)rs;
	if (procfs_find_vdso(script->remote->tid, &start, &end) &&
	    end - start == le32_get(rec->vdso_size))
		r = sum_vdso(script->remote, start, end - start, &sum, err);
	if (r < 0)
		return r;
	if (sum != le64_get(rec->vdso_checksum)) {
		(void)err_set(err, ERR_HOST, "this kernel's vdso is not the image's");
		return err_hint(err, "restore under the kernel of the checkpoint");
	}
	return 0;
}

const struct kind kind_compat = {
	.name = "compat",
	.summary = "programs of 32 bits",
	.tag = TAG_COMPAT,
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = compat_dump,
	.check = compat_check,
	.link = owner_link_task,
	.restore = compat_restore,
	.finish = compat_finish,
};
