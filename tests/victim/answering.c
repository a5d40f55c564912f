/* Answers to the test while it waits: `ping` in its directory becomes `pong`. The argument is the
 * size of its memory in MiB, which keeps a pattern of its own in every page. */
#include "victim.h"

static void fill(uint64_t *memory, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*memory); i += 512)
		memory[i] = i * 0x9e3779b97f4a7c15u;
}

static void check(const uint64_t *memory, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*memory); i += 512)
		EXPECT(memory[i] == i * 0x9e3779b97f4a7c15u);
}

static void answer(void)
{
	char ping[PATH_MAX];

	(void)snprintf(ping, sizeof(ping), "%s/ping", victim_dir());
	if (unlink(ping) == 0)
		victim_write("pong", "");
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? (size_t)atol(argv[1]) : 1) << 20;
	uint64_t *memory = malloc(size);

	EXPECT(memory != NULL);
	fill(memory, size);
	victim_write("ready", "");
	while (!victim_has_file("go")) {
		answer();
		(void)usleep(2000);
	}
	check(memory, size);
	victim_done();
}
