/* prctl: switches of processes: subreaper, dumpable, huge pages, no new executable memory. Each in
 * a child of its own. */
#include <sys/mman.h>
#include <sys/prctl.h>
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

int main(void)
{
	void (*const mains[])(int) = { reaper, undumpable, small_pages, no_gain };
	pid_t children[4];
	int ready[2];
	char byte;

	EXPECT(pipe(ready) == 0);
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			mains[i](ready[1]);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		EXPECT(read(ready[0], &byte, 1) == 1);
	wait_for_restore();
	for (int i = 0; i < 4; i++) {
		int status;

		EXPECT(waitpid(children[i], &status, 0) == children[i] && status == 0);
	}
	EXPECT(get(PR_GET_DUMPABLE) == 1 && get(PR_GET_THP_DISABLE) == 0);
	victim_done();
}
