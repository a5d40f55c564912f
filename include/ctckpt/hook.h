/* Hooks of the OCI runtime specification: what runc, crun, podman and CRI-O call when a container
 * starts and ends. */
#pragma once

#include <stdbool.h>

#include "core/err.h"

struct ctckpt_hook_options {
	const char *stage; /* "createRuntime", "poststart", "poststop", "precreate" */
	const char *below; /* directories and images that annotations name lie below this one; NULL:
			    * anywhere, but as root below /var/lib/ctckpt, and no image is
			    * restored */
	int least;	   /* seconds between checkpoints; 0: 1, as root 10 */
	int most;	   /* images that are kept; 0: any number, as root 100 */
	bool by_name;	   /* so are those of containers that had the name before */
	int input;	   /* the container's state, or its configuration, as JSON */
	int output;	   /* precreate: the configuration, changed or as it was */
};

/* Nothing that it does may keep a container from starting: whoever calls it says what went wrong,
 * and exits with 0. What is to go on goes on in a process of its own. */
int ctckpt_oci_hook(const struct ctckpt_hook_options *options, struct err *err);
