/* The command of ctckpt_run(): how it is executed in the container, and how it is waited for. */
#pragma once

#include <signal.h>
#include <stdbool.h>

#include "container/console.h"
#include "container/container.h"
#include "core/err.h"
#include "core/filter.h"
#include "ctckpt/ctckpt.h"

struct command {
	char *const *argv;
	int input; /* detached: stdin; -1: as ours */
	int output;
	struct filter filter; /* seccomp */
	bool has_terminal;    /* of its own */
	struct winsize size;
	int terminal[2]; /* by this socket its master comes to us */
};

#define COMMAND_NONE ((struct command){ .input = -1, .output = -1, .terminal = { -1, -1 } })

int command_open(struct command *command, const struct ctckpt_run_options *options,
		 struct err *err);
void command_free(struct command *command);
/* For container_spec.main. */
int command_main(void *command, struct err *err);
/* The master of its terminal, once; -1 if the command failed before. */
int command_take_terminal(struct command *command);

/* Signals for us that the command is to have. */
struct forward {
	sigset_t saved;		 /* mask */
	int signals;		 /* signalfd; -1: nothing is blocked */
	struct console *console; /* borrowed; NULL: the container has no terminal with us */
};

#define FORWARD_NONE ((struct forward){ .signals = -1 })

int forward_begin(struct forward *forward, struct err *err);
/* With signals about the user's terminal from now on. Borrowed. */
void forward_console(struct forward *forward, struct console *console);
/* Forwards, and carries for the console, until the first task ends, and reaps it. */
int forward_wait(struct forward *forward, struct container *container, int *ret_status,
		 struct err *err);
void forward_free(struct forward *forward);
