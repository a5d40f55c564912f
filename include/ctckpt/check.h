/* What this host can do, found by trying. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct check_item {
	const char *name; /* one word, stable: "userfaultfd" */
	bool is_ok;
	bool is_required; /* without it, ctckpt cannot do its work at all */
	char *why;	  /* owned. Not ok: the reason. Ok: a detail, or NULL */
	char *remedy;	  /* owned. Not ok: what could be done about it, or NULL */
};

/* Tries everything, each in a throwaway process, and cleans up. Takes well under a second; a probe
 * that hangs is ended after 3 s. Fails only if nothing can be tried. */
int ctckpt_check(struct check_item **ret_items, size_t *ret_count, struct err *err);
void ctckpt_check_free(struct check_item *items, size_t count);
/* One of them, by its name. */
int ctckpt_check_one(const char *name, struct check_item *ret_item, struct err *err);
void ctckpt_check_item_free(struct check_item *item);
