/* docker: the names of its containers, DATA/containers/ID/config.v2.json. The containers themselves
 * are in the files of its runtime. See engine.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"
#include "target/engine.h"

int docker_name_parse(const char *text, size_t size, char **ret_name, struct err *err)
{
	auto_json struct json *config = NULL;
	const char *name;
	int r = json_parse(text, size, &config, err);

	if (r < 0)
		return r;
	/* "/web", from when containers could be linked. */
	name = json_get_string(json_get(config, "Name"));
	if (!name || *name == '\0' || strcmp(name, "/") == 0)
		return err_set(err, ERR_FAILED, "Name is missing");
	*ret_name = mem_string(name + (*name == '/'));
	return 0;
}

static bool name_container(struct engine_container *container, const char *data)
{
	auto_free char *path = mem_printf("%s/containers/%s/config.v2.json", data, container->id);
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	char *name;

	if (!engine_read(path, &text))
		return false;
	if (docker_name_parse(text.data, text.size, &name, &err) < 0) {
		log_info("%s: %s", path, err.text);
		return false;
	}
	free(container->name);
	container->name = name;
	return true;
}

/* The root directory is in the daemon's own, wherever that is: --data-root says it, and
 * --userns-remap makes it deeper. */
static bool name_by_root(struct engine_container *container)
{
	auto_free char *path = container->rootfs ? mem_string(container->rootfs) : NULL;
	char *end = NULL;

	while (path && (end = strrchr(path, '/')) && end > path) {
		*end = '\0';
		if (name_container(container, path))
			return true;
	}
	return false;
}

void docker_list(struct engine_list *list)
{
	const char *home = secure_getenv("HOME");
	auto_free char *own = mem_printf("%s/.local/share/docker", home ? home : "");

	for (size_t i = 0; i < list->count; i++) {
		struct engine_container *container = &list->list[i];

		if (strcmp(container->engine, "docker") == 0 && !name_by_root(container) &&
		    !name_container(container, "/var/lib/docker"))
			(void)name_container(container, own);
	}
}
