/* systemd-nspawn, and what else has registered itself with systemd-machined:
 * /run/systemd/machines/NAME, lines of KEY=VALUE. They say no start time, but the unit: the process
 * must be in a cgroup of that name. See engine.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "target/engine.h"
#include "target/process.h"

/* Backslashes are doubled: units have some in their names. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] == '\\')
			from++;
		*to++ = *from;
	}
	*to = '\0';
}

static char *value_of(const char *text, const char *key)
{
	size_t length = strlen(key);
	char *value;

	for (const char *line = text; *line; line += *line == '\n') {
		if (strncmp(line, key, length) == 0 && line[length] == '=') {
			value = mem_copy(line + length + 1, strcspn(line + length + 1, "\n"));
			unescape(value);
			return value;
		}
		line += strcspn(line, "\n");
	}
	return NULL;
}

int nspawn_machine_parse(const char *text, struct engine_container *ret_container, char **ret_unit,
			 struct err *err)
{
	auto_free char *name = value_of(text, "NAME");
	auto_free char *class = value_of(text, "CLASS");
	auto_free char *leader = value_of(text, "LEADER");
	auto_free char *root = value_of(text, "ROOT");
	const char *at = leader;
	uint64_t pid;

	if (!class || strcmp(class, "container") != 0)
		return err_set(err, -ENOENT, "it is not a container");
	if (!name || *name == '\0')
		return err_set(err, ERR_FAILED, "NAME is missing");
	if (!at || !scan_number(&at, 10, INT_MAX, &pid) || *at || pid == 0)
		return err_set(err, ERR_FAILED, "LEADER is missing or out of range");
	*ret_container = (struct engine_container){
		.engine = "nspawn",
		.id = take_ptr(name),
		.init = (pid_t)pid,
		.rootfs = root && *root == '/' ? take_ptr(root) : NULL,
	};
	*ret_unit = value_of(text, "SCOPE"); /* whatever unit it is */
	return 0;
}

/* Is a component of a path in /proc/PID/cgroup called so? */
static bool is_in_unit(pid_t pid, const char *unit)
{
	auto_free char *path = mem_printf("/proc/%d/cgroup", pid);
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored;
	size_t length = strlen(unit);
	const char *at;

	if (length == 0 || procfs_read(AT_FDCWD, path, &text, &ignored) < 0)
		return false;
	for (at = text.data; (at = strstr(at, unit)); at++) {
		if (at > text.data && at[-1] == '/' && strchr("/\n", at[length]))
			return true;
	}
	return false;
}

static void add_machine(struct engine_list *list, const char *directory, const char *entry)
{
	auto_free char *path = mem_printf("%s/%s", directory, entry);
	auto_free char *unit = NULL;
	auto_buf struct buf text = BUF_EMPTY;
	struct engine_container container;
	struct err err = ERR_NONE;
	struct process process;

	/* unit:UNIT are links to the machines. */
	if (strchr(entry, ':') || !engine_read(path, &text))
		return;
	if (nspawn_machine_parse(text.data, &container, &unit, &err) < 0) {
		log_info("%s: %s", path, err.text);
		return;
	}
	if (process_read_pid(container.init, &process, &err) == 0 && process.ns_depth > 1 &&
	    process.ns_pid == 1 && unit && is_in_unit(container.init, unit))
		container.start_time = process.start_time;
	engine_add(list, &container);
}

void nspawn_list(struct engine_list *list)
{
	struct err ignored;

	(void)engine_scan(list, "/run/systemd/machines", add_machine, &ignored);
}
