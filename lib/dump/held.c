/* Checkpoints done by a holder, and the freezing that leaves one behind. */
#include "dump/held.h"

#include <string.h>

#include "core/cleanup.h"
#include "dump/checkpoint.h"
#include "freeze/api.h"
#include "freeze/holder.h"

enum held_verb { HELD_DUMP = 1, HELD_KILL = 2 };

struct held_request {
	uint32_t verb;
	int32_t compression;
	int32_t level;
	struct dump_outside outside; /* but for its text, which follows, with a NUL */
};

/* ---- in the holder ---- */

static int serve_dump(struct freeze *freeze, const struct held_request *request, int fd,
		      struct buf *reply, struct err *err)
{
	const struct checkpoint_work work = { .compression =
						  (enum image_compression)request->compression,
					      .compression_level = request->level,
					      .outside = request->outside };
	struct ctckpt_stats stats = { .freezing_time = freeze->freezing_time };
	int r = checkpoint_frozen(freeze->target, freeze, &work, fd, &stats, err);

	if (r == 0)
		(void)buf_append(reply, &stats, sizeof(stats));
	return r;
}

int held_serve(struct freeze *freeze, const void *request, size_t size, const int *fds,
	       size_t fd_count, struct buf *reply, struct err *err)
{
	struct held_request held;

	const char *text = (const char *)request + sizeof(held);

	if (size < sizeof(held) || (size > sizeof(held) && text[size - sizeof(held) - 1] != '\0'))
		return err_set(err, -EPROTO, "request of %zu bytes", size);
	memcpy(&held, request, sizeof(held));
	held.outside.file_system = size > sizeof(held) ? text : NULL;
	if (held.verb == HELD_DUMP && fd_count == 1)
		return serve_dump(freeze, &held, fds[0], reply, err);
	if (held.verb == HELD_KILL)
		return freeze_kill(freeze, err);
	return err_set(err, -EPROTO, "request %u", held.verb);
}

/* ---- its clients ---- */

int held_find(const struct target *target, bool make, bool *ret_is_held, struct err *err)
{
	auto_close int fd = -1;
	struct holder_status status;
	int r = holder_connect(target, &fd, err);

	if (r == -ENOENT && make)
		r = holder_start(target, held_serve, &status, err);
	*ret_is_held = r == 0;
	return r == -ENOENT ? 0 : r;
}

static int ask(const struct target *target, const struct held_request *request, int fd,
	       struct buf *reply, struct err *err)
{
	auto_close int connection = -1;
	auto_buf struct buf message = BUF_EMPTY;
	const char *text = request->outside.file_system;
	int r = holder_connect(target, &connection, err);

	if (r == -ENOENT)
		return err_set(err, ERR_FAILED, "the holder of %s is gone", target->name);
	if (r < 0)
		return r;
	(void)buf_append(&message, request, sizeof(*request));
	if (text)
		(void)buf_append(&message, text, strlen(text) + 1);
	return holder_request(connection, HOLDER_RUN, message.data, message.size, &fd, fd >= 0,
			      reply, err);
}

int held_dump(const struct target *target, const struct ctckpt_checkpoint_options *options, int fd,
	      struct ctckpt_stats *ret_stats, struct err *err)
{
	const struct held_request request = { .verb = HELD_DUMP,
					      .compression = (int32_t)options->compression,
					      .level = options->compression_level,
					      .outside = checkpoint_outside(options) };
	auto_buf struct buf reply = BUF_EMPTY;
	int r = ask(target, &request, fd, &reply, err);

	if (r < 0)
		return r;
	if (reply.size != sizeof(*ret_stats))
		return err_set(err, -EPROTO, "reply of the holder");
	memcpy(ret_stats, reply.data, sizeof(*ret_stats));
	return 0;
}

int held_kill(const struct target *target, struct err *err)
{
	const struct held_request request = { .verb = HELD_KILL };
	auto_buf struct buf reply = BUF_EMPTY;

	return ask(target, &request, -1, &reply, err);
}

int ctckpt_freeze(const char *name, struct ctckpt_freeze_result *ret_result, struct err *err)
{
	return freeze_container(name, held_serve, ret_result, err);
}
