/* precreate: see hook.h. */
#include "oci/hook.h"

int hook_precreate(const char *text, size_t size, const char *below, char **ret_changed,
		   struct err *err)
{
	(void)text;
	(void)size;
	(void)below;
	(void)ret_changed;
	(void)err;
	return 0;
}
