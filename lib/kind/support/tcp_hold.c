/* Connections held still. See tcp_hold.h. */
#include "kind/support/tcp_hold.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/membarrier.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/netlink.h"
#include "kind/support/tcp.h"
#include "kind/support/tcp_table.h"

struct held {
	int fd;			    /* borrowed; the keeper has its own of it */
	struct sock_filter *filter; /* owned; the program's own; NULL: none */
	size_t filter_size;	    /* instructions */
	int reuse;		    /* SO_REUSEADDR, which repair mode forgets */
};

struct tcp_hold {
	struct held *sockets; /* owned */
	size_t count;
	int control; /* owned: to the keeper */
	pid_t keeper;
};

/* What the keeper is told. The end of the connection means: all as it was. */
enum order { ORDER_SILENCE = 's', ORDER_OVER = 'o' };

const char *tcp_hold_fault(int fd)
{
	socklen_t count = 0;
	char none;

	if (socket_number(fd, SO_LOCK_FILTER) > 0)
		return "whose filter is locked";
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &none, &count) < 0)
		return "whose filter can't be read";
	return NULL;
}

/* ---- in the keeper ---- */

static int set_filter(int fd, struct sock_filter *filter, size_t count)
{
	struct sock_fprog program = { .len = (unsigned short)count, .filter = filter };
	int none = 0;

	if (filter)
		return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none));
}

/* A packet that has passed the old filter already may still be on its way: the barrier waits for
 * all that are. */
static int hold_all(const struct tcp_hold *hold)
{
	struct sock_filter nothing = { .code = BPF_RET | BPF_K };

	for (size_t i = 0; i < hold->count; i++) {
		if (set_filter(hold->sockets[i].fd, &nothing, 1) < 0)
			return -errno;
	}
	(void)syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	return 0;
}

/* From this end to the other one, nothing finds a way. */
static int order_rule(struct netlink *netlink, uint16_t type, int fd)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	struct inet_address_rec local_rec = inet_local(fd);
	struct inet_address_rec peer_rec = inet_peer(fd);
	struct tcp_place local = tcp_place_of(&local_rec);
	struct tcp_place peer = tcp_place_of(&peer_rec);
	bool is_v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)local.address);
	struct fib_rule_port_range from = { local.port, local.port };
	struct fib_rule_port_range to = { peer.port, peer.port };
	struct fib_rule_hdr header = {
		.family = is_v4 ? AF_INET : AF_INET6,
		.src_len = is_v4 ? 32 : 128,
		.dst_len = is_v4 ? 32 : 128,
		.action = FR_ACT_BLACKHOLE,
	};
	uint8_t protocol = IPPROTO_TCP;
	size_t start = is_v4 ? 12 : 0;

	netlink_begin(&message, type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, &header,
		      sizeof(header));
	netlink_put(&message, FRA_SRC, local.address + start, 16 - start);
	netlink_put(&message, FRA_DST, peer.address + start, 16 - start);
	netlink_put_u32(&message, FRA_PRIORITY, 1);
	netlink_put(&message, FRA_IP_PROTO, &protocol, sizeof(protocol));
	netlink_put(&message, FRA_SPORT_RANGE, &from, sizeof(from));
	netlink_put(&message, FRA_DPORT_RANGE, &to, sizeof(to));
	return netlink_order(netlink, &message);
}

/* In the network namespace of the socket. */
static int change_rule(uint16_t type, int fd)
{
	auto_netlink struct netlink *netlink = NULL;
	auto_close int ns = ioctl(fd, SIOCGSKNS);
	int r;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	r = netlink_open(NETLINK_ROUTE, &netlink);
	if (r == 0)
		r = order_rule(netlink, type, fd);
	return r == -EEXIST && type == RTM_NEWRULE ? 0 : r;
}

static int silence_all(struct tcp_hold *hold)
{
	static const int on = 1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < hold->count; i++) {
		int fd = hold->sockets[i].fd;

		hold->sockets[i].reuse = socket_number(fd, SO_REUSEADDR);
		r = change_rule(RTM_NEWRULE, fd);
		if (r == 0 && setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
			r = -errno;
	}
	return r;
}

