/* Questions about unix sockets to the kernel. See unix_diag.h. */
#include "kind/support/unix_diag.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"

enum { TCP_LISTENING = 10 }; /* TCP_LISTEN: unix sockets use the same numbers */

struct diag_question {
	struct nlmsghdr header;
	struct unix_diag_req request;
};

void unix_facts_free(struct unix_facts *facts)
{
	free(facts->waiting);
}

/* ---- sockets of ours ---- */

struct opener {
	int namespace;
	int family, type, protocol;
	int result; /* the socket, or a negative errno */
};

static void open_here(struct opener *opener)
{
	int fd = socket(opener->family, opener->type | SOCK_CLOEXEC, opener->protocol);

	opener->result = fd < 0 ? -errno : fd;
}

/* A thread of its own, because there may be no way back into our own namespace. */
static void *open_there(void *argument)
{
	struct opener *opener = argument;

	if (setns(opener->namespace, CLONE_NEWNET) < 0)
		opener->result = -errno;
	else
		open_here(opener);
	return NULL;
}

static bool is_own(int namespace)
{
	struct stat theirs;
	struct stat own;

	return fstat(namespace, &theirs) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	       theirs.st_ino == own.st_ino;
}

int unix_diag_socket(int namespace, int family, int type, int protocol, int *ret_fd,
		     struct err *err)
{
	struct opener opener = { namespace, family, type, protocol, -1 };
	pthread_t thread;
	int r;

	if (is_own(namespace)) {
		open_here(&opener);
	} else {
		r = pthread_create(&thread, NULL, open_there, &opener);
		if (r != 0)
			return err_set(err, -r, "create a thread");
		(void)pthread_join(thread, NULL);
	}
	if (opener.result < 0)
		return err_set(err, opener.result, "make a socket in the container's network");
	*ret_fd = opener.result;
	return 0;
}

/* ---- one question ---- */

static void read_waiting(const struct rtattr *attribute, struct unix_facts *facts)
{
	size_t size = RTA_PAYLOAD(attribute);

	free(facts->waiting);
	facts->waiting = mem_copy(RTA_DATA(attribute), size);
	facts->waiting_count = size / sizeof(uint32_t);
}

static void read_attribute(const struct rtattr *attribute, struct unix_facts *facts)
{
	const uint32_t *number = RTA_DATA(attribute);
	size_t size = RTA_PAYLOAD(attribute);
	const struct unix_diag_rqlen *lengths = RTA_DATA(attribute);
	const struct unix_diag_vfs *file = RTA_DATA(attribute);

	if (attribute->rta_type == UNIX_DIAG_PEER && size >= sizeof(*number)) {
		facts->has_peer = true;
		facts->peer = *number;
	}
	if (attribute->rta_type == UNIX_DIAG_ICONS)
		read_waiting(attribute, facts);
	if (attribute->rta_type == UNIX_DIAG_SHUTDOWN && size >= 1)
		facts->shutdown = *(const uint8_t *)RTA_DATA(attribute);
	if (attribute->rta_type == UNIX_DIAG_RQLEN && size >= sizeof(*lengths))
		facts->backlog = lengths->udiag_wqueue;
	if (attribute->rta_type == UNIX_DIAG_VFS && size >= sizeof(*file))
		facts->file_inode = file->udiag_vfs_ino;
}

static int read_answer(const struct nlmsghdr *header, size_t size, struct unix_facts *ret_facts)
{
	const struct unix_diag_msg *message = NLMSG_DATA(header);
	const struct nlmsgerr *error = NLMSG_DATA(header);
	size_t left;

	if (!NLMSG_OK(header, size))
		return -EPROTO;
	if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)))
		return error->error < 0 ? error->error : -EPROTO;
	if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EPROTO;
	ret_facts->is_listening = message->udiag_state == TCP_LISTENING;
	left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
	for (const struct rtattr *attribute = (const void *)(message + 1); RTA_OK(attribute, left);
	     attribute = RTA_NEXT(attribute, left))
		read_attribute(attribute, ret_facts);
	return 0;
}

int unix_diag_ask(int netlink, uint32_t inode, struct unix_facts *ret_facts, struct err *err)
{
	struct diag_question question = {
		.header = { .nlmsg_len = sizeof(question),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		.request = { .sdiag_family = AF_UNIX,
			     .udiag_states = ~0u,
			     .udiag_ino = inode,
			     .udiag_show = UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS |
					   UDIAG_SHOW_RQLEN,
			     .udiag_cookie = { ~0u, ~0u } },
	};
	auto_buf struct buf answer = BUF_EMPTY;
	ssize_t size;
	int r;

	if (send(netlink, &question, sizeof(question), 0) < 0)
		return err_set(err, -errno, "ask the kernel for unix socket %u", inode);
	/* The kernel answers at once, with a page at most. */
	size = recv(netlink, buf_append(&answer, NULL, 65536), 65536, MSG_DONTWAIT);
	if (size < 0)
		return err_set(err, -errno, "ask the kernel for unix socket %u", inode);
	r = read_answer((const void *)answer.data, (size_t)size, ret_facts);
	if (r == -ENOENT)
		return err_set(err, ERR_HOST, "this kernel does not show unix socket %u", inode);
	if (r < 0)
		return err_set(err, r, "ask the kernel for unix socket %u", inode);
	return 0;
}
