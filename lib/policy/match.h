/* What a rule of a policy file is for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "policy/plan.h"

/* Of files, what they are used for. */
enum file_sort {
	FILE_SORT_FILE,
	FILE_SORT_DIRECTORY,
	FILE_SORT_FIFO,
	FILE_SORT_DEVICE,
	FILE_SORT_SOCKET,
	FILE_SORT_OTHER,
	FILE_SORTS,
};

/* All that is said must hold. */
struct policy_match {
	uint64_t details;    /* of those with names, which; 0: any */
	const char *path;    /* a pattern; NULL: any */
	unsigned int sorts;  /* 1 << enum file_sort; 0: any */
	unsigned int access; /* 1: opened to read, 2: to write; all of these */
	bool is_exact;	     /* and no other */
	bool has_access;
	const char *comm; /* a pattern; NULL: any */
	pid_t pid;	  /* of the process, in the container; 0: any */
	uint64_t caps;	  /* one of these was saved; 0: any */
	uint32_t first_id;
	uint32_t id_count; /* 0: any */
};

bool policy_match_holds(const struct policy_match *match, const struct decision *decision);
