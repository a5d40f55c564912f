/* The plan: for every question, what was saved, what the invoker may give, what the policy
 * allows, and what comes out. plan and restore share it: restore acts on the answers only.
 *
 * effective = meet(saved, invoker, policy) in the lattice of the question's class. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "policy/bound.h"
#include "policy/classes.h"

enum outcome {
	OUTCOME_KEEP,
	OUTCOME_MAP,
	OUTCOME_CLAMP,
	OUTCOME_DROP,
	OUTCOME_INHERIT,
	OUTCOME_SUBSTITUTE,
	OUTCOME_REOPEN,
	OUTCOME_RECORD, /* by a policy that restores nothing */
	OUTCOME_REFUSE,
};
const char *outcome_name(enum outcome outcome);

/* The table of classes.h. Details:
 *   UID GID     0 real, 1 effective, 2 saved, 3 fs
 *   GROUPS      position in the list
 *   CAPS        0 inheritable, 1 permitted, 2 effective, 3 bounding, 4 ambient
 *   RLIMIT      2 * resource for the soft, + 1 for the hard limit
 *   AFFINITY    which 64-bit word of the mask
 *   others      which of several */
enum policy_class {
#define ENUMERATE(class, ...) CLASS_##class,
	POLICY_CLASSES(ENUMERATE)
#undef ENUMERATE
	    CLASS_COUNT,
};
const char *policy_class_name(enum policy_class class);
/* Files and device nodes: they have a path, and another one can be opened in their place. */
static inline bool policy_class_is_file(enum policy_class class)
{
	return class == CLASS_FILE || class == CLASS_DEVICE;
}

struct plan;
struct policy;
struct image;

/* What a kind asks. `saved` is in the class's own units; texts are for people. */
struct question {
	enum policy_class class;
	uint32_t id;	 /* of the record's object */
	uint32_t detail; /* see enum policy_class */
	uint64_t saved;
	uint64_t invoker; /* CLASS_FILE: 0, or the errno of the trial open; CLASS_SECCOMP: 1 if the
			   * image has the filter; CLASS_TCP: 1 if its network has the address;
			   * CLASS_GRANT: enum grant_fit */
	const char *path; /* of a file, in the container; NULL: it has none */
	uint32_t type;	  /* of a file: S_IFREG, ...; 0: unknown */
	bool is_descriptor;	  /* an open file, in whose place another could be opened */
	const char *subject;	  /* "caps.effective", "fd 5", ...; NULL: made by the class */
	const char *saved_text;	  /* NULL: made from `saved` by the class */
	const char *invoker_text; /* NULL: likewise */
};

struct decision {
	enum policy_class class;
	uint32_t id;
	uint32_t detail;
	enum outcome outcome;
	bool from_outside;  /* only the tracer can set it, by a capability of the invoker's */
	uint64_t effective; /* what restore sets */
	uint64_t saved;
	uint64_t invoker;
	uint32_t task;	  /* id of the task it belongs to; 0: the container */
	uint32_t type;	  /* of a file: S_IFREG, ...; 0: unknown */
	const char *path; /* of a file, in the container; NULL: it has none */
	bool is_descriptor;
	const char *with; /* SUBSTITUTE: the path that takes its place; the policy's */
	pid_t pid;	  /* of its task, in the container; 0: it has none */
	const char *comm; /* likewise; NULL */
	/* Texts belong to the plan, and hold whatever the image says: escape them to print them. */
	const char *subject;	/* NULL: the class and detail say it */
	const char *saved_text; /* NULL: made from the value, as the next */
	const char *invoker_text;
	const char *effective_text;
	const char *rule;   /* "strict/caps" */
	const char *reason; /* why it is not kept, where that needs saying, or NULL */
	const char *remedy; /* what the invoker could do about it, or NULL */
};

/* A descriptor that the invoker gives for one that was saved. */
struct host_grant {
	uint32_t id; /* the saved open file description */
	int fd;	     /* our duplicate, borrowed */
	int number;  /* as the invoker calls it */
};

/* What the invoker says of files that the image carries. */
enum files_offer {
	FILES_REFUSED,
	FILES_TAKEN,
	FILES_TOO_MANY, /* more large ones than he may have open */
};

/* What there is for a mount of the host, or one in memory. */
enum mount_offer {
	MOUNT_UNNAMED,
	MOUNT_OFFERED,
	MOUNT_NO_MEMORY, /* an engine's container has none there */
};

/* What CLASS_CPU asks about: a part of the processor. */
enum cpu_need {
	CPU_MISSING,
	CPU_CHOSEN, /* programs may have chosen to use it */
	CPU_IN_USE, /* it is in their registers */
};

/* Can it take the place of what was saved? */
enum grant_fit {
	GRANT_FITS,
	GRANT_ABSENT, /* none is given, and nothing else will do */
	GRANT_TYPE,   /* it is something else */
	GRANT_ACCESS, /* it was opened for less */
	GRANT_ALONE,  /* it is not connected */
	GRANT_SHORT,  /* a file that ends before the saved position */
};

/* What a unix socket that leads outside, of CLASS_SOCKET, could be connected with again. */
enum socket_target {
	SOCKET_TARGET_NONE,
	SOCKET_TARGET_MESSAGES,	  /* a path that takes single messages */
	SOCKET_TARGET_CONNECTION, /* a path: nothing that was said is known there */
};

