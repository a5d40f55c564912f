/* precreate: the configuration of a container that is to be restored. Instead of its program, a
 * small one is executed that waits; it has the capabilities that a restore takes, in the
 * container's user namespace. What the container was to have is remembered, and no restored task
 * gets more. All else - mounts, seccomp, limits, network - is as its engine has made it. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/procfs.h"
#include "ctckpt/ctckpt.h"
#include "oci/config.h"
#include "oci/hook.h"
#include "policy/lattice.h"

/* ---- numbers that the JSON library has no room for ---- */

static const char huge[] = "ctckpt:number:";
enum { HUGE_DIGITS = 19 };

/* They become strings, and numbers again: what is not ours stays as it is. */
static void hide_numbers(const char *text, size_t size, struct buf *out)
{
	bool in_string = false;

	(void)buf_append(out, NULL, 0);
	for (size_t i = 0; i < size; i++) {
		size_t digits = 0;

		while (!in_string && i + digits < size && isdigit((unsigned char)text[i + digits]))
			digits++;
		if (digits >= HUGE_DIGITS) {
			buf_printf(out, "\"%s%.*s\"", huge, (int)digits, text + i);
			i += digits - 1;
			continue;
		}
		if (text[i] == '"')
			in_string = !in_string;
		(void)buf_append(out, text + i, 1);
		if (in_string && text[i] == '\\' && i + 1 < size)
			(void)buf_append(out, text + ++i, 1);
	}
}

static void show_numbers(const char *text, struct buf *out)
{
	const char *at;

	(void)buf_append(out, NULL, 0);
	while ((at = strstr(text, huge))) {
		const char *digits = at + strlen(huge);
		size_t count = strspn(digits, "0123456789");
		bool is_ours = at[-1] == '"' && count >= HUGE_DIGITS && digits[count] == '"';

		(void)buf_append(out, text, (size_t)(at - text) - (is_ours ? 1 : 0));
		if (is_ours)
			(void)buf_append(out, digits, count);
		else
			(void)buf_append(out, at, strlen(huge) + count);
		text = digits + count + (is_ours ? 1 : 0);
	}
	(void)buf_append(out, text, strlen(text));
}

/* ---- what is changed ---- */

static bool has_user_namespace(const struct oci_config *parsed)
{
	for (size_t i = 0; i < parsed->namespace_count; i++) {
		if (strcmp(parsed->namespaces[i].type, "user") == 0)
			return true;
	}
	return false;
}

/* Of a new user namespace all; of the engine's own, those that it can give. */
static struct json *all_caps(const struct oci_config *parsed)
{
	bool is_new = has_user_namespace(parsed);
	struct json *list = json_new_array();

	for (int cap = 0; cap_name(cap); cap++) {
		auto_free char *name = mem_printf("CAP_%s", cap_name(cap));

		if (!is_new && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) <= 0)
			continue;
		for (char *at = name; *at; at++)
			*at = (char)toupper((unsigned char)*at);
		json_add_string(list, name);
	}
	return list;
}

static int change_process(struct json *config, const struct oci_config *parsed, const char *image,
			  struct err *err)
{
	struct json *process = json_member(config, "process");
	struct json *caps = json_new_object();
	struct json *args = json_new_array();
	struct json *user = json_new_object();
	static const char *const sets[] = { "bounding", "effective", "permitted" };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		json_put(caps, sets[i], all_caps(parsed));
	json_put_u64(user, "uid", 0);
	json_put_u64(user, "gid", 0);
	json_add_string(args, RESTORE_WAITER);
	json_add_string(args, image);
	if (!json_holds_object(process)) {
		json_free(caps);
		json_free(args);
		json_free(user);
		return err_set(err, ERR_USAGE, "config.json has no process");
	}
	json_put(process, "args", args);
	json_put(process, "user", user);
	json_put(process, "capabilities", caps);
	return 0;
}

