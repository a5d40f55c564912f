/* Limits of cgroups. See cgroup_limit.h. */
#include "kind/support/cgroup_limit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/cgroup.h"
#include "core/cleanup.h"
#include "core/scan.h"

/* That is whole pages below 2^63, of 1 GiB at most. Only v2 calls it "max", and not for huge pages,
 * of which fewer bytes fit than of others. */
bool cgroup_limit_is_none(uint64_t bytes)
{
	return bytes >= (UINT64_C(1) << 63) - (UINT64_C(1) << 30);
}

bool cgroup_limit_take(const char *text, uint64_t *ret_limit)
{
	const char *at = text;

	if (strcmp(text, "max") == 0)
		*ret_limit = UINT64_MAX;
	else if (!scan_number(&at, 10, UINT64_MAX, ret_limit) || *at != '\0')
		return false;
	return true;
}

uint64_t cgroup_limit_above(const char *cgroup, const char *file)
{
	auto_free char *path = mem_string(cgroup);
	uint64_t least = UINT64_MAX;

	while (path[0]) {
		auto_buf struct buf text = BUF_EMPTY;
		struct err none = ERR_NONE;
		auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		uint64_t limit;

		if (dir < 0 || cgroup_file_read(dir, file, &text, &none) < 0)
			break;
		text.data[strcspn(text.data, "\n")] = '\0';
		if (cgroup_limit_take(text.data, &limit) && limit < least)
			least = limit;
		*strrchr(path, '/') = '\0';
	}
	return least;
}

/* One of v1 may hold it. */
bool cgroup_has_controller(const char *cgroup, const char *file)
{
	auto_close int dir = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_buf struct buf text = BUF_EMPTY;
	struct err none = ERR_NONE;
	size_t length = strcspn(file, ".");

	if (strncmp(file, "cgroup.", length + 1) == 0 || dir < 0 ||
	    cgroup_file_read(dir, "cgroup.controllers", &text, &none) < 0)
		return true;
	for (const char *at = text.data; *at;) {
		size_t size = strcspn(at, " \n");

		if (size == length && strncmp(at, file, length) == 0)
			return true;
		at += size + (at[size] != '\0');
	}
	return false;
}
