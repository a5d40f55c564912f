/* A container's own terminal: a pseudo-terminal of the container's devpts whose slave is its
 * standard input, output and error. The master goes to whoever has given a socket for it, or is
 * kept by us, who carry bytes between it and the user's terminal while the container runs. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include "core/err.h"

struct console_way {
	char bytes[4096];
	size_t start, end;
};

struct console {
	int master;   /* owned; -1: there is none */
	int slave;    /* owned: while it is open, the master does not hang up */
	int lifeline; /* borrowed: at its end, the user has gone; -1 */
	bool is_raw;
	struct termios saved; /* of the user's terminal */
	struct console_way in;
	struct console_way out;
};

#define CONSOLE_NONE ((struct console){ .master = -1, .slave = -1, .lifeline = -1 })

/* Does the user have a terminal, as standard input? */
bool console_has_user(void);
/* The size of the user's terminal; else zeros. */
struct winsize console_size(void);

/* In the container: a new terminal, which becomes the caller's controlling terminal. */
int console_create(const struct winsize *size, int *ret_master, int *ret_slave, struct err *err);

/* Descriptors over a socket. The name of the slave goes with the master, as runtimes do. */
int console_connect(const char *path, int *ret_socket, struct err *err);
int console_send(int socket, int master, struct err *err);
/* -1 if the other side is gone. */
int console_receive(int socket);

/* With a master: the user's terminal is raw from now on, and the container's has its size. */
void console_begin(struct console *console);
/* The same once more: the size may have changed, and whoever stopped us may have changed the rest.
 */
void console_resume(struct console *console);
/* What to wait for, and what to do then. `polls` has room for this many: */
enum { CONSOLE_POLLS = 4 };
void console_poll(const struct console *console, struct pollfd *polls);
void console_carry(struct console *console, const struct pollfd *polls);
/* The rest of the output; gives the user's terminal back. */
void console_end(struct console *console);
