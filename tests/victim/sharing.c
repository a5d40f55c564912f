/* sharing: processes that share memory, descriptors, directories or signal handlers with their
 * parent or a sibling, and still do. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { STACK = 65536 };

/* What the members tell each other; in shared memory, for those who share nothing else. */
struct board {
	int built;
	int verify;
	int fd;
	int done;
};

static struct board *board;
static int private_number = 7; /* of an address space */

static void await(int *value, int wanted)
{
	while (__atomic_load_n(value, __ATOMIC_SEQ_CST) < wanted) {
		struct timespec pause = { .tv_nsec = 3 * 1000 * 1000 };

		(void)nanosleep(&pause, NULL);
	}
}

static void tell(int *value)
{
	(void)__atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST);
}

static pid_t start(int (*run)(void *), int flags)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int before = __atomic_load_n(&board->built, __ATOMIC_SEQ_CST);
	pid_t child;

	EXPECT(stack != MAP_FAILED);
	child = clone(run, stack + STACK, flags | SIGCHLD, NULL);
	EXPECT(child > 0);
	await(&board->built, before + 1);
	return child;
}

static int memory_main(void *argument)
{
	(void)argument;
	tell(&board->built);
	await(&board->verify, 1);
	private_number = 8;
	tell(&board->done);
	return 0;
}

static int files_main(void *argument)
{
	(void)argument;
	tell(&board->built);
	await(&board->verify, 2);
	EXPECT(private_number == 7);
	board->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	EXPECT(board->fd >= 0);
	tell(&board->done);
	return 0;
}

static int directory_main(void *argument)
{
	(void)argument;
	tell(&board->built);
	await(&board->verify, 3);
	EXPECT(chdir("/dev") == 0 && umask(0137) == 0027);
	tell(&board->done);
	return 0;
}

static void on_signal(int number)
{
	(void)number;
}

static int handlers_main(void *argument)
{
	struct sigaction action = { .sa_handler = on_signal };

	(void)argument;
	tell(&board->built);
	await(&board->verify, 4);
	EXPECT(sigaction(SIGUSR2, &action, NULL) == 0);
	tell(&board->done);
	return 0;
}

/* Makes a sibling that shares memory with it, but not with their parent. */
static int first_sibling;
static int second_main(void *argument)
{
	(void)argument;
	tell(&board->built);
	await(&board->verify, 5);
	first_sibling = 3;
	return 0;
}

static int siblings_main(void *argument)
{
	(void)argument;
	(void)start(second_main, CLONE_VM | CLONE_PARENT);
	tell(&board->built);
	await(&first_sibling, 3);
	EXPECT(private_number == 7);
	tell(&board->done);
	return 0;
}

static void verify(int step)
{
	int before = __atomic_load_n(&board->done, __ATOMIC_SEQ_CST);

	tell(&board->verify);
	EXPECT(board->verify == step);
	await(&board->done, before + 1);
}

int main(void)
{
	struct sigaction action;
	char cwd[PATH_MAX];

	(void)victim_dir();
	(void)umask(0027);
	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(board != MAP_FAILED);
	(void)start(memory_main, CLONE_VM);
	(void)start(files_main, CLONE_FILES);
	(void)start(directory_main, CLONE_FS);
	(void)start(handlers_main, CLONE_VM | CLONE_SIGHAND | CLONE_FS);
	(void)start(siblings_main, 0);
	await(&board->built, 6);

	wait_for_restore();
	EXPECT(private_number == 7);
	verify(1);
	EXPECT(private_number == 8);
	verify(2);
	EXPECT(fcntl(board->fd, F_GETFD) == FD_CLOEXEC);
	verify(3);
	EXPECT(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/dev") == 0 && umask(0) == 0137);
	EXPECT(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
	verify(4);
	EXPECT(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == on_signal);
	verify(5);
	for (int i = 0; i < 6; i++) {
		int status;

		EXPECT(wait(&status) > 0 && status == 0);
	}
	victim_done();
}
