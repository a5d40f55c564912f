/* The numbers and the event queue of an inotify. The queue can be read, never written: what is to
 * be in it has to happen. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* Does this kernel show IN_ONESHOT and IN_EXCL_UNLINK in fdinfo? Since 5.19. */
bool inotify_shows_flags(void);
/* Uses up the numbers from `next` to below `number`, so that the next watch gets that one. The
 * inotify is non-blocking, and its events are lost. */
int inotify_skip_numbers(int inotify, uint32_t next, uint32_t number, struct err *err);
/* Reads, and forgets, the events that are there now. */
int inotify_drain(int inotify, struct err *err);
/* Fills the queue until it overflows, then reads all but the event that says so. */
int inotify_overflow(int inotify, struct err *err);
