/* A tree of two hundred processes. Each has a pipe from its parent and waits for its children;
 * the leaves' answers are added up on the way back. */
#include <sys/wait.h>

#include "../victim/victim.h"

enum { CHILDREN = 3, PROCESSES = 200 };

/* Node n has the children n * CHILDREN + 1 and so on: a heap. */
static int node(int number, int input);

static void start_children(int number, pid_t pids[CHILDREN], int pipes[CHILDREN])
{
	for (int i = 0; i < CHILDREN; i++) {
		int child = number * CHILDREN + 1 + i;
		int ends[2];

		pids[i] = 0;
		if (child >= PROCESSES)
			continue;
		EXPECT(pipe(ends) == 0);
		pids[i] = fork();
		EXPECT(pids[i] >= 0);
		if (pids[i] == 0) {
			EXPECT(close(ends[1]) == 0);
			_exit(node(child, ends[0]));
		}
		EXPECT(close(ends[0]) == 0);
		pipes[i] = ends[1];
	}
}

/* Passes the word on, and waits for the children: their pids and statuses must be as they were. */
static void end_children(const pid_t pids[CHILDREN], const int pipes[CHILDREN], char word)
{
	for (int i = 0; i < CHILDREN; i++)
		if (pids[i])
			EXPECT(write(pipes[i], &word, 1) == 1);
	for (int i = 0; i < CHILDREN; i++) {
		int status = 0;

		if (!pids[i])
			continue;
		EXPECT(waitpid(pids[i], &status, 0) == pids[i]);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 33);
	}
}

static int node(int number, int input)
{
	pid_t pids[CHILDREN], pid = getpid(), parent = getppid();
	int pipes[CHILDREN];
	char word = 0;

	start_children(number, pids, pipes);
	EXPECT(read(input, &word, 1) == 1 && word == 'w');
	EXPECT(getpid() == pid && getppid() == parent);
	end_children(pids, pipes, word);
	return 33;
}

int main(void)
{
	pid_t pids[CHILDREN];
	int pipes[CHILDREN];

	start_children(0, pids, pipes);
	wait_for_restore();
	end_children(pids, pipes, 'w');
	victim_done();
}
