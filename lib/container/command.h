/* The command of ctckpt_run(): how it is executed in the container, and how it is waited for. */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "container/container.h"
#include "core/err.h"
#include "core/filter.h"
#include "ctckpt/ctckpt.h"

struct command {
	char *const *argv;
	int input; /* detached: stdin; -1: as ours */
	int output;
	struct filter filter; /* seccomp */
};

#define COMMAND_NONE ((struct command){ .input = -1, .output = -1 })

int command_open(struct command *command, const struct ctckpt_run_options *options,
		 struct err *err);
void command_free(struct command *command);
/* For container_spec.main. */
int command_main(void *command, struct err *err);

/* Signals for us that the command is to have. */
struct forward {
	sigset_t saved; /* mask */
	int signals;	/* signalfd; -1: nothing is blocked */
};

#define FORWARD_NONE ((struct forward){ .signals = -1 })

int forward_begin(struct forward *forward, struct err *err);
/* Forwards until the first task ends, and reaps it. */
int forward_wait(struct forward *forward, struct container *container, int *ret_status,
		 struct err *err);
void forward_free(struct forward *forward);
