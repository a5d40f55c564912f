/* What a rule of a policy file says. See cases.h. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policy/cases.h"
#include "policy/lattice.h"

#define OWN_REMEDY "change that rule of the policy, or use another one"

/* A rule while its members are read. */
struct parse {
	struct policy_file *file;
	struct policy_case *one;
	const struct policy_node *node; /* the whole rule */
	bool has_action;
	bool has_limit;
	bool has_on_fail;
};

/* ---- the policy's part of the meet ---- */

static int parse_unlimited(const struct policy_node *node, uint64_t *ret_value, struct err *err)
{
	const char *text = json_get_string(node->value);

	if (text && strcmp(text, "unlimited") == 0)
		*ret_value = UINT64_MAX;
	else if (!json_get_u64(node->value, ret_value))
		return node_error(node, err, "it must be a whole number or \"unlimited\"");
	return 0;
}

static int parse_least(const struct policy_node *node, int64_t least, int64_t most,
		       uint64_t *ret_value, struct err *err)
{
	int64_t number;
	int r = node_number(node, least, most, &number, err);

	if (r == 0)
		*ret_value = (uint64_t)number;
	return r;
}

static int parse_switch(const struct policy_node *node, uint64_t *ret_value, struct err *err)
{
	static const char *const words[] = { "off", "on", NULL };
	size_t word;
	int r = node_word(node, words, &word, err);

	if (r == 0)
		*ret_value = word;
	return r;
}

static int parse_sched(const struct policy_node *node, uint64_t *ret_value, struct err *err)
{
	static const char *const words[] = { "other", "batch", "idle",	   "ext",
					     "rr",    "fifo",  "deadline", NULL };
	static const uint64_t values[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, 7,
					   SCHED_RR,	SCHED_FIFO,  6 };
	size_t word;
	int r = node_word(node, words, &word, err);

	if (r == 0)
		*ret_value = values[word];
	return r;
}

/* Of a class, the key of what it allows; NULL: all or nothing. */
const char *policy_limit_key(enum policy_class class)
{
	switch (class) {
	case CLASS_CAPS:
		return "allow";
	case CLASS_RLIMIT:
	case CLASS_MLOCK:
	case CLASS_SCHED:
	case CLASS_RT_PRIORITY:
		return "max";
	case CLASS_NICE:
	case CLASS_OOM_SCORE_ADJ:
		return "min";
	case CLASS_NO_NEW_PRIVS:
	case CLASS_DUMPABLE:
		return "to";
	default:
		return NULL;
	}
}

static int parse_limit(struct parse *parse, const struct policy_node *node, struct err *err)
{
	uint64_t *allowed = &parse->one->rule.allowed;

	parse->has_limit = true;
	switch (parse->one->class) {
	case CLASS_CAPS:
		return parse_caps(node, allowed, err);
	case CLASS_RLIMIT:
	case CLASS_MLOCK:
		return parse_unlimited(node, allowed, err);
	case CLASS_SCHED:
		return parse_sched(node, allowed, err);
	case CLASS_RT_PRIORITY:
		return parse_least(node, 1, 99, allowed, err);
	case CLASS_NICE:
		return parse_least(node, -20, 19, allowed, err);
	case CLASS_OOM_SCORE_ADJ:
		return parse_least(node, -1000, 1000, allowed, err);
	default:
		return parse_switch(node, allowed, err);
	}
}

/* ---- the others ---- */

static int parse_outcome(const struct policy_node *node, unsigned int may,
			 enum outcome *ret_outcome, struct err *err)
{
	const char *words[OUTCOME_REFUSE + 2];
	enum outcome outcomes[OUTCOME_REFUSE + 1];
	size_t count = 0;
	size_t word;
	int r;

	for (enum outcome outcome = 0; outcome <= OUTCOME_REFUSE; outcome++) {
		if (!(may >> outcome & 1))
			continue;
		outcomes[count] = outcome;
		words[count++] = outcome_name(outcome);
	}
	words[count] = NULL;
	r = node_word(node, words, &word, err);
	if (r == 0)
		*ret_outcome = outcomes[word];
	return r;
}

