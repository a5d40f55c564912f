/* The watches of an inotify, as its fdinfo lists them. */
#pragma once

#include "kind/support/watched.h"

struct inotify_watch {
	uint32_t number;
	uint32_t mask;
};

struct inotify_watches {
	struct inotify_watch *list; /* owned */
	struct watched *watched;    /* owned: what each of them is on */
	size_t count;
};

void inotify_watches_free(struct inotify_watches *watches);
#define auto_inotify_watches __attribute__((cleanup(inotify_watches_free)))
/* In rising order. ERR_HOST if this kernel shows them in another way. */
int inotify_watches_parse(const char *fdinfo, struct inotify_watches *watches, struct err *err);
