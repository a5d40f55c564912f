/* Containers of other engines: where each keeps what it knows of them, and how it is read.
 *
 * Engines leave files, and those are hints: a process is only believed to be a container's first
 * task if it has the start time that the file says, and what its cgroup is says /proc. Files and
 * the directories they are in must belong to the invoker or to root, and be writable by nobody
 * else; what belongs to others is passed over.
 *
 * The places are those that the engines use by themselves, and those that CTCKPT_ENGINE_ROOT names,
 * separated by colons: a state directory of runc or crun, or a storage directory of podman. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "target/target.h"

struct engine_container {
	const char *engine; /* "runc", "crun", "podman", "docker", "containerd", "lxc", "nspawn" */
	char *id;	    /* owned */
	char *name;	    /* owned; NULL: it has its id only */
	pid_t init;
	uint64_t start_time; /* of init; 0: the engine does not know */
	char *bundle;	     /* owned; the directory of its config.json; NULL: it has none */
	char *rootfs;	     /* owned; NULL: not known */
	bool is_waiting;     /* it was created, and not started yet */
};

#define ENGINE_CONTAINER_NONE ((struct engine_container){ .id = NULL })
void engine_container_free(struct engine_container *container);
#define auto_engine_container __attribute__((cleanup(engine_container_free)))

struct engine_list {
	struct engine_container *list; /* owned */
	size_t count;
};

void engine_list_free(struct engine_list *list);
#define auto_engine_list __attribute__((cleanup(engine_list_free)))

/* All that engines know, dead ones too. Fails only if a directory that the user named can't be
 * read, or is not to be believed. */
int engine_list_get(struct engine_list *ret_list, struct err *err);
/* As the user calls it. */
const char *engine_name(const struct engine_container *container);
/* Its first task is there, and is the one that was recorded. */
bool engine_lives(const struct engine_container *container);
/* "runc" of "runc:web" is the name of an engine, or "ctckpt": then *ret_engine and *ret_name are
 * set. */
bool engine_split(const char *text, const char **ret_engine, const char **ret_name);
/* The living container that is called `name`, by the engine (NULL: by any): a whole name or id, or
 * the beginning of an id of 64 digits. Points into the list. -ENOENT: there is none; else an error
 * that the user understands. */
int engine_find(const struct engine_list *list, const char *engine, const char *name,
		const struct engine_container **ret_container, struct err *err);

/* As target_find(). */
int target_of_container(const struct engine_container *container, struct target *ret_target,
			struct err *err);

/* ---- for the engines ---- */

#define ENGINE_FILE_MAX ((size_t)4 << 20)

/* Takes the container over; one that is listed already is dropped. */
void engine_add(struct engine_list *list, struct engine_container *container);
/* Calls `each` with every entry of a directory that is to be believed. -ENOENT: it is not there. */
typedef void engine_entry_fn(struct engine_list *list, const char *directory, const char *entry);
int engine_scan(struct engine_list *list, const char *directory, engine_entry_fn *each,
		struct err *err);
/* What `parse` makes of an entry's file is a container of `engine`; what it does not understand is
 * logged. */
typedef int engine_parse_fn(const char *text, size_t size, const char *id,
			    struct engine_container *ret_container, struct err *err);
void engine_add_state(struct engine_list *list, const char *directory, const char *id,
		      const char *file, engine_parse_fn *parse, const char *engine);
/* A file, if it is to be believed; what keeps it from being read, but its absence, is logged. */
bool engine_read(const char *path, struct buf *ret_text);

/* Parsers take texts; *ret_container's strings are owned. */
int runc_state_parse(const char *text, size_t size, const char *id,
		     struct engine_container *ret_container, struct err *err);
int crun_status_parse(const char *text, size_t size, const char *id,
		      struct engine_container *ret_container, struct err *err);
/* Gives those of the list that are podman's their names. */
int podman_names_parse(const char *text, size_t size, struct engine_list *list, struct err *err);
/* The name of a container of docker's; owned. */
int docker_name_parse(const char *text, size_t size, char **ret_name, struct err *err);
/* *ret_unit is the unit of systemd that the container runs in; owned; NULL: not said. */
int nspawn_machine_parse(const char *text, struct engine_container *ret_container, char **ret_unit,
			 struct err *err);
/* Where storage.conf says that podman keeps its containers; owned; NULL: it does not say. */
char *storage_root_parse(const char *text, bool is_rootless);

/* Each adds the containers that are below a directory of its kind, or renames those in the list. */
int runc_scan(struct engine_list *list, const char *directory, struct err *err);
int crun_scan(struct engine_list *list, const char *directory, struct err *err);
int podman_scan(struct engine_list *list, const char *directory, struct err *err);
/* ... and in the places that the engine uses by itself. */
void runc_list(struct engine_list *list);
void crun_list(struct engine_list *list);
void docker_list(struct engine_list *list);
void podman_list(struct engine_list *list);
void lxc_list(struct engine_list *list);
void nspawn_list(struct engine_list *list);
/* $XDG_RUNTIME_DIR, or where it is by custom; owned. */
char *engine_runtime_directory(void);
