/* Policy files: what they may say, and where an error is said to stand. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "policy/language.h"
#include "policy/match.h"
#include "policy/pattern.h"
#include "unit.h"

static void drop_file(struct policy_file **file)
{
	policy_file_free(*file);
}

static int parse(const char *text, size_t size, struct policy_file **ret_file, struct err *err)
{
	return policy_file_parse("p", text, size, POLICY_INVOKER, ret_file, err);
}

struct fault {
	const char *text;
	const char *error;
};

static void expect_faults(struct unit *unit, const struct fault *faults, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		auto_with(drop_file) struct policy_file *file = NULL;
		struct err err = ERR_NONE;

		EXPECT(unit,
		       parse(faults[i].text, strlen(faults[i].text), &file, &err) == ERR_USAGE);
		EXPECT_TEXT(unit, err.text, faults[i].error);
	}
}
#define EXPECT_FAULTS(unit, faults)                                                                \
	expect_faults(unit, faults, sizeof(faults) / sizeof((faults)[0]))

#define P "{\"ctckpt_policy\": 1,\n "

static void bad_json(struct unit *unit)
{
	static const struct fault faults[] = {
		{ "", "p:1:1: unexpected token near end of file" },
		{ "{", "p:1:1: string or '}' expected near end of file" },
		{ P "\"caps\": \"drop\",\n \"caps\": \"keep\"}",
		  "p:3:7: duplicate object key near '\"caps\"'" },
		{ P "\"nice\" 1}", "p:2:9: ':' expected near '1'" },
		{ P "\"files\": [1,]}", "p:2:14: unexpected token near ']'" },
		{ P "\"extends\": \"\\u0000\"}",
		  "p:2:20: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"\\u0000\"'" },
		{ P "\"extends\": \"\xff\"}", "p:2:13: unable to decode byte 0xff near '\"'" },
		{ P "\"mlock\": 99999999999999999999}",
		  "p:2:30: too big integer near '99999999999999999999'" },
		{ P "\"mlock\": 1e999}", "p:2:15: real number overflow near '1e999'" },
		{ "{} {}", "p:1:4: end of file expected near '{'" },
	};

	EXPECT_FAULTS(unit, faults);
}

static void bad_members(struct unit *unit)
{
	static const struct fault faults[] = {
		{ "[]", "p:1:1: it must be an object" },
		{ "7", "p:1:1: it must be an object" },
		{ " {}", "p:1:2: it lacks \"ctckpt_policy\": 1" },
		{ "{\"ctckpt_policy\": 2}", "p:1:19: this ctckpt knows version 1 only" },
		{ "{\"ctckpt_policy\": \"1\"}", "p:1:19: this ctckpt knows version 1 only" },
		{ P "\"capz\": 1}", "p:2:2: \"capz\" is not known" },
		{ P "\"net.tcp\": \"keep\"}", "p:2:2: \"net.tcp\" is not known" },
		{ P "\"net\": []}", "p:2:9: it must be an object" },
		{ P "\"net\": {\"tpc\": \"keep\"}}", "p:2:10: \"tpc\" is not known here" },
		{ P "\"extends\": 1}", "p:2:13: it must be a string" },
		{ P "\"extends\": \"lax\"}", "p:2:13: no policy is called \"lax\": there are "
					     "strict, map, same-host and forensic" },
		{ P "\"\xc3\xa4\xe2\x82\xac\": 1, \"b\": 2}",
		  "p:2:2: \"\xc3\xa4\xe2\x82\xac\" is not known" },
		{ P "\"extends\": \"\xc3\xa4\", \"b\": 2}",
		  "p:2:13: no policy is called \"\xc3\xa4\": there are strict, map, same-host and "
		  "forensic" },
		{ P "\"extends\": \"/nowhere/at/all\"}",
		  "p:2:13: policy /nowhere/at/all: open it: No such file or directory" },
		{ P "\"caps\": \"drop\", \"b\\n\": 2}", "p:2:18: \"b\n\" is not known" },
	};

	EXPECT_FAULTS(unit, faults);
}

static void bad_rules(struct unit *unit)
{
	static const struct fault faults[] = {
		{ P "\"caps\": 1}", "p:2:10: it must be an action or an object" },
		{ P "\"caps\": \"inherit\"}", "p:2:10: it can be keep, clamp, drop or refuse" },
		{ P "\"caps\": {\"bound\": \"drop\"}}", "p:2:11: there is no \"bound\"" },
		{ P "\"caps\": {\"bounding\": {\"action\": \"clamp\", \"allow\": [\"kill\", "
		    "\"x\"]}}}",
		  "p:2:61: no capability is called \"x\"" },
		{ P "\"caps\": {\"bounding\": {\"allow\": [\"kill\"]}}}",
		  "p:2:23: it lacks \"action\"" },
		{ P "\"caps\": {\"bounding\": {\"action\": \"drop\", \"allow\": []}}}",
		  "p:2:23: \"allow\" is for keep and clamp" },
		{ P "\"rlimits\": {\"nofile.soft\": \"keep\", \"nofile.mid\": \"keep\"}}",
		  "p:2:37: there is no \"nofile.mid\"" },
		{ P "\"rlimits\": {\"nofile\": {\"action\": \"clamp\", \"max\": -1}}}",
		  "p:2:51: it must be a whole number or \"unlimited\"" },
		{ P "\"rlimits\": {\"nofile\": {\"action\": \"clamp\", \"max\": 1.5}}}",
		  "p:2:51: it must be a whole number or \"unlimited\"" },
		{ P "\"nice\": {\"action\": \"clamp\", \"max\": 1}}",
		  "p:2:30: \"max\" is not known here: it can be action, match, min" },
		{ P "\"nice\": {\"action\": \"clamp\", \"min\": 20}}",
		  "p:2:37: it must be from -20 to 19" },
		{ P "\"no_new_privs\": {\"action\": \"clamp\", \"to\": true}}",
		  "p:2:44: it can be off or on" },
		{ P "\"files\": {\"action\": \"reopen\", \"with\": \"/x\"}}",
		  "p:2:11: \"with\" is for substitute" },
		{ P "\"files\": [{\"match\": {\"mode\": \"r\"}, \"action\": \"reopen\"},\n  "
		    "{\"action\": \"substitute\"}]}",
		  "p:3:3: it lacks \"with\"" },
		{ P "\"files\": [{\"action\": \"reopen\"},\n  {\"action\": \"drop\"}]}",
		  "p:3:3: it has no effect: a rule before it is for all" },
		{ P "\"files\": [{\"action\": \"substitute\", \"with\": \"x\"}]}",
		  "p:2:45: it must be an absolute path" },
		{ P "\"files\": [{\"action\": \"reopen\", \"on_fail\": \"keep\"}]}",
		  "p:2:44: it can be drop, substitute or refuse" },
		{ P "\"files\": [{\"action\": \"drop\", \"on_fail\": \"refuse\"}]}",
		  "p:2:12: \"on_fail\" is for what is kept or reopened" },
		{ P "\"files\": [\"reopen\"]}", "p:2:12: it must be an object" },
	};

	EXPECT_FAULTS(unit, faults);
}

static void bad_matches(struct unit *unit)
{
	static const struct fault faults[] = {
		{ P "\"files\": [{\"match\": [], \"action\": \"drop\"}]}",
		  "p:2:22: it must be an object" },
		{ P "\"files\": [{\"match\": {\"pth\": 1}, \"action\": \"drop\"}]}",
		  "p:2:23: \"pth\" is not known here: it can be path, type, mode, task" },
		{ P "\"files\": [{\"match\": {\"path\": \"\"}, \"action\": \"drop\"}]}",
		  "p:2:31: it is empty" },
		{ P "\"files\": [{\"match\": {\"path\": \"a/*\"}, \"action\": \"drop\"}]}",
		  "p:2:31: it must begin with / or *" },
		{ P "\"files\": [{\"match\": {\"path\": \"/\\\\\"}, \"action\": \"drop\"}]}",
		  "p:2:31: it ends in the middle of an escape" },
		{ P "\"files\": [{\"match\": {\"mode\": \"x\"}, \"action\": \"drop\"}]}",
		  "p:2:31: it can be r, w, rw, ro, wo or none" },
		{ P "\"files\": [{\"match\": {\"type\": \"link\"}, \"action\": \"drop\"}]}",
		  "p:2:31: it can be file, directory, fifo, device, socket, other or any" },
		{ P
		  "\"files\": [{\"match\": {\"task\": {\"name\": \"a\"}}, \"action\": \"drop\"}]}",
		  "p:2:32: \"name\" is not known here: it can be comm or pid" },
		{ P "\"files\": [{\"match\": {\"task\": {\"pid\": 0}}, \"action\": \"drop\"}]}",
		  "p:2:39: it must be from 1 to 2147483647" },
		{ P "\"caps\": [{\"match\": {\"path\": \"/\"}, \"action\": \"drop\"}]}",
		  "p:2:22: \"path\" is not known here: it can be capability, item, task" },
		{ P "\"caps\": [{\"match\": {\"capability\": []}, \"action\": \"drop\"}]}",
		  "p:2:36: it is empty" },
		{ P "\"caps\": [{\"match\": {\"item\": []}, \"action\": \"drop\"}]}",
		  "p:2:30: it is empty" },
		{ P "\"groups\": [{\"match\": {\"id\": {\"count\": 1}}, \"action\": \"refuse\"}]}",
		  "p:2:30: it lacks \"image\"" },
	};

	EXPECT_FAULTS(unit, faults);
}

static void bad_ids(struct unit *unit)
{
	static const struct fault faults[] = {
		{ P "\"ids\": {\"user\": []}}",
		  "p:2:10: \"user\" is not known here: it can be uid, gid or unmapped" },
		{ P "\"ids\": {\"unmapped\": \"keep\"}}", "p:2:22: it can be refuse" },
		{ P "\"ids\": {\"uid\": {}}}", "p:2:17: it must be an array" },
		{ P "\"ids\": {\"uid\": []}}", "p:2:17: no line leads to the invoker" },
		{ P "\"ids\": {\"uid\": [{\"image\": 0, \"to\": \"invoker\"}]}}",
		  "p:2:18: it lacks \"count\"" },
		{ P "\"ids\": {\"uid\": [{\"image\": 0, \"count\": 2, \"to\": \"invoker\"}]}}",
		  "p:2:18: only one id can become the invoker" },
		{ P "\"ids\": {\"gid\": [{\"image\": 0, \"count\": 2, \"to\": \"subuid\"}]}}",
		  "p:2:49: it can be invoker or subgid" },
		{ P "\"ids\": {\"uid\": [{\"image\": 4294967294, \"count\": 2, \"to\": "
		    "\"subuid\"}]}}",
		  "p:2:18: there are no ids above 4294967294" },
		{ P "\"ids\": {\"uid\": [{\"image\": 0, \"count\": 1, \"to\": \"invoker\"},\n"
		    "{\"image\": 0, \"count\": 9, \"to\": \"subuid\"}]}}",
		  "p:3:1: it has ids that a line before it has" },
		{ P "\"ids\": {\"uid\": [{\"image\": 0, \"count\": 1, \"to\": \"invoker\"},\n"
		    "{\"image\": 1, \"count\": 1, \"to\": \"invoker\"}]}}",
		  "p:3:1: a line before it leads to the invoker" },
	};

	EXPECT_FAULTS(unit, faults);
}

/* As deep and as large as they like. */
static void huge(struct unit *unit)
{
	auto_buf struct buf deep = BUF_EMPTY;
	auto_buf struct buf large = BUF_EMPTY;
	auto_with(drop_file) struct policy_file *file = NULL;
	struct err err = ERR_NONE;

	buf_printf(&deep, P "\"files\": ");
	memset(buf_append(&deep, NULL, 100000), '[', 100000);
	EXPECT(unit, parse(deep.data, deep.size, &file, &err) == ERR_USAGE);
	EXPECT_TEXT(unit, err.text, "p:2:2058: maximum parsing depth reached near '['");

	buf_printf(&large, P "\"files\": [");
	for (int i = 0; i < 20000; i++)
		buf_printf(&large, "{\"match\": {\"path\": \"/%d\"}, \"action\": \"reopen\"},\n",
			   i);
	buf_printf(&large, "{\"action\": \"reject\"}]}");
	EXPECT(unit, parse(large.data, large.size, &file, &err) == ERR_USAGE);
	EXPECT_TEXT(unit, err.text, "p:20002:12: it can be drop, substitute, reopen or refuse");
	EXPECT(unit, parse("{\"ctckpt_policy\": 1}\0", 21, &file, &err) == ERR_USAGE);
	EXPECT(unit, !file);
}

