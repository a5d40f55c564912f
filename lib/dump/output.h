/* Where an image goes: a file without a name that gets one when it is whole, or a pipe. */
#pragma once

#include <stdbool.h>

#include "core/err.h"

struct output {
	int fd;
	int dir;	 /* of the file; -1 for a pipe */
	char *name;	 /* owned: in dir */
	char *temporary; /* owned: its name until then, where the file system needs one */
	bool force;
};

#define OUTPUT_NONE ((struct output){ .fd = -1, .dir = -1 })

/* `path`, or "-" for a duplicate of fd. Mode 0600, never through a link; a file that is there
 * already is an error unless `force`. */
int output_open(const char *path, int fd, bool force, struct output *ret_output, struct err *err);
/* Likewise `name`, which is no path, in the directory `dir`. */
int output_open_at(int dir, const char *name, bool force, struct output *ret_output,
		   struct err *err);
/* The image is whole: gives it its name. */
int output_commit(struct output *output, struct err *err);
/* Without a commit before, nothing is left. */
void output_free(struct output *output);
#define auto_output __attribute__((cleanup(output_free)))
