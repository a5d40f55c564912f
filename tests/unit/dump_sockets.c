/* Whose network a socket belongs to, as far as that can be told, and filters that cannot be saved.
 */
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "answers.h"
#include "dump_made.h"
#include "enter.h"

static const char stranger[] = "a socket of another network namespace is not supported";

static int make_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static const char *dump_socket(struct made *made, int fd)
{
	made->fd.flags = O_RDWR;
	return made_dump_fd(made, "sock_udp", fd, "");
}

/* ---- network namespaces ---- */

static void in_child(struct unit *unit, void (*run)(struct unit *unit, struct made *made))
{
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		struct made made;

		made_begin(&made);
		run(unit, &made);
		(void)fflush(stdout);
		_exit(unit->has_failed ? 1 : 0);
	}
	EXPECT(unit, waitpid(child, &status, 0) == child && status == 0);
}

/* Of both, the kernel says which they are. */
static void compare_known(struct unit *unit, struct made *made)
{
	auto_close int other = -1;
	auto_close int own = -1;

	if (!EXPECT(unit, enter(CLONE_NEWUSER | CLONE_NEWNET)))
		return;
	other = make_socket();
	EXPECT(unit, enter(CLONE_NEWNET));
	own = make_socket();
	EXPECT_TEXT(unit, dump_socket(made, own), "");
	EXPECT_TEXT(unit, dump_socket(made, other), stranger);
}

static void known_networks(struct unit *unit)
{
	in_child(unit, compare_known);
}

/* The task's network namespace is none that has such a number. */
static void lead_elsewhere(struct unit *unit, struct made *made, int own)
{
	char top[] = "/tmp/unit-sockets-XXXXXX";
	auto_close int proc = -1;
	int before = made->task.proc;

	if (!EXPECT(unit, mkdtemp(top)))
		return;
	proc = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(unit, mkdirat(proc, "ns", 0700) == 0 && symlinkat(top, proc, "ns/net") == 0);
	made->task.proc = proc;
	EXPECT_TEXT(unit, dump_socket(made, own), stranger);
	made->task.proc = before;
	(void)unlinkat(proc, "ns/net", 0);
	(void)unlinkat(proc, "ns", AT_REMOVEDIR);
	(void)rmdir(top);
}

/* Without rights over any, one's own can be told from others, and nothing else. */
static void compare_unknown(struct unit *unit, struct made *made)
{
	auto_close int other = make_socket();
	auto_close int own = -1;

	if (!EXPECT(unit, enter(CLONE_NEWUSER | CLONE_NEWNET)))
		return;
	own = make_socket();
	EXPECT(unit, enter(CLONE_NEWUSER));
	EXPECT_TEXT(unit, dump_socket(made, own), "");
	EXPECT_TEXT(unit, dump_socket(made, other), stranger);
	lead_elsewhere(unit, made, own);
}

static void unknown_networks(struct unit *unit)
{
	in_child(unit, compare_unknown);
}

/* One of a namespace of the container's that nobody is in. */
static void deserted_network(struct unit *unit)
{
	auto_close int fd = make_socket();
	auto_made struct made made;
	struct dump_namespace network = { .id = 7 };

	made_begin(&made);
	made.own.namespaces = &network;
	made.own.namespace_count = 1;
	made.fd.ns = network.id;
	EXPECT_TEXT(unit, dump_socket(&made, fd), stranger);
	network.task = &made.task;
	EXPECT_TEXT(unit, dump_socket(&made, fd), "");
}

/* ---- filters ---- */

static bool set_filter(int fd, unsigned short count)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_IMM, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { count, steps + 2 - count };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

struct filtered {
	int fd;
	bool is_foreign;    /* a program of another kind */
	unsigned int asked; /* how often somebody has asked for the filter */
	const char *refusal;
};

static void save_filtered(struct unit *unit, void *argument)
{
	const struct filtered *filtered = argument;
	auto_made struct made made;

	made_begin(&made);
	EXPECT_TEXT(unit, dump_socket(&made, filtered->fd), filtered->refusal);
}

/* After the first question, for its length. */
static bool answer_filter(void *argument, pid_t tid, struct user_regs_struct *regs)
{
	struct filtered *filtered = argument;

	(void)tid;
	if (!answer_is(regs, SYS_getsockopt) || regs->rsi != SOL_SOCKET ||
	    regs->rdx != SO_GET_FILTER || filtered->asked++ > 0)
		return false;
	if (!filtered->is_foreign)
		return !set_filter(filtered->fd, 1);
	regs->rax = (unsigned long long)-EACCES;
	return true;
}

static void filters(struct unit *unit)
{
	auto_close int fd = make_socket();
	struct filtered foreign = {
		.fd = fd,
		.is_foreign = true,
		.refusal = "a BPF program on a socket is not supported",
	};
	struct filtered shorter = {
		.fd = fd,
		.refusal = "the filter of a socket can't be read",
	};

	EXPECT(unit, set_filter(fd, 2));
	with_answers(unit, save_filtered, answer_filter, &foreign);
	with_answers(unit, save_filtered, answer_filter, &shorter);
	EXPECT(unit, foreign.asked == 1 && shorter.asked == 2);
}

static const struct unit_case cases[] = {
	UNIT_CASE(known_networks),
	UNIT_CASE(unknown_networks),
	UNIT_CASE(deserted_network),
	UNIT_CASE(filters),
};

int main(void)
{
	return UNIT_RUN(cases);
}
