/* Descriptors that somebody else must give again: one of the first argument's kind, under number 50
 * and as 51; "file" has a child that shares it, and another file of the child's own. */
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

enum { GIVEN = 50, AGAIN = 51, OWN = 52 };

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	EXPECT(dir);
	while (readdir(dir))
		count++;
	EXPECT(closedir(dir) == 0);
	return count;
}

static int open_at(const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	fd = open(path, flags | O_CLOEXEC);
	EXPECT(fd >= 0);
	return fd;
}

static void place(int fd)
{
	EXPECT(dup2(fd, GIVEN) == GIVEN && dup2(fd, AGAIN) == AGAIN && close(fd) == 0);
}

static void expect_text(int fd, const char *text)
{
	char bytes[16] = "";

	EXPECT(read(fd, bytes, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(strcmp(bytes, text) == 0);
}

/* ---- file ---- */

static void child(int count)
{
	char pid[16];
	int fd = open_at("vault/own", O_WRONLY | O_APPEND);

	EXPECT(dup2(fd, OWN) == OWN && close(fd) == 0);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	victim_write("child", pid);
	victim_wait_file("go");
	EXPECT(count_descriptors() == count + 1);
	expect_text(GIVEN, "345");
	EXPECT(fcntl(OWN, F_GETFL) & O_APPEND);
	EXPECT(write(OWN, "more", 4) == 4);
	_exit(0);
}

static void file(void)
{
	int count;
	int status;
	pid_t pid;

	place(open_at("vault/log", O_RDWR));
	EXPECT(fcntl(GIVEN, F_SETFL, O_NONBLOCK) == 0);
	expect_text(GIVEN, "012");
	count = count_descriptors();
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0)
		child(count);
	victim_wait_file("child");
	wait_for_restore();
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
	EXPECT(count_descriptors() == count);
	EXPECT(fcntl(GIVEN, F_GETFL) & O_NONBLOCK);
	EXPECT(fcntl(OWN, F_GETFD) < 0 && errno == EBADF);
	expect_text(AGAIN, "678");
	EXPECT(lseek(GIVEN, 0, SEEK_CUR) == 9);
}

/* ---- unix: connected with a process outside; has something to read, if told so ---- */

static void unix_socket(bool is_unread)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct pollfd input = { .fd = GIVEN, .events = POLLIN };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("VICTIM_SOCKET"));
	EXPECT(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	place(fd);
	EXPECT(poll(&input, is_unread, -1) >= 0);
	wait_for_restore();
	EXPECT(write(GIVEN, "hello", 5) == 5);
	expect_text(AGAIN, "world");
}

/* ---- raw: of another network than its own ---- */

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0);
	return cookie;
}

static void raw(void)
{
	place(socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP));
	wait_for_restore();
	EXPECT(cookie_of(GIVEN) != cookie_of(socket(AF_INET, SOCK_DGRAM, 0)));
	EXPECT(fcntl(GIVEN, F_GETFL) & O_NONBLOCK);
}

/* ---- eventfd: somebody else adds to it ---- */

static void counter(void)
{
	uint64_t value = 0;

	place(eventfd(3, 0));
	wait_for_restore();
	EXPECT(read(GIVEN, &value, sizeof(value)) == sizeof(value) && value == 7);
}

/* ---- stdio: what it says goes where the test wants it ---- */

static void output(void)
{
	wait_for_restore();
	EXPECT(write(STDOUT_FILENO, "said", 4) == 4);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	(void)victim_dir();
	if (strcmp(what, "file") == 0)
		file();
	else if (strcmp(what, "unix") == 0)
		unix_socket(argc > 2);
	else if (strcmp(what, "raw") == 0)
		raw();
	else if (strcmp(what, "eventfd") == 0)
		counter();
	else if (strcmp(what, "stdio") == 0)
		output();
	else
		victim_fail("what is %s?", what);
	victim_done();
}
