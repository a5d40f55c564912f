/* The presets, and the rules that they are made of. See policy.h. */
#include "policy/policy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "policy/lattice.h"

/* For AFFINITY: more CPUs than any kernel can be built for. */
#define CPU_WORDS_MAX 1024u

void decision_refuse(struct decision *decision, const char *reason, const char *remedy)
{
	const struct lattice *lattice = lattice_of(decision->class);

	decision->outcome = OUTCOME_REFUSE;
	decision->effective = lattice ? lattice->bottom : 0;
	decision->reason = reason;
	decision->remedy = remedy;
}

/* effective = meet(saved, invoker, policy) */
static void meet(const struct policy_rule *rule, uint64_t invoker, struct decision *decision)
{
	const struct lattice *lattice = lattice_of(decision->class);
	uint64_t may = lattice->meet(invoker, rule->allowed);

	decision->invoker = invoker;
	decision->effective = lattice->meet(decision->saved, may);
	decision->outcome = decision->effective == decision->saved ? OUTCOME_KEEP : rule->shortfall;
}

static void refuse_value(struct decision *decision)
{
	decision_refuse(decision, "no such value", "the image is not one that ctckpt wrote");
}

static void decide_caps(const struct policy_rule *rule, const struct host_facts *facts,
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
	meet(rule, rule->allowed ? facts->known_caps : own, decision);
}

