/* ns_ipc: System V objects, which no checkpoint saves: the argument says which. */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "victim.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int id = 0;

	if (strcmp(what, "shm") == 0)
		id = shmget(IPC_PRIVATE, 4096, 0600);
	else if (strcmp(what, "sem") == 0)
		id = semget(IPC_PRIVATE, 1, 0600);
	else if (strcmp(what, "msg") == 0)
		id = msgget(IPC_PRIVATE, 0600);
	EXPECT(id >= 0);
	wait_for_restore();
	victim_done();
}
