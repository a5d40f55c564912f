/* The reader of config.json. See config.h. */
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "oci/config_field.h"
#include "policy/trusted.h"

static int read_root(const struct policy_node *node, void *destination, struct err *err)
{
	static const struct field fields[] = {
		{ "path", field_text, offsetof(struct oci_config, rootfs), true },
		{ "readonly", field_flag, offsetof(struct oci_config, is_rootfs_read_only), false },
		{ NULL, NULL, 0, false },
	};

	return field_read_all(node, fields, destination, err);
}

static int note_ids(const struct policy_node *node, void *destination, struct err *err)
{
	bool *has_own_ids = destination;

	(void)err;
	*has_own_ids |= json_count(node->value) > 0;
	return 0;
}

static int add_mount(void *argument, const struct policy_node *child, struct err *err)
{
#define AT(field) offsetof(struct oci_mount, field)
	static const struct field fields[] = {
		{ "destination", field_point, AT(point), true },
		{ "type", field_text, AT(type), false },
		{ "source", field_text, AT(source), false },
		{ "options", field_texts, AT(options), false },
		{ "uidMappings", note_ids, AT(has_own_ids), false },
		{ "gidMappings", note_ids, AT(has_own_ids), false },
		{ NULL, NULL, 0, false },
	};
#undef AT
	struct oci_config *config = argument;
	struct oci_mount *mount;

	array_grow(config->mounts, config->mount_count);
	mount = &config->mounts[config->mount_count++];
	*mount = (struct oci_mount){ .point = NULL };
	return field_read_all(child, fields, mount, err);
}

static int read_mounts(const struct policy_node *node, void *destination, struct err *err)
{
	return field_each_element(node, add_mount, destination, err);
}

static int read_version(const struct policy_node *node, void *destination, struct err *err)
{
	char **version = destination;
	int r = field_text(node, version, err);

	if (r == 0 && strncmp(*version, "1.", 2) != 0)
		r = node_error(node, err, "version %s is not supported", *version);
	return r;
}

static int read_config(const struct policy_node *node, struct oci_config *config, struct err *err)
{
#define AT(field) offsetof(struct oci_config, field)
	static const struct field fields[] = {
		{ "ociVersion", read_version, AT(version), true },
		{ "root", read_root, 0, false },
		{ "hostname", field_text, AT(hostname), false },
		{ "domainname", field_text, AT(domainname), false },
		{ "mounts", read_mounts, 0, false },
		{ "annotations", field_pairs, AT(annotations), false },
		{ "hooks", config_read_hooks, AT(hooks), false },
		{ "process", config_read_process, 0, false },
		{ "linux", config_read_linux, 0, false },
		{ NULL, NULL, 0, false },
	};
#undef AT

	return field_read_all(node, fields, config, err);
}

/* ---- numbers ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 2^63 and more, such as a limit that is none: a string takes the place of such a number. */
static bool is_huge(const char *digits, size_t length)
{
	static const char most[] = "9223372036854775807";

	return length > sizeof(most) - 1 ||
	       (length == sizeof(most) - 1 && memcmp(digits, most, length) > 0);
}

static size_t string_length(const char *text, size_t size)
{
	size_t length = 1;

	while (length < size && text[length] != '"')
		length += text[length] == '\\' ? 2 : 1;
	return length < size ? length + 1 : size;
}

static void quote_huge_numbers(const char *text, size_t size, struct buf *out)
{
	size_t length;

	(void)buf_append(out, NULL, 0);
	for (size_t at = 0; at < size; at += length) {
		bool is_whole = is_digit(text[at]);

		length = 1;
		if (text[at] == '"')
			length = string_length(text + at, size - at);
		while (is_whole && at + length < size && is_digit(text[at + length]))
			length++;
		/* What is a part of another number is none. */
		is_whole = is_whole && is_huge(text + at, length) &&
			   (at == 0 || !strchr("-+.eE", text[at - 1])) &&
			   (at + length == size || !strchr(".eE", text[at + length]));
		if (is_whole)
			buf_printf(out, "\"%.*s\"", (int)length, text + at);
		else
			(void)buf_append(out, text + at, length);
	}
}

/* ---- the whole ---- */

static void free_lists(struct oci_config *config)
{
	for (size_t i = 0; i < config->mount_count; i++) {
		free(config->mounts[i].point);
		free(config->mounts[i].type);
		free(config->mounts[i].source);
		oci_texts_free(&config->mounts[i].options);
	}
	for (size_t i = 0; i < config->namespace_count; i++) {
		free(config->namespaces[i].type);
		free(config->namespaces[i].path);
	}
	for (size_t i = 0; i < config->device_count; i++)
		free(config->devices[i].path);
	for (size_t i = 0; i < OCI_STAGES; i++)
		oci_hooks_free(&config->hooks[i]);
	free(config->mounts);
	free(config->namespaces);
	free(config->devices);
	free(config->uid_map.list);
	free(config->gid_map.list);
	oci_pairs_free(&config->annotations);
	oci_pairs_free(&config->sysctls);
	oci_texts_free(&config->args);
	oci_texts_free(&config->env);
	oci_texts_free(&config->masked);
	oci_texts_free(&config->read_only);
	oci_texts_free(&config->unapplied);
}

void oci_config_free(struct oci_config *config)
{
	if (!config)
		return;
	free_lists(config);
	free(config->version);
	free(config->groups.list);
	free(config->rootfs);
	free(config->hostname);
	free(config->domainname);
	free(config->cwd);
	free(config->propagation);
	free(config->cgroup);
	free(config->seccomp);
	free(config);
}

int oci_config_parse(const char *name, const char *text, size_t size,
		     struct oci_config **ret_config, struct err *err)
{
	auto_oci_config struct oci_config *config = mem_alloc(1, sizeof(*config));
	auto_buf struct buf clean = BUF_EMPTY;
	auto_json struct json *value = NULL;
	struct policy_text whole = { .name = name };
	struct policy_node node = { .text = &whole };
	struct json_place place;
	int r;

	quote_huge_numbers(text, size, &clean);
	whole.text = clean.data;
	whole.size = clean.size;
	r = json_parse_placed(clean.data, clean.size, &value, &place, err);
	if (r < 0) {
		auto_free char *reason = mem_string(err->text);

		return err_set(err, ERR_USAGE, "%s:%zu:%zu: %s", name, place.line, place.column,
			       reason);
	}
	node.value = value;
	r = read_config(&node, config, err);
	if (r == 0)
		*ret_config = take_ptr(config);
	return r;
}

int oci_config_read_file(const char *path, struct oci_config **ret_config, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = trusted_read(path, TRUSTED_OWN, OCI_CONFIG_MAX, &text, err);

	if (r < 0)
		return err_wrap(err, "%s", path);
	return oci_config_parse(path, text.data, text.size, ret_config, err);
}

int oci_config_read(const char *bundle, struct oci_config **ret_config, struct err *err)
{
	auto_free char *path = mem_printf("%s/config.json", bundle);

	return oci_config_read_file(path, ret_config, err);
}
