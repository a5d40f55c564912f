/* Policy files. See language.h. */
#include "policy/language.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policy/cases.h"
#include "policy/match.h"
#include "policy/trusted.h"

/* Files that extend each other, in one chain. */
#define DEPTH_MAX 8u

const char *policy_file_text(struct policy_file *file, const char *text)
{
	array_grow(file->texts, file->text_count);
	return file->texts[file->text_count++] = mem_string(text);
}

void policy_file_add(struct policy_file *file, const struct policy_case *new_case)
{
	array_grow(file->cases, file->case_count);
	file->cases[file->case_count++] = *new_case;
}

void policy_file_free(struct policy_file *file)
{
	if (!file)
		return;
	policy_file_free(file->base);
	for (size_t i = 0; i < file->text_count; i++)
		free(file->texts[i]);
	free(file->texts);
	free(file->cases);
	free(file->uid_lines.list);
	free(file->gid_lines.list);
	free(file->name);
	free(file);
}

static void drop_file(struct policy_file **file)
{
	policy_file_free(*file);
}

const struct policy *policy_file_policy(const struct policy_file *file)
{
	return &file->policy;
}

/* ---- which rule counts ---- */

static const struct policy_rule *choose(const struct policy *policy,
					const struct decision *decision)
{
	for (const struct policy_file *file = policy->file; file; file = file->base) {
		for (size_t i = file->first[decision->class]; i < file->first[decision->class + 1];
		     i++) {
			if (policy_match_holds(&file->cases[i].match, decision))
				return &file->cases[i].rule;
		}
	}
	return NULL;
}

/* Each class's cases together; in the order of the file. */
static void sort_cases(struct policy_file *file)
{
	struct policy_case *sorted = mem_alloc(file->case_count, sizeof(*sorted));
	size_t count = 0;

	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		file->first[class] = count;
		for (size_t i = 0; i < file->case_count; i++) {
			if (file->cases[i].class == class)
				sorted[count++] = file->cases[i];
		}
	}
	file->first[CLASS_COUNT] = count;
	free(file->cases);
	file->cases = sorted;
}

/* ---- the members of the whole ---- */

static int read_at_depth(const char *path, enum policy_role role, size_t depth,
			 struct policy_file **ret_file, struct err *err);

/* Beside the file that names it. */
static char *path_beside(const char *own, const char *path)
{
	const char *slash = strrchr(own, '/');

	if (path[0] == '/' || !slash)
		return mem_string(path);
	return mem_printf("%.*s%s", (int)(slash - own + 1), own, path);
}

static int extend_file(struct policy_file *file, const struct policy_node *node, const char *name,
		       struct err *err)
{
	auto_free char *path = path_beside(file->name, name);
	struct err reason = ERR_NONE;

	if (file->depth + 1 >= DEPTH_MAX)
		return node_error(node, err, "more than %u files extend each other", DEPTH_MAX);
	if (read_at_depth(path, file->role, file->depth + 1, &file->base, &reason) < 0) {
		/* What is wrong in that file has its place already. */
		if (reason.code != ERR_USAGE)
			return node_error(node, err, "%s", reason.text);
		*err = reason;
		return err->code;
	}
	file->policy = file->base->policy;
	return 0;
}

/* Whose rules they are must be seen. */
static void extend_preset(struct policy_file *file, const struct policy *preset)
{
	file->policy = *preset;
	file->policy.preset = preset->name;
	if (file->role != POLICY_ADMINISTRATOR)
		return;
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		struct policy_rule *rule = &file->policy.rules[class];
		auto_free char *name = mem_printf("admin/%s", rule->name);

		rule->name = policy_file_text(file, name);
		rule->remedy = ADMINISTRATOR_REMEDY;
	}
}

static int parse_extends(struct policy_file *file, const struct policy_node *root, struct err *err)
{
	struct policy_node node = node_member(root, "extends");
	const struct policy *preset = NULL;
	struct err unknown = ERR_NONE;
	const char *name = "strict";
	int r = 0;

	if (!node.value && file->role == POLICY_ADMINISTRATOR)
		return 0;
	if (node.value)
		r = node_string(&node, &name, err);
	if (r < 0)
		return r;
	if (policy_preset(name, &preset, &unknown) == 0) {
		extend_preset(file, preset);
		return 0;
	}
	if (!policy_is_path(name))
		return node_error(&node, err, "%s", unknown.text);
	return extend_file(file, &node, name, err);
}

static int parse_ids_member(void *argument, const struct policy_node *node, struct err *err)
{
	static const char *const unmapped[] = { "refuse", NULL };
	struct policy_file *file = argument;
	size_t word;

	if (strcmp(node->key, "uid") == 0)
		return parse_id_lines(node, "subuid", &file->uid_lines, err);
	if (strcmp(node->key, "gid") == 0)
		return parse_id_lines(node, "subgid", &file->gid_lines, err);
	if (strcmp(node->key, "unmapped") == 0)
		return node_word(node, unmapped, &word, err);
	return node_error_at_key(
	    node, err, "\"%.64s\" is not known here: it can be uid, gid or unmapped", node->key);
}

