/* cpu: goes on with the code that the C library chose at its start. */
#include "victim.h"

static void compute(unsigned char with)
{
	unsigned char from[4096];
	unsigned char to[4096];

	memset(from, with, sizeof(from));
	memcpy(to, from, sizeof(to));
	EXPECT(memcmp(from, to, sizeof(to)) == 0);
	EXPECT(memchr(to, with + 1, sizeof(to)) == NULL && to[4095] == with);
}

int main(void)
{
	compute(7);
	wait_for_restore();
	compute(9);
	victim_done();
}