static void add_mount(struct json *config, const char *waiter)
{
	static const char *const options[] = { "bind", "ro", "nosuid", "nodev" };
	struct json *mounts = json_member(config, "mounts");
	struct json *mount = json_new_object();
	struct json *list = json_new_array();

	if (!json_holds_array(mounts)) {
		json_put(config, "mounts", json_new_array());
		mounts = json_member(config, "mounts");
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		json_add_string(list, options[i]);
	json_put_string(mount, "destination", RESTORE_WAITER);
	json_put_string(mount, "type", "bind");
	json_put_string(mount, "source", waiter);
	json_put(mount, "options", list);
	json_add(mounts, mount);
}

static bool has_hook(const struct oci_config *config, enum oci_stage stage)
{
	for (size_t i = 0; i < config->hooks[stage].count; i++) {
		const struct oci_texts *args = &config->hooks[stage].list[i].args;

		for (size_t j = 0; j < args->count; j++) {
			if (strcmp(args->list[j], "oci-hook") == 0)
				return true;
		}
	}
	return false;
}

/* Whoever has no hook files, but calls precreate himself, gets the other hooks, too. */
static int add_hook(struct json *config, const struct oci_config *parsed, enum oci_stage stage,
		    const char *below, struct err *err)
{
	struct json *hooks = json_member(config, "hooks");
	struct json *hook = NULL;
	struct json *args = NULL;
	auto_free char *self = NULL;
	int r;

	if (has_hook(parsed, stage))
		return 0;
	r = procfs_readlink(AT_FDCWD, "/proc/self/exe", &self, err);
	if (r < 0)
		return r;
	if (!json_holds_object(hooks)) {
		json_put(config, "hooks", json_new_object());
		hooks = json_member(config, "hooks");
	}
	if (!json_holds_array(json_member(hooks, oci_stage_name(stage))))
		json_put(hooks, oci_stage_name(stage), json_new_array());
	hook = json_new_object();
	args = json_new_array();
	json_add_string(args, "ctckpt");
	json_add_string(args, "oci-hook");
	json_add_string(args, "--below");
	json_add_string(args, below);
	json_add_string(args, oci_stage_name(stage));
	json_put_string(hook, "path", self);
	json_put(hook, "args", args);
	json_put_u64(hook, "timeout", 10);
	json_add(json_member(hooks, oci_stage_name(stage)), hook);
	return 0;
}

/* The ids that its program was to have, of a user who is not root. */
static int describe_user(const struct json *config, const struct oci_config *parsed,
			 char **ret_user, struct err *err)
{
	const struct json *user = json_get(json_get(config, "process"), "user");
	const struct json *more = json_get(user, "additionalGids");
	auto_free uint32_t *gids = NULL;
	size_t count = 0;

	array_grow(gids, count);
	gids[count++] = parsed->gid;
	for (size_t i = 0; more && i < json_count(more); i++) {
		uint64_t gid;

		if (!json_get_u64(json_element(more, i), &gid) || gid >= UINT32_MAX)
			return err_set(err, ERR_USAGE, "process.user.additionalGids");
		array_grow(gids, count);
		gids[count++] = (uint32_t)gid;
	}
	*ret_user = hook_user_print(parsed->uid, gids, count, parsed->caps);
	return 0;
}

static int change(struct json *config, const struct oci_config *parsed, const char *image,
		  const char *below, struct err *err)
{
	static const enum oci_stage stages[] = { OCI_CREATE_RUNTIME, OCI_POSTSTART, OCI_POSTSTOP };
	auto_free char *waiter = NULL;
	auto_free char *user = NULL;
	char caps[24];
	int r = hook_find_waiter(&waiter, err);

	if (r == 0)
		r = describe_user(config, parsed, &user, err);
	if (r == 0)
		r = change_process(config, parsed, image, err);
	for (size_t i = 0; r == 0 && i < sizeof(stages) / sizeof(stages[0]); i++)
		r = add_hook(config, parsed, stages[i], below, err);
	if (r < 0)
		return r;
	add_mount(config, waiter);
	(void)snprintf(caps, sizeof(caps), "%llx", (unsigned long long)parsed->caps[OCI_BOUNDING]);
	json_put_string(json_member(config, "annotations"), "org.ctckpt.restore.caps", caps);
	json_put_string(json_member(config, "annotations"), "org.ctckpt.restore.user", user);
	return 0;
}

int hook_precreate(const char *text, size_t size, const struct hook_bounds *bounds,
		   char **ret_changed, struct err *err)
{
	auto_hook_annotations struct hook_annotations annotations = { .name = NULL };
	auto_oci_config struct oci_config *parsed = NULL;
	auto_buf struct buf hidden = BUF_EMPTY;
	auto_buf struct buf shown = BUF_EMPTY;
	auto_json struct json *config = NULL;
	auto_free char *printed = NULL;
	int r;

	hide_numbers(text, size, &hidden);
	r = json_parse(hidden.data, hidden.size, &config, err);
	if (r == 0)
		r = hook_annotations_parse(json_get(config, "annotations"), &annotations, err);
	if (r < 0)
		return err_wrap(err, "config.json");
	if (!annotations.restore)
		return 0;
	r = hook_check_restore(bounds, err);
	if (r == 0)
		r = oci_config_parse("config.json", text, size, &parsed, err);
	if (r == 0)
		r = change(config, parsed, annotations.restore, bounds->below, err);
	if (r < 0)
		return r;
	printed = json_print(config, false);
	show_numbers(printed, &shown);
	*ret_changed = take_ptr(shown.data);
	return 0;
}
