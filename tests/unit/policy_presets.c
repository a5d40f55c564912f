/* The presets over questions made by hand, for an ordinary user with made-up facts. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/buf.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"
#include "policy_check.h"

#define SIGNED(number) ((uint64_t)(int64_t)(number))
#define ALL_CAPS       UINT64_C(0x1ffffffffff)

static struct id_range uid_ranges[] = { { 100000, 65536 } };
static struct id_range gid_ranges[] = { { 200000, 65536 } };
static struct id_range own_ids[] = { { 0, UINT32_MAX } };
static gid_t own_groups[] = { 1000, 27 };
static uint64_t own_cpus[] = { 0x3 };

static struct host_facts user_facts(void)
{
	struct host_facts facts = {
		.uid = 1000,
		.gid = 1000,
		.groups = own_groups,
		.group_count = 2,
		.uid_ranges = uid_ranges,
		.uid_range_count = 1,
		.gid_ranges = gid_ranges,
		.gid_range_count = 1,
		.bounding = ALL_CAPS,
		.known_caps = ALL_CAPS,
		.lowest_nice = 0,
		.oom_score_adj = 100,
		.known_securebits = 0xff,
		.cpus = own_cpus,
		.cpu_words = 1,
		.own_uids = own_ids,
		.own_uid_count = 1,
		.own_gids = own_ids,
		.own_gid_count = 1,
	};

	for (int i = 0; i < 16; i++)
		facts.hard_limits[i] = 4096;
	return facts;
}

static struct plan *new_plan(const char *preset, const struct host_facts *facts)
{
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (policy_preset(preset, &policy, &err) < 0)
		abort();
	return plan_new(NULL, policy, facts);
}

static void ask(struct plan *plan, enum policy_class class, uint32_t id, uint32_t detail,
		uint64_t saved)
{
	const struct question question = {
		.class = class, .id = id, .detail = detail, .saved = saved
	};

	plan_ask(plan, &question);
}

/* One question alone, for an ordinary user. */
static struct decision decide(const char *preset, enum policy_class class, uint32_t detail,
			      uint64_t saved)
{
	const struct host_facts facts = user_facts();
	struct plan *plan = new_plan(preset, &facts);
	struct decision decision;

	ask(plan, class, 1, detail, saved);
	plan_settle(plan);
	decision = *plan_answer(plan, class, 1, detail);
	plan_free(plan);
	return decision;
}

static bool gives(const char *preset, enum policy_class class, uint32_t detail, uint64_t saved,
		  enum outcome outcome, uint64_t effective)
{
	struct decision decision = decide(preset, class, detail, saved);

	return decision.outcome == outcome && decision.effective == effective;
}

static bool both_give(enum policy_class class, uint32_t detail, uint64_t saved,
		      enum outcome outcome, uint64_t effective)
{
	return gives("strict", class, detail, saved, outcome, effective) &&
	       gives("map", class, detail, saved, outcome, effective);
}

static bool both_refuse(enum policy_class class, uint32_t detail, uint64_t saved)
{
	return decide("strict", class, detail, saved).outcome == OUTCOME_REFUSE &&
	       decide("map", class, detail, saved).outcome == OUTCOME_REFUSE;
}

static void test_caps(struct checks *checks)
{
	bool are_dropped = true;
	bool are_kept = true;

	for (uint32_t set = 0; set < 5; set++) {
		are_dropped &= gives("strict", CLASS_CAPS, set, 0, OUTCOME_KEEP, 0);
		if (set == 2 || set == 4)
			continue; /* refused alone: they are not permitted */
		are_dropped &= gives("strict", CLASS_CAPS, set, ALL_CAPS, OUTCOME_DROP, 0);
		are_kept &= gives("map", CLASS_CAPS, set, ALL_CAPS, OUTCOME_KEEP, ALL_CAPS);
	}
	check_case(checks, "strict drops every set", are_dropped);
	check_case(checks, "map keeps what the kernel knows", are_kept);
	check_case(checks, "unknown capabilities are refused",
		   both_refuse(CLASS_CAPS, 3, UINT64_C(1) << 41) &&
		       both_refuse(CLASS_CAPS, 1, UINT64_C(1) << 63));
	check_case(checks, "a sixth set is refused", both_refuse(CLASS_CAPS, 5, 0));
	check_case(checks, "effective but not permitted is refused", both_refuse(CLASS_CAPS, 2, 1));
	check_case(checks, "ambient but not inheritable is refused", both_refuse(CLASS_CAPS, 4, 1));
}

