/* Changes of a root directory that are undone, or stay: what there is afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/tree_clear.h"
#include "kind/support/tree_shelf.h"
#include "unit.h"

static const struct timespec old[2] = { { 1000000001, 11 }, { 1000000002, 22 } };

/* a root directory with: file ("text", and another name of it, linked), dir/{inner,sub/deep}. */
struct place {
	char path[64];
	int root;
	int journal;
	struct tree_shelf shelf;
	uint32_t dir; /* number of dir, once it is entered */
	int dir_fd;
};

static void put(int dir, const char *name, const char *text)
{
	auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	(void)!write(fd, text, strlen(text));
}

static bool says(int dir, const char *name, const char *text)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char found[64] = "";

	return fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;
}

static bool is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct stat look(int dir, const char *name)
{
	struct stat st = { .st_ino = 0 };

	(void)fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	return st;
}

static bool begin(struct unit *unit, struct place *place)
{
	*place = (struct place){ .path = "/tmp/ctckpt-unit-XXXXXX",
				 .journal = memfd_create("journal", MFD_CLOEXEC),
				 .shelf = TREE_SHELF_NONE };
	if (!EXPECT(unit, mkdtemp(place->path)))
		return false;
	place->root = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(place->root, "file", "text");
	(void)!linkat(place->root, "file", place->root, "linked", 0);
	(void)mkdirat(place->root, "dir", 0751);
	(void)mkdirat(place->root, "dir/sub", 0700);
	put(place->root, "dir/inner", "inner");
	put(place->root, "dir/sub/deep", "deep");
	place->dir_fd = openat(place->root, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)fsetxattr(place->dir_fd, "user.colour", "red", 3, 0);
	(void)utimensat(place->root, "dir/sub", old, 0);
	(void)utimensat(place->root, "dir", old, 0);
	(void)futimens(place->root, old);
	return EXPECT(unit, tree_shelf_begin(place->root, place->journal, &place->shelf) == 0) &&
	       EXPECT(unit,
		      tree_shelf_enter(&place->shelf, 0, "dir", place->dir_fd, &place->dir) == 0);
}

static void end(struct place *place)
{
	auto_close int above = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	tree_shelf_free(&place->shelf);
	drop_fd(&place->dir_fd);
	drop_fd(&place->root);
	drop_fd(&place->journal);
	(void)tree_clear(above, place->path + strlen("/tmp/"));
}

/* A file, in the place of what is there. */
static void replace(struct unit *unit, struct place *place, uint32_t number, int dir,
		    const char *name)
{
	uint32_t none = 7;

	EXPECT(unit, tree_shelf_move(&place->shelf, number, dir, name) == 0);
	EXPECT(unit, !is_there(dir, name));
	EXPECT(unit, tree_shelf_open(&place->shelf, number, dir) == 0);
	put(place->shelf.dir, TREE_SHELF_NEW, "new");
	EXPECT(unit, tree_shelf_place(&place->shelf, number, dir, name, &none) == 0 && none == 0);
	EXPECT(unit, says(dir, name, "new"));
}

static int make_directory(struct unit *unit, struct place *place, const char *name,
			  uint32_t *ret_number)
{
	EXPECT(unit, tree_shelf_open(&place->shelf, 0, place->root) == 0);
	EXPECT(unit, mkdirat(place->shelf.dir, TREE_SHELF_NEW, 0700) == 0);
	EXPECT(unit, tree_shelf_place(&place->shelf, 0, place->root, name, ret_number) == 0);
	return openat(place->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_old(const struct stat *st)
{
	return st->st_mtim.tv_sec == old[1].tv_sec && st->st_mtim.tv_nsec == old[1].tv_nsec &&
	       st->st_atim.tv_sec == old[0].tv_sec;
}

static void all_is_undone(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;
	struct stat file, sub, dir, root;
	auto_close int made = -1;
	uint32_t number = 0;
	char colour[8];

	if (!begin(unit, &place))
		return;
	file = look(place.root, "file");
	sub = look(place.root, "dir/sub");
	replace(unit, &place, 0, place.root, "file");
	replace(unit, &place, place.dir, place.dir_fd, "sub");
	replace(unit, &place, place.dir, place.dir_fd, "more");
	EXPECT(unit, tree_shelf_move(&place.shelf, place.dir, place.dir_fd, "inner") == 0);
	made = make_directory(unit, &place, "made", &number);
	EXPECT(unit, number == 2);
	replace(unit, &place, number, made, "in it");
	EXPECT(unit, fchmod(place.dir_fd, 0700) == 0);
	(void)fremovexattr(place.dir_fd, "user.colour");
	(void)fsetxattr(place.dir_fd, "user.taste", "sour", 4, 0);
	/* Unfinished. */
	(void)mkdirat(place.shelf.dir, TREE_SHELF_NEW, 0700);

	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0);
	EXPECT(unit, undone.left == 0 && undone.shelf[0] == '\0');
	root = look(place.root, ".");
	dir = look(place.root, "dir");
	EXPECT(unit, root.st_nlink == 3 && is_old(&root) && !is_there(place.root, "made"));
	EXPECT(unit, look(place.root, "file").st_ino == file.st_ino &&
			 look(place.root, "file").st_nlink == 2 &&
			 says(place.root, "file", "text"));
	EXPECT(unit, is_old(&dir) && (dir.st_mode & 07777) == 0751);
	EXPECT(unit, look(place.root, "dir/sub").st_ino == sub.st_ino &&
			 says(place.root, "dir/sub/deep", "deep") &&
			 says(place.root, "dir/inner", "inner") && !is_there(place.dir_fd, "more"));
	EXPECT(unit, fgetxattr(place.dir_fd, "user.taste", colour, sizeof(colour)) < 0);
	/* Once more: there is nothing to be done. */
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0 && undone.left == 0);
	end(&place);
}

