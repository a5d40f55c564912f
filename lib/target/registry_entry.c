/* The file of one registered container: a JSON object. See registry.h.
 *
 * Paths are any bytes, JSON strings are not: what is not plain ASCII is written as %XX. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "target/registry.h"

enum { ENTRY_VERSION = 1 };

int registry_place_get(struct registry_place *ret_place, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct registry_place place = { .pid_ns = 0 };
	struct stat stat;
	int r = procfs_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, err);

	if (r < 0)
		return r;
	if (fstatat(AT_FDCWD, "/proc/self/ns/pid", &stat, 0) < 0)
		return err_set(err, -errno, "stat /proc/self/ns/pid");
	(void)snprintf(place.boot_id, sizeof(place.boot_id), "%.*s", (int)strcspn(text.data, "\n"),
		       text.data);
	place.pid_ns = stat.st_ino;
	*ret_place = place;
	return 0;
}

static void put_path(struct json *object, const char *key, const char *path)
{
	auto_buf struct buf text = BUF_EMPTY;

	if (!path)
		return;
	(void)buf_append(&text, NULL, 0);
	for (; *path; path++) {
		if (*path > ' ' && *path <= '~' && *path != '%')
			(void)buf_append(&text, path, 1);
		else
			buf_printf(&text, "%%%02X", (unsigned char)*path);
	}
	json_put_string(object, key, text.data);
}

/* What hooks say of another engine's container. */
static void put_foreign(struct json *object, const struct registry_entry *entry)
{
	put_path(object, "runtime", entry->runtime);
	put_path(object, "id", entry->id);
	put_path(object, "bundle", entry->bundle);
	put_path(object, "cgroups", entry->cgroups);
	json_put_u64(object, "starter", entry->starter);
	json_put_u64(object, "starter_device", entry->starter_device);
	if (entry->timer == 0)
		return;
	json_put_i64(object, "timer", entry->timer);
	json_put_u64(object, "timer_start_time", entry->timer_start_time);
}

void registry_entry_print(const struct registry_entry *entry, const struct registry_place *place,
			  struct buf *text)
{
	auto_json struct json *object = json_new_object();
	auto_free char *printed = NULL;

	json_put_i64(object, "ctckpt_container", ENTRY_VERSION);
	json_put_string(object, "name", entry->name);
	json_put_i64(object, "init", entry->init);
	json_put_u64(object, "start_time", entry->start_time);
	json_put_string(object, "boot_id", place->boot_id);
	json_put_u64(object, "pid_ns", place->pid_ns);
	put_path(object, "cgroup", entry->cgroup_path);
	put_path(object, "rootfs", entry->rootfs);
	put_path(object, "image", entry->image);
	if (entry->seccomp)
		json_put_string(object, "seccomp", entry->seccomp);
	if (entry->id)
		put_foreign(object, entry);
	printed = json_print(object, true);
	(void)buf_append(text, printed, strlen(printed));
}

/* Absent is fine: *ret_path stays. */
static int get_path(const struct json *object, const char *key, char **ret_path, struct err *err)
{
	const struct json *value = json_get(object, key);
	const char *at = json_get_string(value);
	auto_buf struct buf path = BUF_EMPTY;

	if (!value)
		return 0;
	(void)buf_append(&path, NULL, 0);
	while (at && *at) {
		uint64_t byte = (unsigned char)*at;

		if (scan_char(&at, '%')) {
			char digits[3] = { at[0], at[0] ? at[1] : '\0', '\0' };
			const char *digit = digits;

			if (!scan_number(&digit, 16, UINT8_MAX, &byte) || *digit || byte == 0 ||
			    digit != digits + 2)
				at = NULL;
			else
				at += 2;
		} else {
			at++;
		}
		(void)buf_append(&path, (char[]){ (char)byte }, 1);
	}
	if (!at)
		return err_set(err, ERR_FAILED, "%s is not a path", key);
	*ret_path = take_ptr(path.data);
	return 0;
}

static int get_u64(const struct json *object, const char *key, uint64_t max, uint64_t *ret_number,
		   struct err *err)
{
	if (!json_get_u64(json_get(object, key), ret_number) || *ret_number > max)
		return err_set(err, ERR_FAILED, "%s is missing or out of range", key);
	return 0;
}