static void test_securebits(struct checks *checks)
{
	check_case(checks, "securebits are kept",
		   both_give(CLASS_SECUREBITS, 0, 0xef, OUTCOME_KEEP, 0xef));
	check_case(checks, "unknown securebits are refused",
		   both_refuse(CLASS_SECUREBITS, 0, 0x100));
}

static void test_limits(struct checks *checks)
{
	bool are_clamped = true;

	for (uint32_t detail = 0; detail < 32; detail++) {
		are_clamped &= both_give(CLASS_RLIMIT, detail, 100, OUTCOME_KEEP, 100);
		are_clamped &= both_give(CLASS_RLIMIT, detail, 4096, OUTCOME_KEEP, 4096);
		are_clamped &= both_give(CLASS_RLIMIT, detail, UINT64_MAX, OUTCOME_CLAMP, 4096);
	}
	check_case(checks, "all 32 limits are clamped", are_clamped);
	check_case(checks, "a limit behind the last is refused", both_refuse(CLASS_RLIMIT, 32, 0));
	check_case(checks, "locked memory within the limit is kept",
		   both_give(CLASS_MLOCK, 0, 4096, OUTCOME_KEEP, 4096));
	check_case(checks, "locked memory above the limit is not locked",
		   both_give(CLASS_MLOCK, 0, 4097, OUTCOME_CLAMP, 0));
}

/* The hard limit comes out lower than the soft one would. */
static void test_soft_limit(struct checks *checks)
{
	struct host_facts facts = user_facts();
	struct plan *plan = new_plan("strict", &facts);

	ask(plan, CLASS_RLIMIT, 1, 15, 20);
	ask(plan, CLASS_RLIMIT, 1, 14, 30);
	ask(plan, CLASS_RLIMIT, 2, 14, 5000);
	ask(plan, CLASS_RLIMIT, 2, 15, 6000);
	plan_settle(plan);
	check_case(checks, "a soft limit above the hard one is refused",
		   plan_answer(plan, CLASS_RLIMIT, 1, 14)->outcome == OUTCOME_REFUSE);
	check_case(checks, "a soft limit never passes the effective hard one",
		   plan_value(plan, CLASS_RLIMIT, 2, 14, 1) == 4096 &&
		       plan_value(plan, CLASS_RLIMIT, 2, 15, 1) == 4096);
	plan_free(plan);
}

