/* sysv_undo: what processes will undo of semaphores, of all sizes and signs, from the main thread
 * and another one. The argument `own` has a thread with a list of its own, which cannot be saved.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>

#include "victim.h"

/* The value once the child has changed it, and by how much. */
static const struct {
	int value, by;
} cases[] = {
	{ 0, -1 },    { 0, 0 },		{ 7, 5 },	  { 3, -20 },	     { 32767, -1 },
	{ 1, 1 },     { 20000, 20000 }, { 32767, 32767 }, { 32767, -32767 }, { 100, -16384 },
	{ 16384, 1 }, { 12, -12000 },	{ 16383, 16383 }, { 16384, -16384 },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static int set, other;

static int operate(int id, int number, int by, int flags)
{
	struct sembuf operation = { .sem_num = (unsigned short)number,
				    .sem_op = (short)by,
				    .sem_flg = (short)flags };

	return semop(id, &operation, 1);
}

/* Makes the change with SEM_UNDO, then sets the value, without one, by operations. */
static void change(int number)
{
	int by = cases[number].by;

	if (by < 0)
		EXPECT(operate(set, number, -by, 0) == 0);
	if (by != 0)
		EXPECT(operate(set, number, by, SEM_UNDO) == 0);
	if (by > 0)
		EXPECT(operate(set, number, -by, 0) == 0);
	if (cases[number].value > 0)
		EXPECT(operate(set, number, cases[number].value, 0) == 0);
}

static void *change_one(void *argument)
{
	EXPECT(operate(other, 0, 3, SEM_UNDO) == 0);
	return argument;
}

static int change_own(void *argument)
{
	int *ready = argument;

	EXPECT(operate(other, 0, 1, SEM_UNDO) == 0);
	__atomic_store_n(ready, 1, __ATOMIC_RELEASE);
	for (;;)
		(void)pause();
}

static void child_main(int ready)
{
	pthread_t thread;

	for (int i = 0; i < CASES; i++)
		change(i);
	EXPECT(pthread_create(&thread, NULL, change_one, NULL) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	_exit(0);
}

/* As exit(2) would do it. */
static int expected(int number)
{
	int value = cases[number].value - cases[number].by;

	return value < 0 ? 0 : value > 32767 ? 32767 : value;
}

static void thread_with_its_own(void)
{
	static char stack[65536];
	int ready = 0;

	EXPECT(clone(change_own, stack + sizeof(stack),
		     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, &ready) > 0);
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		(void)usleep(1000);
}

int main(int argc, char **argv)
{
	bool has_own = argc > 1 && strcmp(argv[1], "own") == 0;
	int ready[2];
	pid_t child;
	char byte;
	int status;

	set = semget(IPC_PRIVATE, CASES, 0600);
	other = semget(IPC_PRIVATE, 2, 0600);
	EXPECT(set >= 0 && other >= 0 && pipe(ready) == 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
		child_main(ready[1]);
	EXPECT(read(ready[0], &byte, 1) == 1);
	EXPECT(operate(other, 0, 2, SEM_UNDO) == 0);
	if (has_own)
		thread_with_its_own();

	wait_for_restore();

	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	for (int i = 0; i < CASES; i++)
		EXPECT(semctl(set, i, GETVAL) == expected(i));
	EXPECT(semctl(other, 0, GETVAL) == (has_own ? 3 : 2) && semctl(other, 1, GETVAL) == 0);
	victim_done();
}
