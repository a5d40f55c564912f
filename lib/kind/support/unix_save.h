/* Writes the records of a unix socket that was collected. */
#pragma once

#include "kind/support/unix_sockets.h"

/* Whom it is connected with, and how that came about. */
struct unix_bond {
	enum unix_state state;
	uint32_t peer;
	uint32_t listener;
};
/* Is its peer not the container's? */
bool unix_leads_outside(const struct dump *d, const struct unix_socket *own);
/* Makes records for peers that are gone, or outside. */
void unix_bond_find(struct dump *d, const struct unix_socket *own, struct unix_bond *ret_bond);

/* The id of a socket that is gone and sent datagrams under this name. */
uint32_t unix_gone_sender(struct dump *d, const struct unix_name *name);
/* Appends `size` bytes and zeros up to a multiple of 8. */
void unix_append(struct buf *body, const void *data, size_t size);
