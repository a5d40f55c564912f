/* ctckpt_freeze() with what a holder is to do on request: for those who can checkpoint. */
#pragma once

#include "ctckpt/ctckpt.h"
#include "freeze/holder.h"

int freeze_container(const char *name, holder_serve_fn *serve,
		     struct ctckpt_freeze_result *ret_result, struct err *err);
