/* JSON by jansson, which nothing else of ours includes. See json.h. */
#include "core/json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

/* A struct json is a json_t under a name of ours. */
static json_t *inner(const struct json *value)
{
	return (json_t *)value;
}

/* jansson returns NULL only when memory is out. */
static struct json *outer(json_t *value)
{
	if (!value) {
		(void)fprintf(stderr, "ctckpt: out of memory\n");
		abort();
	}
	return (struct json *)value;
}

struct json *json_new_object(void)
{
	return outer(json_object());
}

struct json *json_new_array(void)
{
	return outer(json_array());
}

void json_free(struct json *value)
{
	json_decref(inner(value));
}

/* The length of the UTF-8 sequence at `at`; 0 if there is none. Surrogates, overlong forms and
 * what lies above U+10FFFF are none. */
static size_t utf8_length(const unsigned char *at)
{
	size_t length = 1;

	if (at[0] >= 0x80)
		length = at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (at[0] > 0xf4 || (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

static json_t *new_string(const char *text)
{
	auto_buf struct buf clean = BUF_EMPTY;

	if (!text)
		return json_null();
	(void)buf_append(&clean, NULL, 0);
	while (*text) {
		size_t length = utf8_length((const unsigned char *)text);

		(void)buf_append(&clean, length ? text : "\xef\xbf\xbd", length ? length : 3);
		text += length ? length : 1;
	}
	return inner(outer(json_stringn_nocheck(clean.data, clean.size)));
}

static json_t *new_u64(uint64_t number)
{
	char text[24];

	if (number <= INT64_MAX)
		return inner(outer(json_integer((json_int_t)number)));
	(void)snprintf(text, sizeof(text), "%ju", (uintmax_t)number);
	return new_string(text);
}

void json_put(struct json *object, const char *key, struct json *value)
{
	(void)json_object_set_new_nocheck(inner(object), key, inner(value));
}

void json_put_string(struct json *object, const char *key, const char *text)
{
	json_put(object, key, outer(new_string(text)));
}

void json_put_i64(struct json *object, const char *key, int64_t number)
{
	json_put(object, key, outer(json_integer(number)));
}

void json_put_u64(struct json *object, const char *key, uint64_t number)
{
	json_put(object, key, outer(new_u64(number)));
}

void json_put_bool(struct json *object, const char *key, bool is_true)
{
	json_put(object, key, outer(json_boolean(is_true)));
}

void json_add(struct json *array, struct json *value)
{
	(void)json_array_append_new(inner(array), inner(value));
}

void json_add_string(struct json *array, const char *text)
{
	json_add(array, outer(new_string(text)));
}

static json_t *copy_value(json_t *value, bool (*is_left_out)(const char *key))
{
	json_t *copy = NULL;
	json_t *element;
	const char *key;
	size_t index;

	if (json_is_array(value)) {
		copy = inner(json_new_array());
		json_array_foreach(value, index, element)
		{
			json_add(outer(copy), outer(copy_value(element, is_left_out)));
		}
	} else if (json_is_object(value)) {
		copy = inner(json_new_object());
		json_object_foreach(value, key, element)
		{
			if (!is_left_out || !is_left_out(key))
				json_put(outer(copy), key, outer(copy_value(element, is_left_out)));
		}
	} else {
		copy = json_incref(value);
	}
	return copy;
}

struct json *json_copy_without(const struct json *value, bool (*is_left_out)(const char *key))
{
	return value ? outer(copy_value(inner(value), is_left_out)) : NULL;
}

char *json_print(const struct json *value, bool is_indented)
{
	size_t flags = is_indented ? JSON_INDENT(2) : 0;
	char *text = json_dumps(inner(value), flags | JSON_ENCODE_ANY);
	char *copy;

	copy = mem_printf("%s%s", text ? text : "", is_indented ? "\n" : "");
	free(text);
	return copy;
}

int json_parse_placed(const char *text, size_t size, struct json **ret_value,
		      struct json_place *ret_place, struct err *err)
{
	json_error_t error;
	json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (!value) {
		*ret_place = (struct json_place){ error.line > 0 ? (size_t)error.line : 1,
						  error.column > 0 ? (size_t)error.column : 1 };
		return err_set(err, ERR_FAILED, "%s", error.text);
	}
	*ret_value = outer(value);
	return 0;
}

void json_prepare(void)
{
	json_object_seed(0);
}

int json_parse(const char *text, size_t size, struct json **ret_value, struct err *err)
{
	struct json_place place;
	int r = json_parse_placed(text, size, ret_value, &place, err);

	return r < 0 ? err_wrap(err, "line %zu", place.line) : 0;
}

bool json_holds_object(const struct json *value)
{
	return value && json_typeof(inner(value)) == JSON_OBJECT;
}

bool json_holds_string(const struct json *value)
{
	return value && json_typeof(inner(value)) == JSON_STRING;
}

bool json_holds_array(const struct json *value)
{
	return value && json_typeof(inner(value)) == JSON_ARRAY;
}

bool json_holds_nothing(const struct json *value)
{
	return !value || json_typeof(inner(value)) == JSON_NULL;
}

const char *json_get_string(const struct json *value)
{
	return json_string_value(inner(value));
}

bool json_get_i64(const struct json *value, int64_t *ret_number)
{
	if (!json_is_integer(inner(value)))
		return false;
	*ret_number = json_integer_value(inner(value));
	return true;
}

bool json_get_u64(const struct json *value, uint64_t *ret_number)
{
	int64_t number;

	if (!json_get_i64(value, &number) || number < 0)
		return false;
	*ret_number = (uint64_t)number;
	return true;
}

bool json_get_bool(const struct json *value, bool *ret_is_true)
{
	if (!value || !json_is_boolean(inner(value)))
		return false;
	*ret_is_true = json_is_true(inner(value));
	return true;
}

const struct json *json_get(const struct json *object, const char *key)
{
	return (const struct json *)json_object_get(inner(object), key);
}

struct json *json_member(struct json *object, const char *key)
{
	return (struct json *)json_object_get(inner(object), key);
}

size_t json_count(const struct json *value)
{
	return json_holds_object(value) ? json_object_size(inner(value))
					: json_array_size(inner(value));
}

const struct json *json_element(const struct json *array, size_t index)
{
	return (const struct json *)json_array_get(inner(array), index);
}

const char *json_unknown_key(const struct json *object, const char *const known[])
{
	const char *key;
	json_t *value;

	json_object_foreach(inner(object), key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return key;
	}
	return NULL;
}

int json_each(const struct json *object,
	      int (*each)(void *argument, const char *key, const struct json *value,
			  struct err *err),
	      void *argument, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(inner(object), key, value)
	{
		int r = each(argument, key, (const struct json *)value, err);

		if (r < 0)
			return r;
	}
	return 0;
}
