/* Which cgroup can freeze a target, and nothing else. See cgroup.h.
 *
 * It is the lowest one that holds all tasks of the target. It does not count when it holds any
 * other task: to freeze that would stop strangers, often the user's own shell. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/procfs.h"
#include "target/cgroup.h"
#include "target/process.h"

static const char *control_file(enum freezer_form form)
{
	return form == FREEZER_V1 ? "freezer.state" : "cgroup.freeze";
}

bool cgroup_is_frozen(enum freezer_form form, int dir)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	const char *at;

	if (form == FREEZER_V1)
		return procfs_read(dir, "freezer.state", &text, &err) == 0 &&
		       strcmp(text.data, "FROZEN\n") == 0;
	if (procfs_read(dir, "cgroup.events", &text, &err) < 0)
		return false;
	at = strstr(text.data, "frozen ");
	return at && (at == text.data || at[-1] == '\n') && at[strlen("frozen ")] == '1';
}

/* The root of a hierarchy has no such file. */
static bool can_write(enum freezer_form form, int dir)
{
	auto_close int fd = openat(dir, control_file(form), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0;
}

/* Of a process; NULL if it has none that can be seen, or has ended. */
static char *path_of(pid_t pid, enum freezer_form form)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct err err = ERR_NONE;
	char *path = NULL;

	if (procfs_open_pid(pid, &proc, &err) < 0 || procfs_read(proc, "cgroup", &text, &err) < 0)
		return NULL;
	return cgroup_path_parse(text.data, form, &path, &err) < 0 ? NULL : path;
}

/* A zombie is in no cgroup that matters (v1 moves it to the root). */
static bool has_ended(pid_t pid)
{
	struct process process;
	struct err err = ERR_NONE;

	return process_read_pid(pid, &process, &err) < 0 || process.state == 'Z' ||
	       process.state == 'X';
}

struct candidate {
	const struct target *target;
	enum freezer_form form;
	const struct cgroup_mount *mount;
	char *path; /* owned */
	int dir;
};

static void candidate_free(struct candidate *c)
{
	free(c->path);
	cleanup_close(&c->dir);
}

static bool is_below(const struct candidate *c, pid_t pid)
{
	auto_free char *path = path_of(pid, c->form);
	auto_free char *place = path ? cgroup_map_path(c->mount, path) : NULL;
	size_t length = strlen(c->path);

	return place && strncmp(place, c->path, length) == 0 &&
	       (place[length] == '/' || place[length] == '\0');
}

enum verdict { IS_TOO_SMALL, IS_EXACT, HAS_STRANGERS };

/* The cgroup is listed first: whoever is in it and not in the later list of the target's tasks is
 * a stranger, or has ended. */
static int compare(const struct candidate *c, enum verdict *ret_verdict, struct err *err)
{
	auto_free pid_t *held = NULL, *wanted = NULL;
	size_t held_count = 0, wanted_count = 0;
	int r = cgroup_tasks(c->dir, &held, &held_count, err);

	if (r == 0)
		r = target_tasks(c->target, &wanted, &wanted_count, err);
	if (r < 0)
		return r;
	*ret_verdict = HAS_STRANGERS;
	for (size_t i = 0; i < held_count; i++) {
		if (held[i] == 0 ||
		    (!pids_have(wanted, wanted_count, held[i]) && !has_ended(held[i])))
			return 0;
	}
	*ret_verdict = IS_TOO_SMALL;
	for (size_t i = 0; i < wanted_count; i++) {
		if (!pids_have(held, held_count, wanted[i]) && !is_below(c, wanted[i]) &&
		    !has_ended(wanted[i]))
			return 0;
	}
	*ret_verdict = IS_EXACT;
	return 0;
}

static bool go_up(struct candidate *c)
{
	char *slash = strrchr(c->path, '/');

	if (!slash || (size_t)(slash - c->path) <= strlen(c->mount->point))
		return false;
	*slash = '\0';
	return true;
}

/* 1: found. */
static int try_mount(struct target *target, const struct cgroup_mount *mount, struct err *err)
{
	auto_with(candidate_free) struct candidate c = { target, mount->form, mount, NULL, -1 };
	auto_free char *path = path_of(target->init, mount->form);

	c.path = path ? cgroup_map_path(mount, path) : NULL;
	if (!c.path || strcmp(c.path, mount->point) == 0)
		return 0;
	do {
		enum verdict verdict = HAS_STRANGERS;
		int r;

		drop_fd(&c.dir);
		r = cgroup_open(c.path, &c.dir, err);
		if (r == 0 && !can_write(c.form, c.dir))
			return 0;
		if (r == 0)
			r = compare(&c, &verdict, err);
		if (r < 0)
			return r;
		if (verdict == HAS_STRANGERS)
			return 0;
		if (verdict == IS_EXACT) {
			target->freezer = c.form;
			target->cgroup = take_fd(&c.dir);
			target->cgroup_path = take_ptr(c.path);
			return 1;
		}
	} while (go_up(&c));
	return 0;
}

int cgroup_find_freezer(struct target *target, struct err *err)
{
	static const enum freezer_form forms[] = { FREEZER_V1, FREEZER_V2 };
	struct cgroup_mount *mounts = NULL;
	size_t count = 0;
	int r = cgroup_mounts_get(&mounts, &count, err);

	for (size_t i = 0; r == 0 && i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (size_t j = 0; r == 0 && j < count; j++) {
			struct err why = ERR_NONE;

			if (mounts[j].form != forms[i])
				continue;
			r = try_mount(target, &mounts[j], &why);
			if (r < 0) {
				log_debug("%s: no freezer: %s", target->name, why.text);
				r = 0;
			}
		}
	}
	cgroup_mounts_free(mounts, count);
	return r < 0 ? r : 0;
}
