/* Descriptors that no checkpoint can save: which, says the argument. It goes on unharmed. */
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "victim.h"

static const char *file_path(const char *name)
{
	static char paths[2][PATH_MAX];
	static int next;
	char *path = paths[next++ % 2];

	(void)snprintf(path, PATH_MAX, "%s/%s", victim_dir(), name);
	return path;
}

static int file_open(void)
{
	int fd = open(file_path("file"), O_RDWR | O_CREAT, 0600);

	EXPECT(fd >= 0);
	return fd;
}

/* Somebody waits for the lease, until the kernel's patience ends. */
static void make_lease(void)
{
	int fd = file_open();

	EXPECT(signal(SIGIO, SIG_IGN) != SIG_ERR && fcntl(fd, F_SETLEASE, F_WRLCK) == 0);
	EXPECT(open(file_path("file"), O_RDONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
}

static void make_linked(void)
{
	(void)file_open();
	EXPECT(link(file_path("file"), file_path("other")) == 0);
	EXPECT(unlink(file_path("file")) == 0);
}

static void make_notify(void)
{
	EXPECT(fcntl(open(victim_dir(), O_RDONLY), F_NOTIFY, DN_CREATE | DN_MULTISHOT) == 0);
}

static void make_proc(void)
{
	EXPECT(open("/proc/self", O_PATH | O_DIRECTORY) >= 0);
}

static void make_packets(void)
{
	int ends[2];

	EXPECT(pipe2(ends, O_DIRECT) == 0 && write(ends[1], "packet", 6) == 6);
}

static void send_fd(int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			  .cmsg_len = CMSG_LEN(sizeof(int)),
			  .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS,
		      } };
	struct iovec data = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int ends[2];

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	EXPECT(sendmsg(ends[0], &message, 0) == 1);
}

/* The watched file lives on in a message that nobody has received. */
static void make_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	int fd = eventfd(0, 0);

	EXPECT(epoll >= 0 && fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	send_fd(fd);
	EXPECT(close(fd) == 0);
}

static void make_flight(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	EXPECT(fd >= 0);
	send_fd(fd);
}

/* What a kernel may lack, or deny. */
static void need(long result)
{
	if (result < 0)
		victim_write("missing", "");
}

/* Without a descriptor, and in memory of the program's own: IORING_SETUP_NO_MMAP and
 * IORING_SETUP_REGISTERED_FD_ONLY. */
static void make_uring_number(void)
{
	static _Alignas(4096) char rings[2][4096];
	struct io_uring_params parameters = {
		.flags = 1u << 14 | 1u << 15,
		.sq_off.resv2 = (uintptr_t)rings[0],
		.cq_off.resv2 = (uintptr_t)rings[1],
	};

	need(syscall(SYS_io_uring_setup, 4, &parameters));
}

static void make_userfault(void)
{
	need(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */));
}

static const struct {
	const char *name;
	void (*make)(void);
} cases[] = {
	{ "lease", make_lease },
	{ "linked", make_linked },
	{ "notify", make_notify },
	{ "proc", make_proc },
	{ "packets", make_packets },
	{ "epoll", make_epoll },
	{ "flight", make_flight },
	{ "userfault", make_userfault },
	{ "uring-number", make_uring_number },
};

int main(int argc, char **argv)
{
	bool is_known = false;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
			cases[i].make();
			is_known = true;
		}
	}
	EXPECT(is_known && signal(SIGIO, SIG_IGN) != SIG_ERR);
	wait_for_restore();
	victim_done();
}
