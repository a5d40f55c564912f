/* What leads outside of the container, or can't be found in it, and is no standard descriptor. With
 * checkpoint --external, it is saved by what it is, and nothing but a descriptor like it, given by
 * whoever restores, takes its place. Takes what other kinds would refuse. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "kind/support/unix_outsider.h"

extern const struct kind kind_external;

enum { EXTERNAL_TERMINAL = 1u << 0, EXTERNAL_CONNECTED = 1u << 1, EXTERNAL_BITS = 3 };

RECORDS_BEGIN
struct external_rec {
	le32 flags;
	le32 type;	  /* S_IFMT */
	le32 bits;	  /* EXTERNAL_* */
	le32 major;	  /* of a device; the number of any terminal will do */
	le32 minor;	  /* likewise */
	le32 family;	  /* of a socket, as the next */
	le32 socket_type; /* SOCK_*, without flags */
	le32 protocol;
	le64 position;	/* of a file or directory */
	le64 size;	/* of a file */
	le32 peer_size; /* of the text about the other end that follows, with its NUL; 0: none */
	le32 reserved;	/* zero */
};
RECORDS_END
static_assert(sizeof(struct external_rec) == 56, "image format");

static const char *external_peer(const struct external_rec *rec)
{
	return le32_get(rec->peer_size) > 0 ? (const char *)(rec + 1) : NULL;
}

static struct external_rec make_record(const struct target_fd *fd, const struct grant_look *look,
				       const char *peer)
{
	bool is_socket = S_ISSOCK(look->type);
	bool has_place = S_ISREG(look->type) || S_ISDIR(look->type);
	bool is_device = S_ISCHR(look->type) || S_ISBLK(look->type);

	return (struct external_rec){
		.flags = le32_make(file_flags(fd)),
		.type = le32_make(look->type),
		.bits = le32_make((look->is_terminal ? EXTERNAL_TERMINAL : 0) |
				  (look->is_connected ? EXTERNAL_CONNECTED : 0)),
		.major = le32_make(is_device ? major(look->device) : 0),
		.minor = le32_make(is_device ? minor(look->device) : 0),
		.family = le32_make(is_socket ? (uint32_t)look->family : 0),
		.socket_type = le32_make(is_socket ? (uint32_t)look->socket_type : 0),
		.protocol = le32_make(is_socket ? (uint32_t)look->protocol : 0),
		.position = le64_make(has_place ? fd->position : 0),
		.size = le64_make(S_ISREG(look->type) ? look->size : 0),
		.peer_size = le32_make(peer ? (uint32_t)strlen(peer) + 1 : 0),
	};
}

bool external_takes(struct dump *d)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct grant_look look = { .type = 0 };
	auto_free char *name = NULL;
	auto_free char *peer = NULL;
	struct external_rec rec;

	if (!d->own->outside.external || d->fd->is_in_flight || d->fd->flags & O_PATH ||
	    grant_look_at(d->fd->fd, &look, &name) < 0 || look.type == 0)
		return false;
	if (file_block_extras(d))
		return true;
	if (look.family == AF_UNIX && look.is_connected)
		peer = unix_describe_outsider(d->fd->fd);
	rec = make_record(d->fd, &look, peer);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, peer, le32_get(rec.peer_size));
	dump_record(d, d->fd->id, &kind_external, body.data, body.size);
	return true;
}

/* ---- check ---- */

static int check_type(const struct external_rec *rec, struct err *err)
{
	uint32_t type = le32_get(rec->type);
	bool is_socket = type == S_IFSOCK;
	bool is_device = type == S_IFCHR || type == S_IFBLK;
	bool has_place = type == S_IFREG || type == S_IFDIR;

	if (!file_type_is_valid(type) || type == S_IFLNK)
		return err_set(err, ERR_DAMAGED, "external: unknown type %#o", type);
	if ((!is_socket && (le32_get(rec->family) != 0 || le32_get(rec->socket_type) != 0 ||
			    le32_get(rec->protocol) != 0 || le32_get(rec->peer_size) != 0 ||
			    le32_get(rec->bits) & EXTERNAL_CONNECTED)) ||
	    (!is_device && (le32_get(rec->major) != 0 || le32_get(rec->minor) != 0)) ||
	    (type != S_IFCHR && le32_get(rec->bits) & EXTERNAL_TERMINAL) ||
	    (!has_place && le64_get(rec->position) != 0) ||
	    (type != S_IFREG && le64_get(rec->size) != 0))
		return err_set(err, ERR_DAMAGED, "external: what its type does not have");
	if (le32_get(rec->family) > INT32_MAX || le32_get(rec->socket_type) > INT32_MAX ||
	    le32_get(rec->protocol) > INT32_MAX || le64_get(rec->position) > INT64_MAX ||
	    le64_get(rec->size) > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "external: impossible number");
	return 0;
}

static int external_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct external_rec *rec = reader_take(&reader, sizeof(*rec));
	const char *peer = rec ? reader_take(&reader, le32_get(rec->peer_size)) : NULL;
	uint32_t size = rec ? le32_get(rec->peer_size) : 0;

	if (!rec || !peer || reader_left(&reader) != 0 || size > UNIX_OUTSIDER_MAX)
		return err_set(err, ERR_DAMAGED, "external: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)) ||
	    le32_get(rec->bits) & ~(uint32_t)EXTERNAL_BITS || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "external: unknown bits");
	if (size > 0 && memchr(peer, '\0', size) != peer + size - 1)
		return err_set(err, ERR_DAMAGED, "external: bad text");
	return check_type(rec, err);
}

/* ---- planning ---- */

static bool external_grant(const struct image *image, const struct record *record,
			   struct grant_look *ret_look)
{
	const struct external_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.type = le32_get(rec->type),
		.flags = le32_get(rec->flags),
		.position = le64_get(rec->position),
		.size = le64_get(rec->size),
		.device = makedev(le32_get(rec->major), le32_get(rec->minor)),
		.is_terminal = le32_get(rec->bits) & EXTERNAL_TERMINAL,
		.family = (int)le32_get(rec->family),
		.socket_type = (int)le32_get(rec->socket_type),
		.protocol = (int)le32_get(rec->protocol),
		.is_connected = le32_get(rec->bits) & EXTERNAL_CONNECTED,
		.peer = external_peer(rec),
	};
	return true;
}

static int external_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	struct grant_look look;

	(void)err;
	(void)external_grant(image, record, &look);
	grant_ask_absent(plan, record, &look);
	return 0;
}

/* Never without a grant: the plan refuses it. */
static int external_restore(struct restore *rs, const struct record *record, struct err *err)
{
	(void)rs;
	(void)record;
	return err_set(err, ERR_REFUSED, "no descriptor was given for it");
}

const struct kind kind_external = {
	.name = "external",
	.summary = "what leads outside, and is given again by whoever restores",
	.tag = TAG('E', 'X', 'T', 'N'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.check = external_check,
	.ask = external_ask,
	.grant = external_grant,
	.restore = external_restore,
};
