/* XDG_RUNTIME_DIR, which says where the registry is, for hooks that were called without it. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "oci/hook.h"

static const char key[] = "XDG_RUNTIME_DIR=";

static const char *find(const struct buf *environment)
{
	size_t at = 0;

	while (at < environment->size) {
		const char *line = environment->data + at;

		if (strncmp(line, key, strlen(key)) == 0)
			return line + strlen(key);
		at += strlen(line) + 1;
	}
	return NULL;
}

/* As trusted as our own environment, which is theirs to give. */
void hook_take_environment(void)
{
	auto_buf struct buf environment = BUF_EMPTY;
	auto_close int proc = -1;
	struct err ignored;
	const char *found;
	struct stat stat;

	if (getenv("XDG_RUNTIME_DIR"))
		return;
	if (procfs_open_pid(getppid(), &proc, &ignored) < 0 ||
	    procfs_read(proc, "environ", &environment, &ignored) < 0)
		return;
	found = find(&environment);
	if (!found || found[0] != '/' || lstat(found, &stat) < 0 || !S_ISDIR(stat.st_mode) ||
	    stat.st_uid != geteuid())
		return;
	(void)setenv("XDG_RUNTIME_DIR", found, 1);
}
