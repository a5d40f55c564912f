/* Parts of ctckpt_oci_hook(); see ctckpt-hooks(7). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "oci/hook_state.h"
#include "target/target.h"

/* hook.c: a line in the log of hooks, in the registry's directory, for who sees no standard error
 * of ours. */
void hook_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* hook_environment.c: the registry must be the one where the invoker's own `ctckpt ps` looks, but
 * engines call hooks with an environment that may be empty: then it is taken from who called us. */
void hook_take_environment(void);

/* What annotations may ask for: who writes them need not be who runs the engine. */
struct hook_bounds {
	const char *below; /* directories and images lie below it */
	bool may_restore;  /* from any image there */
	uint64_t least;	   /* seconds between checkpoints */
	uint32_t most;	   /* images */
	bool by_name;	   /* images of containers that had the name before count, and go, too */
};

/* hook_register.c: an entry for the container of the state, as /proc knows it. One that is there
 * already is fine. */
int hook_register(const struct hook_state *state, struct err *err);
/* The container is gone: so are its entry and its timer. */
int hook_forget(const struct hook_state *state, struct err *err);
/* Has the container's own program been executed? Not by engines that only create it. */
bool hook_has_started(const struct registry_entry *entry);
/* The process that makes its checkpoints, as a pidfd; -1: there is none any more. */
int hook_open_timer(const struct registry_entry *entry);

/* hook_timer.c: arms the checkpoints that are asked for. */
int hook_arm(const struct hook_state *state, const struct hook_bounds *bounds, struct err *err);

/* hook_images.c: a directory that an annotation names: private to the invoker, reached by no link,
 * below `below`; made if only its last component is missing. */
int hook_open_images(const char *path, const char *below, int *ret_dir, struct err *err);
/* What the names of a container's files begin with: its name and its id, so that none is taken for
 * that of another one which is called so, now or later. Owned. */
int hook_file_stem(const char *name, const char *id, char **ret_stem, struct err *err);
/* The name of the next image. Owned. */
int hook_next_image(int dir, const char *stem, char **ret_file, struct err *err);
/* Removes all images of `stem` but the last `keep`. */
int hook_prune_images(int dir, const char *stem, uint32_t keep, struct err *err);
/* Besides that, of containers which were called `name` before, the oldest images, until `keep` are
 * there in all. */
int hook_prune_former(int dir, const char *name, const char *stem, uint32_t keep, struct err *err);
/* An image for reading, likewise. */
int hook_open_image(const char *path, const char *below, int *ret_fd, struct err *err);

/* hook_waiter.c: the program that waits for a restore; see share/waiter.c. Owned. */
int hook_find_waiter(char **ret_path, struct err *err);
/* Is it what this process executes? */
bool hook_is_waiter(pid_t pid);

/* hook_restore.c: is it allowed at all? */
int hook_check_restore(const struct hook_bounds *bounds, struct err *err);
/* In the background, the container becomes what was saved in an image. */
int hook_restore(const struct hook_state *state, const struct hook_bounds *bounds, struct err *err);
/* hook_background.c: a process on its own, which keeps none of our descriptors but these: they get
 * other numbers. 0 in it, its pid for us. */
pid_t hook_fork(int *const *fds, size_t count, struct err *err);

/* hook_precreate.c: *ret_changed (owned) stays NULL where there is nothing to change. */
int hook_precreate(const char *text, size_t size, const struct hook_bounds *bounds,
		   char **ret_changed, struct err *err);
