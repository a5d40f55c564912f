/* The state of a container as the OCI runtime specification gives it to hooks, and the annotations
 * that are for us. Whoever started the container wrote them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "core/json.h"
#include "oci/config.h"

/* When checkpoints are made. */
struct hook_times {
	bool on_start;
	bool on_signal;
	uint64_t every; /* seconds; 0: not */
};

struct hook_annotations {
	char *name;    /* owned; fit for the registry; NULL */
	char *images;  /* owned; an absolute path; NULL */
	char *restore; /* owned; an absolute path; NULL */
	/* Of a container that is restored: what it was to have; by precreate. */
	uint64_t caps[OCI_CAP_SETS];
	uint32_t uid;	/* 0: any id */
	uint32_t *gids; /* owned */
	size_t gid_count;
	struct hook_times times;
	uint32_t keep; /* images */
};
#define HOOK_KEEP_DEFAULT 3

struct hook_state {
	char *id;	 /* owned; letters, digits and "_+-.", no path */
	char *bundle;	 /* owned; an absolute path; NULL */
	pid_t pid;	 /* 0: none is there any more */
	bool is_running; /* its program has been executed */
	struct hook_annotations annotations;
};

#define HOOK_STATE_NONE ((struct hook_state){ .id = NULL })

/* `text` is what a hook reads. */
int hook_state_parse(const char *text, size_t size, struct hook_state *ret_state, struct err *err);
void hook_state_free(struct hook_state *state);
#define auto_hook_state __attribute__((cleanup(hook_state_free)))
/* The ctckpt name of the container: as annotated, or else its id, if that can be one; else NULL. */
const char *hook_state_name(const struct hook_state *state);

/* Of a state or of a configuration; `annotations` NULL: there are none. */
int hook_annotations_parse(const struct json *annotations, struct hook_annotations *ret_annotations,
			   struct err *err);
void hook_annotations_free(struct hook_annotations *annotations);
#define auto_hook_annotations __attribute__((cleanup(hook_annotations_free)))
bool hook_times_are_set(const struct hook_times *times);
/* org.ctckpt.restore.user: "1000:1000+27:0:0:0", user, groups, and the capabilities that it may
 * have permitted, inheritable and ambient. */
char *hook_user_print(uint32_t uid, const uint32_t *gids, size_t gid_count, const uint64_t *caps);
/* "every:30s+on-start": s, m, h; or with commas, at which podman cuts. */
int hook_times_parse(const char *text, struct hook_times *ret_times, struct err *err);
