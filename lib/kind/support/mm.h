/* The record of an address space, and the files and objects that it maps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "image/record.h"
#include "kind/kind.h"

#define TAG_MM	    TAG('M', 'M', 'A', 'P')
#define TAG_MAPFILE TAG('M', 'A', 'P', 'F')
#define MM_VMAS_MAX (1u << 20)
#define MM_AUXV_MAX 4096u
/* The end of user space with 4-level page tables, less the guard page. */
#define MM_ADDRESS_MAX 0x7ffffffff000ull

enum vma_type {
	VMA_ANON = 1,	     /* private, without a file */
	VMA_FILE = 2,	     /* private, of a mapped file */
	VMA_FILE_SHARED = 3, /* shared, of a mapped file */
	VMA_ANON_SHARED = 4, /* shared, without a name: a mapped object */
	VMA_VVAR = 5,
	VMA_VCLOCK = 6,
	VMA_VDSO = 7,
};

enum vma_flag {
	VMA_GROWSDOWN = 1u << 0,
	VMA_NORESERVE = 1u << 1,
	VMA_LOCKED = 1u << 2,
	VMA_LOCKONFAULT = 1u << 3,
	VMA_DONTFORK = 1u << 4,
	VMA_DONTDUMP = 1u << 5,
	VMA_WIPEONFORK = 1u << 6,
	VMA_HUGEPAGE = 1u << 7,
	VMA_NOHUGEPAGE = 1u << 8,
	VMA_MERGEABLE = 1u << 9,
	VMA_SEQUENTIAL = 1u << 10,
	VMA_RANDOM = 1u << 11,
	VMA_DROPPABLE = 1u << 12, /* the kernel may drop what is written to it: it is not saved */
	VMA_FLAGS_ALL = (1u << 13) - 1,
};

RECORDS_BEGIN
struct mm_rec {
	le64 start_code;
	le64 end_code;
	le64 start_data;
	le64 end_data;
	le64 start_brk;
	le64 brk;
	le64 start_stack;
	le64 arg_start;
	le64 arg_end;
	le64 env_start;
	le64 env_end;
	le32 exe;	  /* MAPF object */
	le32 auxv_size;	  /* bytes of the auxiliary vector that follow, a multiple of 16 */
	le32 vma_count;	  /* struct vma_rec that follow it, rising, not overlapping */
	le32 guard_count; /* struct image_extent_rec that follow them: MADV_GUARD_INSTALL */
};

struct vma_rec {
	le64 start;
	le64 end;
	le64 offset; /* in the file or object */
	le32 file;   /* MAPF object, or 0 */
	le16 type;   /* enum vma_type */
	le16 prot;   /* PROT_* */
	le32 flags;  /* enum vma_flag */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct mm_rec) == 104, "image format");
static_assert(sizeof(struct vma_rec) == 40, "image format");

/* A checked body, taken apart. */
struct mm_view {
	const struct mm_rec *head;
	const void *auxv;
	const struct vma_rec *vmas;
	const struct image_extent_rec *guards;
	uint32_t auxv_size, vma_count, guard_count;
};
int mm_view(const void *body, size_t length, struct mm_view *ret_view, struct err *err);
/* The first mapping that ends behind this address; vma_count if there is none. */
uint32_t mm_vma_behind(const struct mm_view *view, uint64_t address);
/* Link: the memory of the process that a record of this kind is of. */
int mm_link_task(const struct image *image, const struct record *record, const char *name,
		 struct mm_view *ret_view, struct err *err);
/* Link: does memory of the task's own hold the place of what will replace it? */
bool mm_has_place(const struct mm_view *view, uint64_t start, uint64_t size);

/* ---- mapped files ---- */

enum mapfile_type {
	MAPFILE_PATH = 1,    /* a file with a name */
	MAPFILE_ALIAS = 2,   /* the file behind a descriptor of some task */
	MAPFILE_UNNAMED = 3, /* deleted, without a descriptor: content by value */
	MAPFILE_MEMFD = 4,   /* the same, made by memfd_create */
	MAPFILE_ANON = 5,    /* shared anonymous memory: has no descriptor */
	MAPFILE_SYSV = 6,    /* a segment of System V shared memory */
};

/* Dump: the object that this mapping of d->task is of; its record is written when it is met
 * first. 0 when it cannot be saved: then the blocker is noted. */
int mapfile_of_vma(struct dump *d, const struct procfs_vma *vma, uint32_t *ret_id,
		   enum mapfile_type *ret_type, struct err *err);
/* Dump: the file that the task executes. */
int mapfile_of_exe(struct dump *d, uint32_t *ret_id, struct err *err);
/* Dump: once all address spaces are known: writes the records of objects whose size was not. */
int mapfile_finish(struct dump *d, struct err *err);

/* Size in bytes of an object without a descriptor; 0 for others. */
uint64_t mapfile_anon_size(const struct record *record);
/* The segment that a MAPFILE_SYSV object is; 0 for others. */
uint32_t mapfile_segment(const struct record *record, bool *ret_is_writable);

/* Dump: the ring of an AIO context. Ordinary memory holds its place until the context is made. */
bool mm_is_aio(const struct procfs_vma *vma);
/* Dump: appends the struct vma_rec of a mapping of d->task; what is not supported is a blocker. */
int mm_write_vma(struct dump *d, struct buf *body, const struct procfs_vma *vma, struct err *err);
/* Dump: may its pages be looked at? */
bool mm_has_pages(const struct procfs_vma *vma);

static inline uint64_t mm_page_up(uint64_t size)
{
	return (size + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1);
}

/* ---- objects without a descriptor: the first task maps them, and all tasks inherit that ---- */

/* Bytes to be mapped for an object, of whatever record; 0 for what is none. */
uint64_t mm_object_size(const struct record *record);
/* Maps it at `place`; once all are mapped, mm_objects_made(). */
int mm_object_make(const struct restore *rs, const struct record *record, uint64_t place,
		   struct script *script, struct err *err);
int mm_objects_made(const struct restore *rs, struct script *script, struct err *err);
