/* Plans as text and as JSON. Nothing here prints: everything is appended to a buffer. Texts from
 * the image are escaped: control characters, backslashes and all but ASCII become \xNN. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/json.h"
#include "policy/plan.h"

/* All decisions, one a line: the container's, then each task's; alike ones of many tasks are one
 * line, which begins "TASKS 7-206 (200)":
 *   TASK 7 (nginx)  caps.effective  saved net_bind_service  invoker -  -> drop  rule strict/caps
 * Remedies follow their line. With colours for a terminal: what is refused, what is lost, and what
 * is kept. */
void plan_text(const struct plan *plan, bool has_colour, struct buf *out);
/* "41 keep, 6 clamp, 1 refuse: restore would refuse (exit 3)", without a newline. */
void plan_summary(const struct plan *plan, struct buf *out);
/* An object with the members policy, image, decisions, uid_map, gid_map, counts, verdict ("restore"
 * or "refuse"). Owned by the caller. */
struct json *plan_json(const struct plan *plan);
/* The narrowest policy under which the plan, which refuses nothing, comes out the same. Owned by
 * the caller. */
struct json *plan_policy_json(const struct plan *plan);
/* ERR_REFUSED, naming each, if there are decisions that are worse than those in a file that
 * plan_json() was printed to, or if that was about another image. */
int plan_hold(const struct plan *plan, const char *path, struct err *err);
int plan_hold_text(const struct plan *plan, const char *text, size_t size, struct err *err);

/* ERR_USAGE, with file, line and column, if there is something wrong in a policy file. */
int policy_check_file(const char *path, struct err *err);
