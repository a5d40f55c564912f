/* A `syscall` instruction in a target's own code, for the first and the last calls. */
#pragma once

#include "core/err.h"
#include "remote/remote.h"

/* Sets remote->zone.gadget: in the vdso, or just behind the thread if it stands in a call. */
int remote_find_gadget(struct remote *remote, struct err *err);
