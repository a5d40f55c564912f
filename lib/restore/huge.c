/* Huge pages for ordinary memory. See huge.h. */
#include "restore/huge.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/cleanup.h"

/* linux/userfaultfd.h, 6.8 */
#ifndef UFFDIO_MOVE
struct uffdio_move {
	uint64_t dst, src, len, mode;
	int64_t move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif
static const uint64_t feature_move = 1u << 16;

bool huge_is_useful(void)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored;

	return procfs_read(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/enabled", &text,
			   &ignored) == 0 &&
	       strstr(text.data, "[madvise]");
}

static const struct vma_rec *vma_at(const struct mm_view *view, uint64_t address)
{
	uint32_t i = mm_vma_behind(view, address);

	return i < view->vma_count && le64_get(view->vmas[i].start) <= address ? &view->vmas[i]
									       : NULL;
}

uint64_t huge_distance(uint64_t address, uint64_t size)
{
	uint64_t next = (address + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);

	return next - address < size ? next - address : size;
}

uint64_t huge_length(const struct restore_task *task, uint64_t address, uint64_t size)
{
	static const uint32_t advised = VMA_HUGEPAGE | VMA_NOHUGEPAGE | VMA_GROWSDOWN;
	const struct vma_rec *vma;
	struct mm_view view;
	struct err ignored;

	if (address % HUGE_PAGE != 0 || size < HUGE_PAGE || !task->mm ||
	    mm_view(task->mm->body, task->mm->length, &view, &ignored) < 0)
		return 0;
	vma = vma_at(&view, address);
	if (!vma || le16_get(vma->type) != VMA_ANON || le32_get(vma->flags) & advised)
		return 0;
	if (size > le64_get(vma->end) - address)
		size = le64_get(vma->end) - address;
	if (size > HUGE_WINDOW)
		size = HUGE_WINDOW;
	return size & ~(HUGE_PAGE - 1);
}

/* ---- in the task ---- */

int huge_begin(struct huge *huge, const struct restore *rs, struct restore_task *task,
	       struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct uffdio_api api = { .api = UFFD_API, .features = feature_move };
	uint64_t window = rs->own->hole.window;
	size_t number;
	size_t answer;
	int r;

	*huge = (struct huge){ .task = task, .number = -1 };
	script_init(&script, &task->threads[0].remote);
	(void)script_syscall(
	    &script, "map a window", 0, SYS_mmap, window, HUGE_WINDOW, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0);
	(void)script_syscall(&script, "advise huge pages", SCRIPT_MAY_FAIL, SYS_madvise, window,
			     HUGE_WINDOW, MADV_HUGEPAGE);
	number = script_syscall(&script, "create a userfaultfd", SCRIPT_MAY_FAIL, SYS_userfaultfd,
				O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	huge->number = (int)script_result(&script, number);
	huge->is_refused = huge->number < 0;
	if (huge->is_refused)
		return 0;
	answer = script_syscall(&script, "ask for moves", SCRIPT_MAY_FAIL, SYS_ioctl,
				(uint64_t)huge->number, UFFDIO_API,
				script_copy(&script, &api, sizeof(api)));
	r = script_run(&script, err);
	huge->is_refused = r == 0 && script_result(&script, answer) < 0;
	return r;
}

int huge_fill(struct huge *huge, const struct restore *rs, uint64_t address, uint64_t size,
	      uint64_t offset, bool *ret_done, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct uffdio_register area = { .range = { address, size },
					.mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_move move = { .dst = address, .src = rs->own->hole.window, .len = size };
	size_t moved;
	int r;

	script_init(&script, &huge->task->threads[0].remote);
	for (uint64_t at = 0; at < size; at += HUGE_PAGE)
		(void)script_syscall(&script, "read pages", 0, SYS_pread64,
				     (uint64_t)rs->own->shared->image_fd, move.src + at, HUGE_PAGE,
				     offset + at);
	(void)script_syscall(&script, "register memory", SCRIPT_MAY_FAIL, SYS_ioctl,
			     (uint64_t)huge->number, UFFDIO_REGISTER,
			     script_copy(&script, &area, sizeof(area)));
	moved = script_syscall(&script, "move pages", SCRIPT_MAY_FAIL, SYS_ioctl,
			       (uint64_t)huge->number, UFFDIO_MOVE,
			       script_copy(&script, &move, sizeof(move)));
	(void)script_syscall(&script, "unregister memory", SCRIPT_MAY_FAIL, SYS_ioctl,
			     (uint64_t)huge->number, UFFDIO_UNREGISTER,
			     script_copy(&script, &area.range, sizeof(area.range)));
	r = script_run(&script, err);
	for (size_t i = 0; r == 0 && i < size / HUGE_PAGE; i++) {
		if (script_result(&script, i) != (int64_t)HUGE_PAGE)
			r = err_set(err, ERR_DAMAGED, "the image is cut within its pages");
	}
	*ret_done = r == 0 && script_result(&script, moved) == 0;
	huge->is_refused = !*ret_done;
	return r;
}

int huge_end(struct huge *huge, const struct restore *rs, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;

	if (!huge->task)
		return 0;
	script_init(&script, &huge->task->threads[0].remote);
	if (huge->number >= 0)
		(void)script_syscall(&script, "close", 0, SYS_close, (uint64_t)huge->number);
	(void)script_syscall(&script, "unmap the window", 0, SYS_munmap, rs->own->hole.window,
			     HUGE_WINDOW);
	huge->task = NULL;
	return script_run(&script, err);
}
