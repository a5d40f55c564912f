/* io_uring: rings of all layouts that are idle: new, used beyond their size, with completions that
 * nobody has taken and requests that are not submitted, watched by epoll. With arguments: what is
 * refused. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "uring.h"

enum { RINGS = 9 };

static struct ring rings[RINGS];
static const struct __kernel_timespec later = { .tv_sec = 100000 };
static int event;

/* ---- what is saved ---- */

static const struct {
	unsigned int entries, completions, flags, used, unread, queued;
	bool may_lack;
} shapes[RINGS] = {
	{ 4, 0, 0, 0, 0, 0, false },
	{ 4, 0, IORING_SETUP_CLAMP, 37, 0, 0, false },
	{ 8, 64, 0, 100, 40, 3, false },
	{ 1, 0, 0, 7, 2, 1, false },
	{ 4, 0, 0, 10, 8, 4, false },
	{ 64, 0, 0, 1000, 5, 0, false },
	{ 16, 0, SETUP_SQE128 | SETUP_CQE32, 33, 9, 2, true },
	{ 64, 0, SETUP_NO_SQARRAY, 70, 3, 2, true },
	{ 128, 0, SETUP_SQE128 | SETUP_NO_SQARRAY, 70, 3, 2, true },
};

/* Requests number 100 and on have a completion that is not taken; 200 and on are not submitted. */
static void build(struct ring *ring, size_t i)
{
	if (!ring_make(ring, shapes[i].entries, shapes[i].completions, shapes[i].flags)) {
		EXPECT(shapes[i].may_lack && errno == EINVAL);
		return;
	}
	ring_use(ring, shapes[i].used);
	for (unsigned int n = 0; n < shapes[i].unread; n++) {
		(void)ring_queue(ring, n % 2 ? IORING_OP_NOP : IORING_OP_CLOSE, 100 + n);
		ring_submit(ring);
	}
	for (unsigned int n = 0; n < shapes[i].queued; n++)
		(void)ring_queue(ring, IORING_OP_NOP, 200 + n);
	EXPECT(fcntl(ring->fd, F_SETFL, i % 2 ? O_NONBLOCK : 0) == 0);
}

static void verify(struct ring *ring, size_t i)
{
	if (ring->fd < 0)
		return;
	EXPECT(!!(fcntl(ring->fd, F_GETFL) & O_NONBLOCK) == i % 2);
	EXPECT(ring_unread(ring) == shapes[i].unread);
	for (unsigned int n = 0; n < shapes[i].unread; n++)
		EXPECT(ring_take(ring, 100 + n) == (n % 2 ? 0 : -EBADF));
	EXPECT(ring_enter(ring, shapes[i].queued + 1, 0) == shapes[i].queued);
	for (unsigned int n = 0; n < shapes[i].queued; n++)
		EXPECT(ring_take(ring, 200 + n) == 0);
	ring_prove(ring);
}

/* ---- what is refused ---- */

static bool is_missing; /* this kernel does not have it */

static void make(struct ring *ring, unsigned int flags)
{
	is_missing |= !ring_make(ring, 4, 0, flags);
}

static void give(struct ring *ring, unsigned int code, const void *argument, unsigned int count)
{
	make(ring, 0);
	is_missing |= syscall(SYS_io_uring_register, ring->fd, code, argument, count) < 0;
}

static void make_poll(struct ring *ring)
{
	struct io_uring_sqe *request;

	make(ring, 0);
	request = ring_queue(ring, IORING_OP_POLL_ADD, 1);
	request->fd = event;
	request->poll32_events = POLLIN;
	ring_submit(ring);
}

static void make_timeout(struct ring *ring)
{
	make(ring, 0);
	ring_queue_timeout(ring, &later, 1);
	ring_submit(ring);
}

/* One request with two completions. */
static void make_more(struct ring *ring)
{
	static const struct __kernel_timespec soon = { .tv_nsec = 1000000 };
	struct io_uring_sqe *request;

	make(ring, 0);
	ring_queue_timeout(ring, &soon, 1);
	request = (void *)ring->requests;
	request->timeout_flags = 1 << 6; /* IORING_TIMEOUT_MULTISHOT */
	request->off = 2;
	ring_submit(ring);
	is_missing = ring_take(ring, 1) != -ETIME;
	while (!is_missing && ring_unread(ring) == 0)
		EXPECT(ring_enter(ring, 0, 1) == 0);
}

/* And one with none: the counters are even. */
static void make_multishot(struct ring *ring)
{
	make_more(ring);
	ring_queue(ring, IORING_OP_NOP, 2)->flags = IOSQE_CQE_SKIP_SUCCESS;
	ring_submit(ring);
}

