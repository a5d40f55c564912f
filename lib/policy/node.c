/* Values of policy files. See node.h. */
#include "policy/node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"

static const struct json_step *step_of(const struct policy_node *node)
{
	return node->up ? &node->step : NULL;
}

static int error_at(const struct policy_node *node,
		    struct json_place (*place_of)(const char *text, size_t size,
						  const struct json_step *step),
		    struct err *err, const char *format, va_list args)
{
	const struct policy_text *text = node->text;
	struct json_place place = place_of(text->text, text->size, step_of(node));
	char reason[512];

	(void)vsnprintf(reason, sizeof(reason), format, args);
	return err_set(err, ERR_USAGE, "%s:%zu:%zu: %s", text->name, place.line, place.column,
		       reason);
}

int node_error(const struct policy_node *node, struct err *err, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = error_at(node, json_place_of, err, format, args);
	va_end(args);
	return r;
}

int node_error_at_key(const struct policy_node *node, struct err *err, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = error_at(node, json_place_of_key, err, format, args);
	va_end(args);
	return r;
}

static struct policy_node child_of(const struct policy_node *node, size_t index, const char *key,
				   const struct json *value)
{
	return (struct policy_node){
		.text = node->text,
		.up = node,
		.step = { step_of(node), index },
		.key = key,
		.value = value,
	};
}

struct walk {
	const struct policy_node *node;
	int (*each)(void *argument, const struct policy_node *child, struct err *err);
	void *argument;
	size_t index;
};

static int walk_member(void *argument, const char *key, const struct json *value, struct err *err)
{
	struct walk *walk = argument;
	struct policy_node child = child_of(walk->node, walk->index++, key, value);

	return walk->each(walk->argument, &child, err);
}

int node_each(const struct policy_node *node,
	      int (*each)(void *argument, const struct policy_node *child, struct err *err),
	      void *argument, struct err *err)
{
	struct walk walk = { node, each, argument, 0 };
	int r = 0;

	if (json_holds_object(node->value))
		return json_each(node->value, walk_member, &walk, err);
	for (size_t i = 0; r == 0 && i < json_count(node->value); i++) {
		struct policy_node child = child_of(node, i, NULL, json_element(node->value, i));

		r = each(argument, &child, err);
	}
	return r;
}

struct search {
	const char *key;
	struct policy_node found;
};

static int compare_member(void *argument, const struct policy_node *child, struct err *err)
{
	struct search *search = argument;

	(void)err;
	if (strcmp(child->key, search->key) == 0)
		search->found = *child;
	return 0;
}

struct policy_node node_member(const struct policy_node *node, const char *key)
{
	struct search search = { key, child_of(node, 0, key, NULL) };
	struct err err = ERR_NONE;

	if (json_holds_object(node->value))
		(void)node_each(node, compare_member, &search, &err);
	return search.found;
}

int node_expect_object(const struct policy_node *node, struct err *err)
{
	return json_holds_object(node->value) ? 0 : node_error(node, err, "it must be an object");
}

int node_expect_array(const struct policy_node *node, struct err *err)
{
	return json_holds_array(node->value) ? 0 : node_error(node, err, "it must be an array");
}

int node_string(const struct policy_node *node, const char **ret_text, struct err *err)
{
	const char *text = json_get_string(node->value);

	if (!text)
		return node_error(node, err, "it must be a string");
	*ret_text = text;
	return 0;
}

static int word_error(const struct policy_node *node, const char *const words[], struct err *err)
{
	auto_buf struct buf list = BUF_EMPTY;

	for (size_t i = 0; words[i]; i++)
		buf_printf(&list, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
	return node_error(node, err, "it can be %s", list.data);
}

int node_word(const struct policy_node *node, const char *const words[], size_t *ret_index,
	      struct err *err)
{
	const char *text = json_get_string(node->value);

	for (size_t i = 0; text && words[i]; i++) {
		if (strcmp(words[i], text) != 0)
			continue;
		*ret_index = i;
		return 0;
	}
	return word_error(node, words, err);
}

int node_number(const struct policy_node *node, int64_t least, int64_t most, int64_t *ret_number,
		struct err *err)
{
	int64_t number;

	if (!json_get_i64(node->value, &number))
		return node_error(node, err, "it must be a whole number");
	if (number < least || number > most)
		return node_error(node, err, "it must be from %" PRId64 " to %" PRId64, least,
				  most);
	*ret_number = number;
	return 0;
}

void node_path(const struct policy_node *node, struct buf *out)
{
	if (!node->up)
		return;
	node_path(node->up, out);
	if (node->key)
		buf_printf(out, "%s%s", node->up->up ? "." : "", node->key);
	else
		buf_printf(out, "[%zu]", node->step.index);
}