/* ---- which rule counts ---- */

static const struct policy_rule *rule_for(struct unit *unit, const char *text,
					  const struct decision *decision,
					  struct policy_file **file)
{
	struct err err = ERR_NONE;

	policy_file_free(*file);
	*file = NULL;
	if (!EXPECT(unit, parse(text, strlen(text), file, &err) == 0)) {
		printf("# %s\n", err.text);
		return NULL;
	}
	return policy_rule_for(policy_file_policy(*file), decision);
}

static void first_match_wins(struct unit *unit)
{
	static const char text[] =
	    P "\"files\": ["
	      "{\"match\": {\"path\": \"/a/*\", \"mode\": \"w\"}, \"action\": \"drop\"},"
	      "{\"match\": {\"path\": \"/a/**\", \"type\": \"device\"}, \"action\": \"refuse\"},"
	      "{\"match\": {\"task\": {\"comm\": \"ng*\"}}, \"action\": \"substitute\", \"with\": "
	      "\"/n\"},"
	      "{\"match\": {\"task\": {\"pid\": 7}}, \"action\": \"reopen\", \"on_fail\": "
	      "\"drop\"},"
	      "{\"match\": {\"path\": \"/ro\", \"mode\": \"ro\"}, \"action\": \"drop\"}]}";
	static const struct {
		struct decision decision;
		const char *rule;
	} cases[] = {
		{ { .path = "/a/b", .type = S_IFREG, .saved = O_RDWR }, "files[0]" },
		{ { .path = "/a/b", .type = S_IFREG, .saved = O_RDONLY }, "strict/files" },
		{ { .path = "/a/b/c", .type = S_IFREG, .saved = O_WRONLY }, "strict/files" },
		{ { .path = "/a/b", .type = S_IFCHR, .saved = O_RDONLY }, "files[1]" },
		{ { .path = "/a/b", .type = S_IFCHR, .saved = O_WRONLY | O_PATH }, "files[1]" },
		{ { .path = "/x", .type = S_IFREG, .comm = "nginx" }, "files[2]" },
		{ { .path = "/x", .type = S_IFREG, .comm = "nginx", .pid = 7 }, "files[2]" },
		{ { .path = "/x", .type = S_IFREG, .comm = "x", .pid = 7 }, "files[3]" },
		{ { .path = NULL, .pid = 8 }, "strict/files" },
		{ { .path = "/ro", .saved = O_RDONLY }, "files[4]" },
		{ { .path = "/ro", .saved = O_RDWR }, "strict/files" },
	};
	auto_with(drop_file) struct policy_file *file = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decision decision = cases[i].decision;
		const struct policy_rule *rule;

		decision.class = CLASS_FILE;
		rule = rule_for(unit, text, &decision, &file);
		EXPECT_TEXT(unit, rule ? rule->name : "", cases[i].rule);
	}
}

