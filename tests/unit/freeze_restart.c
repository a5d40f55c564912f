/* Which interrupted calls are started anew. */
#include <errno.h>
#include <sys/syscall.h>

#include "freeze/restart.h"
#include "unit.h"

#define PLACE 0x1000

static struct user_regs_struct stopped(long call, long result)
{
	return (struct user_regs_struct){ .orig_rax = (unsigned long)call,
					  .rax = (unsigned long)result,
					  .rip = PLACE + 2 };
}

static void test_restarted(struct unit *unit)
{
	const long calls[] = { SYS_epoll_wait, SYS_epoll_pwait, SYS_rt_sigtimedwait, SYS_recvmsg,
			       SYS_read };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct user_regs_struct regs = stopped(calls[i], -EINTR);

		EXPECT(unit, restart_registers(&regs, 0));
		EXPECT(unit, regs.rip == PLACE && regs.rax == (unsigned long)calls[i]);
		EXPECT(unit, (long)regs.orig_rax == -1);
	}
}

static void expect_left(struct unit *unit, long call, long result, uint64_t pending)
{
	struct user_regs_struct regs = stopped(call, result);
	const struct user_regs_struct before = regs;

	EXPECT(unit, !restart_registers(&regs, pending));
	EXPECT(unit, memcmp(&regs, &before, sizeof(regs)) == 0);
}

static void test_left(struct unit *unit)
{
	expect_left(unit, SYS_epoll_wait, 0, 0);
	expect_left(unit, SYS_epoll_wait, 1, 0);
	/* The kernel's own restarts. */
	expect_left(unit, SYS_epoll_wait, -512, 0);
	expect_left(unit, SYS_read, -EAGAIN, 0);
	/* Not in a call, whatever rax holds. */
	expect_left(unit, -1, -EINTR, 0);
	/* What they did cannot be done twice. */
	expect_left(unit, SYS_close, -EINTR, 0);
	expect_left(unit, SYS_connect, -EINTR, 0);
	/* A signal is on its way: it is right to say so. */
	expect_left(unit, SYS_epoll_wait, -EINTR, 1ull << 9);
}

static const struct unit_case cases[] = {
	UNIT_CASE(test_restarted),
	UNIT_CASE(test_left),
};

int main(void)
{
	return UNIT_RUN(cases);
}
