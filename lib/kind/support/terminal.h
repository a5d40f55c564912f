/* Pseudo-terminals of the container's own devpts: what the kinds terminal (a pair of ends with its
 * state), pty (an open file description of either end) and ctty (whose controlling terminal it is)
 * share. Terminals of any other devpts lead outside of the container. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"
#include "image/record.h"
#include "kind/kind.h"

#define TAG_TERMINAL TAG('T', 'E', 'R', 'M')
#define TAG_PTY	     TAG('P', 'T', 'Y', 'F')
#define TAG_CTTY     TAG('C', 'T', 'T', 'Y')

#define TERMINAL_INDEX_MAX 4096u /* kernel.pty.max's default: no devpts has more */

enum { TERMINAL_CHARACTERS = 19 };

enum terminal_flag {
	TERMINAL_LOCKED = 1u << 0,	/* TIOCSPTLCK */
	TERMINAL_PACKET = 1u << 1,	/* TIOCPKT */
	TERMINAL_EXCLUSIVE = 1u << 2,	/* TIOCEXCL */
	TERMINAL_UNTOUCHED = 1u << 3,	/* its slave was never opened */
	TERMINAL_HUNG_UP = 1u << 4,	/* its master is closed */
	TERMINAL_OUTSIDE = 1u << 5,	/* its master is held by whoever started the container */
	TERMINAL_STOPPED = 1u << 6,	/* output stopped by the stop character */
	TERMINAL_HELD = 1u << 7,	/* output stopped by tcflow(3) */
	TERMINAL_BY_DEV_PTMX = 1u << 8, /* the master was opened as /dev/ptmx */
	TERMINAL_FLAGS = (1u << 9) - 1,
};

/* Bytes that wait for readers, in pieces of one read each. A length, and in the upper half: */
enum terminal_piece {
	PIECE_BYTES,  /* not a whole line, or no lines at all */
	PIECE_LINE,   /* ends with a newline */
	PIECE_FORCED, /* a line that the end-of-file character ended */
	PIECE_KINDS,
};
#define TERMINAL_PIECE_MAX 4096u
#define TERMINAL_QUEUE_MAX 32768u

RECORDS_BEGIN
struct terminal_rec {
	le32 index;  /* N of /dev/pts/N */
	le32 flags;  /* enum terminal_flag */
	le32 master; /* id of the description of the master; 0: closed, or outside */
	le32 mode;   /* of /dev/pts/N */
	le32 uid;
	le32 gid;
	le16 rows;
	le16 columns;
	le16 width; /* in pixels */
	le16 height;
	le32 input_modes; /* struct termios2, asm/termbits.h */
	le32 output_modes;
	le32 control_modes;
	le32 local_modes;
	le32 input_speed;
	le32 output_speed;
	unsigned char characters[20]; /* 19, and a zero */
	le32 piece_count;	      /* of input that waits for readers of the slave */
	le32 output_size;	      /* bytes that wait for readers of the master */
	le32 reserved;		      /* zero */
				      /* then the pieces, le32 each, their bytes, the output */
};
RECORDS_END
static_assert(sizeof(struct terminal_rec) == 88, "image format");

enum pty_end { PTY_MASTER, PTY_SLAVE, PTY_CONTROLLING /* opened as /dev/tty */, PTY_ENDS };

RECORDS_BEGIN
struct pty_rec {
	le32 terminal; /* id of the pair */
	le32 end;      /* enum pty_end */
	le32 flags;
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct pty_rec) == 16, "image format");

enum ctty_flag { CTTY_GIVEN_UP = 1u << 0 /* others of its session have one */ };

RECORDS_BEGIN
struct ctty_rec {
	le32 terminal;	 /* id of the pair; 0: it was outside of the container */
	le32 foreground; /* process group, in the container; 0: none */
	le32 flags;	 /* enum ctty_flag */
	le32 reserved;	 /* zero */
};
RECORDS_END
static_assert(sizeof(struct ctty_rec) == 16, "image format");

/* ---- dump ---- */

/* A pair, while its container is stopped. */
struct dump_terminal {
	uint32_t id;
	uint32_t index;
	int master; /* borrowed: the target's own description; -1: closed, or outside */
	uint32_t master_file;
	int slave; /* owned: a description of ours; -1: it was never opened, or is hung up */
	bool is_hung_up;
};

/* Is this an end of a pty of the container's own? */
bool pty_identify(const struct target_fd *fd, enum pty_end *ret_end, uint32_t *ret_index);
/* In dump/dump.c: the pairs met so far, and all descriptions of their ends. */
struct dump_terminal_end {
	const struct target_fd *file;
	enum pty_end end;
	uint32_t index;
};
struct dump_terminals {
	struct dump_terminal *pairs; /* owned */
	size_t count;
	struct dump_terminal_end *ends; /* owned */
	size_t end_count;
	bool is_scanned;
};
struct dump_terminals *dump_terminals(const struct dump *d);
void dump_terminals_free(struct dump_terminals *terminals);
/* The id of the pair behind the description at the cursor, which is saved when it is first met.
 * What cannot be saved of it was said. */
int terminal_at(struct dump *d, uint32_t index, uint32_t *ret_id, struct err *err);
/* Was this description of a slave hung up? It never comes back to life. */
bool terminal_is_hung_up(int slave);
/* In terminal_save.c: writes its record. */
int terminal_save(struct dump *d, struct dump_terminal *pair, struct err *err);

/* ---- restore ---- */

/* The bytes of a record that has been checked. */
struct terminal_content {
	const le32 *pieces;
	uint32_t piece_count;
	const unsigned char *input;
	const unsigned char *output;
	uint32_t output_size;
};
struct terminal_content terminal_content(const struct terminal_rec *rec);
/* The pair that is the container's own terminal, whose master is outside; NULL: it has none. */
const struct record *terminal_console(const struct image *image);
/* What is known of the controlling terminal of a task (by id), or NULL. */
const struct ctty_rec *ctty_of(const struct image *image, uint32_t task);
/* Is the slave of this pair there, for a session leader to take? */
bool terminal_can_control(const struct image *image, uint32_t terminal);

/* In restore/restore.c: hands over the master of the container's own terminal. */
int restore_give_console(struct restore *rs, int master, struct err *err);
