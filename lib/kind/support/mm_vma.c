/* What a mapping is of, and what was asked for it. See mm.h. */
#include <inttypes.h>
#include <string.h>

#include "dump/dump.h"
#include "kind/support/mm.h"
#include "kind/support/uring.h"

static uint32_t flags_of(const struct procfs_vma *vma)
{
	static const struct {
		uint64_t from;
		uint32_t to;
	} pairs[] = {
		{ VMF(gd), VMA_GROWSDOWN },  { VMF(nr), VMA_NORESERVE },
		{ VMF(lo), VMA_LOCKED },     { VMF(lf), VMA_LOCKONFAULT },
		{ VMF(dc), VMA_DONTFORK },   { VMF(dd), VMA_DONTDUMP },
		{ VMF(wf), VMA_WIPEONFORK }, { VMF(hg), VMA_HUGEPAGE },
		{ VMF(nh), VMA_NOHUGEPAGE }, { VMF(mg), VMA_MERGEABLE },
		{ VMF(sr), VMA_SEQUENTIAL }, { VMF(rr), VMA_RANDOM },
		{ VMF(dp), VMA_DROPPABLE },
	};
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (vma->vm_flags & pairs[i].from)
			flags |= pairs[i].to;
	}
	return flags;
}

bool mm_is_aio(const struct procfs_vma *vma)
{
	return vma->is_shared && strcmp(vma->name, "/[aio] (deleted)") == 0;
}

/* Ordinary memory holds its place until the task is finished. */
static bool is_placeholder(const struct procfs_vma *vma)
{
	return mm_is_aio(vma) || uring_is_vma(vma);
}

static const char *unsupported_flag(const struct procfs_vma *vma)
{
	if (vma->vm_flags & VMF(ht))
		return "huge pages of hugetlbfs";
	/* Among it [uprobes], where instructions that are probed are executed. */
	if (vma->vm_flags & (VMF(pf) | VMF(io) | VMF(mm)))
		return "device memory";
	if (vma->vm_flags & (VMF(um) | VMF(uw) | VMF(ui)))
		return "a userfaultfd range";
	if (vma->vm_flags & VMF(ss))
		return "a shadow stack";
	if (vma->vm_flags & VMF(sl))
		return "a sealed mapping";
	if (vma->vm_flags & VMF(unknown))
		return "a mapping with a flag that is not known";
	return NULL;
}

static bool is_vdso(const struct procfs_vma *vma, enum vma_type *ret_type)
{
	if (strcmp(vma->name, "[vdso]") == 0)
		*ret_type = VMA_VDSO;
	else if (strcmp(vma->name, "[vvar]") == 0)
		*ret_type = VMA_VVAR;
	else if (strcmp(vma->name, "[vvar_vclock]") == 0)
		*ret_type = VMA_VCLOCK;
	else
		return false;
	return true;
}

bool mm_has_pages(const struct procfs_vma *vma)
{
	enum vma_type ignored;

	return !is_vdso(vma, &ignored) && !unsupported_flag(vma);
}

static int type_of(struct dump *d, const struct procfs_vma *vma, enum vma_type *ret_type,
		   uint32_t *ret_file, struct err *err)
{
	enum mapfile_type type;
	const char *reason;
	int r;

	*ret_file = 0;
	if (is_vdso(vma, ret_type))
		return 0;
	*ret_type = VMA_ANON;
	if (is_placeholder(vma))
		return 0;
	reason = unsupported_flag(vma);
	if (reason)
		return dump_block(d, NULL,
				  "mapping %" PRIx64 "-%" PRIx64 " (%s): %s is not supported",
				  vma->start, vma->end, vma->name, reason);
	if (vma->inode == 0 && vma->name[0] != '/') {
		if (vma->is_shared)
			return dump_block(d, NULL, "mapping of %s is not supported", vma->name);
		return 0;
	}
	r = mapfile_of_vma(d, vma, ret_file, &type, err);
	if (r < 0)
		return r;
	*ret_type = !vma->is_shared	   ? VMA_FILE
		    : type >= MAPFILE_ANON ? VMA_ANON_SHARED
					   : VMA_FILE_SHARED;
	return 0;
}

int mm_write_vma(struct dump *d, struct buf *body, const struct procfs_vma *vma, struct err *err)
{
	enum vma_type type = VMA_ANON;
	uint32_t file;
	struct vma_rec rec;
	int r = type_of(d, vma, &type, &file, err);

	if (r < 0)
		return r;
	rec = (struct vma_rec){
		.start = le64_make(vma->start),
		.end = le64_make(vma->end),
		.offset = le64_make(file ? vma->offset : 0),
		.file = le32_make(file),
		.type = le16_make((uint16_t)type),
		.prot = le16_make((uint16_t)vma->prot),
		.flags = le32_make(type >= VMA_VVAR || is_placeholder(vma) ? 0 : flags_of(vma)),
		.reserved = le32_make(0),
	};
	(void)buf_append(body, &rec, sizeof(rec));
	return 0;
}