static void details(struct unit *unit)
{
	static const char text[] = P
	    "\"rlimits\": {\"default\": \"keep\", \"nofile\": {\"action\": \"clamp\", \"max\": 9},"
	    "\"nofile.hard\": \"refuse\"}, \"caps\": [{\"match\": {\"item\": [\"bounding\", "
	    "\"ambient\"],"
	    "\"capability\": \"net_raw\"}, \"action\": \"refuse\"}]}";
	static const struct {
		enum policy_class class;
		uint32_t detail;
		uint64_t saved;
		const char *rule;
	} cases[] = {
		{ CLASS_RLIMIT, 14, 0, "rlimits.nofile" },
		{ CLASS_RLIMIT, 15, 0, "rlimits.nofile.hard" },
		{ CLASS_RLIMIT, 16, 0, "rlimits.default" },
		{ CLASS_CAPS, 3, 1 << 13, "caps[0]" },
		{ CLASS_CAPS, 4, ~0ull, "caps[0]" },
		{ CLASS_CAPS, 3, 1 << 12, "strict/caps" },
		{ CLASS_CAPS, 2, 1 << 13, "strict/caps" },
	};
	auto_with(drop_file) struct policy_file *file = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decision decision = { .class = cases[i].class,
					     .detail = cases[i].detail,
					     .saved = cases[i].saved };
		const struct policy_rule *rule = rule_for(unit, text, &decision, &file);

		EXPECT_TEXT(unit, rule ? rule->name : "", cases[i].rule);
	}
}

