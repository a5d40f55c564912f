/* seccomp: whatever filter it was started with, and each thread has, answers the same afterwards.
 * With an argument, it becomes that user first, which takes its privileges. */
#include <grp.h>
#include <pthread.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

struct answers {
	int mode;
	long personality, sysinfo, numbered;
	int personality_errno, sysinfo_errno, numbered_errno;
};

static struct answers ask(void)
{
	struct answers answers = { .mode = prctl(PR_GET_SECCOMP) };
	char info[512];

	errno = 0;
	answers.personality = syscall(SYS_personality, 0xffffffff);
	answers.personality_errno = errno;
	errno = 0;
	answers.sysinfo = syscall(SYS_sysinfo, info);
	answers.sysinfo_errno = errno;
	errno = 0;
	answers.numbered = syscall(SYS_lookup_dcookie, 0, 0, 0);
	answers.numbered_errno = errno;
	return answers;
}

static struct answers before, thread_before;
static int built;

static void *thread_main(void *argument)
{
	struct answers now;

	(void)argument;
	thread_before = ask();
	__atomic_store_n(&built, 1, __ATOMIC_SEQ_CST);
	victim_wait_file("go");
	now = ask();
	EXPECT(memcmp(&now, &thread_before, sizeof(now)) == 0);
	return NULL;
}

int main(int count, char **arguments)
{
	struct answers now;
	pthread_t thread;

	(void)victim_dir();
	if (count > 1) {
		uid_t id = (uid_t)atoi(arguments[1]);

		EXPECT(setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
		EXPECT(prctl(PR_SET_DUMPABLE, 1) == 0);
	}
	before = ask();
	EXPECT(pthread_create(&thread, NULL, thread_main, NULL) == 0);
	while (!__atomic_load_n(&built, __ATOMIC_SEQ_CST)) {
		struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };

		(void)nanosleep(&pause, NULL);
	}
	wait_for_restore();
	now = ask();
	EXPECT(memcmp(&now, &before, sizeof(now)) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	victim_done();
}
