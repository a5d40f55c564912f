/* Records of unix sockets: the socket itself (kind sock_unix), and what waits in it (kind
 * unix_queue). Both have the id of the open file description. */
#pragma once

#include <assert.h>

#include <linux/sockios.h>

#include "image/record.h"

/* An O_PATH descriptor of the file that a unix socket is bound to, 4.16. */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

#define TAG_UNIX_SOCKET TAG('U', 'N', 'I', 'X')
#define TAG_UNIX_QUEUE	TAG('U', 'N', 'X', 'Q')

enum unix_state {
	UNIX_ALONE,
	UNIX_LISTENING,
	UNIX_CONNECTED,
	UNIX_WAITING, /* connected with a listening socket: its connection is to be accepted */
	UNIX_STATES,
};

enum unix_form {
	UNIX_UNNAMED,
	UNIX_ABSTRACT,
	UNIX_PATH,    /* of a file that leads to the socket */
	UNIX_DELETED, /* of a file that does not, or not any more */
	UNIX_FORMS,
};

/* No task has it: it ends before the first of them runs. For peers that have died. */
#define UNIX_GONE 1u
/* Its peer is not the container's: the one that the record names ends like one that has died. */
#define UNIX_OUTSIDE 2u

RECORDS_BEGIN
struct unix_credentials {
	le32 are_known; /* 0 or 1 */
	le32 pid;	/* in the container; 0: outside, or not known */
	le32 uid;
	le32 gid;
};
/* Behind a struct socket_rec and what belongs to it. */
struct unix_rec {
	le32 state;	    /* enum unix_state */
	le32 flags;	    /* UNIX_GONE, UNIX_OUTSIDE */
	le32 peer;	    /* a socket; 0: none */
	le32 listener;	    /* the socket that it was accepted from; 0: none */
	le32 shutdown;	    /* 1: receives no more, 2: sends no more */
	le32 backlog;	    /* how many may wait in a listening socket */
	le32 form;	    /* of the name: enum unix_form */
	le32 name_length;   /* bytes, which follow, with zeros up to a multiple of 8 */
	le32 path_length;   /* where the file is, with a NUL; then likewise */
	le32 target_length; /* outside: the path that it was connected with, with a NUL; likewise */
	le32 outsider_length;			  /* outside: a text about who has it; likewise */
	le32 mode;				  /* permissions of the file */
	le32 owner;				  /* of the file, a uid */
	le32 group;				  /* likewise, a gid */
	struct unix_credentials peer_credentials; /* SO_PEERCRED */
};
struct unix_queue_rec {
	le32 waiting;  /* number of clients' ids that follow, with zeros up to a multiple of 8 */
	le32 messages; /* then so many of the next */
};
struct unix_message_rec {
	le32 size;     /* bytes of data, behind the descriptors, with zeros up to a multiple of 8 */
	le32 sender;   /* a socket; 0: the peer */
	le32 files;    /* number of descriptions' ids that follow, with zeros likewise */
	le32 reserved; /* zero */
	struct unix_credentials credentials; /* SCM_CREDENTIALS */
};
RECORDS_END
static_assert(sizeof(struct unix_rec) == 72, "image format");
static_assert(sizeof(struct unix_queue_rec) == 8, "image format");
static_assert(sizeof(struct unix_message_rec) == 32, "image format");

#define UNIX_NAME_MAX	  109u /* a path that fills all its room, and a NUL of the kernel's */
#define UNIX_OUTSIDER_MAX 256u
#define UNIX_WAITING_MAX  (1u << 16)
