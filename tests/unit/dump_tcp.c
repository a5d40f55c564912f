/* What a dump refuses of TCP sockets: what lies on top of TCP, and what has no other end yet. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "answers.h"
#include "dump_made.h"
#include "kind/support/tcp_form.h"

enum { AO_INFO = 40 }; /* TCP_AO_INFO; libc may not know it */

static void expect_refusal(struct unit *unit, const char *refusal)
{
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_made struct made made;

	made_begin(&made);
	made.fd.flags = O_RDWR;
	EXPECT_TEXT(unit, made_dump_fd(&made, "sock_tcp", fd, ""), refusal);
}

static void plain(struct unit *unit)
{
	expect_refusal(unit, "");
}

/* An option that is there, and its text. */
struct option {
	uint64_t number;
	const char *text;
	const char *refusal;
};

static bool tell_option(void *argument, pid_t tid, struct user_regs_struct *regs)
{
	const struct option *option = argument;
	socklen_t size = (socklen_t)strlen(option->text);

	if (!answer_is(regs, SYS_getsockopt) || regs->rsi != IPPROTO_TCP ||
	    regs->rdx != option->number)
		return false;
	regs->rax = 0;
	return answer_write(tid, regs->r10, option->text, size) &&
	       answer_write(tid, regs->r8, &size, sizeof(size));
}

static void dump_with_option(struct unit *unit, void *argument)
{
	expect_refusal(unit, ((const struct option *)argument)->refusal);
}

static void on_top(struct unit *unit)
{
	struct option encryption = { TCP_ULP, "tls", "TCP with tls on top is not supported" };
	struct option keys = { AO_INFO, "", "TCP with signed segments is not supported" };

	with_answers(unit, dump_with_option, tell_option, &encryption);
	with_answers(unit, dump_with_option, tell_option, &keys);
}

/* Accepted by TCP_FASTOPEN, before the other end has answered. */
static void accepted_early(struct unit *unit)
{
	const struct tcp_info info = { .tcpi_state = TCP_SYN_RECV };
	const struct tcp_connection_rec rec = { .local = { .family = le16_make(AF_INET) },
						.peer = { .family = le16_make(AF_INET) } };
	struct tcp_queues queues = { .mate = NULL };
	auto_made struct made made;

	made_begin(&made);
	EXPECT(unit, tcp_form_find(&made.d, &queues, &info, &rec) == 0);
	EXPECT(unit, made.own.blocker_count == 1);
}

static const struct unit_case cases[] = {
	UNIT_CASE(plain),
	UNIT_CASE(on_top),
	UNIT_CASE(accepted_early),
};

int main(void)
{
	return UNIT_RUN(cases);
}
