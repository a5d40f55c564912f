/* Pipes: full, empty, half closed, shared with a child, with a capacity of their own. */
#include <signal.h>
#include <sys/wait.h>

#include "victim.h"

#define AMOUNT 50000

static void expect_shared(const int ends[2], int second_writer)
{
	char byte;

	EXPECT(write(second_writer, "b", 1) == 1);
	EXPECT(read(ends[0], &byte, 1) == 1 && byte == 'a');
	EXPECT(read(ends[0], &byte, 1) == 1 && byte == 'b');
	EXPECT(fcntl(second_writer, F_GETFL) & O_NONBLOCK);
	EXPECT(!(fcntl(ends[1], F_GETFL) & O_NONBLOCK));
}

int main(void)
{
	int filled[2], shared[2], no_writer[2], no_reader[2], to_child[2];
	char path[64], data[AMOUNT], back[AMOUNT];
	int second_writer, status;
	pid_t child;

	EXPECT(pipe(filled) == 0 && pipe(shared) == 0 && pipe(no_writer) == 0);
	EXPECT(pipe(no_reader) == 0 && pipe(to_child) == 0);
	for (size_t i = 0; i < AMOUNT; i++)
		data[i] = (char)(i * 7);
	EXPECT(fcntl(filled[1], F_SETPIPE_SZ, 1 << 17) == 1 << 17);
	EXPECT(write(filled[1], data, AMOUNT) == AMOUNT);
	EXPECT(write(shared[1], "a", 1) == 1);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", shared[1]);
	second_writer = open(path, O_WRONLY | O_NONBLOCK);
	EXPECT(second_writer >= 0);
	EXPECT(write(no_writer[1], "last", 4) == 4);
	EXPECT(close(no_writer[1]) == 0 && close(no_reader[0]) == 0);
	EXPECT(signal(SIGPIPE, SIG_IGN) != SIG_ERR);

	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		EXPECT(close(to_child[1]) == 0);
		EXPECT(read(to_child[0], back, 5) == 5 && memcmp(back, "hello", 5) == 0);
		EXPECT(read(to_child[0], back, 1) == 0);
		_exit(0);
	}
	EXPECT(close(to_child[0]) == 0);

	wait_for_restore();

	EXPECT(fcntl(filled[0], F_GETPIPE_SZ) == 1 << 17);
	EXPECT(read(filled[0], back, AMOUNT) == AMOUNT && memcmp(data, back, AMOUNT) == 0);
	EXPECT(fcntl(filled[0], F_SETFL, O_NONBLOCK) == 0);
	EXPECT(read(filled[0], back, 1) < 0 && errno == EAGAIN);
	expect_shared(shared, second_writer);
	EXPECT(read(no_writer[0], back, 10) == 4 && memcmp(back, "last", 4) == 0);
	EXPECT(read(no_writer[0], back, 10) == 0);
	EXPECT(write(no_reader[1], "x", 1) < 0 && errno == EPIPE);
	EXPECT(write(to_child[1], "hello", 5) == 5 && close(to_child[1]) == 0);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	victim_done();
}
