/* What `ctckpt ps` shows. See ctckpt/list.h. */
#include "ctckpt/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "target/cgroup.h"
#include "target/process.h"
#include "target/registry.h"
#include "target/target.h"

/* A holder listens while it keeps the container frozen. The way through /proc has no limit of
 * 108 bytes on the directory. */
static bool has_holder(const char *name)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct err err = ERR_NONE;
	auto_close int dir = -1;

	if (fd < 0 || registry_open(false, &dir, &err) < 0)
		return false;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s.sock", dir,
		       name);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	/* Its queue is full, or it is of another type; with nobody there: ECONNREFUSED. */
	return errno == EAGAIN || errno == EPROTOTYPE;
}

static uint64_t resident_size(int proc)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	const char *at;
	uint64_t pages;

	if (procfs_read(proc, "statm", &text, &err) < 0)
		return 0;
	at = text.data;
	if (!scan_number(&at, 10, UINT64_MAX, &pages) || !scan_char(&at, ' ') ||
	    !scan_number(&at, 10, UINT64_MAX >> 16, &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t memory_of(int proc)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	uint64_t kb;

	if (procfs_read(proc, "smaps_rollup", &text, &err) == 0 &&
	    procfs_field(text.data, "Pss", 10, &kb) && kb <= UINT64_MAX >> 10)
		return kb << 10;
	return resident_size(proc);
}

static const char *state_of(const struct target *target, bool all_stopped)
{
	if (target->freezer != FREEZER_NONE && cgroup_is_frozen(target->freezer, target->cgroup))
		return "frozen";
	if (has_holder(target->name))
		return "frozen";
	return all_stopped ? "stopped" : "running";
}

/* Tasks that end meanwhile do not count. */
static int measure(const struct target *target, struct ctckpt_container *container, struct err *err)
{
	auto_free pid_t *pids = NULL;
	bool all_stopped = true;
	size_t count = 0;
	int r = target_tasks(target, &pids, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		auto_close int proc = -1;
		struct process process;

		if (procfs_open_pid(pids[i], &proc, err) < 0 ||
		    process_read(proc, &process, err) < 0)
			continue;
		container->tasks++;
		container->memory += memory_of(proc);
		if (process.state != 'T' && process.state != 'Z')
			all_stopped = false;
	}
	container->state = state_of(target, all_stopped);
	return 0;
}

static int describe(const struct registry_entry *entry, struct ctckpt_container *container,
		    struct err *err)
{
	auto_target struct target target = TARGET_NONE;
	int r = target_find(entry->name, &target, err);

	if (r == 0)
		r = measure(&target, container, err);
	if (r < 0)
		return r;
	container->name = mem_string(entry->name);
	container->engine = "ctckpt";
	container->init = target.init;
	container->cgroup = take_ptr(target.cgroup_path);
	container->rootfs = take_ptr(target.rootfs);
	container->image = entry->image ? mem_string(entry->image) : NULL;
	return 0;
}

int ctckpt_list(struct ctckpt_container **ret_containers, size_t *ret_count, struct err *err)
{
	struct registry_entry *entries = NULL;
	struct ctckpt_container *list = NULL;
	size_t entry_count = 0, count = 0;
	int r = registry_list(&entries, &entry_count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < entry_count; i++) {
		struct ctckpt_container container = { .name = NULL };
		struct err why = ERR_NONE;

		if (describe(&entries[i], &container, &why) < 0) {
			log_info("skipped %s: %s", entries[i].name, why.text);
			continue;
		}
		array_grow(list, count);
		list[count++] = container;
	}
	registry_list_free(entries, entry_count);
	*ret_containers = list;
	*ret_count = count;
	return 0;
}

void ctckpt_list_free(struct ctckpt_container *containers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(containers[i].name);
		free(containers[i].cgroup);
		free(containers[i].rootfs);
		free(containers[i].image);
	}
	free(containers);
}
