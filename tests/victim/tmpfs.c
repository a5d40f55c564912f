/* tmpfs: files in memory. The first argument says which; the second where: a directory on which one
 * is to be mounted, or one that has one already (/dev/shm). */
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "mounts.h"

static const char *top = "mnt";

/* In what is mounted; valid until the fourth call after it. */
static const char *in(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, PATH_MAX, "%s/%s", top, name);
	return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(fchmod(fd, mode) == 0 && close(fd) == 0);
}

static bool says(const char *name, const char *text)
{
	char found[4096] = "";
	int fd = open(in(name), O_RDONLY | O_CLOEXEC);
	bool is_so = fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;

	(void)close(fd);
	return is_so;
}

static struct stat look(const char *name)
{
	struct stat stat;

	EXPECT(lstat(in(name), &stat) == 0);
	return stat;
}

/* ---- all types ---- */

static const struct timespec old[2] = { { 1000000001, 11 }, { 1000000002, 22 } };
static bool has_xattrs;

static void types_build(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	put("file", "some text", 0640);
	EXPECT(link(in("file"), in("other")) == 0);
	put("empty", "", 0);
	put("set", "id", 06755);
	EXPECT(symlink("file", in("link")) == 0 && symlink("/no/where", in("dangling")) == 0);
	EXPECT(mkfifo(in("fifo"), 0620) == 0 && chmod(in("fifo"), 0620) == 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", in("socket"));
	if (strlen(in("socket")) < sizeof(address.sun_path))
		EXPECT(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	else
		EXPECT(mknod(in("socket"), S_IFSOCK | 0600, 0) == 0);
	EXPECT(close(fd) == 0);
	EXPECT(mkdir(in("dir"), 0700) == 0 && chmod(in("dir"), 01711) == 0);
	EXPECT(mkdir(in("dir/deep"), 0700) == 0);
	put("dir/deep/name with\nnewline", "odd", 0600);
	put("dir/closed", "", 0600);
	EXPECT(link(in("file"), in("dir/third")) == 0);
	has_xattrs = setxattr(in("file"), "user.colour", "red\0green", 9, 0) == 0;
	EXPECT(utimensat(AT_FDCWD, in("link"), old, AT_SYMLINK_NOFOLLOW) == 0);
	EXPECT(utimensat(AT_FDCWD, in("file"), old, 0) == 0);
	EXPECT(chmod(in("dir/deep"), 0500) == 0);
	EXPECT(utimensat(AT_FDCWD, in("dir"), old, 0) == 0);
}

static void expect_times(const char *name)
{
	struct stat stat = look(name);

	EXPECT(stat.st_mtim.tv_sec == old[1].tv_sec && stat.st_mtim.tv_nsec == old[1].tv_nsec);
}

static void types_verify(void)
{
	char target[64] = "";
	char value[16];

	expect_times("file");
	expect_times("link");
	expect_times("dir");
	EXPECT(look("file").st_atim.tv_sec == old[0].tv_sec);
	EXPECT(says("file", "some text") && look("file").st_nlink == 3);
	EXPECT(look("other").st_ino == look("file").st_ino &&
	       look("dir/third").st_ino == look("file").st_ino);
	EXPECT(look("file").st_mode == (S_IFREG | 0640) && look("empty").st_mode == S_IFREG);
	EXPECT(look("set").st_mode == (S_IFREG | 06755) && says("set", "id"));
	EXPECT(readlink(in("link"), target, sizeof(target)) == 4 && strcmp(target, "file") == 0);
	EXPECT(readlink(in("dangling"), target, sizeof(target)) == 9);
	EXPECT(look("fifo").st_mode == (S_IFIFO | 0620) && S_ISSOCK(look("socket").st_mode));
	EXPECT(look("dir").st_mode == (S_IFDIR | 01711));
	EXPECT(look("dir/deep").st_mode == (S_IFDIR | 0500));
	EXPECT(says("dir/deep/name with\nnewline", "odd"));
	EXPECT(look("file").st_uid == getuid() && look("dir").st_gid == getgid());
	if (has_xattrs)
		EXPECT(getxattr(in("file"), "user.colour", value, sizeof(value)) == 9 &&
		       memcmp(value, "red\0green", 9) == 0);
}

/* ---- many, large, sparse ---- */

enum { DIRS = 100, FILES = 100, LARGE = 5 << 20 };
static const off_t hole = (off_t)1 << 32;

static void many_build(void)
{
	char name[64];
	char text[64];

	for (int i = 0; i < DIRS; i++) {
		(void)snprintf(name, sizeof(name), "d%d", i);
		EXPECT(mkdir(in(name), 0755) == 0);
		for (int j = 0; j < FILES; j++) {
			(void)snprintf(name, sizeof(name), "d%d/f%d", i, j);
			(void)snprintf(text, sizeof(text), "%d of %d", j, i);
			put(name, text, 0644);
		}
	}
}

static void many_verify(void)
{
	char name[64];
	char text[64];

	for (int i = 0; i < DIRS; i++) {
		for (int j = 0; j < FILES; j++) {
			(void)snprintf(name, sizeof(name), "d%d/f%d", i, j);
			(void)snprintf(text, sizeof(text), "%d of %d", j, i);
			EXPECT(says(name, text));
		}
	}
}

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 24);
}

