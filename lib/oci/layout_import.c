/* An image of ctckpt's is taken out of an image layout. The archive is read in a cell; what comes
 * from there is content of a file that has no name yet. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cell.h"
#include "core/cleanup.h"
#include "ctckpt/inspect.h"
#include "ctckpt/layout.h"
#include "dump/output.h"
#include "image/io.h"
#include "oci/layout.h"
#include "oci/tar.h"

enum { PIECE = 1 << 18 };

/* ---- in the cell ---- */

struct unpacking {
	int channel;
	uint64_t most;
	char *piece; /* PIECE bytes */
};

static int read_channel(void *argument, const void **ret_data, size_t *ret_size, struct err *err)
{
	const struct unpacking *self = argument;
	ssize_t got;

	do {
		got = read(self->channel, self->piece, PIECE);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_set(err, -errno, "read the layer");
	*ret_data = self->piece;
	*ret_size = (size_t)got;
	return 0;
}

static int write_channel(void *argument, const void *data, size_t size, struct err *err)
{
	const struct unpacking *self = argument;

	for (const char *at = data; size > 0;) {
		ssize_t put = write(self->channel, at, size);

		if (put < 0 && errno != EINTR)
			return err_set(err, -errno, "pass the image on");
		at += put > 0 ? put : 0;
		size -= put > 0 ? (size_t)put : 0;
	}
	return 0;
}

static int unpack(void *argument, struct err *err)
{
	const struct unpacking *self = argument;
	const struct tar_search search = { LAYOUT_MEMBER, self->most, read_channel, write_channel,
					   argument };
	const void *data;
	size_t left = 1;
	int r = tar_find(&search, err);

	/* What is behind the archive's end counts for the digest. */
	while (r == 0 && left > 0)
		r = read_channel(argument, &data, &left, err);
	return r;
}

/* ---- outside ---- */

struct pump {
	int blob;    /* -1: it has been read */
	int channel; /* -1: the cell has ended */
	struct digest *digest;
	uint64_t left;	  /* of the blob */
	uint64_t written; /* of the image */
	uint64_t most;
	struct io out;
	char *piece; /* PIECE bytes of the blob, of which these are to be sent: */
	size_t begin, end;
	char *back; /* PIECE bytes */
};

static int read_blob(struct pump *pump, struct err *err)
{
	size_t size = pump->left < PIECE ? (size_t)pump->left : PIECE;
	ssize_t got = size > 0 ? read(pump->blob, pump->piece, size) : 0;

	if (got < 0)
		return errno == EINTR ? 0 : err_set(err, -errno, "read the layer");
	if (got == 0 && pump->left > 0)
		return err_set(err, ERR_DAMAGED, "the layer became shorter");
	digest_add(pump->digest, pump->piece, (size_t)got);
	pump->left -= (uint64_t)got;
	pump->begin = 0;
	pump->end = (size_t)got;
	if (pump->left == 0)
		pump->blob = -1;
	return 0;
}

static int send_some(struct pump *pump, struct err *err)
{
	ssize_t put = send(pump->channel, pump->piece + pump->begin, pump->end - pump->begin,
			   MSG_DONTWAIT | MSG_NOSIGNAL);

	if (put >= 0)
		pump->begin += (size_t)put;
	else if (errno == EPIPE || errno == ECONNRESET)
		pump->channel = -1;
	else if (errno != EAGAIN && errno != EINTR)
		return err_set(err, -errno, "pass the layer on");
	if (pump->blob < 0 && pump->begin == pump->end)
		(void)shutdown(pump->channel, SHUT_WR);
	return 0;
}

static int receive_some(struct pump *pump, struct err *err)
{
	ssize_t got = recv(pump->channel, pump->back, PIECE, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		pump->channel = -1;
		return 0;
	}
	pump->written += (uint64_t)got;
	if (pump->written > pump->most)
		return err_set(err, ERR_REFUSED, "more than %" PRIu64 " bytes", pump->most);
	return io_write(&pump->out, pump->back, (size_t)got, err);
}

/* All of the blob is read, for its digest, whatever becomes of the cell. */
static int pump_step(struct pump *pump, struct err *err)
{
	struct pollfd poll_fd = { .fd = pump->channel, .events = POLLIN };
	int r = 0;

	if (pump->begin == pump->end && pump->blob >= 0) {
		r = read_blob(pump, err);
		if (r < 0 || pump->channel < 0) {
			pump->begin = pump->end;
			return r;
		}
		if (pump->begin == pump->end && pump->blob < 0)
			(void)shutdown(pump->channel, SHUT_WR);
	}
	if (pump->channel < 0) {
		pump->begin = pump->end;
		return 0;
	}
	if (pump->begin < pump->end)
		poll_fd.events |= POLLOUT;
	if (poll(&poll_fd, 1, -1) < 0)
		return errno == EINTR ? 0
				      : err_set(err, -errno, "wait for the reader of the layer");
	if (poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
		r = receive_some(pump, err);
	if (r == 0 && pump->channel >= 0 && poll_fd.revents & POLLOUT)
		r = send_some(pump, err);
	return r;
}

static int pump_all(struct pump *pump, const struct layout_blob *layer, struct err *err)
{
	char found[DIGEST_SIZE];
	int r = 0;

	while (r == 0 && (pump->blob >= 0 || pump->channel >= 0))
		r = pump_step(pump, err);
	if (r < 0)
		return r;
	digest_take(pump->digest, found);
	if (strcmp(found, layer->digest) != 0)
		return err_set(err, ERR_DAMAGED, "blob %s is damaged: its digest is %s",
			       layer->digest, found);
	return 0;
}

static uint64_t most_of(const struct image_limits *limits, const struct layout_blob *layer)
{
	uint64_t most = limits->most[LIMIT_METADATA] + limits->most[LIMIT_PAGES];
	uint64_t ratio;

	/* Index and trailer. */
	if (__builtin_add_overflow(most, most / 1024 + (1u << 20), &most))
		most = INT64_MAX;
	if (__builtin_mul_overflow(layer->size, limits->most[LIMIT_RATIO], &ratio) ||
	    __builtin_add_overflow(ratio, IMAGE_RATIO_FREE, &ratio))
		ratio = INT64_MAX;
	return most < ratio ? most : ratio;
}

static int start_cell(struct unpacking *unpacking, const struct image_limits *limits,
		      uint64_t blob_size, struct cell *cell, struct err *err)
{
	struct cell_job job = {
		.name = "the reader of the layer",
		.work = unpack,
		.argument = unpacking,
		.input = -1,
		.channel = unpacking->channel,
		.memory = 256ull << 20,
		.time = 20 + (blob_size >> 20),
		.remedy = IMAGE_OPEN_REMEDY,
		.is_open = limits->is_open,
	};

	if (tar_prepare(err) < 0)
		return err->code;
	return cell_start(&job, cell, err);
}

static int unpack_layer(int fd, const struct layout_blob *layer, const struct image_limits *limits,
			int output, uint64_t *ret_size, struct err *err)
{
	auto_free char *pieces = mem_alloc(3, PIECE);
	auto_digest struct digest *digest = digest_new();
	auto_cell struct cell cell = CELL_NONE;
	auto_close int ours = -1;
	auto_close int theirs = -1;
	struct unpacking unpacking = { .most = most_of(limits, layer), .piece = pieces };
	struct pump pump = { .blob = fd,
			     .digest = digest,
			     .left = layer->size,
			     .most = unpacking.most,
			     .out = { output, 0 },
			     .piece = pieces + PIECE,
			     .back = pieces + 2 * PIECE };
	int ends[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket pair");
	ours = pump.channel = ends[0];
	theirs = unpacking.channel = ends[1];
	r = start_cell(&unpacking, limits, layer->size, &cell, err);
	drop_fd(&theirs);
	if (r == 0)
		r = pump_all(&pump, layer, err);
	if (r == 0)
		r = cell_wait(&cell, err);
	*ret_size = pump.written;
	return r;
}

static int verify_output(int fd, const struct image_limits *limits, struct err *err)
{
	struct ctckpt_verify_result result;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "read the image again");
	return ctckpt_verify(NULL, fd, limits, &result, err);
}

static int find_layer(struct layout *layout, struct layout_blob *ret_manifest,
		      struct layout_blob *ret_layer, struct json **ret_value, struct err *err)
{
	auto_json struct json *index = NULL;
	auto_json struct json *config = NULL;
	auto_json struct json *manifest = NULL;
	struct layout_blob config_blob;
	int r = layout_open(layout, err);

	if (r == 0)
		r = layout_index_read(layout, &index, err);
	if (r == 0)
		r = layout_index_find(layout, index, ret_manifest, err);
	if (r == 0)
		r = layout_blob_read(layout, ret_manifest, &manifest, err);
	if (r == 0)
		r = layout_manifest_parse(manifest, &config_blob, ret_layer, err);
	if (r == 0)
		r = layout_blob_read(layout, &config_blob, &config, err);
	*ret_value = take_ptr(manifest);
	return r;
}

int ctckpt_import(const char *text, const char *image, int fd, bool force,
		  const struct image_limits *limits, struct ctckpt_layout_result *ret_result,
		  struct err *err)
{
	auto_layout struct layout layout = LAYOUT_NONE;
	auto_json struct json *manifest = NULL;
	auto_output struct output output = OUTPUT_NONE;
	auto_close int blob = -1;
	struct layout_blob manifest_blob;
	struct layout_blob layer;
	int r = layout_parse(text, &layout, err);

	limits = limits ? limits : &image_default_limits;
	if (r == 0)
		r = find_layer(&layout, &manifest_blob, &layer, &manifest, err);
	if (r == 0)
		r = layout_blob_open(&layout, &layer, &blob, err);
	if (r == 0)
		r = output_open(image, fd, force, &output, err);
	if (r == 0)
		r = unpack_layer(blob, &layer, limits, output.fd, &ret_result->image_size, err);
	/* What goes through a pipe is verified by who reads it. */
	if (r == 0 && output.dir >= 0)
		r = verify_output(output.fd, limits, err);
	if (r == 0)
		r = output_commit(&output, err);
	if (r == 0)
		memcpy(ret_result->digest, manifest_blob.digest, sizeof(ret_result->digest));
	return r;
}