static void test_sched(struct checks *checks)
{
	check_case(checks, "nice is kept", both_give(CLASS_NICE, 0, 5, OUTCOME_KEEP, 5));
	check_case(checks, "negative nice is clamped",
		   both_give(CLASS_NICE, 0, SIGNED(-5), OUTCOME_CLAMP, 0));
	check_case(checks, "negative nice in 32 bits is clamped",
		   both_give(CLASS_NICE, 0, (uint32_t)-5, OUTCOME_CLAMP, 0));
	check_case(checks, "impossible nice is refused",
		   both_refuse(CLASS_NICE, 0, 20) && both_refuse(CLASS_NICE, 0, SIGNED(-21)) &&
		       both_refuse(CLASS_NICE, 0, UINT64_C(5) << 32));
	check_case(checks, "real time is dropped",
		   both_give(CLASS_SCHED, 0, 1, OUTCOME_DROP, 0) &&
		       both_give(CLASS_SCHED, 0, 2, OUTCOME_DROP, 0) &&
		       both_give(CLASS_SCHED, 0, 6, OUTCOME_DROP, 0));
	check_case(checks, "batch and idle are kept",
		   both_give(CLASS_SCHED, 0, 3, OUTCOME_KEEP, 3) &&
		       both_give(CLASS_SCHED, 0, 5, OUTCOME_KEEP, 5));
	check_case(checks, "reset on fork stays",
		   both_give(CLASS_SCHED, 0, 0x40000001, OUTCOME_DROP, 0x40000000));
	check_case(checks, "unknown scheduling is refused",
		   both_refuse(CLASS_SCHED, 0, 8) && both_refuse(CLASS_SCHED, 0, 4));
	check_case(checks, "oom_score_adj is the larger one",
		   both_give(CLASS_OOM_SCORE_ADJ, 0, SIGNED(-1000), OUTCOME_CLAMP, 100) &&
		       both_give(CLASS_OOM_SCORE_ADJ, 0, 100, OUTCOME_KEEP, 100) &&
		       both_give(CLASS_OOM_SCORE_ADJ, 0, 1000, OUTCOME_KEEP, 1000));
	check_case(checks, "impossible oom_score_adj is refused",
		   both_refuse(CLASS_OOM_SCORE_ADJ, 0, 1001));
}

static void test_affinity(struct checks *checks)
{
	struct host_facts facts = user_facts();
	struct plan *plan = new_plan("strict", &facts);

	ask(plan, CLASS_AFFINITY, 1, 0, 0xf);
	ask(plan, CLASS_AFFINITY, 2, 0, 0xc);
	ask(plan, CLASS_AFFINITY, 2, 1, 0xc);
	ask(plan, CLASS_AFFINITY, 3, 0, 0x1);
	ask(plan, CLASS_AFFINITY, 3, 1, 0x1);
	plan_settle(plan);
	check_case(checks, "affinity is clamped",
		   plan_value(plan, CLASS_AFFINITY, 1, 0, 0) == 0x3 &&
		       plan_value(plan, CLASS_AFFINITY, 3, 0, 0) == 0x1 &&
		       plan_value(plan, CLASS_AFFINITY, 3, 1, 9) == 0);
	check_case(checks, "affinity without a common CPU is the invoker's",
		   plan_answer(plan, CLASS_AFFINITY, 2, 0)->outcome == OUTCOME_INHERIT &&
		       plan_value(plan, CLASS_AFFINITY, 2, 0, 0) == 0x3);
	plan_free(plan);
}

static void test_confinement(struct checks *checks)
{
	struct host_facts facts = user_facts();
	struct plan *plan;

	check_case(checks, "strict turns no_new_privs on",
		   gives("strict", CLASS_NO_NEW_PRIVS, 0, 0, OUTCOME_CLAMP, 1) &&
		       gives("strict", CLASS_NO_NEW_PRIVS, 0, 1, OUTCOME_KEEP, 1));
	check_case(checks, "map keeps no_new_privs",
		   gives("map", CLASS_NO_NEW_PRIVS, 0, 0, OUTCOME_KEEP, 0) &&
		       gives("map", CLASS_NO_NEW_PRIVS, 0, 1, OUTCOME_KEEP, 1));
	check_case(checks, "no_new_privs of 2 is refused", both_refuse(CLASS_NO_NEW_PRIVS, 0, 2));
	check_case(checks, "no filter is kept", both_give(CLASS_SECCOMP, 0, 0, OUTCOME_KEEP, 0));
	check_case(checks, "filters are refused",
		   both_refuse(CLASS_SECCOMP, 0, 1) && both_refuse(CLASS_SECCOMP, 0, 2));

	facts.no_new_privs = true;
	facts.seccomp = 2;
	plan = new_plan("map", &facts);
	ask(plan, CLASS_NO_NEW_PRIVS, 1, 0, 0);
	ask(plan, CLASS_SECCOMP, 1, 0, 0);
	plan_settle(plan);
	check_case(checks, "map never falls below the invoker's no_new_privs",
		   plan_value(plan, CLASS_NO_NEW_PRIVS, 1, 0, 0) == 1);
	check_case(checks, "the invoker's filter is inherited",
		   plan_answer(plan, CLASS_SECCOMP, 1, 0)->outcome == OUTCOME_INHERIT);
	plan_free(plan);
}

