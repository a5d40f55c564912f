/* The checks of the kinds of a task's state: a good record, and the same with one thing wrong. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kind/kind.h"

struct damage {
	const char *kind;
	size_t offset;
	size_t width;
	uint64_t value;
	const char *text; /* of the error; NULL: still good */
};

/* Good records: numbers at offsets; the rest is zero. */
struct field {
	const char *kind;
	size_t length;
	struct {
		size_t offset, width;
		uint64_t value;
	} fields[16];
};

static const struct field goods[] = {
	/* uids, gids, capabilities, securebits, 2 groups */
	{ "creds",
	  88,
	  { { 0, 4, 7 },
	    { 4, 4, 8 },
	    { 40, 8, 0xf },
	    { 48, 8, 0x3 },
	    { 56, 8, 0xff },
	    { 76, 4, 2 },
	    { 80, 4, 5 },
	    { 84, 4, 6 } } },
	{ "rlimits", 264, { { 0, 8, 5 }, { 8, 8, 6 } } },
	{ "sched", 32, { { 20, 4, 1 }, { 24, 8, 3 } } },
	{ "oom", 8, { { 0, 4, 100 } } },
	{ "signals", 80, { { 0, 4, 2 }, { 40, 4, 17 } } },
	{ "pending", 112, { { 0, 4, 1 }, { 4, 4, 1 }, { 8, 4, 9 }, { 16, 4, 10 }, { 64, 4, 64 } } },
	{ "thread",
	  88,
	  { { 0, 1, 'x' }, { 32, 8, 4096 }, { 68, 4, 32 }, { 72, 4, 99 }, { 80, 4, 2 } } },
	{ "prctl", 32, { { 0, 4, 1 } } },
	{ "confine", 32, { { 8, 4, 1 }, { 12, 4, 1 }, { 16, 4, 3 } } },
	{ "itimers", 96, { { 16, 8, 5 } } },
	{ "posix_timers",
	  128,
	  { { 4, 4, 10 },
	    { 24, 4, 1 },
	    { 64, 4, 1 },
	    { 68, 4, 10 },
	    { 80, 4, 4 },
	    { 84, 4, 77 },
	    { 88, 4, 0x202 },
	    { 92, 4, 77 } } },
};

