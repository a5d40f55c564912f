/* How values are decided: ids aside, all that a task has in numbers. See decide.h. */
#include "policy/decide.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>

#include "policy/lattice.h"

#define REFUSED_BY_RULE "the policy does not allow less than was saved"
#define CAP(name)	(UINT64_C(1) << CAP_##name)
#define MLOCK_REMEDY	"raise the invoker's hard limit of locked memory (ulimit -H -l)"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void decide_shortfall(const struct policy_rule *rule, struct decision *decision)
{
	decision->outcome = rule->action == OUTCOME_DROP ? OUTCOME_DROP : rule->shortfall;
	if (decision->outcome == OUTCOME_REFUSE)
		decision_refuse(decision, REFUSED_BY_RULE, rule->remedy);
}

void decide_meet(const struct policy_rule *rule, uint64_t invoker, struct decision *decision)
{
	const struct lattice *lattice = lattice_of(decision->class);
	uint64_t allowed = rule->action == OUTCOME_DROP ? 0 : rule->allowed;

	decision->invoker = invoker;
	decision->outcome = OUTCOME_KEEP;
	decision->effective = lattice->meet(decision->saved, lattice->meet(invoker, allowed));
	if (decision->effective != decision->saved)
		decide_shortfall(rule, decision);
}

/* The tracer is not in the new user namespace: where one of these capabilities of the invoker's
 * gives more than everybody has, it can set that from outside. */
static void meet_outside(const struct policy_rule *rule, const struct host_facts *facts,
			 uint64_t caps, uint64_t own, uint64_t most, struct decision *decision)
{
	bool is_able = rule->is_privileged && (facts->host_caps & caps) != 0;

	decide_meet(rule, is_able ? most : own, decision);
	if (is_able && decision->outcome != OUTCOME_REFUSE)
		decision->from_outside =
		    !lattice_of(decision->class)->leq(decision->effective, own);
}

void decide_refuse_value(struct decision *decision)
{
	decision_refuse(decision, "no such value", "the image is not one that ctckpt wrote");
}

/* Ids need the whole image: see ids.c. */
void decide_later(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	(void)rule;
	(void)facts;
	(void)decision;
}

void decide_caps(const struct policy_rule *rule, const struct host_facts *facts,
		 struct decision *decision)
{
	bool is_bounding = decision->detail == 3;
	uint64_t own = is_bounding ? facts->bounding : facts->permitted;

	if (decision->saved & ~facts->known_caps) {
		decision->invoker = facts->known_caps;
		decision_refuse(decision, "capabilities that this kernel does not know",
				"restore on a newer kernel");
		return;
	}
	/* The owner of a new user namespace holds all capabilities in it, whatever he held. */
	decide_meet(rule, rule->allowed && !rule->is_privileged ? facts->known_caps : own,
		    decision);
}

void decide_securebits(const struct policy_rule *rule, const struct host_facts *facts,
		       struct decision *decision)
{
	(void)rule;
	decision->invoker = facts->securebits;
	if (decision->saved & ~facts->known_securebits) {
		decision_refuse(decision, "securebits that this kernel does not know",
				"restore on a newer kernel");
		return;
	}
	/* A new user namespace starts without any, so that every lock can be set again. */
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_KEEP;
}

void decide_limit(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	meet_outside(rule, facts, CAP(SYS_RESOURCE), facts->hard_limits[decision->detail / 2],
		     UINT64_MAX, decision);
}

/* A signed number in 64 bits; 32 bits of it are taken for what they mean. */
static int64_t signed_value(uint64_t value)
{
	return value >> 32 == 0 ? (int32_t)value : (int64_t)value;
}

void decide_nice(const struct policy_rule *rule, const struct host_facts *facts,
		 struct decision *decision)
{
	int64_t nice = signed_value(decision->saved);

	if (nice < -20 || nice > 19) {
		decide_refuse_value(decision);
		return;
	}
	decision->saved = (uint64_t)nice;
	meet_outside(rule, facts, CAP(SYS_NICE), SIGNED(facts->lowest_nice), SIGNED(-20), decision);
}

void decide_oom_score_adj(const struct policy_rule *rule, const struct host_facts *facts,
			  struct decision *decision)
{
	int64_t adj = signed_value(decision->saved);

	if (adj < -1000 || adj > 1000) {
		decide_refuse_value(decision);
		return;
	}
	decision->saved = (uint64_t)adj;
	meet_outside(rule, facts, CAP(SYS_RESOURCE), SIGNED(facts->oom_score_adj), SIGNED(-1000),
		     decision);
}

