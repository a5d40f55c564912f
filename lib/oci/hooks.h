/* Running a bundle's hooks. Each gets the container's state as JSON on its standard input, and has
 * the environment of config.json and nothing else; what it says is told if it fails. */
#pragma once

#include <sys/types.h>

#include "core/err.h"
#include "core/filter.h"
#include "oci/config.h"

/* What hooks and `ctckpt state` are told of a container; all is borrowed. */
struct oci_status {
	const char *version;
	const char *id;
	const char *status; /* "creating", "running", "stopped" */
	pid_t pid;	    /* 0: there is none */
	const char *bundle;
	const struct oci_pairs *annotations;
};

struct json;
struct json *oci_status_json(const struct oci_status *status);

/* What hooks that are code of the container's are held to, as its tasks are. */
struct hook_bounds {
	uint64_t caps; /* the bounding set */
	bool no_new_privs;
	const struct filter *filters[2]; /* borrowed; NULL, or without code: none */
};

/* One after the other, until one fails. `dir` is where they run; NULL: here. `bounds`: NULL: what
 * we may ourselves. The error names the hook. May be called by a traced process: hooks are not
 * traced. */
int hooks_run(const struct oci_hooks *hooks, enum oci_stage stage, const struct oci_status *status,
	      const char *dir, const struct hook_bounds *bounds, struct err *err);
