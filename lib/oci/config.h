/* config.json of an OCI bundle (opencontainers runtime-spec 1.0 and 1.1), as far as Linux goes.
 *
 * A bundle is believed as its owner is: the file must belong to the invoker or to root, and nobody
 * else may be able to write it. What is wrong in it is an error that says where it stands,
 * "FILE:LINE:COLUMN: reason"; keys that are not known are passed over, as the specification wants
 * it. Knows nothing of containers that run: whoever needs a config may include it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "core/err.h"

struct json;

/* Ends with NULL, or is NULL. */
struct oci_texts {
	char **list; /* owned, each and all */
	size_t count;
};

/* Texts that may be missing are NULL. All are owned, here and in the following. */
struct oci_mount {
	char *point; /* absolute, without ".", ".." and double slashes */
	char *type;
	char *source;
	struct oci_texts options;
	bool has_own_ids; /* idmapped */
};

struct oci_hook {
	char *path; /* absolute */
	struct oci_texts args;
	struct oci_texts env;
	uint32_t timeout; /* seconds; 0: none */
};

struct oci_hooks {
	struct oci_hook *list;
	size_t count;
};

/* In the order in which they come. */
enum oci_stage {
	OCI_PRESTART,
	OCI_CREATE_RUNTIME,
	OCI_CREATE_CONTAINER,
	OCI_START_CONTAINER,
	OCI_POSTSTART,
	OCI_POSTSTOP,
	OCI_STAGES,
};
/* "createRuntime", ... */
const char *oci_stage_name(enum oci_stage stage);

struct oci_pair {
	char *key;
	char *value;
};

struct oci_pairs {
	struct oci_pair *list;
	size_t count;
};

struct oci_namespace {
	char *type; /* "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time" */
	char *path; /* NULL: a new one */
};

struct oci_map {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

struct oci_ids {
	uint32_t *list;
	size_t count;
};

struct oci_maps {
	struct oci_map *list;
	size_t count;
};

struct oci_device {
	char *path; /* as of a mount point */
	char type;  /* 'c', 'b', 'u' or 'p' */
	uint32_t major, minor;
	uint32_t mode; /* 0666, if it does not say */
	uint32_t uid, gid;
};

struct oci_limit {
	bool is_given;
	uint64_t soft;
	uint64_t hard;
};

/* As in /proc/PID/status. */
enum oci_cap_set {
	OCI_INHERITABLE,
	OCI_PERMITTED,
	OCI_EFFECTIVE,
	OCI_BOUNDING,
	OCI_AMBIENT,
	OCI_CAP_SETS
};

struct oci_config {
	char *version;
	char *rootfs; /* as it is there: maybe relative to the bundle */
	bool is_rootfs_read_only;
	char *hostname;
	char *domainname;
	struct oci_mount *mounts;
	size_t mount_count;
	struct oci_pairs annotations;
	struct oci_hooks hooks[OCI_STAGES];

	/* process */
	bool has_process;
	bool has_terminal;
	struct oci_texts args;
	struct oci_texts env;
	char *cwd;
	uint32_t uid, gid;
	struct oci_ids groups;	     /* besides the gid */
	uint64_t caps[OCI_CAP_SETS]; /* capabilities that this program does not know are left out */
	struct oci_limit limits[RLIM_NLIMITS];
	bool no_new_privs;
	bool has_oom_score_adj;
	int oom_score_adj;

	struct oci_texts unapplied; /* "process.scheduler": what nobody heeds */

	/* linux */
	struct oci_namespace *namespaces;
	size_t namespace_count;
	struct oci_maps uid_map;
	struct oci_maps gid_map;
	struct oci_device *devices;
	size_t device_count;
	struct oci_texts masked;    /* absolute paths, as mount points */
	struct oci_texts read_only; /* likewise */
	struct oci_pairs sysctls;
	char *propagation; /* of the root */
	char *cgroup;
	char *seccomp;	 /* the object as JSON text, for confine_compile(); NULL: no filter */
	bool has_limits; /* linux.resources says more than which devices are allowed */
};

/* Larger files are not read. */
#define OCI_CONFIG_MAX (4u << 20)

/* config.json in the directory `bundle`. ERR_USAGE for what is wrong in it; ERR_REFUSED if it is
 * not to be believed. */
int oci_config_read(const char *bundle, struct oci_config **ret_config, struct err *err);
/* The same of a file with any name. */
int oci_config_read_file(const char *path, struct oci_config **ret_config, struct err *err);
/* The same of a text; `name` is what errors call it. */
int oci_config_parse(const char *name, const char *text, size_t size,
		     struct oci_config **ret_config, struct err *err);
void oci_config_free(struct oci_config *config);
static inline void oci_config_cleanup(struct oci_config **config)
{
	oci_config_free(*config);
}
#define auto_oci_config __attribute__((cleanup(oci_config_cleanup)))
