/* The ring of completions of an AIO context, which its task shares with the kernel. Its address is
 * the context's name.
 *
 * No kernel says how many requests are in flight. But each holds a slot of the ring until its event
 * is taken, and a context takes no more requests than it has slots: reads that are done at once
 * fill all that are free, and what neither they nor events hold, requests do. The events of those
 * reads are then taken out of the ring again. */
#pragma once

#include <linux/aio_abi.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "remote/remote.h"

/* As io_setup(2) makes them: 2^28 bytes of events. */
#define AIO_PAGES_MAX 65537u

/* fs/aio.c; it starts the mapping, and the slots follow it */
struct aio_head {
	uint32_t id, slots;
	uint32_t head, tail; /* the first event, and the place behind the last */
	uint32_t magic, features, needed, size;
};

/* Slots of a ring of so many pages. */
uint32_t aio_slots(uint32_t pages);
/* What to ask io_setup(2) for to get them. */
uint32_t aio_requests(uint32_t pages);

/* The header, if the memory there is such a ring: *ret_is_ring. */
int aio_read_head(const struct remote *remote, uint64_t address, uint32_t pages,
		  struct aio_head *ret_head, bool *ret_is_ring, struct err *err);

/* Adds up to `count` events with this `cookie` to a ring, by the task itself. *ret_added is less
 * where it has no more room. */
int aio_add_events(struct remote *remote, uint64_t context, uint64_t cookie, uint32_t count,
		   uint32_t *ret_added, struct err *err);

/* Appends the struct io_event that nobody has taken, the oldest first. The context stays as it was,
 * but for where in the ring they are. *ret_is_idle: no request is in flight. */
int aio_look(struct remote *remote, uint64_t context, uint32_t pages, struct buf *events,
	     bool *ret_is_idle, struct err *err);
