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
#include "target/engine.h"
#include "target/process.h"
#include "target/registry.h"
#include "target/target.h"

/* A holder listens while it keeps the container frozen. The way through /proc has no limit of
 * 108 bytes on the directory. */
static bool has_holder(const struct target *target)
{
	auto_free char *name = target_socket_name(target);
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
	if (has_holder(target))
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

/* Takes what the target has. */
static int describe(struct target *target, const char *name, struct ctckpt_container *container,
		    struct err *err)
{
	int r = measure(target, container, err);

	if (r < 0)
		return r;
	container->name = mem_string(name);
	container->engine = target->engine ? target->engine : "ctckpt";
	container->id = take_ptr(target->engine_id);
	container->init = target->init;
	container->cgroup = take_ptr(target->cgroup_path);
	container->rootfs = take_ptr(target->rootfs);
	return 0;
}

struct containers {
	struct ctckpt_container *list;
	size_t count;
};

static void add(struct containers *all, const struct ctckpt_container *container)
{
	array_grow(all->list, all->count);
	all->list[all->count++] = *container;
}

static void add_entry(struct containers *all, const struct registry_entry *entry)
{
	auto_free char *name = mem_printf("ctckpt:%s", entry->name);
	struct ctckpt_container container = { .name = NULL };
	auto_target struct target target = TARGET_NONE;
	struct err err = ERR_NONE;
	int r = target_find(name, &target, &err);

	if (r == 0)
		r = describe(&target, entry->name, &container, &err);
	if (r < 0) {
		log_info("skipped %s: %s", entry->name, err.text);
		return;
	}
	container.image = entry->image ? mem_string(entry->image) : NULL;
	add(all, &container);
}

static bool is_listed(const struct containers *all, pid_t init)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->list[i].init == init)
			return true;
	}
	return false;
}

/* Those that the invoker may not look into are somebody else's. */
static void add_container(struct containers *all, const struct engine_container *theirs)
{
	struct ctckpt_container container = { .name = NULL };
	auto_target struct target target = TARGET_NONE;
	struct err err = ERR_NONE;
	int r;

	if (is_listed(all, theirs->init) || !engine_lives(theirs))
		return;
	r = target_of_container(theirs, &target, &err);
	if (r == 0)
		r = describe(&target, engine_name(theirs), &container, &err);
	if (r < 0) {
		log_info("skipped %s:%s: %s", theirs->engine, engine_name(theirs), err.text);
		return;
	}
	if (theirs->is_waiting)
		container.state = "created";
	add(all, &container);
}

static int add_registered(struct containers *all, struct err *err)
{
	struct registry_entry *entries = NULL;
	size_t count = 0;
	int r = registry_list(&entries, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		add_entry(all, &entries[i]);
	registry_list_free(entries, count);
	return r;
}

static int add_others(struct containers *all, struct err *err)
{
	auto_engine_list struct engine_list list = { .list = NULL };
	int r = engine_list_get(&list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++)
		add_container(all, &list.list[i]);
	return r;
}

static void free_container(struct ctckpt_container *container)
{
	free(container->name);
	free(container->id);
	free(container->cgroup);
	free(container->rootfs);
	free(container->image);
}

static void keep_engine(struct containers *all, const char *engine)
{
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->list[i].engine, engine) == 0)
			all->list[kept++] = all->list[i];
		else
			free_container(&all->list[i]);
	}
	all->count = kept;
}

static int compare_names(const void *left, const void *right)
{
	const struct ctckpt_container *a = left, *b = right;

	return strcmp(a->name, b->name);
}

int ctckpt_list(const char *engine, struct ctckpt_container **ret_containers, size_t *ret_count,
		struct err *err)
{
	struct containers all = { .list = NULL };
	int r = add_registered(&all, err);

	if (r == 0 && (!engine || strcmp(engine, "ctckpt") != 0))
		r = add_others(&all, err);
	if (r < 0) {
		ctckpt_list_free(all.list, all.count);
		return r;
	}
	if (engine)
		keep_engine(&all, engine);
	if (all.count > 0)
		qsort(all.list, all.count, sizeof(*all.list), compare_names);
	*ret_containers = all.list;
	*ret_count = all.count;
	return 0;
}

void ctckpt_list_free(struct ctckpt_container *containers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free_container(&containers[i]);
	free(containers);
}
