/* What kinds of descriptors refuse to save, by what the kernel shows of them: texts that are made
 * up, and more of a thing than a container of a test could have. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/netlink.h"
#include "dump_made.h"
#include "kind/support/files.h"
#include "kind/support/tcp_queues.h"
#include "kind/support/unix_sockets.h"
#include "kind/support/uring.h"

struct text_case {
	const char *kind;
	const char *link;
	const char *fdinfo;
	const char *refusal;
};

/* The watched file is on a device that nothing is mounted from. */
#define WATCHED "ino:1f sdev:fffffff0"
#define MARK	"fanotify ino:1f sdev:fffffff0 "

static const struct text_case texts[] = {
	{ "eventfd", "anon_inode:[eventfd]", "eventfd-count: ffffffffffffffff\n",
	  "the counter of an eventfd has overflowed" },
	{ "pidfd", "anon_inode:[pidfd]", "pos:\t0\nPid:\t0\n",
	  "pidfd of a process outside of the container" },
	{ "nsfd", "/run/netns/blue", "",
	  "a namespace that is mounted on /run/netns/blue is not supported" },
	{ "nsfd", "net:[1]", "", "namespace net:[1] is not the container's" },
	{ "inotify", "anon_inode:inotify", "inotify wd:100001 " WATCHED " mask:2 ignored_mask:0 \n",
	  "inotify watch 1048577 has a number above 1048576" },
	{ "fanotify", "anon_inode:[fanotify]", "fanotify flags:2200 event-flags:0\n",
	  "fanotify with flags 0x2200 is not supported" },
	{ "fanotify", "anon_inode:[fanotify]", "fanotify flags:0 event-flags:0\n",
	  "fanotify with flags 0 is not supported" },
	{ "fanotify", "anon_inode:[fanotify]",
	  "fanotify flags:200 event-flags:0\nfanotify mnt_id:7 mflags:0 mask:2 ignored_mask:0 \n",
	  "fanotify marks a whole mount or file system" },
	{ "fanotify", "anon_inode:[fanotify]",
	  "fanotify flags:200 event-flags:0\nfanotify sdev:7 mflags:0 mask:2 ignored_mask:0 \n",
	  "fanotify marks a whole mount or file system" },
	{ "fanotify", "anon_inode:[fanotify]",
	  "fanotify flags:200 event-flags:0\nfanotify mnt_ns:7 mflags:0 mask:2 ignored_mask:0 \n",
	  "fanotify marks a whole mount or file system" },
	{ "fanotify", "anon_inode:[fanotify]",
	  "fanotify flags:200 event-flags:0\n" MARK "mflags:800 mask:2 ignored_mask:0 \n",
	  "fanotify mark 0x800, 0x2, 0 is not supported" },
	{ "fanotify", "anon_inode:[fanotify]",
	  "fanotify flags:200 event-flags:0\n" MARK "mflags:0 mask:2 ignored_mask:10000 \n",
	  "fanotify mark 0, 0x2, 0x10000 is not supported" },
	{ "fanotify", "anon_inode:[fanotify]",
	  "fanotify flags:200 event-flags:0\n" MARK "mflags:0 mask:2 ignored_mask:0 \n",
	  "fanotify marks a file that was not found (inode 31 of device 4095:1048560)" },
};

static void shown(struct unit *unit)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_made struct made made;

		made_begin(&made);
		made.fd.link = (char *)texts[i].link;
		EXPECT_TEXT(unit, made_dump_fd(&made, texts[i].kind, -1, texts[i].fdinfo),
			    texts[i].refusal);
	}
}

/* `count` lines that have a number between `before` and `behind`, the highest first. */
static char *lines(const char *head, const char *before, unsigned int count, const char *behind)
{
	auto_buf struct buf text = BUF_EMPTY;

	buf_printf(&text, "%s", head);
	for (unsigned int i = count; i > 0; i--)
		buf_printf(&text, "%s%x%s\n", before, i, behind);
	return mem_copy(text.data, text.size);
}

