/* Plans as text and as JSON. Nothing here prints: everything is appended to a buffer. Texts from
 * the image are escaped: control characters, backslashes and all but ASCII become \xNN. */
#pragma once

#include <stddef.h>

#include "core/buf.h"
#include "core/json.h"
#include "policy/plan.h"

/* One decision of this plan in columns, without a newline:
 *   TASK 7 (nginx)  caps.effective  saved net_bind_service  invoker -  -> drop  rule strict/caps
 */
void plan_line(const struct plan *plan, const struct decision *decision, struct buf *out);
/* All decisions, one a line, in the order of asking; alike ones of many tasks are one line, which
 * begins "TASKS 7-206 (200)". Remedies of refusals follow their line. */
void plan_text(const struct plan *plan, struct buf *out);
/* "41 keep, 6 clamp, 1 refuse: restore would refuse (exit 3)", without a newline. */
void plan_summary(const struct plan *plan, struct buf *out);
/* An object with the members policy, decisions, uid_map, gid_map, counts, verdict ("restore" or
 * "refuse"). Owned by the caller. */
struct json *plan_json(const struct plan *plan);
