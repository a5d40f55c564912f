/* sysv_msg: queues with messages of several types and sizes; a full one; one filled beyond a limit
 * that was lowered; processes that wait. */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>

#include "victim.h"

struct message {
	long type;
	char text[8192];
};

static struct msqid_ds look(int id)
{
	struct msqid_ds stat;

	EXPECT(msgctl(id, IPC_STAT, &stat) == 0);
	return stat;
}

static int post(int id, long type, int letter, size_t size, int flags)
{
	struct message message = { .type = type };

	memset(message.text, letter, size);
	return msgsnd(id, &message, size, flags);
}

static bool take(int id, long type, long expected, int letter, size_t size)
{
	struct message message;
	ssize_t n = msgrcv(id, &message, sizeof(message.text), type, IPC_NOWAIT);

	return n == (ssize_t)size && message.type == expected &&
	       (size == 0 || (message.text[0] == letter && message.text[size - 1] == letter));
}

/* Readers and writers that the queue keeps waiting. */
static pid_t start_reader(int id, long type)
{
	struct message message;
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		_exit(msgrcv(id, &message, sizeof(message.text), type, 0) == 1 ? 0 : 1);
	return child;
}

static pid_t start_writer(int id)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		_exit(post(id, 9, 'w', 1, 0) == 0 ? 0 : 1);
	return child;
}

static void ends_well(pid_t child)
{
	int status;

	EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	const key_t key = 0x3e3e;
	struct msqid_ds stat;
	int gone, queue, full, empty;
	pid_t reader, writer;

	gone = msgget(IPC_PRIVATE, 0600);
	EXPECT(gone >= 0 && msgctl(gone, IPC_RMID, NULL) == 0);
	queue = msgget(key, 0620 | IPC_CREAT | IPC_EXCL);
	full = msgget(IPC_PRIVATE, 0600);
	empty = msgget(IPC_PRIVATE, 0600);
	EXPECT(queue >= 0 && full >= 0 && empty >= 0);

	EXPECT(post(queue, 5, 'a', 10, 0) == 0 && post(queue, 1, 'b', 0, 0) == 0);
	EXPECT(post(queue, 5, 'c', 5000, 0) == 0 && post(queue, 0x7fffffffff, 'd', 1, 0) == 0);
	stat = look(queue);
	stat.msg_qbytes = 1234;
	EXPECT(msgctl(queue, IPC_SET, &stat) == 0);
	while (post(full, 2, 'f', 4000, IPC_NOWAIT) == 0)
		;
	EXPECT(errno == EAGAIN);
	reader = start_reader(empty, 3);
	writer = start_writer(full);

	wait_for_restore();

	EXPECT(msgget(key, 0) == queue && (look(queue).msg_perm.mode & 0777) == 0620);
	EXPECT(look(queue).msg_qnum == 4 && look(queue).msg_qbytes == 1234);
	EXPECT(look(queue).__msg_cbytes == 5011);
	EXPECT(post(queue, 1, 'x', 1, IPC_NOWAIT) < 0 && errno == EAGAIN);
	EXPECT(take(queue, 1, 1, 'b', 0) && take(queue, 0, 5, 'a', 10));
	EXPECT(take(queue, 0, 5, 'c', 5000) && take(queue, -0x7fffffffff, 0x7fffffffff, 'd', 1));
	EXPECT(look(queue).msg_qnum == 0);

	EXPECT(post(empty, 4, 'n', 2, 0) == 0 && post(empty, 3, 'r', 1, 0) == 0);
	ends_well(reader);
	EXPECT(take(empty, 0, 4, 'n', 2));
	EXPECT(take(full, 0, 2, 'f', 4000));
	ends_well(writer);
	EXPECT(take(full, 9, 9, 'w', 1) && take(full, 0, 2, 'f', 4000));
	EXPECT(msgctl(queue, IPC_RMID, NULL) == 0 && msgget(key, 0) < 0);
	victim_done();
}