static void decide_securebits(const struct policy_rule *rule, const struct host_facts *facts,
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

static void decide_limit(const struct policy_rule *rule, const struct host_facts *facts,
			 struct decision *decision)
{
	meet(rule, facts->hard_limits[decision->detail / 2], decision);
}

/* A signed number in 64 bits; 32 bits of it are taken for what they mean. */
static int64_t signed_value(uint64_t value)
{
	return value >> 32 == 0 ? (int32_t)value : (int64_t)value;
}

static void decide_nice(const struct policy_rule *rule, const struct host_facts *facts,
			struct decision *decision)
{
	int64_t nice = signed_value(decision->saved);

	if (nice < -20 || nice > 19) {
		refuse_value(decision);
		return;
	}
	decision->saved = (uint64_t)nice;
	meet(rule, (uint64_t)(int64_t)facts->lowest_nice, decision);
}

static void decide_oom_score_adj(const struct policy_rule *rule, const struct host_facts *facts,
				 struct decision *decision)
{
	int64_t adj = signed_value(decision->saved);

	if (adj < -1000 || adj > 1000) {
		refuse_value(decision);
		return;
	}
	decision->saved = (uint64_t)adj;
	meet(rule, (uint64_t)(int64_t)facts->oom_score_adj, decision);
}

/* SCHED_RESET_ON_FORK takes from the task, not from others: anybody may set it. */
static void decide_sched(const struct policy_rule *rule, const struct host_facts *facts,
			 struct decision *decision)
{
	uint64_t saved = decision->saved;
	uint64_t flag = saved & SCHED_RESET_ON_FORK;
	uint64_t policy = saved & ~flag;

	(void)facts;
	if (policy > 7 || policy == 4) {
		refuse_value(decision);
		return;
	}
	decision->saved = policy;
	meet(rule, SCHED_OTHER, decision);
	decision->saved = saved;
	decision->effective |= flag;
}

static void decide_affinity(const struct policy_rule *rule, const struct host_facts *facts,
			    struct decision *decision)
{
	size_t word = decision->detail;

	meet(rule, word < facts->cpu_words ? facts->cpus[word] : 0, decision);
}

static void decide_mlock(const struct policy_rule *rule, const struct host_facts *facts,
			 struct decision *decision)
{
	meet(rule, facts->hard_limits[RLIMIT_MEMLOCK], decision);
	if (decision->outcome == OUTCOME_KEEP)
		return;
	/* Half of the pages locked would help nobody. */
	decision->effective = 0;
	decision->reason = "the pages will be present, but not locked";
	decision->remedy = "raise the invoker's hard limit of locked memory (ulimit -H -l)";
}

static void decide_no_new_privs(const struct policy_rule *rule, const struct host_facts *facts,
				struct decision *decision)
{
	if (decision->saved > 1)
		refuse_value(decision);
	else
		meet(rule, facts->no_new_privs, decision);
}

static void decide_seccomp(const struct policy_rule *rule, const struct host_facts *facts,
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

static void decide_file(const struct policy_rule *rule, const struct host_facts *facts,
			struct decision *decision)
{
	(void)facts;
	switch (decision->invoker) {
	case 0:
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_REOPEN;
		return;
	case ENOENT:
	case ENOTDIR:
		decision_refuse(decision, "it is not there",
				"put the file back in its place, or restore with another --rootfs");
		return;
	case EACCES:
	case EPERM:
		decision_refuse(decision, "the invoker may not open it",
				"give the invoker access to the file");
		return;
	case EROFS:
		decision_refuse(decision, "its file system is read-only",
				"mount the file system writable");
		return;
	case EADDRINUSE:
		decision_refuse(decision, "it is a socket that somebody has in use",
				"end the program that has it, or restore with another --rootfs");
		return;
	case EEXIST:
		decision_refuse(decision, "something else is in its place", "move it away");
		return;
	default:
		decision_refuse(decision, "it can't be opened as it was", rule->remedy);
	}
}

static void decide_mount(const struct policy_rule *rule, const struct host_facts *facts,
			 struct decision *decision)
{
	(void)facts;
	if (decision->invoker == 0) {
		decision_refuse(decision, "it is a mount of the host", rule->remedy);
		return;
	}
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_SUBSTITUTE;
}

static void decide_inherit(const struct policy_rule *rule, const struct host_facts *facts,
			   struct decision *decision)
{
	(void)rule;
	(void)facts;
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_INHERIT;
}

/* Nothing that was said in a connection can be said again; but whoever sends single messages to a
 * name may go on. */
static void decide_socket(const struct policy_rule *rule, const struct host_facts *facts,
			  struct decision *decision)
{
	(void)facts;
	if (decision->saved != 0 && decision->invoker == 0) {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_REOPEN;
	} else if (rule->shortfall == OUTCOME_DROP) {
		decision->effective = 0;
		decision->outcome = OUTCOME_DROP;
		decision->reason = "the program will see it closed";
	} else {
		decision_refuse(decision, "its other end is outside of the container",
				rule->remedy);
	}
}

/* It goes on only where it has its address, and only if the invoker says that the other end is to
 * be met again. */
static void decide_tcp(const struct policy_rule *rule, const struct host_facts *facts,
		       struct decision *decision)
{
	bool has_address = decision->invoker != 0 || facts->is_network_promised;

	if (facts->keeps_connections && has_address) {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_KEEP;
	} else if (rule->shortfall == OUTCOME_DROP) {
		decision->effective = 0;
		decision->outcome = OUTCOME_DROP;
		decision->reason = "the program will see it closed";
	} else if (!facts->keeps_connections) {
		decision_refuse(decision, "it leads out of the container",
				"use --tcp-established, which keeps it, or --policy map, which "
				"closes it");
	} else {
		decision_refuse(decision, "the container's network does not have its address",
				"use --leave-frozen, and give it the address before thaw");
	}
}

/* Who holds a descriptor may hand it to whom he likes. A policy that forbids it has another
 * shortfall. */
static void decide_grant(const struct policy_rule *rule, const struct host_facts *facts,
			 struct decision *decision)
{
	static const char *const faults[] = {
		[GRANT_ABSENT] = "nothing else than a given descriptor can take its place",
		[GRANT_TYPE] = "what is given is something else",
		[GRANT_ACCESS] = "what is given was opened for less",
		[GRANT_ALONE] = "what is given is not connected",
		[GRANT_SHORT] = "what is given ends before the saved position",
	};

	(void)facts;
	if (decision->invoker > GRANT_SHORT || decision->saved > 1) {
		refuse_value(decision);
	} else if (decision->invoker != GRANT_FITS) {
		decision_refuse(decision, faults[decision->invoker], NULL);
	} else if (rule->shortfall != OUTCOME_SUBSTITUTE) {
		decision_refuse(decision, "the policy forbids it", rule->remedy);
	} else {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_SUBSTITUTE;
		decision->reason = decision->saved ? "what was not read of it is lost" : NULL;
	}
}

#define SIGNED(number) ((uint64_t)(int64_t)(number))
#define MOUNT_REMEDY   "name a directory for it: --volume SOURCE:DIR"
#define SECCOMP_REMEDY "start the container without a seccomp filter"
#define FILE_REMEDY    "look at the file: it is not what it was when the image was made"

/* The rules in which the presets do not differ, under the preset's name. */
#define COMMON_RULES(preset)                                                                       \
	[CLASS_SECUREBITS] = { preset "/securebits", decide_securebits, 0, OUTCOME_CLAMP, NULL },  \
	[CLASS_RLIMIT] = { preset "/rlimits", decide_limit, UINT64_MAX, OUTCOME_CLAMP, NULL },     \
	[CLASS_NICE] = { preset "/nice", decide_nice, SIGNED(-20), OUTCOME_CLAMP, NULL },          \
	[CLASS_SCHED] = { preset "/sched", decide_sched, SCHED_OTHER, OUTCOME_DROP, NULL },        \
	[CLASS_AFFINITY] = { preset "/affinity", decide_affinity, UINT64_MAX, OUTCOME_CLAMP,       \
			     NULL },                                                               \
	[CLASS_MLOCK] = { preset "/mlock", decide_mlock, UINT64_MAX, OUTCOME_CLAMP, NULL },        \
	[CLASS_OOM_SCORE_ADJ] = { preset "/oom_score_adj", decide_oom_score_adj, SIGNED(-1000),    \
				  OUTCOME_CLAMP, NULL },                                           \
	[CLASS_SECCOMP] = { preset "/seccomp", decide_seccomp, 0, OUTCOME_CLAMP, SECCOMP_REMEDY }, \
	[CLASS_FILE] = { preset "/files", decide_file, 0, OUTCOME_REFUSE, FILE_REMEDY },           \
	[CLASS_STDIO] = { preset "/stdio", decide_inherit, 0, OUTCOME_INHERIT, NULL },             \
	[CLASS_MOUNT] = { preset "/mounts", decide_mount, 0, OUTCOME_REFUSE, MOUNT_REMEDY },       \
	[CLASS_SESSION] = { preset "/session", decide_inherit, 0, OUTCOME_INHERIT, NULL },         \
	[CLASS_GRANT] = { preset "/grants", decide_grant, 0, OUTCOME_SUBSTITUTE, NULL }

static const struct policy presets[] = {
	{
		.name = "strict",
		.ids = IDS_INVOKER,
		.rules = {
			[CLASS_UID] = { .name = "strict/ids", .remedy = "use --policy map" },
			[CLASS_GID] = { .name = "strict/ids", .remedy = "use --policy map" },
			[CLASS_GROUPS] = { .name = "strict/groups" },
			[CLASS_CAPS] = { "strict/caps", decide_caps, 0, OUTCOME_DROP, NULL },
			[CLASS_SOCKET] = { "strict/sockets", decide_socket, 0, OUTCOME_REFUSE,
					   "let the program close it before the checkpoint, or use "
					   "--policy map, which closes it" },
			[CLASS_TCP] = { "strict/tcp", decide_tcp, 0, OUTCOME_REFUSE, NULL },
			[CLASS_NO_NEW_PRIVS] = { "strict/no_new_privs", decide_no_new_privs, 1,
						 OUTCOME_CLAMP, NULL },
			COMMON_RULES("strict"),
		},
	},
	{
		.name = "map",
		.ids = IDS_RANGES,
		.rules = {
			[CLASS_UID] = { .name = "map/ids",
					.remedy = "give the invoker a (larger) range in /etc/subuid" },
			[CLASS_GID] = { .name = "map/ids",
					.remedy = "give the invoker a (larger) range in /etc/subgid" },
			[CLASS_GROUPS] = { .name = "map/groups",
					   .remedy = "give the invoker a (larger) range in /etc/subgid" },
			[CLASS_CAPS] = { "map/caps", decide_caps, UINT64_MAX, OUTCOME_CLAMP, NULL },
			[CLASS_SOCKET] = { "map/sockets", decide_socket, 0, OUTCOME_DROP, NULL },
			[CLASS_TCP] = { "map/tcp", decide_tcp, 0, OUTCOME_DROP, NULL },
			[CLASS_NO_NEW_PRIVS] = { "map/no_new_privs", decide_no_new_privs, 0,
						 OUTCOME_CLAMP, NULL },
			COMMON_RULES("map"),
		},
	},
};

int policy_preset(const char *name, const struct policy **ret_policy, struct err *err)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		if (strcmp(presets[i].name, name) != 0)
			continue;
		*ret_policy = &presets[i];
		return 0;
	}
	return err_set(err, ERR_USAGE, "no policy is called \"%.64s\": there are strict and map",
		       name);
}

