/* JSON values, read and written. A value belongs to whoever made or parsed it until it is put
 * into another; what a getter returns is borrowed. Getters accept NULL: nothing is in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/json_place.h"

struct json;

struct json *json_new_object(void);
struct json *json_new_array(void);
void json_free(struct json *value);
static inline void json_cleanup(struct json **value)
{
	json_free(*value);
}
#define auto_json __attribute__((cleanup(json_cleanup)))

/* Into an object; a key that is there is replaced. Bytes that are not UTF-8 become U+FFFD. */
void json_put_string(struct json *object, const char *key, const char *text); /* NULL: null */
void json_put_i64(struct json *object, const char *key, int64_t number);
void json_put_u64(struct json *object, const char *key, uint64_t number); /* > 2^63: a string */
void json_put_bool(struct json *object, const char *key, bool is_true);
/* Takes the value over. */
void json_put(struct json *object, const char *key, struct json *value);
void json_add(struct json *array, struct json *value);
void json_add_string(struct json *array, const char *text);

/* All of a value, but for members of objects in it whose key `is_left_out`; NULL: none. */
struct json *json_copy_without(const struct json *value, bool (*is_left_out)(const char *key));

/* Text, keys in the order they were put in, with indentation and a newline at the end, or all in
 * one line without one. Owned by the caller. */
char *json_print(const struct json *value, bool is_indented);
/* One value and nothing behind it. Repeated keys and NUL in strings are errors. They say the line.
 */
int json_parse(const char *text, size_t size, struct json **ret_value, struct err *err);
/* For processes that will not be able to open files: the library reads its random seed. */
void json_prepare(void);
/* The same; where it went wrong comes apart from the error. */
int json_parse_placed(const char *text, size_t size, struct json **ret_value,
		      struct json_place *ret_place, struct err *err);

bool json_holds_object(const struct json *value);
bool json_holds_array(const struct json *value);
bool json_holds_string(const struct json *value);
bool json_holds_nothing(const struct json *value);
/* NULL, or false, if it is something else. */
const char *json_get_string(const struct json *value);
bool json_get_i64(const struct json *value, int64_t *ret_number);
bool json_get_u64(const struct json *value, uint64_t *ret_number);
bool json_get_bool(const struct json *value, bool *ret_is_true);
const struct json *json_get(const struct json *object, const char *key);
/* To change it; borrowed; NULL: there is none. */
struct json *json_member(struct json *object, const char *key);
/* Elements of an array, or members of an object. */
size_t json_count(const struct json *value);
const struct json *json_element(const struct json *array, size_t index);
/* The first key that is not in the list, which ends with NULL; NULL if all are. */
const char *json_unknown_key(const struct json *object, const char *const known[]);
/* Calls `each` for all members in order, until it returns less than 0. */
int json_each(const struct json *object,
	      int (*each)(void *argument, const char *key, const struct json *value,
			  struct err *err),
	      void *argument, struct err *err);
