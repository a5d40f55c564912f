/* Address spaces: mappings first, writable where content comes; then content (content.c); then
 * protections, advice and locks. */
#include <asm/prctl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/support/compat.h"
#include "restore/restore.h"

#ifndef ARCH_MAP_VDSO_32
#define ARCH_MAP_VDSO_32 0x2002
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* 6.11 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* 6.13 */
#endif

typedef int build_fn(struct restore *rs, struct restore_task *task, struct script *script,
		     struct err *err);

/* Runs a script in every living task; while one runs, the next is built. */
static int in_all_tasks(struct restore *rs, build_fn *build, const char *doing, struct err *err)
{
	struct script scripts[2] = { 0 };
	struct restore_task *running = NULL;
	size_t turn = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		struct script *script = &scripts[turn];

		if (!task->mm || task->shares_memory)
			continue;
		script_free(script);
		script_init(script, &task->threads[0].remote);
		r = build(rs, task, script, err);
		if (r == 0)
			r = script_start(script, err);
		if (r < 0) {
			(void)err_wrap(err, "task %d: %s", task->vpid, doing);
			break;
		}
		turn = 1 - turn;
		if (running) {
			r = script_wait(&scripts[turn], err);
			if (r < 0)
				(void)err_wrap(err, "task %d: %s", running->vpid, doing);
		}
		running = task;
	}
	for (int i = 0; i < 2; i++) {
		struct err late = ERR_NONE;

		if (scripts[i].remote && script_wait(&scripts[i], &late) < 0 && r == 0) {
			*err = late;
			r = err_wrap(err, "%s", doing);
		}
		script_free(&scripts[i]);
	}
	return r;
}

/* ---- mappings ---- */

/* Walks the content of an address space along its mappings, both in rising order. */
struct content_walk {
	const struct image_extent_rec *extents;
	size_t count;
	size_t next;
};

static struct content_walk walk_content(const struct restore *rs, uint32_t id)
{
	const struct record *record = image_find(rs->image, TAG_CONTENT, id);

	return (struct content_walk){
		.extents = record ? record->body : NULL,
		.count = record ? record->length / sizeof(struct image_extent_rec) : 0,
	};
}

static bool has_content(struct content_walk *walk, uint64_t start, uint64_t end)
{
	while (walk->next < walk->count) {
		const struct image_extent_rec *extent = &walk->extents[walk->next];

		if (le64_get(extent->start) + le64_get(extent->length) > start)
			return le64_get(extent->start) < end;
		walk->next++;
	}
	return false;
}

/* Content is written by the task itself; until then it may not execute what it writes. */
static int first_prot(const struct vma_rec *vma, bool is_filled)
{
	int prot = le16_get(vma->prot);

	return is_filled ? PROT_READ | PROT_WRITE : prot;
}

static int move_special(const struct restore *rs, const struct vma_rec *vma, struct script *script,
			struct err *err)
{
	uint64_t size = le64_get(vma->end) - le64_get(vma->start);

	for (size_t i = 0; i < rs->own->special_count; i++) {
		const struct restore_special *special = &rs->own->specials[i];

		if (special->type != le16_get(vma->type))
			continue;
		if (special->size != size)
			break;
		(void)script_syscall(script, "place the vdso", 0, SYS_mremap, special->parked, size,
				     size, MREMAP_MAYMOVE | MREMAP_FIXED, le64_get(vma->start));
		return 0;
	}
	return err_set(err, ERR_HOST, "this kernel's vdso is not of the saved size");
}

/* An old size of 0 makes a second mapping of shared memory, mremap(2). */
static void map_shared(const struct restore *rs, const struct vma_rec *vma, struct script *script)
{
	const struct record *object = image_find(rs->image, TAG_MAPFILE, le32_get(vma->file));
	uint64_t place = rs->own->hole.objects +
			 rs->own->anon_offsets[object - rs->image->records] + le64_get(vma->offset);
	uint64_t size = le64_get(vma->end) - le64_get(vma->start);

	(void)script_syscall(script, "map shared memory", 0, SYS_mremap, place, 0, size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, le64_get(vma->start));
	if (le16_get(vma->prot) != (PROT_READ | PROT_WRITE))
		(void)script_syscall(script, "protect shared memory", 0, SYS_mprotect,
				     le64_get(vma->start), size, le16_get(vma->prot));
}

static void map_vma(const struct restore *rs, const struct vma_rec *vma, bool is_filled,
		    struct script *script)
{
	uint32_t type = le16_get(vma->type);
	uint32_t flags = le32_get(vma->flags);
	uint64_t size = le64_get(vma->end) - le64_get(vma->start);
	int map = MAP_FIXED_NOREPLACE;
	int fd = -1;

