/* nsfd: a descriptor of a namespace, as of /proc/PID/ns. */
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/namespaces.h"
#include "restore/open.h"

extern const struct kind kind_nsfd;

RECORDS_BEGIN
struct nsfd_rec {
	le32 type;	/* enum namespace_type */
	le32 namespace; /* 0: the container's own */
	le32 flags;	/* O_* */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct nsfd_rec) == 16, "image format");

static bool nsfd_match(const struct target_fd *fd)
{
	struct statfs fs;

	return S_ISREG(fd->stat.st_mode) && !(fd->flags & O_PATH) && fstatfs(fd->fd, &fs) == 0 &&
	       fs.f_type == NAMESPACE_MAGIC;
}

static int nsfd_dump(struct dump *d, struct err *err)
{
	const struct dump_namespace *ns = dump_namespace_by_stat(d, &d->fd->stat);
	struct nsfd_rec rec;

	(void)err;
	if (d->fd->link[0] == '/')
		return dump_block(d, NULL, "a namespace that is mounted on %s is not supported",
				  d->fd->link);
	if (!ns) /* noted before */
		return dump_block(d, NULL, "namespace %s is not the container's", d->fd->link);
	if (ns->id && ns->type == NAMESPACE_PID)
		return dump_block(d, NULL,
				  "a descriptor of a pid namespace in the container is not "
				  "supported");
	rec = (struct nsfd_rec){ .type = le32_make(ns->type),
				 .namespace = le32_make(ns->id),
				 .flags = le32_make(d->fd->flags & OPEN_FLAGS) };
	dump_record(d, d->fd->id, &kind_nsfd, &rec, sizeof(rec));
	return 0;
}

static int nsfd_check(const void *body, size_t length, struct err *err)
{
	const struct nsfd_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "nsfd: %zu bytes", length);
	if (le32_get(rec->type) == NAMESPACE_NONE || le32_get(rec->type) >= NAMESPACE_TYPES ||
	    le32_get(rec->flags) & ~(uint32_t)OPEN_FLAGS || le32_get(rec->reserved))
		return err_set(err, ERR_DAMAGED, "nsfd: unknown bits");
	return 0;
}

static int nsfd_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct nsfd_rec *rec = record->body;
	const struct namespace_rec *ns = namespace_find(image, le32_get(rec->namespace));

	if (le32_get(rec->namespace) && (!ns || le32_get(ns->type) != le32_get(rec->type) ||
					 le32_get(ns->type) == NAMESPACE_PID))
		return err_set(err, ERR_DAMAGED, "nsfd: %s namespace %u is not in the image",
			       namespace_name(le32_get(rec->type)), le32_get(rec->namespace));
	return 0;
}

static int nsfd_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct nsfd_rec *rec = record->body;
	enum namespace_type type = le32_get(rec->type);
	int held = restore_namespace_fd(rs, type, le32_get(rec->namespace));
	int fd = -1;
	int r;

	if (held < 0)
		return err_set(err, ERR_HOST, "this kernel has no %s namespace",
			       namespace_name(type));
	r = restore_reopen(rs, held, le32_get(rec->flags), &fd, err);
	return r < 0 ? r : restore_give_fd(rs, record, fd, err);
}

const struct kind kind_nsfd = {
	.name = "nsfd",
	.summary = "descriptors of namespaces",
	.tag = TAG('N', 'S', 'F', 'D'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = nsfd_match,
	.dump = nsfd_dump,
	.check = nsfd_check,
	.link = nsfd_link,
	.restore = nsfd_restore,
};
