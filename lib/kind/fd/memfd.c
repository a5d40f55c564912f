/* memfd: a file in memory without a name. Its first description carries content and seals for all
 * others. Seals are set once the content is in, which takes a writable description: where the
 * first is not, a description that no task holds carries the file instead. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_content.h"
#include "kind/support/files.h"
#include "restore/open.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

extern const struct kind kind_memfd;

#define NAME_MAX_BYTES 250u /* memfd_create(2): 249 and the NUL */
#define ALL_SEALS                                                                                  \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE |          \
	 F_SEAL_EXEC)

RECORDS_BEGIN
struct memfd_rec {
	le64 offset;
	le64 size; /* carrier only */
	le32 flags;
	le32 carrier; /* the description that carries the file; 0: this one */
	le32 mode;    /* carrier only: permission bits */
	le32 seals;   /* to be set through this record's carrier */

	/* then, carrier only, the name, with its NUL */
};
RECORDS_END
static_assert(sizeof(struct memfd_rec) == 32, "image format");

static bool memfd_match(const struct target_fd *fd)
{
	return !(fd->flags & O_PATH) && file_is_memfd(fd);
}

static void dump_carrier(struct dump *d, uint32_t id, struct memfd_rec *rec)
{
	const char *name = d->fd->link + strlen("/memfd:");
	size_t length = strlen(name) - strlen(" (deleted)");
	auto_buf struct buf body = BUF_EMPTY;

	rec->size = le64_make((uint64_t)d->fd->stat.st_size);
	rec->mode = le32_make(d->fd->stat.st_mode & 0777);
	(void)buf_append(&body, rec, sizeof(*rec));
	(void)buf_append(&body, name, length);
	(void)buf_append(&body, NULL, 1);
	dump_record(d, id, &kind_memfd, body.data, body.size);
	file_content_dump(d, id);
}

/* The first description of the file. */
static void dump_first(struct dump *d, struct memfd_rec *rec, uint32_t seals)
{
	struct memfd_rec extra = { .flags = le32_make(O_RDWR) };
	uint32_t id;

	rec->seals = le32_make(seals);
	if (seals == 0 || file_can_write(d->fd->flags)) {
		dump_carrier(d, d->fd->id, rec);
		return;
	}
	id = dump_new_id(d);
	dump_carrier(d, id, &extra);
	rec->carrier = le32_make(id);
	dump_record(d, d->fd->id, &kind_memfd, rec, sizeof(*rec));
}

static int memfd_dump(struct dump *d, struct err *err)
{
	const struct target_fd *fd = d->fd;
	uint32_t first = dump_first_file(d, fd->stat.st_dev, fd->stat.st_ino);
	struct memfd_rec rec = {
		.offset = le64_make(fd->position),
		.flags = le32_make(file_flags(fd)),
	};
	struct statfs fs;
	int seals;

	if (file_block_extras(d))
		return 0;
	if (fstatfs(fd->fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		return dump_block(d, NULL, "a memfd of huge pages is not supported");
	if (first != fd->id) {
		rec.carrier = le32_make(first);
		dump_record(d, fd->id, &kind_memfd, &rec, sizeof(rec));
		return 0;
	}

	seals = fcntl(fd->fd, F_GET_SEALS);
	if (seals < 0)
		return err_set(err, -errno, "read the seals of a memfd");
	if (seals & ~ALL_SEALS)
		return dump_block(d, NULL, "a memfd has unknown seals %#x", (unsigned int)seals);
	dump_first(d, &rec, (uint32_t)seals);
	return 0;
}

static int check_carrier(const struct memfd_rec *rec, struct reader *reader, struct err *err)
{
	size_t size = reader_left(reader);
	const char *name = reader_take(reader, size);

	if (size < 1 || size > NAME_MAX_BYTES || memchr(name, '\0', size) != name + size - 1)
		return err_set(err, ERR_DAMAGED, "memfd: bad name");
	if (le64_get(rec->size) > INT64_MAX || (le32_get(rec->mode) & ~0777u) != 0)
		return err_set(err, ERR_DAMAGED, "memfd: impossible size or mode");
	return 0;
}

static int memfd_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct memfd_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "memfd: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)))
		return err_set(err, ERR_DAMAGED, "memfd: unknown flags %#x", le32_get(rec->flags));
	if (le64_get(rec->offset) > INT64_MAX || (le32_get(rec->seals) & ~(uint32_t)ALL_SEALS) != 0)
		return err_set(err, ERR_DAMAGED, "memfd: impossible offset or seals");
	if (le32_get(rec->carrier) == 0)
		return check_carrier(rec, &reader, err);
	if (reader_left(&reader) != 0 || le64_get(rec->size) != 0 || le32_get(rec->mode) != 0)
		return err_set(err, ERR_DAMAGED, "memfd: content in a second description");
	return 0;
}

static int memfd_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct memfd_rec *rec = record->body;

	if (le32_get(rec->carrier) == 0)
		return file_content_link(image, record->id, le64_get(rec->size), err);
	return file_carrier(image, record, le32_get(rec->carrier), err) ? 0 : err->code;
}