static enum outcome label_outcome(const char *preset, bool is_own)
{
	const struct host_facts facts = user_facts();
	struct plan *plan = new_plan(preset, &facts);
	const struct question question = {
		.class = CLASS_LSM, .id = 7, .saved = 1, .invoker = is_own
	};
	const struct decision *decision;
	enum outcome outcome;

	plan_ask(plan, &question);
	plan_settle(plan);
	decision = plan_answer(plan, CLASS_LSM, 7, 0);
	outcome = decision->outcome;
	/* What comes out is the invoker's, whatever was saved. */
	if (outcome != OUTCOME_REFUSE && decision->effective != question.invoker)
		outcome = OUTCOME_RECORD;
	plan_free(plan);
	return outcome;
}

static void test_labels(struct checks *checks)
{
	check_case(checks, "a label that is the invoker's is kept",
		   label_outcome("strict", true) == OUTCOME_KEEP &&
		       label_outcome("map", true) == OUTCOME_KEEP &&
		       label_outcome("same-host", true) == OUTCOME_KEEP);
	check_case(checks, "another label becomes the invoker's",
		   label_outcome("strict", false) == OUTCOME_INHERIT &&
		       label_outcome("map", false) == OUTCOME_INHERIT);
	check_case(checks, "same-host refuses another label",
		   label_outcome("same-host", false) == OUTCOME_REFUSE);
	check_case(checks, "keys are replaced by fresh keyrings",
		   both_give(CLASS_KEYRING, 2, 3, OUTCOME_SUBSTITUTE, 0));
	check_case(checks, "what is lost is dropped, and no other keyring is known",
		   both_give(CLASS_LOSS, 1, 3, OUTCOME_DROP, 0) &&
		       both_refuse(CLASS_KEYRING, 3, 1));
}

static enum outcome file_outcome(uint64_t error)
{
	const struct host_facts facts = user_facts();
	struct plan *plan = new_plan("strict", &facts);
	const struct question question = { .class = CLASS_FILE, .id = 7, .invoker = error };
	enum outcome outcome;

	plan_ask(plan, &question);
	plan_settle(plan);
	outcome = plan_answer(plan, CLASS_FILE, 7, 0)->outcome;
	plan_free(plan);
	return outcome;
}

static void test_files(struct checks *checks)
{
	check_case(checks, "a file that opens is reopened", file_outcome(0) == OUTCOME_REOPEN);
	check_case(checks, "a file that does not is refused",
		   file_outcome(EACCES) == OUTCOME_REFUSE &&
		       file_outcome(ENOENT) == OUTCOME_REFUSE &&
		       file_outcome(ELOOP) == OUTCOME_REFUSE &&
		       file_outcome(UINT64_MAX) == OUTCOME_REFUSE);
	check_case(checks, "stdio is inherited", both_give(CLASS_STDIO, 0, 0, OUTCOME_INHERIT, 0));
	check_case(checks, "a mount of the host is refused unless it is named",
		   both_refuse(CLASS_MOUNT, 1, 1));
	check_case(checks, "a session is inherited",
		   both_give(CLASS_SESSION, 0, 0, OUTCOME_INHERIT, 0));
}

static enum outcome tcp_outcome(const char *preset, bool is_asked_for, bool is_promised,
				bool has_address)
{
	struct host_facts facts = user_facts();
	const struct question question = {
		.class = CLASS_TCP, .id = 7, .saved = 1, .invoker = has_address
	};
	enum outcome outcome;
	struct plan *plan;

	facts.keeps_connections = is_asked_for;
	facts.is_network_promised = is_promised;
	plan = new_plan(preset, &facts);
	plan_ask(plan, &question);
	plan_settle(plan);
	outcome = plan_answer(plan, CLASS_TCP, 7, 0)->outcome;
	plan_free(plan);
	return outcome;
}

