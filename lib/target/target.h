/* A name becomes a container: its init (or the root of a tree), its cgroup, its namespaces.
 * /proc is believed, never a record of an engine or our own, but for where to look. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

enum target_form {
	TARGET_CONTAINER, /* the init of a pid namespace below ours, and all in that namespace */
	TARGET_TREE,	  /* a task and its descendants in our own pid namespace */
};

enum freezer_form { FREEZER_NONE, FREEZER_V1, FREEZER_V2 };

struct target {
	char *name;    /* owned: the ctckpt name, or what the user said */
	char *rootfs;  /* owned; NULL: none of its own, or its engine does not say where */
	bool has_root; /* the root is not the host's view */
	enum target_form form;
	pid_t init;	     /* outer pid */
	uint64_t start_time; /* of init, clock ticks since boot */
	int pidfd;
	enum freezer_form freezer;
	int cgroup;	    /* directory descriptor of the cgroup to freeze; -1 without one */
	char *cgroup_path;  /* owned; absolute, for messages; NULL without one */
	bool is_registered; /* it has a ctckpt name */
	bool is_hooked;	    /* that it has from a hook: another engine has started it */
	char *seccomp;	    /* owned; see struct registry_entry; NULL: not known */
	/* Of a container that another engine started, else NULL: */
	const char *engine; /* see struct engine_container, also for the following */
	char *engine_id;    /* owned */
	char *engine_name;  /* owned; what the engine's users call it */
	char *bundle;	    /* owned; may be NULL */
};

#define TARGET_NONE ((struct target){ .pidfd = -1, .cgroup = -1 })

/* Finds the container called `name`: pid:N, cgroup:PATH, ENGINE:NAME; else a ctckpt name, or one
 * that another engine knows it by (engine.h). Ambiguity and dead containers are errors. The freezer
 * is set only when the cgroup holds every task of the container and none from outside of it, and
 * the invoker may write it. */
int target_find(const char *name, struct target *ret_target, struct err *err);
void target_free(struct target *target);
#define auto_target __attribute__((cleanup(target_free)))

/* All tasks that belong to the target right now, outer pids of processes (not threads), in
 * rising order; zombies too. Owned by the caller. */
int target_tasks(const struct target *target, pid_t **ret_pids, size_t *ret_count, struct err *err);

/* ---- the registry of ctckpt names: $XDG_RUNTIME_DIR/ctckpt, /run/ctckpt for root, else
 * /tmp/ctckpt-UID; 0700, and owned by the invoker, or an error ---- */

struct registry_entry {
	char *name;
	pid_t init;
	uint64_t start_time;
	char *cgroup_path; /* NULL: none; of a cgroup that ctckpt made, to be removed with it */
	char *rootfs;	   /* NULL: none */
	char *image;	   /* restored from; NULL: started by run */
	char *seccomp; /* the filter that all of it has, as filter_print() says it; NULL: none */
	/* Of another engine's container, by its hooks; NULL and 0 for ours. What they say is for
	 * people to read. */
	char *runtime;
	char *id;
	char *bundle;
	char *cgroups; /* as /proc/PID/cgroup says them */
	/* Inode and device of its executable before that of the container's program; 0: not known.
	 */
	uint64_t starter, starter_device;
	pid_t timer; /* who makes checkpoints of it; 0: nobody */
	uint64_t timer_start_time;
};

/* [A-Za-z0-9][A-Za-z0-9_.-]{0,63} */
bool registry_name_is_valid(const char *name);
/* Adds an entry, in place of one of that name for the same container; -EEXIST if another one that
 * lives has the name. */
int registry_add(const struct registry_entry *entry, struct err *err);
/* In place of the entry of that name, if it is of the same container; -ENOENT if there is none. */
int registry_replace(const struct registry_entry *entry, struct err *err);
/* The entry, whether its container lives or not. -ENOENT: there is none. */
int registry_read(const char *name, struct registry_entry *ret_entry, struct err *err);
void registry_entry_free(struct registry_entry *entry);
/* Its cgroup too, once the container is dead. Fine if there is no such entry. */
int registry_remove(const char *name, struct err *err);
/* The same, unless by now another container has the name. */
int registry_remove_of(const char *name, pid_t init, uint64_t start_time, struct err *err);
/* Whose registry it is: the effective user, as who made our user namespace sees him. */
uid_t registry_uid(void);
/* The path of a file in the registry's directory, which is made if need be. Owned. */
int registry_file_path(const char *file, char **ret_path, struct err *err);
/* Entries of living containers. Dead ones are dropped, and their cgroups removed. */
int registry_list(struct registry_entry **ret_entries, size_t *ret_count, struct err *err);
void registry_list_free(struct registry_entry *entries, size_t count);
/* No file of the registry's has it, be it of a container that has ended and was not deleted. */
bool registry_name_is_free(const char *name);
/* A name that is not in use: an adjective, a dash, a noun, a number if need be. Owned. */
int registry_new_name(char **ret_name, struct err *err);
/* What registry_socket_path() calls this target. Owned. */
char *target_socket_name(const struct target *target);
/* The path of the socket where a holder keeps this container frozen. Owned. */
int registry_socket_path(const char *name, char **ret_path, struct err *err);
