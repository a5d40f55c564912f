/* The root of a bundle's container, made by its first task. See bundle.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/mounts.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/mount_make.h"
#include "oci/bundle_making.h"
#include "oci/bundle_place.h"
#include "oci/runtime.h"

static void making_free(struct making *making)
{
	for (size_t i = 0; i < making->read_only_count; i++)
		drop_fd(&making->read_only[i]);
	free(making->read_only);
	drop_fd(&making->root);
}

/* ---- what is hidden ---- */

static int mask(const struct making *making, const char *path, struct err *err)
{
	auto_close int place = place_open(making->root, path);
	auto_close int cover = -1;
	bool is_deep = false;
	struct stat stat;
	int r = 0;

	if (place == -ENOENT || place == -ENOTDIR)
		return 0;
	if (place < 0 || fstat(place, &stat) < 0)
		return err_set(err, place < 0 ? place : -errno, "find it");
	if (S_ISDIR(stat.st_mode))
		r = mount_new("tmpfs", "tmpfs", "size=4k,mode=755", &cover, err);
	else
		r = place_take(AT_FDCWD, "/dev/null", &is_deep, &cover, err);
	if (r == 0 && S_ISDIR(stat.st_mode))
		r = place_restrict(cover, MOUNT_ATTR_RDONLY, false, err);
	return r < 0 ? r : place_attach(cover, place, err);
}

static int make_read_only(const struct making *making, const char *path, struct err *err)
{
	auto_close int place = place_open(making->root, path);
	auto_close int again = -1;
	bool is_deep = true;
	int r;

	if (place == -ENOENT || place == -ENOTDIR)
		return 0;
	if (place < 0)
		return err_set(err, place, "find it");
	r = place_take(place, "", &is_deep, &again, err);
	if (r == 0)
		r = place_restrict(again, MOUNT_ATTR_RDONLY, false, err);
	return r < 0 ? r : place_attach(again, place, err);
}

static int hide(struct making *making, struct err *err)
{
	const struct oci_config *config = making->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < making->read_only_count; i++)
		r = place_restrict(making->read_only[i], MOUNT_ATTR_RDONLY, false, err);
	if (r == 0 && config->is_rootfs_read_only)
		r = place_restrict(making->root, MOUNT_ATTR_RDONLY, false, err);
	for (size_t i = 0; r == 0 && i < config->read_only.count; i++) {
		r = make_read_only(making, config->read_only.list[i], err);
		if (r < 0)
			return err_wrap(err, "read-only path %s", config->read_only.list[i]);
	}
	for (size_t i = 0; r == 0 && i < config->masked.count; i++) {
		r = mask(making, config->masked.list[i], err);
		if (r < 0)
			return err_wrap(err, "masked path %s", config->masked.list[i]);
	}
	return r;
}

/* ---- what is not done ---- */

static void note_namespaces(const struct making *making)
{
	static const char *const wanted[] = { "pid", "network", "mount", "ipc", "uts", NULL };
	const struct oci_config *config = making->config;

	for (size_t i = 0; wanted[i]; i++) {
		size_t n = 0;

		while (n < config->namespace_count &&
		       strcmp(config->namespaces[n].type, wanted[i]) != 0)
			n++;
		if (n == config->namespace_count)
			restore_note(making->rs,
				     "the container has a %s namespace of its own, which the "
				     "bundle does not ask for",
				     wanted[i]);
	}
}

static void note_all(const struct making *making)
{
	const struct oci_config *config = making->config;

	note_namespaces(making);
	if (config->has_limits)
		restore_note(making->rs, "linux.resources of the bundle is not applied: the limits "
					 "are those of the image");
	for (size_t i = 0; i < config->unapplied.count; i++)
		restore_note(making->rs, "%s of the bundle is not applied",
			     config->unapplied.list[i]);
}

/* ---- the whole ---- */

static int make_all(struct making *making, struct err *err)
{
	const char *propagation = making->config->propagation;
	bool is_slave = propagation && strstr(propagation, "slave");
	struct err ignored;
	int r = mounts_separate(is_slave ? MS_SLAVE : MS_PRIVATE, err);

	note_all(making);
	if (r == 0)
		r = mounts_bind_root(&making->root, err);
	if (r == 0)
		r = making_mounts(making, err);
	if (r == 0)
		r = making_devices(making, err);
	if (r < 0)
		return r;
	/* While none is covered: where one is, the kernel allows no other. */
	(void)mount_new("proc", "proc", "", &making->mounts->proc, &ignored);
	r = runtime_inside(making->mounts->runtime, OCI_CREATE_CONTAINER, err);
	if (r == 0)
		r = hide(making, err);
	return r < 0 ? r : mounts_enter_root(err);
}

int bundle_make_root(void *argument, struct err *err)
{
	struct bundle_mounts *mounts = argument;
	auto_with(making_free) struct making making = {
		.mounts = mounts,
		.config = mounts->bundle->config,
		.rs = mounts->rs,
		.root = -1,
	};
	mode_t mode = umask(022);
	int r = make_all(&making, err);

	(void)umask(mode);
	return r;
}

/* ---- later ---- */

static int set_sysctl(int proc, const struct oci_pair *sysctl, struct err *err)
{
	auto_free char *path = mem_printf("sys/%s", sysctl->key);
	size_t length = strlen(sysctl->value);
	auto_close int fd = -1;

	for (char *at = path; *at; at++)
		*at = *at == '.' ? '/' : *at;
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, sysctl->value, length) != (ssize_t)length)
		return err_set(err, -errno, "set sysctl %s to %s", sysctl->key, sysctl->value);
	return 0;
}

int bundle_settle(const struct bundle_mounts *mounts, struct err *err)
{
	const struct oci_pairs *sysctls = &mounts->bundle->config->sysctls;
	int r = making_console(mounts, err);

	for (size_t i = 0; r == 0 && i < sysctls->count; i++)
		r = set_sysctl(mounts->proc, &sysctls->list[i], err);
	return r < 0 ? r : runtime_inside(mounts->runtime, OCI_START_CONTAINER, err);
}
