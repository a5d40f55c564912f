/* Descriptors 1 and 2 lead to one description, descriptor 7 too. */
#include "victim.h"

int main(void)
{
	EXPECT(dup2(1, 2) == 2 && dup2(1, 7) == 7);
	EXPECT(write(7, "before\n", 7) == 7);
	wait_for_restore();
	EXPECT(fcntl(0, F_GETFD) >= 0);
	EXPECT(write(1, "after1\n", 7) == 7);
	EXPECT(write(2, "after2\n", 7) == 7);
	EXPECT(write(7, "after7\n", 7) == 7);
	victim_done();
}
