/* Trial opens in a user namespace with the plan's maps: the container's first task may open what
 * belongs to ids of its ranges, whatever the modes say. */
#pragma once

#include "kind/support/file_trial.h"

struct file_opener;

/* NULL if there can be none, or it would be let in nowhere else than the invoker. */
struct file_opener *file_opener_start(const struct plan *plan);
void file_opener_stop(struct file_opener *opener);
/* Like file_trial_run(), for a path beneath the root that restore would use. */
int file_opener_try(struct file_opener *opener, const char *path, struct file_trial *trial);
