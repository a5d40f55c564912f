/* Whose files an epoll watches: fdinfo tells numbers only, as they were when they were added. */
#pragma once

#include "kind/kind.h"

struct epoll_item {
	uint64_t data;
	uint32_t events;
	int number;
	unsigned int nth; /* among the items with the same number */
	uint32_t file;	  /* id of the open file description; 0: none in the container */
};

/* The items in an epoll's fdinfo, without their files. Owned by the caller. */
int epoll_items_parse(const char *fdinfo, struct epoll_item **ret_items, size_t *ret_count,
		      struct err *err);
/* Finds the files of all items of the epoll at the cursor. */
int epoll_items_find(const struct dump *d, struct epoll_item *items, size_t count, struct err *err);
