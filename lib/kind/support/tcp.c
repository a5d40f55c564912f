/* TCP sockets. See tcp.h. */
#include "kind/support/tcp.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/tcp_table.h"
#include "restore/open.h"

bool tcp_is(const struct target_fd *fd)
{
	if (!socket_is(fd, -1, SOCK_STREAM, IPPROTO_TCP))
		return false;
	return socket_number(fd->fd, SO_DOMAIN) == AF_INET ||
	       socket_number(fd->fd, SO_DOMAIN) == AF_INET6;
}

bool tcp_info_get(int fd, struct tcp_info *ret_info)
{
	socklen_t size = sizeof(*ret_info);

	*ret_info = (struct tcp_info){ .tcpi_state = 0 };
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret_info, &size) == 0;
}

bool tcp_is_here(const struct inet_address_rec *local, const struct inet_address_rec *peer)
{
	static const unsigned char mapped[13] = { [10] = 0xff, 0xff, 127 };
	struct tcp_place from = tcp_place_of(local);
	struct tcp_place to = tcp_place_of(peer);

	return memcmp(from.address, to.address, 16) == 0 ||
	       memcmp(to.address, mapped, sizeof(mapped)) == 0 ||
	       IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)to.address);
}

/* Where a connection was, reading gives what is left of it, then nothing; elsewhere it fails. An
 * error that was not read yet would be taken by this. */
bool tcp_is_fresh(int fd, const struct tcp_info *info)
{
	struct pollfd state = { .fd = fd };
	char byte;

	if (info->tcpi_state == TCP_LISTEN)
		return true;
	if (info->tcpi_state != TCP_CLOSE)
		return false;
	if (poll(&state, 1, 0) > 0 && state.revents & POLLERR)
		return true;
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* ---- dump ---- */

bool tcp_is_plain(struct dump *d)
{
	char text[64] = { 0 };
	socklen_t size = 16;
	int value = 0;

	if (getsockopt(d->fd->fd, IPPROTO_TCP, TCP_ULP, text, &size) == 0 && size > 0) {
		(void)dump_block(d, NULL, "TCP with %.16s on top is not supported", text);
		return false;
	}
	memset(text, 0, sizeof(text));
	size = sizeof(text);
	if (getsockopt(d->fd->fd, IPPROTO_TCP, 40 /* TCP_AO_INFO */, text, &size) == 0) {
		(void)dump_block(d, NULL, "TCP with signed segments is not supported");
		return false;
	}
	size = sizeof(value);
	if (getsockopt(d->fd->fd, IPPROTO_TCP, TCP_REPAIR, &value, &size) == 0 && value > 0) {
		(void)dump_block(d, NULL, "a TCP socket in repair mode is not supported");
		return false;
	}
	return true;
}

/* ---- restore ---- */

/* Three numbers: the smallest, the default and the largest size. */
struct sizes {
	int fd;
	int lowest, normal, highest;
};

static bool sizes_set(const struct sizes *sizes, int normal)
{
	char text[64];
	int length =
	    snprintf(text, sizeof(text), "%d %d %d\n", sizes->lowest, normal, sizes->highest);

	return pwrite(sizes->fd, text, (size_t)length, 0) == length;
}

/* Makes `wanted` the default, where it is needed and possible. */
static void sizes_begin(const struct restore *rs, const char *path, int wanted, struct sizes *sizes)
{
	char text[64];
	ssize_t n;

	sizes->fd = openat(restore_root(rs)->proc, path, O_RDWR | O_CLOEXEC);
	if (sizes->fd < 0)
		return;
	n = pread(sizes->fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%d %d %d", &sizes->lowest, &sizes->normal, &sizes->highest) == 3 &&
	    wanted > sizes->normal && sizes_set(sizes, wanted))
		return;
	drop_fd(&sizes->fd);
}

static void sizes_end(struct sizes *sizes)
{
	if (sizes->fd >= 0)
		(void)sizes_set(sizes, sizes->normal);
	drop_fd(&sizes->fd);
}

int tcp_make(struct restore *rs, const struct socket_rec *common,
	     const struct socket_option *options, uint32_t room, int *ret_fd, struct err *err)
{
	int64_t send = (int64_t)socket_saved_number(common, SO_SNDBUF, 0) + room;
	struct sizes to_send = { .fd = -1 };
	struct sizes to_receive = { .fd = -1 };
	auto_close int fd = -1;
	int r;

	sizes_begin(rs, "sys/net/ipv4/tcp_wmem", send < INT32_MAX ? (int)send : INT32_MAX,
		    &to_send);
	sizes_begin(rs, "sys/net/ipv4/tcp_rmem", socket_saved_number(common, SO_RCVBUF, 0),
		    &to_receive);
	r = socket_make(common, &fd, err);
	sizes_end(&to_receive);
	sizes_end(&to_send);
	if (r == 0)
		r = socket_restore_early(rs, fd, common, options, err);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int tcp_repair(int fd, int mode, struct err *err)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &mode, sizeof(mode)) < 0)
		return err_set(err, -errno, "set TCP_REPAIR to %d", mode);
	return 0;
}

int tcp_bind(int fd, const struct inet_address_rec *local, bool force, struct err *err)
{
	int one = 1;
	int r = force ? tcp_repair(fd, 1, err) : 0;

	if (r == 0)
		r = inet_bind(fd, local, err);
	if (r < 0 || !force)
		return r;
	r = tcp_repair(fd, TCP_REPAIR_OFF_NO_WP, err);
	/* It was forgotten by this. */
	if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return err_set(err, -errno, "set SO_REUSEADDR");
	return r;
}