static void too_many(struct unit *unit)
{
	static const struct {
		const char *kind, *head, *before;
		unsigned int count;
		const char *behind, *refusal;
	} cases[] = {
		{ "inotify", "", "inotify wd:", 65537, " " WATCHED " mask:2 ignored_mask:0 ",
		  "inotify has more than 65536 watches" },
		{ "fanotify", "fanotify flags:200 event-flags:0\n", "fanotify ino:", 65537,
		  " sdev:fffffff0 mflags:0 mask:2 ignored_mask:0 ",
		  "fanotify has more than 65536 marks" },
		{ "eventpoll", "", "tfd:        7 events:       19 data: ", 1048577, " ",
		  "epoll watches more than 1048576 files" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_free char *text =
		    lines(cases[i].head, cases[i].before, cases[i].count, cases[i].behind);
		auto_made struct made made;

		made_begin(&made);
		EXPECT_TEXT(unit, made_dump_fd(&made, cases[i].kind, -1, text), cases[i].refusal);
	}
}

static void watch_numbers_of_all(struct unit *unit)
{
	auto_made struct made made;

	made_begin(&made);
	made.own.watch_numbers = 1 << 22;
	EXPECT_TEXT(
	    unit,
	    made_dump_fd(&made, "inotify", -1, "inotify wd:1 " WATCHED " mask:2 ignored_mask:0 \n"),
	    "inotify watches of the container have used more than 4194304 numbers");
}

static void long_handle(struct unit *unit)
{
	char digits[600] = "";
	auto_free char *text = NULL;
	auto_made struct made made;

	memset(digits, '7', sizeof(digits) - 1);
	text = mem_printf("fanotify flags:200 event-flags:0\n" MARK
			  "mflags:0 mask:2 ignored_mask:0 fhandle-bytes:12c f_handle:%s\n",
			  digits);
	made_begin(&made);
	EXPECT_TEXT(unit, made_dump_fd(&made, "fanotify", -1, text),
		    "fanotify marks a file with a long handle");
}

/* ---- locks ---- */

static void too_many_locks(struct unit *unit)
{
	auto_free char *text =
	    lines("", "lock:\t1: POSIX  ADVISORY  WRITE 1 00:0e:1 0 ", 65537, "0");
	struct dump_slot slot = { .number = 5, .file = 9, .locks = text };
	auto_made struct made made;

	/* The last number of a line is decimal. */
	for (char *at = text; *at; at++)
		*at =
		    *at >= 'a' && *at <= 'f' && (at[-1] == ' ' || (at[-1] >= '0' && at[-1] <= '9'))
			? '9'
			: *at;
	made_begin(&made);
	made.d.fd = NULL;
	made.task.slots = &slot;
	made.task.slot_count = 1;
	EXPECT_TEXT(unit, made_dump(&made, "filelock"), "it has more than 65536 locks");
}

static void locks_of_the_terminal(struct unit *unit)
{
	struct dump_slot slot = { .number = 5,
				  .file = 9,
				  .locks = (char *)"lock:\t1: FLOCK  ADVISORY  WRITE 1 00:0e:1 0 "
						   "EOF\n" };
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	made.task.slots = &slot;
	made.task.slot_count = 1;
	EXPECT_TEXT(unit, made_dump(&made, "filelock"), "");
	EXPECT(unit, made.own.record_count == 1);
	dump_record(&made.d, 9, kind_by_name("stdio"), "", 0);
	EXPECT_TEXT(unit, made_dump(&made, "filelock"),
		    "descriptor 5: a locked file outside of the container");
}

/* ---- what leads outside ---- */

static void given_from_outside(struct unit *unit)
{
	auto_made struct made made;
	auto_close int counter = eventfd(0, EFD_CLOEXEC);
	auto_close int one = -1;
	auto_close int other = -1;
	int pair[2];

	made_begin(&made);
	if (!EXPECT(unit, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0))
		return;
	one = pair[0];
	other = pair[1];
	made.fd.fd = one;
	made.fd.flags = O_RDWR;
	EXPECT(unit, !external_takes(&made.d));
	made.own.outside.external = true;
	made.fd.is_in_flight = true;
	EXPECT(unit, !external_takes(&made.d));
	made.fd.is_in_flight = false;
	made.fd.flags = O_PATH;
	EXPECT(unit, !external_takes(&made.d));
	made.fd.flags = O_RDWR;
	made.fd.fd = -1;
	EXPECT(unit, !external_takes(&made.d));
	made.fd.fd = counter;
	EXPECT(unit, !external_takes(&made.d));
	EXPECT(unit, made.own.record_count == 0);
	made.fd.fd = one;
	EXPECT(unit, external_takes(&made.d) && made.own.record_count == 1);
}

static void fifo_outside(struct unit *unit)
{
	char path[] = "/tmp/unit-fifo-XXXXXX";
	auto_free char *fifo = NULL;
	auto_free char *refusal = NULL;
	auto_close int reader = -1;
	auto_close int writer = -1;
	auto_made struct made made;

	made_begin(&made);
	if (!EXPECT(unit, mkdtemp(path)))
		return;
	fifo = mem_printf("%s/fifo", path);
	refusal = mem_printf("fifo %s is also open outside of the container", fifo);
	if (EXPECT(unit, mkfifo(fifo, 0600) == 0)) {
		reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		writer = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		made.fd.link = fifo;
		EXPECT_TEXT(unit, made_dump_fd(&made, "fifo", reader, ""), refusal);
		(void)close(writer);
		writer = -1;
		EXPECT_TEXT(unit, made_dump_fd(&made, "fifo", reader, ""), "");
	}
	(void)unlink(fifo);
	(void)rmdir(path);
}

static void file_of_another_process(struct unit *unit)
{
	auto_close int file = open("/proc/1/status", O_RDONLY | O_CLOEXEC);
	auto_made struct made made;

	made_begin(&made);
	made.fd.link = (char *)"/proc/1/status";
	EXPECT_TEXT(unit, made_dump_fd(&made, "procfile", file, ""), "");
	made.task.vpid = made.thread.vtid = 70000000;
	EXPECT_TEXT(unit, made_dump_fd(&made, "procfile", file, ""),
		    "/proc/1/status is a file of a process outside of the container");
}

/* ---- sockets ---- */

/* Whatever it is: it does not answer as one of TCP does. */
static void untold_tcp(struct unit *unit)
{
	auto_close int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_made struct made made;

	made_begin(&made);
	made.fd.flags = O_RDWR;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_tcp", socket_fd, ""),
		    "this kernel does not tell about a TCP socket");
}

