/* The model of all restored tasks: an address space that holds our zone and nothing else, in the
 * same place in all of them, chosen so that it is free in every saved one.
 *
 * It comes from the execution of a program that is made on the spot. So the address space belongs
 * to the container's user namespace (one that was forked from us would belong to ours, and tasks
 * that are not dumpable would be out of reach for the container's root), and there is nothing
 * of ours to unmap in each task. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/elf_header.h"
#include "kind/support/compat.h"
#include "remote/gadget.h"
#include "restore/huge.h"
#include "restore/restore.h"

enum { PAGE = 4096 };
static_assert(2 * PAGE + RESTORE_DATA_SIZE + RESTORE_PARKING_SIZE <= HUGE_PAGE,
	      "the window of huge pages is behind the rest");

/* Stacks grow down: none must grow into the zone, or find it in its guard gap. */
static const uint64_t gap = 2u << 20;

/* ---- the hole ---- */

struct range {
	uint64_t start, end;
};

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left;
	const struct range *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

static int all_ranges(const struct restore *rs, struct range **ret_ranges, size_t *ret_count,
		      struct err *err)
{
	const struct record *record = NULL;
	struct range *ranges = NULL;
	size_t count = 0;

	while ((record = image_next(rs->image, TAG_MM, record))) {
		struct mm_view view;
		int r = mm_view(record->body, record->length, &view, err);

		if (r < 0) {
			free(ranges);
			return r;
		}
		for (uint32_t i = 0; i < view.vma_count; i++) {
			array_grow(ranges, count);
			ranges[count++] = (struct range){ le64_get(view.vmas[i].start),
							  le64_get(view.vmas[i].end) };
		}
	}
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	*ret_ranges = ranges;
	*ret_count = count;
	return 0;
}

/* Shared memory without a name lies in the hole, so that forks inherit it. */
static uint64_t place_objects(struct restore *rs)
{
	uint64_t size = 0;

	rs->own->anon_offsets = mem_alloc(rs->image->record_count, sizeof(uint64_t));
	for (size_t i = 0; i < rs->image->record_count; i++) {
		const struct record *record = &rs->image->records[i];

		rs->own->anon_offsets[i] = size;
		/* A limit on the sum: each is at most the size of an address space. */
		if (size < MM_ADDRESS_MAX)
			size += mm_object_size(record);
	}
	return size;
}

int restore_find_hole(struct restore *rs, struct err *err)
{
	auto_free struct range *ranges = NULL;
	uint64_t objects = place_objects(rs);
	uint64_t size = HUGE_PAGE + HUGE_WINDOW + objects;
	uint64_t at = 0x10000000;
	uint64_t limit = MM_ADDRESS_MAX;
	size_t count;
	int r = all_ranges(rs, &ranges, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (ranges[i].start > at && ranges[i].start - at >= size + gap)
			break;
		if (ranges[i].end + gap > at)
			at = (ranges[i].end + gap + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	}
	/* What programs of 32 bits can name. */
	if (image_next(rs->image, TAG_COMPAT, NULL) || image_next(rs->image, TAG_TLS, NULL))
		limit = UINT32_MAX;
	if (size + gap > limit || at > limit - size - gap)
		return err_set(err, ERR_REFUSED,
			       "no free range of %" PRIu64 " bytes is common to all address spaces",
			       size);
	rs->own->hole = (struct restore_hole){
		.start = at,
		.end = at + size,
		.program = at,
		.code = at + PAGE,
		.data = at + 2 * PAGE,
		.parking = at + 2 * PAGE + RESTORE_DATA_SIZE,
		.window = at + HUGE_PAGE,
		.objects = at + HUGE_PAGE + HUGE_WINDOW,
	};
	return 0;
}

/* ---- the program ---- */

/* An executable of one page of code, at its place in the hole: elf(5). */
static int make_program(const struct restore *rs, const void *text, size_t size, int *ret_fd,
			struct err *err)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr code, stack;
	} head = {
		.header = elf_header(rs->own->hole.program, 2),
		.code = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_offset = PAGE,
			  .p_vaddr = rs->own->hole.program,
			  .p_filesz = PAGE,
			  .p_memsz = PAGE,
			  .p_align = PAGE },
		.stack = { .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16 },
	};
	auto_free char *pages = mem_alloc(2, PAGE);
	auto_close int fd = memfd_create("ctckpt-init", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "make the first program");
	memcpy(pages, &head, sizeof(head));
	memcpy(pages + PAGE, text, size);
	if (write(fd, pages, 2 * PAGE) != 2 * PAGE)
		return err_set(err, -errno, "write the first program");
	*ret_fd = take_fd(&fd);
	return 0;
}

