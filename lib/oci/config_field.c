/* Readers of single members. See config_field.h. */
#include "oci/config_field.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/scan.h"

int field_read_all(const struct policy_node *node, const struct field *fields, void *object,
		   struct err *err)
{
	int r = node_expect_object(node, err);

	for (; r == 0 && fields->key; fields++) {
		struct policy_node member = node_member(node, fields->key);

		if (!json_holds_nothing(member.value))
			r = fields->read(&member, (char *)object + fields->offset, err);
		else if (fields->is_needed)
			r = node_error(node, err, "%s is missing", fields->key);
	}
	return r;
}

int field_each_element(const struct policy_node *node,
		       int (*each)(void *argument, const struct policy_node *child,
				   struct err *err),
		       void *argument, struct err *err)
{
	int r = node_expect_array(node, err);

	return r < 0 ? r : node_each(node, each, argument, err);
}

int field_text(const struct policy_node *node, void *destination, struct err *err)
{
	char **text = destination;
	const char *value;
	int r = node_string(node, &value, err);

	if (r == 0)
		*text = mem_string(value);
	return r;
}

int field_flag(const struct policy_node *node, void *destination, struct err *err)
{
	if (!json_get_bool(node->value, destination))
		return node_error(node, err, "it must be true or false");
	return 0;
}

/* What does not fit into the JSON library's numbers has become a string: see config.c. */
int field_u64(const struct policy_node *node, void *destination, struct err *err)
{
	uint64_t *number = destination;
	const char *text = json_get_string(node->value);

	if (json_get_u64(node->value, number))
		return 0;
	if (!text || !scan_number(&text, 10, UINT64_MAX, number) || *text)
		return node_error(node, err, "it must be a whole number, and not below 0");
	return 0;
}

int field_u32(const struct policy_node *node, void *destination, struct err *err)
{
	uint32_t *number = destination;
	int64_t value;
	int r = node_number(node, 0, UINT32_MAX, &value, err);

	if (r == 0)
		*number = (uint32_t)value;
	return r;
}

/* ---- lists ---- */

static void add_text(struct oci_texts *texts, char *text)
{
	array_grow(texts->list, texts->count);
	texts->list[texts->count++] = text;
	array_grow(texts->list, texts->count);
	texts->list[texts->count] = NULL;
}

int field_unapplied(const struct policy_node *node, void *destination, struct err *err)
{
	auto_buf struct buf path = BUF_EMPTY;
	const char *text = json_get_string(node->value);

	(void)err;
	node_path(node, &path);
	if (!text || *text)
		add_text(destination, mem_string(path.data));
	return 0;
}

static int add_element(void *argument, const struct policy_node *child, struct err *err)
{
	char *text = NULL;
	int r = field_text(child, &text, err);

	if (r == 0)
		add_text(argument, text);
	return r;
}

int field_texts(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_element, destination, err);
}

void oci_texts_free(struct oci_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->list[i]);
	free(texts->list);
	*texts = (struct oci_texts){ .list = NULL };
}

static int add_id(void *argument, const struct policy_node *child, struct err *err)
{
	struct oci_ids *ids = argument;
	uint32_t id = 0;
	int r = field_u32(child, &id, err);

	if (r < 0)
		return r;
	array_grow(ids->list, ids->count);
	ids->list[ids->count++] = id;
	return 0;
}

int field_ids(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_id, destination, err);
}

static int add_pair(void *argument, const struct policy_node *child, struct err *err)
{
	struct oci_pairs *pairs = argument;
	char *value = NULL;
	int r = field_text(child, &value, err);

	if (r < 0)
		return r;
	array_grow(pairs->list, pairs->count);
	pairs->list[pairs->count++] = (struct oci_pair){ mem_string(child->key), value };
	return 0;
}

int field_pairs(const struct policy_node *node, void *destination, struct err *err)
{
	int r = node_expect_object(node, err);

	return r < 0 ? r : node_each(node, add_pair, destination, err);
}

void oci_pairs_free(struct oci_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->list[i].key);
		free(pairs->list[i].value);
	}
	free(pairs->list);
	*pairs = (struct oci_pairs){ .list = NULL };
}

/* ---- paths ---- */

/* NULL if it leads upwards, or is not absolute. */
static char *clean(const char *text)
{
	auto_buf struct buf path = BUF_EMPTY;
	size_t length;

	if (text[0] != '/')
		return NULL;
	for (; *text; text += length) {
		text += strspn(text, "/");
		length = strcspn(text, "/");
		if (length > 255 || (length == 2 && memcmp(text, "..", 2) == 0))
			return NULL;
		if (length > 0 && !(length == 1 && text[0] == '.'))
			buf_printf(&path, "/%.*s", (int)length, text);
	}
	return mem_string(path.size > 0 ? path.data : "/");
}

int field_point(const struct policy_node *node, void *destination, struct err *err)
{
	char **point = destination;
	const char *text;
	int r = node_string(node, &text, err);

	if (r < 0)
		return r;
	*point = clean(text);
	return *point ? 0 : node_error(node, err, "it must be an absolute path without \"..\"");
}

static int add_point(void *argument, const struct policy_node *child, struct err *err)
{
	char *point = NULL;
	int r = field_point(child, &point, err);

	if (r == 0)
		add_text(argument, point);
	return r;
}

int field_points(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_point, destination, err);
}

int field_path(const struct policy_node *node, void *destination, struct err *err)
{
	char **path = destination;
	const char *text;
	int r = node_string(node, &text, err);

	if (r < 0)
		return r;
	if (text[0] != '/')
		return node_error(node, err, "it must be an absolute path");
	*path = mem_string(text);
	return 0;
}
