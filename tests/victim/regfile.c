/* Regular files: offset, flags, two descriptors of one description, deleted files with holes. */
#include "victim.h"

#define HOLE (1 << 20)

static const char *file_path(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	return path;
}

static int file_open(const char *name, int flags)
{
	int fd = open(file_path(name), flags, 0640);

	EXPECT(fd >= 0);
	return fd;
}

int main(void)
{
	int both = file_open("data", O_RDWR | O_CREAT);
	int append = file_open("data", O_WRONLY | O_APPEND | O_NONBLOCK);
	int reader = file_open("data", O_RDONLY | O_CLOEXEC);
	int twin = dup(reader);
	int deleted = file_open("deleted", O_RDWR | O_CREAT);
	int deleted_again = file_open("deleted", O_RDONLY);
	int beyond = file_open("beyond", O_RDONLY | O_CREAT);
	int unnamed = open(victim_dir(), O_TMPFILE | O_RDWR, 0600);
	struct stat st;
	char text[16], link[64];

	EXPECT(write(both, "0123456789", 10) == 10);
	EXPECT(lseek(both, 2, SEEK_SET) == 2);
	EXPECT(lseek(reader, 5, SEEK_SET) == 5 && twin >= 0);
	EXPECT(lseek(beyond, 100, SEEK_SET) == 100);
	EXPECT(pwrite(deleted, "front", 5, 0) == 5 && pwrite(deleted, "end", 3, HOLE) == 3);
	EXPECT(ftruncate(deleted, HOLE + 100) == 0 && lseek(deleted, HOLE, SEEK_SET) == HOLE);
	EXPECT(unlink(file_path("deleted")) == 0);
	EXPECT(unnamed < 0 || write(unnamed, "nameless", 8) == 8);

	wait_for_restore();

	EXPECT(lseek(both, 0, SEEK_CUR) == 2 && (fcntl(both, F_GETFL) & O_ACCMODE) == O_RDWR);
	EXPECT((fcntl(append, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) ==
	       (O_WRONLY | O_APPEND | O_NONBLOCK));
	EXPECT(fcntl(reader, F_GETFD) == FD_CLOEXEC && fcntl(twin, F_GETFD) == 0);
	EXPECT(read(reader, text, 2) == 2 && memcmp(text, "56", 2) == 0);
	EXPECT(lseek(twin, 0, SEEK_CUR) == 7 && lseek(beyond, 0, SEEK_CUR) == 100);
	EXPECT(write(append, "x", 1) == 1 && pread(both, text, 1, 10) == 1 && text[0] == 'x');

	EXPECT(fstat(deleted, &st) == 0 && st.st_nlink == 0 && st.st_size == HOLE + 100);
	EXPECT(st.st_blocks * 512 < HOLE && (st.st_mode & 0777) == 0640);
	EXPECT(read(deleted, text, 3) == 3 && memcmp(text, "end", 3) == 0);
	EXPECT(pread(deleted_again, text, 5, 0) == 5 && memcmp(text, "front", 5) == 0);
	EXPECT(pwrite(deleted, "again", 5, 0) == 5);
	EXPECT(pread(deleted_again, text, 5, 0) == 5 && memcmp(text, "again", 5) == 0);
	EXPECT(pread(deleted_again, text, 1, HOLE / 2) == 1 && text[0] == '\0');
	EXPECT(unnamed < 0 ||
	       (pread(unnamed, text, 8, 0) == 8 && memcmp(text, "nameless", 8) == 0));
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", unnamed);
	EXPECT(unnamed < 0 ||
	       linkat(AT_FDCWD, link, AT_FDCWD, file_path("named"), AT_SYMLINK_FOLLOW) == 0);
	victim_done();
}
