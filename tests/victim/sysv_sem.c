/* sysv_sem: sets with values, keys and modes; one that was never used; processes that wait. */
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>

#include "victim.h"

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

static struct semid_ds look(int id)
{
	struct semid_ds stat;

	EXPECT(semctl(id, 0, IPC_STAT, (union semun){ .buf = &stat }) == 0);
	return stat;
}

static int operate(int id, unsigned short number, short by, short flags)
{
	struct sembuf operation = { .sem_num = number, .sem_op = by, .sem_flg = flags };

	return semop(id, &operation, 1);
}

/* A child that waits for a semaphore; it must not see the checkpoint. */
static pid_t start_waiter(int id, unsigned short number, short by)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		_exit(operate(id, number, by, 0) == 0 ? 0 : errno);
	while (semctl(id, number, by ? GETNCNT : GETZCNT) != 1)
		(void)usleep(1000);
	return child;
}

static void ends_well(pid_t child)
{
	int status;

	EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	const key_t key = 0x5e5e;
	unsigned short values[300];
	struct timespec soon = { .tv_nsec = 1000 };
	struct sembuf wait_for_zero = { .sem_num = 2 };
	int gone, set, large, fresh;
	pid_t zero, one;

	gone = semget(IPC_PRIVATE, 1, 0600);
	EXPECT(gone >= 0 && semctl(gone, 0, IPC_RMID) == 0);
	set = semget(key, 5, 0640 | IPC_CREAT | IPC_EXCL);
	large = semget(IPC_PRIVATE, 300, 0600);
	fresh = semget(IPC_PRIVATE, 2, 0600);
	EXPECT(set >= 0 && large >= 0 && fresh >= 0);
	EXPECT(semctl(set, 0, SETVAL, 32767) == 0 && operate(set, 1, 3, 0) == 0);
	EXPECT(semctl(set, 2, SETVAL, 2) == 0);
	for (int i = 0; i < 300; i++)
		values[i] = (unsigned short)(i * 100);
	EXPECT(semctl(large, 0, SETALL, (union semun){ .array = values }) == 0);
	EXPECT(look(large).sem_otime == 0);
	zero = start_waiter(set, 2, 0);
	one = start_waiter(set, 3, -1);

	wait_for_restore();

	EXPECT(semget(key, 0, 0) == set && look(set).sem_nsems == 5);
	EXPECT((look(set).sem_perm.mode & 0777) == 0640 && look(set).sem_otime != 0);
	EXPECT(semctl(set, 0, GETVAL) == 32767 && semctl(set, 1, GETVAL) == 3);
	EXPECT(semctl(set, 4, GETVAL) == 0);
	memset(values, 0, sizeof(values));
	EXPECT(semctl(large, 0, GETALL, (union semun){ .array = values }) == 0);
	for (int i = 0; i < 300; i++)
		EXPECT(values[i] == i * 100);
	EXPECT(look(large).sem_otime == 0 && look(fresh).sem_otime == 0);
	EXPECT(semctl(fresh, 1, GETVAL) == 0);
	EXPECT(semtimedop(set, &wait_for_zero, 1, &soon) < 0 && errno == EAGAIN);
	EXPECT(operate(set, 2, -2, 0) == 0 && operate(set, 3, 1, 0) == 0);
	ends_well(zero);
	ends_well(one);
	EXPECT(semctl(set, 3, GETVAL) == 0);
	EXPECT(semctl(set, 0, IPC_RMID) == 0 && semget(key, 0, 0) < 0);
	victim_done();
}
