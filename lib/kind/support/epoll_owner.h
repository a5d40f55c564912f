/* What the engine must know of an epoll record. */
#pragma once

#include "image/record.h"

/* The task in whose script the record's finish must run: what it has under the numbers of the items
 * is in the record. Its descriptors must be in place by then. */
uint32_t eventpoll_owner(const struct record *record);
/* The highest descriptor number among the items, -1 without items. What restore holds under
 * numbers of its own must be above it. */
int eventpoll_highest_number(const struct record *record);
