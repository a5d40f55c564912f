/* The files of engines: only what the invoker or root wrote is read. See engine.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "policy/trusted.h"
#include "target/engine.h"

char *engine_runtime_directory(void)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

	if (runtime && runtime[0] == '/')
		return mem_string(runtime);
	return mem_printf("/run/user/%u", geteuid());
}

static int open_directory(const char *path, int *ret_dir, struct err *err)
{
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat stat;

	if (dir < 0 || fstat(dir, &stat) < 0)
		return err_set(err, -errno, "%s", path);
	if (stat.st_uid != 0 && stat.st_uid != geteuid())
		return err_set(err, ERR_REFUSED, "%s belongs to user %u, not to you or root", path,
			       stat.st_uid);
	if (stat.st_mode & (S_IWGRP | S_IWOTH) && !(stat.st_mode & S_ISVTX))
		return err_set(err, ERR_REFUSED, "%s can be written by others", path);
	*ret_dir = take_fd(&dir);
	return 0;
}

int engine_scan(struct engine_list *list, const char *directory, engine_entry_fn *each,
		struct err *err)
{
	auto_closedir DIR *entries = NULL;
	struct dirent *entry;
	int dir = -1;
	int r = open_directory(directory, &dir, err);

	if (r < 0)
		return r;
	entries = fdopendir(dir);
	if (!entries) {
		(void)close(dir);
		return err_set(err, -ENOMEM, "%s", directory);
	}
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] != '.')
			each(list, directory, entry->d_name);
	}
	return 0;
}

bool engine_read(const char *path, struct buf *ret_text)
{
	struct err err = ERR_NONE;
	int r = trusted_read(path, TRUSTED_OWN, ENGINE_FILE_MAX, ret_text, &err);

	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		log_info("%s: %s", path, err.text);
	return r == 0;
}

void engine_add_state(struct engine_list *list, const char *directory, const char *id,
		      const char *file, engine_parse_fn *parse, const char *engine)
{
	auto_free char *path = mem_printf("%s/%s/%s", directory, id, file);
	/* What a container waits for that was created only. */
	auto_free char *fifo = mem_printf("%s/%s/exec.fifo", directory, id);
	struct engine_container container;
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;

	if (!engine_read(path, &text))
		return;
	if (parse(text.data, text.size, id, &container, &err) < 0) {
		log_info("%s: %s", path, err.text);
		return;
	}
	container.engine = engine;
	container.is_waiting = faccessat(AT_FDCWD, fifo, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	engine_add(list, &container);
}
