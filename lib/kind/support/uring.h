/* Rings of io_uring: two queues in memory that a program shares with the kernel, which keeps a
 * counter of its own for each: of the requests that it has taken, and of the completions that it
 * has given. Both go on for ever, modulo 2^32. Nothing but requests moves them, so a ring is made
 * again by as many requests that do nothing as the saved one has had.
 *
 * A ring is idle where both counters are even. A request that gives many completions, or none,
 * hides others: see uring_find_hidden().
 *
 * How a ring was made is found by calls on a duplicate of its descriptor that fail before they do
 * anything, and by what /proc/PID/fdinfo shows of it (checked on 6.18):
 *
 *   io_uring_register(2), any       EEXIST: IORING_SETUP_SINGLE_ISSUER, and we are not the issuer
 *                                   EACCES: restrictions
 *   IORING_REGISTER_EVENTFD         EBUSY before EFAULT: an eventfd is registered
 *   IORING_REGISTER_MEM_REGION      EBUSY before EFAULT: memory is
 *   io_uring_enter(2), no time      EBADFD: disabled; EEXIST: IORING_SETUP_DEFER_TASKRUN; 0: there
 *                                   is nothing to wait for, IORING_SETUP_IOPOLL; else ETIME
 *   IORING_REGISTER_PBUF_STATUS     ENOENT: no group of buffers has this number
 *   a completion in fdinfo          has two words more: IORING_SETUP_CQE32
 *   a request in fdinfo             has eight words more: IORING_SETUP_SQE128; none is shown where
 *                                   there is one: IORING_SETUP_NO_SQARRAY
 *
 * No kernel tells whether IORING_SETUP_SUBMIT_ALL, COOP_TASKRUN, TASKRUN_FLAG and CQE_MIXED were
 * set; some do not show personalities. */
#pragma once

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/procfs.h"
#include "image/record.h"

/* linux/io_uring.h, as far as headers may lack it. */
#define URING_SETUP_CQSIZE     (1u << 3)
#define URING_SETUP_SQE128     (1u << 10) /* 5.19 */
#define URING_SETUP_CQE32      (1u << 11) /* 5.19 */
#define URING_SETUP_NO_SQARRAY (1u << 16) /* 6.6 */
/* What a saved ring may have. */
#define URING_SETUP_ALL (URING_SETUP_SQE128 | URING_SETUP_CQE32 | URING_SETUP_NO_SQARRAY)

/* That all rings together have had: to make them again takes as many, and some seconds, in which a
 * restore cannot be interrupted. */
#define URING_REQUESTS_MAX (1u << 27)
#define URING_SQ_MAX	   32768u
#define URING_CQ_MAX	   65536u
/* Bytes of counters, in front of the completions, at most. */
#define URING_HEAD_MAX 4096u
#define URING_PAGE     4096u

#define TAG_URING     TAG('U', 'R', 'N', 'G')
#define TAG_URING_MAP TAG('U', 'R', 'N', 'M')

/* Offsets of its three mappings. */
enum { URING_AT_RINGS = 0, URING_AT_COMPLETIONS = 0x8000000, URING_AT_REQUESTS = 0x10000000 };

/* Where the kernel has put things: of struct io_uring_params. */
RECORDS_BEGIN
struct uring_layout {
	le32 sq_head;
	le32 sq_tail;
	le32 sq_mask;
	le32 sq_entries;
	le32 sq_flags;
	le32 dropped;
	le32 array;
	le32 cq_head;
	le32 cq_tail;
	le32 cq_mask;
	le32 cq_entries;
	le32 overflow;
	le32 completions;
	le32 cq_flags;
};
RECORDS_END
static_assert(sizeof(struct uring_layout) == 56, "image format");

/* A ring in our own memory. */
struct uring {
	struct io_uring_params parameters;
	int fd;			 /* owned; -1 */
	unsigned char *rings;	 /* owned: mapped */
	unsigned char *requests; /* owned: mapped */
	size_t rings_size;	 /* bytes, by its parameters */
	size_t requests_size;
	size_t rings_mapped; /* perhaps more */
	size_t requests_mapped;
	bool is_whole; /* it could be mapped by this size */
};
#define URING_NONE ((struct uring){ .fd = -1 })
void uring_free(struct uring *ring);

/* Bytes of a request; of a completion. */
size_t uring_request_size(uint32_t setup);
size_t uring_completion_size(uint32_t setup);

/* Is this the descriptor of one? */
bool uring_is_link(const char *link);
/* A mapping of one. */
bool uring_is_vma(const struct procfs_vma *vma);

/* ---- uring_make.c ---- */

int uring_make(uint32_t sq_entries, uint32_t cq_entries, uint32_t setup, struct uring *ret_ring,
	       struct err *err);
/* Maps the ring behind `fd` (taken over, also on failure), supposed to be made like `model`.
 * Returns a negative errno, -ENXIO if it is smaller. */
int uring_map(int fd, const struct uring *model, struct uring *ret_ring);
/* Is its memory not larger either, by a page at least? */
bool uring_is_size(const struct uring *ring);
struct uring_layout uring_layout_of(const struct uring *ring);
/* A word that is shared with the kernel. */
uint32_t uring_read(const struct uring *ring, uint32_t offset);
void uring_write(const struct uring *ring, uint32_t offset, uint32_t value);
/* Brings both counters of a ring that has just been made to `requests`; of these completions, the
 * last `unread` have not been taken. */
int uring_advance(const struct uring *ring, uint32_t requests, uint32_t unread, struct err *err);
/* Puts saved memory back, but for what is the kernel's. */
void uring_fill(const struct uring *ring, const void *rings, const void *requests);

/* ---- uring_info.c: the text of fdinfo ---- */

struct uring_info {
	uint32_t sq_entries, cq_entries;
	uint32_t sq_tail;     /* the program's: behind the last request */
	uint32_t requests;    /* taken by the kernel */
	uint32_t cq_head;     /* the program's: the first completion that it has not taken */
	uint32_t completions; /* given by the kernel */
	bool has_thread;      /* IORING_SETUP_SQPOLL */
	bool has_personalities;
	bool has_napi;
	bool has_overflow; /* completions wait for room */
	uint32_t files;	   /* registered */
	uint32_t buffers;
	uint32_t polls;	    /* requests that wait until a descriptor is ready */
	uint32_t poll_code; /* the operation of the first */
	bool shows_request, shows_long_request;
	bool shows_completion, shows_long_completion;
};
/* False where the kernel does not say all that, or the ring is in use. */
bool uring_info_parse(const char *text, struct uring_info *ret_info);
/* Of a descriptor of ours. */
int uring_info_read(int fd, struct uring_info *ret_info, struct err *err);

/* ---- uring_ask.c ---- */

/* Why it cannot be saved, as "an eventfd is registered with it"; NULL if nothing is in the way. */
const char *uring_find_unsupported(const struct uring *ring);
/* The ring behind `fd` (borrowed), mapped as it was made: its flags are in its parameters. -ENXIO,
 * with err set, if that cannot be told. */
int uring_find_setup(int fd, const struct uring_info *info, struct uring *ret_ring,
		     struct err *err);
/* The traces, in its memory, of requests that may have more completions than one, or none; NULL if
 * there are none. */
const char *uring_find_hidden(const struct uring *ring);
