/* A directory that is being read; removed ones, one of them the current directory. */
#include <dirent.h>

#include "victim.h"

static const char *file_path(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	return path;
}

static int make_removed(void)
{
	int fd;

	EXPECT(mkdir(file_path("gone"), 0700) == 0 && mkdir(file_path("gone/inner"), 0750) == 0);
	fd = open(file_path("gone/inner"), O_RDONLY | O_DIRECTORY);
	EXPECT(fd >= 0 && chdir(file_path("gone")) == 0);
	EXPECT(rmdir(file_path("gone/inner")) == 0 && rmdir(file_path("gone")) == 0);
	return fd;
}

static void expect_link(const char *link, const char *name)
{
	char text[PATH_MAX], expected[PATH_MAX + 16];
	ssize_t length = readlink(link, text, sizeof(text) - 1);

	EXPECT(length > 0);
	text[length] = '\0';
	(void)snprintf(expected, sizeof(expected), "%s (deleted)", file_path(name));
	EXPECT(strcmp(text, expected) == 0);
}

static void check_removed(int fd)
{
	char text[PATH_MAX];
	struct stat st;

	EXPECT(getcwd(text, sizeof(text)) == NULL && errno == ENOENT);
	EXPECT(open("file", O_RDWR | O_CREAT, 0600) < 0 && errno == ENOENT);
	EXPECT(fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_mode == (S_IFDIR | 0750));
	EXPECT(mkdirat(fd, "dir", 0700) < 0 && errno == ENOENT);
	expect_link("/proc/self/cwd", "gone");
	(void)snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	expect_link(text, "gone/inner");
}

int main(void)
{
	int dir = open(victim_dir(), O_RDONLY | O_DIRECTORY);
	int entries = open("/proc", O_RDONLY | O_DIRECTORY);
	struct stat before, after;
	int removed = make_removed();
	DIR *listing;
	long place;

	EXPECT(dir >= 0 && entries >= 0 && fstat(dir, &before) == 0);
	listing = fdopendir(entries);
	EXPECT(listing && readdir(listing) && readdir(listing) && readdir(listing));
	place = lseek(entries, 0, SEEK_CUR);
	wait_for_restore();
	EXPECT(fstat(dir, &after) == 0 && S_ISDIR(after.st_mode));
	EXPECT(after.st_ino == before.st_ino && after.st_dev == before.st_dev);
	EXPECT(openat(dir, "ready", O_RDONLY) >= 0);
	EXPECT(lseek(entries, 0, SEEK_CUR) == place);
	EXPECT(readdir(listing));
	check_removed(removed);
	victim_done();
}
