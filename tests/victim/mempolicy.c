/* mempolicy: memory policies of threads, of private and of shared mappings. */
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

enum { NODES = 1024, SIZE = 16 * 4096 };

static bool is_known;
static pthread_barrier_t built;

struct policy {
	int mode;
	unsigned long nodes[NODES / 64];
};

static struct policy get(void *address)
{
	struct policy policy = { .mode = -1 };

	EXPECT(syscall(SYS_get_mempolicy, &policy.mode, policy.nodes, NODES, address,
		       address ? MPOL_F_ADDR : 0) == 0 ||
	       !is_known);
	return policy;
}

static void *run(void *argument)
{
	const unsigned long first = 1;
	bool is_set = syscall(SYS_set_mempolicy, MPOL_BIND, &first, 2) == 0;

	(void)pthread_barrier_wait(&built);
	(void)pthread_barrier_wait(&built);
	if (is_set)
		EXPECT(get(NULL).mode == MPOL_BIND && get(NULL).nodes[0] == 1);
	return argument;
}

int main(void)
{
	const unsigned long first = 1;
	char *own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	EXPECT(own != MAP_FAILED && shared != MAP_FAILED);
	own[0] = 1;
	/* Kernels without NUMA have none. */
	is_known = syscall(SYS_mbind, own + 4096, 4096, MPOL_PREFERRED, &first, 2, 0) == 0;
	EXPECT(!is_known || syscall(SYS_mbind, shared, SIZE, MPOL_INTERLEAVE, &first, 2, 0) == 0);
	EXPECT(pthread_barrier_init(&built, NULL, 2) == 0);
	EXPECT(pthread_create(&thread, NULL, run, NULL) == 0);
	(void)pthread_barrier_wait(&built);

	wait_for_restore();

	(void)pthread_barrier_wait(&built);
	EXPECT(pthread_join(thread, NULL) == 0);
	if (is_known) {
		EXPECT(get(NULL).mode == MPOL_DEFAULT);
		EXPECT(get(own).mode == MPOL_DEFAULT && own[0] == 1);
		EXPECT(get(own + 4096).mode == MPOL_PREFERRED && get(own + 4096).nodes[0] == 1);
		EXPECT(get(own + 2 * 4096).mode == MPOL_DEFAULT);
		EXPECT(get(shared).mode == MPOL_INTERLEAVE && get(shared).nodes[0] == 1);
	}
	victim_done();
}
