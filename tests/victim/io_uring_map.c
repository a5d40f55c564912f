/* io_uring_map: rings mapped twice, in part protected, advised, high and low in the address space,
 * and shared by a process and its child, with a descriptor or without one. With an argument: what
 * is refused. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "uring.h"

static struct ring ring, shared, large;

static void need(bool has_it)
{
	if (has_it)
		return;
	victim_write("missing", "");
	wait_for_restore();
	victim_done();
}

static void prove_twice(const char *again)
{
	unsigned int tail = ring_get(&ring, ring.p.cq_off.tail);

	ring_prove(&ring);
	EXPECT(ring_get(&ring, ring.p.cq_off.tail) != tail);
	EXPECT(*(const unsigned int *)(const void *)(again + ring.p.cq_off.tail) ==
	       ring_get(&ring, ring.p.cq_off.tail));
}

/* The child has given its descriptor away; its parent submits. */
static void be_child(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	EXPECT(close(large.fd) == 0);
	victim_write("child", "");
	victim_wait_file("go");
	EXPECT(getppid() == parent);
	ring_prove(&shared);
	EXPECT(ring_unread(&large) == 1);
	_exit(0);
}

static pid_t start_child(void)
{
	pid_t parent = getpid();
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		be_child(parent);
	victim_wait_file("child");
	return child;
}

static bool is_advised(const void *address)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool is_here = false;
	unsigned long start;
	unsigned long end;

	EXPECT(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_here = start == (uintptr_t)address;
		if (is_here && strncmp(line, "VmFlags:", 8) == 0)
			break;
	}
	EXPECT(fclose(maps) == 0 && is_here);
	return strstr(line, " dc") != NULL;
}

static void build_and_verify(void)
{
	char *again = mmap(NULL, ring.rings_size, PROT_READ, MAP_SHARED, ring.fd, 0);
	char *low = mmap(NULL, ring.rings_size, PROT_READ, MAP_SHARED | MAP_32BIT, ring.fd, 0);
	pid_t child;
	int status;

	EXPECT(again != MAP_FAILED && low != MAP_FAILED);
	EXPECT(madvise(again, ring.rings_size, MADV_DONTFORK) == 0);
	ring_use(&large, 5000);
	child = start_child();
	(void)ring_queue(&large, IORING_OP_NOP, 4);
	ring_submit(&large);
	wait_for_restore();
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	prove_twice(again);
	prove_twice(low);
	EXPECT(is_advised(again) && !is_advised(low));
	EXPECT(ring_take(&large, 4) == 0);
	ring_prove(&large);
	victim_done();
}

static void refuse(const char *name)
{
	if (strcmp(name, "cut") == 0)
		EXPECT(munmap(large.requests, 4096) == 0);
	else if (strcmp(name, "private") == 0)
		EXPECT(mmap(NULL, ring.rings_size, PROT_READ, MAP_PRIVATE, ring.fd, 0) !=
		       MAP_FAILED);
	else if (strcmp(name, "closed") == 0)
		EXPECT(close(large.fd) == 0);
	else
		victim_fail("what is %s?", name);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	need(ring_make(&ring, 8, 0, 0));
	need(ring_make(&shared, 8, 0, 0));
	need(ring_make(&large, 1024, 4096, 0));
	if (argc > 1)
		refuse(argv[1]);
	build_and_verify();
}