static void unreadable_tcp(struct unit *unit)
{
	auto_close int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_made struct made made;
	struct tcp_queues queues = { .file = &made.fd, .error = -EIO };
	struct tcp_snapshot snapshot = { .queues = &queues, .count = 1 };

	made_begin(&made);
	made.own.tcp = &snapshot;
	made.fd.flags = O_RDWR;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_tcp_connection", socket_fd, ""),
		    "the queues of a TCP connection can't be read: Input/output error");
}

/* Datagrams would be in the way, too, but there are none. */
static void joined_datagrams(struct unit *unit)
{
	auto_close int closed = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_close int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct pollfd state = { .fd = socket_fd };
	socklen_t size = sizeof(address);
	auto_made struct made made;

	made_begin(&made);
	made.fd.flags = O_RDWR;
	EXPECT(unit,
	       bind(closed, (struct sockaddr *)&address, size) == 0 &&
		   getsockname(closed, (struct sockaddr *)&address, &size) == 0 &&
		   connect(socket_fd, (struct sockaddr *)&address, size) == 0 &&
		   setsockopt(socket_fd, IPPROTO_UDP, UDP_GRO, &(int){ 1 }, sizeof(int)) == 0);
	(void)close(closed);
	closed = -1;
	EXPECT(unit, send(socket_fd, "x", 1, 0) == 1 && poll(&state, 1, 10000) == 1 &&
			 state.revents == POLLERR);
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_udp", socket_fd, ""),
		    "a socket with an error that was not yet read is not supported");
}

