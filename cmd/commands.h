/* What each command's file gives to the table in main.c: its settings, options and function. */
#pragma once

#include "cli.h"
#include "ctckpt/ctckpt.h"
#include "limits.h"
#include "output.h"

struct run_settings {
	const char *name;
	const char *rootfs;
	const char *hostname;
	const char *userns;
	const char *seccomp;
	const char **volumes;
	const char **tmpfs;
	const char *log;
	const char *pid_file;
	bool detach;
	bool tty;
	const char *console_socket;
};
extern const struct option_row run_options[];
/* As shells say it: 128 and the signal for a death by signal. */
int exit_status_of(int wait_status);
int cmd_run(struct invocation *inv, const void *settings, struct err *err);

/* Other places than the usual ones where engines keep their containers. */
void engine_roots_set(const char *const roots[]);
#define ENGINE_ROOT_ROW(destination)                                                               \
	{                                                                                          \
		"engine-root", 0, "DIR",                                                           \
		    "look for containers there, too: --root of runc, "                             \
		    "crun or podman",                                                              \
		    OPTION_LIST, destination, 0, NULL                                              \
	}
extern const struct option_row engine_root_options[]; /* of commands with nothing else */
struct engine_root_settings {
	const char **engine_roots;
};

struct ps_settings {
	const char **engine_roots;
	const char *engine;
	bool quiet;
};
extern const struct option_row ps_options[];
int cmd_ps(struct invocation *inv, const void *settings, struct err *err);

struct json *freeze_to_json(const struct ctckpt_freeze_result *result);
int cmd_freeze(struct invocation *inv, const void *settings, struct err *err);
int cmd_thaw(struct invocation *inv, const void *settings, struct err *err);

extern const char *const compression_words[]; /* by enum image_compression */
struct checkpoint_settings {
	const char **engine_roots;
	const char *output;
	bool force;
	int after;
	int tcp;
	bool external;
	const char *file_system;
	int compression;
	int level;
	bool print_stats;
	int progress_fd;
};
extern const struct option_row checkpoint_options[];
int cmd_checkpoint(struct invocation *inv, const void *settings, struct err *err);

extern const char *const policy_words[];
struct restore_settings {
	struct limit_settings reading;
	const char *policy;
	const char *plan;
	const char *name;
	const char *rootfs;
	const char *bundle;
	const char **volumes;
	const char **grants;
	const char *pid_file;
	bool detach;
	bool userns;
	bool leave_frozen;
	bool tcp_established;
	bool file_system;
	const char *console_socket;
	bool print_stats;
	int progress_fd;
};
extern const struct option_row restore_options[];
int cmd_restore(struct invocation *inv, const void *settings, struct err *err);

int cmd_state(struct invocation *inv, const void *settings, struct err *err);

struct kill_settings {
	bool all;
};
extern const struct option_row kill_options[];
int cmd_kill(struct invocation *inv, const void *settings, struct err *err);

struct delete_settings {
	bool force;
};
extern const struct option_row delete_options[];
int cmd_delete(struct invocation *inv, const void *settings, struct err *err);

struct plan_settings {
	struct limit_settings reading;
	const char *policy;
	const char *rootfs;
	const char *bundle;
	const char **volumes;
	const char **grants;
	bool tcp_established;
	bool file_system;
	bool leave_frozen;
	bool emit_policy;
	int color;
};
extern const struct option_row plan_options[];
int cmd_plan(struct invocation *inv, const void *settings, struct err *err);

int cmd_policy(struct invocation *inv, const void *settings, struct err *err);

struct inspect_settings {
	struct limit_settings reading;
	int section;
};
extern const struct option_row inspect_options[];
int cmd_inspect(struct invocation *inv, const void *settings, struct err *err);

struct verify_settings {
	struct limit_settings reading;
};
extern const struct option_row verify_options[];
int cmd_verify(struct invocation *inv, const void *settings, struct err *err);

struct export_settings {
	struct limit_settings reading;
};
extern const struct option_row export_options[];
int cmd_export(struct invocation *inv, const void *settings, struct err *err);

struct import_settings {
	struct limit_settings reading;
	const char *output;
	bool force;
};
extern const struct option_row import_options[];
int cmd_import(struct invocation *inv, const void *settings, struct err *err);

int cmd_check(struct invocation *inv, const void *settings, struct err *err);
int cmd_kinds(struct invocation *inv, const void *settings, struct err *err);
int cmd_completion(struct invocation *inv, const void *settings, struct err *err);

struct oci_hook_settings {
	const char *below;
	int least;
	int most;
	bool by_name;
};
extern const struct option_row oci_hook_options[];
int cmd_oci_hook(struct invocation *inv, const void *settings, struct err *err);