/* ---- patterns ---- */

/* What pattern.h says, without any cleverness. */
static bool is_match(const char *pattern, const char *text)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern == '*') {
		bool is_all = pattern[1] == '*';
		const char *rest = pattern + (is_all ? 2 : 1);

		return is_match(rest, text) ||
		       (*text != '\0' && (is_all || *text != '/') && is_match(pattern, text + 1));
	}
	if (*text == '\0' || (*pattern == '?' ? *text == '/' : *pattern != *text))
		return false;
	return is_match(pattern + 1, text + 1);
}

static void spell(unsigned int number, const char *letters, size_t base, char *out)
{
	for (; number > 0; number /= base)
		*out++ = letters[number % base];
	*out = '\0';
}

static void all_patterns(struct unit *unit)
{
	size_t matches = 0;

	for (unsigned int p = 0; p < 3125; p++) {
		char pattern[8];

		spell(p, "a*/?*", 5, pattern);
		for (unsigned int t = 0; t < 729; t++) {
			char text[8];

			spell(t, "ab/", 3, text);
			matches += is_match(pattern, text);
			if (!EXPECT(unit,
				    pattern_matches(pattern, text) == is_match(pattern, text)))
				printf("# %s over %s\n", pattern, text);
		}
	}
	EXPECT(unit, matches > 10000);
}

