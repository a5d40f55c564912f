/* posix_mq: POSIX message queues with messages of several priorities; full, empty and removed ones;
 * one that nobody has open; a process that waits. */
#include <mqueue.h>
#include <sys/wait.h>

#include "victim.h"

static mqd_t make(const char *name, long capacity, long size, mode_t mode)
{
	struct mq_attr attr = { .mq_maxmsg = capacity, .mq_msgsize = size };
	mqd_t queue = mq_open(name, O_RDWR | O_NONBLOCK | O_CREAT | O_EXCL, mode, &attr);

	EXPECT(queue >= 0);
	return queue;
}

static bool take(mqd_t queue, const char *text, unsigned int priority)
{
	unsigned int found = 99;
	char buffer[4096];
	ssize_t n = mq_receive(queue, buffer, sizeof(buffer), &found);

	return n == (ssize_t)strlen(text) && memcmp(buffer, text, strlen(text)) == 0 &&
	       found == priority;
}

static void post(mqd_t queue, const char *text, unsigned int priority)
{
	EXPECT(mq_send(queue, text, strlen(text), priority) == 0);
}

static pid_t start_reader(const char *name)
{
	pid_t child = fork();
	mqd_t queue;

	EXPECT(child >= 0);
	if (child > 0)
		return child;
	queue = mq_open(name, O_RDONLY);
	_exit(take(queue, "for the reader", 1) ? 0 : 1);
}

int main(void)
{
	mqd_t queue = make("/victim", 8, 100, 0640);
	mqd_t full = make("/full", 3, 4096, 0600);
	mqd_t unread = make("/unread", 5, 50, 0600);
	mqd_t removed = make("/removed", 4, 20, 0600);
	mqd_t other, empty = make("/empty", 2, 64, 0600);
	struct mq_attr attr;
	struct stat stat;
	pid_t reader;
	int status;

	post(queue, "one", 1);
	post(queue, "nine", 9);
	post(queue, "one again", 1);
	post(queue, "", 9);
	post(queue, "highest", 32767);
	post(queue, "zero", 0);
	for (int i = 0; i < 3; i++) {
		char text[4096];

		memset(text, 'a' + i, sizeof(text));
		EXPECT(mq_send(full, text, sizeof(text), 2) == 0);
	}
	post(unread, "nobody has it open", 3);
	EXPECT(mq_close(unread) == 0 && mq_unlink("/removed") == 0);
	post(removed, "removed", 5);
	/* The name is another one's now. */
	other = make("/removed", 2, 10, 0600);
	post(other, "other", 6);
	reader = start_reader("/empty");

	wait_for_restore();

	EXPECT(fstat(queue, &stat) == 0 && (stat.st_mode & 07777) == 0640);
	EXPECT(mq_getattr(queue, &attr) == 0 && attr.mq_flags == O_NONBLOCK);
	EXPECT(attr.mq_maxmsg == 8 && attr.mq_msgsize == 100 && attr.mq_curmsgs == 6);
	EXPECT(take(queue, "highest", 32767) && take(queue, "nine", 9) && take(queue, "", 9));
	EXPECT(take(queue, "one", 1) && take(queue, "one again", 1) && take(queue, "zero", 0));
	EXPECT(mq_receive(queue, (char[100]){ 0 }, 100, NULL) < 0 && errno == EAGAIN);

	EXPECT(mq_send(full, "", 0, 0) < 0 && errno == EAGAIN);
	for (int i = 0; i < 3; i++) {
		char text[4096];

		EXPECT(mq_receive(full, text, sizeof(text), NULL) == sizeof(text));
		EXPECT(text[0] == 'a' + i && text[4095] == 'a' + i);
	}
	unread = mq_open("/unread", O_RDONLY | O_NONBLOCK);
	EXPECT(unread >= 0 && take(unread, "nobody has it open", 3));
	EXPECT(take(removed, "removed", 5) && take(other, "other", 6));
	EXPECT(mq_unlink("/removed") == 0 && mq_open("/removed", O_RDONLY) < 0);
	post(empty, "for the reader", 1);
	EXPECT(waitpid(reader, &status, 0) == reader && status == 0);
	EXPECT(mq_unlink("/victim") == 0 && mq_unlink("/full") == 0);
	victim_done();
}
