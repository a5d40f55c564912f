/* Seccomp profiles: what they may say, and what is said of the others. */
#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/confine.h"
#include "unit.h"

struct fault {
	const char *text;
	const char *error;
};

static int compile(const char *text, struct filter *ret_filter, struct err *err)
{
	return confine_compile(text, strlen(text), ret_filter, err);
}

static void expect_faults(struct unit *unit, const struct fault *faults, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct filter filter = FILTER_NONE;
		struct err err = ERR_NONE;

		int r = compile(faults[i].text, &filter, &err);

		EXPECT_TEXT(unit, err.text, faults[i].error);
		EXPECT(unit, r == ERR_USAGE);
		filter_free(&filter);
	}
}
#define EXPECT_FAULTS(unit, faults)                                                                \
	expect_faults(unit, faults, sizeof(faults) / sizeof((faults)[0]))

#define P	  "{\"defaultAction\": \"SCMP_ACT_ALLOW\", "
#define RULE(...) P "\"syscalls\": [{\"action\": \"SCMP_ACT_ERRNO\", " __VA_ARGS__ "}]}"
#define ARGS(...) RULE("\"name\": \"read\", \"args\": [{" __VA_ARGS__ "}]")

static void good(struct unit *unit)
{
	static const char *const texts[] = {
		P "\"comment\": 1, \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"]}",
		P "\"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_NONE_SUCH\"]}",
		RULE("\"names\": [\"read\", \"no_such_call\"], \"errno\": \"EPERM\""),
		RULE("\"name\": \"read\", \"errnoRet\": 4094"),
		ARGS("\"index\": 5, \"value\": 9223372036854775807, \"op\": \"SCMP_CMP_EQ\""),
		RULE("\"name\": \"read\", \"includes\": {\"minKernel\": \"2.6\"}"),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct filter filter = FILTER_NONE;
		struct err err = ERR_NONE;

		(void)compile(texts[i], &filter, &err);
		EXPECT_TEXT(unit, err.text, "");
		EXPECT(unit, filter.count > 0);
		filter_free(&filter);
	}
}

static void bad_profiles(struct unit *unit)
{
	static const struct fault faults[] = {
		{ "[]", "the profile is not an object" },
		{ "{}", "an action is missing" },
		{ "{\"defaultAction\": 1}", "an action is missing" },
		{ "{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}",
		  "action SCMP_ACT_NOTIFY is not supported" },
		{ P "\"listenerPath\": 1}", "the profile: listenerPath is not supported" },
		{ P "\"flags\": [\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}",
		  "flag SECCOMP_FILTER_FLAG_NEW_LISTENER is not supported" },
		{ P "\"flags\": [1]}", "flag without a name is not supported" },
		{ P "\"architectures\": [1]}", "an architecture is not the name of one" },
		{ P "\"architectures\": [\"XXXX_ARCH_X86\"]}",
		  "an architecture is not the name of one" },
		{ P "\"architectures\": [\"SCMP_ARCH_S390X\"]}",
		  "architecture SCMP_ARCH_S390X: Numerical argument out of domain" },
		{ P "\"archMap\": [1]}", "archMap is not an object" },
		{ P "\"archMap\": [{\"architecture\": \"SCMP_ARCH_X86_64\", "
		    "\"subArchitectures\": [2]}]}",
		  "an architecture is not the name of one" },
		{ P "\"defaultErrno\": \"EIO\"}",
		  "defaultErrno EIO: give the number as defaultErrnoRet" },
		{ P "\"defaultErrnoRet\": 4096}", "defaultErrnoRet is out of range" },
		{ P "\"defaultErrnoRet\": -1}", "defaultErrnoRet is out of range" },
		{ P "\"defaultErrnoRet\": \"1\"}", "defaultErrnoRet is out of range" },
	};

	EXPECT_FAULTS(unit, faults);
}

static void bad_rules(struct unit *unit)
{
	static const struct fault faults[] = {
		{ P "\"syscalls\": [7]}", "syscalls[0]: a rule is not an object" },
		{ P "\"syscalls\": [{\"action\": null}]}", "syscalls[0]: an action is missing" },
		{ RULE("\"priority\": 1"), "syscalls[0]: a rule: priority is not supported" },
		{ RULE("\"name\": 1"), "syscalls[0]: the name of a system call is not a text" },
		{ RULE("\"names\": [1]"), "syscalls[0]: the name of a system call is not a text" },
		{ RULE("\"includes\": 1"), "syscalls[0]: includes is not an object" },
		{ RULE("\"excludes\": 1"), "syscalls[0]: excludes is not an object" },
		{ ARGS("\"index\": 6, \"op\": \"SCMP_CMP_EQ\""),
		  "syscalls[0]: index is out of range" },
		{ ARGS("\"index\": 0"),
		  "syscalls[0]: args: op is missing, which is not supported" },
		{ ARGS("\"op\": \"SCMP_CMP_NO\""),
		  "syscalls[0]: args: op SCMP_CMP_NO is not supported" },
		{ RULE("\"name\": \"read\", \"args\": [{},{},{},{},{},{},{}]"),
		  "syscalls[0]: a rule compares more than six arguments" },
	};

	EXPECT_FAULTS(unit, faults);
}

static void bad_versions(struct unit *unit)
{
	static const char *const versions[] = { "5",	   "\"\"",    "\".1\"",
						"\"x.1\"", "\"5\"",   "\"5:1\"",
						"\"5.\"",  "\"5.x\"", "\"4294967296.1\"" };

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		auto_free char *text =
		    mem_printf(RULE("\"includes\": {\"minKernel\": %s}"), versions[i]);
		const struct fault fault = { text, "syscalls[0]: minKernel is not a version" };

		expect_faults(unit, &fault, 1);
	}
}

/* The kernel takes 4096 steps. */
static void too_long(struct unit *unit)
{
	auto_buf struct buf text = BUF_EMPTY;

	buf_printf(&text, P "\"syscalls\": [");
	for (unsigned int i = 1; i <= 3000; i++)
		buf_printf(&text,
			   "%s{\"action\": \"SCMP_ACT_ERRNO\", \"name\": \"read\", \"args\": "
			   "[{\"index\": 0, \"value\": %u000000000, \"op\": \"SCMP_CMP_EQ\"}]}",
			   i > 1 ? "," : "", i);
	buf_printf(&text, "]}");
	expect_faults(unit, &(struct fault){ text.data, "its filter is too long for the kernel" },
		      1);
}

static const struct unit_case cases[] = {
	UNIT_CASE(good),	 UNIT_CASE(bad_profiles), UNIT_CASE(bad_rules),
	UNIT_CASE(bad_versions), UNIT_CASE(too_long),
};

int main(void)
{
	return UNIT_RUN(cases);
}
