/* A policy file while it is read: a value, the way to it, and errors that say where it stands:
 * "FILE:LINE:COLUMN: reason". */
#pragma once

#include "core/buf.h"
#include "core/err.h"
#include "core/json.h"
#include "core/json_place.h"

struct policy_text {
	const char *name; /* as errors call it */
	const char *text;
	size_t size;
};

struct policy_node {
	const struct policy_text *text;
	const struct policy_node *up; /* NULL: the whole text */
	struct json_step step;	      /* from there */
	const char *key;	      /* NULL: an element of an array */
	const struct json *value;
};

/* All return ERR_USAGE. The first is about the value, the second about its key. */
int node_error(const struct policy_node *node, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int node_error_at_key(const struct policy_node *node, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Calls `each` for all members or elements in order, until it returns less than 0. */
int node_each(const struct policy_node *node,
	      int (*each)(void *argument, const struct policy_node *child, struct err *err),
	      void *argument, struct err *err);
/* The member of an object; *ret_node.value is NULL if there is none. */
struct policy_node node_member(const struct policy_node *node, const char *key);

int node_expect_object(const struct policy_node *node, struct err *err);
int node_expect_array(const struct policy_node *node, struct err *err);
int node_string(const struct policy_node *node, const char **ret_text, struct err *err);
/* One of `words`, which ends with NULL. */
int node_word(const struct policy_node *node, const char *const words[], size_t *ret_index,
	      struct err *err);
int node_number(const struct policy_node *node, int64_t least, int64_t most, int64_t *ret_number,
		struct err *err);

/* Appends the way to it: "files[2]", "net.tcp". */
void node_path(const struct policy_node *node, struct buf *out);
