/* Nothing but memory, a descriptor table and a file offset. */
#include "victim.h"

static char data[64] = "initialised data";
static char zeros[1 << 16];

int main(void)
{
	char *heap = malloc(1 << 20);
	pid_t pid = getpid();
	int fd = open("/proc/self/exe", O_RDONLY);

	EXPECT(heap != NULL && fd >= 0);
	memset(heap, 'x', 1 << 20);
	data[0] = 'I';
	zeros[5] = 5;
	EXPECT(lseek(fd, 4, SEEK_SET) == 4);
	wait_for_restore();
	EXPECT(strcmp(data, "Initialised data") == 0);
	EXPECT(zeros[5] == 5 && zeros[6] == 0);
	for (size_t i = 0; i < 1 << 20; i++)
		EXPECT(heap[i] == 'x');
	EXPECT(getpid() == pid);
	EXPECT(lseek(fd, 0, SEEK_CUR) == 4);
	victim_done();
}
