/* "linux" of config.json. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "oci/config_field.h"

/* ---- namespaces and ids ---- */

static bool has_namespace(const struct oci_config *config, const char *type)
{
	for (size_t i = 0; i < config->namespace_count; i++) {
		if (config->namespaces[i].type && strcmp(config->namespaces[i].type, type) == 0)
			return true;
	}
	return false;
}

static int add_namespace(void *argument, const struct policy_node *child, struct err *err)
{
	static const char *const types[] = { "pid",  "network", "mount", "ipc", "uts",
					     "user", "cgroup",	"time",	 NULL };
	static const struct field fields[] = {
		{ "path", field_path, offsetof(struct oci_namespace, path), false },
		{ NULL, NULL, 0, false },
	};
	struct oci_config *config = argument;
	struct policy_node type = node_member(child, "type");
	struct oci_namespace *namespace;
	size_t index;
	int r = node_expect_object(child, err);

	if (r == 0)
		r = node_word(&type, types, &index, err);
	if (r < 0)
		return r;
	if (has_namespace(config, types[index]))
		return node_error(&type, err, "%s comes twice", types[index]);
	array_grow(config->namespaces, config->namespace_count);
	namespace = &config->namespaces[config->namespace_count++];
	*namespace = (struct oci_namespace){ .type = mem_string(types[index]) };
	return field_read_all(child, fields, namespace, err);
}

static int read_namespaces(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_namespace, destination, err);
}

static int add_map(void *argument, const struct policy_node *child, struct err *err)
{
	static const struct field fields[] = {
		{ "containerID", field_u32, offsetof(struct oci_map, inside), true },
		{ "hostID", field_u32, offsetof(struct oci_map, outside), true },
		{ "size", field_u32, offsetof(struct oci_map, count), true },
		{ NULL, NULL, 0, false },
	};
	struct oci_maps *maps = argument;
	struct oci_map map = { .count = 0 };
	int r = field_read_all(child, fields, &map, err);

	if (r < 0)
		return r;
	if (map.count == 0 || map.inside > UINT32_MAX - map.count ||
	    map.outside > UINT32_MAX - map.count)
		return node_error(child, err, "there are no such ids");
	array_grow(maps->list, maps->count);
	maps->list[maps->count++] = map;
	return 0;
}

static int read_maps(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_map, destination, err);
}

/* ---- devices ---- */

static int read_device_type(const struct policy_node *node, void *destination, struct err *err)
{
	static const char *const types[] = { "c", "b", "u", "p", NULL };
	char *type = destination;
	size_t index;
	int r = node_word(node, types, &index, err);

	if (r == 0)
		*type = types[index][0];
	return r;
}

static int add_device(void *argument, const struct policy_node *child, struct err *err)
{
#define AT(field) offsetof(struct oci_device, field)
	static const struct field fields[] = {
		{ "path", field_point, AT(path), true },
		{ "type", read_device_type, AT(type), true },
		{ "major", field_u32, AT(major), false },
		{ "minor", field_u32, AT(minor), false },
		{ "fileMode", field_u32, AT(mode), false },
		{ "uid", field_u32, AT(uid), false },
		{ "gid", field_u32, AT(gid), false },
		{ NULL, NULL, 0, false },
	};
#undef AT
	struct oci_config *config = argument;
	struct oci_device *device;

	array_grow(config->devices, config->device_count);
	device = &config->devices[config->device_count++];
	*device = (struct oci_device){ .mode = 0666 };
	return field_read_all(child, fields, device, err);
}

static int read_devices(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_device, destination, err);
}

/* ---- the rest ---- */

/* For the one who compiles it. */
static int read_seccomp(const struct policy_node *node, void *destination, struct err *err)
{
	char **text = destination;
	int r = node_expect_object(node, err);

	if (r == 0)
		*text = json_print(node->value, false);
	return r;
}

static int look_at_resource(void *argument, const struct policy_node *child, struct err *err)
{
	bool *has_limits = argument;

	(void)err;
	*has_limits |= strcmp(child->key, "devices") != 0 && json_count(child->value) > 0;
	return 0;
}

static int read_resources(const struct policy_node *node, void *destination, struct err *err)
{
	int r = node_expect_object(node, err);

	return r < 0 ? r : node_each(node, look_at_resource, destination, err);
}

int config_read_linux(const struct policy_node *node, void *destination, struct err *err)
{
#define AT(field) offsetof(struct oci_config, field)
	static const struct field fields[] = {
		{ "namespaces", read_namespaces, 0, false },
		{ "uidMappings", read_maps, AT(uid_map), false },
		{ "gidMappings", read_maps, AT(gid_map), false },
		{ "devices", read_devices, 0, false },
		{ "maskedPaths", field_points, AT(masked), false },
		{ "readonlyPaths", field_points, AT(read_only), false },
		{ "sysctl", field_pairs, AT(sysctls), false },
		{ "rootfsPropagation", field_text, AT(propagation), false },
		{ "cgroupsPath", field_text, AT(cgroup), false },
		{ "seccomp", read_seccomp, AT(seccomp), false },
		{ "resources", read_resources, AT(has_limits), false },
		{ "mountLabel", field_unapplied, AT(unapplied), false },
		{ "intelRdt", field_unapplied, AT(unapplied), false },
		{ "personality", field_unapplied, AT(unapplied), false },
		{ "timeOffsets", field_unapplied, AT(unapplied), false },
		{ "netDevices", field_unapplied, AT(unapplied), false },
		{ "memoryPolicy", field_unapplied, AT(unapplied), false },
		{ NULL, NULL, 0, false },
	};
#undef AT

	return field_read_all(node, fields, destination, err);
}
