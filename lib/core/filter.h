/* Seccomp filters: classic BPF over struct seccomp_data, seccomp(2). */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define FILTER_COUNT_MAX ((size_t)BPF_MAXINSNS)

struct filter {
	struct sock_filter *code; /* owned; NULL: none */
	size_t count;
};

#define FILTER_NONE ((struct filter){ .code = NULL })

void filter_free(struct filter *filter);
/* Would the kernel take it? Hostile input. Its jumps go forward only, so that it ends. */
bool filter_is_valid(const struct sock_filter *code, size_t count);
/* The same code; two that are none are the same. */
bool filter_is_same(const struct filter *one, const struct filter *other);
/* What a valid filter says of a call: SECCOMP_RET_* and 16 bits of data. */
uint32_t filter_verdict(const struct filter *filter, const struct seccomp_data *data);
/* For the calling thread and all that it makes. Needs no_new_privs, or CAP_SYS_ADMIN in its user
 * namespace. */
int filter_install(const struct filter *filter, struct err *err);
/* Hexadecimal digits, for a text file. Owned. */
char *filter_print(const struct filter *filter);
int filter_parse(const char *text, struct filter *ret_filter, struct err *err);
