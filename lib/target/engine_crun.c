/* crun: DIRECTORY/ID/status, as of crun 1.x. See engine.h. */
#include <limits.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "target/engine.h"

int crun_status_parse(const char *text, size_t size, const char *id,
		      struct engine_container *ret_container, struct err *err)
{
	auto_json struct json *status = NULL;
	const char *bundle, *rootfs;
	uint64_t pid, start;
	int r = json_parse(text, size, &status, err);

	if (r < 0)
		return r;
	bundle = json_get_string(json_get(status, "bundle"));
	rootfs = json_get_string(json_get(status, "rootfs"));
	if (!json_get_u64(json_get(status, "pid"), &pid) || pid == 0 || pid > INT_MAX)
		return err_set(err, ERR_FAILED, "pid is missing or out of range");
	/* Without it, nobody could tell a dead container from another process. */
	if (!json_get_u64(json_get(status, "process-start-time"), &start) || start == 0)
		return err_set(err, ERR_FAILED, "process-start-time is missing or out of range");
	*ret_container = (struct engine_container){
		.engine = "crun",
		.id = mem_string(id),
		.init = (pid_t)pid,
		.start_time = start,
		.bundle = bundle && bundle[0] == '/' ? mem_string(bundle) : NULL,
	};
	if (rootfs && rootfs[0] == '/')
		ret_container->rootfs = mem_string(rootfs);
	else if (rootfs && ret_container->bundle)
		ret_container->rootfs = mem_printf("%s/%s", bundle, rootfs);
	return 0;
}

static void add_crun(struct engine_list *list, const char *directory, const char *id)
{
	engine_add_state(list, directory, id, "status", crun_status_parse, "crun");
}

int crun_scan(struct engine_list *list, const char *directory, struct err *err)
{
	return engine_scan(list, directory, add_crun, err);
}

/* Of root, too, it is below XDG_RUNTIME_DIR, if that is set. */
void crun_list(struct engine_list *list)
{
	auto_free char *runtime = engine_runtime_directory();
	auto_free char *own = mem_printf("%s/crun", runtime);
	struct err ignored;

	(void)crun_scan(list, "/run/crun", &ignored);
	(void)crun_scan(list, own, &ignored);
}
