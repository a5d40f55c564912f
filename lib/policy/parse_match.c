/* What a rule of a policy file is for. See cases.h. */
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policy/cases.h"
#include "policy/lattice.h"
#include "policy/pattern.h"

struct parse {
	struct policy_file *file;
	enum policy_class class;
	struct policy_match *match;
};

static int add_cap(void *argument, const struct policy_node *node, struct err *err)
{
	uint64_t *caps = argument;
	const char *name;
	int number;
	int r = node_string(node, &name, err);

	if (r < 0)
		return r;
	number = cap_by_name(name);
	if (number < 0)
		return node_error(node, err, "no capability is called \"%.64s\"", name);
	*caps |= UINT64_C(1) << number;
	return 0;
}

int parse_caps(const struct policy_node *node, uint64_t *ret_caps, struct err *err)
{
	uint64_t caps = 0;
	int r;

	if (json_holds_array(node->value))
		r = node_each(node, add_cap, &caps, err);
	else if (json_holds_string(node->value))
		r = add_cap(&caps, node, err);
	else
		r = node_error(node, err, "it must be a name or an array of names");
	if (r == 0)
		*ret_caps = caps;
	return r;
}

static int parse_pattern(struct policy_file *file, const struct policy_node *node,
			 const char **ret_pattern, struct err *err)
{
	const char *pattern;
	int r = node_string(node, &pattern, err);

	if (r < 0)
		return r;
	if (*pattern == '\0')
		return node_error(node, err, "it is empty");
	if (!pattern_is_valid(pattern))
		return node_error(node, err, "it ends in the middle of an escape");
	*ret_pattern = policy_file_text(file, pattern);
	return 0;
}

static int parse_path(struct parse *parse, const struct policy_node *node, struct err *err)
{
	const char *path = NULL;
	int r = parse_pattern(parse->file, node, &path, err);

	if (r == 0 && !strchr("/*", path[0]))
		return node_error(node, err, "it must begin with / or *");
	parse->match->path = path;
	return r;
}

static int parse_type(struct parse *parse, const struct policy_node *node, struct err *err)
{
	static const char *const words[] = { "file",   "directory", "fifo", "device",
					     "socket", "other",	    "any",  NULL };
	size_t word;
	int r = node_word(node, words, &word, err);

	if (r == 0)
		parse->match->sorts = word < FILE_SORTS ? 1u << word : 0;
	return r;
}

static int parse_mode(struct parse *parse, const struct policy_node *node, struct err *err)
{
	static const char *const words[] = { "r", "w", "rw", "ro", "wo", "none", NULL };
	static const unsigned int accesses[] = { 1, 2, 3, 1, 2, 0 };
	size_t word;
	int r = node_word(node, words, &word, err);

	if (r < 0)
		return r;
	parse->match->has_access = true;
	parse->match->access = accesses[word];
	parse->match->is_exact = word >= 3;
	return 0;
}

static int parse_task_member(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *parse = argument;
	int64_t pid = 0;
	int r;

	if (strcmp(node->key, "comm") == 0)
		return parse_pattern(parse->file, node, &parse->match->comm, err);
	if (strcmp(node->key, "pid") != 0)
		return node_error_at_key(
		    node, err, "\"%.64s\" is not known here: it can be comm or pid", node->key);
	r = node_number(node, 1, INT32_MAX, &pid, err);
	parse->match->pid = (pid_t)pid;
	return r;
}

static int parse_task(struct parse *parse, const struct policy_node *node, struct err *err)
{
	int r = node_expect_object(node, err);

	return r < 0 ? r : node_each(node, parse_task_member, parse, err);
}

uint64_t details_named(enum policy_class class, const char *name)
{
	const struct policy_class_info *info = policy_class_info(class);
	size_t length = strcspn(name, ".");
	const char *part = name[length] == '.' ? name + length + 1 : NULL;
	uint32_t per = info->details_per_name;

	for (size_t i = 0; i < info->detail_name_count; i++) {
		uint64_t all = ((UINT64_C(1) << per) - 1) << (i * per);

		if (strncmp(info->detail_names[i], name, length) != 0 ||
		    info->detail_names[i][length] != '\0')
			continue;
		if (!part)
			return all;
		if (per == 2 && strcmp(part, "soft") == 0)
			return UINT64_C(1) << (i * per);
		if (per == 2 && strcmp(part, "hard") == 0)
			return UINT64_C(2) << (i * per);
		return 0;
	}
	return 0;
}

