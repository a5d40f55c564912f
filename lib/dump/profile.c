/* The seccomp filter of a container that another engine started: the kernel shows it to nobody, but
 * the engine has made it from what config.json of the bundle says. */
#include <string.h>

#include "core/cleanup.h"
#include "core/confine.h"
#include "core/log.h"
#include "dump/dump.h"
#include "oci/config.h"

/* Whatever is wrong with it matters only if a task has a filter, and is then said. */
char *dump_find_profile(const struct target *target)
{
	auto_with(filter_free) struct filter filter = FILTER_NONE;
	auto_oci_config struct oci_config *config = NULL;
	struct err err = ERR_NONE;
	int r;

	if (target->seccomp || !target->bundle)
		return NULL;
	r = oci_config_read(target->bundle, &config, &err);
	if (r == 0 && !config->seccomp)
		return NULL;
	if (r == 0)
		r = confine_compile(config->seccomp, strlen(config->seccomp), &filter, &err);
	if (r < 0) {
		log_info("%s: %s", target->bundle, err.text);
		return NULL;
	}
	return filter_print(&filter);
}
