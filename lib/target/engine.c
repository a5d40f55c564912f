/* All engines together: their lists, and who is meant by a name. See engine.h. */
#include "target/engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "target/process.h"

void engine_container_free(struct engine_container *container)
{
	free(container->id);
	free(container->name);
	free(container->bundle);
	free(container->rootfs);
	*container = ENGINE_CONTAINER_NONE;
}

void engine_list_free(struct engine_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		engine_container_free(&list->list[i]);
	free(list->list);
	*list = (struct engine_list){ .list = NULL };
}

void engine_add(struct engine_list *list, struct engine_container *container)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct engine_container *other = &list->list[i];

		if (other->init == container->init && other->start_time == container->start_time &&
		    strcmp(other->id, container->id) == 0) {
			engine_container_free(container);
			return;
		}
	}
	array_grow(list->list, list->count);
	list->list[list->count++] = *container;
}

const char *engine_name(const struct engine_container *container)
{
	return container->name ? container->name : container->id;
}

bool engine_lives(const struct engine_container *container)
{
	struct process process;
	struct err ignored;

	return container->start_time != 0 &&
	       process_read_pid(container->init, &process, &ignored) == 0 &&
	       process.start_time == container->start_time && process.state != 'Z' &&
	       process.state != 'X';
}

/* ---- all ---- */

/* What kind of directory it is, its entries show. The user has named it. */
static int scan_root(struct engine_list *list, const char *path, struct err *err)
{
	struct err why = ERR_NONE;

	if (runc_scan(list, path, &why) < 0 || crun_scan(list, path, &why) < 0)
		return err_set(err, ERR_USAGE, "engine root %s", why.text);
	return 0;
}

typedef int root_fn(struct engine_list *list, const char *path, struct err *err);

static int each_root(struct engine_list *list, root_fn *each, struct err *err)
{
	const char *roots = secure_getenv("CTCKPT_ENGINE_ROOT");
	int r = 0;

	for (const char *at = roots ? roots : ""; r == 0 && *at; at += *at == ':') {
		size_t length = strcspn(at, ":");
		auto_free char *path = mem_copy(at, length);

		at += length;
		if (length > 0)
			r = each(list, path, err);
	}
	return r;
}

int engine_list_get(struct engine_list *ret_list, struct err *err)
{
	auto_engine_list struct engine_list list = { .list = NULL };
	int r = each_root(&list, scan_root, err);

	if (r < 0)
		return r;
	runc_list(&list);
	crun_list(&list);
	lxc_list(&list);
	nspawn_list(&list);
	docker_list(&list);
	podman_list(&list);
	r = each_root(&list, podman_scan, err);
	if (r < 0)
		return r;
	*ret_list = list;
	list = (struct engine_list){ .list = NULL };
	return 0;
}

/* ---- names ---- */

bool engine_split(const char *text, const char **ret_engine, const char **ret_name)
{
	static const char *const engines[] = { "ctckpt", "runc",       "crun", "podman",
					       "docker", "containerd", "lxc",  "nspawn" };

	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		size_t length = strlen(engines[i]);

		if (strncmp(text, engines[i], length) == 0 && text[length] == ':') {
			*ret_engine = engines[i];
			*ret_name = text + length + 1;
			return true;
		}
	}
	return false;
}

static bool is_whole(const struct engine_container *container, const char *name)
{
	return strcmp(container->id, name) == 0 ||
	       (container->name && strcmp(container->name, name) == 0);
}

/* Names that somebody chose have to be said whole. */
static bool is_prefix(const struct engine_container *container, const char *name)
{
	enum { ID_LENGTH = 64 };

	return *name && strlen(container->id) == ID_LENGTH &&
	       strspn(container->id, "0123456789abcdef") == ID_LENGTH &&
	       strncmp(container->id, name, strlen(name)) == 0;
}

typedef bool match_fn(const struct engine_container *container, const char *name);

static void append_candidate(struct buf *text, const struct engine_container *container)
{
	const char *name = engine_name(container);

	/* By its id, where another one has the same name. */
	buf_printf(text, "%s%s:%s", text->size ? ", " : "", container->engine, name);
	if (name != container->id)
		buf_printf(text, " (%.12s)", container->id);
}

static int find(const struct engine_list *list, const char *engine, const char *name,
		match_fn *match, const struct engine_container **ret_container, struct err *err)
{
	const struct engine_container *found = NULL;
	const struct engine_container *dead = NULL;
	auto_buf struct buf candidates = BUF_EMPTY;
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct engine_container *container = &list->list[i];

		if ((engine && strcmp(container->engine, engine) != 0) || !match(container, name))
			continue;
		if (!engine_lives(container)) {
			dead = container;
			continue;
		}
		append_candidate(&candidates, container);
		found = container;
		count++;
	}
	if (count > 1) {
		(void)err_set(err, ERR_USAGE, "%.80s may be each of %s", name, candidates.data);
		return err_hint(err, "name one as ENGINE:NAME, by its whole id, or as pid:N");
	}
	if (!found && dead)
		return err_set(err, ERR_FAILED, "container %.80s of %s has ended",
			       engine_name(dead), dead->engine);
	if (!found)
		return -ENOENT;
	*ret_container = found;
	return 0;
}

int engine_find(const struct engine_list *list, const char *engine, const char *name,
		const struct engine_container **ret_container, struct err *err)
{
	int r = find(list, engine, name, is_whole, ret_container, err);

	if (r == -ENOENT)
		r = find(list, engine, name, is_prefix, ret_container, err);
	if (r == 0 && (*ret_container)->is_waiting)
		return err_set(err, ERR_FAILED, "container %.80s was created, and not started yet",
			       name);
	return r;
}
