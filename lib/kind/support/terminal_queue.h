/* The bytes in a pseudo-terminal that nobody has read yet, and its stopped output.
 *
 * There is no way to look at them but to read them, so they are taken, and put back by the road on
 * which they came. Whoever takes must put, before any task runs. */
#pragma once

#include <asm/termbits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "kind/support/terminal.h"

static_assert(sizeof(((struct termios2 *)NULL)->c_cc) == TERMINAL_CHARACTERS, "image format");

struct terminal_queue {
	struct buf pieces; /* le32 each */
	struct buf input;
	struct buf output;
	bool is_stopped; /* by the stop character */
	bool is_held;	 /* by tcflow(3) */
	bool is_changed; /* there is something to put back */
};

void terminal_queue_free(struct terminal_queue *queue);
#define auto_terminal_queue __attribute__((cleanup(terminal_queue_free)))

/* Takes all. `settings` are the slave's. Packet mode must be off. -EOVERFLOW: there is more than
 * could be put back; then nothing was taken. */
int terminal_queue_take(int master, int slave, const struct termios2 *settings,
			struct terminal_queue *queue);
/* Puts all of it into a pair that holds nothing, and leaves the slave with `settings`. */
int terminal_queue_put(int master, int slave, const struct termios2 *settings, bool is_stopped,
		       bool is_held, const struct terminal_content *content);
