/* What is known of a container that was restored from a bundle, until it is deleted: a private file
 * NAME.oci beside the registry's entries. It stays when the container has ended, and has the hooks
 * that run when it is deleted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "oci/bundle.h"
#include "oci/hooks.h"

struct oci_state {
	char *version; /* owned, as all */
	char *id;
	char *bundle;
	char *rootfs;
	char *created; /* RFC 3339 */
	struct oci_pairs annotations;
	struct oci_hooks poststop;
	uint32_t pid;
	uint64_t start_time;
	char *boot_id;
	uint64_t pid_ns;
};
#define OCI_STATE_NONE ((struct oci_state){ .id = NULL })

/* -EEXIST if there is one of this name. */
int oci_state_write(const struct bundle *bundle, const char *id, pid_t pid, struct err *err);
/* -ENOENT: there is none. */
int oci_state_read(const char *id, struct oci_state *ret_state, struct err *err);
/* An error if there is one. */
int oci_state_check_free(const char *id, struct err *err);
/* Whoever removes it, runs the hooks: 1; 0 if another one was faster. */
int oci_state_remove(const char *id, struct err *err);
void oci_state_free(struct oci_state *state);
#define auto_oci_state __attribute__((cleanup(oci_state_free)))
bool oci_state_lives(const struct oci_state *state);
struct oci_status oci_state_status(const struct oci_state *state, const char *status, pid_t pid);
