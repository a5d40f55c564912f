/* Rules of files, and those of the administrator's file, for every class, action and limit, over
 * values that matter: nothing that comes out is more than was saved, than the invoker has, or than
 * either file allows. Then: plans that hold, and no longer do. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "ctckpt/policy.h"
#include "policy/decide.h"
#include "policy/language.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"
#include "unit.h"

#define SIGNED(number) ((uint64_t)(int64_t)(number))
#define RULES_MAX      32

static const struct host_facts facts = {
	.uid = 1000,
	.gid = 1000,
	.hard_limits = { [0 ... 15] = 4096 },
	.bounding = 0xfff,
	.known_caps = 0x1ffffffffff,
	.known_securebits = 0xff,
	.lowest_nice = 5,
	.oom_score_adj = 100,
	.keeps_connections = true,
};

static const char *const caps_limits[] = { "", ", \"allow\": []", ", \"allow\": \"net_raw\"",
					   ", \"allow\": [\"chown\", \"kill\"]", NULL };
static const char *const max_limits[] = { "", ", \"max\": 1", ", \"max\": 99", NULL };
static const char *const sched_limits[] = { "", ", \"max\": \"idle\"", ", \"max\": \"fifo\"",
					    NULL };
static const char *const min_limits[] = { "", ", \"min\": 0", ", \"min\": 19", NULL };
static const char *const switch_limits[] = { "", ", \"to\": \"on\"", ", \"to\": \"off\"", NULL };
static const char *const no_limits[] = { "", NULL };

static const struct class_values {
	enum policy_class class;
	const char *const *limits;
	uint64_t saved[8];
	size_t count;
} classes[] = {
	{ CLASS_CAPS, caps_limits, { 0, 1, 1 << 5, 1 << 13, 0x21, 0x1ffffffffff }, 6 },
	{ CLASS_SECUREBITS, no_limits, { 0, 1, 3, 0x10, 0x14 }, 5 },
	{ CLASS_RLIMIT, max_limits, { 0, 1, 98, 99, 100, 4096, 4097, UINT64_MAX }, 8 },
	{ CLASS_NICE, min_limits, { SIGNED(-20), SIGNED(-1), 0, 5, 10, 19 }, 6 },
	{ CLASS_SCHED, sched_limits, { 0, 1, 2, 3, 5, 6, SCHED_RESET_ON_FORK | 1 }, 7 },
	{ CLASS_RT_PRIORITY, max_limits, { 1, 50, 99 }, 3 },
	{ CLASS_IOPRIO, no_limits, { 0, 0x2000, 0x4004, 0x6000 }, 4 },
	{ CLASS_AFFINITY, no_limits, { 0, 1, UINT64_MAX }, 3 },
	{ CLASS_MLOCK, max_limits, { 0, 1, 4096, 4097, UINT64_MAX }, 5 },
	{ CLASS_OOM_SCORE_ADJ, min_limits, { SIGNED(-1000), 0, 99, 100, 1000 }, 5 },
	{ CLASS_NO_NEW_PRIVS, switch_limits, { 0, 1 }, 2 },
	{ CLASS_SECCOMP, no_limits, { 0, 1, 2 }, 3 },
	{ CLASS_FILE, no_limits, { 0, 1, 2 }, 3 },
	{ CLASS_STDIO, no_limits, { 0, 1 }, 2 },
	{ CLASS_MOUNT, no_limits, { 1 }, 1 },
	{ CLASS_SESSION, no_limits, { 0 }, 1 },
	{ CLASS_SOCKET, no_limits, { 0, 1 }, 2 },
	{ CLASS_TCP, no_limits, { 1 }, 1 },
};

/* {"net": {"tcp": RULE}} */
static void put_section(const char *key, const char *rule, struct buf *text)
{
	const char *dot = strchr(key, '.');

	if (dot)
		buf_printf(text, "\"%.*s\": {\"%s\": %s}", (int)(dot - key), key, dot + 1, rule);
	else
		buf_printf(text, "\"%s\": %s", key, rule);
}

static struct policy_file *parse_rule(enum policy_class class, const char *preset,
				      enum outcome action, const char *limit, enum policy_role role)
{
	auto_free char *extends =
	    preset ? mem_printf("\"extends\": \"%s\", ", preset) : mem_string("");
	auto_free char *rule = mem_printf(
	    "{\"action\": \"%s\"%s%s}", outcome_name(action), limit,
	    class == CLASS_FILE && action == OUTCOME_SUBSTITUTE ? ", \"with\": \"/n\"" : "");
	auto_buf struct buf text = BUF_EMPTY;
	struct policy_file *file = NULL;
	struct err err = ERR_NONE;

