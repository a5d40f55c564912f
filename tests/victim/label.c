/* label: a thread whose login uid is root's, which nobody gets from an image. */
#include <pthread.h>

#include "victim.h"

static pthread_barrier_t built;

static long login_uid(void)
{
	char text[16] = "";
	int fd = open("/proc/thread-self/loginuid", O_RDONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	return strtol(text, NULL, 10);
}

static void *run(void *argument)
{
	int fd = open("/proc/thread-self/loginuid", O_WRONLY | O_CLOEXEC);

	/* Where one was set already, it stays; the test knows. */
	if (fd >= 0)
		(void)(write(fd, "0", 1) == 1);
	(void)close(fd);
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	/* One that was not restored has it. */
	EXPECT(getenv("CROWD") || login_uid() != 0);
	return argument;
}

int main(void)
{
	pthread_t thread;

	EXPECT(pthread_barrier_init(&built, NULL, 2) == 0);
	EXPECT(pthread_create(&thread, NULL, run, NULL) == 0);
	(void)pthread_barrier_wait(&built);
	wait_for_restore();
	EXPECT(pthread_join(thread, NULL) == 0);
	victim_done();
}
