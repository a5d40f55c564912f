/* aio: contexts of Linux AIO: idle, large, with events that nobody has taken, at the end of the
 * ring too. With an argument: what is refused. */
#include <linux/aio_abi.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { CONTEXTS = 4, PIECE = 512 };

struct ring {
	unsigned int id, slots, head, tail;
};

static struct io_event events[256];
static int file;

static aio_context_t make_context(unsigned int requests)
{
	aio_context_t context = 0;

	EXPECT(syscall(SYS_io_setup, requests, &context) == 0);
	return context;
}

/* Requests number `first` and on: the piece of the file with that number; behind its end, nothing.
 */
static void submit(aio_context_t context, unsigned int first, unsigned int count)
{
	static char place[PIECE];

	for (unsigned int i = 0; i < count; i++) {
		struct iocb request = {
			.aio_data = first + i,
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = (uint32_t)file,
			.aio_buf = (uintptr_t)place,
			.aio_nbytes = PIECE - (first + i) % 7,
			.aio_offset = (first + i) % 2 * PIECE,
		};
		struct iocb *list = &request;

		EXPECT(syscall(SYS_io_submit, context, 1, &list) == 1);
	}
}

static void take(aio_context_t context, unsigned int first, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		long long size = (first + i) % 2 ? 0 : PIECE - (first + i) % 7;

		EXPECT(syscall(SYS_io_getevents, context, 1, 1, events, NULL) == 1);
		EXPECT(events[0].data == first + i && events[0].res == size);
	}
}

static void expect_none(aio_context_t context)
{
	struct timespec now = { 0 };

	EXPECT(syscall(SYS_io_getevents, context, 0, 256, events, &now) == 0);
}

static unsigned int slots_of(aio_context_t context)
{
	return ((const volatile struct ring *)context)->slots;
}

static void put_in_flight(aio_context_t context, int event)
{
	struct iocb request = {
		.aio_data = 77,
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)event,
		.aio_buf = POLLIN,
	};
	struct iocb *list = &request;

	EXPECT(syscall(SYS_io_submit, context, 1, &list) == 1);
}

static void wait_for_event(aio_context_t context, int event)
{
	uint64_t one = 1;

	EXPECT(write(event, &one, sizeof(one)) == sizeof(one));
	EXPECT(syscall(SYS_io_getevents, context, 1, 1, events, NULL) == 1);
	EXPECT(events[0].data == 77 && events[0].res == POLLIN);
}

/* The child has the memory, and not the context. */
static void inherit(void)
{
	pid_t parent = getpid();
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			(void)pause();
		_exit(0);
	}
}

/* Each processor keeps some slots of the context. */
static void use_all_processors(aio_context_t context)
{
	cpu_set_t own;
	cpu_set_t one;

	EXPECT(sched_getaffinity(0, sizeof(own), &own) == 0);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &own))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		EXPECT(sched_setaffinity(0, sizeof(one), &one) == 0);
		submit(context, 0, 3);
		take(context, 0, 3);
	}
	EXPECT(sched_setaffinity(0, sizeof(own), &own) == 0);
}

static void expect_all(const aio_context_t *contexts, const unsigned int *slots)
{
	for (int i = 0; i < CONTEXTS; i++)
		EXPECT(slots_of(contexts[i]) == slots[i]);
	expect_none(contexts[0]);
	take(contexts[1], 5, 3);
	take(contexts[2], 200, 90);
	for (int i = 0; i < CONTEXTS; i++) {
		expect_none(contexts[i]);
		submit(contexts[i], 9, 50);
		take(contexts[i], 9, 50);
		EXPECT(syscall(SYS_io_destroy, contexts[i]) == 0);
	}
}

int main(int argc, char **argv)
{
	static const unsigned int requests[CONTEXTS] = { 16, 1, 20, 1000 };
	const char *extra = argc > 1 ? argv[1] : "";
	aio_context_t contexts[CONTEXTS];
	unsigned int slots[CONTEXTS];
	char piece[PIECE] = "piece";
	char path[PATH_MAX];
	int event = eventfd(0, 0);

	(void)snprintf(path, sizeof(path), "%s/file", victim_dir());
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	EXPECT(file >= 0 && event >= 0 && write(file, piece, PIECE) == PIECE);
	for (int i = 0; i < CONTEXTS; i++) {
		contexts[i] = make_context(requests[i]);
		slots[i] = slots_of(contexts[i]);
	}
	use_all_processors(contexts[0]);
	submit(contexts[1], 1, 7);
	take(contexts[1], 1, 4);
	/* The events are at the end of the ring and at its start. */
	for (unsigned int i = 0; i < 4; i++) {
		submit(contexts[2], i * 25, 25);
		take(contexts[2], i * 25, 25);
	}
	submit(contexts[2], 200, 90);
	if (strcmp(extra, "flight") == 0)
		put_in_flight(contexts[3], event);
	if (strcmp(extra, "inherited") == 0)
		inherit();
	if (strcmp(extra, "protected") == 0)
		EXPECT(mprotect((void *)contexts[3], 4096, PROT_READ) == 0);
	wait_for_restore();
	if (strcmp(extra, "flight") == 0)
		wait_for_event(contexts[3], event);
	if (strcmp(extra, "protected") == 0)
		EXPECT(mprotect((void *)contexts[3], 4096, PROT_READ | PROT_WRITE) == 0);
	expect_all(contexts, slots);
	victim_done();
}
