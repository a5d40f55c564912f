/* mqueue: descriptors of one POSIX message queue: for reading, for writing, shared, blocking and
 * not. */
#include <mqueue.h>
#include <sys/wait.h>

#include "victim.h"

static long flags_of(mqd_t queue)
{
	struct mq_attr attr;

	EXPECT(mq_getattr(queue, &attr) == 0);
	return attr.mq_flags;
}

int main(void)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	struct mq_attr blocking = { .mq_flags = 0 };
	char text[16];
	mqd_t reader, writer, both, shared;
	pid_t child;
	int status;

	writer = mq_open("/descriptors", O_WRONLY | O_CREAT | O_EXCL, 0600, &attr);
	reader = mq_open("/descriptors", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	both = mq_open("/descriptors", O_RDWR | O_NONBLOCK);
	shared = dup(both);
	EXPECT(writer >= 0 && reader >= 0 && both >= 0 && shared >= 0);
	EXPECT(mq_send(writer, "waiting", 7, 3) == 0);

	wait_for_restore();

	EXPECT(flags_of(writer) == 0 && flags_of(reader) == O_NONBLOCK);
	EXPECT((fcntl(writer, F_GETFL) & O_ACCMODE) == O_WRONLY);
	EXPECT((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
	EXPECT(fcntl(writer, F_GETFD) == FD_CLOEXEC && fcntl(reader, F_GETFD) == FD_CLOEXEC);
	EXPECT(mq_send(reader, "", 0, 0) < 0 && errno == EBADF);
	EXPECT(mq_receive(writer, text, sizeof(text), NULL) < 0 && errno == EBADF);
	EXPECT(flags_of(shared) == O_NONBLOCK && mq_setattr(both, &blocking, NULL) == 0);
	EXPECT(flags_of(shared) == 0);
	EXPECT(mq_receive(reader, text, sizeof(text), NULL) == 7);
	EXPECT(memcmp(text, "waiting", 7) == 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
		_exit(mq_receive(shared, text, sizeof(text), NULL) == 4 ? 0 : 1);
	EXPECT(mq_send(writer, "more", 4, 0) == 0);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(mq_unlink("/descriptors") == 0);
	victim_done();
}