static const struct damage damages[] = {
	{ "creds", 0, 4, UINT32_MAX, "creds: uid.real is no id" },
	{ "creds", 12, 4, UINT32_MAX, "creds: uid.fs is no id" },
	{ "creds", 20, 4, UINT32_MAX, "creds: gid.effective is no id" },
	{ "creds", 80, 4, UINT32_MAX, "creds: group 0 is no id" },
	{ "creds", 84, 4, UINT32_MAX, "creds: group 1 is no id" },
	{ "creds", 32, 8, 1ull << 41, "creds: unknown bits in caps.inheritable" },
	{ "creds", 56, 8, 1ull << 63, "creds: unknown bits in caps.bounding" },
	{ "creds", 48, 8, 0x13, "creds: an effective capability that is not permitted" },
	{ "creds", 64, 8, 1, "creds: an ambient capability that is not permitted and inheritable" },
	{ "creds", 72, 4, 1 << 12, "creds: unknown securebits" },
	{ "creds", 76, 4, 3, "creds: 88 bytes for 3 groups" },
	{ "creds", 76, 4, 65537, "creds: 65537 groups" },
	{ "creds", 76, 4, UINT32_MAX, "creds: 4294967295 groups" },
	{ "rlimits", 0, 8, 7, "rlimits: soft above hard: cannot set RLIMIT_CPU" },
	{ "rlimits", 248, 8, UINT64_MAX, NULL },
	{ "rlimits", 240, 8, 1, "rlimits: soft above hard: cannot set RLIMIT_RTTIME" },
	{ "sched", 0, 4, 1, "sched: priority 0" },
	{ "sched", 0, 4, 3, NULL },
	{ "sched", 0, 4, 6, "sched: unknown bits" },
	{ "sched", 0, 4, UINT32_MAX, "sched: unknown policy 4294967295" },
	{ "sched", 4, 4, 1, "sched: priority 1" },
	{ "sched", 8, 4, (uint32_t)-20, NULL },
	{ "sched", 8, 4, (uint32_t)-21, "sched: niceness -21" },
	{ "sched", 12, 4, 2, "sched: 32 bytes for 1 words of CPUs" },
	{ "sched", 12, 4, 4, "sched: unknown bits" },
	{ "sched", 16, 4, 5, "sched: I/O priority 5" },
	{ "sched", 16, 4, 2 << 13 | 7, NULL },
	{ "sched", 16, 4, 4u << 13, "sched: I/O priority 32768" },
	{ "sched", 20, 4, 2, "sched: 32 bytes for 2 words of CPUs" },
	{ "sched", 20, 4, 0x20000001, "sched: 32 bytes for 536870913 words of CPUs" },
	{ "sched", 24, 8, 0, "sched: the last word of CPUs is empty" },
	{ "oom", 0, 4, (uint32_t)-1000, NULL },
	{ "oom", 0, 4, 1001, "oom: impossible score 1001" },
	{ "oom", 0, 4, (uint32_t)-1001, "oom: impossible score -1001" },
	{ "oom", 4, 4, 1, "oom: unknown bits" },
	{ "signals", 0, 4, 0, "signals: an action for signal 0" },
	{ "signals", 0, 4, 9, "signals: an action for signal 9" },
	{ "signals", 40, 4, 19, "signals: an action for signal 19" },
	{ "signals", 40, 4, 65, "signals: an action for signal 65" },
	{ "signals", 40, 4, 2, "signals: out of order" },
	{ "signals", 44, 4, 1, "signals: unknown bits" },
	{ "pending", 0, 4, 2, "pending: 112 bytes for 3 signals" },
	{ "pending", 0, 4, UINT32_MAX, "pending: 4294967296 signals" },
	{ "pending", 12, 4, 1, "pending: unknown bits" },
	{ "pending", 16, 4, 9, "pending: signal 9" },
	{ "pending", 16, 4, 5, "pending: signal 5" },
	{ "pending", 64, 4, 0, "pending: signal 0" },
	{ "pending", 64, 4, 65, "pending: signal 65" },
	{ "pending", 64, 4, UINT32_MAX, "pending: signal -1" },
	{ "thread", 15, 1, 'x', "thread: a name without an end" },
	{ "thread", 32, 8, 0, "thread: rseq without an address" },
	{ "thread", 68, 4, 31, "thread: rseq of 31 bytes" },
	{ "thread", 68, 4, 8192, "thread: rseq of 8192 bytes" },
	{ "thread", 64, 4, 2, NULL },
	{ "thread", 64, 4, 1, "thread: unknown bits of the signal stack" },
	{ "thread", 76, 4, 65, "thread: death signal 65" },
	{ "thread", 80, 4, 3, "thread: machine check policy 3" },
	{ "thread", 84, 4, 1, "thread: unknown bits" },
	{ "thread", 56, 8, 1ull << 63, "thread: impossible timer slack" },
	{ "prctl", 0, 4, 2, "prctl: a switch that is neither on nor off" },
	{ "prctl", 20, 4, 2, "prctl: a switch that is neither on nor off" },
	{ "prctl", 8, 4, 3, NULL },
	{ "prctl", 8, 4, 2, "prctl: unknown state of huge pages" },
	{ "prctl", 12, 4, 4, "prctl: unknown bits of MDWE" },
	{ "prctl", 24, 4, 1, "prctl: unknown bits" },
	{ "prctl", 28, 4, 0x800, "prctl: unknown bits" },
	{ "confine", 0, 4, 2, "confine: unknown bits" },
	{ "confine", 4, 4, 3, "confine: seccomp mode 3" },
	{ "confine", 8, 4, 0, "confine: time stamp counter mode 0" },
	{ "confine", 16, 4, 64, "confine: unknown state of speculative store bypass" },
	{ "confine", 28, 4, 1, "confine: unknown bits" },
	{ "itimers", 24, 8, 1000000, "itimers: impossible time in timer 0" },
	{ "itimers", 64, 8, 1ull << 63, "itimers: impossible time in timer 2" },
	{ "posix_timers", 0, 4, 1, "posix_timers: out of order" },
	{ "posix_timers", 64, 4, 1u << 31, "posix_timers: impossible id 2147483648" },
	{ "posix_timers", 4, 4, 0, "posix_timers: timer 0: bad notification" },
	{ "posix_timers", 4, 4, 65, "posix_timers: timer 0: bad notification" },
	{ "posix_timers", 16, 4, 3, "posix_timers: timer 0: bad notification" },
	{ "posix_timers", 20, 4, 77, "posix_timers: timer 0: bad notification" },
	{ "posix_timers", 84, 4, 0, "posix_timers: timer 1: bad notification" },
	{ "posix_timers", 24, 4, 2, "posix_timers: timer 0: bad clock" },
	{ "posix_timers", 24, 4, 0x103, "posix_timers: timer 0: bad clock" },
	{ "posix_timers", 24, 4, UINT32_MAX, "posix_timers: timer 0: bad clock" },
	{ "posix_timers", 28, 4, 77, "posix_timers: timer 0: bad clock" },
	{ "posix_timers", 92, 4, 0, "posix_timers: timer 1: bad clock" },
	{ "posix_timers", 40, 8, 1000000000, "posix_timers: timer 0: impossible time" },
	{ "posix_timers", 112, 8, 1ull << 63, "posix_timers: timer 1: impossible time" },
};

