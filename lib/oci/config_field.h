/* Members of objects in config.json, by tables: a key, how it is read, and where to. */
#pragma once

#include "oci/config.h"
#include "policy/node.h"

struct field {
	const char *key;
	/* `destination` is what is at `offset`. Not called for a member that is missing or null. */
	int (*read)(const struct policy_node *node, void *destination, struct err *err);
	size_t offset;
	bool is_needed;
};

/* The table ends with a NULL key. */
int field_read_all(const struct policy_node *node, const struct field *fields, void *object,
		   struct err *err);
/* What may be something else is taken apart by the second, if it is an array, element by element.
 */
int field_each_element(const struct policy_node *node,
		       int (*each)(void *argument, const struct policy_node *child,
				   struct err *err),
		       void *argument, struct err *err);

/* Readers; the type of the destination behind each. */
int field_text(const struct policy_node *node, void *destination, struct err *err);  /* char * */
int field_flag(const struct policy_node *node, void *destination, struct err *err);  /* bool */
int field_u32(const struct policy_node *node, void *destination, struct err *err);   /* uint32_t */
int field_u64(const struct policy_node *node, void *destination, struct err *err);   /* uint64_t */
int field_texts(const struct policy_node *node, void *destination, struct err *err); /* oci_texts */
/* Takes anything but an empty text, and adds its path. */
int field_unapplied(const struct policy_node *node, void *destination,
		    struct err *err);						     /* oci_texts */
int field_ids(const struct policy_node *node, void *destination, struct err *err);   /* oci_ids */
int field_pairs(const struct policy_node *node, void *destination, struct err *err); /* oci_pairs */
/* A place in the container: absolute, and cleaned; ".." in it is an error. */
int field_point(const struct policy_node *node, void *destination, struct err *err); /* char * */
int field_points(const struct policy_node *node, void *destination,
		 struct err *err); /* oci_texts */
/* An absolute path of the host. */
int field_path(const struct policy_node *node, void *destination, struct err *err); /* char * */

/* config_linux.c, config_process.c: all of that object into the config. */
int config_read_linux(const struct policy_node *node, void *config, struct err *err);
int config_read_process(const struct policy_node *node, void *config, struct err *err);
/* config_hooks.c: all hooks, or those of one stage: struct oci_hooks. */
int config_read_hooks(const struct policy_node *node, void *config, struct err *err);
int config_read_stage(const struct policy_node *node, void *hooks, struct err *err);
void oci_hooks_free(struct oci_hooks *hooks);
void oci_texts_free(struct oci_texts *texts);
void oci_pairs_free(struct oci_pairs *pairs);
