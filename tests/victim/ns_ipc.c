/* ns_ipc: the limits of an ipc namespace. The argument `shm`, `sem`, `msg` or `mq` uses an
 * object of that sort; `owners` makes one of each that one user made, and another one owns. */
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "victim.h"

static const struct limit {
	const char *path, *value;
} limits[] = {
	/* Others may be in the same container. */
	{ "/proc/sys/kernel/shmmax", "123456789" },
	{ "/proc/sys/kernel/shmmni", "777" },
	{ "/proc/sys/kernel/msgmax", "9000" },
	{ "/proc/sys/kernel/msgmnb", "20000" },
	{ "/proc/sys/kernel/sem", "400\t4000\t50\t60" },
	{ "/proc/sys/fs/mqueue/msg_max", "9" },
	{ "/proc/sys/fs/mqueue/msgsize_max", "10000" },
	{ "/proc/sys/fs/mqueue/msgsize_default", "512" },
};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };

static void foreign(const char *how)
{
	struct msgbuf {
		long type;
		char text[1];
	} message = { 1, "" };
	int id;

	if (strcmp(how, "shm") == 0) {
		id = shmget(IPC_PRIVATE, 4096, 0600);
		EXPECT(id >= 0 && shmat(id, NULL, 0) != (void *)-1);
	} else if (strcmp(how, "sem") == 0) {
		id = semget(IPC_PRIVATE, 1, 0600);
		EXPECT(id >= 0 && semctl(id, 0, SETVAL, 1) == 0);
	} else if (strcmp(how, "mq") == 0) {
		EXPECT(mq_open("/foreign", O_RDWR | O_CREAT, 0600, NULL) >= 0);
	} else {
		id = msgget(IPC_PRIVATE, 0600);
		EXPECT(id >= 0 && msgsnd(id, &message, 1, 0) == 0);
	}
	wait_for_restore();
	victim_done();
}

union semun {
	struct semid_ds *buf;
};

static void make_owned(int ids[3])
{
	struct shmid_ds shm = { .shm_perm = { .uid = 35, .gid = 36, .mode = 0600 } };
	struct semid_ds sem = { .sem_perm = { .uid = 35, .gid = 36, .mode = 0640 } };
	struct msqid_ds msg = { .msg_perm = { .uid = 35, .gid = 36, .mode = 0604 },
				.msg_qbytes = 1000 };

	EXPECT(setegid(34) == 0 && seteuid(33) == 0);
	ids[0] = shmget(1, 4096, 0600 | IPC_CREAT);
	ids[1] = semget(2, 1, 0600 | IPC_CREAT);
	ids[2] = msgget(3, 0600 | IPC_CREAT);
	EXPECT(seteuid(0) == 0 && setegid(0) == 0);
	EXPECT(shmctl(ids[0], IPC_SET, &shm) == 0 && msgctl(ids[2], IPC_SET, &msg) == 0);
	EXPECT(semctl(ids[1], 0, IPC_SET, (union semun){ .buf = &sem }) == 0);
}

static bool is_owned(const struct ipc_perm *perm, unsigned int mode)
{
	return perm->cuid == 33 && perm->cgid == 34 && perm->uid == 35 && perm->gid == 36 &&
	       perm->mode == mode;
}

static void owners(void)
{
	struct shmid_ds shm;
	struct semid_ds sem;
	struct msqid_ds msg;
	int ids[3];

	make_owned(ids);
	wait_for_restore();
	EXPECT(shmctl(ids[0], IPC_STAT, &shm) == 0 && is_owned(&shm.shm_perm, 0600));
	EXPECT(semctl(ids[1], 0, IPC_STAT, (union semun){ .buf = &sem }) == 0);
	EXPECT(is_owned(&sem.sem_perm, 0640));
	EXPECT(msgctl(ids[2], IPC_STAT, &msg) == 0 && is_owned(&msg.msg_perm, 0604));
	EXPECT(msg.msg_qbytes == 1000);
	victim_done();
}

int main(int argc, char **argv)
{
	bool is_set[LIMITS];

	if (argc > 1 && strcmp(argv[1], "owners") == 0)
		owners();
	if (argc > 1)
		foreign(argv[1]);
	for (int i = 0; i < LIMITS; i++) {
		int fd = open(limits[i].path, O_WRONLY | O_CLOEXEC);
		ssize_t length = (ssize_t)strlen(limits[i].value);

		/* Older kernels do not let them be set here. */
		is_set[i] = fd >= 0 && write(fd, limits[i].value, (size_t)length) == length;
		(void)close(fd);
	}
	wait_for_restore();
	for (int i = 0; i < LIMITS; i++) {
		int fd = open(limits[i].path, O_RDONLY | O_CLOEXEC);
		char text[64] = "";

		EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
		text[strcspn(text, "\n")] = '\0';
		EXPECT(!is_set[i] || strcmp(text, limits[i].value) == 0);
		(void)close(fd);
	}
	victim_done();
}
