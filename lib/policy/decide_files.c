/* How files, mounts, sockets and connections are decided. See decide.h. */
#include <errno.h>

#include "policy/decide.h"

/* Nothing can take the place of what is mapped, watched or listened on. */
static void give_up_file(enum outcome outcome, const struct policy_rule *rule,
			 struct decision *decision)
{
	if (!decision->is_descriptor) {
		decision_refuse(decision, "nothing can take its place", rule->remedy);
		return;
	}
	decision->outcome = outcome;
	decision->effective = decision->saved;
	if (outcome == OUTCOME_SUBSTITUTE) {
		decision->with = rule->with;
		decision->effective_text = rule->with;
		decision->reason = "the program will find another file";
	} else {
		decision->effective = 0;
		decision->reason = "the program will see it closed";
	}
}

static void reopen_file(const struct policy_rule *rule, struct decision *decision)
{
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

void decide_file(const struct policy_rule *rule, const struct host_facts *facts,
		 struct decision *decision)
{
	(void)facts;
	if (rule->action == OUTCOME_SUBSTITUTE || rule->action == OUTCOME_DROP)
		give_up_file(rule->action, rule, decision);
	else if (decision->invoker != 0 &&
		 (rule->shortfall == OUTCOME_SUBSTITUTE || rule->shortfall == OUTCOME_DROP))
		give_up_file(rule->shortfall, rule, decision);
	else
		reopen_file(rule, decision);
}

void decide_mount(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	(void)facts;
	if (decision->invoker == MOUNT_UNNAMED) {
		decision_refuse(decision, "it is a mount of the host", rule->remedy);
		return;
	}
	if (decision->invoker == MOUNT_NO_MEMORY) {
		decision_refuse(decision,
				"the container has no file system in memory of its own there, for "
				"the files that were saved in it",
				"start it with the mounts that were saved, as with --tmpfs DIR");
		return;
	}
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_SUBSTITUTE;
}

void decide_inherit(const struct policy_rule *rule, const struct host_facts *facts,
		    struct decision *decision)
{
	(void)facts;
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_INHERIT;
	if (rule->action != OUTCOME_SUBSTITUTE)
		return;
	decision->outcome = OUTCOME_SUBSTITUTE;
	if (!decision->is_descriptor)
		decision_refuse(decision, "nothing can take its place", rule->remedy);
}

static bool may_drop(const struct policy_rule *rule)
{
	return rule->action == OUTCOME_DROP || rule->shortfall == OUTCOME_DROP;
}

/* Whoever sends single messages to a name may go on. Nothing that was said in a connection can be
 * said again: whether its program makes do with a new one, only a policy can say. */
static bool may_reopen(const struct policy_rule *rule, const struct decision *decision)
{
	if (decision->invoker != 0)
		return false;
	return decision->saved == SOCKET_TARGET_CONNECTION
		   ? rule->action == OUTCOME_REOPEN
		   : decision->saved == SOCKET_TARGET_MESSAGES && rule->action != OUTCOME_DROP;
}

void decide_socket(const struct policy_rule *rule, const struct host_facts *facts,
		   struct decision *decision)
{
	(void)facts;
	if (may_reopen(rule, decision)) {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_REOPEN;
		decision->reason =
		    decision->saved == SOCKET_TARGET_CONNECTION
			? "a new connection, without what was not read of the old one"
			: NULL;
	} else if (may_drop(rule)) {
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
void decide_tcp(const struct policy_rule *rule, const struct host_facts *facts,
		struct decision *decision)
{
	bool has_address = decision->invoker != 0 || facts->is_network_promised;

	if (facts->keeps_connections && has_address && rule->action != OUTCOME_DROP) {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_KEEP;
	} else if (may_drop(rule)) {
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

/* Who holds a descriptor may hand it to whom he likes, unless a policy says no. */
void decide_grant(const struct policy_rule *rule, const struct host_facts *facts,
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
		decide_refuse_value(decision);
	} else if (decision->invoker != GRANT_FITS) {
		decision_refuse(decision, faults[decision->invoker], rule->remedy);
	} else {
		decision->effective = decision->saved;
		decision->outcome = OUTCOME_SUBSTITUTE;
		decision->reason = decision->saved ? "what was not read of it is lost" : NULL;
	}
}
