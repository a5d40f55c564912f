/* Images of tests/hostile, for tests of what reads images. */
#pragma once

#include <limits.h>
#include <unistd.h>

#include "../fuzz/records.h"

/* Beside the directory of this program's own. Owned. */
static inline char *hostile_path(const char *name)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[length < 0 ? 0 : length] = '\0';
	for (int up = 0; up < 3 && strrchr(self, '/'); up++)
		*strrchr(self, '/') = '\0';
	return mem_printf("%s/tests/hostile/%s", self, name);
}

static inline bool hostile_load(const char *name, struct edited_image *image)
{
	auto_free char *relative = mem_printf("images/%s", name);
	auto_free char *path = hostile_path(relative);

	return edited_load(image, path);
}