static int failures;

static void put(unsigned char *body, size_t offset, size_t width, uint64_t value)
{
	memcpy(body + offset, &value, width); /* little-endian */
}

static size_t make_good(const struct field *good, unsigned char *body)
{
	memset(body, 0, good->length);
	for (size_t i = 0; i < 16 && good->fields[i].width > 0; i++)
		put(body, good->fields[i].offset, good->fields[i].width, good->fields[i].value);
	return good->length;
}

static const struct field *find_good(const char *kind)
{
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		if (strcmp(goods[i].kind, kind) == 0)
			return &goods[i];
	}
	abort();
}

static void expect(const char *kind, const void *body, size_t length, const char *text,
		   const char *name)
{
	/* A copy of just this size: whoever reads past the end is found by the sanitizers. */
	void *copy = mem_resize(NULL, length, 1);
	struct err err = ERR_NONE;
	int r;

	memcpy(copy, body, length);
	r = kind_by_name(kind)->check(copy, length, &err);
	free(copy);
	if (text ? r == ERR_DAMAGED && strcmp(err.text, text) == 0 : r == 0) {
		printf("ok %s\n", name);
		return;
	}
	printf("not ok %s: %d \"%s\"\n", name, r, err.text);
	failures++;
}

static void test_lengths(const struct field *good)
{
	unsigned char body[512] = { 0 };
	size_t length = make_good(good, body);
	struct err err = ERR_NONE;
	char name[64];

	snprintf(name, sizeof(name), "%s: good", good->kind);
	expect(good->kind, body, length, NULL, name);
	for (size_t cut = 0; cut <= length + 8; cut++) {
		bool is_list =
		    strcmp(good->kind, "signals") == 0 || strcmp(good->kind, "posix_timers") == 0;
		/* Its first version was shorter. */
		bool is_old = (strcmp(good->kind, "prctl") == 0 && cut == 24) ||
			      (strcmp(good->kind, "rlimits") == 0 && cut == 256);
		void *copy;

		if (cut == length || is_old || (is_list && cut % (length / 2) == 0))
			continue;
		copy = mem_alloc(cut, 1);
		memcpy(copy, body, cut);
		if (kind_by_name(good->kind)->check(copy, cut, &err) != ERR_DAMAGED) {
			printf("not ok %s: %zu of %zu bytes\n", good->kind, cut, length);
			failures++;
		}
		free(copy);
	}
}

int main(void)
{
	unsigned char body[512];

	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
		test_lengths(&goods[i]);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		const struct damage *damage = &damages[i];
		size_t length = make_good(find_good(damage->kind), body);
		char name[128];

		put(body, damage->offset, damage->width, damage->value);
		snprintf(name, sizeof(name), "%s: %s", damage->kind,
			 damage->text ? damage->text : "still good");
		expect(damage->kind, body, length, damage->text, name);
	}
	return failures > 0;
}
