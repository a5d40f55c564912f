/* prctl: switches of processes: subreaper, dumpable, huge pages, no new executable memory, locking
 * of future memory, membarriers. Each in a child of its own. */
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif

static int get(int what)
{
	return prctl(what, 0, 0, 0, 0);
}

static void reaper(int ready)
{
	int is_on = 0;
	pid_t child;
	int status;

	EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	EXPECT(prctl(PR_GET_CHILD_SUBREAPER, &is_on) == 0 && is_on == 1);
	child = fork();
	if (child == 0) {
		if (fork() == 0)
			_exit(9);
		_exit(0);
	}
	EXPECT(waitpid(child, &status, 0) == child);
	EXPECT(wait(&status) > 0 && WEXITSTATUS(status) == 9);
}

static void undumpable(int ready)
{
	EXPECT(prctl(PR_SET_DUMPABLE, 0) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	EXPECT(get(PR_GET_DUMPABLE) == 0);
}

static void small_pages(int ready)
{
	EXPECT(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	EXPECT(get(PR_GET_THP_DISABLE) == 1);
}

static void no_gain(int ready)
{
	/* 6.3 */
	bool is_known = prctl(PR_SET_MDWE, 1, 0, 0, 0) == 0;

	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	if (!is_known)
		return;
	EXPECT(get(PR_GET_MDWE) == 1);
	EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED);
}

/* What the kernel counts as locked, KiB. */
static long locked(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long size = -1;

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "VmLck: %ld", &size);
	(void)fclose(file);
	return size;
}

static void check_lock(bool is_present)
{
	long before = locked();
	unsigned char present = 0;
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(page != MAP_FAILED && locked() == before + 4);
	EXPECT(mincore(page, 4096, &present) == 0 && (present & 1) == is_present);
}

static void check_unlocked(void)
{
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	EXPECT(locked() == 0);
}

static void locks_future(int ready)
{
	EXPECT(mlockall(MCL_FUTURE) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	check_lock(true);
}

static void locks_on_fault(int ready)
{
	EXPECT(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	check_lock(false);
}

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

static void has_barriers(int ready)
{
	bool is_known = membarrier(MEMBARRIER_CMD_QUERY) >= 0;

	EXPECT(!is_known || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) < 0);
	EXPECT(!is_known || membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	EXPECT(!is_known || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
}

enum { CHILDREN = 7 };

int main(void)
{
	void (*const mains[CHILDREN])(int) = { reaper,	     undumpable,     small_pages, no_gain,
					       locks_future, locks_on_fault, has_barriers };
	pid_t children[CHILDREN];
	int ready[2];
	char byte;

	EXPECT(pipe(ready) == 0);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			mains[i](ready[1]);
			_exit(0);
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		EXPECT(read(ready[0], &byte, 1) == 1);
	wait_for_restore();
	for (int i = 0; i < CHILDREN; i++) {
		int status;

		EXPECT(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	check_unlocked();
	EXPECT(get(PR_GET_DUMPABLE) == 1 && get(PR_GET_THP_DISABLE) == 0);
	victim_done();
}
