/* The parser of what /proc/PID/fdinfo says of a ring of io_uring. */
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/uring.h"

static int failures;

static void report(const char *name, int is_ok)
{
	printf("%s %s\n", is_ok ? "ok" : "not ok", name);
	failures += !is_ok;
}

#define HEAD                                                                                       \
	"pos:\t0\nflags:\t02000002\nmnt_id:\t17\nino:\t45185032\nSqMask:\t0x3\nSqHead:\t3\n"       \
	"SqTail:\t4\nCachedSqHead:\t3\nCqMask:\t0x7\nCqHead:\t1\nCqTail:\t2\nCachedCqTail:\t2\n"

static const char busy[] =
    HEAD "SQEs:\t1\n    3: opcode:NOP, fd:0, flags:0, off:0, addr:0x0, rw_flags:0x0, "
	 "buf_index:0 user_data:0, e0:0x0, e1:0x0\nCQEs:\t1\n    0: user_data:5, res:0, "
	 "flag:0, extra1:0, extra2:0\nSqThread:\t7\nSqThreadCpu:\t-1\nUserFiles:\t2\n"
	 "    0: /x\nUserBufs:\t1\n    0: 0x1000/4096\nPersonalities:\n    1\nPollList:\n"
	 "  op=6, task_works=0\n  op=13, task_works=0\nCqOverflowList:\n"
	 "  user_data=1, res=0, flags=0\nNAPI:\tenabled\n";

static const char idle[] = HEAD "SQEs:\t0\nCQEs:\t1\n    0: user_data:5, res:0, flag:0\n"
				"SqThread:\t-1\nSqThreadCpu:\t-1\nUserFiles:\t0\nUserBufs:\t0\n"
				"PollList:\nCqOverflowList:\nNAPI:\tdisabled\n";

static void test_busy(void)
{
	struct uring_info info;

	report("a busy ring", uring_info_parse(busy, &info));
	report("counters", info.sq_entries == 4 && info.cq_entries == 8 && info.requests == 3 &&
			       info.completions == 2 && info.sq_tail == 4 && info.cq_head == 1);
	report("polls", info.polls == 2 && info.poll_code == 6);
	report("what is registered",
	       info.files == 2 && info.buffers == 1 && info.has_personalities && info.has_napi);
	report("thread and overflow", info.has_thread && info.has_overflow);
	report("long entries", info.shows_request && info.shows_long_request &&
				   info.shows_completion && info.shows_long_completion);
}

static void test_idle(void)
{
	struct uring_info info;

	report("an idle ring", uring_info_parse(idle, &info));
	report("nothing in it", info.polls == 0 && info.files == 0 && info.buffers == 0 &&
				    !info.has_personalities && !info.has_napi && !info.has_thread &&
				    !info.has_overflow);
	report("one completion", !info.shows_request && !info.shows_long_request &&
				     info.shows_completion && !info.shows_long_completion);
}

static void test_refused(void)
{
	auto_free char *large = mem_string(idle);
	struct uring_info info;
	int is_refused = 1;

	/* A kernel that cannot look into a ring says less. */
	for (const char *end = strstr(idle, "PollList"); end > idle; end--) {
		auto_free char *text = mem_copy(idle, (size_t)(end - idle));

		is_refused &= !uring_info_parse(text, &info);
	}
	report("cut short", is_refused);
	memcpy(strstr(large, "45185032\nSqMask:\t0x3"), "45\nSqMask:\t0xfffffff", 20);
	report("too large", !uring_info_parse(large, &info));
	report("empty", !uring_info_parse("", &info));
}

int main(void)
{
	test_busy();
	test_idle();
	test_refused();
	return failures > 0;
}
