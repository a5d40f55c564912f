/* thread: names, slack, death signals, thread-local storage, rseq, robust mutexes, the word that
 * pthread_join() waits on, alternate signal stacks, also while one is in use. The argument
 * `dispatch`: a switch that cannot be saved. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/wait.h>

#include "victim.h"

enum { THREADS = 3, STACK = 64 * 1024 };

static __thread int number = -1;
static __thread char buffer[3000];
static pthread_mutex_t robust;
static pthread_barrier_t built;
static volatile sig_atomic_t on_stack_was_ok;

static unsigned int rseq_cpu(void)
{
	const struct rseq *rseq =
	    (const struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	return *(volatile const unsigned int *)&rseq->cpu_id;
}

static void expect_rseq(void)
{
	cpu_set_t cpus;

	if (__rseq_size == 0)
		return;
	EXPECT((int)rseq_cpu() >= 0);
	/* The kernel writes it whenever the thread may have moved. */
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) == 0)
			EXPECT(rseq_cpu() == (unsigned int)cpu);
	}
}

static void set_stack(void)
{
	stack_t stack = { .ss_size = STACK };

	stack.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(stack.ss_sp != MAP_FAILED && sigaltstack(&stack, NULL) == 0);
}

static void on_usr1(int signal)
{
	stack_t stack;

	(void)signal;
	EXPECT(sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_ONSTACK);
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	EXPECT(sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_ONSTACK);
	on_stack_was_ok = 1;
}

static void *run(void *argument)
{
	int own = (int)(intptr_t)argument;
	char name[16];
	stack_t before;
	stack_t after;

	number = own;
	(void)memset(buffer, own, sizeof(buffer));
	(void)snprintf(name, sizeof(name), "worker %d", own);
	EXPECT(prctl(PR_SET_NAME, name) == 0 && prctl(PR_SET_TIMERSLACK, 1000 + own) == 0);
	EXPECT(prctl(PR_SET_PDEATHSIG, SIGUSR1 + own) == 0);
	set_stack();
	EXPECT(sigaltstack(NULL, &before) == 0);
	if (own == 1)
		EXPECT(pthread_mutex_lock(&robust) == 0);
	if (own == 2)
		EXPECT(raise(SIGUSR1) == 0);
	else
		(void)pthread_barrier_wait(&built);
	victim_wait_file("go");

	EXPECT(number == own && buffer[0] == own && buffer[2999] == own);
	EXPECT(prctl(PR_GET_NAME, buffer) == 0 && strcmp(buffer, name) == 0);
	EXPECT(prctl(PR_GET_TIMERSLACK) == 1000 + own);
	EXPECT(prctl(PR_GET_PDEATHSIG, &number) == 0 && number == SIGUSR1 + own);
	EXPECT(sigaltstack(NULL, &after) == 0);
	EXPECT(after.ss_sp == before.ss_sp && after.ss_size == before.ss_size);
	expect_rseq();
	return (void *)(intptr_t)(own + 100);
}

/* Its death signal comes when the thread that made it is gone. */
static pid_t make_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
		if (fork() == 0) {
			EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
			victim_write("grandchild", "");
			for (;;)
				(void)pause();
		}
		victim_wait_file("go");
		_exit(0);
	}
	victim_wait_file("grandchild");
	return child;
}

static void make_mutex(void)
{
	pthread_mutexattr_t attributes;

	EXPECT(pthread_mutexattr_init(&attributes) == 0);
	EXPECT(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
	EXPECT(pthread_mutex_init(&robust, &attributes) == 0);
}

/* Not the container's first process: the death of that one's parent is nothing it can be told. */
static void leave_first(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		return;
	EXPECT(child > 0 && waitpid(child, &status, 0) == child);
	_exit(WEXITSTATUS(status));
}

/* Takes system calls of its own as signals, while a byte says so. */
static void dispatch(void)
{
	static char selector;

	EXPECT(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) == 0);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_usr1, .sa_flags = SA_ONSTACK };
	pthread_t threads[THREADS];
	pid_t child;
	int status;

	if (argc > 1 && strcmp(argv[1], "dispatch") == 0)
		dispatch();
	leave_first();
	EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	child = make_child();
	make_mutex();
	EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
	EXPECT(pthread_barrier_init(&built, NULL, THREADS + 1) == 0);
	for (int i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i) == 0);
	(void)pthread_barrier_wait(&built);

	wait_for_restore();

	for (int i = 0; i < THREADS; i++) {
		void *result;

		EXPECT(pthread_join(threads[i], &result) == 0 && (intptr_t)result == i + 100);
	}
	EXPECT(on_stack_was_ok);
	/* Thread 1 ended without unlocking. */
	EXPECT(pthread_mutex_lock(&robust) == EOWNERDEAD);
	expect_rseq();
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	victim_done();
}