static int parse_action(struct parse *parse, const struct policy_node *node, struct err *err)
{
	parse->has_action = true;
	return parse_outcome(node, policy_class_info(parse->one->class)->actions,
			     &parse->one->rule.action, err);
}

static int parse_on_fail(struct parse *parse, const struct policy_node *node, struct err *err)
{
	parse->has_on_fail = true;
	return parse_outcome(
	    node,
	    policy_class_info(parse->one->class)->actions &
		(1u << OUTCOME_REFUSE | 1u << OUTCOME_SUBSTITUTE | 1u << OUTCOME_DROP),
	    &parse->one->rule.shortfall, err);
}

static int parse_with(struct parse *parse, const struct policy_node *node, struct err *err)
{
	const char *path;
	int r = node_string(node, &path, err);

	if (r < 0)
		return r;
	if (path[0] != '/')
		return node_error(node, err, "it must be an absolute path");
	parse->one->rule.with = policy_file_text(parse->file, path);
	return 0;
}

/* Is there something else to be done with what cannot be had as it was? */
static bool may_fail(enum policy_class class)
{
	return !lattice_has_values(class) && policy_class_info(class)->actions & 1u << OUTCOME_DROP;
}

static int parse_member(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *parse = argument;
	enum policy_class class = parse->one->class;
	const char *limit = policy_limit_key(class);

	if (strcmp(node->key, "action") == 0)
		return parse_action(parse, node, err);
	if (strcmp(node->key, "match") == 0)
		return parse_match(parse->file, node, class, &parse->one->match, err);
	if (limit && strcmp(node->key, limit) == 0)
		return parse_limit(parse, node, err);
	if (policy_class_is_file(class) && strcmp(node->key, "with") == 0)
		return parse_with(parse, node, err);
	if (may_fail(class) && strcmp(node->key, "on_fail") == 0)
		return parse_on_fail(parse, node, err);
	return node_error_at_key(
	    node, err, "\"%.64s\" is not known here: it can be action, match%s%s%s%s", node->key,
	    limit ? ", " : "", limit ? limit : "", may_fail(class) ? ", on_fail" : "",
	    policy_class_is_file(class) ? ", with" : "");
}

static int check_rule(const struct parse *parse, struct err *err)
{
	const struct policy_rule *rule = &parse->one->rule;
	bool is_meet = rule->action == OUTCOME_KEEP || rule->action == OUTCOME_CLAMP;
	bool substitutes =
	    rule->action == OUTCOME_SUBSTITUTE || rule->shortfall == OUTCOME_SUBSTITUTE;

	if (!parse->has_action)
		return node_error(parse->node, err, "it lacks \"action\"");
	if (parse->has_limit && !is_meet)
		return node_error(parse->node, err, "\"%s\" is for keep and clamp",
				  policy_limit_key(parse->one->class));
	if (parse->has_on_fail && rule->action != OUTCOME_REOPEN && rule->action != OUTCOME_KEEP)
		return node_error(parse->node, err, "\"on_fail\" is for what is kept or reopened");
	if (!policy_class_is_file(parse->one->class))
		return 0;
	if (substitutes && !rule->with)
		return node_error(parse->node, err, "it lacks \"with\"");
	if (rule->with && !substitutes)
		return node_error(parse->node, err, "\"with\" is for substitute");
	return 0;
}

/* What is less than was saved is called by the action; to keep is to refuse anything else. */
static enum outcome shortfall_of(enum outcome action)
{
	switch (action) {
	case OUTCOME_CLAMP:
	case OUTCOME_DROP:
		return action;
	default:
		return OUTCOME_REFUSE;
	}
}

static const char *rule_name(struct policy_file *file, const struct policy_node *node)
{
	const char *slash = strrchr(file->name, '/');
	auto_buf struct buf path = BUF_EMPTY;

	if (file->role == POLICY_ADMINISTRATOR)
		buf_printf(&path, "admin/");
	if (file->depth > 0)
		buf_printf(&path, "%s:", slash ? slash + 1 : file->name);
	node_path(node, &path);
	return policy_file_text(file, path.data);
}