/* Asks for all families of generic netlink: mostly more than one answer has room for. */
static int list_families(bool is_filtered)
{
	const struct {
		struct nlmsghdr head;
		struct genlmsghdr generic;
	} question = { { .nlmsg_len = sizeof(question),
			 .nlmsg_type = GENL_ID_CTRL,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		       { .cmd = CTRL_CMD_GETFAMILY, .version = 1 } };
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { 1, &none };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (is_filtered)
		(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	(void)!send(fd, &question, sizeof(question), 0);
	return fd;
}

static bool is_long_list(void)
{
	auto_close int fd = list_families(false);
	struct pollfd state = { .fd = fd, .events = POLLIN };
	char first[65536];

	return recv(fd, first, sizeof(first), 0) > 0 && poll(&state, 1, 0) == 1;
}

static void netlink_answers(struct unit *unit)
{
	static const char refusal[] = "messages in the queue of a netlink socket";
	auto_close int listing = list_families(true);
	auto_close int full = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	const struct nlmsghdr question = { .nlmsg_len = sizeof(question),
					   .nlmsg_type = NLMSG_NOOP,
					   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK };
	struct pollfd state = { .fd = listing, .events = POLLIN };
	auto_made struct made made;

	made_begin(&made);
	made.fd.flags = O_RDWR;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_netlink", full, ""), "");
	EXPECT(unit, send(full, &question, sizeof(question), 0) == sizeof(question));
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_netlink", full, ""), refusal);
	/* The listing goes on, though its filter lets nothing through. */
	EXPECT(unit, poll(&state, 1, 0) == 0);
	if (is_long_list())
		EXPECT_TEXT(unit, made_dump_fd(&made, "sock_netlink", listing, ""), refusal);
}

static bool join_groups(int fd, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct packet_mreq request = {
			.mr_ifindex = 1,
			.mr_type = PACKET_MR_MULTICAST,
			.mr_alen = ETH_ALEN,
			.mr_address = { 1, 0, 0, 0, (unsigned char)(i >> 8), (unsigned char)i },
		};

		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) <
		    0)
			return false;
	}
	return true;
}

/* In a network of its own. */
static int packet_groups(struct unit *unit)
{
	auto_made struct made made;
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 2;
	made_begin(&made);
	made.fd.flags = O_RDWR;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	EXPECT(unit, fd >= 0 && join_groups(fd, 512));
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_packet", fd, ""), "");
	EXPECT(unit, join_groups(fd, 513));
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_packet", fd, ""),
		    "a packet socket with more than 512 groups");
	(void)close(fd);
	return unit->has_failed ? 1 : 0;
}

static void too_many_packet_groups(struct unit *unit)
{
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		status = packet_groups(unit);
		(void)fflush(stdout);
		_exit(status);
	}
	EXPECT(unit, waitpid(child, &status, 0) == child && status == 0);
}

static void unix_sockets(struct unit *unit)
{
	static uint32_t waiting[65537];
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct unix_socket one = { .id = 3, .type = SOCK_STREAM, .fd = fd };
	struct unix_socket *list = &one;
	struct unix_sockets sockets = { .list = &list, .count = 1 };
	struct stat st;
	auto_made struct made made;

	made_begin(&made);
	made.own.unix_sockets = &sockets;
	made.fd.flags = O_RDWR;
	EXPECT(unit, fstat(fd, &st) == 0);
	one.inode = (uint32_t)st.st_ino;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_unix", fd, ""),
		    "this kernel does not show a unix socket");
	one.is_known = one.facts.is_listening = true;
	one.facts.waiting = waiting;
	one.facts.waiting_count = sizeof(waiting) / sizeof(waiting[0]);
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_unix", fd, ""),
		    "more than 65536 connections to be accepted are not supported");
}

/* A stream whose other end is shown to lead elsewhere: that one is refused, not this. */
static void unequal_streams(struct unit *unit)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct unix_socket one = { .id = 3,
				   .type = SOCK_STREAM,
				   .fd = fd,
				   .is_known = true,
				   .facts = { .has_peer = true, .peer = 1 } };
	struct unix_socket other = { .id = 4, .inode = 1, .type = SOCK_STREAM, .fd = fd };
	struct unix_socket *list[] = { &one, &other };
	struct unix_sockets sockets = { .list = list, .count = 2 };
	struct stat st;
	auto_made struct made made;

	made_begin(&made);
	made.own.unix_sockets = &sockets;
	made.fd.flags = O_RDWR;
	EXPECT(unit, fstat(fd, &st) == 0);
	one.inode = (uint32_t)st.st_ino;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_unix", fd, ""), "");
	one.type = SOCK_DGRAM;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_unix", fd, ""),
		    "a unix socket without a name whose pair was connected elsewhere is not "
		    "supported");
}

