/* Seccomp filters, by libseccomp. See confine.h. */
#include "core/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/profile.h"

struct profile {
	scmp_filter_ctx context;
	uint32_t default_action;
};

static void release(scmp_filter_ctx *context)
{
	if (*context)
		seccomp_release(*context);
}

static int get_action(const struct json *value, uint64_t number, uint32_t *ret_action,
		      struct err *err)
{
	static const struct {
		const char *name;
		uint32_t action;
	} rows[] = {
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	};
	const char *name = json_get_string(value);

	if (!name)
		return err_set(err, ERR_USAGE, "an action is missing");
	if (strcmp(name, "SCMP_ACT_ERRNO") == 0) {
		*ret_action = SCMP_ACT_ERRNO((uint32_t)number);
		return 0;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) == 0) {
			*ret_action = rows[i].action;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "action %s is not supported", name);
}

/* ---- architectures ---- */

static int add_architecture(const struct profile *profile, const char *name, struct err *err)
{
	auto_free char *lower = name ? mem_string(name) : NULL;
	uint32_t arch;
	int r;

	if (!name || strncmp(name, "SCMP_ARCH_", 10) != 0)
		return err_set(err, ERR_USAGE, "an architecture is not the name of one");
	for (char *at = lower; *at; at++)
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 'a' - 'A') : *at;
	arch = seccomp_arch_resolve_name(lower + 10);
	if (arch == 0)
		return 0; /* not of this libseccomp: calls of it stay forbidden */
	r = seccomp_arch_add(profile->context, arch);
	if (r < 0 && r != -EEXIST)
		return err_set(err, ERR_USAGE, "architecture %s: %s", name, strerror(-r));
	return 0;
}

