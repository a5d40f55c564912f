/* Is a descriptor what was saved? See grant.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "kind/support/socket.h"

/* ---- looking ---- */

static bool has_peer(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	return getpeername(fd, (struct sockaddr *)&address, &size) == 0;
}

static int read_name(int fd, char **ret_name)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *path = mem_printf("self/fd/%d", fd);
	struct err ignored = ERR_NONE;

	return procfs_readlink(proc, path, ret_name, &ignored);
}

int grant_look_at(int fd, struct grant_look *ret_look, char **ret_name)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	int r;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	r = read_name(fd, ret_name);
	if (r < 0)
		return r;
	*ret_look = (struct grant_look){
		.type = st.st_mode & S_IFMT,
		.name = *ret_name,
		.flags = (uint32_t)flags,
		.size = (uint64_t)st.st_size,
		.device = st.st_rdev,
		.is_terminal = S_ISCHR(st.st_mode) && isatty(fd),
	};
	if (S_ISSOCK(st.st_mode) && !(flags & O_PATH)) {
		ret_look->family = socket_number(fd, SO_DOMAIN);
		ret_look->socket_type = socket_number(fd, SO_TYPE);
		ret_look->protocol = socket_number(fd, SO_PROTOCOL);
		ret_look->is_connected = has_peer(fd);
	}
	return 0;
}

struct grant_look grant_look_socket(const struct record *record)
{
	const struct socket_rec *socket = record->body;

	return (struct grant_look){
		.type = S_IFSOCK,
		.flags = O_RDWR | le32_get(socket->flags),
		.family = (int)le32_get(socket->family),
		.socket_type = (int)le32_get(socket->type),
		.protocol = (int)le32_get(socket->protocol),
	};
}

/* ---- comparing ---- */

static bool is_same_type(const struct grant_look *saved, const struct grant_look *given)
{
	if (saved->type != given->type || given->flags & O_PATH)
		return false;
	switch (saved->type) {
	case S_IFSOCK:
		return saved->family == given->family && saved->socket_type == given->socket_type &&
		       saved->protocol == given->protocol;
	case S_IFCHR:
	case S_IFBLK:
		return saved->is_terminal ? given->is_terminal : saved->device == given->device;
	case 0:
		return strcmp(saved->name, given->name) == 0;
	default:
		return true;
	}
}

/* As for a file that is opened by its path: reading on would find an end where there was data. */
static bool is_cut_off(const struct grant_look *saved, const struct grant_look *given)
{
	return S_ISREG(saved->type) && given->size < saved->size && saved->position > given->size &&
	       !(saved->flags & O_APPEND);
}

enum grant_fit grant_compare(const struct grant_look *saved, const struct grant_look *given)
{
	if (saved->is_any)
		return S_ISDIR(given->type) || given->flags & O_PATH ? GRANT_TYPE : GRANT_FITS;
	if (!is_same_type(saved, given))
		return GRANT_TYPE;
	if ((file_can_read(saved->flags) && !file_can_read(given->flags)) ||
	    (file_can_write(saved->flags) && !file_can_write(given->flags)))
		return GRANT_ACCESS;
	if (saved->is_connected && !given->is_connected)
		return GRANT_ALONE;
	return is_cut_off(saved, given) ? GRANT_SHORT : GRANT_FITS;
}

/* ---- explaining ---- */

static void explain_socket(const struct grant_look *look, struct buf *out)
{
	static const struct {
		int family;
		const char *name;
	} families[] = { { AF_UNIX, "unix" },		{ AF_INET, "IPv4" },
			 { AF_INET6, "IPv6" },		{ AF_NETLINK, "netlink" },
			 { AF_PACKET, "packet" },	{ AF_VSOCK, "vsock" },
			 { AF_BLUETOOTH, "bluetooth" }, { AF_ALG, "crypto" } };
	static const char *const types[] = {
		[SOCK_STREAM] = "stream",
		[SOCK_DGRAM] = "datagram",
		[SOCK_RAW] = "raw",
		[SOCK_SEQPACKET] = "seqpacket",
	};
	size_t type = (size_t)look->socket_type;
	const char *family = NULL;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (families[i].family == look->family)
			family = families[i].name;
	}
	if (family)
		buf_printf(out, "%s ", family);
	if (type < sizeof(types) / sizeof(types[0]) && types[type])
		buf_printf(out, "%s socket", types[type]);
	else
		buf_printf(out, "socket of type %d", look->socket_type);
	if (!family)
		buf_printf(out, " of family %d", look->family);
	if (look->protocol > 0)
		buf_printf(out, ", protocol %d", look->protocol);
}