/* {"net": {"tcp": ...}}: the keys of some classes go two objects down. */
static int parse_group_member(void *argument, const struct policy_node *node, struct err *err)
{
	auto_buf struct buf key = BUF_EMPTY;
	enum policy_class class;

	node_path(node, &key);
	if (policy_class_by_key(key.data, &class) < 0)
		return node_error_at_key(node, err, "\"%.64s\" is not known here", node->key);
	return parse_rules(argument, node, class, err);
}

static bool is_group(const char *key)
{
	size_t length = strlen(key);

	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		const char *whole = policy_class_info(class)->key;

		if (strncmp(whole, key, length) == 0 && whole[length] == '.')
			return true;
	}
	return false;
}

static int parse_member(void *argument, const struct policy_node *node, struct err *err)
{
	struct policy_file *file = argument;
	bool is_ids = strcmp(node->key, "ids") == 0;
	enum policy_class class;
	int r;

	if (strcmp(node->key, "ctckpt_policy") == 0 || strcmp(node->key, "extends") == 0)
		return 0;
	if (!strchr(node->key, '.') && policy_class_by_key(node->key, &class) == 0)
		return parse_rules(file, node, class, err);
	if (strchr(node->key, '.') || !is_group(node->key))
		return node_error_at_key(node, err, "\"%.64s\" is not known", node->key);
	r = node_expect_object(node, err);
	return r < 0 ? r
		     : node_each(node, is_ids ? parse_ids_member : parse_group_member, file, err);
}

static int parse_version(const struct policy_node *root, struct err *err)
{
	struct policy_node node = node_member(root, "ctckpt_policy");
	int64_t version;

	if (!node.value)
		return node_error(root, err, "it lacks \"ctckpt_policy\": 1");
	if (!json_get_i64(node.value, &version) || version != 1)
		return node_error(&node, err, "this ctckpt knows version 1 only");
	return 0;
}

/* Somebody must be the invoker: his are the files that the container makes. */
static int check_lines(const struct policy_file *file, const struct policy_node *root,
		       const char *key, const struct id_lines *lines, struct err *err)
{
	struct policy_node ids = node_member(root, "ids");
	struct policy_node node = node_member(&ids, key);

	if (!node.value || file->role == POLICY_ADMINISTRATOR)
		return 0;
	for (size_t i = 0; i < lines->count; i++) {
		if (lines->list[i].is_invoker)
			return 0;
	}
	return node_error(&node, err, "no line leads to the invoker");
}

static int parse_whole(struct policy_file *file, const struct policy_node *root, struct err *err)
{
	int r = node_expect_object(root, err);

	if (r == 0)
		r = parse_version(root, err);
	if (r == 0)
		r = parse_extends(file, root, err);
	if (r == 0)
		r = node_each(root, parse_member, file, err);
	if (r == 0)
		r = check_lines(file, root, "uid", &file->uid_lines, err);
	if (r == 0)
		r = check_lines(file, root, "gid", &file->gid_lines, err);
	return r;
}

static void finish(struct policy_file *file)
{
	sort_cases(file);
	file->policy.name = file->name;
	file->policy.choose = choose;
	file->policy.file = file;
	if (file->uid_lines.is_given)
		file->policy.uid_lines = &file->uid_lines;
	if (file->gid_lines.is_given)
		file->policy.gid_lines = &file->gid_lines;
}

static int parse_at_depth(const char *name, const char *text, size_t size, enum policy_role role,
			  size_t depth, struct policy_file **ret_file, struct err *err)
{
	auto_with(drop_file) struct policy_file *file = mem_alloc(1, sizeof(*file));
	const struct policy_text whole = { name, text, size };
	struct policy_node root = { .text = &whole };
	auto_json struct json *value = NULL;
	struct json_place place;
	int r;

	file->name = mem_string(name);
	file->role = role;
	file->depth = depth;
	if (json_parse_placed(text, size, &value, &place, err) < 0) {
		err->code = ERR_USAGE;
		return err_wrap(err, "%s:%zu:%zu", name, place.line, place.column);
	}
	root.value = value;
	r = parse_whole(file, &root, err);
	if (r < 0)
		return r;
	finish(file);
	*ret_file = take_ptr(file);
	return 0;
}

int policy_file_parse(const char *name, const char *text, size_t size, enum policy_role role,
		      struct policy_file **ret_file, struct err *err)
{
	return parse_at_depth(name, text, size, role, 0, ret_file, err);
}

static int read_at_depth(const char *path, enum policy_role role, size_t depth,
			 struct policy_file **ret_file, struct err *err)
{
	enum trusted_owner owner = role == POLICY_INVOKER ? TRUSTED_OWN : TRUSTED_ROOT;
	auto_buf struct buf text = BUF_EMPTY;
	int r = trusted_read(path, owner, POLICY_FILE_MAX, &text, err);

	if (r < 0)
		return err_wrap(err, "policy %s", path);
	return parse_at_depth(path, text.data, text.size, role, depth, ret_file, err);
}

int policy_file_read(const char *path, enum policy_role role, struct policy_file **ret_file,
		     struct err *err)
{
	return read_at_depth(path, role, 0, ret_file, err);
}
