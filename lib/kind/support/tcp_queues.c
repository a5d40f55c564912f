/* What is in the queues of TCP connections. See tcp_queues.h. */
#include "kind/support/tcp_queues.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/apart.h"
#include "kind/support/tcp.h"

/* What the process finds that does the repairing: one for each connection, in shared memory. */
struct found {
	/* what it is to look for */
	uint32_t room; /* bytes of send queue; 0: it is not asked for */
	size_t place;  /* of these bytes, behind the array */
	bool wants_receive_sequence;
	bool wants_progress;
	/* what it has found */
	int error;
	uint32_t sent;		   /* bytes */
	uint32_t sent_sequence;	   /* of the first of them */
	uint32_t received;	   /* bytes of the receive queue that the sequence stands behind */
	uint32_t receive_sequence; /* of the next byte to be received */
	struct tcp_progress progress;
};

/* Of a connection that is held: what was confirmed in part may be in the queue as a whole. */
enum { PARTIAL_ROOM = 65536 };

static int queue_size(int fd, unsigned long request)
{
	int size = 0;

	return ioctl(fd, request, &size) < 0 || size < 0 ? 0 : size;
}

/* ---- in repair mode ---- */

static int select_queue(int fd, int queue, uint32_t *ret_sequence)
{
	socklen_t size = sizeof(*ret_sequence);

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, ret_sequence, &size) < 0)
		return -errno;
	return 0;
}

/* A queued end of the stream counts in its sequence, and is behind all bytes. */
static int read_sent(int fd, bool has_end, struct found *found, char *bytes)
{
	uint32_t sequence;
	ssize_t n;
	int r = select_queue(fd, TCP_SEND_QUEUE, &sequence);

	if (r < 0)
		return r;
	n = recv(fd, bytes, found->room, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	found->sent = (uint32_t)n;
	found->sent_sequence = sequence - has_end - (uint32_t)n;
	return 0;
}

/* Bytes may arrive between the calls; what is counted before and after is meant. */
static int read_received(int fd, struct found *found)
{
	int after = queue_size(fd, SIOCINQ);
	int before;
	int r;

	do {
		before = after;
		r = select_queue(fd, TCP_RECV_QUEUE, &found->receive_sequence);
		after = queue_size(fd, SIOCINQ);
	} while (r == 0 && before != after);
	found->received = (uint32_t)after;
	return r;
}

static bool has_sent_end(int fd)
{
	struct tcp_info info;

	return tcp_info_get(fd, &info) &&
	       (info.tcpi_state == TCP_FIN_WAIT1 || info.tcpi_state == TCP_FIN_WAIT2 ||
		info.tcpi_state == TCP_CLOSING || info.tcpi_state == TCP_LAST_ACK);
}

static int get_value(int fd, int name, void *value, socklen_t size)
{
	return getsockopt(fd, IPPROTO_TCP, name, value, &size) < 0 ? -errno : 0;
}

/* Of one that is held, nothing moves. */
static int read_progress(int fd, bool has_end, struct found *found, char *bytes)
{
	struct tcp_progress *progress = &found->progress;
	uint32_t not_sent = (uint32_t)queue_size(fd, SIOCOUTQNSD);
	uint32_t sequence;
	int r = select_queue(fd, TCP_SEND_QUEUE, &sequence);

	found->sent = 0;
	found->sent_sequence = sequence - has_end;
	if (r == 0 && queue_size(fd, SIOCOUTQ) > (int)has_end)
		r = read_sent(fd, has_end, found, bytes);
	if (r == 0)
		r = read_received(fd, found);
	if (r == 0)
		r = get_value(fd, TCP_TIMESTAMP, &progress->timestamp, sizeof(uint32_t));
	if (r == 0)
		r = get_value(fd, TCP_MAXSEG, &progress->segment, sizeof(int));
	if (r == 0)
		r = get_value(fd, TCP_REPAIR_WINDOW, &progress->window, sizeof(progress->window));
	not_sent -= has_end && not_sent > 0;
	progress->send_sequence = found->sent_sequence;
	progress->receive_sequence = found->receive_sequence;
	progress->sent = found->sent > not_sent ? found->sent - not_sent : 0;
	return r;
}

/* Leaving it forgets SO_REUSEADDR, and with TCP_REPAIR_OFF_NO_WP sends nothing. */
static int repair_one(int fd, struct found *found, char *bytes, bool is_sending)
{
	static const int on = 1;
	static const int off = TCP_REPAIR_OFF_NO_WP;
	int reuse = socket_number(fd, SO_REUSEADDR);
	bool has_end = has_sent_end(fd);
	int r;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		return -errno;
	if (found->wants_progress)
		r = read_progress(fd, has_end, found, bytes);
	else
		r = is_sending ? read_sent(fd, has_end, found, bytes) : read_received(fd, found);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	return r;
}

static void repair_all(const struct tcp_snapshot *snapshot, struct found *founds)
{
	char *bytes = (char *)(founds + snapshot->count);

	for (size_t i = 0; i < snapshot->count; i++) {
		if (founds[i].room > 0 || founds[i].wants_progress)
			founds[i].error = repair_one(snapshot->queues[i].file->fd, &founds[i],
						     bytes + founds[i].place, true);
	}
	for (size_t i = 0; i < snapshot->count; i++) {
		if (founds[i].wants_receive_sequence && founds[i].error == 0)
			founds[i].error =
			    repair_one(snapshot->queues[i].file->fd, &founds[i], NULL, false);
	}
}

static int repair_elsewhere(const struct tcp_snapshot *snapshot, struct found *founds,
			    struct err *err)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return err_set(err, -errno, "fork");
	if (child == 0) {
		repair_all(snapshot, founds);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0)
		return err_set(err, ERR_FAILED, "reading the queues of TCP sockets failed");
	return 0;
}