static void all_stays(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;
	struct stat root;

	if (!begin(unit, &place))
		return;
	replace(unit, &place, place.dir, place.dir_fd, "sub");
	root = look(place.root, ".");
	EXPECT(unit, is_old(&root));
	EXPECT(unit, tree_shelf_keep(place.root, place.journal, &undone) == 0 && undone.left == 0);
	root = look(place.root, ".");
	EXPECT(unit, says(place.root, "dir/sub", "new") && root.st_nlink == 3 && is_old(&root));
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0);
	EXPECT(unit, says(place.root, "dir/sub", "new"));
	end(&place);
}

/* What others have put in the place of ours is theirs; so is what they have put beside it. */
static void others_were_there(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;
	auto_close int made = -1;
	auto_free char *kept = NULL;
	uint32_t number;

	if (!begin(unit, &place))
		return;
	replace(unit, &place, 0, place.root, "file");
	replace(unit, &place, place.dir, place.dir_fd, "inner");
	made = make_directory(unit, &place, "made", &number);
	put(made, "theirs", "theirs");
	put(place.root, "theirs", "theirs");
	EXPECT(unit, renameat(place.root, "theirs", place.root, "file") == 0);
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0);
	EXPECT(unit, undone.left == 2 && tree_shelf_is_name(undone.shelf));
	EXPECT(unit,
	       says(place.root, "file", "theirs") && says(place.root, "made/theirs", "theirs"));
	EXPECT(unit, says(place.root, "dir/inner", "inner"));
	kept = mem_printf("%s/1", undone.shelf);
	EXPECT(unit, says(place.root, kept, "text"));
	free(kept);
	kept = mem_printf("%s/list", undone.shelf);
	EXPECT(unit, says(place.root, kept, "1 file\n2 dir/inner\n"));
	end(&place);
}

/* Nothing is looked for in a directory that has changed its place, nor behind a link. */
static void directories_that_moved(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;

	if (!begin(unit, &place))
		return;
	replace(unit, &place, place.dir, place.dir_fd, "inner");
	EXPECT(unit, renameat(place.root, "dir", place.root, "moved") == 0 &&
			 symlinkat("moved", place.root, "dir") == 0);
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0);
	EXPECT(unit, undone.left == 3 && undone.shelf[0]);
	EXPECT(unit, says(place.root, "moved/inner", "new"));
	end(&place);
}

/* What somebody has taken away with the shelf is missed. */
static void shelf_that_moved(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;
	auto_free char *shelf = NULL;
	char path[4096] = "";

	if (!begin(unit, &place))
		return;
	replace(unit, &place, place.dir, place.dir_fd, "inner");
	shelf = mem_printf("/proc/self/fd/%d", place.shelf.dir);
	EXPECT(unit, readlink(shelf, path, sizeof(path) - 1) > 0 &&
			 renameat(AT_FDCWD, path, place.root, "theirs") == 0);
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0);
	EXPECT(unit, undone.left == 1 && says(place.root, "theirs/1", "inner"));
	end(&place);
}

/* The last step was not written as a whole: it was not begun. */
static void cut_off(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;
	off_t size;

	if (!begin(unit, &place))
		return;
	replace(unit, &place, 0, place.root, "more");
	size = lseek(place.journal, 0, SEEK_CUR);
	EXPECT(unit, tree_shelf_move(&place.shelf, 0, place.root, "file") == 0);
	EXPECT(unit, renameat(place.shelf.dir, "1", place.root, "file") == 0 &&
			 ftruncate(place.journal, size + 20) == 0);
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0 && undone.left == 0);
	EXPECT(unit, says(place.root, "file", "text") && !is_there(place.root, "more"));
	end(&place);
}

