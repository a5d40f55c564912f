/* Packets on the socket between the caller and the tasks that it starts. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

enum sync_kind {
	SYNC_UNSHARED = 1, /* stage: the user namespace is there, write the maps */
	SYNC_MAPPED,	   /* caller: they are written */
	SYNC_BORN,	   /* stage: `pid` is the first task */
	SYNC_GO,	   /* caller: container_go() */
	SYNC_READY,	   /* a task that has joined: `pid` is its own, inside */
	SYNC_FAILED,	   /* stage or first task: `err` says why; it has exited */
};

struct sync_packet {
	uint64_t magic; /* SYNC_MAGIC: other packets are main's own */
	uint32_t kind;
	pid_t pid;
	struct err err;
};
#define SYNC_MAGIC 0x636b707453594e43ull

int sync_send(int fd, enum sync_kind kind, pid_t pid, struct err *err);
/* Tells why the sender has to give up; nothing is left to do if that fails too. */
void sync_send_failure(int fd, const struct err *failure);
/* Waits for a packet of this kind. A failure that the other side sent becomes ours; -EPIPE if it is
 * gone without a word. */
int sync_expect(int fd, enum sync_kind kind, pid_t *ret_pid, struct err *err);
/* Any packet: its size, 0 at the end. SYNC_FAILED becomes an error. */
ssize_t sync_receive(int fd, void *data, size_t size, struct err *err);