	map |= flags & VMA_DROPPABLE	 ? MAP_DROPPABLE
	       : type == VMA_FILE_SHARED ? MAP_SHARED
					 : MAP_PRIVATE;
	if (type == VMA_ANON)
		map |= MAP_ANONYMOUS;
	else
		fd = restore_fd(rs, le32_get(vma->file));
	if (flags & VMA_NORESERVE)
		map |= MAP_NORESERVE;
	if (flags & VMA_GROWSDOWN)
		map |= MAP_GROWSDOWN;
	(void)script_syscall(script, "map", 0, SYS_mmap, le64_get(vma->start), size,
			     (uint64_t)first_prot(vma, is_filled), (uint64_t)map, (uint64_t)fd,
			     le64_get(vma->offset));
	if (flags & VMA_HUGEPAGE)
		(void)script_syscall(script, "advise huge pages", SCRIPT_MAY_FAIL, SYS_madvise,
				     le64_get(vma->start), size, MADV_HUGEPAGE);
	if (flags & VMA_NOHUGEPAGE)
		(void)script_syscall(script, "advise small pages", SCRIPT_MAY_FAIL, SYS_madvise,
				     le64_get(vma->start), size, MADV_NOHUGEPAGE);
}

/* A program of 32 bits gets a vdso of its own in the place of ours. It is mapped where we ask for
 * it when that is free, so first of all; elsewhere, the last step fails. */
static void map_vdso_32(const struct restore *rs, const struct mm_view *view, struct script *script)
{
	uint64_t start = 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < view->vma_count; i++) {
		if (le16_get(view->vmas[i].type) < VMA_VVAR)
			continue;
		if (start == 0)
			start = le64_get(view->vmas[i].start);
		end = le64_get(view->vmas[i].end);
	}
	for (size_t i = 0; i < rs->own->special_count; i++)
		(void)script_syscall(script, "unmap the vdso", 0, SYS_munmap,
				     rs->own->specials[i].parked, rs->own->specials[i].size);
	(void)script_syscall(script, "map the vdso", 0, SYS_arch_prctl, ARCH_MAP_VDSO_32, start);
	(void)script_syscall(script, "find the vdso in its place", 0, SYS_msync, start, end - start,
			     MS_ASYNC);
}

static int build_mappings(struct restore *rs, struct restore_task *task, struct script *script,
			  struct err *err)
{
	struct content_walk walk = walk_content(rs, task->mm->id);
	bool is_32 = compat_is_32(rs->image, task->id);
	struct mm_view view;
	int r = mm_view(task->mm->body, task->mm->length, &view, err);

	if (r == 0 && is_32)
		map_vdso_32(rs, &view, script);
	for (uint32_t i = 0; r == 0 && i < view.vma_count; i++) {
		const struct vma_rec *vma = &view.vmas[i];

		r = script_room(script, 3, 0, err);
		if (r < 0)
			break;
		if (le16_get(vma->type) >= VMA_VVAR)
			r = is_32 ? 0 : move_special(rs, vma, script, err);
		else if (le16_get(vma->type) == VMA_ANON_SHARED)
			map_shared(rs, vma, script);
		else
			map_vma(rs, vma,
				has_content(&walk, le64_get(vma->start), le64_get(vma->end)),
				script);
	}
	return r;
}

int restore_map_memory(struct restore *rs, struct err *err)
{
	return in_all_tasks(rs, build_mappings, "map memory", err);
}

/* ---- protections ---- */

static void advise(const struct vma_rec *vma, struct script *script)
{
	static const struct {
		uint32_t flag;
		int advice;
	} pairs[] = { { VMA_DONTFORK, MADV_DONTFORK },	   { VMA_DONTDUMP, MADV_DONTDUMP },
		      { VMA_WIPEONFORK, MADV_WIPEONFORK }, { VMA_MERGEABLE, MADV_MERGEABLE },
		      { VMA_SEQUENTIAL, MADV_SEQUENTIAL }, { VMA_RANDOM, MADV_RANDOM } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (le32_get(vma->flags) & pairs[i].flag)
			(void)script_syscall(script, "advise", 0, SYS_madvise, le64_get(vma->start),
					     le64_get(vma->end) - le64_get(vma->start),
					     (uint64_t)pairs[i].advice);
	}
}

static bool may_lock(const struct restore *rs, const struct restore_task *task)
{
	const struct decision *decision = plan_answer(rs->plan, CLASS_MLOCK, task->mm->id, 0);

	return decision && decision->outcome == OUTCOME_KEEP;
}

