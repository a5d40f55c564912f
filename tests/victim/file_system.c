/* file_system: files below /data, which are carried along: made, altered and removed before the
 * checkpoint, some of them open. */
#include <dirent.h>
#include <sys/xattr.h>

#include "victim.h"

enum { LARGE = 300000 };
static const struct timespec old[2] = { { 1000000001, 11 }, { 1000000002, 22 } };

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(fchmod(fd, mode) == 0 && close(fd) == 0);
}

static bool says(const char *path, const char *text)
{
	char found[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_so = fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && strcmp(found, text) == 0;

	(void)close(fd);
	return is_so;
}

static struct stat look(const char *path)
{
	struct stat stat;

	EXPECT(lstat(path, &stat) == 0);
	return stat;
}

static size_t count_files(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	EXPECT(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count - 2;
}

/* From what the root directory has of /data: kept, altered, removed, emptied/{a,b}, turned. */
static void change(void)
{
	put("/data/altered", "new text", 0640);
	EXPECT(unlink("/data/removed") == 0);
	EXPECT(unlink("/data/emptied/a") == 0 && unlink("/data/emptied/b") == 0);
	put("/data/emptied/c", "c", 0600);
	EXPECT(unlink("/data/turned") == 0 && mkdir("/data/turned", 0750) == 0);
	put("/data/turned/deep", "deep", 0600);
	EXPECT(link("/data/turned/deep", "/data/other name") == 0);
	EXPECT(symlink("../altered", "/data/turned/link") == 0);
	EXPECT(mkfifo("/data/fifo", 0600) == 0 && chmod("/data/fifo", 0620) == 0);
	put("/data/set", "id", 04755);
	EXPECT(utimensat(AT_FDCWD, "/data/altered", old, 0) == 0);
	EXPECT(utimensat(AT_FDCWD, "/data/turned", old, 0) == 0);
	(void)setxattr("/data/altered", "user.colour", "red", 3, 0);
}

static int make_large(void)
{
	char *bytes = malloc(LARGE);
	int fd = open("/data/large", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	EXPECT(bytes && fd >= 0);
	for (int i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 7 + i / 1000);
	EXPECT(write(fd, bytes, LARGE) == LARGE);
	free(bytes);
	return fd;
}

static void expect_large(int fd)
{
	char *bytes = malloc(LARGE + 1);

	EXPECT(bytes && lseek(fd, 0, SEEK_CUR) == LARGE);
	EXPECT(pread(fd, bytes, LARGE + 1, 0) == LARGE);
	for (int i = 0; i < LARGE; i++)
		EXPECT(bytes[i] == (char)(i * 7 + i / 1000));
	free(bytes);
}

int main(void)
{
	char colour[8] = "";
	bool has_colour;
	int fd;

	change();
	has_colour = getxattr("/data/altered", "user.colour", colour, sizeof(colour)) == 3;
	fd = make_large();
	wait_for_restore();
	expect_large(fd);
	EXPECT(says("/data/altered", "new text") &&
	       look("/data/altered").st_mode == (S_IFREG | 0640));
	EXPECT(look("/data/altered").st_mtim.tv_sec == old[1].tv_sec);
	EXPECT(!has_colour ||
	       getxattr("/data/altered", "user.colour", colour, sizeof(colour)) == 3);
	EXPECT(access("/data/removed", F_OK) < 0 && errno == ENOENT);
	EXPECT(count_files("/data/emptied") == 1 && says("/data/emptied/c", "c"));
	EXPECT(look("/data/turned").st_mode == (S_IFDIR | 0750));
	EXPECT(look("/data/turned").st_mtim.tv_sec == old[1].tv_sec);
	EXPECT(says("/data/turned/deep", "deep") && says("/data/turned/link", "new text"));
	EXPECT(look("/data/turned/deep").st_ino == look("/data/other name").st_ino);
	EXPECT(look("/data/fifo").st_mode == (S_IFIFO | 0620));
	EXPECT(look("/data/set").st_mode == (S_IFREG | 0755));
	EXPECT(says("/data/kept", "kept"));
	victim_done();
}
