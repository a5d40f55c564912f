/* A container's name, cgroup, registry entry and pid file. See entry.h. */
#include "container/entry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/procfs.h"
#include "target/target.h"

/* Its users would mean that one. */
static bool is_known_to_engine(const char *name)
{
	auto_target struct target target = TARGET_NONE;
	struct err ignored;

	return target_find(name, &target, &ignored) == 0;
}

static bool is_taken(const char *name)
{
	struct registry_entry *entries;
	struct err ignored;
	size_t count;
	bool found = false;

	if (registry_list(&entries, &count, &ignored) < 0)
		return true;
	for (size_t i = 0; i < count; i++)
		found |= strcmp(entries[i].name, name) == 0;
	registry_list_free(entries, count);
	return found || !registry_name_is_free(name) || is_known_to_engine(name);
}

int entry_choose_name(struct entry *entry, const char *asked, const char *preferred,
		      struct err *err)
{
	if (asked && !registry_name_is_valid(asked)) {
		(void)err_set(err, ERR_USAGE, "'%s' cannot be the name of a container", asked);
		return err_hint(err, "a letter or digit, then up to 63 letters, digits, dots, "
				     "dashes and underscores");
	}
	if (!asked && preferred && !is_taken(preferred))
		asked = preferred;
	if (!asked)
		return registry_new_name(&entry->name, err);
	entry->name = mem_string(asked);
	return 0;
}

int entry_make_cgroup(struct entry *entry, struct err *err)
{
	struct cgroup_own *own = &entry->cgroup;
	int r = cgroup_own_create(entry->name, own, err);

	if (r == -EEXIST) {
		(void)err_wrap(err, "name %s is taken", entry->name);
		return err_hint(err, "choose another name");
	}
	if (r < 0 || own->v1 < 0 || own->v2 < 0)
		return r;
	/* One is enough to freeze, and the registry remembers one. */
	if (rmdir(own->v1_path) < 0)
		return err_set(err, -errno, "remove cgroup %s", own->v1_path);
	drop_fd(&own->v1);
	free(take_ptr(own->v1_path));
	return 0;
}

static int read_start_time(pid_t pid, uint64_t *ret_time, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct procfs_stat stat;
	int r = procfs_open_pid(pid, &proc, err);

	if (r == 0)
		r = procfs_read(proc, "stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data ? text.data : "", &stat, err);
	if (r == 0)
		*ret_time = stat.start_time;
	return r;
}

int entry_register(struct entry *entry, pid_t init, const char *rootfs, const char *image,
		   const struct filter *filter, struct err *err)
{
	const struct cgroup_own *own = &entry->cgroup;
	auto_free char *absolute_rootfs = rootfs ? realpath(rootfs, NULL) : NULL;
	auto_free char *absolute_image = image ? realpath(image, NULL) : NULL;
	auto_free char *given_image = image ? mem_string(image) : NULL;
	auto_free char *seccomp = filter && filter->code ? filter_print(filter) : NULL;
	struct registry_entry added = {
		.name = entry->name,
		.init = init,
		.cgroup_path = own->v2_path ? own->v2_path : own->v1_path,
		.rootfs = absolute_rootfs,
		.image = absolute_image ? absolute_image : given_image,
		.seccomp = seccomp,
	};
	int r;

	if (rootfs && !absolute_rootfs)
		return err_set(err, -errno, "root file system %s", rootfs);
	r = read_start_time(init, &added.start_time, err);
	if (r == 0)
		r = registry_add(&added, err);
	entry->is_registered = r == 0;
	return r;
}

int entry_write_pid_file(struct entry *entry, const char *path, pid_t init, struct err *err)
{
	auto_free char *temporary = path ? mem_printf("%s.XXXXXX", path) : NULL;
	auto_close int fd = path ? mkostemp(temporary, O_CLOEXEC) : -1;

	if (!path)
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "write pid file %s", path);
	if (fchmod(fd, 0644) < 0 || dprintf(fd, "%d\n", init) < 0 || rename(temporary, path) < 0) {
		(void)err_set(err, -errno, "write pid file %s", path);
		(void)unlink(temporary);
		return err->code;
	}
	entry->pid_file = mem_string(path);
	return 0;
}

void entry_remove(struct entry *entry)
{
	struct err err = ERR_NONE;

	if (entry->pid_file)
		(void)unlink(entry->pid_file);
	if (entry->is_registered && registry_remove(entry->name, &err) < 0)
		log_info("%s", err.text);
	if (cgroup_own_remove(&entry->cgroup, &err) < 0)
		log_info("%s", err.text);
}

void entry_free(struct entry *entry)
{
	cgroup_own_free(&entry->cgroup);
	free(entry->name);
	free(entry->pid_file);
	*entry = ENTRY_NONE;
}
