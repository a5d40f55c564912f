/* Packets between the caller and the tasks that it starts. See sync.h. */
#include "container/sync.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

int sync_send(int fd, enum sync_kind kind, pid_t pid, struct err *err)
{
	struct sync_packet packet;

	memset(&packet, 0, sizeof(packet));
	packet.magic = SYNC_MAGIC;
	packet.kind = kind;
	packet.pid = pid;
	if (send(fd, &packet, sizeof(packet), MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "talk to the container's first task");
	return 0;
}

void sync_send_failure(int fd, const struct err *failure)
{
	struct sync_packet packet;

	memset(&packet, 0, sizeof(packet));
	packet.magic = SYNC_MAGIC;
	packet.kind = SYNC_FAILED;
	packet.err = *failure;
	(void)send(fd, &packet, sizeof(packet), MSG_NOSIGNAL);
}

static bool is_failure(const void *data, size_t size)
{
	const struct sync_packet *packet = data;

	return size == sizeof(*packet) && packet->magic == SYNC_MAGIC &&
	       packet->kind == SYNC_FAILED;
}

static int take_failure(const struct sync_packet *packet, struct err *err)
{
	*err = packet->err;
	err->text[sizeof(err->text) - 1] = '\0';
	err->hint[sizeof(err->hint) - 1] = '\0';
	if (err->code >= 0)
		err->code = ERR_FAILED;
	return err->code;
}

ssize_t sync_receive(int fd, void *data, size_t size, struct err *err)
{
	struct sync_packet packet; /* room for a failure, whatever the caller expects */
	ssize_t got;

	do {
		got = recv(fd, &packet, sizeof(packet), MSG_TRUNC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == ECONNRESET)
		got = 0;
	if (got < 0)
		return err_set(err, -errno, "listen to the container's first task");
	if (is_failure(&packet, (size_t)got))
		return take_failure(&packet, err);
	if ((size_t)got > size || (size_t)got > sizeof(packet))
		return err_set(err, -EMSGSIZE, "message of the container's first task");
	memcpy(data, &packet, (size_t)got);
	return got;
}

int sync_expect(int fd, enum sync_kind kind, pid_t *ret_pid, struct err *err)
{
	struct sync_packet packet;
	ssize_t got = sync_receive(fd, &packet, sizeof(packet), err);

	if (got < 0)
		return (int)got;
	if (got == 0)
		return err_set(err, -EPIPE, "the other side of the container is gone");
	if (got != sizeof(packet) || packet.magic != SYNC_MAGIC || packet.kind != kind)
		return err_set(err, -EPROTO, "message of the container's first task");
	if (ret_pid)
		*ret_pid = packet.pid;
	return 0;
}
