/* Where the registry is: a private directory of the invoker's. See target.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/lock.h"
#include "core/log.h"
#include "target/registry.h"

#define ROOTS_DIRECTORY "/run/ctckpt"

/* As who started our user namespace sees it: root of podman's is an ordinary user. */
uid_t registry_uid(void)
{
	auto_fclose FILE *file = fopen("/proc/self/uid_map", "re");
	unsigned int inside;
	unsigned int outside;
	unsigned int count;

	while (file && fscanf(file, "%u %u %u", &inside, &outside, &count) == 3) {
		if (geteuid() >= inside && geteuid() - inside < count)
			return outside + (geteuid() - inside);
	}
	return geteuid();
}

static char *directory_path(void)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	uid_t uid = registry_uid();

	if (runtime && runtime[0] == '/')
		return mem_printf("%s/ctckpt", runtime);
	if (uid == 0)
		return mem_string(ROOTS_DIRECTORY);
	return mem_printf("/tmp/ctckpt-%u", uid);
}

static int check_directory(int dir, const char *path, struct err *err)
{
	struct stat stat;

	if (fstat(dir, &stat) < 0)
		return err_set(err, -errno, "stat %s", path);
	if (stat.st_uid != geteuid())
		(void)err_set(err, ERR_FAILED, "%s belongs to user %u, not to you", path,
			      stat.st_uid);
	else if (stat.st_mode & 077)
		(void)err_set(err, ERR_FAILED, "%s is open to others (mode %04o)", path,
			      stat.st_mode & 07777);
	else
		return 0;
	return err_hint(err, "remove it, or set XDG_RUNTIME_DIR to a directory of your own");
}

static int open_path(const char *path, bool may_create, int *ret_dir, struct err *err)
{
	auto_close int dir = -1;
	int r;

	if (may_create && mkdir(path, 0700) < 0 && errno != EEXIST) {
		(void)err_set(err, -errno, "create %s", path);
		return err_hint(err, "set XDG_RUNTIME_DIR to a directory of your own, or unset it");
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open %s", path);
	r = check_directory(dir, path, err);
	if (r < 0)
		return r;
	*ret_dir = take_fd(&dir);
	return 0;
}

int registry_open(bool may_create, int *ret_dir, struct err *err)
{
	auto_free char *path = directory_path();

	return open_path(path, may_create, ret_dir, err);
}

/* Engines of root's call hooks without root's XDG_RUNTIME_DIR. */
static int open_second(int *ret_dir, struct err *err)
{
	auto_free char *path = directory_path();
	int r;

	if (registry_uid() != 0 || strcmp(path, ROOTS_DIRECTORY) == 0)
		return err_set(err, -ENOENT, "open a second registry");
	r = open_path(ROOTS_DIRECTORY, false, ret_dir, err);
	if (r < 0 && r != -ENOENT)
		log_info("%s", err->text);
	return r < 0 ? err_set(err, -ENOENT, "open %s", ROOTS_DIRECTORY) : 0;
}

int registry_open_nth(size_t number, int *ret_dir, struct err *err)
{
	return number == 0 ? registry_open(false, ret_dir, err) : open_second(ret_dir, err);
}

int registry_open_with(const char *file, int *ret_dir, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < REGISTRY_DIRECTORIES; i++) {
		auto_close int dir = -1;

		r = registry_open_nth(i, &dir, err);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && faccessat(dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			*ret_dir = take_fd(&dir);
			return 0;
		}
	}
	return err_set(err, -ENOENT, "registry entry %s", file);
}

int registry_lock(int dir, struct err *err)
{
	return lock_wait(dir, "the registry", LOCK_PATIENCE_MS, err);
}

int registry_socket_path(const char *name, char **ret_path, struct err *err)
{
	auto_free char *directory = directory_path();
	auto_close int dir = -1;
	int r = registry_check_name(name, err);

	if (r == 0)
		r = registry_open(true, &dir, err);
	if (r < 0)
		return r;
	*ret_path = mem_printf("%s/%s.sock", directory, name);
	return 0;
}

int registry_file_path(const char *file, char **ret_path, struct err *err)
{
	auto_free char *directory = directory_path();
	auto_close int dir = -1;
	int r = registry_open(true, &dir, err);

	if (r == 0)
		*ret_path = mem_printf("%s/%s", directory, file);
	return r;
}
