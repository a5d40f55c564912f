/* "process" of config.json. */
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "oci/config_field.h"
#include "policy/lattice.h"

/* ---- capabilities ---- */

/* "CAP_NET_RAW". One of a later kernel is less privilege when it is left out. */
static int add_cap(void *argument, const struct policy_node *child, struct err *err)
{
	uint64_t *caps = argument;
	auto_free char *name = NULL;
	const char *text;
	int r = node_string(child, &text, err);
	int cap;

	if (r < 0)
		return r;
	if (strncmp(text, "CAP_", 4) != 0)
		return node_error(child, err, "it is not the name of a capability");
	name = mem_string(text + 4);
	for (char *at = name; *at; at++)
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 'a' - 'A') : *at;
	cap = cap_by_name(name);
	if (cap >= 0)
		*caps |= UINT64_C(1) << cap;
	return 0;
}

static int read_caps(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_cap, destination, err);
}

static int read_cap_sets(const struct policy_node *node, void *destination, struct err *err)
{
#define SET(set) ((set) * sizeof(uint64_t))
	static const struct field fields[] = {
		{ "inheritable", read_caps, SET(OCI_INHERITABLE), false },
		{ "permitted", read_caps, SET(OCI_PERMITTED), false },
		{ "effective", read_caps, SET(OCI_EFFECTIVE), false },
		{ "bounding", read_caps, SET(OCI_BOUNDING), false },
		{ "ambient", read_caps, SET(OCI_AMBIENT), false },
		{ NULL, NULL, 0, false },
	};
#undef SET

	return field_read_all(node, fields, destination, err);
}

/* ---- limits ---- */

static int resource_by_name(const char *name)
{
	static const char *const names[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = "RLIMIT_CPU",	       [RLIMIT_FSIZE] = "RLIMIT_FSIZE",
		[RLIMIT_DATA] = "RLIMIT_DATA",	       [RLIMIT_STACK] = "RLIMIT_STACK",
		[RLIMIT_CORE] = "RLIMIT_CORE",	       [RLIMIT_RSS] = "RLIMIT_RSS",
		[RLIMIT_NPROC] = "RLIMIT_NPROC",       [RLIMIT_NOFILE] = "RLIMIT_NOFILE",
		[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",   [RLIMIT_AS] = "RLIMIT_AS",
		[RLIMIT_LOCKS] = "RLIMIT_LOCKS",       [RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
		[RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE", [RLIMIT_NICE] = "RLIMIT_NICE",
		[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",     [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
	};

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		if (strcmp(names[i], name) == 0)
			return i;
	}
	return -1;
}

struct limit {
	char *type;
	uint64_t soft;
	uint64_t hard;
};

static int take_limit(const struct limit *limit, struct oci_limit *limits,
		      const struct policy_node *node, struct err *err)
{
	int resource = resource_by_name(limit->type);

	if (resource < 0)
		return node_error(node, err, "%s is not a limit", limit->type);
	if (limits[resource].is_given)
		return node_error(node, err, "%s comes twice", limit->type);
	if (limit->soft > limit->hard)
		return node_error(node, err, "the soft limit is above the hard one");
	limits[resource] = (struct oci_limit){ true, limit->soft, limit->hard };
	return 0;
}

static int add_limit(void *argument, const struct policy_node *child, struct err *err)
{
	static const struct field fields[] = {
		{ "type", field_text, offsetof(struct limit, type), true },
		{ "soft", field_u64, offsetof(struct limit, soft), true },
		{ "hard", field_u64, offsetof(struct limit, hard), true },
		{ NULL, NULL, 0, false },
	};
	struct limit limit = { .type = NULL };
	auto_free char *type = NULL;
	int r = field_read_all(child, fields, &limit, err);

	type = limit.type;
	return r < 0 ? r : take_limit(&limit, argument, child, err);
}

static int read_limits(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_limit, destination, err);
}

/* ---- the whole ---- */

static int read_user(const struct policy_node *node, void *destination, struct err *err)
{
	static const struct field fields[] = {
		{ "uid", field_u32, offsetof(struct oci_config, uid), true },
		{ "gid", field_u32, offsetof(struct oci_config, gid), true },
		{ "additionalGids", field_ids, offsetof(struct oci_config, groups), false },
		{ NULL, NULL, 0, false },
	};

	return field_read_all(node, fields, destination, err);
}

/* As of proc(5). */
static int read_oom_score_adj(const struct policy_node *node, void *destination, struct err *err)
{
	struct oci_config *config = destination;
	int64_t value;
	int r = node_number(node, -1000, 1000, &value, err);

	if (r < 0)
		return r;
	config->has_oom_score_adj = true;
	config->oom_score_adj = (int)value;
	return 0;
}

int config_read_process(const struct policy_node *node, void *destination, struct err *err)
{
#define AT(field) offsetof(struct oci_config, field)
	static const struct field fields[] = {
		{ "terminal", field_flag, AT(has_terminal), false },
		{ "user", read_user, 0, false },
		{ "args", field_texts, AT(args), false },
		{ "env", field_texts, AT(env), false },
		{ "cwd", field_path, AT(cwd), true },
		{ "capabilities", read_cap_sets, AT(caps), false },
		{ "rlimits", read_limits, AT(limits), false },
		{ "noNewPrivileges", field_flag, AT(no_new_privs), false },
		{ "oomScoreAdj", read_oom_score_adj, 0, false },
		{ "apparmorProfile", field_unapplied, AT(unapplied), false },
		{ "selinuxLabel", field_unapplied, AT(unapplied), false },
		{ "scheduler", field_unapplied, AT(unapplied), false },
		{ "ioPriority", field_unapplied, AT(unapplied), false },
		{ "execCPUAffinity", field_unapplied, AT(unapplied), false },
		{ NULL, NULL, 0, false },
	};
#undef AT
	struct oci_config *config = destination;

	config->has_process = true;
	return field_read_all(node, fields, config, err);
}