static void large_build(void)
{
	unsigned char *bytes = malloc(LARGE);
	int fd = open(in("large"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	EXPECT(bytes != NULL);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = byte_at(i);
	EXPECT(fd >= 0 && write(fd, bytes, LARGE) == LARGE && close(fd) == 0);
	fd = open(in("sparse"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && pwrite(fd, "start", 5, 0) == 5 && pwrite(fd, "end", 3, hole) == 3);
	EXPECT(ftruncate(fd, hole + 12345) == 0 && close(fd) == 0);
	fd = open(in("hole"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && ftruncate(fd, hole) == 0 && close(fd) == 0);
	EXPECT(utimensat(AT_FDCWD, in("large"), old, 0) == 0);
	free(bytes);
}

static void large_verify(void)
{
	unsigned char *bytes;
	char text[8] = "";
	int fd;

	expect_times("large");
	fd = open(in("large"), O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0 && look("large").st_size == LARGE);
	bytes = mmap(NULL, LARGE, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT(bytes != MAP_FAILED);
	for (size_t i = 0; i < LARGE; i++)
		EXPECT(bytes[i] == byte_at(i));
	fd = open(in("sparse"), O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0 && pread(fd, text, 5, 0) == 5 && strcmp(text, "start") == 0);
	EXPECT(pread(fd, text, 5, hole) == 5 && strcmp(text, "end") == 0);
	EXPECT(look("sparse").st_size == hole + 12345 && look("sparse").st_blocks < 1024);
	EXPECT(look("hole").st_size == hole && look("hole").st_blocks == 0);
}

/* ---- files in use ---- */

static int in_use[4];
static char *shared;

static void open_build(void)
{
	put("log", "line\n", 0644);
	in_use[0] = open(in("log"), O_WRONLY | O_APPEND | O_CLOEXEC);
	put("deleted", "still there", 0600);
	in_use[1] = open(in("deleted"), O_RDWR | O_CLOEXEC);
	EXPECT(in_use[0] >= 0 && in_use[1] >= 0 && unlink(in("deleted")) == 0);
	EXPECT(mkdir(in("here"), 0755) == 0 && chdir(in("here")) == 0);
	in_use[2] = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	in_use[3] = open(in("mapped"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(in_use[3] >= 0 && ftruncate(in_use[3], 100000) == 0);
	shared = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, in_use[3], 0);
	EXPECT(shared != MAP_FAILED);
	strcpy(shared + 70000, "in shared memory");
}

static void open_verify(void)
{
	char text[64] = "";
	struct stat stat;

	EXPECT(write(in_use[0], "another\n", 8) == 8 && says("log", "line\nanother\n"));
	EXPECT(pread(in_use[1], text, 63, 0) == 11 && strcmp(text, "still there") == 0);
	EXPECT(fstat(in_use[1], &stat) == 0 && stat.st_nlink == 0);
	EXPECT(access(in("deleted"), F_OK) < 0);
	EXPECT(getcwd(text, sizeof(text)) == NULL || strstr(text, "here"));
	EXPECT(fstat(in_use[2], &stat) == 0 && stat.st_ino == look("here").st_ino);
	EXPECT(fstat(in_use[3], &stat) == 0 && stat.st_ino == look("mapped").st_ino);
	EXPECT(strcmp(shared + 70000, "in shared memory") == 0);
	shared[5] = 'x';
	EXPECT(pread(in_use[3], text, 1, 5) == 1 && text[0] == 'x');
}

/* ---- a program that lies there ---- */

static void copy_self(const char *to)
{
	char block[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	ssize_t n;

	EXPECT(from >= 0 && fd >= 0);
	while ((n = read(from, block, sizeof(block))) > 0)
		EXPECT(write(fd, block, (size_t)n) == n);
	EXPECT(close(fd) == 0 && close(from) == 0);
}

static void exe_build(char **argv)
{
	char program[] = "running";
	char path[PATH_MAX];
	char *const arguments[] = { program, argv[1], argv[2], NULL };

	(void)snprintf(path, sizeof(path), "%s", in("program"));
	copy_self(path);
	(void)execv(path, arguments);
	EXPECT(!"executed");
}

static void exe_verify(void)
{
	char path[PATH_MAX] = "";

	EXPECT(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	EXPECT(strcmp(path, in("program")) == 0);
}

/* ---- what cannot be saved ---- */

static void device_build(void)
{
	EXPECT(mknod(in("device"), S_IFCHR | 0600, makedev(0, 0)) == 0);
}

static void device_verify(void)
{
	EXPECT(S_ISCHR(look("device").st_mode) && look("device").st_rdev == 0);
}

static void deep_build(void)
{
	EXPECT(chdir(in(".")) == 0);
	for (int i = 0; i < 200; i++)
		EXPECT(mkdir("d", 0700) == 0 && chdir("d") == 0);
	EXPECT(chdir("/") == 0);
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*build)(void);
	void (*verify)(void);
} variants[] = {
	{ "types", types_build, types_verify },
	{ "many", many_build, many_verify },
	{ "large", large_build, large_verify },
	{ "open", open_build, open_verify },
	{ "whiteout", device_build, device_verify },
	{ "deep", deep_build, nothing },
	{ "exe", nothing, exe_verify },
};

int main(int argc, char **argv)
{
	bool is_running = strcmp(argv[0], "running") == 0;
	size_t i = 0;

	while (argc > 1 && i < sizeof(variants) / sizeof(variants[0]) &&
	       strcmp(variants[i].name, argv[1]) != 0)
		i++;
	EXPECT(i < sizeof(variants) / sizeof(variants[0]));
	if (argc > 2) {
		top = argv[2];
	} else {
		top = strdup(at("mnt"));
		if (!is_running)
			mount_at("mnt", "tmpfs", 0, "size=100m,mode=1755");
	}
	(void)umask(022);
	if (variants[i].verify == exe_verify && !is_running)
		exe_build(argv);
	variants[i].build();
	wait_for_restore();
	variants[i].verify();
	victim_done();
}