static void make_skipped(struct ring *ring)
{
	make(ring, 0);
	ring_queue(ring, IORING_OP_NOP, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
	ring_submit(ring);
}

static void make_overflow(struct ring *ring)
{
	make(ring, 0);
	for (int i = 0; i < 9; i++) {
		(void)ring_queue(ring, IORING_OP_NOP, 1);
		ring_submit(ring);
	}
}

static void make_event(struct ring *ring)
{
	give(ring, IORING_REGISTER_EVENTFD, &event, 1);
}

static void make_files(struct ring *ring)
{
	give(ring, IORING_REGISTER_FILES, &event, 1);
}

static void make_buffers(struct ring *ring)
{
	static char page[4096];
	const struct {
		void *start;
		size_t size;
	} buffer = { page, sizeof(page) };

	give(ring, IORING_REGISTER_BUFFERS, &buffer, 1);
}

static void make_group(struct ring *ring)
{
	static _Alignas(4096) char page[4096];
	const struct io_uring_buf_reg buffers = { .ring_addr = (uintptr_t)page,
						  .ring_entries = 4,
						  .bgid = 65535 };

	give(ring, IORING_REGISTER_PBUF_RING, &buffers, 1);
}

static void make_restricted(struct ring *ring)
{
	struct io_uring_restriction restriction = { .opcode = IORING_RESTRICTION_SQE_OP,
						    .sqe_op = IORING_OP_NOP };

	make(ring, IORING_SETUP_R_DISABLED);
	EXPECT(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_RESTRICTIONS, &restriction,
		       1) == 0);
	EXPECT(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_ENABLE_RINGS, 0, 0) == 0);
}

static void make_disabled(struct ring *ring)
{
	make(ring, IORING_SETUP_R_DISABLED);
}

static void make_thread(struct ring *ring)
{
	make(ring, IORING_SETUP_SQPOLL);
}

static void make_polled(struct ring *ring)
{
	make(ring, IORING_SETUP_IOPOLL);
}

static void make_single(struct ring *ring)
{
	make(ring, SETUP_SINGLE_ISSUER);
}

static void make_deferred(struct ring *ring)
{
	make(ring, SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN);
}

/* What the size of requests is, nothing tells. */
static void make_short(struct ring *ring)
{
	make(ring, SETUP_NO_SQARRAY);
}

static const struct {
	const char *name;
	void (*make)(struct ring *ring);
} cases[] = {
	{ "poll", make_poll },
	{ "timeout", make_timeout },
	{ "multishot", make_multishot },
	{ "skipped", make_skipped },
	{ "more", make_more },
	{ "overflow", make_overflow },
	{ "event", make_event },
	{ "files", make_files },
	{ "buffers", make_buffers },
	{ "group", make_group },
	{ "restricted", make_restricted },
	{ "disabled", make_disabled },
	{ "thread", make_thread },
	{ "polled", make_polled },
	{ "single", make_single },
	{ "deferred", make_deferred },
	{ "short", make_short },
};

/* A request that a worker of the kernel has done: it stays for some seconds. */
static void make_worker(struct ring *ring)
{
	struct io_uring_sqe *request = ring_queue(ring, IORING_OP_NOP, 9);

	request->flags = IOSQE_ASYNC;
	ring_submit(ring);
	EXPECT(ring_take(ring, 9) == 0);
}

static void make_case(const char *name)
{
	struct ring ring;
	char missing[64];

	is_missing = false;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(name, cases[i].name) != 0)
			continue;
		cases[i].make(&ring);
		(void)snprintf(missing, sizeof(missing), "missing-%s", name);
		if (is_missing)
			victim_write(missing, "");
		return;
	}
	victim_fail("what is %s?", name);
}

static void refuse(int count, char **names)
{
	event = eventfd(0, 0);
	for (int i = 0; i < count; i++)
		make_case(names[i]);
	wait_for_restore();
	victim_done();
}

/* What a container's own filter, or kernel.io_uring_disabled, denies. */
static void need_rings(void)
{
	struct ring ring;

	if (ring_make(&ring, 1, 0, 0)) {
		EXPECT(close(ring.fd) == 0 && munmap(ring.rings, ring.rings_size) == 0 &&
		       munmap(ring.requests, ring.requests_size) == 0);
		return;
	}
	victim_write("missing", "");
	wait_for_restore();
	victim_done();
}

/* Only what has completions is ready. */
static int watch(const struct ring *ready, const struct ring *empty)
{
	struct epoll_event item = { .events = EPOLLIN };
	int watcher = epoll_create1(0);

	item.data.u32 = 1;
	EXPECT(epoll_ctl(watcher, EPOLL_CTL_ADD, ready->fd, &item) == 0);
	item.data.u32 = 2;
	EXPECT(epoll_ctl(watcher, EPOLL_CTL_ADD, empty->fd, &item) == 0);
	return watcher;
}

static void expect_ready(int watcher)
{
	struct epoll_event items[3];

	EXPECT(epoll_wait(watcher, items, 3, 0) == 1 && items[0].data.u32 == 1);
}

int main(int argc, char **argv)
{
	int watcher;

	need_rings();
	if (argc > 1)
		refuse(argc - 1, argv + 1);
	for (size_t i = 0; i < RINGS; i++)
		build(&rings[i], i);
	make_worker(&rings[1]);
	watcher = watch(&rings[2], &rings[1]);
	wait_for_restore();
	expect_ready(watcher);
	for (size_t i = 0; i < RINGS; i++)
		verify(&rings[i], i);
	victim_done();
}
