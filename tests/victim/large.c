/* Memory enough for huge pages, with borders and holes that are not theirs. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "victim.h"

#define PAGE	 4096ul
#define SIZE	 (48ul << 20)
#define HOLE	 (9ul << 20)
#define HOLE_END (HOLE + 7 * PAGE)

static uint64_t word(size_t at)
{
	return at * 0x9e3779b97f4a7c15ull;
}

int main(void)
{
	unsigned char *memory =
	    mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(memory != MAP_FAILED);
	for (size_t at = 3 * PAGE; at < SIZE - 5 * PAGE; at += 8) {
		if (at < HOLE || at >= HOLE_END)
			*(uint64_t *)(memory + at) = word(at);
	}
	/* A piece with another protection in the middle of a huge page. */
	EXPECT(mprotect(memory + (21ul << 20) + PAGE, PAGE, PROT_READ) == 0);
	wait_for_restore();
	for (size_t at = 0; at < SIZE; at += 8) {
		bool is_zero =
		    at < 3 * PAGE || at >= SIZE - 5 * PAGE || (at >= HOLE && at < HOLE_END);

		EXPECT(*(uint64_t *)(memory + at) == (is_zero ? 0 : word(at)));
	}
	EXPECT(mprotect(memory, SIZE, PROT_READ | PROT_WRITE) == 0);
	memory[0] = 1;
	victim_done();
}
