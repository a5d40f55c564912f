/* Sealed memory that is mapped: against all writing, and against what is mapped in the future. */
#include <sys/mman.h>

#include "victim.h"

#define SIZE 8192

static int make(const char *name)
{
	int fd = memfd_create(name, MFD_ALLOW_SEALING);

	EXPECT(fd >= 0 && ftruncate(fd, SIZE) == 0 && pwrite(fd, name, 4, 0) == 4);
	return fd;
}

static char *map(int fd, int prot)
{
	char *place = mmap(NULL, SIZE, prot, MAP_SHARED, fd, 0);

	EXPECT(place != MAP_FAILED);
	return place;
}

static bool may_map_writable(int fd)
{
	return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED;
}

int main(void)
{
	int future = make("soon");
	int sealed = make("done");
	char *writer = map(future, PROT_READ | PROT_WRITE);
	char *reader = map(future, PROT_READ);
	char *fixed = NULL;
	char byte;

	EXPECT(fcntl(future, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	EXPECT(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	/* 6.7 */
	fixed = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, sealed, 0);

	wait_for_restore();

	EXPECT(memcmp(reader, "soon", 4) == 0);
	writer[1] = 'X';
	EXPECT(reader[1] == 'X' && pread(future, &byte, 1, 1) == 1 && byte == 'X');
	EXPECT(pwrite(future, "x", 1, 0) < 0 && errno == EPERM && !may_map_writable(future));
	EXPECT(fixed == MAP_FAILED || memcmp(fixed, "done", 4) == 0);
	EXPECT(pwrite(sealed, "x", 1, 0) < 0 && errno == EPERM && !may_map_writable(sealed));
	EXPECT(fcntl(future, F_GET_SEALS) == F_SEAL_FUTURE_WRITE);
	EXPECT(fcntl(sealed, F_GET_SEALS) == F_SEAL_WRITE);
	victim_done();
}