static int parse_place(const struct json *object, struct registry_place *ret_place, struct err *err)
{
	const char *boot_id = json_get_string(json_get(object, "boot_id"));

	if (!boot_id || strlen(boot_id) >= sizeof(ret_place->boot_id))
		return err_set(err, ERR_FAILED, "boot_id is missing or too long");
	*ret_place = (struct registry_place){ .pid_ns = 0 };
	memcpy(ret_place->boot_id, boot_id, strlen(boot_id));
	return get_u64(object, "pid_ns", UINT64_MAX, &ret_place->pid_ns, err);
}

static int parse_foreign(const struct json *object, struct registry_entry *entry, struct err *err)
{
	uint64_t timer = 0;
	int r = get_path(object, "id", &entry->id, err);

	if (r == 0)
		r = get_path(object, "runtime", &entry->runtime, err);
	if (r == 0)
		r = get_path(object, "bundle", &entry->bundle, err);
	if (r == 0)
		r = get_path(object, "cgroups", &entry->cgroups, err);
	if (r < 0 || !entry->id)
		return r;
	r = get_u64(object, "starter", UINT64_MAX, &entry->starter, err);
	if (r == 0)
		r = get_u64(object, "starter_device", UINT64_MAX, &entry->starter_device, err);
	if (r < 0 || !json_get(object, "timer"))
		return r;
	r = get_u64(object, "timer", INT_MAX, &timer, err);
	if (r == 0)
		r = get_u64(object, "timer_start_time", INT64_MAX, &entry->timer_start_time, err);
	entry->timer = (pid_t)timer;
	return r;
}

static int parse_object(const struct json *object, const char *name, struct registry_entry *entry,
			struct err *err)
{
	const char *said = json_get_string(json_get(object, "name"));
	uint64_t version, init = 0;
	int r = get_u64(object, "ctckpt_container", UINT64_MAX, &version, err);

	if (r == 0 && version != ENTRY_VERSION)
		return err_set(err, ERR_FAILED, "written by another version of ctckpt");
	if (r == 0 && (!said || strcmp(said, name) != 0))
		return err_set(err, ERR_FAILED, "the name inside is another");
	if (r == 0)
		r = get_u64(object, "init", INT_MAX, &init, err);
	if (r == 0 && init == 0)
		return err_set(err, ERR_FAILED, "init is 0");
	if (r == 0)
		r = get_u64(object, "start_time", INT64_MAX, &entry->start_time, err);
	if (r == 0)
		r = get_path(object, "cgroup", &entry->cgroup_path, err);
	if (r == 0)
		r = get_path(object, "rootfs", &entry->rootfs, err);
	if (r == 0)
		r = get_path(object, "image", &entry->image, err);
	if (r == 0 && json_get_string(json_get(object, "seccomp")))
		entry->seccomp = mem_string(json_get_string(json_get(object, "seccomp")));
	if (r == 0)
		r = parse_foreign(object, entry, err);
	entry->init = (pid_t)init;
	entry->name = mem_string(name);
	return r;
}

int registry_entry_parse(const char *text, size_t size, const char *name,
			 struct registry_entry *ret_entry, struct registry_place *ret_place,
			 struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	auto_json struct json *object = NULL;
	struct registry_place place;
	int r = json_parse(text, size, &object, err);

	if (r == 0 && !json_holds_object(object))
		return err_set(err, ERR_FAILED, "not an object");
	if (r == 0)
		r = parse_object(object, name, &entry, err);
	if (r == 0)
		r = parse_place(object, &place, err);
	if (r < 0)
		return r;
	*ret_entry = entry;
	*ret_place = place;
	entry = (struct registry_entry){ .name = NULL };
	return 0;
}

void registry_entry_free(struct registry_entry *entry)
{
	free(entry->name);
	free(entry->cgroup_path);
	free(entry->rootfs);
	free(entry->image);
	free(entry->seccomp);
	free(entry->runtime);
	free(entry->id);
	free(entry->bundle);
	free(entry->cgroups);
	*entry = (struct registry_entry){ .name = NULL };
}

void registry_list_free(struct registry_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		registry_entry_free(&entries[i]);
	free(entries);
}
