/* Processes that ask for the time again and again, without a system call, get on. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { PROCESSES = 8 };

struct shared {
	volatile bool must_end;
	volatile uint64_t count[PROCESSES];
};

static _Noreturn void ask(struct shared *shared, size_t number)
{
	struct timespec now;

	while (!shared->must_end) {
		EXPECT(clock_gettime(CLOCK_REALTIME, &now) == 0);
		EXPECT(now.tv_sec > 1000000000 && now.tv_sec < 4000000000);
		shared->count[number]++;
	}
	_exit(0);
}

int main(void)
{
	struct shared *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[PROCESSES];
	uint64_t count;
	int status;

	EXPECT(shared != MAP_FAILED);
	for (size_t i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		EXPECT(pids[i] >= 0);
		if (pids[i] == 0)
			ask(shared, i);
	}
	wait_for_restore();
	for (size_t i = 0; i < PROCESSES; i++) {
		count = shared->count[i];
		while (shared->count[i] == count)
			EXPECT(waitpid(pids[i], &status, WNOHANG) == 0);
	}
	shared->must_end = true;
	for (size_t i = 0; i < PROCESSES; i++)
		EXPECT(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	victim_done();
}