static void protect_vma(const struct restore *rs, const struct restore_task *task,
			const struct vma_rec *vma, bool is_filled, struct script *script)
{
	uint64_t start = le64_get(vma->start);
	uint64_t size = le64_get(vma->end) - start;
	uint32_t flags = le32_get(vma->flags);

	if (le16_get(vma->type) != VMA_ANON_SHARED &&
	    first_prot(vma, is_filled) != le16_get(vma->prot))
		(void)script_syscall(script, "protect", 0, SYS_mprotect, start, size,
				     le16_get(vma->prot));
	advise(vma, script);
	if (flags & VMA_LOCKED && may_lock(rs, task))
		(void)script_syscall(script, "lock memory", 0, SYS_mlock2, start, size,
				     flags & VMA_LOCKONFAULT ? MLOCK_ONFAULT : 0);
}

/* Where code, data, heap, stack, arguments and environment are, and what is executed. */
static void set_mm(const struct restore *rs, const struct mm_view *view, struct script *script)
{
	const struct mm_rec *head = view->head;
	struct prctl_mm_map map = {
		.start_code = le64_get(head->start_code),
		.end_code = le64_get(head->end_code),
		.start_data = le64_get(head->start_data),
		.end_data = le64_get(head->end_data),
		.start_brk = le64_get(head->start_brk),
		.brk = le64_get(head->brk),
		.start_stack = le64_get(head->start_stack),
		.arg_start = le64_get(head->arg_start),
		.arg_end = le64_get(head->arg_end),
		.env_start = le64_get(head->env_start),
		.env_end = le64_get(head->env_end),
		.auxv = (void *)(uintptr_t)script_copy(script, view->auxv, view->auxv_size),
		.auxv_size = view->auxv_size,
		.exe_fd = (uint32_t)restore_fd(rs, le32_get(head->exe)),
	};

	(void)script_syscall(script, "set the executable and the heap", 0, SYS_prctl, PR_SET_MM,
			     PR_SET_MM_MAP, script_copy(script, &map, sizeof(map)), sizeof(map), 0);
}

static int build_protections(struct restore *rs, struct restore_task *task, struct script *script,
			     struct err *err)
{
	struct content_walk walk = walk_content(rs, task->mm->id);
	struct mm_view view;
	int r = mm_view(task->mm->body, task->mm->length, &view, err);

	for (uint32_t i = 0; r == 0 && i < view.vma_count; i++) {
		const struct vma_rec *vma = &view.vmas[i];

		r = script_room(script, 8, 0, err);
		if (r == 0 && le16_get(vma->type) < VMA_VVAR)
			protect_vma(rs, task, vma,
				    has_content(&walk, le64_get(vma->start), le64_get(vma->end)),
				    script);
	}
	for (uint32_t i = 0; r == 0 && i < view.guard_count; i++) {
		r = script_room(script, 1, 0, err);
		(void)script_syscall(script, "install a guard", 0, SYS_madvise,
				     le64_get(view.guards[i].start),
				     le64_get(view.guards[i].length), MADV_GUARD_INSTALL);
	}
	if (r == 0)
		r = script_room(script, 1, 4096 + view.auxv_size, err);
	if (r == 0)
		set_mm(rs, &view, script);
	return r;
}

/* Steps that close the descriptors which received content. */
static int build_closing(struct restore *rs, struct script *script, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rs->image->record_count; i++) {
		const struct record *record = &rs->image->records[i];
		int content =
		    record->tag == TAG_CONTENT ? restore_object(rs, record->id)->content : -1;

		if (content < 0)
			continue;
		r = script_room(script, 1, 0, err);
		(void)script_syscall(script, "close", 0, SYS_close, (uint64_t)content);
	}
	return r;
}

/* What is open for writing anywhere cannot become an executable: all let go of it first, an init of
 * ours too. */
static int close_content(struct restore *rs, struct err *err)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		auto_script struct script script = SCRIPT_NONE;
		int r;

		if ((task->record && !task->mm) || !task->keeps_files)
			continue;
		script_init(&script, &task->threads[0].remote);
		r = build_closing(rs, &script, err);
		if (r == 0 && script.count > 0)
			r = script_run(&script, err);
		if (r < 0)
			return err_wrap(err, "task %d: close unnamed files", task->vpid);
	}
	return 0;
}

int restore_protect_memory(struct restore *rs, struct err *err)
{
	int r = close_content(rs, err);

	if (r < 0)
		return r;
	return in_all_tasks(rs, build_protections, "protect memory", err);
}
