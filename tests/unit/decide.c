/* How single values are decided: what is refused, and with which words. */
#include "policy/decide.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/stat.h>

#include "policy/plan.h"
#include "unit.h"

typedef void decide_fn(const struct policy_rule *rule, const struct host_facts *facts,
		       struct decision *decision);

static const struct policy_rule keep = {
	.action = OUTCOME_KEEP, .allowed = UINT64_MAX, .shortfall = OUTCOME_REFUSE, .remedy = "ask"
};
static const struct policy_rule substitute = { .action = OUTCOME_SUBSTITUTE,
					       .shortfall = OUTCOME_REFUSE,
					       .remedy = "ask" };
static const struct policy_rule drop = { .action = OUTCOME_DROP,
					 .shortfall = OUTCOME_DROP,
					 .remedy = "ask" };

static void expect_refused(struct unit *unit, decide_fn *decide, const struct policy_rule *rule,
			   const struct host_facts *facts, struct decision decision,
			   const char *reason)
{
	decide(rule, facts, &decision);
	EXPECT(unit, decision.outcome == OUTCOME_REFUSE);
	EXPECT_TEXT(unit, decision.reason, reason);
	EXPECT(unit, decision.remedy != NULL);
}

static void expect_outcome(struct unit *unit, decide_fn *decide, const struct policy_rule *rule,
			   const struct host_facts *facts, struct decision decision,
			   enum outcome outcome)
{
	decide(rule, facts, &decision);
	EXPECT(unit, decision.outcome == outcome);
}

static void shortfalls(struct unit *unit)
{
	const struct policy_rule less = {
		.action = OUTCOME_KEEP, .allowed = 2, .shortfall = OUTCOME_REFUSE, .remedy = "ask"
	};
	const struct host_facts facts = { .known_caps = 6, .cgroup = NULL };
	char cgroup[] = "/some";
	const struct host_facts able = { .cgroup = cgroup };

	expect_refused(unit, decide_caps, &less, &facts,
		       (struct decision){ .class = CLASS_CAPS, .saved = 6 },
		       "the policy does not allow less than was saved");
	expect_refused(unit, decide_cgroup, &keep, &facts,
		       (struct decision){ .class = CLASS_CGROUP, .saved = 6 },
		       "the container's limits need a cgroup (v2) of its own");
	expect_outcome(unit, decide_cgroup, &keep, &able,
		       (struct decision){ .class = CLASS_CGROUP, .saved = 6, .invoker = 5 },
		       OUTCOME_CLAMP);
	expect_refused(unit, decide_cgroup, &keep, &able,
		       (struct decision){ .class = CLASS_CGROUP, .saved = 6, .invoker = 0 },
		       "the invoker's cgroup can limit nothing by it");
	expect_outcome(unit, decide_cgroup, &drop, &facts,
		       (struct decision){ .class = CLASS_CGROUP, .saved = 6 }, OUTCOME_DROP);
}

static void impossible_values(struct unit *unit)
{
	const struct host_facts facts = { .known_caps = 6, .known_securebits = 1 };

	expect_refused(unit, decide_caps, &keep, &facts,
		       (struct decision){ .class = CLASS_CAPS, .saved = 8 },
		       "capabilities that this kernel does not know");
	expect_refused(unit, decide_securebits, &keep, &facts,
		       (struct decision){ .class = CLASS_SECUREBITS, .saved = 2 },
		       "securebits that this kernel does not know");
	expect_refused(unit, decide_no_new_privs, &keep, &facts,
		       (struct decision){ .class = CLASS_NO_NEW_PRIVS, .saved = 2 },
		       "no such value");
	expect_refused(unit, decide_seccomp, &keep, &facts,
		       (struct decision){ .class = CLASS_SECCOMP, .saved = SECCOMP_MODE_FILTER },
		       "its seccomp filter is not in the image");
	expect_refused(unit, decide_grant, &keep, &facts,
		       (struct decision){ .class = CLASS_GRANT, .invoker = GRANT_SHORT + 1 },
		       "no such value");
	expect_refused(unit, decide_grant, &keep, &facts,
		       (struct decision){ .class = CLASS_GRANT, .saved = 2 }, "no such value");
}