/* Without MFD_EXEC, kernels from 6.3 on may warn, or refuse; those before do not know it. */
static int create(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

/* The description that memfd_create() made does not keep the file from being executed; one that is
 * opened for writing does. Content comes through it: it must not append. */
static int describe(const struct restore *rs, int *file, uint32_t flags, int *ret_fd,
		    struct err *err)
{
	int r;

	if ((flags & (O_ACCMODE | O_APPEND | O_DIRECT)) != O_RDWR)
		return restore_reopen(rs, *file, flags, ret_fd, err);
	r = restore_status_flags(rs, *file, flags, err);
	if (r == 0)
		*ret_fd = take_fd(file);
	return r;
}

static int restore_carrier(struct restore *rs, const struct record *record, struct err *err)
{
	const struct memfd_rec *rec = record->body;
	auto_close int file = -1;
	auto_close int fd = -1;
	int r;

	file = create((const char *)(rec + 1));
	if (file < 0)
		return err_set(err, -errno, "create memfd");
	if (ftruncate(file, (off_t)le64_get(rec->size)) < 0)
		return err_set(err, -errno, "make a memfd %" PRIu64 " bytes long",
			       le64_get(rec->size));
	if (fchmod(file, le32_get(rec->mode)) < 0)
		return err_set(err, -errno, "set the mode of a memfd");
	r = file_content_restore(rs, record->id, file, err);
	if (r == 0)
		r = describe(rs, &file, le32_get(rec->flags), &fd, err);
	if (r < 0)
		return err_wrap(err, "memfd");
	if (lseek(fd, (off_t)le64_get(rec->offset), SEEK_SET) < 0)
		return err_set(err, -errno, "set position in a memfd");
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

static int memfd_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct memfd_rec *rec = record->body;

	if (le32_get(rec->carrier) == 0)
		return restore_carrier(rs, record, err);
	return file_restore_again(rs, record, le32_get(rec->carrier), le32_get(rec->flags),
				  le64_get(rec->offset), err);
}

/* Content is in, and mappings are made: some seals only leave alone what is there already. */
static int memfd_finish(struct restore *rs, const struct record *record, struct script *script,
			struct err *err)
{
	const struct memfd_rec *rec = record->body;
	uint32_t carrier = le32_get(rec->carrier) ? le32_get(rec->carrier) : record->id;

	(void)err;
	if (le32_get(rec->seals) != 0)
		(void)script_syscall(script, "seal memfd", 0, SYS_fcntl,
				     (uint64_t)restore_fd(rs, carrier), F_ADD_SEALS,
				     le32_get(rec->seals));
	return 0;
}

const struct kind kind_memfd = {
	.name = "memfd",
	.summary = "files in memory, with their seals",
	.tag = TAG('M', 'E', 'M', 'F'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = memfd_match,
	.dump = memfd_dump,
	.check = memfd_check,
	.link = memfd_link,
	.restore = memfd_restore,
	.finish = memfd_finish,
};
