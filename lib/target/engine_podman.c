/* podman: names in STORAGE/DRIVER-containers/containers.json; the containers themselves are those
 * of its runtime. Its database is not for others to read. See engine.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"
#include "core/scan.h"
#include "target/engine.h"

static void name_container(struct engine_list *list, const char *id, const struct json *names)
{
	const char *name = json_get_string(json_element(names, 0));

	for (size_t i = 0; i < list->count; i++) {
		struct engine_container *container = &list->list[i];

		if (strcmp(container->id, id) != 0)
			continue;
		container->engine = "podman";
		free(container->name);
		container->name = name ? mem_string(name) : NULL;
	}
}

int podman_names_parse(const char *text, size_t size, struct engine_list *list, struct err *err)
{
	auto_json struct json *containers = NULL;
	int r = json_parse(text, size, &containers, err);

	if (r < 0)
		return r;
	if (!json_holds_array(containers))
		return err_set(err, ERR_FAILED, "it is not a list");
	for (size_t i = 0; i < json_count(containers); i++) {
		const struct json *container = json_element(containers, i);
		const char *id = json_get_string(json_get(container, "id"));

		if (!id)
			return err_set(err, ERR_FAILED, "container %zu has no id", i);
		name_container(list, id, json_get(container, "names"));
	}
	return 0;
}

static void read_names(struct engine_list *list, const char *directory, const char *file)
{
	auto_free char *path = mem_printf("%s/%s", directory, file);
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;

	if (engine_read(path, &text) && podman_names_parse(text.data, text.size, list, &err) < 0)
		log_info("%s: %s", path, err.text);
}

/* Such as overlay-containers, vfs-containers. */
static void look_at_driver(struct engine_list *list, const char *directory, const char *entry)
{
	static const char suffix[] = "-containers";
	size_t length = strlen(entry);
	auto_free char *path = mem_printf("%s/%s", directory, entry);

	if (length <= strlen(suffix) || strcmp(entry + length - strlen(suffix), suffix) != 0)
		return;
	read_names(list, path, "containers.json");
	read_names(list, path, "volatile-containers.json");
}

int podman_scan(struct engine_list *list, const char *directory, struct err *err)
{
	return engine_scan(list, directory, look_at_driver, err);
}

/* ---- storage.conf ---- */

/* KEY = "VALUE"; owned, or NULL. */
static char *value_of(const char *line, const char *key)
{
	const char *at = line;
	size_t length;

	scan_blanks(&at);
	if (!scan_text(&at, key))
		return NULL;
	scan_blanks(&at);
	if (!scan_char(&at, '='))
		return NULL;
	scan_blanks(&at);
	if (!scan_char(&at, '"'))
		return NULL;
	length = strcspn(at, "\"\n");
	return at[length] == '"' ? mem_copy(at, length) : NULL;
}

/* The variables that containers-storage.conf(5) knows. */
static char *expand(const char *path)
{
	auto_buf struct buf text = BUF_EMPTY;
	const char *home = secure_getenv("HOME");
	const char *user = secure_getenv("USER");

	(void)buf_append(&text, NULL, 0);
	while (*path) {
		if (scan_text(&path, "$HOME"))
			buf_printf(&text, "%s", home ? home : "");
		else if (scan_text(&path, "$USER"))
			buf_printf(&text, "%s", user ? user : "");
		else if (scan_text(&path, "$UID"))
			buf_printf(&text, "%u", geteuid());
		else
			(void)buf_append(&text, path++, 1);
	}
	return take_ptr(text.data);
}

static void take_value(char **value, char *found)
{
	if (!found)
		return;
	free(*value);
	*value = found;
}

/* The keys are in the table [storage]. */
char *storage_root_parse(const char *text, bool is_rootless)
{
	auto_free char *root = NULL;
	auto_free char *rootless = NULL;
	bool is_inside = false;

	for (const char *line = text; *line; line += *line == '\n') {
		const char *at = line;

		scan_blanks(&at);
		if (*at == '[')
			is_inside = strncmp(at, "[storage]", strlen("[storage]")) == 0;
		if (is_inside) {
			take_value(&root, value_of(line, "graphroot"));
			take_value(&rootless, value_of(line, "rootless_storage_path"));
		}
		line += strcspn(line, "\n");
	}
	if (is_rootless && rootless && *rootless)
		return expand(rootless);
	return root && *root ? expand(root) : NULL;
}

static bool scan_as_said_by(struct engine_list *list, const char *file, bool is_rootless)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *root = NULL;
	struct err ignored;

	if (!engine_read(file, &text))
		return false;
	root = storage_root_parse(text.data, is_rootless);
	return root && podman_scan(list, root, &ignored) == 0;
}

static void list_of_user(struct engine_list *list, const char *home)
{
	const char *config_home = secure_getenv("XDG_CONFIG_HOME");
	const char *data_home = secure_getenv("XDG_DATA_HOME");
	auto_free char *own = config_home ? mem_printf("%s/containers/storage.conf", config_home)
					  : mem_printf("%s/.config/containers/storage.conf", home);
	auto_free char *data = data_home ? mem_printf("%s/containers/storage", data_home)
					 : mem_printf("%s/.local/share/containers/storage", home);
	struct err ignored;

	(void)scan_as_said_by(list, own, false);
	(void)podman_scan(list, data, &ignored);
}

/* Of all that might be meant, whatever is there: names go to containers that run only. */
void podman_list(struct engine_list *list)
{
	const char *file = secure_getenv("CONTAINERS_STORAGE_CONF");
	const char *home = secure_getenv("HOME");
	bool is_rootless = geteuid() != 0;
	struct err ignored;

	(void)scan_as_said_by(list, "/usr/share/containers/storage.conf", is_rootless);
	(void)scan_as_said_by(list, "/etc/containers/storage.conf", is_rootless);
	if (!is_rootless)
		(void)podman_scan(list, "/var/lib/containers/storage", &ignored);
	else if (home)
		list_of_user(list, home);
	if (file)
		(void)scan_as_said_by(list, file, false);
}
