/* What is at the other end of a TCP connection. See tcp_form.h. */
#include "kind/support/tcp_form.h"

#include "dump/dump.h"
#include "kind/support/tcp.h"

static bool is_waiting(const struct tcp_line *other)
{
	return other->inode == 0 &&
	       (other->state == TCP_ESTABLISHED || other->state == TCP_CLOSE_WAIT ||
		other->state == TCP_SYN_RECV);
}

/* What arrived before the server's accept(2) is in a socket that nobody has a descriptor of. */
static bool block_unaccepted(struct dump *d, const struct tcp_line *other)
{
	if (other->to_receive <= (other->state == TCP_CLOSE_WAIT))
		return false;
	(void)dump_block(
	    d, "let the server accept it",
	    "a connection with data that its server did not yet accept is not supported");
	dump_block_is_momentary(d);
	return true;
}

/* Likewise, what a program has sent before it closed its end. */
static bool block_closing(struct dump *d, const struct tcp_line *other, const struct tcp_info *info)
{
	if (!other || info->tcpi_state == TCP_CLOSE_WAIT || other->to_send <= 1)
		return false;
	(void)dump_block(
	    d, "let the program read it",
	    "a connection whose other end is closed, but has still %u bytes to send, is "
	    "not supported",
	    other->to_send - 1);
	dump_block_is_momentary(d);
	return true;
}

/* Why a connection that leads outside cannot be kept. */
static const char *find_outside_fault(const struct tcp_queues *queues,
				      const struct tcp_connection_rec *rec)
{
	if (queues->fault)
		return queues->fault;
	if (queues->error == -EPERM)
		return "whose network the invoker does not own";
	if (le16_get(rec->local.family) == AF_INET6 && le32_get(rec->local.scope) != 0)
		return "of link-local addresses";
	return queues->is_kept ? NULL : "but within its network";
}

/* 0 if it is blocked. */
static enum tcp_form find_outside_form(struct dump *d, const struct tcp_queues *queues,
				       const struct tcp_info *info,
				       const struct tcp_connection_rec *rec)
{
	struct inet_address_text peer = inet_address_print(&rec->peer);
	const char *fault;

	if (d->own->outside.tcp_close)
		return TCP_FORM_CUT;
	if (!d->own->outside.tcp_established) {
		(void)dump_block(d, "end it, or use --tcp-established or --tcp-close",
				 "a TCP connection with %s, outside of the container", peer.text);
		return 0;
	}
	if (info->tcpi_state == TCP_SYN_SENT) {
		(void)dump_block(d, "use --tcp-close",
				 "a TCP connection that is being made with %s, outside of the "
				 "container, can't be kept",
				 peer.text);
		dump_block_is_momentary(d);
		return 0;
	}
	fault = find_outside_fault(queues, rec);
	if (!fault)
		return TCP_FORM_OUTSIDE;
	(void)dump_block(d, "use --tcp-close",
			 "a TCP connection with %s, outside of the container, %s, can't be kept",
			 peer.text, fault);
	return 0;
}

/* The other end has no descriptor. 0 if it is blocked. */
static enum tcp_form find_single_form(struct dump *d, const struct tcp_queues *queues,
				      const struct tcp_info *info,
				      const struct tcp_connection_rec *rec)
{
	const struct tcp_line *other = queues->other;

	if ((other && other->inode != 0) || (!other && !tcp_is_here(&rec->local, &rec->peer)))
		return find_outside_form(d, queues, info, rec);
	if (other && is_waiting(other))
		return block_unaccepted(d, other) ? 0 : TCP_FORM_WAITING;
	if (block_closing(d, other, info))
		return 0;
	if (other && other->to_send > 0)
		return TCP_FORM_WIDOWED;
	switch (info->tcpi_state) {
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return TCP_FORM_WIDOWED;
	default:
		return TCP_FORM_LOST;
	}
}

enum tcp_form tcp_form_find(struct dump *d, const struct tcp_queues *queues,
			    const struct tcp_info *info, const struct tcp_connection_rec *rec)
{
	if (info->tcpi_state == TCP_CLOSE)
		return TCP_FORM_DEAD;
	if (info->tcpi_state == TCP_SYN_SENT && tcp_is_here(&rec->local, &rec->peer))
		return TCP_FORM_CONNECTING;
	if (queues->mate == queues || info->tcpi_state == TCP_SYN_RECV) {
		(void)dump_block(d, NULL, "a TCP connection to itself is not supported");
		return 0;
	}
	if (queues->mate)
		return TCP_FORM_PAIR;
	return find_single_form(d, queues, info, rec);
}
