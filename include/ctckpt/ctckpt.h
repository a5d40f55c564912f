/* ctckpt: checkpoint and restore of whole containers, without privilege.
 *
 * Every call returns 0 or a negative code (see core/err.h: it tells the exit status) with the
 * reason in *err. Strings and descriptors passed in are borrowed unless it says otherwise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "image/image.h"
#include "policy/plan.h"

/* Times in microseconds, sizes in pages or bytes; the words are those of CRIU's statistics. */
struct ctckpt_stats {
	uint64_t freezing_time;
	uint64_t frozen_time;
	uint64_t memdump_time;
	uint64_t memwrite_time;
	uint64_t pages_scanned;
	uint64_t pages_written;
	uint64_t forking_time;
	uint64_t restore_time;
	uint64_t image_size;
	uint32_t tasks;	  /* processes */
	uint32_t threads; /* of all of them */
};

struct ctckpt_progress {
	uint64_t done;	/* bytes */
	uint64_t total; /* bytes */
};
typedef void ctckpt_progress_fn(void *argument, const struct ctckpt_progress *progress);

struct ctckpt_run_options {
	const char *name;   /* NULL: one is made up */
	const char *rootfs; /* NULL: the invoker's view of the file system */
	const char *hostname;
	const char *userns;	    /* "keep-id", "auto", or NULL: see ctckpt-run(1) */
	const char *seccomp;	    /* a profile in JSON; NULL: none */
	const char *const *volumes; /* "SOURCE:DIR", "SOURCE:DIR:ro"; ends with NULL; or NULL */
	const char *const *tmpfs;   /* directories for new file systems; likewise */
	char *const *command;	    /* argv */
	bool detach;
	const char *log; /* detached: stdout and stderr go here; NULL: /dev/null */
	const char *pid_file;
	bool tty;		    /* a terminal of its own, which the caller's is connected to */
	const char *console_socket; /* detached: its master goes there instead; may be NULL */
};
struct ctckpt_run_result {
	char name[65];
	pid_t init;
	int status; /* not detached: as of wait(2) */
};
int ctckpt_run(const struct ctckpt_run_options *options, struct ctckpt_run_result *ret_result,
	       struct err *err);

struct ctckpt_freeze_result {
	uint32_t tasks;
	uint32_t threads;
	uint64_t freezing_time; /* microseconds */
	bool was_frozen;	/* it was frozen already */
	bool has_holder;	/* kept by a holder process, not by a cgroup */
};
int ctckpt_freeze(const char *name, struct ctckpt_freeze_result *ret_result, struct err *err);
int ctckpt_thaw(const char *name, struct ctckpt_freeze_result *ret_result, struct err *err);

enum ctckpt_after { CTCKPT_STOP, CTCKPT_LEAVE_RUNNING, CTCKPT_LEAVE_STOPPED };

struct ctckpt_checkpoint_options {
	const char *name;
	const char *image; /* a path; "-": to fd */
	int fd;		   /* for "-" */
	bool force;	   /* replace an image that is there */
	enum ctckpt_after after;
	bool tcp_close; /* TCP connections that lead out of the container are restored as closed */
	bool tcp_established; /* likewise, but kept: not both */
	bool external; /* descriptors that lead out of it are given again by whoever restores */
	/* Files that are carried along: "/a,/b/c"; "": what the upper directory of an overlay has
	 * that is the container's root; NULL: none. */
	const char *file_system;
	enum image_compression compression;
	int compression_level;	      /* 0: the library's default */
	ctckpt_progress_fn *progress; /* may be NULL */
	void *progress_argument;
};
int ctckpt_checkpoint(const struct ctckpt_checkpoint_options *options,
		      struct ctckpt_stats *ret_stats, struct err *err);

/* A container that an engine has made for a restore: its first task only waits. */
#define RESTORE_WAITER "/.ctckpt-init" /* that program, in the container */
struct ctckpt_join {
	pid_t pid;	      /* of the first task */
	uint64_t caps[5];     /* that its engine would let tasks have; order of /proc/PID/status */
	uint32_t uid;	      /* 0: tasks may have all ids of the container, else this one */
	const uint32_t *gids; /* then */
	size_t gid_count;
	const char *bundle; /* the engine's directory for it; NULL: not known */
	const char *filter; /* seccomp, installed in it: as of filter_print(); NULL: not known */
	/* Called when it cannot be done, while the container is still there; then it is killed. */
	void (*failed)(void *argument, const struct err *err);
	void *argument;
};

struct ctckpt_restore_options {
	const struct ctckpt_join *join; /* into this one; NULL: a fresh container */
	const char *image;		/* a path; "-": from fd */
	int fd;
	const struct image_limits *limits; /* NULL: image_limits_of_host() */
	const char *policy;		   /* a preset, or the path of a file */
	const char *plan;		   /* a file: nothing may be worse than in it; NULL */
	const char *name;   /* NULL: the saved one if it is free, else one is made up */
	const char *rootfs; /* NULL: as saved */
	const char *bundle; /* of OCI: the container is made by its config.json; NULL: none */
	const char *const *volumes; /* for mounts of the host, as of ctckpt_run_options */
	/* "[PID:]fdN=FD": descriptor FD takes the place of descriptor N; ends with NULL; or NULL.
	 * The descriptors are taken over, but for 0, 1 and 2. */
	const char *const *grants;
	const char *pid_file;
	bool detach;
	bool leave_frozen;    /* with detach only */
	bool tcp_established; /* TCP connections that lead out of the container are kept */
	bool file_system;     /* files of the image are put below `rootfs` */
	const char
	    *console_socket; /* for the master of the container's own terminal; may be NULL */
	ctckpt_progress_fn *progress; /* may be NULL */
	void *progress_argument;
	/* Told a line for whatever differs from the saved state and was not in the plan; may be
	 * NULL. */
	void (*note)(void *argument, const char *text);
	void *note_argument;
};
struct ctckpt_restore_result {
	char name[65];
	pid_t init;
	int status; /* not detached: as of wait(2) */
	struct ctckpt_stats stats;
};
int ctckpt_restore(const struct ctckpt_restore_options *options,
		   struct ctckpt_restore_result *ret_result, struct err *err);

/* As of ctckpt_restore_options. */
struct ctckpt_plan_options {
	const struct ctckpt_join *join;
	const char *image;
	int fd;
	const struct image_limits *limits;
	const char *policy; /* NULL: "strict", or "map" with a bundle, which has its own word */
	const char *rootfs;
	const char *bundle; /* with it, neither rootfs nor volumes are given */
	const char *const *volumes;
	const char *const *grants;
	bool
	    leave_frozen; /* what tcp_established needs may still come, before the container runs */
	bool tcp_established;
	bool file_system;
};
/* The decisions that restore would act on, given the same. *ret_image must outlive the plan. */
int ctckpt_plan(const struct ctckpt_plan_options *options, struct image **ret_image,
		struct plan **ret_plan, struct err *err);
