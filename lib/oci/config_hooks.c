/* "hooks" of config.json. */
#include <stdlib.h>

#include "core/buf.h"
#include "oci/config_field.h"

static int read_timeout(const struct policy_node *node, void *destination, struct err *err)
{
	uint32_t *timeout = destination;
	int64_t value;
	int r = node_number(node, 1, 86400, &value, err);

	if (r == 0)
		*timeout = (uint32_t)value;
	return r;
}

static int add_hook(void *argument, const struct policy_node *child, struct err *err)
{
#define AT(field) offsetof(struct oci_hook, field)
	static const struct field fields[] = {
		{ "path", field_path, AT(path), true },
		{ "args", field_texts, AT(args), false },
		{ "env", field_texts, AT(env), false },
		{ "timeout", read_timeout, AT(timeout), false },
		{ NULL, NULL, 0, false },
	};
#undef AT
	struct oci_hooks *hooks = argument;
	struct oci_hook *hook;

	array_grow(hooks->list, hooks->count);
	hook = &hooks->list[hooks->count++];
	*hook = (struct oci_hook){ .path = NULL };
	return field_read_all(child, fields, hook, err);
}

int config_read_stage(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_hook, destination, err);
}

const char *oci_stage_name(enum oci_stage stage)
{
	static const char *const names[] = {
		[OCI_PRESTART] = "prestart",
		[OCI_CREATE_RUNTIME] = "createRuntime",
		[OCI_CREATE_CONTAINER] = "createContainer",
		[OCI_START_CONTAINER] = "startContainer",
		[OCI_POSTSTART] = "poststart",
		[OCI_POSTSTOP] = "poststop",
	};

	return names[stage];
}

int config_read_hooks(const struct policy_node *node, void *destination, struct err *err)
{
	struct field fields[OCI_STAGES + 1] = { { .key = NULL } };

	for (size_t i = 0; i < OCI_STAGES; i++)
		fields[i] = (struct field){ oci_stage_name((enum oci_stage)i), config_read_stage,
					    i * sizeof(struct oci_hooks), false };
	return field_read_all(node, fields, destination, err);
}

void oci_hooks_free(struct oci_hooks *hooks)
{
	for (size_t i = 0; i < hooks->count; i++) {
		free(hooks->list[i].path);
		oci_texts_free(&hooks->list[i].args);
		oci_texts_free(&hooks->list[i].env);
	}
	free(hooks->list);
	*hooks = (struct oci_hooks){ .list = NULL };
}
