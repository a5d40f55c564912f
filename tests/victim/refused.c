/* Many things that cannot be saved, all at once: each must be named. "descriptors", "mappings",
 * "more", or else what tasks have besides. */
#include <arpa/inet.h>
#include <asm/ldt.h>
#include <linux/aio_abi.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "victim.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* ---- sockets ---- */

static int make_udp(uint16_t port)
{
	struct sockaddr_in place = { .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&place, sizeof(place)) == 0);
	return fd;
}

static void set(int fd, int level, int name, int value)
{
	EXPECT(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

static void connect_to(int fd, uint16_t port)
{
	struct sockaddr_in place = { .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	EXPECT(connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0);
}

static void make_sockets(void)
{
	struct group_source_req source = { .gsr_interface = 1 };
	struct group_req group = { .gr_interface = 1 };
	struct sockaddr_in *place = (struct sockaddr_in *)&group.gr_group;
	int carrier = make_udp(7001), joined = make_udp(7002), failed = make_udp(7003);
	int sender = make_udp(7004), member = make_udp(7005);
	struct pollfd error = { .fd = failed };

	set(carrier, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_L2TPINUDP);
	set(joined, IPPROTO_UDP, UDP_GRO, 1);
	connect_to(sender, 7002);
	EXPECT(send(sender, "one", 3, 0) == 3);
	/* Nobody is there. */
	connect_to(failed, 7999);
	EXPECT(send(failed, "one", 3, 0) == 3 && poll(&error, 1, 10000) == 1);
	place->sin_family = AF_INET;
	place->sin_addr.s_addr = inet_addr("239.1.2.3");
	EXPECT(setsockopt(member, IPPROTO_IP, MCAST_JOIN_GROUP, &group, sizeof(group)) == 0);
	memcpy(&source.gsr_group, &group.gr_group, sizeof(source.gsr_group));
	memcpy(&source.gsr_source, &group.gr_group, sizeof(source.gsr_source));
	((struct sockaddr_in *)&source.gsr_source)->sin_addr.s_addr = inet_addr("10.1.2.3");
	EXPECT(setsockopt(member, IPPROTO_IP, MCAST_BLOCK_SOURCE, &source, sizeof(source)) == 0);
	set(socket(AF_INET, SOCK_STREAM, 0), IPPROTO_TCP, TCP_REPAIR, 1);
}

/* ---- what is on its way through a socket ---- */

static void send_away(int fd)
{
	static int pair[2] = { -1, -1 };
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = room,
				  .msg_controllen = sizeof(room) };
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);

	EXPECT(pair[0] >= 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	EXPECT(fd >= 0 && sendmsg(pair[0], &message, 0) == 1 && close(fd) == 0);
}

/* ---- files and memory ---- */

static void make_files(void)
{
	int away = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, 0);

	EXPECT(open("/dev/null", O_ACCMODE) >= 0);
	EXPECT(memfd_create("huge", MFD_HUGETLB) >= 0);
	send_away(inotify_init1(0));
	/* An ordinary user may not everywhere. */
	if (away >= 0)
		send_away(away);
	else
		victim_write("no-fanotify", "");
}

static char *make_ring(size_t *ret_size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end = 0;
	aio_context_t context = 0;
	char line[256];

	EXPECT(maps && syscall(SYS_io_setup, 1000, &context) == 0);
	while (fgets(line, sizeof(line), maps) &&
	       (sscanf(line, "%lx-%lx", &start, &end) != 2 || start != context))
		;
	EXPECT(fclose(maps) == 0 && end > context);
	*ret_size = end - context;
	return (char *)context;
}

static void make_rings(void)
{
	size_t size;
	char *ring = make_ring(&size);

	EXPECT(madvise(ring, size, MADV_DONTFORK) == 0);
	ring = make_ring(&size);
	EXPECT(mprotect(ring, size, PROT_READ) == 0);
	ring = make_ring(&size);
	EXPECT(munmap(ring, 4096) == 0);
}

/* ---- tasks ---- */

/* It notifies whoever makes it, who ends. */
static void *make_orphan(void *unused)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	timer_t timer;

	event._sigev_un._tid = gettid();
	EXPECT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	return unused;
}

