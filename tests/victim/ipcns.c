/* ipcns: the same objects, with the same ids, in three ipc namespaces: the container's own, one of
 * a task, and one of a task in a user namespace of its own. Both tasks still have shared memory of
 * the container's own attached. */
#include <mqueue.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "family.h"

enum { PLACES = 3 };

struct message {
	long type;
	char text[8];
};

struct board {
	int built;
	int verified;
};

static struct board *board;
static volatile int *inherited; /* of the container's own */
static const void *dropped;	/* one without a key is like any other with its id */

struct objects {
	int shm, loose, removed, sem, msg;
	volatile int *attached;
	volatile int *kept; /* of the removed segment */
	mqd_t named, unnamed;
	pid_t taker; /* its end gives back what it took of the semaphore */
};

static pid_t start_taker(int sem)
{
	struct sembuf take = { .sem_op = -1, .sem_flg = SEM_UNDO };
	int built = board->built;
	pid_t child = fork();

	if (child == 0) {
		EXPECT(semop(sem, &take, 1) == 0);
		add_one(&board->built);
		victim_wait_file("go");
		_exit(0);
	}
	EXPECT(child > 0);
	await_count(&board->built, built + 1);
	return child;
}

static void make_shared_memory(struct objects *objects, int number)
{
	int *at;

	objects->shm = shmget(1 + number, 8192, 0600 | IPC_CREAT | IPC_EXCL);
	objects->loose = shmget(11 + number, 4096, 0600 | IPC_CREAT | IPC_EXCL);
	objects->removed = shmget(21 + number, 4096, 0600 | IPC_CREAT | IPC_EXCL);
	objects->attached = shmat(objects->shm, NULL, 0);
	objects->kept = shmat(objects->removed, NULL, 0);
	at = shmat(objects->loose, NULL, 0);
	EXPECT(objects->shm == 0 && objects->attached != (void *)-1 && at != (void *)-1);
	EXPECT(objects->kept != (void *)-1 && shmctl(objects->removed, IPC_RMID, NULL) == 0);
	objects->attached[0] = 100 + number;
	objects->kept[0] = 300 + number;
	*at = 200 + number;
	EXPECT(shmdt(at) == 0);
}

static struct objects make_objects(int number)
{
	struct mq_attr attr = { .mq_maxmsg = 3, .mq_msgsize = 64 };
	struct message message = { .type = 1 + number, .text = "hello" };
	struct objects objects;

	make_shared_memory(&objects, number);
	objects.sem = semget(1, 2, 0600 | IPC_CREAT | IPC_EXCL);
	objects.msg = msgget(1, 0600 | IPC_CREAT | IPC_EXCL);
	EXPECT(objects.sem == 0 && objects.msg == 0);
	EXPECT(semctl(objects.sem, 0, SETVAL, 10 + number) == 0);
	EXPECT(msgsnd(objects.msg, &message, sizeof(message.text), 0) == 0);
	objects.named = mq_open("/queue", O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	objects.unnamed = mq_open("/gone", O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	EXPECT(objects.named >= 0 && objects.unnamed >= 0 && mq_unlink("/gone") == 0);
	EXPECT(mq_send(objects.named, "named", 5, (unsigned int)number) == 0);
	EXPECT(mq_send(objects.unnamed, "gone", 4, (unsigned int)number) == 0);
	objects.taker = start_taker(objects.sem);
	return objects;
}

static void verify_queues(const struct objects *objects, int number)
{
	struct message message = { .type = 0 };
	unsigned int priority = 99;
	char text[64];
	mqd_t again = mq_open("/queue", O_RDONLY | O_NONBLOCK);

	EXPECT(msgrcv(objects->msg, &message, sizeof(message.text), 0, IPC_NOWAIT) == 8);
	EXPECT(message.type == 1 + number && strcmp(message.text, "hello") == 0);
	EXPECT(mq_receive(objects->unnamed, text, sizeof(text), &priority) == 4);
	EXPECT(priority == (unsigned int)number && memcmp(text, "gone", 4) == 0);
	EXPECT(again >= 0 && mq_receive(again, text, sizeof(text), &priority) == 5);
	EXPECT(priority == (unsigned int)number && memcmp(text, "named", 5) == 0);
	EXPECT(mq_open("/gone", O_RDONLY) < 0 && errno == ENOENT);
}

static void verify(const struct objects *objects, int number)
{
	const volatile int *at = shmat(objects->loose, NULL, SHM_RDONLY);
	struct shmid_ds stat;
	int status;

	EXPECT(objects->attached[0] == 100 + number && objects->kept[0] == 300 + number);
	EXPECT(at != (void *)-1 && *at == 200 + number);
	EXPECT(shmget(1 + number, 0, 0) == objects->shm);
	EXPECT(shmctl(objects->removed, IPC_STAT, &stat) == 0);
	EXPECT(stat.shm_perm.mode & 01000 && stat.shm_nattch >= 1); /* SHM_DEST */
	verify_queues(objects, number);
	EXPECT(waitpid(objects->taker, &status, 0) == objects->taker && status == 0);
	EXPECT(semctl(objects->sem, 0, GETVAL) == 10 + number);
}

static void live(int number, bool is_in_user_namespace)
{
	struct objects objects;

	/* The file system of message queues takes none but the ids of its user namespace. */
	if (is_in_user_namespace)
		enter_user_namespace(7);
	EXPECT(shmdt(dropped) == 0 && unshare(CLONE_NEWIPC) == 0);
	objects = make_objects(number);
	add_one(&board->built);
	victim_wait_file("go");
	await_count(&board->verified, number);
	EXPECT(inherited[0] == 100 && inherited[1] == number - 1);
	inherited[1] = number;
	verify(&objects, number);
	add_one(&board->verified);
	_exit(0);
}

static void start(int number, bool is_in_user_namespace)
{
	int built = board->built;
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		live(number, is_in_user_namespace);
	await_count(&board->built, built + 2);
}

int main(void)
{
	struct objects objects;
	int status;

	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(board != MAP_FAILED);
	/* Others may have objects with the same keys. */
	EXPECT(!getenv("CROWD") || unshare(CLONE_NEWIPC) == 0);
	objects = make_objects(0);
	inherited = objects.attached;
	dropped = (const void *)objects.kept;
	start(1, false);
	start(2, true);

	wait_for_restore();

	add_one(&board->verified);
	await_count(&board->verified, PLACES);
	EXPECT(inherited[1] == PLACES - 1);
	verify(&objects, 0);
	while (wait(&status) > 0)
		EXPECT(status == 0);
	victim_done();
}