int restore_make_program(const struct restore *rs, int *ret_fd, struct err *err)
{
	size_t size;
	const void *stub = remote_stub(&size);

	return make_program(rs, stub, size, ret_fd, err);
}

int restore_make_waiter(const struct restore *rs, int *ret_fd, struct err *err)
{
	static const unsigned char text[] = {
		0xb8, SYS_pause, 0, 0, 0, /* mov $SYS_pause, %eax */
		0x0f, 0x05,		  /* syscall */
		0xeb, 0xf7,		  /* jmp: to the beginning */
	};

	return make_program(rs, text, sizeof(text), ret_fd, err);
}

/* ---- after the execution ---- */

static bool is_special(const struct procfs_vma *vma, enum vma_type *ret_type)
{
	static const struct {
		const char *name;
		enum vma_type type;
	} specials[] = { { "[vvar]", VMA_VVAR },
			 { "[vvar_vclock]", VMA_VCLOCK },
			 { "[vdso]", VMA_VDSO } };

	for (int i = 0; i < 3; i++) {
		if (strcmp(vma->name, specials[i].name) == 0) {
			*ret_type = specials[i].type;
			return true;
		}
	}
	return false;
}

static int map_zone(struct remote *remote, uint64_t at, uint64_t size, int prot, struct err *err)
{
	const uint64_t args[6] = {
		at,
		size,
		(uint64_t)prot,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		(uint64_t)-1,
	};
	int64_t result;
	int r = remote_syscall(remote, &result, err, SYS_mmap, args);

	if (r == 0 && result != (int64_t)at)
		return err_set(err, result < 0 ? (int)result : -EEXIST, "map our zone");
	return r;
}

/* The stub, in memory that is of no file: while the program's own page is mapped, no task could
 * get another executable. */
static int map_code_and_data(struct restore *rs, struct remote *remote, struct err *err)
{
	const struct restore_hole *hole = &rs->own->hole;
	size_t size;
	const void *stub = remote_stub(&size);
	int r = map_zone(remote, hole->code, PAGE, PROT_READ | PROT_EXEC, err);

	if (r == 0)
		r = map_zone(remote, hole->data, RESTORE_DATA_SIZE, PROT_READ | PROT_WRITE, err);
	if (r == 0)
		r = remote_poke(remote, hole->code, stub, size, err);
	if (r < 0)
		return r;
	remote->zone.code = hole->code;
	remote->zone.data = hole->data;
	remote->zone.size = RESTORE_DATA_SIZE;
	return 0;
}