	buf_printf(&text, "{\"ctckpt_policy\": 1, %s", extends);
	put_section(policy_class_info(class)->key, rule, &text);
	buf_printf(&text, "}");
	if (policy_file_parse("p", text.data, text.size, role, &file, &err) < 0 && !*limit)
		printf("# %s: %s\n", text.data, err.text);
	return file;
}

/* Every action with every limit; what a limit is not for is no policy. */
static size_t all_rules(enum policy_class class, const char *const *limits, const char *preset,
			enum policy_role role, struct policy_file *ret_files[RULES_MAX])
{
	size_t count = 0;

	for (enum outcome action = 0; action <= OUTCOME_REFUSE; action++) {
		if (!(policy_class_info(class)->actions >> action & 1))
			continue;
		for (size_t i = 0; limits[i] && count < RULES_MAX; i++) {
			ret_files[count] = parse_rule(class, preset, action, limits[i], role);
			count += ret_files[count] != NULL;
		}
	}
	return count;
}

static struct decision decide(const struct policy *policy, enum policy_class class, uint32_t detail,
			      uint64_t saved, uint64_t invoker)
{
	struct decision decision = {
		.class = class,
		.detail = detail,
		.saved = saved,
		.invoker = invoker,
		.is_descriptor = true,
	};

	policy_decide(policy, &facts, &decision);
	return decision;
}

static uint64_t without_flag(const struct decision *decision, uint64_t value)
{
	return decision->class == CLASS_SCHED ? value & ~(uint64_t)SCHED_RESET_ON_FORK : value;
}

/* Is one no more than the other? */
static bool is_leq(const struct decision *one, const struct decision *other)
{
	const struct lattice *lattice = lattice_of(one->class);

	if (one->outcome == OUTCOME_REFUSE)
		return true;
	if (other->outcome == OUTCOME_REFUSE)
		return false;
	if (!lattice_has_values(one->class))
		return outcome_loss(one->outcome) >= outcome_loss(other->outcome);
	return lattice->leq(without_flag(one, one->effective),
			    without_flag(other, other->effective));
}

static bool is_within_saved(const struct decision *decision)
{
	const struct lattice *lattice = lattice_of(decision->class);

	if (decision->outcome == OUTCOME_REFUSE || !lattice_has_values(decision->class))
		return true;
	return lattice->leq(without_flag(decision, decision->effective),
			    without_flag(decision, decision->saved));
}

static bool wants_all(const struct policy *policy, const struct decision *decision)
{
	return policy_rule_for(policy, decision)->shortfall == OUTCOME_REFUSE;
}

static size_t check_pair(struct unit *unit, const struct class_values *values,
			 const struct policy *own, const struct policy *administrator)
{
	struct policy both = *own;
	size_t count = 0;

	both.also = administrator;
	for (size_t i = 0; i < values->count; i++) {
		for (uint32_t detail = 0; detail < 4; detail += 3) {
			uint64_t saved = values->saved[i];
			uint64_t invoker = detail ? 13 : 0;
			uint32_t item =
			    policy_class_info(values->class)->detail_name_count ? detail : 0;
			struct decision alone = decide(own, values->class, item, saved, invoker);
			struct decision theirs =
			    decide(administrator, values->class, item, saved, invoker);
			struct decision met = decide(&both, values->class, item, saved, invoker);

			count++;
			EXPECT(unit, is_leq(&met, &alone));
			EXPECT(unit, is_leq(&met, &theirs));
			EXPECT(unit, is_within_saved(&alone) && is_within_saved(&met));
			EXPECT(unit, met.rule == alone.rule || met.rule == theirs.rule);
			/* What was to be kept is kept, or nothing is. */
			if (lattice_has_values(values->class) && wants_all(own, &met))
				EXPECT(unit, met.outcome == OUTCOME_REFUSE ||
						 met.effective == alone.effective);
			/* Two that agree, agree. */
			if (is_leq(&alone, &theirs) && is_leq(&theirs, &alone))
				EXPECT(unit, is_leq(&alone, &met));
		}
	}
	return count;
}

static size_t check_class(struct unit *unit, const struct class_values *values, const char *preset)
{
	struct policy_file *own[RULES_MAX];
	struct policy_file *administrator[RULES_MAX];
	size_t own_count = all_rules(values->class, values->limits, preset, POLICY_INVOKER, own);
	size_t other_count =
	    all_rules(values->class, values->limits, NULL, POLICY_ADMINISTRATOR, administrator);
	size_t count = 0;

	EXPECT(unit, own_count > 0 && own_count == other_count);
	for (size_t i = 0; i < own_count; i++) {
		for (size_t j = 0; j < other_count; j++)
			count += check_pair(unit, values, policy_file_policy(own[i]),
					    policy_file_policy(administrator[j]));
	}
	for (size_t i = 0; i < own_count; i++)
		policy_file_free(own[i]);
	for (size_t i = 0; i < other_count; i++)
		policy_file_free(administrator[i]);
	return count;
}

