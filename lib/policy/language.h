/* Policies in files: ctckpt-policy(5). A file becomes a struct policy: a copy of the preset that it
 * extends, with its own rules in front. It can be the invoker's, who chooses it, or the
 * administrator's, who is asked in any case: of the two decisions about each question, the one that
 * gives less counts. */
#pragma once

#include "policy/policy.h"

enum policy_role {
	POLICY_INVOKER,
	POLICY_ADMINISTRATOR, /* without "extends", what it does not mention it allows */
};

/* Larger files are not read. */
#define POLICY_FILE_MAX (4u << 20)

struct policy_file;

/* `name` is what errors call it. A file that it extends is read, too. ERR_USAGE, with file, line
 * and column, for what is wrong in it. */
int policy_file_parse(const char *name, const char *text, size_t size, enum policy_role role,
		      struct policy_file **ret_file, struct err *err);
/* Checks whose it is first: see trusted.h. */
int policy_file_read(const char *path, enum policy_role role, struct policy_file **ret_file,
		     struct err *err);
const struct policy *policy_file_policy(const struct policy_file *file);
void policy_file_free(struct policy_file *file);

/* What plan and restore go by: a preset or a file, and the administrator's file if there is one. */
struct policies {
	struct policy policy;		   /* whose texts are in the rest */
	struct policy_file *own;	   /* NULL: a preset */
	struct policy_file *administrator; /* NULL: there is none */
};
#define POLICIES_NONE ((struct policies){ .own = NULL })

/* Of a name that is no preset: is it meant to be a file? */
bool policy_is_path(const char *name);
/* `name` is a preset or the path of a file; NULL: "strict". */
int policies_load(const char *name, struct policies *ret_policies, struct err *err);
void policies_free(struct policies *policies);

/* plan_make() by these; the plan takes them over, also on failure. */
int plan_make_by(const struct image *image, struct policies *policies,
		 const struct host_facts *facts, struct plan **ret_plan, struct err *err);