/* Without a limit for it, who runs in real time may go on so, and lower his priority: sched(7). */
static uint64_t own_sched(const struct host_facts *facts, uint64_t policy)
{
	if (facts->is_idle)
		return SCHED_IDLE;
	if (facts->hard_limits[RLIMIT_RTPRIO] > 0)
		return SCHED_FIFO;
	return facts->rt_policy == policy ? policy : SCHED_OTHER;
}

/* SCHED_RESET_ON_FORK takes from the task, not from others: anybody may set it. */
void decide_sched(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	uint64_t saved = decision->saved;
	uint64_t flag = saved & SCHED_RESET_ON_FORK;
	uint64_t policy = saved & ~flag;

	if (policy > 7 || policy == 4) {
		decide_refuse_value(decision);
		return;
	}
	decision->saved = policy;
	meet_outside(rule, facts, CAP(SYS_NICE), own_sched(facts, policy), DEADLINE, decision);
	/* A deadline has no priority that another policy could have. */
	if (policy == DEADLINE && decision->effective != policy)
		decision->effective = facts->is_idle ? SCHED_IDLE : SCHED_OTHER;
	decision->saved = saved;
	decision->effective |= flag;
}

void decide_rt_priority(const struct policy_rule *rule, const struct host_facts *facts,
			struct decision *decision)
{
	uint64_t own = facts->hard_limits[RLIMIT_RTPRIO];

	if (own < facts->rt_priority)
		own = facts->rt_priority;
	if (decision->saved < 1 || decision->saved > 99)
		decide_refuse_value(decision);
	else
		meet_outside(rule, facts, CAP(SYS_NICE), own, 99, decision);
}

void decide_ioprio(const struct policy_rule *rule, const struct host_facts *facts,
		   struct decision *decision)
{
	if (decision->saved > UINT16_MAX || decision->saved >> 13 > 3)
		decide_refuse_value(decision);
	else
		meet_outside(rule, facts, CAP(SYS_NICE) | CAP(SYS_ADMIN), USUAL_IO, ANY_IO,
			     decision);
}

void decide_dumpable(const struct policy_rule *rule, const struct host_facts *facts,
		     struct decision *decision)
{
	(void)facts;
	if (decision->saved > 1)
		decide_refuse_value(decision);
	else
		decide_meet(rule, 1, decision);
}

/* Nobody executes it, so nothing is raised; but whoever looks at the task might think so. */
void decide_setid(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	(void)facts;
	decide_meet(rule, 1, decision);
	if (decision->outcome == OUTCOME_DROP || decision->outcome == OUTCOME_KEEP)
		decision->reason = "its ids are those of the plan, not of the file";
}

/* A label says what a task may do by rules of its own: there is no more or less. */
void decide_label(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	bool is_same = decision->invoker == decision->saved;

	(void)facts;
	decision->effective = decision->invoker;
	if (is_same) {
		decision->outcome = OUTCOME_KEEP;
	} else if (rule->action == OUTCOME_INHERIT) {
		decision->outcome = OUTCOME_INHERIT;
		decision->reason = "the invoker's label takes its place";
	} else {
		decision_refuse(decision, "the invoker has another label", rule->remedy);
	}
}

/* The kernel would take any number for it, once. */
void decide_loginuid(const struct policy_rule *rule, const struct host_facts *facts,
		     struct decision *decision)
{
	(void)rule;
	decision->invoker = facts->login_uid;
	decision->effective = facts->login_uid;
	decision->outcome = decision->saved == facts->login_uid ? OUTCOME_KEEP : OUTCOME_INHERIT;
	if (decision->outcome == OUTCOME_INHERIT)
		decision->reason = "it is the invoker who is accountable";
}

void decide_keyring(const struct policy_rule *rule, const struct host_facts *facts,
		    struct decision *decision)
{
	(void)rule;
	(void)facts;
	decision->effective = 0;
	decision->outcome = OUTCOME_SUBSTITUTE;
	decision->reason = "keys are not saved: it is a fresh one";
}

/* No program can set it, or ctckpt does not save it. */
void decide_loss(const struct policy_rule *rule, const struct host_facts *facts,
		 struct decision *decision)
{
	(void)rule;
	(void)facts;
	decision->effective = 0;
	decision->outcome = OUTCOME_DROP;
	decision->reason = "it does not come back";
}

/* What may have confined the task must not be lost without a word of whoever restores it. */
void decide_landlock(const struct policy_rule *rule, const struct host_facts *facts,
		     struct decision *decision)
{
	(void)facts;
	decision->effective = 0;
	if (rule->action == OUTCOME_DROP) {
		decision->outcome = OUTCOME_DROP;
		decision->reason = "if it was restricted, it is not any more";
		return;
	}
	decision_refuse(decision, "nobody can tell whether it was restricted", rule->remedy);
}