/* What is in a program's registers cannot be given up. */
static void processors(struct unit *unit)
{
	const struct host_facts facts = HOST_FACTS_NONE;

	expect_refused(unit, decide_cpu, &drop, &facts,
		       (struct decision){ .class = CLASS_CPU, .saved = CPU_IN_USE },
		       "this processor has no such state");
	expect_refused(unit, decide_cpu, &keep, &facts,
		       (struct decision){ .class = CLASS_CPU, .saved = CPU_CHOSEN },
		       "this processor lacks it");
	expect_outcome(unit, decide_cpu, &drop, &facts,
		       (struct decision){ .class = CLASS_CPU, .saved = CPU_CHOSEN }, OUTCOME_DROP);
}

static void restrictions(struct unit *unit)
{
	const struct host_facts facts = HOST_FACTS_NONE;
	const struct decision unknown = { .class = CLASS_LANDLOCK, .saved = 1 };

	expect_refused(unit, decide_landlock, &keep, &facts, unknown,
		       "nobody can tell whether it was restricted");
	expect_outcome(unit, decide_landlock, &drop, &facts, unknown, OUTCOME_DROP);
}

/* What is mapped or watched is no descriptor. */
static void nothing_in_its_place(struct unit *unit)
{
	const struct host_facts facts = HOST_FACTS_NONE;

	expect_refused(unit, decide_file, &substitute, &facts,
		       (struct decision){ .class = CLASS_FILE, .type = S_IFREG },
		       "nothing can take its place");
	expect_outcome(unit, decide_file, &substitute, &facts,
		       (struct decision){ .class = CLASS_FILE, .is_descriptor = true },
		       OUTCOME_SUBSTITUTE);
	expect_refused(unit, decide_inherit, &substitute, &facts,
		       (struct decision){ .class = CLASS_STDIO }, "nothing can take its place");
	expect_outcome(unit, decide_inherit, &substitute, &facts,
		       (struct decision){ .class = CLASS_STDIO, .is_descriptor = true },
		       OUTCOME_SUBSTITUTE);
}

static void connections(struct unit *unit)
{
	const struct host_facts none = HOST_FACTS_NONE;
	const struct host_facts asked = { .keeps_connections = true };

	expect_refused(unit, decide_tcp, &keep, &none, (struct decision){ .class = CLASS_TCP },
		       "it leads out of the container");
	expect_refused(unit, decide_tcp, &keep, &asked, (struct decision){ .class = CLASS_TCP },
		       "the container's network does not have its address");
	expect_outcome(unit, decide_tcp, &keep, &asked,
		       (struct decision){ .class = CLASS_TCP, .invoker = 1 }, OUTCOME_KEEP);
	expect_outcome(unit, decide_tcp, &drop, &none, (struct decision){ .class = CLASS_TCP },
		       OUTCOME_DROP);
}

static void mounts(struct unit *unit)
{
	const struct host_facts facts = { .known_caps = 6 };

	expect_refused(
	    unit, decide_mount, &keep, &facts,
	    (struct decision){ .class = CLASS_MOUNT, .saved = 1, .invoker = MOUNT_UNNAMED },
	    "it is a mount of the host");
	expect_refused(
	    unit, decide_mount, &keep, &facts,
	    (struct decision){ .class = CLASS_MOUNT, .saved = 1, .invoker = MOUNT_NO_MEMORY },
	    "the container has no file system in memory of its own there, for the files "
	    "that were saved in it");
	expect_outcome(
	    unit, decide_mount, &keep, &facts,
	    (struct decision){ .class = CLASS_MOUNT, .saved = 1, .invoker = MOUNT_OFFERED },
	    OUTCOME_SUBSTITUTE);
}

static const struct unit_case cases[] = {
	UNIT_CASE(shortfalls),	 UNIT_CASE(impossible_values),	  UNIT_CASE(processors),
	UNIT_CASE(restrictions), UNIT_CASE(nothing_in_its_place), UNIT_CASE(connections),
	UNIT_CASE(mounts),
};

int main(void)
{
	return UNIT_RUN(cases);
}