static void test_connections(struct checks *checks)
{
	check_case(checks, "a TCP connection is kept with its address",
		   tcp_outcome("strict", true, false, true) == OUTCOME_KEEP &&
		       tcp_outcome("map", true, false, true) == OUTCOME_KEEP);
	check_case(checks, "a TCP connection is kept if its address is promised",
		   tcp_outcome("strict", true, true, false) == OUTCOME_KEEP &&
		       tcp_outcome("map", true, true, false) == OUTCOME_KEEP);
	check_case(checks, "a TCP connection that nobody asked for is not kept",
		   tcp_outcome("strict", false, false, true) == OUTCOME_REFUSE &&
		       tcp_outcome("map", false, true, true) == OUTCOME_DROP);
	check_case(checks, "a TCP connection without its address is not kept",
		   tcp_outcome("strict", true, false, false) == OUTCOME_REFUSE &&
		       tcp_outcome("map", true, false, false) == OUTCOME_DROP);
}

static enum outcome grant_outcome(const char *preset, uint64_t fit)
{
	struct host_facts facts = user_facts();
	const struct question question = { .class = CLASS_GRANT, .id = 7, .invoker = fit };
	struct plan *plan = new_plan(preset, &facts);
	enum outcome outcome;

	plan_ask(plan, &question);
	plan_settle(plan);
	outcome = plan_answer(plan, CLASS_GRANT, 7, 0)->outcome;
	plan_free(plan);
	return outcome;
}

static void test_grants(struct checks *checks)
{
	bool are_refused = true;

	check_case(checks, "a descriptor that is given takes the place of what it is like",
		   grant_outcome("strict", GRANT_FITS) == OUTCOME_SUBSTITUTE &&
		       grant_outcome("map", GRANT_FITS) == OUTCOME_SUBSTITUTE);
	for (uint64_t fit = GRANT_FITS + 1; fit <= GRANT_SHORT + 1; fit++)
		are_refused &= grant_outcome("strict", fit) == OUTCOME_REFUSE &&
			       grant_outcome("map", fit) == OUTCOME_REFUSE;
	check_case(checks, "a descriptor that does not fit is refused", are_refused);
}

static enum outcome socket_outcome(enum outcome action, enum socket_target target, int error)
{
	struct host_facts facts = user_facts();
	struct decision decision = {
		.class = CLASS_SOCKET, .id = 7, .saved = target, .invoker = (uint64_t)error
	};
	const struct policy *preset = NULL;
	struct err err = ERR_NONE;
	struct policy policy;

	if (policy_preset("strict", &preset, &err) < 0)
		return OUTCOME_REFUSE;
	policy = *preset;
	policy.rules[CLASS_SOCKET].action = action;
	policy_decide(&policy, &facts, &decision);
	return decision.outcome;
}

static void test_sockets(struct checks *checks)
{
	check_case(checks, "a unix connection is made again only if a rule says so",
		   socket_outcome(OUTCOME_KEEP, SOCKET_TARGET_CONNECTION, 0) == OUTCOME_REFUSE &&
		       socket_outcome(OUTCOME_REOPEN, SOCKET_TARGET_CONNECTION, 0) ==
			   OUTCOME_REOPEN &&
		       socket_outcome(OUTCOME_DROP, SOCKET_TARGET_CONNECTION, 0) == OUTCOME_DROP);
	check_case(checks, "a unix connection is made again only where somebody listens",
		   socket_outcome(OUTCOME_REOPEN, SOCKET_TARGET_CONNECTION, ECONNREFUSED) ==
			   OUTCOME_REFUSE &&
		       socket_outcome(OUTCOME_REOPEN, SOCKET_TARGET_NONE, 0) == OUTCOME_REFUSE);
	check_case(checks, "messages to a path go on, unless a rule drops them",
		   socket_outcome(OUTCOME_KEEP, SOCKET_TARGET_MESSAGES, 0) == OUTCOME_REOPEN &&
		       socket_outcome(OUTCOME_DROP, SOCKET_TARGET_MESSAGES, 0) == OUTCOME_DROP);
}

