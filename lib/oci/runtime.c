/* Hooks and state of a restore. See runtime.h. */
#include "oci/runtime.h"

#include <sys/prctl.h>

#include "core/log.h"
#include "oci/hooks.h"
#include "oci/state.h"

static int run(const struct runtime *runtime, enum oci_stage stage, const char *status, pid_t pid,
	       struct err *err)
{
	const struct bundle *bundle = runtime->bundle;
	const struct oci_config *config = bundle->config;
	const struct oci_status told = { config->version, runtime->id,	       status, pid,
					 bundle->dir,	  &config->annotations };

	return hooks_run(&config->hooks[stage], stage, &told, bundle->dir, NULL, err);
}

int runtime_begin(struct runtime *runtime, pid_t init, struct err *err)
{
	int r;

	if (!runtime->bundle)
		return 0;
	r = oci_state_check_free(runtime->id, err);
	if (r < 0)
		return r;
	runtime->has_begun = true;
	r = run(runtime, OCI_PRESTART, "creating", init, err);
	return r < 0 ? r : run(runtime, OCI_CREATE_RUNTIME, "creating", init, err);
}

int runtime_register(struct runtime *runtime, pid_t init, struct err *err)
{
	int r = runtime->bundle ? oci_state_write(runtime->bundle, runtime->id, init, err) : 0;

	runtime->is_registered = runtime->bundle && r == 0;
	return r;
}

int runtime_started(const struct runtime *runtime, pid_t init, struct err *err)
{
	return runtime->bundle ? run(runtime, OCI_POSTSTART, "running", init, err) : 0;
}

void runtime_end(struct runtime *runtime)
{
	struct err err = ERR_NONE;

	if (!runtime->bundle || !runtime->has_begun)
		return;
	runtime->has_begun = false;
	if (runtime->is_registered && oci_state_remove(runtime->id, &err) == 0)
		return;
	if (run(runtime, OCI_POSTSTOP, "stopped", 0, &err) < 0)
		log_info("%s", err.text);
}

/* Its own pid, as it sees it itself; in the root that it has by then. From startContainer on, code
 * of the container's may run beside us: nobody there is to look at what we hold, until the first
 * task executes its program. */
int runtime_inside(const struct runtime *runtime, enum oci_stage stage, struct err *err)
{
	const struct bundle *bundle = runtime->bundle;
	const struct oci_config *config = bundle->config;
	const struct oci_status told = { config->version,
					 runtime->id,
					 stage == OCI_START_CONTAINER ? "created" : "creating",
					 1,
					 bundle->dir,
					 &config->annotations };
	const struct hook_bounds bounds = { config->caps[OCI_BOUNDING],
					    config->no_new_privs,
					    { &runtime->saved, &bundle->filter } };

	if (stage != OCI_START_CONTAINER)
		return hooks_run(&config->hooks[stage], stage, &told, NULL, NULL, err);
	if (config->hooks[stage].count > 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_set(err, -errno, "hide the container's first task");
	return hooks_run(&config->hooks[stage], stage, &told, NULL, &bounds, err);
}
