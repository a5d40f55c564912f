/* A socket's file is made where somebody has one in use since the plan was made: in a user and
 * mount namespace of this process. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "hostile.h"
#include "kind/support/unix_bind.h"
#include "kind/support/unix_make.h"
#include "kind/support/unix_rec.h"
#include "restore/restore.h"
#include "unit.h"

static char top[] = "/tmp/ctckpt-unit-XXXXXX";

static bool write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool enter_namespaces(void)
{
	auto_free char *uids = mem_printf("0 %u 1", geteuid());
	auto_free char *gids = mem_printf("0 %u 1", getegid());

	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_file("/proc/self/uid_map", uids) &&
	       write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/gid_map", gids) &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static struct image *load(struct restore *rs)
{
	auto_edited struct edited_image edited = EDITED_IMAGE_NONE;
	auto_buf struct buf data = BUF_EMPTY;
	struct image *image = NULL;
	struct err err = ERR_NONE;

	if (!hostile_load("pipe-1.zst", &edited))
		abort();
	edited_make(&edited, &data);
	if (image_parse(data.data, data.size, &image_default_limits, &image, &err) < 0 ||
	    restore_init(rs, image, NULL, &err) < 0)
		abort();
	rs->own->root = (struct restore_root){ open(top, O_PATH | O_DIRECTORY | O_CLOEXEC),
					       open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	return image;
}

static int bind_again(struct restore *rs, struct err *err)
{
	const struct unix_rec rec = { .form = le32_make(UNIX_PATH) };
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct unix_parts parts = { .type = SOCK_DGRAM,
					  .rec = &rec,
					  .name = "/socket",
					  .name_length = sizeof("/socket"),
					  .path = "/socket" };

	*err = ERR_NONE;
	return unix_bind(rs, fd, &parts, err);
}

static void in_use(struct unit *unit)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_image struct image *image = NULL;
	struct restore rs;
	struct err err = ERR_NONE;

	image = load(&rs);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", top);
	EXPECT(unit, bind(other, (struct sockaddr *)&address, sizeof(address)) == 0);
	EXPECT(unit, bind_again(&rs, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "socket /socket is in use");
	/* Nobody has it any more: it is replaced. */
	(void)close(other);
	other = -1;
	EXPECT(unit, bind_again(&rs, &err) == 0);
	EXPECT_TEXT(unit, err.text, "");
	EXPECT(unit, unlink(address.sun_path) == 0);
	/* Nothing else is left. */
	EXPECT(unit, rmdir(top) == 0);
	(void)close(rs.own->root.dir);
	(void)close(rs.own->root.proc);
	restore_free(&rs);
}

static const struct unit_case cases[] = { UNIT_CASE(in_use) };

int main(void)
{
	if (!enter_namespaces())
		return 77;
	if (!mkdtemp(top))
		return 1;
	return UNIT_RUN(cases);
}
