/* What a dump refuses of TCP sockets: what lies on top of TCP, and what has no other end yet. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "dump_made.h"
#include "kind/support/tcp_form.h"
#include "told.h"

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

static void with_protocol(struct unit *unit)
{
	EXPECT(unit, tell(SYS_getsockopt, 2, TCP_ULP, 0));
	expect_refusal(unit, "TCP with  on top is not supported");
}

static void on_top(struct unit *unit)
{
	run_in_child(unit, with_protocol);
}

static void with_keys(struct unit *unit)
{
	EXPECT(unit, tell(SYS_getsockopt, 2, AO_INFO, 0));
	expect_refusal(unit, "TCP with signed segments is not supported");
}

static void signed_segments(struct unit *unit)
{
	run_in_child(unit, with_keys);
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
	UNIT_CASE(signed_segments),
	UNIT_CASE(accepted_early),
};

int main(void)
{
	return UNIT_RUN(cases);
}