/* A timer that wakes the machine up needs a capability in the initial user namespace, where no
 * restored task is. */
void decide_alarm(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	(void)rule;
	(void)facts;
	decision->effective = 0;
	decision->outcome = OUTCOME_SUBSTITUTE;
	decision->reason = "it does not wake the machine up";
}

/* What the container has of its own: its network, its terminals. */
void decide_own(const struct policy_rule *rule, const struct host_facts *facts,
		struct decision *decision)
{
	(void)rule;
	(void)facts;
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_KEEP;
}

/* What limits the container must not be lost; and a cgroup cannot give more than the one above. */
void decide_cgroup(const struct policy_rule *rule, const struct host_facts *facts,
		   struct decision *decision)
{
	if (rule->action == OUTCOME_DROP) {
		decision->outcome = OUTCOME_DROP;
		decision->effective = 0;
		decision->reason = "nothing limits the container in its place";
		return;
	}
	if (facts->is_joined) {
		decision->outcome = OUTCOME_INHERIT;
		decision->effective = 0;
		decision->reason = "the container's engine limits it";
		return;
	}
	if (!facts->cgroup) {
		decision_refuse(decision, "the container's limits need a cgroup (v2) of its own",
				rule->remedy);
		return;
	}
	if (decision->invoker == 0 && decision->saved != 0) {
		decision_refuse(decision, "the invoker's cgroup can limit nothing by it",
				rule->remedy);
		return;
	}
	decision->effective = least(decision->saved, decision->invoker);
	decision->outcome = decision->effective == decision->saved ? OUTCOME_KEEP : OUTCOME_CLAMP;
}

/* They would be put there whoever made the image: that has to be said. */
void decide_file_system(const struct policy_rule *rule, const struct host_facts *facts,
			struct decision *decision)
{
	(void)facts;
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_KEEP;
	if (decision->invoker == FILES_REFUSED)
		decision_refuse(decision, "they would be put below the root directory",
				rule->remedy);
	else if (decision->invoker != FILES_TAKEN)
		decision_refuse(decision,
				"large files among them are open until their content is there",
				"raise the invoker's hard limit of open files (ulimit -H -n)");
}

/* Whatever was saved is not there: only that is asked about. */
void decide_cpu(const struct policy_rule *rule, const struct host_facts *facts,
		struct decision *decision)
{
	(void)facts;
	decision->effective = CPU_MISSING;
	if (decision->saved != CPU_CHOSEN) {
		decision_refuse(decision, "this processor has no such state",
				"restore on a processor that has it");
		return;
	}
	if (rule->action == OUTCOME_DROP) {
		decision->outcome = OUTCOME_DROP;
		decision->reason = "a program that uses it will be ended by SIGILL";
		return;
	}
	decision_refuse(decision, "this processor lacks it", rule->remedy);
}

void decide_affinity(const struct policy_rule *rule, const struct host_facts *facts,
		     struct decision *decision)
{
	size_t word = decision->detail;

	decide_meet(rule, word < facts->cpu_words ? facts->cpus[word] : 0, decision);
}

void decide_mlock(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	decide_meet(rule, facts->hard_limits[RLIMIT_MEMLOCK], decision);
	if (decision->outcome == OUTCOME_KEEP)
		return;
	if (decision->outcome == OUTCOME_REFUSE) {
		decision->reason = "the invoker may not lock so much memory";
		decision->remedy = MLOCK_REMEDY;
		return;
	}
	/* Half of the pages locked would help nobody. */
	decision->effective = 0;
	decision->reason = "the pages will be present, but not locked";
	decision->remedy = MLOCK_REMEDY;
}

void decide_no_new_privs(const struct policy_rule *rule, const struct host_facts *facts,
			 struct decision *decision)
{
	if (decision->saved > 1)
		decide_refuse_value(decision);
	else
		decide_meet(rule, facts->no_new_privs, decision);
}

void decide_seccomp(const struct policy_rule *rule, const struct host_facts *facts,
		    struct decision *decision)
{
	bool is_known = decision->invoker != 0;

	decision->invoker = (uint64_t)facts->seccomp;
	if (decision->saved == SECCOMP_MODE_FILTER && is_known) {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_KEEP;
		return;
	}
	if (decision->saved != 0) {
		decision_refuse(decision, "its seccomp filter is not in the image", rule->remedy);
		return;
	}
	decision->effective = (uint64_t)facts->seccomp;
	decision->outcome = facts->seccomp ? OUTCOME_INHERIT : OUTCOME_KEEP;
}
