/* runc, and those that run it: DIRECTORY/ID/state.json, as of runc 1.0 and 1.1. See engine.h. */
#include <limits.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "target/engine.h"

/* config.labels is a list of KEY=VALUE. */
static char *find_bundle(const struct json *labels)
{
	static const char key[] = "bundle=";

	for (size_t i = 0; i < json_count(labels); i++) {
		const char *label = json_get_string(json_element(labels, i));

		if (label && strncmp(label, key, strlen(key)) == 0 && label[strlen(key)] == '/')
			return mem_string(label + strlen(key));
	}
	return NULL;
}

int runc_state_parse(const char *text, size_t size, const char *id,
		     struct engine_container *ret_container, struct err *err)
{
	auto_json struct json *state = NULL;
	const struct json *config;
	const char *said, *rootfs;
	uint64_t pid, start;
	int r = json_parse(text, size, &state, err);

	if (r < 0)
		return r;
	config = json_get(state, "config");
	said = json_get_string(json_get(state, "id"));
	rootfs = json_get_string(json_get(config, "rootfs"));
	if (!said || strcmp(said, id) != 0)
		return err_set(err, ERR_FAILED, "the id inside is another");
	if (!json_get_u64(json_get(state, "init_process_pid"), &pid) || pid == 0 || pid > INT_MAX)
		return err_set(err, ERR_FAILED, "init_process_pid is missing or out of range");
	if (!json_get_u64(json_get(state, "init_process_start"), &start) || start == 0)
		return err_set(err, ERR_FAILED, "init_process_start is missing or out of range");
	*ret_container = (struct engine_container){
		.engine = "runc",
		.id = mem_string(id),
		.init = (pid_t)pid,
		.start_time = start,
		.bundle = find_bundle(json_get(config, "labels")),
		.rootfs = rootfs && rootfs[0] == '/' ? mem_string(rootfs) : NULL,
	};
	return 0;
}

static void add_runc(struct engine_list *list, const char *directory, const char *id)
{
	engine_add_state(list, directory, id, "state.json", runc_state_parse, "runc");
}

static void add_docker(struct engine_list *list, const char *directory, const char *id)
{
	engine_add_state(list, directory, id, "state.json", runc_state_parse, "docker");
}

static void add_containerd(struct engine_list *list, const char *directory, const char *id)
{
	engine_add_state(list, directory, id, "state.json", runc_state_parse, "containerd");
}

/* Those of kubernetes are in one called k8s.io, those of docker in moby. */
static void add_containerd_space(struct engine_list *list, const char *directory, const char *space)
{
	auto_free char *path = mem_printf("%s/%s", directory, space);
	struct err ignored;

	(void)engine_scan(list, path, strcmp(space, "moby") == 0 ? add_docker : add_containerd,
			  &ignored);
}

int runc_scan(struct engine_list *list, const char *directory, struct err *err)
{
	return engine_scan(list, directory, add_runc, err);
}

void runc_list(struct engine_list *list)
{
	static const struct {
		const char *place; /* of an ordinary user: below XDG_RUNTIME_DIR */
		engine_entry_fn *add;
	} rows[] = {
		{ "docker/runtime-runc/moby", add_docker },
		{ "containerd/runc", add_containerd_space },
		{ "runc", add_runc },
	};
	auto_free char *runtime = engine_runtime_directory();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_free char *common = mem_printf("/run/%s", rows[i].place);
		auto_free char *own = mem_printf("%s/%s", runtime, rows[i].place);
		struct err ignored;

		(void)engine_scan(list, common, rows[i].add, &ignored);
		(void)engine_scan(list, own, rows[i].add, &ignored);
	}
}
