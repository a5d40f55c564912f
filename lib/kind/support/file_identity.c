/* Identities of files. See file_identity.h. */
#include "kind/support/file_identity.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/buf.h"
#include "core/cleanup.h"

/* A file that a task of the container serves itself would never be read: the task is stopped. */
static bool may_be_read(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type != FUSE_SUPER_MAGIC &&
	       fs.f_type != PROC_SUPER_MAGIC;
}

int file_identity_get(int fd, struct file_identity *ret_identity)
{
	struct file_identity identity = { .size = 0 };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	identity.size = (uint64_t)st.st_size;
	identity.mtime_s = st.st_mtim.tv_sec;
	identity.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	identity.type = st.st_mode & S_IFMT;

	/* Never opened again: that would break a lease on it. */
	if (S_ISREG(st.st_mode) && may_be_read(fd))
		identity.build_id_size = build_id_read(fd, identity.build_id);
	*ret_identity = identity;
	return 0;
}

static bool has_other_build(const struct file_identity *saved, const struct file_identity *now)
{
	return saved->build_id_size > 0 &&
	       (saved->build_id_size != now->build_id_size ||
		memcmp(saved->build_id, now->build_id, saved->build_id_size) != 0);
}

enum file_change file_identity_compare(const struct file_identity *saved,
				       const struct file_identity *now)
{
	if (has_other_build(saved, now))
		return FILE_REPLACED;
	if (now->size > saved->size)
		return FILE_APPENDED;
	if (now->size < saved->size)
		return FILE_TRUNCATED;
	if (now->mtime_s != saved->mtime_s || now->mtime_ns != saved->mtime_ns)
		return FILE_TOUCHED;
	return FILE_SAME;
}

char *file_identity_explain(const struct file_identity *saved, const struct file_identity *now)
{
	switch (file_identity_compare(saved, now)) {
	case FILE_REPLACED:
		return mem_string("the program file is another build than the saved one");
	case FILE_APPENDED:
		return mem_printf("the file was appended to: %" PRIu64 " bytes then, %" PRIu64
				  " now",
				  saved->size, now->size);
	case FILE_TRUNCATED:
		return mem_printf("the file was truncated: %" PRIu64 " bytes then, %" PRIu64 " now",
				  saved->size, now->size);
	case FILE_TOUCHED:
		return mem_string("the file was changed since");
	default:
		return NULL;
	}
}

enum file_judgement file_identity_judge(const struct file_identity *saved,
					const struct file_identity *now, bool is_shared,
					bool is_code)
{
	enum file_change change = file_identity_compare(saved, now);
	bool has_build = saved->build_id_size > 0;

	switch (change) {
	case FILE_SAME:
		return FILE_FITS;
	case FILE_TOUCHED:
		/* The same build-id and size: copied, perhaps from another machine. */
		if (has_build || is_shared)
			return FILE_FITS;
		return is_code ? FILE_UNFIT : FILE_DIFFERS;
	case FILE_APPENDED:
		if (is_shared)
			return FILE_FITS;
		return has_build || is_code ? FILE_UNFIT : FILE_DIFFERS;
	default:
		return FILE_UNFIT;
	}
}

struct file_identity_rec file_identity_put(const struct file_identity *identity)
{
	struct file_identity_rec rec = {
		.size = le64_make(identity->size),
		.mtime_s = le64_make((uint64_t)identity->mtime_s),
		.mtime_ns = le32_make(identity->mtime_ns),
		.type = le32_make(identity->type),
		.build_id_size = le32_make(identity->build_id_size),
	};

	memcpy(rec.build_id, identity->build_id, identity->build_id_size);
	return rec;
}

struct file_identity file_identity_of(const struct file_identity_rec *rec)
{
	struct file_identity identity = {
		.size = le64_get(rec->size),
		.mtime_s = les64_get(rec->mtime_s),
		.mtime_ns = le32_get(rec->mtime_ns),
		.type = le32_get(rec->type),
		.build_id_size = le32_get(rec->build_id_size),
	};

	memcpy(identity.build_id, rec->build_id, identity.build_id_size);
	return identity;
}

int file_identity_check(const struct file_identity_rec *rec, struct err *err)
{
	uint32_t size = le32_get(rec->build_id_size);

	if (size > BUILD_ID_MAX)
		return err_set(err, ERR_DAMAGED, "file identity: build-id of %u bytes", size);
	for (uint32_t i = size; i < BUILD_ID_MAX; i++) {
		if (rec->build_id[i] != 0)
			return err_set(err, ERR_DAMAGED, "file identity: bytes behind build-id");
	}
	if (le64_get(rec->size) > INT64_MAX || le32_get(rec->mtime_ns) > 999999999 ||
	    (le32_get(rec->type) & ~(uint32_t)S_IFMT) != 0 || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "file identity: impossible values");
	return 0;
}