static void only_narrows(struct unit *unit)
{
	static const char *const presets[] = { "strict", "map", "same-host" };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		for (size_t j = 0; j < sizeof(presets) / sizeof(presets[0]); j++)
			count += check_class(unit, &classes[i], presets[j]);
	}
	printf("# %zu decisions\n", count);
	EXPECT(unit, count > 3000);
}

/* What the administrator does not mention is as without him. */
static void says_nothing(struct unit *unit)
{
	struct policy_file *file = NULL;
	struct err err = ERR_NONE;
	static const char text[] = "{\"ctckpt_policy\": 1}";
	struct policy both;
	const struct policy *preset;

	EXPECT(unit, policy_preset("map", &preset, &err) == 0);
	EXPECT(unit, policy_file_parse("p", text, sizeof(text) - 1, POLICY_ADMINISTRATOR, &file,
				       &err) == 0);
	both = *preset;
	both.also = policy_file_policy(file);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		for (size_t j = 0; j < classes[i].count; j++) {
			struct decision alone =
			    decide(preset, classes[i].class, 0, classes[i].saved[j], 0);
			struct decision met =
			    decide(&both, classes[i].class, 0, classes[i].saved[j], 0);

			EXPECT(unit, alone.outcome == met.outcome &&
					 alone.effective == met.effective &&
					 alone.rule == met.rule);
		}
	}
	policy_file_free(file);
}

/* ---- plans ---- */

static struct plan *make_plan_of(const struct host_facts *known, uint64_t limit, int error,
				 uint32_t tasks)
{
	const struct policy *preset = NULL;
	struct host_facts own = *known;
	struct err err = ERR_NONE;
	struct plan *plan;

	own.hard_limits[7] = limit;
	if (policy_preset("map", &preset, &err) < 0)
		abort();
	plan = plan_new(NULL, preset, &own);
	for (uint32_t id = 1; id <= tasks; id++) {
		const struct question limits = {
			.class = CLASS_RLIMIT, .id = id, .detail = 15, .saved = 3000
		};
		const struct question nice = { .class = CLASS_NICE, .id = id, .saved = SIGNED(-3) };

		plan_name_task(plan, id, id, (pid_t)id + 10, "web");
		plan_ask(plan, &limits);
		plan_ask(plan, &nice);
	}
	plan_ask(plan, &(struct question){ .class = CLASS_FILE,
					   .id = 99,
					   .path = "/data",
					   .subject = "/data",
					   .invoker = (uint64_t)error });
	plan_ask(plan,
		 &(struct question){
		     .class = CLASS_TCP, .id = 98, .subject = "TCP", .saved = 1, .invoker = 1 });
	plan_settle(plan);
	return plan;
}

static struct plan *make_plan(uint64_t limit, int error, uint32_t tasks)
{
	return make_plan_of(&facts, limit, error, tasks);
}

static void expect_hold(struct unit *unit, const char *text, struct plan *plan, const char *wanted)
{
	struct err err = ERR_NONE;
	int r = plan_hold_text(plan, text, strlen(text), &err);

	EXPECT(unit, (r == 0) == (*wanted == '\0'));
	EXPECT_TEXT(unit, err.text, wanted);
	plan_free(plan);
}

static void plans_hold(struct unit *unit)
{
	struct host_facts cut_off = facts;
	struct plan *plan = make_plan(2048, 0, 2);
	auto_json struct json *json = plan_json(plan);
	auto_free char *text = json_print(json, true);

	plan_free(plan);
	expect_hold(unit, text, make_plan(2048, 0, 2), "");
	expect_hold(unit, text, make_plan(2500, 0, 2), "");
	expect_hold(
	    unit, text, make_plan(2047, 0, 2),
	    "the plan does not hold any more: TASK 11 (web) rlimit.nofile.hard was 2048 and "
	    "is 2047; TASK 12 (web) rlimit.nofile.hard was 2048 and is 2047");
	expect_hold(
	    unit, text, make_plan(2048, 2, 2),
	    "the plan does not hold any more: FILE 99 /data was reopen and is refused (it is "
	    "not there)");
	cut_off.keeps_connections = false;
	expect_hold(unit, text, make_plan_of(&cut_off, 2048, 0, 2),
		    "the plan does not hold any more: FILE 98 TCP was keep and is drop");
	expect_hold(
	    unit, text, make_plan(4096, 0, 1),
	    "the plan does not hold any more: rlimit.nofile.hard of object 2 is gone; nice of "
	    "object 2 is gone");
	expect_hold(
	    unit, text, make_plan(2048, 0, 3),
	    "the plan does not hold any more: rlimit.nofile.hard is new: clamp; nice is new: "
	    "clamp");
}

