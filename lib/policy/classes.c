/* What is made from the table of classes: names and presets. See classes.h. */
#include "policy/classes.h"

#include <errno.h>
#include <string.h>

#include "policy/decide.h"
#include "policy/policy.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The only one of its length: it stands for none. */
static const char *const no_names[] = { NULL };
static const char *const id_names[] = { "real", "effective", "saved", "fs" };
static const char *const cap_set_names[] = { "inheritable", "permitted", "effective", "bounding",
					     "ambient" };
static const char *const limit_names[] = {
	"cpu",	   "fsize", "data",  "stack",	   "core",     "rss",  "nproc",	 "nofile",
	"memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
};

static const char *const keyring_names[] = { "thread", "process", "session" };

/* A tuple of the table as the arguments of another macro. */
#define UNPACK(...)	      __VA_ARGS__
#define DETAILS_OF(tuple)     DETAILS_OF_1(UNPACK tuple)
#define DETAILS_OF_1(...)     DETAILS_OF_2(__VA_ARGS__)
#define RULE_OF(title, tuple) RULE_OF_1(title, UNPACK tuple)
#define RULE_OF_1(title, ...) RULE_OF_2(title, __VA_ARGS__)
#define DETAILS_OF_2(n, names, per)                                                                \
	.detail_count = n, .details_per_name = per, .detail_names = names,                         \
	.detail_name_count = sizeof(names) == sizeof(no_names) ? 0 : LENGTH(names)
#define RULE_OF_2(title, what, most, otherwise, privileged, hint)                                  \
	{                                                                                          \
		.name = title, .action = what, .allowed = most, .shortfall = otherwise,            \
		.is_privileged = privileged, .remedy = hint                                        \
	}

#define INFO(class, title, file_key, order, words, details, decider, may, ...)                     \
	[CLASS_##class] = { .name = title,                                                         \
			    .key = file_key,                                                       \
			    .decide = decide_##decider,                                            \
			    .actions = may,                                                        \
			    DETAILS_OF(details) },
static const struct policy_class_info infos[CLASS_COUNT] = { POLICY_CLASSES(INFO) };

#define STRICT(class, name, key, order, words, details, decide, may, strict, map, same, forensic)  \
	[CLASS_##class] = RULE_OF("strict/" key, strict),
#define MAP(class, name, key, order, words, details, decide, may, strict, map, same, forensic)     \
	[CLASS_##class] = RULE_OF("map/" key, map),
#define SAME_HOST(class, name, key, order, words, details, decide, may, strict, map, same,         \
		  forensic)                                                                        \
	[CLASS_##class] = RULE_OF("same-host/" key, same),
#define FORENSIC(class, name, key, order, words, details, decide, may, strict, map, same,          \
		 forensic)                                                                         \
	[CLASS_##class] = RULE_OF("forensic/" key, forensic),

static const struct policy presets[] = {
	{ .name = "strict", .ids = IDS_INVOKER, .rules = { POLICY_CLASSES(STRICT) } },
	{ .name = "map", .ids = IDS_RANGES, .rules = { POLICY_CLASSES(MAP) } },
	{ .name = "same-host", .ids = IDS_RANGES, .rules = { POLICY_CLASSES(SAME_HOST) } },
	{ .name = "forensic",
	  .ids = IDS_RANGES,
	  .never_runs = true,
	  .rules = { POLICY_CLASSES(FORENSIC) } },
};

int policy_preset(const char *name, const struct policy **ret_policy, struct err *err)
{
	for (size_t i = 0; i < LENGTH(presets); i++) {
		if (strcmp(presets[i].name, name) != 0)
			continue;
		*ret_policy = &presets[i];
		return 0;
	}
	return err_set(err, ERR_USAGE,
		       "no policy is called \"%.64s\": there are strict, map, same-host and "
		       "forensic",
		       name);
}

const struct policy_class_info *policy_class_info(enum policy_class class)
{
	return (unsigned int)class < CLASS_COUNT ? &infos[class] : NULL;
}

const char *policy_class_name(enum policy_class class)
{
	return (unsigned int)class < CLASS_COUNT ? infos[class].name : "unknown";
}

int policy_class_by_key(const char *key, enum policy_class *ret_class)
{
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		if (strcmp(infos[class].key, key) != 0)
			continue;
		*ret_class = class;
		return 0;
	}
	return -ENOENT;
}
