/* The harmless character devices: null, zero, full, random, urandom. Known by their number, found
 * by path; a path that leads to any other device is never opened. */
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "restore/open.h"

extern const struct kind kind_chardev;

RECORDS_BEGIN
struct chardev_rec {
	le32 flags;
	le32 major;
	le32 minor;
	le32 reserved; /* zero */
		       /* then the path, with its NUL */
};
RECORDS_END
static_assert(sizeof(struct chardev_rec) == 16, "image format");

/* clang-format off */
#define CHARDEV_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, flags, CLASS_DEVICE) \
	FIELD(rec, major, CLASS_DEVICE) \
	FIELD(rec, minor, CLASS_DEVICE) \
	FIELD(rec, reserved, FIELD_FORM) \
	TAIL(rec, path, CLASS_DEVICE)
/* clang-format on */
FIELDS_OF(chardev, struct chardev_rec, CHARDEV_FIELDS);

struct device {
	unsigned int minor; /* of major 1 */
	const char *path;
};
static const struct device devices[] = {
	{ 3, "/dev/null" },   { 5, "/dev/zero" },    { 7, "/dev/full" },
	{ 8, "/dev/random" }, { 9, "/dev/urandom" },
};

static const struct device *device_find(unsigned int device_major, unsigned int device_minor)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (device_major == 1 && device_minor == devices[i].minor)
			return &devices[i];
	}
	return NULL;
}

static const char *chardev_path(const struct chardev_rec *rec)
{
	return (const char *)(rec + 1);
}

/* Of one that is a character device. */
static bool is_device(const struct chardev_rec *rec, const struct stat *st)
{
	return st->st_rdev == makedev(le32_get(rec->major), le32_get(rec->minor));
}

static bool chardev_match(const struct target_fd *fd)
{
	return S_ISCHR(fd->stat.st_mode) && !(fd->flags & O_PATH) &&
	       device_find(major(fd->stat.st_rdev), minor(fd->stat.st_rdev)) != NULL;
}

static int chardev_dump(struct dump *d, struct err *err)
{
	dev_t device = d->fd->stat.st_rdev;
	struct chardev_rec rec = {
		.flags = le32_make(file_flags(d->fd)),
		.major = le32_make(major(device)),
		.minor = le32_make(minor(device)),
	};
	auto_buf struct buf body = BUF_EMPTY;
	auto_free char *path = NULL;

	(void)err;
	if (file_block_extras(d))
		return 0;
	/* The same device under another path, or from outside, is no less the same. */
	if (file_look_path(d, &path) < 0)
		path = mem_string(device_find(major(device), minor(device))->path);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, path, strlen(path) + 1);
	dump_record(d, d->fd->id, &kind_chardev, body.data, body.size);
	return 0;
}

static int chardev_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct chardev_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "chardev: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)) || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "chardev: unknown flags %#x",
			       le32_get(rec->flags));
	if (!device_find(le32_get(rec->major), le32_get(rec->minor)))
		return err_set(err, ERR_DAMAGED, "chardev: device %u:%u is not supported",
			       le32_get(rec->major), le32_get(rec->minor));
	if (!file_path_is_valid(chardev_path(rec), reader_left(&reader)))
		return err_set(err, ERR_DAMAGED, "chardev: bad path");
	return 0;
}

static int chardev_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	const struct chardev_rec *rec = record->body;
	struct file_trial trial = {
		.path = chardev_path(rec),
		.flags = le32_get(rec->flags),
		.type = S_IFCHR,
		.is_descriptor = true,
	};

	(void)image;
	(void)err;
	file_trial_run(plan, &trial);
	if (trial.result == 0 && !is_device(rec, &trial.stat)) {
		trial.result = -ESTALE;
		trial.trouble = "it is another device now";
	}
	file_trial_ask(plan, record->id, &trial);
	return 0;
}

static bool chardev_grant(const struct image *image, const struct record *record,
			  struct grant_look *ret_look)
{
	const struct chardev_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.type = S_IFCHR,
		.name = chardev_path(rec),
		.flags = le32_get(rec->flags),
		.device = makedev(le32_get(rec->major), le32_get(rec->minor)),
	};
	return true;
}

static int chardev_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct chardev_rec *rec = record->body;
	auto_close int place = -1;
	auto_close int fd = -1;
	struct stat st;
	int r;

	r = restore_open_path(rs, chardev_path(rec), S_IFCHR, &place, err);
	if (r < 0)
		return r;
	if (fstat(place, &st) < 0)
		return err_set(err, -errno, "look at %s", chardev_path(rec));
	if (!is_device(rec, &st))
		return err_set(err, ERR_REFUSED, "%s is device %u:%u, not %u:%u", chardev_path(rec),
			       major(st.st_rdev), minor(st.st_rdev), le32_get(rec->major),
			       le32_get(rec->minor));
	r = restore_reopen(rs, place, le32_get(rec->flags), &fd, err);
	if (r < 0)
		return err_wrap(err, "device %s", chardev_path(rec));
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_chardev = {
	.name = "chardev",
	.summary = "the devices null, zero, full, random and urandom",
	.tag = TAG('C', 'H', 'R', 'D'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.fields = chardev_fields,
	.match = chardev_match,
	.dump = chardev_dump,
	.check = chardev_check,
	.ask = chardev_ask,
	.grant = chardev_grant,
	.restore = chardev_restore,
};