/* ---- io_uring ---- */

static void rings(struct unit *unit)
{
	auto_with(uring_free) struct uring ring = URING_NONE;
	struct err err = ERR_NONE;
	auto_made struct made made;
	struct dump_entry *entry;

	made_begin(&made);
	made.fd.flags = O_RDWR;
	/* A kernel may be without, or keep them from users. */
	if (uring_make(4, 8, 0, &ring, &err) < 0)
		return;
	EXPECT_TEXT(unit, made_dump_fd(&made, "io_uring", ring.fd, ""), "");
	made.fd.is_in_flight = true;
	EXPECT_TEXT(unit, made_dump_fd(&made, "io_uring", ring.fd, ""),
		    "a ring of io_uring in flight is not supported");
	made.fd.is_in_flight = false;
	if (!EXPECT(unit, made.own.record_count == 1))
		return;
	/* As if that one had had more. */
	entry = (struct dump_entry *)(void *)made.own.records.data;
	((le32 *)entry->body)[4] = le32_make(URING_REQUESTS_MAX + 1);
	EXPECT_TEXT(unit, made_dump_fd(&made, "io_uring", ring.fd, ""),
		    "io_uring: its rings have had more than 134217728 requests");
}

static void ring_mappings(struct unit *unit)
{
	static const struct {
		uint64_t size, offset, flags;
		bool is_good;
	} cases[] = {
		{ 4096, URING_AT_RINGS, 0, true },
		{ 4096, URING_AT_REQUESTS, VMF(dc), true },
		{ 4096, 4096, 0, false },
		{ 4096, URING_AT_RINGS, VMF(lo), false },
		{ 1ull << 47, URING_AT_RINGS, 0, false },
	};
	auto_with(uring_free) struct uring ring = URING_NONE;
	struct err err = ERR_NONE;
	auto_made struct made made;

	made_begin(&made);
	if (uring_make(4, 8, 0, &ring, &err) < 0)
		return;
	made.fd.link = (char *)"anon_inode:[io_uring]";
	made.fd.fd = ring.fd;
	EXPECT(unit, fstat(ring.fd, &made.fd.stat) == 0);
	made.own.files = &made.fd;
	made.own.file_count = 1;
	made.d.fd = NULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct procfs_vma vma = { .start = 1 << 20,
					  .end = (1 << 20) + cases[i].size,
					  .offset = cases[i].offset,
					  .prot = PROT_READ | PROT_WRITE,
					  .is_shared = true,
					  .inode = made.fd.stat.st_ino,
					  .vm_flags = cases[i].flags,
					  .name = (char *)"anon_inode:[io_uring]" };

		made.task.vmas = &vma;
		made.task.vma_count = 1;
		EXPECT_TEXT(unit, made_dump(&made, "io_uring_map"),
			    cases[i].is_good ? ""
					     : "mapping 100000 of a ring of io_uring was cut, "
					       "advised, or is private");
	}
}

static const struct unit_case cases[] = {
	UNIT_CASE(shown),
	UNIT_CASE(too_many),
	UNIT_CASE(watch_numbers_of_all),
	UNIT_CASE(long_handle),
	UNIT_CASE(too_many_locks),
	UNIT_CASE(locks_of_the_terminal),
	UNIT_CASE(given_from_outside),
	UNIT_CASE(fifo_outside),
	UNIT_CASE(file_of_another_process),
	UNIT_CASE(untold_tcp),
	UNIT_CASE(unreadable_tcp),
	UNIT_CASE(joined_datagrams),
	UNIT_CASE(netlink_answers),
	UNIT_CASE(too_many_packet_groups),
	UNIT_CASE(unix_sockets),
	UNIT_CASE(unequal_streams),
	UNIT_CASE(rings),
	UNIT_CASE(ring_mappings),
};

int main(void)
{
	return UNIT_RUN(cases);
}
