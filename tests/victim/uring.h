/* A ring of io_uring by its bare system calls, as a program uses one. */
#pragma once

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

/* linux/io_uring.h, as far as headers may lack it. */
enum {
	SETUP_SQE128 = 1 << 10,
	SETUP_CQE32 = 1 << 11,
	SETUP_SINGLE_ISSUER = 1 << 12,
	SETUP_DEFER_TASKRUN = 1 << 13,
	SETUP_NO_SQARRAY = 1 << 16,
};

struct ring {
	int fd;
	struct io_uring_params p;
	char *rings, *requests;
	size_t rings_size, requests_size;
	unsigned int tail; /* a copy of its own, as libraries keep one */
};

/* False where the kernel does not have it. */
static inline bool ring_make(struct ring *ring, unsigned int entries, unsigned int completions,
			     unsigned int flags)
{
	size_t array;

	*ring = (struct ring){ .p.flags = flags };
	if (completions > 0) {
		ring->p.flags |= IORING_SETUP_CQSIZE;
		ring->p.cq_entries = completions;
	}
	ring->fd = (int)syscall(SYS_io_uring_setup, entries, &ring->p);
	if (ring->fd < 0)
		return false;
	array = ring->p.sq_off.array + ring->p.sq_entries * sizeof(unsigned int);
	ring->rings_size =
	    ring->p.cq_off.cqes + (size_t)ring->p.cq_entries * (flags & SETUP_CQE32 ? 32 : 16);
	if (!(flags & SETUP_NO_SQARRAY) && array > ring->rings_size)
		ring->rings_size = array;
	ring->requests_size = (size_t)ring->p.sq_entries * (flags & SETUP_SQE128 ? 128 : 64);
	ring->rings = mmap(NULL, ring->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->requests = mmap(NULL, ring->requests_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      ring->fd, IORING_OFF_SQES);
	EXPECT(ring->rings != MAP_FAILED && ring->requests != MAP_FAILED);
	return true;
}

static inline unsigned int ring_get(const struct ring *ring, unsigned int offset)
{
	return __atomic_load_n((const unsigned int *)(const void *)(ring->rings + offset),
			       __ATOMIC_ACQUIRE);
}

static inline void ring_set(const struct ring *ring, unsigned int offset, unsigned int value)
{
	__atomic_store_n((unsigned int *)(void *)(ring->rings + offset), value, __ATOMIC_RELEASE);
}

/* The next request, all zeros, in the queue. */
static inline struct io_uring_sqe *ring_queue(struct ring *ring, unsigned char code,
					      unsigned long long data)
{
	unsigned int index = ring->tail & (ring->p.sq_entries - 1);
	size_t size = ring->p.flags & SETUP_SQE128 ? 128 : 64;
	struct io_uring_sqe *request = (void *)(ring->requests + index * size);

	EXPECT(ring_get(ring, ring->p.sq_off.tail) == ring->tail);
	EXPECT(ring->tail - ring_get(ring, ring->p.sq_off.head) < ring->p.sq_entries);
	memset(request, 0, size);
	request->opcode = code;
	request->user_data = data;
	request->fd = -1;
	if (!(ring->p.flags & SETUP_NO_SQARRAY))
		ring_set(ring, ring->p.sq_off.array + index * 4, index);
	ring_set(ring, ring->p.sq_off.tail, ++ring->tail);
	return request;
}

static inline long ring_enter(const struct ring *ring, unsigned int submit, unsigned int wait)
{
	return syscall(SYS_io_uring_enter, ring->fd, submit, wait,
		       wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

static inline void ring_submit(const struct ring *ring)
{
	EXPECT(ring_enter(ring, 1, 0) == 1);
}

static inline unsigned int ring_unread(const struct ring *ring)
{
	return ring_get(ring, ring->p.cq_off.tail) - ring_get(ring, ring->p.cq_off.head);
}

/* Waits for the next completion and takes it. */
static inline int ring_take(const struct ring *ring, unsigned long long data)
{
	unsigned int head = ring_get(ring, ring->p.cq_off.head);
	size_t size = ring->p.flags & SETUP_CQE32 ? 32 : 16;
	const struct io_uring_cqe *completion;
	int result;

	while (ring_get(ring, ring->p.cq_off.tail) == head)
		EXPECT(ring_enter(ring, 0, 1) == 0 || errno == EINTR);
	completion = (const void *)(ring->rings + ring->p.cq_off.cqes +
				    (head & (ring->p.cq_entries - 1)) * size);
	EXPECT(completion->user_data == data);
	result = completion->res;
	ring_set(ring, ring->p.cq_off.head, head + 1);
	return result;
}

/* Requests that do nothing, one by one. */
static inline void ring_use(struct ring *ring, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		(void)ring_queue(ring, IORING_OP_NOP, i);
		ring_submit(ring);
		EXPECT(ring_take(ring, i) == 0);
	}
}

static inline void ring_queue_timeout(struct ring *ring, const struct __kernel_timespec *time,
				      unsigned long long data)
{
	struct io_uring_sqe *request = ring_queue(ring, IORING_OP_TIMEOUT, data);

	request->addr = (uintptr_t)time;
	request->len = 1;
}

/* Reads, writes and waits by it. */
static inline void ring_prove(struct ring *ring)
{
	const struct __kernel_timespec soon = { .tv_nsec = 1000 };
	char text[8] = "";
	int pipes[2];
	struct io_uring_sqe *request;

	EXPECT(pipe(pipes) == 0);
	request = ring_queue(ring, IORING_OP_WRITE, 71);
	request->fd = pipes[1];
	request->addr = (uintptr_t) "hello";
	request->len = 5;
	ring_submit(ring);
	EXPECT(ring_take(ring, 71) == 5);
	request = ring_queue(ring, IORING_OP_READ, 72);
	request->fd = pipes[0];
	request->addr = (uintptr_t)text;
	request->len = 8;
	ring_submit(ring);
	EXPECT(ring_take(ring, 72) == 5 && memcmp(text, "hello", 5) == 0);
	ring_queue_timeout(ring, &soon, 73);
	ring_submit(ring);
	EXPECT(ring_take(ring, 73) == -ETIME);
	EXPECT(close(pipes[0]) == 0 && close(pipes[1]) == 0);
	ring_use(ring, 2 * ring->p.cq_entries + 1);
	EXPECT(ring_unread(ring) == 0);
}