static void undo_all(const struct tcp_hold *hold, bool is_silent)
{
	static const int off = TCP_REPAIR_OFF_NO_WP;

	for (size_t i = 0; i < hold->count; i++) {
		const struct held *held = &hold->sockets[i];

		if (is_silent) {
			(void)change_rule(RTM_DELRULE, held->fd);
			(void)setsockopt(held->fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
			(void)setsockopt(held->fd, SOL_SOCKET, SO_REUSEADDR, &held->reuse,
					 sizeof(held->reuse));
		}
		(void)set_filter(held->fd, held->filter, held->filter_size);
	}
}

__attribute__((noreturn)) static void keep(struct tcp_hold *hold, int control)
{
	bool is_silent = false;
	bool is_over = false;
	int answer = hold_all(hold);
	char order;

	(void)send(control, &answer, sizeof(answer), MSG_NOSIGNAL);
	while (recv(control, &order, 1, 0) == 1) {
		if (order == ORDER_SILENCE) {
			is_silent = true;
			answer = silence_all(hold);
			(void)send(control, &answer, sizeof(answer), MSG_NOSIGNAL);
		}
		is_over = is_over || order == ORDER_OVER;
	}
	if (!is_over)
		undo_all(hold, is_silent);
	_exit(0);
}

/* ---- in the worker ---- */

static int read_filter(int fd, struct held *held)
{
	socklen_t count = 0;
	char none;

	held->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &none, &count) < 0)
		return -errno;
	if (count == 0)
		return 0;
	held->filter = mem_alloc(count, sizeof(*held->filter));
	held->filter_size = count;
	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, held->filter, &count) < 0 ? -errno : 0;
}

/* No signal may end it: it alone knows what is to be undone. */
static int start_keeper(struct tcp_hold *hold)
{
	int ends[2];
	sigset_t all;
	sigset_t old;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	hold->keeper = fork();
	if (hold->keeper == 0) {
		(void)close(ends[0]);
		keep(hold, ends[1]);
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	(void)close(ends[1]);
	hold->control = ends[0];
	return hold->keeper < 0 ? -errno : 0;
}

static int hear(const struct tcp_hold *hold)
{
	int answer;

	return recv(hold->control, &answer, sizeof(answer), 0) == sizeof(answer) ? answer : -EPIPE;
}

int tcp_hold_start(const int *fds, size_t count, struct tcp_hold **ret_hold, struct err *err)
{
	struct tcp_hold *hold = mem_alloc(1, sizeof(*hold));
	int r = 0;

	*hold = (struct tcp_hold){ .count = count, .control = -1, .keeper = -1 };
	hold->sockets = mem_alloc(count, sizeof(*hold->sockets));
	for (size_t i = 0; r == 0 && i < count; i++)
		r = read_filter(fds[i], &hold->sockets[i]);
	if (r == 0)
		r = start_keeper(hold);
	if (r == 0)
		r = hear(hold);
	if (r == 0) {
		*ret_hold = hold;
		return 0;
	}
	tcp_hold_free(hold, false);
	return err_set(err, r, "hold TCP connections");
}

const struct sock_filter *tcp_hold_filter(const struct tcp_hold *hold, size_t index,
					  size_t *ret_count)
{
	*ret_count = hold->sockets[index].filter_size;
	return hold->sockets[index].filter;
}

int tcp_hold_silence(struct tcp_hold *hold, struct err *err)
{
	char order = ORDER_SILENCE;
	int r = send(hold->control, &order, 1, MSG_NOSIGNAL) == 1 ? hear(hold) : -errno;

	return r < 0 ? err_set(err, r, "silence TCP connections") : 0;
}

void tcp_hold_free(struct tcp_hold *hold, bool is_over)
{
	char order = ORDER_OVER;

	if (!hold)
		return;
	if (is_over && hold->control >= 0)
		(void)send(hold->control, &order, 1, MSG_NOSIGNAL);
	drop_fd(&hold->control);
	if (hold->keeper > 0)
		(void)waitpid(hold->keeper, NULL, 0);
	for (size_t i = 0; i < hold->count; i++)
		free(hold->sockets[i].filter);
	free(hold->sockets);
	free(hold);
}