/* One line of a user namespace's map. */
struct id_map {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

/* What the invoker has and this host can do; gathered once by trying. */
struct host_facts {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned */
	size_t group_count;
	struct id_range *uid_ranges; /* owned: from /etc/subuid, if newuidmap is there */
	size_t uid_range_count;
	struct id_range *gid_ranges;
	size_t gid_range_count;
	uint64_t hard_limits[16];
	uint64_t bounding;  /* capabilities */
	uint64_t permitted; /* likewise, in the invoker's own user namespace */
	uint64_t host_caps; /* those that count on the host itself: in the initial user namespace */
	uint64_t known_caps; /* all that this kernel has: what the owner of a new namespace holds */
	int nice;
	int lowest_nice;      /* that may be set in a new user namespace */
	bool is_idle;	      /* SCHED_IDLE, and its limit of niceness lets nothing else be set */
	uint32_t rt_policy;   /* SCHED_FIFO or SCHED_RR, if that is the invoker's; else 0 */
	uint32_t rt_priority; /* then */
	int oom_score_adj;
	bool no_new_privs;
	char *label;	    /* owned: of a security module; NULL: there is none */
	uint32_t login_uid; /* UINT32_MAX: none */
	int seccomp;	    /* 0, or 2: a filter that every child inherits */
	uint64_t securebits;
	uint64_t known_securebits;
	uint64_t *cpus; /* owned: mask of the CPUs that may be used */
	size_t cpu_words;
	char *cgroup;	/* owned: the v2 cgroup below which there can be one; NULL: none */
	bool is_root;	/* in the initial user namespace, with CAP_SYS_ADMIN */
	char **volumes; /* owned, each and all: where the invoker mounts directories of the host */
	size_t volume_count;
	int root; /* the root directory of the container, borrowed; 0: the invoker's */
	struct host_grant *grants; /* owned */
	size_t grant_count;
	/* The ids of the invoker's own user namespace, and whether all of them may be mapped. */
	struct id_range *own_uids; /* owned */
	size_t own_uid_count;
	struct id_range *own_gids; /* owned */
	size_t own_gid_count;
	bool may_map_all;
	/* The container is there: its mounts, network and cgroup are its engine's, and tasks get
	 * none of these capabilities. */
	bool is_joined;
	uint64_t denied_caps;
	bool is_setgroups_denied; /* by the invoker's own user namespace */
	bool keeps_connections;	  /* that lead outside: it was asked for */
	bool is_network_promised; /* before the container runs */
	struct bound *bound;	  /* owned: what a bundle says; NULL: there is none */
	bool takes_files;	  /* of the image, below the root: it was asked for */
};
#define HOST_FACTS_NONE ((struct host_facts){ .root = 0 })
struct id_range {
	uint32_t first;
	uint32_t count;
};

/* A preset: "strict", "map", "same-host" or "forensic". It is a constant: nothing to free. */
int policy_preset(const char *name, const struct policy **ret_policy, struct err *err);

/* Asks every record of the image. Policy and image are borrowed, facts are copied (root is used
 * only here). Never fails for what the answers are: see plan_verdict(). */
int plan_make(const struct image *image, const struct policy *policy,
	      const struct host_facts *facts, struct plan **ret_plan, struct err *err);
void plan_free(struct plan *plan);
/* 0 if restore may go on; ERR_REFUSED with all refusals named otherwise. */
int plan_verdict(const struct plan *plan, struct err *err);

/* For kinds' ask: a place for what they remember from one question to the next, NULL at first;
 * freed with the plan by `release`. There is one, which belongs to kind/support/mount_place.c. */
void **plan_memory(struct plan *plan, void (*release)(void *memory));
/* For kinds' ask: who opens files with the rights of the container's first task; NULL: nobody, as
 * long as no trial of the invoker's own was in vain. */
struct file_opener; /* kind/support/file_opener.h */
struct file_opener *plan_opener(const struct plan *plan);
/* For kinds' ask: notes one question. It is decided when all are asked. */
void plan_ask(struct plan *plan, const struct question *question);
/* For the identity kind's ask: object `id` (a task, a thread, a file) belongs to `task`; by `pid`
 * and `comm` (any bytes) the lines about it are called. Both as in the container. */
void plan_name_task(struct plan *plan, uint32_t id, uint32_t task, pid_t pid, const char *comm);
/* For the descriptors kind's ask: object `id`, a file, is open in that task. */
void plan_name_file(struct plan *plan, uint32_t id, uint32_t task);
/* For kinds' restore and finish, and the post-check: what was decided; NULL if never asked. */
const struct decision *plan_answer(const struct plan *plan, enum policy_class class, uint32_t id,
				   uint32_t detail);
/* About an open file, device nodes among them. */
const struct decision *plan_answer_file(const struct plan *plan, uint32_t id);
/* The effective value, or `otherwise` if it was never asked. */
uint64_t plan_value(const struct plan *plan, enum policy_class class, uint32_t id, uint32_t detail,
		    uint64_t otherwise);

const struct host_facts *plan_facts(const struct plan *plan);
const struct image *plan_image(const struct plan *plan);
/* A text that only this image has. Owned by the caller. */
char *plan_image_name(const struct plan *plan);
/* The maps of the user namespace that restore makes; chosen by the policy from the ids in use. */
const struct id_map *plan_uid_map(const struct plan *plan, size_t *ret_count);
const struct id_map *plan_gid_map(const struct plan *plan, size_t *ret_count);
/* May restored tasks call setgroups(2)? Otherwise they keep the invoker's list, whatever the
 * answers to CLASS_GROUPS: the kernel denies the call in a namespace that maps just one's own gid.
 */
bool plan_may_setgroups(const struct plan *plan);

int host_facts_get(struct host_facts *ret_facts, struct err *err);
void host_facts_free(struct host_facts *facts);
