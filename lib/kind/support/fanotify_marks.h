/* The marks of a fanotify, as its fdinfo lists them. */
#pragma once

#include "kind/support/watched.h"

struct fanotify_mark {
	uint32_t flags;
	uint32_t mask;
	uint32_t ignored;
};

struct fanotify_marks {
	struct fanotify_mark *list; /* owned */
	struct watched *watched;    /* owned: what each of them is on */
	size_t count;
};

void fanotify_marks_free(struct fanotify_marks *marks);
#define auto_fanotify_marks __attribute__((cleanup(fanotify_marks_free)))
/* The next line of the text that starts so, from `line` on; NULL at the end. */
const char *fanotify_find_line(const char *line, const char *start);
/* The newest first, as the kernel lists them. ERR_HOST if this one shows them in another way. */
int fanotify_marks_parse(const char *fdinfo, struct fanotify_marks *marks, struct err *err);