static int add_item(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *parse = argument;
	const char *name;
	uint64_t details;
	int r = node_string(node, &name, err);

	if (r < 0)
		return r;
	details = details_named(parse->class, name);
	if (details == 0)
		return node_error(node, err, "there is no \"%.64s\"", name);
	parse->match->details |= details;
	return 0;
}

static int parse_item(struct parse *parse, const struct policy_node *node, struct err *err)
{
	if (!json_holds_array(node->value))
		return add_item(parse, node, err);
	if (json_count(node->value) == 0)
		return node_error(node, err, "it is empty");
	return node_each(node, add_item, parse, err);
}

static int parse_capability(struct parse *parse, const struct policy_node *node, struct err *err)
{
	int r = parse_caps(node, &parse->match->caps, err);

	if (r == 0 && parse->match->caps == 0)
		return node_error(node, err, "it is empty");
	return r;
}

static int parse_id_member(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *parse = argument;
	int64_t number = 0;
	int r;

	if (strcmp(node->key, "image") == 0) {
		r = node_number(node, 0, UINT32_MAX - 1, &number, err);
		parse->match->first_id = (uint32_t)number;
	} else if (strcmp(node->key, "count") == 0) {
		r = node_number(node, 1, UINT32_MAX, &number, err);
		parse->match->id_count = (uint32_t)number;
	} else {
		r = node_error_at_key(
		    node, err, "\"%.64s\" is not known here: it can be image or count", node->key);
	}
	return r;
}

static int parse_id(struct parse *parse, const struct policy_node *node, struct err *err)
{
	int r = node_expect_object(node, err);

	parse->match->id_count = 1;
	if (r == 0 && !node_member(node, "image").value)
		r = node_error(node, err, "it lacks \"image\"");
	return r < 0 ? r : node_each(node, parse_id_member, parse, err);
}

/* Which classes have what: the rest of a match would never hold. */
static bool has_path(enum policy_class class)
{
	return policy_class_is_file(class) || class == CLASS_MOUNT || class == CLASS_SOCKET;
}

static bool has_caps(enum policy_class class)
{
	return class == CLASS_CAPS;
}

static bool has_ids(enum policy_class class)
{
	return class == CLASS_GROUPS;
}

static bool has_items(enum policy_class class)
{
	return policy_class_info(class)->detail_name_count > 0;
}

static bool has_task(enum policy_class class)
{
	return class != CLASS_MOUNT;
}

static const struct {
	const char *key;
	bool (*is_for)(enum policy_class class);
	int (*parse)(struct parse *parse, const struct policy_node *node, struct err *err);
} keys[] = {
	{ "path", has_path, parse_path },
	{ "type", policy_class_is_file, parse_type },
	{ "mode", policy_class_is_file, parse_mode },
	{ "capability", has_caps, parse_capability },
	{ "id", has_ids, parse_id },
	{ "item", has_items, parse_item },
	{ "task", has_task, parse_task },
};

static int unknown_key(const struct policy_node *node, enum policy_class class, struct err *err)
{
	auto_buf struct buf list = BUF_EMPTY;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].is_for(class))
			buf_printf(&list, "%s%s", list.size ? ", " : "", keys[i].key);
	}
	return node_error_at_key(node, err, "\"%.64s\" is not known here: it can be %s", node->key,
				 list.data ? list.data : "nothing");
}

static int parse_member(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *parse = argument;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].key, node->key) == 0 && keys[i].is_for(parse->class))
			return keys[i].parse(parse, node, err);
	}
	return unknown_key(node, parse->class, err);
}

int parse_match(struct policy_file *file, const struct policy_node *node, enum policy_class class,
		struct policy_match *ret_match, struct err *err)
{
	struct policy_match match = *ret_match;
	struct parse parse = { file, class, &match };
	int r = node_expect_object(node, err);

	if (r == 0)
		r = node_each(node, parse_member, &parse, err);
	if (r == 0)
		*ret_match = match;
	return r;
}