static void run_thread(void *(*run)(void *))
{
	pthread_t thread;

	EXPECT(pthread_create(&thread, NULL, run, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

/* In a mount namespace of its own, in a directory that is gone. */
static void leave_mounts(void)
{
	EXPECT(unshare(CLONE_NEWNS) == 0 && mkdir("/tmp/refused-gone", 0700) == 0 &&
	       chdir("/tmp/refused-gone") == 0 && rmdir("/tmp/refused-gone") == 0);
}

static void make_timer(pid_t child)
{
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	clockid_t clock;
	timer_t timer;

	EXPECT(clock_getcpuclockid(child, &clock) == 0 && timer_create(clock, &none, &timer) == 0);
}

static void make_signal(void)
{
	sigset_t trap;

	(void)sigemptyset(&trap);
	(void)sigaddset(&trap, SIGTRAP);
	EXPECT(sigprocmask(SIG_BLOCK, &trap, NULL) == 0 && raise(SIGTRAP) == 0);
}

static void leave_root(void)
{
	EXPECT(chroot("/tmp") == 0);
}

static pid_t make_child(void (*leave)(void))
{
	int ready[2];
	char byte;
	pid_t child;

	EXPECT(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		leave();
		EXPECT(write(ready[1], "", 1) == 1);
		for (;;)
			(void)pause();
	}
	EXPECT(child > 0 && read(ready[0], &byte, 1) == 1);
	return child;
}

/* ---- what is mapped, and leads nowhere else ---- */

enum { SYSCALL_MSEAL = 462, PAGE = 4096 };

static void make_mappings(void)
{
	int receiver = socket(AF_INET, SOCK_STREAM, 0);
	void *sealed = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(receiver >= 0 && mmap(NULL, PAGE, PROT_READ, MAP_SHARED, receiver, 0) != MAP_FAILED);
	EXPECT(sealed != MAP_FAILED);
	/* Since 6.10. */
	if (syscall(SYSCALL_MSEAL, sealed, PAGE, 0) < 0)
		victim_write("no-seal", "");
}

/* The second key of a program that is only executed would be the first after a restore. */
static void make_code(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pkey_alloc(0, 0) < 0)
		victim_write("no-keys", "");
	EXPECT(page != MAP_FAILED && mprotect(page, PAGE, PROT_EXEC) == 0);
}

/* Both ends are one socket. */
static void connect_to_itself(void)
{
	struct sockaddr_in place = { .sin_family = AF_INET,
				     .sin_port = htons(7010),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&place, sizeof(place)) == 0);
	EXPECT(connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0);
}

/* A segment of its own. */
static void make_table(void)
{
	struct user_desc segment = { .limit = 10, .seg_32bit = 1 };

	/* A kernel may be without. */
	if (syscall(SYS_modify_ldt, 1, &segment, sizeof(segment)) < 0) {
		EXPECT(errno == ENOSYS);
		victim_write("no-table", "");
	}
}

static void make_more(void)
{
	connect_to_itself();
	make_table();
	set(make_udp(7006), IPPROTO_UDP, UDP_CORK, 1);
	run_thread(make_orphan);
	(void)make_child(leave_mounts);
}

/* The process goes on without its main thread. */
static void *live_alone(void *unused)
{
	(void)unused;
	wait_for_restore();
	victim_done();
}

static _Noreturn void leave_alone(void)
{
	pthread_t thread;

	EXPECT(pthread_create(&thread, NULL, live_alone, NULL) == 0);
	for (;;)
		(void)syscall(SYS_exit, 0);
}

int main(int argc, char **argv)
{
	(void)victim_dir();
	if (argc > 1 && strcmp(argv[1], "descriptors") == 0) {
		make_sockets();
		make_files();
	} else if (argc > 1 && strcmp(argv[1], "more") == 0) {
		make_more();
	} else if (argc > 1 && strcmp(argv[1], "mappings") == 0) {
		make_mappings();
	} else if (argc > 1 && strcmp(argv[1], "alone") == 0) {
		leave_alone();
	} else if (argc > 1 && strcmp(argv[1], "code") == 0) {
		make_code();
	} else {
		make_timer(make_child(leave_root));
		make_rings();
		make_signal();
	}
	wait_for_restore();
	victim_done();
}