static int add_architectures(const struct profile *profile, const struct json *list,
			     struct err *err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		int r = add_architecture(profile, json_get_string(json_element(list, i)), err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The entry of archMap for this machine names those that it runs as well. */
static int add_native_map(const struct profile *profile, const struct json *map, struct err *err)
{
	static const char *const known[] = { "architecture", "subArchitectures", NULL };

	for (size_t i = 0; i < json_count(map); i++) {
		const struct json *entry = json_element(map, i);
		const char *name = json_get_string(json_get(entry, "architecture"));
		int r = profile_check_keys(entry, known, "archMap", err);

		if (r == 0 && name && strcmp(name, "SCMP_ARCH_X86_64") == 0)
			r = add_architectures(profile, json_get(entry, "subArchitectures"), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- rules ---- */

static int get_comparison(const struct json *object, struct scmp_arg_cmp *ret_comparison,
			  struct err *err)
{
	static const char *const known[] = { "index", "value", "valueTwo", "op", NULL };
	static const struct {
		const char *name;
		enum scmp_compare op;
	} rows[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};
	const char *op = json_get_string(json_get(object, "op"));
	uint64_t index = 0, value = 0, second = 0;
	int r = profile_check_keys(object, known, "args", err);

	if (r == 0)
		r = profile_number(object, "index", 5, &index, err);
	if (r == 0)
		r = profile_number(object, "value", UINT64_MAX, &value, err);
	if (r == 0)
		r = profile_number(object, "valueTwo", UINT64_MAX, &second, err);
	if (r < 0)
		return r;
	for (size_t i = 0; op && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, op) == 0) {
			*ret_comparison =
			    (struct scmp_arg_cmp){ (unsigned int)index, rows[i].op, value, second };
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "args: op %s is not supported",
		       op ? op : "is missing, which");
}

struct rule {
	uint32_t action;
	struct scmp_arg_cmp args[6];
	unsigned int count;
	bool is_any; /* two comparisons of one argument: either is enough */
};

static int get_arguments(const struct json *list, struct rule *rule, struct err *err)
{
	unsigned int seen = 0;

	if (json_count(list) > 6)
		return err_set(err, ERR_USAGE, "a rule compares more than six arguments");
	for (size_t i = 0; i < json_count(list); i++) {
		int r = get_comparison(json_element(list, i), &rule->args[i], err);

		if (r < 0)
			return r;
		rule->is_any |= seen >> rule->args[i].arg & 1;
		seen |= 1u << rule->args[i].arg;
		rule->count++;
	}
	return 0;
}

static int add_call(const struct profile *profile, const char *name, const struct rule *rule,
		    struct err *err)
{
	int number = name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
	int r = 0;

	if (!name)
		return err_set(err, ERR_USAGE, "the name of a system call is not a text");
	if (number == __NR_SCMP_ERROR)
		return 0;
	if (!rule->is_any)
		r = seccomp_rule_add_array(profile->context, rule->action, number, rule->count,
					   rule->args);
	for (unsigned int i = 0; rule->is_any && r == 0 && i < rule->count; i++)
		r = seccomp_rule_add_array(profile->context, rule->action, number, 1,
					   &rule->args[i]);
	if (r < 0)
		return err_set(err, ERR_USAGE, "rule for %s: %s", name, strerror(-r));
	return 0;
}

static int add_calls(const struct profile *profile, const struct json *object,
		     const struct rule *rule, struct err *err)
{
	const struct json *names = json_get(object, "names");
	const struct json *name = json_get(object, "name");
	int r = 0;

	/* libseccomp refuses rules that change nothing. */
	if (rule->action == profile->default_action)
		return 0;
	if (name && !json_holds_nothing(name))
		r = add_call(profile, json_get_string(name), rule, err);
	for (size_t i = 0; r == 0 && i < json_count(names); i++)
		r = add_call(profile, json_get_string(json_element(names, i)), rule, err);
	return r;
}

static int add_rule(const struct profile *profile, const struct json *object, struct err *err)
{
	static const char *const known[] = { "names", "name",	  "action",   "args",	 "errnoRet",
					     "errno", "includes", "excludes", "comment", NULL };
	struct rule rule = { .count = 0 };
	bool is_included = false, is_excluded = false;
	uint64_t number;
	int r = profile_check_keys(object, known, "a rule", err);

	if (r == 0)
		r = profile_match(json_get(object, "includes"), true, &is_included, err);
	if (r == 0)
		r = profile_match(json_get(object, "excludes"), false, &is_excluded, err);
	if (r == 0)
		r = profile_errno(object, "errnoRet", "errno", &number, err);
	if (r == 0)
		r = get_action(json_get(object, "action"), number, &rule.action, err);
	if (r == 0)
		r = get_arguments(json_get(object, "args"), &rule, err);
	if (r < 0 || !is_included || is_excluded)
		return r;
	return add_calls(profile, object, &rule, err);
}

/* ---- the whole ---- */

static int export(const struct profile *profile, struct filter *ret_filter, struct err *err)
{
	auto_close int fd = memfd_create("filter", MFD_CLOEXEC);
	struct filter filter = FILTER_NONE;
	struct stat stat;
	int r = fd < 0 ? -errno : seccomp_export_bpf(profile->context, fd);

	if (r == 0 && fstat(fd, &stat) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "make a seccomp filter");
	filter.count = (size_t)stat.st_size / sizeof(*filter.code);
	filter.code = mem_alloc(filter.count + 1, sizeof(*filter.code));
	if (pread(fd, filter.code, (size_t)stat.st_size, 0) != stat.st_size ||
	    !filter_is_valid(filter.code, filter.count)) {
		filter_free(&filter);
		return err_set(err, ERR_USAGE, "its filter is too long for the kernel");
	}
	*ret_filter = filter;
	return 0;
}

/* Whether calls are logged, and which mitigations come along: no more passes the filter for them.
 */
static int check_flags(const struct json *flags, struct err *err)
{
	static const char *const known[] = { "SECCOMP_FILTER_FLAG_LOG",
					     "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
					     "SECCOMP_FILTER_FLAG_TSYNC" };

	for (size_t i = 0; i < json_count(flags); i++) {
		const char *flag = json_get_string(json_element(flags, i));
		bool is_known = false;

		for (size_t j = 0; flag && j < sizeof(known) / sizeof(known[0]); j++)
			is_known |= strcmp(flag, known[j]) == 0;
		if (!is_known)
			return err_set(err, ERR_USAGE, "flag %s is not supported",
				       flag ? flag : "without a name");
	}
	return 0;
}

static int check_profile(const struct json *object, struct err *err)
{
	static const char *const known[] = { "defaultAction", "defaultErrnoRet", "defaultErrno",
					     "architectures", "archMap",	 "syscalls",
					     "comment",	      "flags",		 NULL };
	int r = profile_check_keys(object, known, "the profile", err);

	return r < 0 ? r : check_flags(json_get(object, "flags"), err);
}

static int compile(const struct json *object, struct filter *ret_filter, struct err *err)
{
	const struct json *rules = json_get(object, "syscalls");
	__attribute__((cleanup(release))) scmp_filter_ctx context = NULL;
	struct profile profile;
	uint64_t number;
	int r = check_profile(object, err);

	if (r == 0)
		r = profile_errno(object, "defaultErrnoRet", "defaultErrno", &number, err);
	if (r == 0)
		r = get_action(json_get(object, "defaultAction"), number, &profile.default_action,
			       err);
	if (r < 0)
		return r;
	context = seccomp_init(profile.default_action);
	if (!context)
		return err_set(err, ERR_FAILED, "make a seccomp filter");
	profile.context = context;
	r = add_architectures(&profile, json_get(object, "architectures"), err);
	if (r == 0)
		r = add_native_map(&profile, json_get(object, "archMap"), err);
	for (size_t i = 0; r == 0 && i < json_count(rules); i++) {
		r = add_rule(&profile, json_element(rules, i), err);
		if (r < 0)
			return err_wrap(err, "syscalls[%zu]", i);
	}
	return r < 0 ? r : export(&profile, ret_filter, err);
}

int confine_compile(const char *text, size_t size, struct filter *ret_filter, struct err *err)
{
	auto_json struct json *object = NULL;
	int r = json_parse(text, size, &object, err);

	if (r < 0)
		return r;
	return compile(object, ret_filter, err);
}

/* ---- ourselves ---- */

struct allowed {
	int call;
	unsigned int count;
	struct scmp_arg_cmp args[2];
};

#define ARGUMENT_IS(number, value)                                                                 \
	{                                                                                          \
		number, SCMP_CMP_EQ, value, 0                                                      \
	}
#define ARGUMENT_HAS(number, mask, value)                                                          \
	{                                                                                          \
		number, SCMP_CMP_MASKED_EQ, mask, value                                            \
	}

static int allow(scmp_filter_ctx context, const struct allowed *rows, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, rows[i].call, rows[i].count,
					   rows[i].args);
	return r;
}

static int add_own_rules(scmp_filter_ctx context, int channel)
{
	const struct allowed rows[] = {
		{ SCMP_SYS(read), 0, { { 0 } } },
		{ SCMP_SYS(pread64), 0, { { 0 } } },
		{ SCMP_SYS(poll), 0, { { 0 } } },
		{ SCMP_SYS(ppoll), 0, { { 0 } } },
		{ SCMP_SYS(restart_syscall), 0, { { 0 } } },
		{ SCMP_SYS(brk), 0, { { 0 } } },
		{ SCMP_SYS(mmap),
		  2,
		  { ARGUMENT_HAS(2, PROT_EXEC, 0),
		    ARGUMENT_HAS(3, MAP_ANONYMOUS, MAP_ANONYMOUS) } },
		{ SCMP_SYS(mprotect), 1, { ARGUMENT_HAS(2, PROT_EXEC, 0) } },
		{ SCMP_SYS(munmap), 0, { { 0 } } },
		{ SCMP_SYS(mremap), 0, { { 0 } } },
		{ SCMP_SYS(madvise), 0, { { 0 } } },
		{ SCMP_SYS(futex), 0, { { 0 } } },
		{ SCMP_SYS(clock_gettime), 0, { { 0 } } },
		{ SCMP_SYS(getrandom), 0, { { 0 } } },
		{ SCMP_SYS(rt_sigprocmask), 0, { { 0 } } },
		{ SCMP_SYS(rt_sigreturn), 0, { { 0 } } },
		{ SCMP_SYS(getpid), 0, { { 0 } } },
		{ SCMP_SYS(gettid), 0, { { 0 } } },
		/* abort() */
		{ SCMP_SYS(tgkill),
		  2,
		  { ARGUMENT_IS(0, (scmp_datum_t)getpid()), ARGUMENT_IS(2, SIGABRT) } },
		{ SCMP_SYS(exit), 0, { { 0 } } },
		{ SCMP_SYS(exit_group), 0, { { 0 } } },
	};
	const struct scmp_arg_cmp to_channel = ARGUMENT_IS(0, (scmp_datum_t)channel);
	const struct scmp_arg_cmp to_stderr = ARGUMENT_IS(0, STDERR_FILENO);
	int r = allow(context, rows, sizeof(rows) / sizeof(rows[0]));

	if (r == 0 && channel >= 0)
		r = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
					   &to_channel);
	/* Last words, which nobody hears: they must not hide what they are about. */
	if (r == 0 && channel != STDERR_FILENO)
		r = seccomp_rule_add_array(context, SCMP_ACT_ERRNO(EBADF), SCMP_SYS(write), 1,
					   &to_stderr);
	return r;
}

int confine_self(int channel, struct err *err)
{
	__attribute__((cleanup(release))) scmp_filter_ctx context =
	    seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	/* The library has asked the kernel for this action. */
	if (!context)
		return err_set(err, ERR_HOST, "there are no seccomp filters to be had here");
	r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_own_rules(context, channel);
	if (r == 0)
		r = seccomp_load(context);
	if (r < 0)
		return err_set(err, ERR_HOST, "install a seccomp filter: %s", strerror(-r));
	return 0;
}
