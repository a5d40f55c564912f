/* confine: what a thread can never get back: no_new_privs in one process and not in the other, no
 * time stamp counter in one thread, speculation controls. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "victim.h"

static bool is_strict;
static sigjmp_buf back;
static int ready[2];

static void on_fault(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

static bool tsc_faults(void)
{
	if (sigsetjmp(back, 1))
		return true;
	(void)__builtin_ia32_rdtsc();
	return false;
}

/* Without the counter, the clock of the vdso would fault: no libc call that asks for the time. */
static void *no_counter(void *argument)
{
	int mode;
	char byte;

	EXPECT(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0 && tsc_faults());
	EXPECT(write(ready[1], "", 1) == 1);
	EXPECT(read(*(int *)argument, &byte, 1) == 1);
	EXPECT(prctl(PR_GET_TSC, &mode) == 0 && mode == PR_TSC_SIGSEGV && tsc_faults());
	return NULL;
}

static void *no_privileges(void *argument)
{
	int spec = prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0);
	char byte;

	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (spec > 0 && spec & PR_SPEC_PRCTL) {
		EXPECT(prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE,
			     0, 0) == 0);
		spec = prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0);
	}
	EXPECT(write(ready[1], "", 1) == 1);
	EXPECT(read(*(int *)argument, &byte, 1) == 1);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0) == spec);
	return NULL;
}

int main(int argc, char **argv)
{
	void *(*const mains[])(void *) = { no_counter, no_privileges };
	pthread_t threads[2];
	int go[2];
	char byte;

	is_strict = argc > 1 && strcmp(argv[1], "strict") == 0;
	EXPECT(signal(SIGSEGV, on_fault) != SIG_ERR);
	EXPECT(pipe(ready) == 0 && pipe(go) == 0);
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_create(&threads[i], NULL, mains[i], &go[0]) == 0);
	EXPECT(read(ready[0], &byte, 1) == 1 && read(ready[0], &byte, 1) == 1);
	wait_for_restore();
	EXPECT(!tsc_faults());
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == is_strict);
	EXPECT(write(go[1], "xx", 2) == 2);
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	victim_done();
}
