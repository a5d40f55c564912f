/* What the invoker has said of the container in a bundle: the most that its tasks may have, and
 * what is made for them whatever the image says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct decision;
struct id_map;

struct bound_limit {
	bool is_given;
	uint64_t soft;
	uint64_t hard;
};

/* Where something is mounted that is not the image's. */
enum bound_sort {
	BOUND_OTHER,
	BOUND_TMPFS, /* its files come from the image */
	BOUND_BIND,  /* a part of the host's file system */
};

struct bound_point {
	char *path; /* owned; absolute, without links on the way */
	enum bound_sort sort;
	bool is_whole; /* so is what is below it */
};

struct bound {
	struct id_map *uids; /* owned; none: as the policy says */
	size_t uid_count;
	struct id_map *gids; /* owned */
	size_t gid_count;
	uint32_t user, group; /* that tasks must have, inside, if the user is not root */
	uint32_t *groups;     /* owned; besides that, likewise: no others */
	size_t group_count;
	uint64_t caps[5]; /* by detail of CLASS_CAPS */
	struct bound_limit limits[16];
	bool no_new_privs;
	bool has_oom_score_adj;
	int64_t oom_score_adj;
	bool has_filter;	    /* seccomp, for all tasks */
	struct bound_point *points; /* owned */
	size_t point_count;
	char *hostname; /* owned; NULL: as saved */
	char *domainname;
};

/* Both take NULL. */
struct bound *bound_copy(const struct bound *bound);
void bound_free(struct bound *bound);
void bound_add_point(struct bound *bound, const char *path, enum bound_sort sort, bool is_whole);
/* NULL: nothing is mounted there. */
const struct bound_point *bound_point_at(const struct bound *bound, const char *path);
/* Lowers a decision to what may be. Both take NULL as a bound. */
void bound_narrow(const struct bound *bound, struct decision *decision);
/* Of ids, once they are mapped. */
void bound_narrow_id(const struct bound *bound, struct decision *decision);