/* Any bits at all, but often small or nearly all ones. */
static uint64_t random_value(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	switch (*state >> 60) {
	case 0 ... 5:
		return *state >> 8 & 0xff;
	case 6 ... 8:
		return -(*state >> 8 & 0xff);
	default:
		return *state >> (*state >> 54 & 0x3f);
	}
}

/* What comes out is no more than was saved, and no more than the invoker has. */
static bool is_bounded(const struct decision *decision)
{
	const struct lattice *l = lattice_of(decision->class);

	switch (decision->class) {
	case CLASS_CAPS:
	case CLASS_RLIMIT:
	case CLASS_NICE:
	case CLASS_MLOCK:
	case CLASS_OOM_SCORE_ADJ:
	case CLASS_NO_NEW_PRIVS:
		return l->leq(decision->effective, decision->saved) &&
		       l->leq(decision->effective, decision->invoker);
	case CLASS_AFFINITY:
		return l->leq(decision->effective, decision->invoker) &&
		       (decision->outcome == OUTCOME_INHERIT ||
			l->leq(decision->effective, decision->saved));
	case CLASS_SCHED:
		return (decision->effective & ~(uint64_t)SCHED_RESET_ON_FORK) != 1;
	case CLASS_SECUREBITS:
	case CLASS_SECCOMP:
		return l->leq(decision->effective, decision->saved);
	default:
		return true;
	}
}

static void test_bounds(struct checks *checks)
{
	static const char *const presets[] = { "strict", "map" };
	struct host_facts facts = user_facts();
	uint64_t state = 88172645463325252u;
	bool are_bounded = true;
	size_t decided = 0;

	facts.no_new_privs = true;
	for (uint32_t round = 0; round < 200; round++) {
		struct plan *plan = new_plan(presets[round % 2], &facts);

		for (uint32_t i = 0; i < 500; i++)
			ask(plan, random_value(&state) % CLASS_COUNT, i % 50,
			    random_value(&state) % 34, random_value(&state));
		plan_settle(plan);
		for (size_t i = 0; i < plan->decision_count; i++) {
			const struct decision *decision = &plan->decisions[i];

			if (decision->outcome == OUTCOME_REFUSE)
				continue;
			decided++;
			are_bounded &= is_bounded(decision);
		}
		plan_free(plan);
	}
	(void)printf("# %zu random decisions\n", decided);
	check_case(checks, "nothing comes out that was not saved, or is not the invoker's",
		   are_bounded && decided > 10000);
}

static void test_forensic(struct checks *checks)
{
	const struct host_facts facts = user_facts();
	struct plan *plan = new_plan("forensic", &facts);
	struct err err = ERR_NONE;
	bool are_recorded = true;

	for (enum policy_class class = 0; class < CLASS_COUNT; class ++)
		ask(plan, class, 1, 0, 1);
	plan_settle(plan);
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++)
		are_recorded &= plan_answer(plan, class, 1, 0)->outcome == OUTCOME_RECORD;
	check_case(checks, "forensic records every class",
		   are_recorded && plan->decision_count == CLASS_COUNT);
	check_case(checks, "forensic never restores",
		   plan_verdict(plan, &err) == ERR_REFUSED &&
		       strcmp(err.text, "the policy forensic reads images and never runs them") ==
			   0);
	plan_free(plan);
}

/* Rules in front of a preset's: for one task, or for a path. */
static const struct policy_rule *choose(const struct policy *policy,
					const struct decision *decision)
{
	const struct policy_rule *rules = policy->file;

	if (decision->class == CLASS_RLIMIT && decision->task == 3)
		return &rules[0];
	if (decision->path && strcmp(decision->path, "/run/secret") == 0)
		return &rules[1];
	if (decision->class == CLASS_MLOCK)
		return &rules[2];
	if (decision->class == CLASS_CAPS && decision->detail == 1)
		return &rules[3];
	return NULL;
}

