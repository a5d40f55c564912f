/* Probes: what single kinds of kernel resources need. Without it, programs on this host cannot have
 * such a thing either, or it cannot come back here. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sock_diag.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container/probe.h"
#include "core/cleanup.h"

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static int run_seccomp(struct probe_result *result)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	int r = probe_enter(0, &result->err);

	if (r == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_set(&result->err, -errno, "install a filter");
	return r;
}

static int run_sysv(struct probe_result *result)
{
	int r = probe_enter(CLONE_NEWIPC, &result->err);

	if (r == 0 && shmget(IPC_PRIVATE, 4096, 0600) < 0)
		return err_set(&result->err, -errno, "create shared memory");
	return r;
}

/* Messages are copied from their queue, which stays as it is. */
static int run_msg_copy(struct probe_result *result)
{
	struct {
		long type;
		char text[1];
	} message = { .type = 1 };
	int queue;
	int r = probe_enter(CLONE_NEWIPC, &result->err);

	if (r < 0)
		return r;
	queue = msgget(IPC_PRIVATE, 0600);
	if (queue < 0 || msgsnd(queue, &message, 1, 0) < 0)
		return err_set(&result->err, -errno, "send a message");
	if (msgrcv(queue, &message, 1, 0, MSG_COPY | IPC_NOWAIT) < 0)
		return err_set(&result->err, -errno, "copy a message");
	return 0;
}

static int run_posix_mq(struct probe_result *result)
{
	int r = probe_enter(CLONE_NEWIPC, &result->err);

	if (r == 0 && mq_open("/ctckpt", O_RDWR | O_CREAT | O_CLOEXEC, 0600, NULL) < 0)
		return err_set(&result->err, -errno, "create a message queue");
	return r;
}

static int run_repair(struct probe_result *result)
{
	int on = 1;
	auto_close int fd = -1;
	int r = probe_enter(CLONE_NEWNET, &result->err);

	if (r < 0)
		return r;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return err_set(&result->err, -errno, "put a TCP socket into repair mode");
	return 0;
}

static int open_socket(struct probe_result *result, int family, int type, int protocol)
{
	auto_close int fd = -1;
	int r = probe_enter(CLONE_NEWNET, &result->err);

	if (r < 0)
		return r;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	return fd < 0 ? err_set(&result->err, -errno, "create such a socket") : 0;
}

static int run_raw(struct probe_result *result)
{
	return open_socket(result, AF_INET, SOCK_RAW, IPPROTO_RAW);
}

static int run_packet(struct probe_result *result)
{
	return open_socket(result, AF_PACKET, SOCK_RAW, 0);
}

static int run_diag(struct probe_result *result)
{
	return open_socket(result, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
}

static int run_inotify(struct probe_result *result)
{
	auto_close int fd = inotify_init1(IN_CLOEXEC);

	return fd < 0 ? err_set(&result->err, -errno, "create an inotify instance") : 0;
}

static int run_mempolicy(struct probe_result *result)
{
	if (syscall(SYS_get_mempolicy, NULL, NULL, 0UL, NULL, 0UL) < 0)
		return err_set(&result->err, -errno, "ask for the memory policy");
	return 0;
}

static int run_keyring(struct probe_result *result)
{
	int r = probe_enter(0, &result->err);

	if (r == 0 && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return err_set(&result->err, -errno, "join a session keyring");
	return r;
}

static int run_anon_name(struct probe_result *result)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, page, 4096, "ctckpt") < 0)
		return err_set(&result->err, -errno, "name a mapping");
	return 0;
}

static int run_devpts(struct probe_result *result)
{
	int r = probe_enter(CLONE_NEWNS, &result->err);

	if (r == 0 && mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") < 0)
		return err_set(&result->err, -errno, "mount devpts");
	return r;
}

static int run_io_uring(struct probe_result *result)
{
	struct io_uring_params parameters = { .flags = 0 };
	int r = probe_enter(0, &result->err);

	if (r == 0 && syscall(SYS_io_uring_setup, 1, &parameters) < 0)
		return err_set(&result->err, -errno, "make a ring");
	return r;
}

const struct probe probes_kinds[] = {
	{ "seccomp", false, run_seccomp, "build the kernel with CONFIG_SECCOMP_FILTER" },
	{ "sysv_ipc", false, run_sysv, "build the kernel with CONFIG_SYSVIPC" },
	{ "msg_copy", false, run_msg_copy, "build the kernel with CONFIG_CHECKPOINT_RESTORE" },
	{ "posix_mq", false, run_posix_mq, "build the kernel with CONFIG_POSIX_MQUEUE" },
	{ "tcp_repair", false, run_repair, NULL },
	{ "raw_sockets", false, run_raw, NULL },
	{ "packet_sockets", false, run_packet, "build the kernel with CONFIG_PACKET" },
	{ "sock_diag", false, run_diag, "build the kernel with CONFIG_UNIX_DIAG" },
	{ "inotify", false, run_inotify, "build the kernel with CONFIG_INOTIFY_USER" },
	{ "mempolicy", false, run_mempolicy, "build the kernel with CONFIG_NUMA" },
	{ "keyring", false, run_keyring, "build the kernel with CONFIG_KEYS" },
	{ "anon_name", false, run_anon_name, "build the kernel with CONFIG_ANON_VMA_NAME" },
	{ "devpts", false, run_devpts, NULL },
	{ "io_uring", false, run_io_uring, "ask for kernel.io_uring_disabled=0" },
	{ .name = NULL },
};
