/* All TCP connections of a container at once: who is at the other end. See tcp_queues.h. */
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/tcp.h"
#include "kind/support/tcp_queues.h"

static int read_table(const struct dump *d, struct tcp_table *table, struct err *err)
{
	if (!tcp_table_read(table, d, "net/tcp"))
		return err_set(err, ERR_HOST, "/proc does not list TCP sockets");
	/* Not there without IPv6. */
	(void)tcp_table_read(table, d, "net/tcp6");
	tcp_table_sort(table);
	return 0;
}

static void add_connections(struct dump *d, struct tcp_snapshot *snapshot)
{
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];
		struct tcp_info info;

		if (!tcp_is(file) || !tcp_info_get(file->fd, &info) ||
		    tcp_is_fresh(file->fd, &info))
			continue;
		array_grow(snapshot->queues, snapshot->count);
		snapshot->queues[snapshot->count++] = (struct tcp_queues){ .file = file };
	}
}

/* getpeername(2) does not tell before the connection is made; the table does. */
static struct inet_address_rec find_peer(const struct tcp_snapshot *snapshot,
					 const struct target_fd *file)
{
	struct inet_address_rec peer = inet_peer(file->fd);
	struct inet_address_rec local = inet_local(file->fd);
	size_t start = le16_get(local.family) == AF_INET ? 12 : 0;

	for (size_t i = 0; inet_address_is_none(&peer) && i < snapshot->table.count; i++) {
		const struct tcp_line *line = &snapshot->table.lines[i];

		if (line->inode != file->stat.st_ino || line->state != TCP_SYN_SENT)
			continue;
		peer = local;
		peer.port = le16_make(line->peer.port);
		memcpy(peer.address, line->peer.address + start, 16 - start);
	}
	return peer;
}

static void find_mates(const struct dump *d, struct tcp_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		struct tcp_queues *queues = &snapshot->queues[i];
		struct inet_address_rec local = inet_local(queues->file->fd);
		struct tcp_place from = tcp_place_of(&local);
		struct tcp_place to;

		queues->peer = find_peer(snapshot, queues->file);
		if (inet_address_is_none(&queues->peer))
			continue;
		to = tcp_place_of(&queues->peer);
		queues->other = tcp_find_other(d, &snapshot->table, queues->file->ns, &from, &to);
		if (queues->other && queues->other->inode != 0)
			queues->mate = tcp_snapshot_find(
			    snapshot,
			    dump_first_file(d, queues->file->stat.st_dev, queues->other->inode));
	}
}

/* It can be neither saved nor restored before it is made. */
static bool is_made(int fd)
{
	struct tcp_info info;

	return tcp_info_get(fd, &info) && info.tcpi_state != TCP_CLOSE &&
	       info.tcpi_state != TCP_SYN_SENT && info.tcpi_state != TCP_SYN_RECV;
}

/* From here on, nothing comes for those that lead outside and are to be kept. */
static int hold_kept(const struct dump *d, struct tcp_snapshot *snapshot, struct err *err)
{
	auto_free int *fds = NULL;
	size_t count = 0;

	for (size_t i = 0; d->own->outside.tcp_established && i < snapshot->count; i++) {
		struct tcp_queues *queues = &snapshot->queues[i];
		struct inet_address_rec local = inet_local(queues->file->fd);

		if (queues->other || queues->file->ns != 0 || !is_made(queues->file->fd) ||
		    tcp_is_here(&local, &queues->peer))
			continue;
		queues->fault = tcp_hold_fault(queues->file->fd);
		if (queues->fault)
			continue;
		array_grow(fds, count);
		queues->is_kept = true;
		queues->held = count;
		fds[count++] = queues->file->fd;
	}
	return count > 0 ? tcp_hold_start(fds, count, &snapshot->hold, err) : 0;
}

int tcp_snapshot_get(struct dump *d, struct tcp_snapshot **ret_snapshot, struct err *err)
{
	struct tcp_snapshot *snapshot = d->own->tcp;
	int r;

	if (!snapshot) {
		snapshot = mem_alloc(1, sizeof(*snapshot));
		d->own->tcp = snapshot;
		r = read_table(d, &snapshot->table, err);
		if (r < 0)
			return r;
		add_connections(d, snapshot);
		find_mates(d, snapshot);
		r = hold_kept(d, snapshot, err);
		if (r < 0)
			return r;
		r = tcp_queues_copy(snapshot, err);
		if (r < 0)
			return r;
	}
	*ret_snapshot = snapshot;
	return 0;
}

struct tcp_queues *tcp_snapshot_find(const struct tcp_snapshot *snapshot, uint32_t file)
{
	for (size_t i = 0; file != 0 && i < snapshot->count; i++) {
		if (snapshot->queues[i].file->id == file)
			return &snapshot->queues[i];
	}
	return NULL;
}

enum { NR32_SOCKETCALL = 102, NR32_CONNECT = 362, SOCKETCALL_CONNECT = 3 };

/* Is the thread in connect(2), and of which descriptor? */
static bool is_connect(const struct dump *d, int *ret_number)
{
	const struct remote *remote = &d->thread->remote;
	const struct user_regs_struct *regs = &remote->saved;
	struct err ignored = ERR_NONE;

	if (!remote_is_32(remote)) {
		*ret_number = (int)regs->rdi;
		return (long)regs->orig_rax == SYS_connect;
	}
	*ret_number = (int)regs->rbx;
	if (regs->orig_rax == NR32_CONNECT)
		return true;
	return regs->orig_rax == NR32_SOCKETCALL && regs->rbx == SOCKETCALL_CONNECT &&
	       remote_read(remote, (uint32_t)regs->rcx, ret_number, sizeof(int), &ignored) == 0;
}

bool tcp_connect_is_done(const struct dump *d)
{
	const struct user_regs_struct *regs = &d->thread->remote.saved;
	const struct tcp_snapshot *snapshot = d->own->tcp;
	const struct tcp_queues *queues;
	struct tcp_info info;
	int number;

	/* Interrupted, and to be called again. */
	if (!snapshot || (long)regs->rax != -512 || !is_connect(d, &number))
		return false;
	queues = tcp_snapshot_find(snapshot, dump_file_at(d, d->task, number));
	return queues && tcp_info_get(queues->file->fd, &info) &&
	       (info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_CLOSE_WAIT);
}

void tcp_snapshot_free(struct tcp_snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->count; i++) {
		free(snapshot->queues[i].received);
		free(snapshot->queues[i].unsent);
	}
	tcp_hold_free(snapshot->hold, false);
	free(snapshot->queues);
	free(snapshot->table.lines);
	free(snapshot);
}