static void test_rules(struct checks *checks)
{
	static const struct policy_rule rules[] = {
		{ "rlimits", OUTCOME_CLAMP, 64, OUTCOME_CLAMP, false, NULL, NULL },
		{ "files[0]", OUTCOME_REFUSE, 0, OUTCOME_REFUSE, false, "remove it", NULL },
		{ "mlock", OUTCOME_KEEP, UINT64_MAX, OUTCOME_REFUSE, false, NULL, NULL },
		{ "caps.permitted", OUTCOME_CLAMP, 1 << 10, OUTCOME_CLAMP, false, NULL, NULL },
	};
	const struct host_facts facts = user_facts();
	const struct policy *strict = NULL;
	struct policy policy;
	struct plan *plan;
	struct err err = ERR_NONE;
	const struct decision *file;

	(void)policy_preset("strict", &strict, &err);
	policy = *strict;
	policy.choose = choose;
	policy.file = rules;
	plan = plan_new(NULL, &policy, &facts);
	ask(plan, CLASS_RLIMIT, 8, 1, 100);
	ask(plan, CLASS_RLIMIT, 9, 1, 100);
	ask(plan, CLASS_MLOCK, 9, 0, 4097);
	ask(plan, CLASS_CAPS, 9, 1, 3 << 10);
	plan_ask(plan, &(struct question){ .class = CLASS_FILE, .id = 5, .path = "/run/secret" });
	plan_name_task(plan, 8, 3, 7, "nginx");
	plan_settle(plan);
	file = plan_answer(plan, CLASS_FILE, 5, 0);
	check_case(checks, "a rule for one task",
		   plan_value(plan, CLASS_RLIMIT, 8, 1, 0) == 64 &&
		       plan_value(plan, CLASS_RLIMIT, 9, 1, 0) == 100 &&
		       strcmp(plan_answer(plan, CLASS_RLIMIT, 8, 1)->rule, "rlimits") == 0);
	check_case(checks, "a rule for a path refuses what could be opened",
		   file->outcome == OUTCOME_REFUSE && strcmp(file->remedy, "remove it") == 0);
	check_case(checks, "a rule that requires what the invoker may not give",
		   plan_answer(plan, CLASS_MLOCK, 9, 0)->outcome == OUTCOME_REFUSE);
	check_case(checks, "a rule lets a capability through",
		   plan_value(plan, CLASS_CAPS, 9, 1, 0) == 1 << 10);
	plan_free(plan);
}

static void test_table(struct checks *checks)
{
	bool are_found = true;

	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		const struct policy_class_info *info = policy_class_info(class);
		enum policy_class found = CLASS_COUNT;

		are_found &= policy_class_by_key(info->key, &found) == 0 && found == class;
		are_found &= strcmp(info->name, policy_class_name(class)) == 0 && info->decide;
		are_found &= info->actions >> OUTCOME_REFUSE & 1;
		are_found &= !(info->actions >> OUTCOME_RECORD & 1);
	}
	check_case(checks, "every class is found by its key, and can be refused", are_found);
}

static void test_preset_names(struct checks *checks)
{
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;

	check_case(checks, "an unknown policy names the known ones",
		   policy_preset("lax", &policy, &err) == ERR_USAGE && !policy &&
		       strstr(err.text, "there are strict, map, same-host and forensic"));
}

int main(void)
{
	struct checks checks = { 0 };

	test_caps(&checks);
	test_securebits(&checks);
	test_limits(&checks);
	test_soft_limit(&checks);
	test_sched(&checks);
	test_affinity(&checks);
	test_confinement(&checks);
	test_labels(&checks);
	test_files(&checks);
	test_connections(&checks);
	test_grants(&checks);
	test_sockets(&checks);
	test_bounds(&checks);
	test_forensic(&checks);
	test_rules(&checks);
	test_table(&checks);
	test_preset_names(&checks);
	return checks.failed != 0;
}
