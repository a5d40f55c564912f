/* oom: a process that is to die first, and a child that is to die before it. */
#include <sys/wait.h>

#include "proc.h"

static void set_score(const char *score)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	EXPECT(fd >= 0 && write(fd, score, strlen(score)) == (ssize_t)strlen(score));
	EXPECT(close(fd) == 0);
}

static void expect_score(const char *score)
{
	expect_same_text("oom_score_adj", score, proc_text("/proc/self/oom_score_adj", NULL));
}

int main(void)
{
	int ready[2];
	char byte;
	int status;
	pid_t child;

	set_score("300\n");
	EXPECT(pipe(ready) == 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		set_score("1000\n");
		EXPECT(write(ready[1], "", 1) == 1);
		victim_wait_file("go");
		expect_score("1000\n");
		_exit(0);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	wait_for_restore();
	expect_score("300\n");
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	victim_done();
}