static void explain_access(uint32_t flags, struct buf *out)
{
	static const char *const texts[] = { ", read", ", write", ", read and write", ", ioctl" };

	buf_printf(out, "%s", texts[flags & O_ACCMODE]);
}

static void explain_named(const char *what, const struct grant_look *look, struct buf *out)
{
	buf_printf(out, "%s", what);
	if (look->name && look->name[0] == '/')
		buf_printf(out, " %s", look->name);
	explain_access(look->flags, out);
}

/* "anon_inode:[eventfd]" */
static void explain_anonymous(const char *name, struct buf *out)
{
	const char *word = strchr(name, '[');

	if (word)
		buf_printf(out, "%.*s", (int)strcspn(word + 1, "]"), word + 1);
	else
		buf_printf(out, "%s", name);
}

static void explain_type(const struct grant_look *look, struct buf *out)
{
	auto_free char *device = NULL;

	switch (look->type) {
	case S_IFREG:
		explain_named("file", look, out);
		break;
	case S_IFDIR:
		explain_named("directory", look, out);
		break;
	case S_IFIFO:
		explain_named("pipe", look, out);
		break;
	case S_IFSOCK:
		explain_socket(look, out);
		break;
	case S_IFCHR:
	case S_IFBLK:
		device = mem_printf("device %u:%u", major(look->device), minor(look->device));
		explain_named(look->is_terminal ? "terminal" : device, look, out);
		break;
	default:
		explain_anonymous(look->name, out);
	}
}

void grant_explain(const struct grant_look *look, struct buf *out)
{
	if (look->flags & O_PATH)
		buf_printf(out, "O_PATH descriptor of %s", look->name);
	else if (look->is_any)
		buf_printf(out, "standard descriptor, %s", look->name);
	else
		explain_type(look, out);
	if (look->peer)
		buf_printf(out, " to %s", look->peer);
}

/* ---- asking ---- */

static void ask(struct plan *plan, const struct record *record, const struct grant_look *saved,
		enum grant_fit fit, const char *invoker)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct question question = {
		.class = CLASS_GRANT,
		.id = record->id,
		.saved = saved->is_unread,
		.invoker = fit,
		.path = saved->name && saved->name[0] == '/' ? saved->name : NULL,
		.type = saved->type,
		.invoker_text = invoker,
	};

	grant_explain(saved, &text);
	question.saved_text = text.data;
	plan_ask(plan, &question);
}

bool grant_ask(struct plan *plan, const struct kind *kind, const struct record *record)
{
	const struct host_facts *facts = plan_facts(plan);
	const struct host_grant *given = NULL;
	struct grant_look saved = { .type = 0 };
	struct grant_look look = { .type = 0 };
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *name = NULL;
	int r;

	for (size_t i = 0; i < facts->grant_count; i++) {
		if (facts->grants[i].id == record->id)
			given = &facts->grants[i];
	}
	if (!given || !kind->grant(plan_image(plan), record, &saved))
		return false;
	r = grant_look_at(given->fd, &look, &name);
	buf_printf(&text, "descriptor %d: ", given->number);
	if (r < 0)
		buf_printf(&text, "%s", strerror(-r));
	else
		grant_explain(&look, &text);
	ask(plan, record, &saved, r < 0 ? GRANT_TYPE : grant_compare(&saved, &look), text.data);
	return true;
}

void grant_ask_absent(struct plan *plan, const struct record *record,
		      const struct grant_look *saved)
{
	ask(plan, record, saved, GRANT_ABSENT, "none given");
}
