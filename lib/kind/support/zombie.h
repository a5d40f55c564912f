/* What a zombie still shows of itself, and a restored one does not. */
#pragma once

#include "kind/kind.h"

/* Of the task at the cursor. */
int zombie_note_losses(struct dump *d, struct err *err);