/* ---- the copies ---- */

struct peek {
	int fd;
	size_t size;
};

/* An offset for peeking, which the program may have set, moves with every peek. */
static int peek_all(void *argument, struct buf *output)
{
	static const int none = -1;
	const struct peek *peek = argument;
	int offset = socket_number(peek->fd, SO_PEEK_OFF);
	char *bytes = buf_append(output, NULL, peek->size);
	ssize_t n;

	if (offset >= 0)
		(void)setsockopt(peek->fd, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none));
	n = recv(peek->fd, bytes, peek->size, MSG_PEEK | MSG_DONTWAIT);
	output->size = n > 0 ? (size_t)n : 0;
	if (offset >= 0)
		(void)setsockopt(peek->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
	return n < 0 ? -errno : 0;
}

static int peek_received(int fd, size_t size, struct tcp_queues *queues)
{
	struct peek peek = { fd, size };
	auto_buf struct buf output = BUF_EMPTY;
	int r;

	if (size == 0)
		return 0;
	r = socket_number(fd, SO_PEEK_OFF) >= 0 ? run_apart(peek_all, &peek, &output)
						: peek_all(&peek, &output);
	if (r < 0)
		return r;
	queues->received_size = output.size;
	queues->received = take_ptr(output.data);
	return queues->received_size == size ? 0 : -EIO;
}

static void keep_progress(struct tcp_queues *queues, const struct found *found, const char *bytes)
{
	queues->progress = found->progress;
	queues->unsent_size = found->sent;
	if (found->sent > 0)
		queues->unsent = mem_copy(bytes + found->place, found->sent);
}

/* What this end has sent and its mate did not receive. */
static void keep_unsent(struct tcp_queues *queues, const struct found *found,
			const struct found *mate, const char *bytes)
{
	uint32_t done = mate ? mate->receive_sequence - found->sent_sequence : 0;

	/* The mate's sequence may be behind the end of the stream, and a byte more than all. */
	if (done >= found->sent)
		return;
	queues->unsent_size = found->sent - done;
	queues->unsent = mem_copy(bytes + found->place + done, queues->unsent_size);
}

static void keep_all(struct tcp_snapshot *snapshot, const struct found *founds)
{
	const char *bytes = (const char *)(founds + snapshot->count);

	for (size_t i = 0; i < snapshot->count; i++) {
		struct tcp_queues *queues = &snapshot->queues[i];
		const struct found *mate =
		    queues->mate ? &founds[queues->mate - snapshot->queues] : NULL;
		int fd = queues->file->fd;

		queues->error = peek_received(fd,
					      founds[i].wants_receive_sequence
						  ? founds[i].received
						  : (size_t)queue_size(fd, SIOCINQ),
					      queues);
		if (queues->error == 0)
			queues->error = founds[i].error;
		if (queues->error == 0 && mate)
			queues->error = mate->error;
		if (queues->error == 0 && founds[i].wants_progress)
			keep_progress(queues, &founds[i], bytes);
		else if (queues->error == 0 && founds[i].room > 0)
			keep_unsent(queues, &founds[i], mate, bytes);
	}
}

/* What was sent to somebody outside is kept with the connection only. */
static bool is_wanted(const struct tcp_queues *queues)
{
	return queues->is_kept || queues->mate || (queues->other && queues->other->inode == 0);
}

/* How much of the send queue may be read. */
static size_t room_of(const struct tcp_queues *queues)
{
	size_t size = (size_t)queue_size(queues->file->fd, SIOCOUTQ);

	return queues->is_kept ? size + PARTIAL_ROOM : size;
}

int tcp_queues_copy(struct tcp_snapshot *snapshot, struct err *err)
{
	size_t size = snapshot->count * sizeof(struct found);
	size_t head = size;
	struct found *founds;
	int r = 0;

	for (size_t i = 0; i < snapshot->count; i++)
		size += room_of(&snapshot->queues[i]);
	if (size == 0)
		return 0;
	founds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (founds == MAP_FAILED)
		return err_set(err, -errno, "map %zu bytes", size);
	for (size_t i = 0, place = 0; i < snapshot->count; i++) {
		struct tcp_queues *queues = &snapshot->queues[i];
		size_t room = is_wanted(queues) ? room_of(queues) : 0;

		/* Nothing is sent meanwhile: it only gets less. */
		if (room > size - head - place)
			room = size - head - place;
		founds[i].room = (uint32_t)room;
		founds[i].place = place;
		founds[i].wants_progress = queues->is_kept;
		place += room;
		if (room > 0 && queues->mate)
			founds[queues->mate - snapshot->queues].wants_receive_sequence = true;
	}
	if (size > head)
		r = repair_elsewhere(snapshot, founds, err);
	if (r == 0)
		keep_all(snapshot, founds);
	(void)munmap(founds, size);
	return r;
}