static bool detail_exists(const struct decision *decision)
{
	static const uint32_t counts[CLASS_COUNT] = {
		[CLASS_UID] = 4,
		[CLASS_GID] = 4,
		[CLASS_GROUPS] = UINT32_MAX,
		[CLASS_CAPS] = 5,
		[CLASS_RLIMIT] = 32,
		[CLASS_AFFINITY] = CPU_WORDS_MAX,
		[CLASS_FILE] = UINT32_MAX,
		[CLASS_STDIO] = UINT32_MAX,
		[CLASS_MLOCK] = UINT32_MAX,
		[CLASS_MOUNT] = UINT32_MAX,
		[CLASS_SESSION] = UINT32_MAX,
		[CLASS_SOCKET] = UINT32_MAX,
	};
	uint32_t count = counts[decision->class];

	return decision->detail == 0 || decision->detail < count;
}

void policy_decide(const struct policy *policy, const struct host_facts *facts,
		   struct decision *decision)
{
	const struct policy_rule *rule;

	if ((unsigned int)decision->class >= CLASS_COUNT) {
		decision->rule = policy->name;
		decision_refuse(decision, "no such class of questions", NULL);
		return;
	}
	rule = &policy->rules[decision->class];
	decision->rule = rule->name;
	if (!detail_exists(decision))
		refuse_value(decision);
	else if (rule->apply)
		rule->apply(rule, facts, decision);
}