static void escapes(struct unit *unit)
{
	auto_buf struct buf quoted = BUF_EMPTY;
	static const char text[] = "/a*b?c\\d\xff\n\xc3\xa4";

	pattern_quote(text, &quoted);
	EXPECT_TEXT(unit, quoted.data, "/a\\*b\\?c\\\\d\\xff\\x0a\\xc3\\xa4");
	EXPECT(unit, pattern_is_valid(quoted.data) && pattern_matches(quoted.data, text));
	EXPECT(unit, !pattern_matches(quoted.data, "/aXb?c\\d\xff\n\xc3\xa4"));
	EXPECT(unit, pattern_matches("\\x2a\\*", "**") && !pattern_matches("\\x2a", "x"));
	EXPECT(unit,
	       !pattern_is_valid("\\") && !pattern_is_valid("\\x1") && pattern_is_valid("\\y"));
}

static const struct unit_case cases[] = {
	UNIT_CASE(bad_json),	     UNIT_CASE(bad_members), UNIT_CASE(bad_rules),
	UNIT_CASE(bad_matches),	     UNIT_CASE(bad_ids),     UNIT_CASE(huge),
	UNIT_CASE(first_match_wins), UNIT_CASE(details),     UNIT_CASE(all_patterns),
	UNIT_CASE(escapes),
};

int main(void)
{
	return UNIT_RUN(cases);
}
