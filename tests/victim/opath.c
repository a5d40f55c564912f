/* O_PATH descriptors of files of all types, of a link, and of a deleted file that is also open. */
#include <sys/socket.h>
#include <sys/un.h>

#include "victim.h"

static const char *file_path(const char *name)
{
	static char paths[2][PATH_MAX];
	static int next;
	char *path = paths[next++ % 2];

	(void)snprintf(path, PATH_MAX, "%s/%s", victim_dir(), name);
	return path;
}

static int place(const char *name, int flags)
{
	int fd = open(file_path(name), O_PATH | flags);

	EXPECT(fd >= 0);
	return fd;
}

static mode_t type_of(int fd)
{
	struct stat st;

	EXPECT(fstat(fd, &st) == 0);
	return st.st_mode & S_IFMT;
}

static int open_again(int fd, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

static void make_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	EXPECT(chdir(victim_dir()) == 0);
	strcpy(address.sun_path, "socket");
	EXPECT(bind(fd, (void *)&address, sizeof(address)) == 0 && close(fd) == 0);
	EXPECT(chdir("/") == 0);
}

static void make_files(void)
{
	int fd = open(file_path("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	EXPECT(fd >= 0 && write(fd, "content", 7) == 7 && close(fd) == 0);
	EXPECT(mkdir(file_path("dir"), 0700) == 0);
	EXPECT(mkfifo(file_path("fifo"), 0600) == 0);
	EXPECT(symlink("nowhere", file_path("link")) == 0);
	/* Not even its owner may read it. */
	fd = open(file_path("secret"), O_WRONLY | O_CREAT | O_CLOEXEC, 0);
	EXPECT(fd >= 0 && close(fd) == 0);
	make_socket();
}

static int delete_open(int *ret_place)
{
	int fd = open(file_path("deleted"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	*ret_place = place("deleted", 0);
	EXPECT(fd >= 0 && write(fd, "gone", 4) == 4 && unlink(file_path("deleted")) == 0);
	return fd;
}

static void check_flags(int fd, int flags)
{
	EXPECT(fcntl(fd, F_GETFL) == (O_PATH | flags));
}

int main(int argc, char **argv)
{
	int file, dir, link_fd, fifo, socket_fd, secret, null, gone, deleted, again;
	char text[16];

	make_files();
	if (argc == 2 && strcmp(argv[1], "deleted") == 0) {
		EXPECT(close(delete_open(&gone)) == 0);
		wait_for_restore();
		victim_done();
	}
	gone = -1;
	deleted = delete_open(&gone);
	file = place("file", 0);
	dir = place("dir", O_DIRECTORY | O_CLOEXEC);
	link_fd = place("link", O_NOFOLLOW);
	fifo = place("fifo", O_NOFOLLOW);
	socket_fd = place("socket", 0);
	secret = place("secret", 0);
	null = open("/dev/null", O_PATH);

	wait_for_restore();

	check_flags(file, 0);
	check_flags(dir, O_DIRECTORY);
	check_flags(link_fd, O_NOFOLLOW);
	check_flags(fifo, O_NOFOLLOW);
	EXPECT(fcntl(dir, F_GETFD) == FD_CLOEXEC && fcntl(file, F_GETFD) == 0);
	EXPECT(read(file, text, 1) < 0 && errno == EBADF);
	again = open_again(file, O_RDONLY);
	EXPECT(again >= 0 && read(again, text, 7) == 7 && memcmp(text, "content", 7) == 0);
	EXPECT(mkdirat(dir, "inner", 0700) == 0 && fchdir(dir) == 0);
	EXPECT(readlinkat(link_fd, "", text, sizeof(text)) == 7 && memcmp(text, "nowhere", 7) == 0);
	EXPECT(type_of(fifo) == S_IFIFO && type_of(socket_fd) == S_IFSOCK);
	EXPECT(type_of(secret) == S_IFREG && type_of(null) == S_IFCHR);
	EXPECT(open_again(null, O_RDWR) >= 0);
	again = open_again(gone, O_RDWR);
	EXPECT(again >= 0 && read(again, text, 16) == 4 && memcmp(text, "gone", 4) == 0);
	EXPECT(write(again, "!", 1) == 1 && pread(deleted, text, 16, 0) == 5 && text[4] == '!');
	victim_done();
}
