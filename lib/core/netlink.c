/* Netlink, by libmnl. See netlink.h. */
#include "core/netlink.h"

#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/buf.h"

enum {
	MESSAGE_SIZE = 64 * 1024,
	RECEIVE_SIZE = 64 * 1024, /* the kernel fills what the last reader offered, to 32 KiB */
	TRIES = 8,
};

struct netlink {
	struct mnl_socket *socket;
	unsigned int sequence;
	char words[256];
	char received[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

int netlink_open(int protocol, struct netlink **ret_netlink)
{
	struct netlink *netlink = mem_alloc(1, sizeof(*netlink));
	int on = 1;
	int r = 0;

	netlink->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		netlink_free(netlink);
		return r;
	}
	/* Words with errors, and these without the order that they are about. */
	(void)mnl_socket_setsockopt(netlink->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_netlink = netlink;
	return 0;
}

void netlink_free(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		(void)mnl_socket_close(netlink->socket);
	free(netlink);
}

const char *netlink_words(const struct netlink *netlink)
{
	return netlink->words;
}

/* ---- writing ---- */

void netlink_begin(struct netlink_message *message, uint16_t type, uint16_t flags,
		   const void *header, size_t size)
{
	if (!message->header)
		message->header = mem_alloc(1, MESSAGE_SIZE);
	(void)mnl_nlmsg_put_header(message->header);
	message->header->nlmsg_type = type;
	message->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	memcpy(mnl_nlmsg_put_extra_header(message->header, size), header, size);
	message->is_full = false;
}

void netlink_message_free(struct netlink_message *message)
{
	free(message->header);
	*message = NETLINK_MESSAGE_NONE;
}

void netlink_put(struct netlink_message *message, uint16_t type, const void *data, size_t size)
{
	if (!mnl_attr_put_check(message->header, MESSAGE_SIZE, type, size, data))
		message->is_full = true;
}

void netlink_put_u32(struct netlink_message *message, uint16_t type, uint32_t value)
{
	netlink_put(message, type, &value, sizeof(value));
}

void netlink_put_raw(struct netlink_message *message, const void *data, size_t size)
{
	size_t end = MNL_ALIGN(message->header->nlmsg_len);

	if (end + MNL_ALIGN(size) > MESSAGE_SIZE) {
		message->is_full = true;
		return;
	}
	memset((char *)message->header + end, 0, MNL_ALIGN(size));
	memcpy((char *)message->header + end, data, size);
	message->header->nlmsg_len = (uint32_t)(end + MNL_ALIGN(size));
}

size_t netlink_nest(struct netlink_message *message, uint16_t type)
{
	const struct nlattr *nest = mnl_attr_nest_start_check(message->header, MESSAGE_SIZE, type);

	if (!nest) {
		message->is_full = true;
		return 0;
	}
	return (size_t)((const char *)nest - (const char *)message->header);
}

void netlink_nest_end(struct netlink_message *message, size_t nest)
{
	size_t size = message->header->nlmsg_len - nest;

	if (nest == 0 || size > UINT16_MAX)
		message->is_full = true;
	else
		mnl_attr_nest_end(message->header, (void *)((char *)message->header + nest));
}

/* ---- talking ---- */

/* Behind the error's code and the header of the order stand attributes. */
static int on_error(const struct nlmsghdr *message, void *argument)
{
	struct netlink *netlink = argument;
	const struct nlmsgerr *error = netlink_header(message, sizeof(*error));
	const char *words = NULL;

	if (!error) {
		errno = EPROTO;
		return MNL_CB_ERROR;
	}
	if (message->nlmsg_flags & NLM_F_ACK_TLVS)
		words = netlink_text(netlink_find(message, sizeof(*error), NLMSGERR_ATTR_MSG));
	if (words)
		(void)strncat(netlink->words, words, sizeof(netlink->words) - 1);
	errno = -error->error;
	return error->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

struct answers {
	struct netlink *netlink;
	const struct netlink_reader *reader;
	int failure;
};

static int on_answer(const struct nlmsghdr *message, void *argument)
{
	struct answers *answers = argument;

	if (answers->reader && answers->reader->each && answers->failure == 0)
		answers->failure = answers->reader->each(answers->reader->argument, message);
	return MNL_CB_OK;
}

static int on_control(const struct nlmsghdr *message, void *argument)
{
	const struct answers *answers = argument;
	const int *error = netlink_header(message, sizeof(*error));

	if (message->nlmsg_type == NLMSG_ERROR)
		return on_error(message, answers->netlink);
	/* The end of a list may be a failure, too. */
	if (message->nlmsg_type == NLMSG_DONE && error && *error < 0) {
		errno = -*error;
		return MNL_CB_ERROR;
	}
	return message->nlmsg_type == NLMSG_DONE ? MNL_CB_STOP : MNL_CB_OK;
}

static int receive(struct netlink *netlink, struct answers *answers)
{
	mnl_cb_t controls[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_control, [NLMSG_DONE] = on_control
	};
	int r;

	do {
		ssize_t got = mnl_socket_recvfrom(netlink->socket, netlink->received,
						  sizeof(netlink->received));

		if (got < 0)
			return -errno;
		r = mnl_cb_run2(netlink->received, (size_t)got, netlink->sequence,
				mnl_socket_get_portid(netlink->socket), on_answer, answers,
				controls, NLMSG_MIN_TYPE);
		if (r < 0)
			return -errno;
	} while (r > MNL_CB_STOP);
	return answers->failure;
}

static int talk(struct netlink *netlink, struct netlink_message *message,
		const struct netlink_reader *reader)
{
	struct answers answers = { .netlink = netlink, .reader = reader };

	if (message->is_full)
		return -EMSGSIZE;
	netlink->words[0] = '\0';
	message->header->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->socket, message->header, message->header->nlmsg_len) < 0)
		return -errno;
	return receive(netlink, &answers);
}

int netlink_order(struct netlink *netlink, struct netlink_message *message)
{
	message->header->nlmsg_flags |= NLM_F_ACK;
	return talk(netlink, message, NULL);
}

/* libmnl stops at a message that says that its list was changed, with the rest of it still to be
 * read: that is left to a new socket. */
static int reopen(struct netlink *netlink)
{
	struct netlink *fresh = NULL;
	int protocol = 0;
	socklen_t size = sizeof(protocol);
	struct mnl_socket *old = netlink->socket;
	int r;

	if (getsockopt(mnl_socket_get_fd(old), SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
		return -errno;
	r = netlink_open(protocol, &fresh);
	if (r < 0)
		return r;
	netlink->socket = fresh->socket;
	fresh->socket = old;
	netlink_free(fresh);
	return 0;
}

int netlink_ask(struct netlink *netlink, struct netlink_message *message,
		const struct netlink_reader *reader)
{
	int r = 0;

	/* One answer has no end of its own. */
	if (!(message->header->nlmsg_flags & NLM_F_DUMP))
		message->header->nlmsg_flags |= NLM_F_ACK;
	for (int i = 0; i < TRIES; i++) {
		r = talk(netlink, message, reader);
		if (r != -EINTR)
			return r;
		r = reopen(netlink);
		if (r < 0)
			return r;
		if (reader->again)
			reader->again(reader->argument);
	}
	return -EBUSY;
}

/* ---- reading ---- */

const void *netlink_header(const struct nlmsghdr *message, size_t size)
{
	return mnl_nlmsg_get_payload_len(message) < size ? NULL : mnl_nlmsg_get_payload(message);
}

const struct nlattr *netlink_find_bytes(const void *data, size_t size, uint16_t type)
{
	const char *end = (const char *)data + size;

	for (const struct nlattr *at = data; mnl_attr_ok(at, (int)(end - (const char *)at));
	     at = mnl_attr_next(at)) {
		if (mnl_attr_get_type(at) == type)
			return at;
	}
	return NULL;
}

const struct nlattr *netlink_find(const struct nlmsghdr *message, size_t header_size, uint16_t type)
{
	const char *data = mnl_nlmsg_get_payload(message);
	size_t size = mnl_nlmsg_get_payload_len(message);
	size_t skip = MNL_ALIGN(header_size);

	return skip > size ? NULL : netlink_find_bytes(data + skip, size - skip, type);
}

const struct nlattr *netlink_find_in(const struct nlattr *nest, uint16_t type)
{
	return nest ? netlink_find_bytes(netlink_data(nest), netlink_size(nest), type) : NULL;
}

const void *netlink_data(const struct nlattr *attribute)
{
	return mnl_attr_get_payload(attribute);
}

size_t netlink_size(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute);
}

uint32_t netlink_u32(const struct nlattr *attribute, uint32_t otherwise)
{
	uint32_t value;

	if (!attribute || netlink_size(attribute) != sizeof(value))
		return otherwise;
	memcpy(&value, netlink_data(attribute), sizeof(value));
	return value;
}

const char *netlink_text(const struct nlattr *attribute)
{
	const char *text = attribute ? netlink_data(attribute) : NULL;

	return text && memchr(text, '\0', netlink_size(attribute)) ? text : NULL;
}