/* The vdso moves out of the way; all else that the execution made goes. */
static int clear_space(struct restore *rs, struct script *script, const struct procfs_vma *vmas,
		       size_t count, struct err *err)
{
	struct restore_private *own = rs->own;
	const struct restore_hole *hole = &own->hole;
	uint64_t place = hole->parking;

	for (size_t i = 0; i < count; i++) {
		uint64_t size = vmas[i].end - vmas[i].start;
		enum vma_type type;

		if (strcmp(vmas[i].name, "[vsyscall]") == 0 ||
		    (vmas[i].start >= hole->code && vmas[i].end <= hole->end))
			continue;
		if (!is_special(&vmas[i], &type)) {
			(void)script_syscall(script, "unmap", 0, SYS_munmap, vmas[i].start, size);
			continue;
		}
		if (own->special_count == 3 || place + size > hole->parking + RESTORE_PARKING_SIZE)
			return err_set(err, ERR_HOST, "this kernel's vdso is too large");
		(void)script_syscall(script, "move the vdso", 0, SYS_mremap, vmas[i].start, size,
				     size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
		own->specials[own->special_count++] =
		    (struct restore_special){ .type = type, .parked = place, .size = size };
		place += size;
	}
	return 0;
}

static int map_objects(struct restore *rs, struct script *script, struct err *err)
{
	for (size_t i = 0; i < rs->image->record_count; i++) {
		const struct record *record = &rs->image->records[i];
		uint64_t place = rs->own->hole.objects + rs->own->anon_offsets[i];
		int r;

		if (mm_object_size(record) == 0)
			continue;
		r = mm_object_make(rs, record, place, script, err);
		if (r < 0)
			return r;
	}
	return mm_objects_made(rs, script, err);
}

/* Where a syscall instruction lies in this kernel's vdso, and in our stub. */
static int find_gadgets(struct restore *rs, struct remote *remote, struct err *err)
{
	struct remote probe = { .tid = remote->tid };
	size_t size;
	const char *stub = remote_stub(&size);
	uint64_t start;
	uint64_t end;
	int r = remote_find_gadget(&probe, err);

	if (r < 0)
		return r;
	if (!procfs_find_vdso(remote->tid, &start, &end))
		return err_set(err, ERR_HOST, "this kernel maps no vdso");
	rs->own->gadget_offset = probe.zone.gadget - start;
	remote->zone.gadget = rs->own->hole.program +
			      (uint64_t)((const char *)memmem(stub, size, "\x0f\x05", 2) - stub);
	return 0;
}

/* Likewise, of a program that is not ours: the vdso's until the stub is there. */
static int find_first_gadget(struct restore *rs, struct remote *remote, struct err *err)
{
	struct remote probe = { .tid = remote->tid };
	uint64_t start;
	uint64_t end;
	int r = remote_find_gadget(&probe, err);

	if (r < 0)
		return r;
	if (!procfs_find_vdso(remote->tid, &start, &end) || probe.zone.gadget < start ||
	    probe.zone.gadget >= end)
		return err_set(err, ERR_HOST, "this kernel maps no vdso");
	rs->own->gadget_offset = probe.zone.gadget - start;
	remote->zone.gadget = probe.zone.gadget;
	return 0;
}

static void use_stub_gadget(struct restore *rs, struct remote *remote)
{
	size_t size;
	const char *stub = remote_stub(&size);

	remote->zone.gadget =
	    rs->own->hole.code + (uint64_t)((const char *)memmem(stub, size, "\x0f\x05", 2) - stub);
}

static int clear_and_map(struct restore *rs, struct remote *remote, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	auto_close int proc = -1;
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_vma *vmas;
	size_t count;
	int r;

	script_init(&script, remote);
	r = procfs_open_pid(remote->tid, &proc, err);
	if (r == 0)
		r = procfs_read(proc, "maps", &text, err);
	if (r == 0)
		r = procfs_maps_parse(text.data, &vmas, &count, err);
	if (r == 0)
		r = map_code_and_data(rs, remote, err);
	if (r < 0)
		return r;
	if (rs->own->is_joined)
		use_stub_gadget(rs, remote);
	r = clear_space(rs, &script, vmas, count, err);
	procfs_maps_free(vmas, count);
	if (r == 0)
		r = map_objects(rs, &script, err);
	if (r == 0)
		r = script_run(&script, err);
	return r;
}

static void become_first_task(struct restore *rs, const struct remote *remote)
{
	struct restore_task *first = &rs->own->tasks[0];
	pid_t init = remote->tid;

	first->pid = init;
	if (first->thread_count == 0) { /* an init of ours */
		first->threads = mem_alloc(8, sizeof(*first->threads));
		first->thread_count = 1;
		first->threads[0].vtid = 1;
	}
	first->threads[0].tid = init;
	first->threads[0].remote = *remote;
}

static int make_template(struct restore *rs, pid_t init,
			 int (*find)(struct restore *rs, struct remote *remote, struct err *err),
			 struct err *err)
{
	struct remote remote = { .tid = init };
	int r = remote_prepare(&remote, 0, err);

	if (r < 0)
		return r;
	r = find(rs, &remote, err);
	if (r == 0)
		r = clear_and_map(rs, &remote, err);
	if (r < 0)
		return err_wrap(err, "clear the first task's memory");
	become_first_task(rs, &remote);
	return 0;
}

int restore_make_template(struct restore *rs, pid_t init, struct err *err)
{
	return make_template(rs, init, find_gadgets, err);
}

int restore_take_template(struct restore *rs, pid_t init, struct err *err)
{
	return make_template(rs, init, find_first_gadget, err);
}
