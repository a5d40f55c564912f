/* signals: actions with all their flags and masks, ignored ones (SIGTRAP too), masks of threads. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "victim.h"

/* As the kernel has it. */
struct action {
	uint64_t handler, flags, restorer, mask;
};

static struct action before[65];
static volatile sig_atomic_t hits;
static uintptr_t seen_stack;
static char other_stack[64 * 1024];
static pthread_barrier_t built;

static void get_actions(struct action *actions)
{
	for (int i = 1; i <= 64; i++) {
		if (i != SIGKILL && i != SIGSTOP)
			EXPECT(syscall(SYS_rt_sigaction, i, NULL, &actions[i], 8) == 0);
	}
}

static void on_info(int number, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	seen_stack = (uintptr_t)&here;
	if (info->si_signo == number && info->si_value.sival_int == 42)
		hits++;
}

static void on_plain(int number)
{
	(void)number;
	hits++;
}

static void set_action(int number, int flags, int masked)
{
	struct sigaction action = { .sa_flags = flags };

	if (flags & SA_SIGINFO)
		action.sa_sigaction = on_info;
	else
		action.sa_handler = on_plain;
	if (masked)
		EXPECT(sigaddset(&action.sa_mask, masked) == 0);
	EXPECT(sigaction(number, &action, NULL) == 0);
}

static void *masked_thread(void *argument)
{
	int number = *(int *)argument;
	sigset_t mask;
	sigset_t now;

	EXPECT(sigfillset(&mask) == 0 && sigdelset(&mask, number) == 0);
	EXPECT(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
	EXPECT(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	EXPECT(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
	for (int i = 1; i <= 64; i++)
		EXPECT(sigismember(&now, i) == sigismember(&mask, i));
	EXPECT(pthread_kill(pthread_self(), number) == 0);
	return NULL;
}

static void verify_delivery(void)
{
	const union sigval value = { .sival_int = 42 };

	EXPECT(sigqueue(getpid(), SIGUSR1, value) == 0 && hits == 1);
	EXPECT(seen_stack - (uintptr_t)other_stack < sizeof(other_stack));
	/* SA_RESETHAND: once. */
	EXPECT(raise(SIGUSR2) == 0 && hits == 2);
	EXPECT(signal(SIGUSR2, SIG_IGN) == SIG_DFL);
	EXPECT(raise(SIGTRAP) == 0 && raise(SIGPIPE) == 0);
}

int main(void)
{
	stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
	int numbers[] = { SIGRTMIN + 3, SIGHUP };
	struct action after[65] = { { 0 } };
	pthread_t threads[2];

	set_action(SIGUSR1, SA_SIGINFO | SA_ONSTACK | SA_RESTART, SIGRTMAX);
	set_action(SIGUSR2, SA_RESETHAND | SA_NODEFER, 0);
	set_action(SIGCHLD, SA_NOCLDSTOP | SA_NOCLDWAIT, SIGUSR1);
	set_action(numbers[0], 0, 0);
	set_action(numbers[1], SA_RESTART, SIGUSR2);
	EXPECT(signal(SIGTRAP, SIG_IGN) != SIG_ERR && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	EXPECT(sigaltstack(&stack, NULL) == 0);
	EXPECT(pthread_barrier_init(&built, NULL, 3) == 0);
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_create(&threads[i], NULL, masked_thread, &numbers[i]) == 0);
	(void)pthread_barrier_wait(&built);
	get_actions(before);

	wait_for_restore();

	get_actions(after);
	for (int i = 1; i <= 64; i++) {
		if (memcmp(&before[i], &after[i], sizeof(before[i])) != 0)
			victim_fail("the action of signal %d changed", i);
	}
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	EXPECT(hits == 2);
	hits = 0;
	verify_delivery();
	victim_done();
}
