/* A program that runs what an enemy wrote is in that one's reach as /proc/self/exe: in a script's
 * first line, with the loader of the enemy's own root directory. */
#pragma once

#include "core/err.h"

/* Unless others could not write to this program's file anyway: executes it anew, as a copy that
 * nobody can write to. Returns 0 in the copy, or if none is needed. */
int own_copy_execute(char **argv, struct err *err);
