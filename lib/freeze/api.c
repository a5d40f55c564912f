/* Freezing and thawing by name. See ctckpt.h and freeze.h. */
#include "freeze/api.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "freeze/freezer.h"
#include "target/target.h"

static uint32_t count_threads(pid_t pid)
{
	char path[32];
	auto_closedir DIR *list = NULL;
	const struct dirent *entry;
	uint32_t count = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	list = opendir(path);
	while (list && (entry = readdir(list)))
		count += entry->d_name[0] != '.';
	return count;
}

static int count_all(const struct target *target, struct ctckpt_freeze_result *result,
		     struct err *err)
{
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = target_tasks(target, &pids, &count, err);

	if (r < 0)
		return r;
	result->tasks = (uint32_t)count;
	for (size_t i = 0; i < count; i++)
		result->threads += count_threads(pids[i]);
	return 0;
}

static int freeze_by_cgroup(const struct target *target, struct ctckpt_freeze_result *result,
			    struct err *err)
{
	uint64_t start = clock_us();
	int r = freezer_is_frozen(target, &result->was_frozen, err);

	if (r == 0)
		r = freezer_freeze(target, err);
	if (r < 0)
		return r;
	result->freezing_time = clock_us() - start;
	return count_all(target, result, err);
}

static void take_status(struct ctckpt_freeze_result *result, const struct holder_status *status)
{
	result->has_holder = true;
	result->tasks = status->tasks;
	result->threads = status->threads;
	result->freezing_time = status->freezing_time;
}

/* -ENOENT: there is none. */
static int ask_holder(const struct target *target, enum holder_verb verb,
		      struct ctckpt_freeze_result *result, struct err *err)
{
	auto_close int fd = -1;
	auto_buf struct buf reply = BUF_EMPTY;
	struct holder_status status;
	int r = holder_connect(target, &fd, err);

	if (r == 0)
		r = holder_request(fd, verb, NULL, 0, NULL, 0, &reply, err);
	if (r < 0)
		return r;
	if (reply.size != sizeof(status))
		return err_set(err, -EPROTO, "reply of the holder");
	memcpy(&status, reply.data, sizeof(status));
	take_status(result, &status);
	result->was_frozen = true;
	return 0;
}

static int freeze_by_holder(const struct target *target, holder_serve_fn *serve,
			    struct ctckpt_freeze_result *result, struct err *err)
{
	struct holder_status status;
	int r = ask_holder(target, HOLDER_STATUS, result, err);

	if (r != -ENOENT)
		return r;
	r = holder_start(target, serve, &status, err);
	if (r == 0)
		take_status(result, &status);
	return r;
}

int freeze_container(const char *name, holder_serve_fn *serve,
		     struct ctckpt_freeze_result *ret_result, struct err *err)
{
	struct ctckpt_freeze_result result = { 0 };
	auto_target struct target target = TARGET_NONE;
	int r = target_find(name, &target, err);

	if (r < 0)
		return r;
	r = freezer_of(&target) ? freeze_by_cgroup(&target, &result, err)
				: freeze_by_holder(&target, serve, &result, err);
	if (r == 0)
		*ret_result = result;
	return r;
}

static int thaw_by_cgroup(const struct target *target, struct ctckpt_freeze_result *result,
			  struct err *err)
{
	bool is_frozen = false;
	int r = freezer_is_frozen(target, &result->was_frozen, err);

	if (r == 0)
		r = count_all(target, result, err);
	if (r == 0)
		r = freezer_thaw(target, err);
	if (r == 0 && target->freezer == FREEZER_V1)
		r = freezer_is_frozen(target, &is_frozen, err);
	if (r < 0 || !is_frozen)
		return r;
	(void)err_set(err, ERR_FAILED, "cgroup %s stays frozen by one above it",
		      target->cgroup_path);
	return err_hint(err, "thaw that one");
}

/* A container that runs already is no error. */
int ctckpt_thaw(const char *name, struct ctckpt_freeze_result *ret_result, struct err *err)
{
	struct ctckpt_freeze_result result = { 0 };
	auto_target struct target target = TARGET_NONE;
	int r = target_find(name, &target, err);

	if (r < 0)
		return r;
	/* A holder may be left from when the cgroup could not be used. */
	r = ask_holder(&target, HOLDER_THAW, &result, err);
	if (r == -ENOENT)
		r = freezer_of(&target) ? thaw_by_cgroup(&target, &result, err)
					: count_all(&target, &result, err);
	if (r == 0)
		*ret_result = result;
	return r;
}
