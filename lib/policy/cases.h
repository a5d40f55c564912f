/* The rules of a policy file: each is a struct policy_rule, and what it is for. */
#pragma once

#include "policy/language.h"
#include "policy/mapping.h"
#include "policy/match.h"
#include "policy/node.h"

#define ADMINISTRATOR_REMEDY "ask the administrator of this host: it is the policy in /etc/ctckpt"

struct policy_case {
	enum policy_class class;
	struct policy_match match;
	struct policy_rule rule;
};

struct policy_file {
	struct policy policy;
	struct policy_file *base; /* owned: a file that it extends; NULL: a preset */
	char *name;
	struct policy_case *cases; /* owned; by class, and in each as in the file */
	size_t case_count;
	size_t first[CLASS_COUNT + 1]; /* of each class */
	struct id_lines uid_lines;     /* owned; .is_given: not by the preset */
	struct id_lines gid_lines;
	char **texts; /* owned: what rules and matches point to */
	size_t text_count;
	size_t depth; /* files that extend it */
	enum policy_role role;
};

/* A copy that lives as long as the file. */
const char *policy_file_text(struct policy_file *file, const char *text);

/* parse_match.c: a "match" object, for a rule of this class. */
int parse_match(struct policy_file *file, const struct policy_node *node, enum policy_class class,
		struct policy_match *ret_match, struct err *err);
/* The detail called so, or all of its details: "nofile.soft", "nofile". 0: there is none. */
uint64_t details_named(enum policy_class class, const char *name);
/* The words of capabilities: a name or an array of names. */
int parse_caps(const struct policy_node *node, uint64_t *ret_caps, struct err *err);

/* Of a class, the key of what it allows; NULL: all or nothing. */
const char *policy_limit_key(enum policy_class class);
/* parse_rule.c: the value of a key: an action, a rule, rules by detail, or an array of rules. */
int parse_rules(struct policy_file *file, const struct policy_node *node, enum policy_class class,
		struct err *err);
void policy_file_add(struct policy_file *file, const struct policy_case *new_case);

/* parse_ids.c: an array of lines. */
int parse_id_lines(const struct policy_node *node, const char *range_word, struct id_lines *lines,
		   struct err *err);
