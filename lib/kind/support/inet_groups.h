/* Multicast groups that a socket is a member of. The kernel tells which groups a network namespace
 * has, and of a socket and a group whether they belong together. */
#pragma once

#include "kind/support/inet.h"

enum { INET_GROUPS_MAX = 4096 };

RECORDS_BEGIN
struct inet_group_rec {
	struct inet_address_rec group;
	char interface[16]; /* its name, with zeros behind it */
};
RECORDS_END
static_assert(sizeof(struct inet_group_rec) == 40, "image format");

/* Appends those of the socket at the cursor. False if something was blocked. */
bool inet_groups_save(struct dump *d, struct buf *body, uint32_t *ret_count);
int inet_groups_check(struct reader *reader, uint32_t count, struct err *err);
int inet_groups_restore(int fd, const struct inet_group_rec *groups, uint32_t count,
			struct err *err);
