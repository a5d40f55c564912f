/* Messages are a letter, and what it stands for: 'P' and a struct ctckpt_progress, 'N' and a line
 * of text, 'W' and the worker's pid. */
#include "restore/messages.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "freeze/deadline.h"

static void tell(struct worker *worker, char type, const void *body, size_t size)
{
	auto_buf struct buf message = BUF_EMPTY;

	(void)buf_append(&message, &type, 1);
	(void)buf_append(&message, body, size);
	worker_tell(worker, message.data, message.size);
}

void message_progress(struct worker *worker, uint64_t *last, uint64_t done, uint64_t total)
{
	struct ctckpt_progress progress = { .done = done, .total = total };

	if (progress_is_due(last, done, total))
		tell(worker, 'P', &progress, sizeof(progress));
}

void message_notes(struct worker *worker, const char *notes, size_t missed)
{
	char rest[64];
	int size = snprintf(rest, sizeof(rest), "%zu more differences have no room here", missed);

	while (*notes) {
		size_t length = strcspn(notes, "\n");

		if (length > 0)
			tell(worker, 'N', notes, length);
		notes += length + (notes[length] == '\n');
	}
	if (missed > 0)
		tell(worker, 'N', rest, (size_t)size);
}

void message_pid(struct worker *worker)
{
	pid_t self = getpid();

	tell(worker, 'W', &self, sizeof(self));
}

bool message_take(const struct ctckpt_restore_options *options, struct foreground *foreground,
		  const void *message, size_t size)
{
	const char *type = message;
	struct ctckpt_progress progress;
	pid_t worker;

	if (size == 1 + sizeof(progress) && *type == 'P' && options->progress) {
		memcpy(&progress, type + 1, sizeof(progress));
		options->progress(options->progress_argument, &progress);
	}
	if (size == 1 + sizeof(worker) && *type == 'W') {
		memcpy(&worker, type + 1, sizeof(worker));
		foreground_set_worker(foreground, worker);
		return true;
	}
	if (size > 1 && *type == 'N' && options->note) {
		auto_free char *text = mem_copy(type + 1, size - 1);

		options->note(options->note_argument, text);
	}
	return false;
}