/* Somebody else was faster: nothing of theirs is replaced. */
static void in_the_way(struct unit *unit)
{
	struct place place;
	uint32_t ignored;

	if (!begin(unit, &place))
		return;
	EXPECT(unit, tree_shelf_open(&place.shelf, 0, place.root) == 0);
	put(place.shelf.dir, TREE_SHELF_NEW, "new");
	EXPECT(unit, tree_shelf_place(&place.shelf, 0, place.root, "file", &ignored) == -EEXIST);
	EXPECT(unit, says(place.root, "file", "text"));
	EXPECT(unit, tree_shelf_move(&place.shelf, 0, place.root, "none") == 0);
	end(&place);
}

/* Where nothing can be made in the root, the shelf is elsewhere; so it is if that is made itself.
 */
static void another_place(struct unit *unit)
{
	struct place place;
	struct tree_undone undone;
	struct stat dir;

	if (!begin(unit, &place))
		return;
	(void)fchmod(place.root, 0555);
	replace(unit, &place, place.dir, place.dir_fd, "inner");
	EXPECT(unit, geteuid() == 0 || look(place.root, "dir").st_nlink == 4);
	(void)fchmod(place.root, 0755);
	EXPECT(unit, tree_shelf_undo(place.root, place.journal, &undone) == 0 && undone.left == 0);
	dir = look(place.root, "dir");
	EXPECT(unit, says(place.dir_fd, "inner", "inner") && dir.st_nlink == 3 && is_old(&dir));
	end(&place);
}

/* Deeper than anybody has them: whoever made them cannot exhaust our stack. */
static void too_deep(struct unit *unit)
{
	enum { LEVELS = 520 };
	struct place place;
	int dirs[LEVELS];
	int depth = 0;

	if (!begin(unit, &place))
		return;
	dirs[0] = dup(place.dir_fd);
	while (depth + 1 < LEVELS && mkdirat(dirs[depth], "d", 0700) == 0) {
		dirs[depth + 1] = openat(dirs[depth], "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		depth++;
	}
	EXPECT(unit, depth == LEVELS - 1);
	EXPECT(unit, tree_shelf_move(&place.shelf, 0, place.root, "dir") == -ELOOP);
	EXPECT(unit, is_there(place.root, "dir"));
	for (; depth >= 0; depth--) {
		(void)unlinkat(dirs[depth], "d", AT_REMOVEDIR);
		(void)close(dirs[depth]);
	}
	end(&place);
}

static bool write_to(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Root of a user namespace of one's own, with one id, may mount. */
static bool may_mount(void)
{
	auto_free char *uids = mem_printf("0 %u 1", geteuid());
	auto_free char *gids = mem_printf("0 %u 1", getegid());

	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_to("/proc/self/setgroups", "deny") && write_to("/proc/self/uid_map", uids) &&
	       write_to("/proc/self/gid_map", gids);
}

/* The last one: it stays in a namespace of its own. */
static void mounts_within(struct unit *unit)
{
	auto_free char *file = NULL;
	auto_free char *inner = NULL;
	struct place place;

	if (!EXPECT(unit, may_mount()) || !begin(unit, &place))
		return;
	file = mem_printf("%s/file", place.path);
	inner = mem_printf("%s/dir/sub/deep", place.path);
	EXPECT(unit, mount(file, inner, NULL, MS_BIND, NULL) == 0);
	EXPECT(unit, tree_shelf_move(&place.shelf, 0, place.root, "dir") == -EXDEV);
	EXPECT(unit, says(place.root, "dir/sub/deep", "text"));
	EXPECT(unit, umount2(inner, MNT_DETACH) == 0);
	end(&place);
}

static void names(struct unit *unit)
{
	EXPECT(unit, tree_shelf_is_name(".ctckpt-files-0123456789abcdef"));
	EXPECT(unit, !tree_shelf_is_name(".ctckpt-files-0123456789abcde"));
	EXPECT(unit, !tree_shelf_is_name(".ctckpt-files-0123456789abcdef0"));
	EXPECT(unit, !tree_shelf_is_name(".ctckpt-files-0123456789abcdeX"));
	EXPECT(unit, !tree_shelf_is_name(".ctckpt-0123456789abcdef"));
}

static const struct unit_case cases[] = {
	UNIT_CASE(all_is_undone),
	UNIT_CASE(all_stays),
	UNIT_CASE(others_were_there),
	UNIT_CASE(directories_that_moved),
	UNIT_CASE(shelf_that_moved),
	UNIT_CASE(cut_off),
	UNIT_CASE(in_the_way),
	UNIT_CASE(another_place),
	UNIT_CASE(names),
	UNIT_CASE(too_deep),
	UNIT_CASE(mounts_within),
};

int main(void)
{
	return UNIT_RUN(cases);
}
