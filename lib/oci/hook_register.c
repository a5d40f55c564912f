/* createRuntime and poststop: a container of another engine comes into our registry, and leaves it.
 * What the state says of the process is looked up in /proc; the rest is kept for people to read. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/confine.h"
#include "core/json.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "oci/config.h"
#include "oci/hook.h"

/* ---- what /proc knows ---- */

static int read_stat(int proc, struct procfs_stat *ret_stat, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(proc, "stat", &text, err);

	return r < 0 ? r : procfs_stat_parse(text.data ? text.data : "", ret_stat, err);
}

/* The program of who called us: "runc". */
static char *name_runtime(void)
{
	auto_close int proc = -1;
	struct procfs_stat stat;
	struct err ignored;

	if (procfs_open_pid(getppid(), &proc, &ignored) < 0 || read_stat(proc, &stat, &ignored) < 0)
		return NULL;
	return mem_string(stat.comm);
}

/* Not from its configuration, which may be another one by now. */
static void look_up(int proc, struct registry_entry *entry)
{
	auto_buf struct buf cgroups = BUF_EMPTY;
	struct err ignored;
	struct stat stat;

	if (procfs_read(proc, "cgroup", &cgroups, &ignored) == 0)
		entry->cgroups = mem_copy(cgroups.data, cgroups.size);
	if (fstatat(proc, "exe", &stat, 0) == 0) {
		entry->starter = stat.st_ino;
		entry->starter_device = stat.st_dev;
	}
	entry->runtime = name_runtime();
}

bool hook_has_started(const struct registry_entry *entry)
{
	auto_close int proc = -1;
	struct err ignored;
	struct stat stat;

	/* Before, an ordinary user may not look at it. */
	if (procfs_open_pid(entry->init, &proc, &ignored) < 0 || fstatat(proc, "exe", &stat, 0) < 0)
		return false;
	if (hook_is_waiter(entry->init))
		return false;
	return entry->starter == 0 || stat.st_ino != entry->starter ||
	       stat.st_dev != entry->starter_device;
}

/* A process of ours, or of a container of ours: one that we may look into. */
static int find_process(pid_t pid, int *ret_proc, uint64_t *ret_start_time, struct err *err)
{
	struct procfs_stat stat;
	struct stat dir;
	int r;

	if (pid <= 1)
		return err_set(err, ERR_FAILED, "its state names no process");
	r = procfs_open_pid(pid, ret_proc, err);
	if (r == 0)
		r = read_stat(*ret_proc, &stat, err);
	if (r < 0)
		return err_wrap(err, "process %d", pid);
	/* That of a process that may not be looked into belongs to root, who is nobody from within
	 * a user namespace. */
	if (fstat(*ret_proc, &dir) < 0 ||
	    (geteuid() == 0 && registry_uid() != 0 && kill(pid, 0) < 0))
		return err_set(err, ERR_REFUSED, "process %d is not ours", pid);
	*ret_start_time = stat.start_time;
	return 0;
}

/* ---- createRuntime ---- */

static char *compile_filter(const char *profile)
{
	auto_with(filter_free) struct filter filter = { .code = NULL };
	struct err err = ERR_NONE;

	if (confine_compile(profile, strlen(profile), &filter, &err) == 0)
		return filter_print(&filter);
	hook_log("its seccomp filter is not known: %s", err.text);
	return NULL;
}

/* No ordinary user can read a filter from the kernel; a checkpoint makes sure that there is no
 * other one. */
static void read_bundle(struct registry_entry *entry)
{
	auto_oci_config struct oci_config *config = NULL;
	struct err err = ERR_NONE;

	if (!entry->bundle)
		return;
	if (oci_config_read(entry->bundle, &config, &err) < 0) {
		hook_log("bundle %s: %s", entry->bundle, err.text);
		return;
	}
	if (config->rootfs)
		entry->rootfs = config->rootfs[0] == '/'
				    ? mem_string(config->rootfs)
				    : mem_printf("%s/%s", entry->bundle, config->rootfs);
	if (config->seccomp)
		entry->seccomp = compile_filter(config->seccomp);
}

static int make_entry(const struct hook_state *state, const char *name,
		      struct registry_entry *entry, struct err *err)
{
	auto_close int proc = -1;
	int r = find_process(state->pid, &proc, &entry->start_time, err);

	if (r < 0)
		return r;
	entry->name = mem_string(name);
	entry->init = state->pid;
	entry->id = mem_string(state->id);
	entry->bundle = state->bundle ? mem_string(state->bundle) : NULL;
	look_up(proc, entry);
	if (state->is_running)
		entry->starter = 0;
	read_bundle(entry);
	return 0;
}

static bool is_known(const struct registry_entry *entry)
{
	auto_with(registry_entry_free) struct registry_entry old = { .name = NULL };
	struct err ignored;

	return registry_read(entry->name, &old, &ignored) == 0 && old.init == entry->init &&
	       old.start_time == entry->start_time;
}

int hook_register(const struct hook_state *state, struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	const char *name = hook_state_name(state);
	int r;

	if (!name)
		return err_set(err, ERR_REFUSED,
			       "its id cannot be a name, and it has no "
			       "org.ctckpt.name");
	r = make_entry(state, name, &entry, err);
	if (r < 0)
		return r;
	return is_known(&entry) ? 0 : registry_add(&entry, err);
}

/* ---- poststop ---- */

int hook_open_timer(const struct registry_entry *entry)
{
	auto_close int pidfd = entry->timer > 0 ? sys_pidfd_open(entry->timer) : -1;
	auto_close int proc = -1;
	struct procfs_stat stat;
	struct err ignored;

	/* While the pidfd holds on to the number. */
	if (pidfd < 0 || procfs_open_pid(entry->timer, &proc, &ignored) < 0 ||
	    read_stat(proc, &stat, &ignored) < 0 || stat.start_time != entry->timer_start_time ||
	    sys_pidfd_send_signal(pidfd, 0) < 0)
		return -1;
	return take_fd(&pidfd);
}

static void stop_timer(const struct registry_entry *entry)
{
	auto_close int pidfd = hook_open_timer(entry);

	if (pidfd >= 0)
		(void)sys_pidfd_send_signal(pidfd, SIGTERM);
}

int hook_forget(const struct hook_state *state, struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	const char *name = hook_state_name(state);
	int r = name ? registry_read(name, &entry, err) : -ENOENT;

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	/* Another container has the name by now. */
	if (!entry.id || strcmp(entry.id, state->id) != 0)
		return 0;
	stop_timer(&entry);
	return registry_remove(name, err);
}