static struct plan *make_plan_with(const char *place, const char *remark)
{
	const struct policy_rule rule = { .name = "files[0]",
					  .action = OUTCOME_SUBSTITUTE,
					  .with = place };
	const struct question question = { .class = CLASS_FILE,
					   .id = 99,
					   .path = "/data",
					   .subject = "/data",
					   .is_descriptor = true,
					   .invoker_text = remark };
	const struct policy *preset = NULL;
	struct err err = ERR_NONE;
	struct plan *plan;

	if (policy_preset("strict", &preset, &err) < 0)
		abort();
	plan = plan_new(NULL, preset, &facts);
	plan_ask(plan, &question);
	plan_settle(plan);
	if (place)
		decide_file(&rule, &facts, &plan->decisions[0]);
	return plan;
}

/* Outcomes that are the same may be about something else. */
static void plans_alter(struct unit *unit)
{
	static const char *const rows[][5] = {
		/* then, now: what takes its place, what is said of it */
		{ NULL, "open", NULL, "open", "" },
		{ NULL, "open: the file was changed since", NULL, "open", "" },
		{ NULL, "open", NULL, "open: the file was changed since",
		  "FILE 99 /data was open and is open: the file was changed since" },
		{ NULL, "open: 5 bytes then, 9 now", NULL, "open: 5 bytes then, 10 now", "" },
		{ NULL, "open: 5 bytes then, 9 now", NULL, "open: 5 bytes then, 9 now, and more",
		  "FILE 99 /data was open: 5 bytes then, 9 now and is open: 5 bytes then, 9 now, "
		  "and more" },
		{ "/dev/null", "open", "/dev/null", "open: the file was changed since", "" },
		{ "/dev/null", "open", "/dev/zero", "open",
		  "FILE 99 /data was substitute /dev/null and is substitute /dev/zero" },
		{ "/log/1", "open", "/log/2", "open",
		  "FILE 99 /data was substitute /log/1 and is substitute /log/2" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan *plan = make_plan_with(rows[i][0], rows[i][1]);
		auto_json struct json *json = plan_json(plan);
		auto_free char *text = json_print(json, true);
		auto_free char *wanted = mem_printf(
		    "%s%s", *rows[i][4] ? "the plan does not hold any more: " : "", rows[i][4]);

		plan_free(plan);
		expect_hold(unit, text, make_plan_with(rows[i][2], rows[i][3]), wanted);
	}
}

/* More than anybody reads. */
static void many_differences(struct unit *unit)
{
	struct plan *plan = make_plan(2048, 0, 200);
	auto_json struct json *json = plan_json(plan);
	auto_free char *text = json_print(json, true);
	struct err err = ERR_NONE;

	plan_free(plan);
	plan = make_plan(2047, 0, 200);
	EXPECT(unit, plan_hold_text(plan, text, strlen(text), &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, strstr(err.text, "; and "), "; and 186 more");
	plan_free(plan);
}

static void no_plans(struct unit *unit)
{
	static const char *const texts[][2] = {
		{ "[", "line 1: ']' expected near end of file" },
		{ "[]", "it is not what ctckpt plan --json prints" },
		{ "{\"image\": \"0000000000000000\", \"verdict\": \"restore\"}",
		  "it is not what ctckpt plan --json prints" },
		{ "{\"image\": \"1\", \"verdict\": \"restore\", \"decisions\": []}",
		  "it is the plan of another image" },
		{ "{\"image\": \"0000000000000000\", \"verdict\": \"refuse\", \"decisions\": []}",
		  "by that plan, a restore would refuse" },
		{ "{\"image\": \"0000000000000000\", \"verdict\": \"restore\", \"decisions\": "
		  "[{}]}",
		  "decision 0 is none that ctckpt plan prints" },
		{ "{\"image\": \"0000000000000000\", \"verdict\": \"restore\", \"decisions\": "
		  "[{\"class\": "
		  "\"nice\", \"id\": 4294967296, \"detail\": 0, \"outcome\": \"keep\", "
		  "\"effective\": 1}]}",
		  "decision 0 is none that ctckpt plan prints" },
		{ "{\"image\": \"0000000000000000\", \"verdict\": \"restore\", \"decisions\": "
		  "[{\"class\": "
		  "\"nice\", \"id\": 1, \"detail\": 0, \"outcome\": \"keep\", \"effective\": "
		  "\"1x\"}]}",
		  "decision 0 is none that ctckpt plan prints" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_hold(unit, texts[i][0], make_plan(2048, 0, 1), texts[i][1]);
}

static const struct unit_case cases[] = {
	UNIT_CASE(only_narrows), UNIT_CASE(says_nothing),     UNIT_CASE(plans_hold),
	UNIT_CASE(plans_alter),	 UNIT_CASE(many_differences), UNIT_CASE(no_plans),
};

int main(void)
{
	return UNIT_RUN(cases);
}
