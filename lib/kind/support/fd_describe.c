/* What a descriptor is, in people's words. See fd_describe.h. */
#include "kind/support/fd_describe.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct word {
	const char *start; /* of the link */
	const char *text;
};

/* The first that fits. */
static const struct word anonymous[] = {
	{ "anon_inode:[io_uring]", "io_uring" },
	{ "anon_inode:inotify", "inotify" },
	{ "anon_inode:[fanotify]", "fanotify" },
	{ "anon_inode:[pidfd]", "pidfd" },
	{ "pidfd:", "pidfd" },
	{ "anon_inode:[userfaultfd]", "userfaultfd" },
	{ "anon_inode:[perf_event]", "perf event" },
	{ "anon_inode:bpf-map", "BPF map" },
	{ "anon_inode:bpf-prog", "BPF program" },
	{ "anon_inode:bpf", "BPF object" },
	{ "anon_inode:[bpf", "BPF object" },
	{ "anon_inode:seccomp notify", "seccomp listener" },
	{ "anon_inode:[eventpoll]", "epoll" },
	{ "anon_inode:[eventfd]", "eventfd" },
	{ "anon_inode:[signalfd]", "signalfd" },
	{ "anon_inode:[timerfd]", "timerfd" },
	{ "anon_inode:[fscontext]", "file system context" },
	{ "anon_inode:[landlock-ruleset]", "Landlock rules" },
	{ "anon_inode:kvm", "KVM object" },
	{ "anon_inode:[vfio", "VFIO object" },
	{ "/dmabuf:", "DMA buffer" },
	{ "/secretmem", "secret memory" },
	{ "mnt:[", "mount namespace" },
	{ "net:[", "network namespace" },
	{ "pid:[", "pid namespace" },
	{ "user:[", "user namespace" },
	{ "uts:[", "UTS namespace" },
	{ "ipc:[", "IPC namespace" },
	{ "cgroup:[", "cgroup namespace" },
	{ "time:[", "time namespace" },
	{ "pipe:[", "pipe" },
};

static const char *word_find(const char *link)
{
	for (size_t i = 0; i < sizeof(anonymous) / sizeof(anonymous[0]); i++) {
		if (strncmp(link, anonymous[i].start, strlen(anonymous[i].start)) == 0)
			return anonymous[i].text;
	}
	return NULL;
}

static int socket_option(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

static void describe_internet(struct buf *text, int type, int protocol)
{
	switch (type) {
	case SOCK_STREAM:
		buf_printf(text, protocol == 132   ? "SCTP socket"
				 : protocol == 262 ? "MPTCP socket"
						   : "TCP socket");
		break;
	case SOCK_DGRAM:
		buf_printf(text, protocol == 1 || protocol == 58 ? "ping socket"
				 : protocol == 136		 ? "UDP-Lite socket"
								 : "UDP socket");
		break;
	case SOCK_RAW:
		buf_printf(text, "raw socket");
		break;
	default:
		buf_printf(text, "internet socket of type %d", type);
	}
}

static void describe_socket(const struct target_fd *fd, struct buf *text)
{
	int family = socket_option(fd->fd, SO_DOMAIN);

	switch (family) {
	case AF_UNIX:
		buf_printf(text, "unix socket");
		break;
	case AF_INET:
	case AF_INET6:
		describe_internet(text, socket_option(fd->fd, SO_TYPE),
				  socket_option(fd->fd, SO_PROTOCOL));
		break;
	case AF_NETLINK:
		buf_printf(text, "netlink socket");
		break;
	case AF_PACKET:
		buf_printf(text, "packet socket");
		break;
	case AF_VSOCK:
		buf_printf(text, "vsock socket");
		break;
	case AF_ALG:
		buf_printf(text, "crypto socket");
		break;
	default:
		buf_printf(text, "socket of family %d", family);
	}
}

static bool is_terminal(dev_t device)
{
	/* tty0.., /dev/tty and console and ptmx, serial lines, pseudo terminals */
	unsigned int number = major(device);

	return number == 4 || number == 5 || (number >= 128 && number <= 143);
}

static void describe_node(const struct target_fd *fd, struct buf *text)
{
	dev_t device = fd->stat.st_rdev;

	if (S_ISCHR(fd->stat.st_mode) && is_terminal(device))
		buf_printf(text, "terminal %s", fd->link);
	else
		buf_printf(text, "%s %s (%u:%u)",
			   S_ISBLK(fd->stat.st_mode) ? "block device" : "device", fd->link,
			   major(device), minor(device));
}

void fd_describe(const struct target_fd *fd, struct buf *text)
{
	const char *word = S_ISDIR(fd->stat.st_mode) ? NULL : word_find(fd->link);

	if (fd->flags & O_PATH)
		buf_printf(text, "O_PATH descriptor of %s", fd->link);
	else if (S_ISSOCK(fd->stat.st_mode))
		describe_socket(fd, text);
	else if (S_ISCHR(fd->stat.st_mode) || S_ISBLK(fd->stat.st_mode))
		describe_node(fd, text);
	else if (word)
		buf_printf(text, "%s", word);
	else if (S_ISDIR(fd->stat.st_mode))
		buf_printf(text, "directory %s", fd->link);
	else if (S_ISFIFO(fd->stat.st_mode))
		buf_printf(text, "fifo %s", fd->link);
	else if (S_ISREG(fd->stat.st_mode))
		buf_printf(text, "file %s", fd->link);
	else
		buf_printf(text, "%s", fd->link);
}