static struct policy_case new_case(struct policy_file *file, const struct policy_node *node,
				   enum policy_class class)
{
	const struct policy_rule *base = &file->policy.rules[class];

	return (struct policy_case){
		.class = class,
		.rule = {
			.name = rule_name(file, node),
			.allowed = lattice_of(class)->top,
			.is_privileged = base->is_privileged,
			.shortfall = OUTCOME_REFUSE,
		},
	};
}

static void add_case(struct policy_file *file, struct policy_case *one, bool has_on_fail)
{
	struct policy_rule *rule = &one->rule;

	if (!has_on_fail)
		rule->shortfall = shortfall_of(rule->action);
	rule->remedy = file->policy.rules[one->class].remedy;
	if (rule->action == OUTCOME_REFUSE || !rule->remedy)
		rule->remedy = OWN_REMEDY;
	if (file->role == POLICY_ADMINISTRATOR)
		rule->remedy = ADMINISTRATOR_REMEDY;
	/* Who has no capability has none that could be refused. */
	if (one->class == CLASS_CAPS && rule->action == OUTCOME_REFUSE && one->match.caps == 0)
		one->match.caps = UINT64_MAX;
	policy_file_add(file, one);
}

static int parse_rule(struct policy_file *file, const struct policy_node *node,
		      struct policy_case *one, struct err *err)
{
	struct parse parse = { .file = file, .one = one, .node = node };
	int r = 0;

	if (json_holds_string(node->value))
		r = parse_action(&parse, node, err);
	else if (json_holds_object(node->value))
		r = node_each(node, parse_member, &parse, err);
	else
		r = node_error(node, err, "it must be an action or an object");
	if (r == 0)
		r = check_rule(&parse, err);
	if (r == 0)
		add_case(file, one, parse.has_on_fail);
	return r;
}

/* ---- all rules of a class ---- */

struct section {
	struct policy_file *file;
	enum policy_class class;
	int pass;
	bool is_over; /* a rule of the array is for all */
};

static int parse_element(void *argument, const struct policy_node *node, struct err *err)
{
	struct section *section = argument;
	struct policy_case one = new_case(section->file, node, section->class);
	int r = node_expect_object(node, err);

	if (r == 0 && section->is_over)
		return node_error(node, err, "it has no effect: a rule before it is for all");
	if (r == 0)
		r = parse_rule(section->file, node, &one, err);
	section->is_over = !node_member(node, "match").value;
	return r;
}

/* Members have no order: a part of an item goes first, then items, then the others. */
static int pass_of(const char *key)
{
	if (strcmp(key, "default") == 0)
		return 2;
	return strchr(key, '.') ? 0 : 1;
}

static int parse_by_detail(void *argument, const struct policy_node *node, struct err *err)
{
	struct section *section = argument;
	struct policy_case one;

	if (pass_of(node->key) != section->pass)
		return 0;
	one = new_case(section->file, node, section->class);
	if (section->pass < 2) {
		one.match.details = details_named(section->class, node->key);
		if (one.match.details == 0)
			return node_error_at_key(node, err, "there is no \"%.64s\"", node->key);
	}
	return parse_rule(section->file, node, &one, err);
}

int parse_rules(struct policy_file *file, const struct policy_node *node, enum policy_class class,
		struct err *err)
{
	struct section section = { .file = file, .class = class };
	struct policy_case one;
	int r = 0;

	if (json_holds_array(node->value))
		return node_each(node, parse_element, &section, err);
	if (!json_holds_object(node->value) || node_member(node, "action").value ||
	    policy_class_info(class)->detail_name_count == 0) {
		one = new_case(file, node, class);
		return parse_rule(file, node, &one, err);
	}
	for (; r == 0 && section.pass < 3; section.pass++)
		r = node_each(node, parse_by_detail, &section, err);
	return r;
}
