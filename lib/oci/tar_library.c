/* Loads libarchive. See tar_library.h. */
#include "oci/tar_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

struct tar_library tar_library;

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define TAR_ROW(name) { "archive_" #name, offsetof(struct tar_library, name) },
	TAR_FUNCTIONS(TAR_ROW)
#undef TAR_ROW
};

int tar_library_load(struct err *err)
{
	struct tar_library found;
	void *library;

	if (tar_library.error_string)
		return 0;
	library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		(void)err_set(err, ERR_HOST, "load libarchive: %s", dlerror());
		return err_hint(err, "on Debian, it is in the package libarchive13");
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function)
			return err_set(err, ERR_HOST, "this libarchive has no %s",
				       functions[i].name);
		memcpy((char *)&found + functions[i].at, &function, sizeof(function));
	}
	tar_library = found;
	return 0;
}
