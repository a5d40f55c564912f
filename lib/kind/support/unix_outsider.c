/* Who is at the other end of a unix socket that leads outside. */
#include "kind/support/unix_outsider.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"

char *unix_describe_outsider(int fd)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);
	auto_buf struct buf comm = BUF_EMPTY;
	struct err err = ERR_NONE;
	auto_free char *file = NULL;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	file = mem_printf("%d/comm", peer.pid);
	if (peer.pid <= 0 || procfs_read(proc, file, &comm, &err) < 0)
		return mem_string("another process");
	return mem_printf("process %d (%.*s)", peer.pid, (int)strcspn(comm.data, "\n"), comm.data);
}
