/* What plan and restore go by: the invoker's policy and the administrator's. See language.h. */
#include <string.h>

#include "core/buf.h"
#include "ctckpt/policy.h"
#include "policy/language.h"

#define ADMINISTRATOR_FILE CTCKPT_SYSCONFDIR "/ctckpt/policy.json"

bool policy_is_path(const char *name)
{
	return strpbrk(name, "/.") != NULL;
}

static int load_own(const char *name, struct policies *policies, struct err *err)
{
	const struct policy *policy = NULL;
	int r = policy_preset(name, &policy, err);

	if (r < 0 && policy_is_path(name)) {
		r = policy_file_read(name, POLICY_INVOKER, &policies->own, err);
		policy = r == 0 ? policy_file_policy(policies->own) : NULL;
	}
	if (r == 0)
		policies->policy = *policy;
	return r;
}

/* One that can't be read might forbid everything. */
static int load_administrator(struct policies *policies, struct err *err)
{
	struct err own = ERR_NONE;
	int r = policy_file_read(ADMINISTRATOR_FILE, POLICY_ADMINISTRATOR, &policies->administrator,
				 &own);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0) {
		(void)err_set(err, ERR_REFUSED, "the administrator's %s", own.text);
		return err_hint(err,
				"ask the administrator of this host: nothing is restored by it");
	}
	policies->policy.also = policy_file_policy(policies->administrator);
	policies->policy.never_runs |= policies->policy.also->never_runs;
	return 0;
}

int policies_load(const char *name, struct policies *ret_policies, struct err *err)
{
	struct policies policies = POLICIES_NONE;
	int r = load_own(name ? name : "strict", &policies, err);

	if (r == 0)
		r = load_administrator(&policies, err);
	if (r < 0)
		policies_free(&policies);
	else
		*ret_policies = policies;
	return r;
}

int policy_check_file(const char *path, struct err *err)
{
	struct policy_file *file = NULL;
	int r = policy_file_read(path, POLICY_INVOKER, &file, err);

	policy_file_free(file);
	return r;
}

void policies_free(struct policies *policies)
{
	policy_file_free(policies->own);
	policy_file_free(policies->administrator);
	*policies = POLICIES_NONE;
}
