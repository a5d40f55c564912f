/* State files. See state.h. */
#include "oci/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "oci/config_field.h"
#include "policy/trusted.h"
#include "target/process.h"
#include "target/registry.h"

enum { STATE_VERSION = 1 };

/* Owned. */
static int path_of(const char *id, char **ret_path, struct err *err)
{
	auto_free char *socket = NULL;
	int r = registry_socket_path(id, &socket, err);

	if (r == 0)
		*ret_path = mem_printf("%.*s.oci", (int)(strlen(socket) - strlen(".sock")), socket);
	return r;
}

/* ---- writing ---- */

static struct json *texts_json(const struct oci_texts *texts)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < texts->count; i++)
		json_add_string(array, texts->list[i]);
	return array;
}

static struct json *hooks_json(const struct oci_hooks *hooks)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < hooks->count; i++) {
		struct json *hook = json_new_object();

		json_put_string(hook, "path", hooks->list[i].path);
		json_put(hook, "args", texts_json(&hooks->list[i].args));
		json_put(hook, "env", texts_json(&hooks->list[i].env));
		if (hooks->list[i].timeout)
			json_put_i64(hook, "timeout", hooks->list[i].timeout);
		json_add(array, hook);
	}
	return array;
}

static int read_start_time(pid_t pid, uint64_t *ret_time, struct err *err)
{
	struct process process;
	int r = process_read_pid(pid, &process, err);

	if (r == 0)
		*ret_time = process.start_time;
	return r;
}

static void put_created(struct json *object)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	if (strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		json_put_string(object, "created", text);
}

static int describe(const struct bundle *bundle, const char *id, pid_t pid, char **ret_text,
		    struct err *err)
{
	const struct oci_config *config = bundle->config;
	const struct oci_status status = { config->version,	id, "running", pid, bundle->dir,
					   &config->annotations };
	auto_json struct json *object = oci_status_json(&status);
	struct registry_place place;
	uint64_t start_time = 0;
	int r = registry_place_get(&place, err);

	if (r == 0)
		r = read_start_time(pid, &start_time, err);
	if (r < 0)
		return r;
	json_put_i64(object, "ctckpt_bundle", STATE_VERSION);
	json_put_string(object, "rootfs", bundle->rootfs);
	put_created(object);
	json_put_u64(object, "start_time", start_time);
	json_put_string(object, "boot_id", place.boot_id);
	json_put_u64(object, "pid_ns", place.pid_ns);
	json_put(object, "poststop", hooks_json(&config->hooks[OCI_POSTSTOP]));
	*ret_text = json_print(object, true);
	return 0;
}

/* It appears as a whole, or not at all if another one is there. */
static int publish(const char *path, const char *text, struct err *err)
{
	auto_free char *temporary = mem_printf("%s.XXXXXX", path);
	auto_close int fd = mkostemp(temporary, O_CLOEXEC);
	size_t length = strlen(text);
	int r = 0;

	if (fd < 0)
		return err_set(err, -errno, "create %s", path);
	errno = ENOSPC;
	if (write(fd, text, length) != (ssize_t)length || link(temporary, path) < 0)
		r = err_set(err, -errno, "create %s", path);
	(void)unlink(temporary);
	return r;
}

int oci_state_write(const struct bundle *bundle, const char *id, pid_t pid, struct err *err)
{
	auto_free char *path = NULL;
	auto_free char *text = NULL;
	int r = path_of(id, &path, err);

	if (r == 0)
		r = describe(bundle, id, pid, &text, err);
	return r < 0 ? r : publish(path, text, err);
}

/* ---- reading ---- */

static int parse(const char *path, const struct buf *file, struct oci_state *state, struct err *err)
{
#define AT(field) offsetof(struct oci_state, field)
	static const struct field fields[] = {
		{ "ociVersion", field_text, AT(version), true },
		{ "id", field_text, AT(id), true },
		{ "bundle", field_path, AT(bundle), true },
		{ "rootfs", field_path, AT(rootfs), true },
		{ "created", field_text, AT(created), false },
		{ "annotations", field_pairs, AT(annotations), false },
		{ "poststop", config_read_stage, AT(poststop), false },
		{ "pid", field_u32, AT(pid), true },
		{ "start_time", field_u64, AT(start_time), true },
		{ "boot_id", field_text, AT(boot_id), true },
		{ "pid_ns", field_u64, AT(pid_ns), true },
		{ NULL, NULL, 0, false },
	};
#undef AT
	const struct policy_text text = { path, file->data, file->size };
	struct policy_node node = { .text = &text };
	auto_json struct json *value = NULL;
	int r = json_parse(file->data, file->size, &value, err);

	if (r < 0)
		return err_wrap(err, "%s", path);
	node.value = value;
	return field_read_all(&node, fields, state, err);
}

/* The numbers of another pid namespace are of other processes here. */
static int check_place(const struct oci_state *state, struct err *err)
{
	struct registry_place place;
	int r = registry_place_get(&place, err);

	if (r == 0 && strcmp(place.boot_id, state->boot_id) == 0 && place.pid_ns != state->pid_ns)
		return err_set(err, ERR_FAILED, "container %s is known in another pid namespace",
			       state->id);
	return r;
}

int oci_state_read(const char *id, struct oci_state *ret_state, struct err *err)
{
	auto_oci_state struct oci_state state = OCI_STATE_NONE;
	auto_buf struct buf file = BUF_EMPTY;
	auto_free char *path = NULL;
	int r = path_of(id, &path, err);

	if (r == 0)
		r = trusted_read(path, TRUSTED_OWN, OCI_CONFIG_MAX, &file, err);
	if (r == -ENOENT) {
		(void)err_set(err, ERR_FAILED, "no container %s was restored from a bundle", id);
		return r;
	}
	if (r == 0)
		r = parse(path, &file, &state, err);
	if (r == 0)
		r = check_place(&state, err);
	if (r < 0)
		return r;
	*ret_state = state;
	state = OCI_STATE_NONE;
	return 0;
}

int oci_state_check_free(const char *id, struct err *err)
{
	auto_free char *path = NULL;
	int r = path_of(id, &path, err);

	if (r < 0)
		return r;
	if (access(path, F_OK) < 0)
		return 0;
	(void)err_set(err, ERR_FAILED, "container %s exists already", id);
	return err_hint(err, "ctckpt delete %s", id);
}

int oci_state_remove(const char *id, struct err *err)
{
	auto_free char *path = NULL;
	int r = path_of(id, &path, err);

	if (r < 0)
		return r;
	if (unlink(path) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_set(err, -errno, "remove %s", path);
}

void oci_state_free(struct oci_state *state)
{
	free(state->version);
	free(state->id);
	free(state->bundle);
	free(state->rootfs);
	free(state->created);
	free(state->boot_id);
	oci_pairs_free(&state->annotations);
	oci_hooks_free(&state->poststop);
	*state = OCI_STATE_NONE;
}

bool oci_state_lives(const struct oci_state *state)
{
	struct registry_place place;
	struct err ignored;

	if (registry_place_get(&place, &ignored) < 0)
		return true;
	return strcmp(place.boot_id, state->boot_id) == 0 &&
	       !process_has_ended((pid_t)state->pid, state->start_time);
}

struct oci_status oci_state_status(const struct oci_state *state, const char *status, pid_t pid)
{
	return (struct oci_status){ state->version, state->id,		status, pid,
				    state->bundle,  &state->annotations };
}
