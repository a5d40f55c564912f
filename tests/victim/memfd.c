/* memfd: content, holes, seals, and a second description of one that is only read. */
#include <sys/mman.h>

#include "victim.h"

#define SIZE  (1 << 20)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int open_again(int fd, int flags)
{
	char path[64];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	EXPECT(again >= 0);
	return again;
}

int main(void)
{
	int plain = memfd_create("plain (deleted)", MFD_CLOEXEC);
	int sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
	int gone = memfd_create("read/only", MFD_ALLOW_SEALING);
	int again, reader;
	struct stat st;
	char text[8];

	EXPECT(plain >= 0 && sealed >= 0 && gone >= 0);
	EXPECT(ftruncate(plain, SIZE + 5) == 0 && pwrite(plain, "middle", 6, SIZE / 2) == 6);
	EXPECT(lseek(plain, 3, SEEK_SET) == 3 && fchmod(plain, 0600) == 0);
	again = open_again(plain, O_RDONLY);
	EXPECT(write(sealed, "fixed", 5) == 5 && fcntl(sealed, F_ADD_SEALS, SEALS) == 0);
	EXPECT(write(gone, "kept", 4) == 4);
	EXPECT(fcntl(gone, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0);
	reader = open_again(gone, O_RDONLY);
	EXPECT(close(gone) == 0);

	wait_for_restore();

	EXPECT(fstat(plain, &st) == 0 && st.st_size == SIZE + 5 && (st.st_mode & 0777) == 0600);
	EXPECT(st.st_blocks * 512 < SIZE && lseek(plain, 0, SEEK_CUR) == 3);
	EXPECT(fcntl(plain, F_GET_SEALS) == F_SEAL_SEAL);
	EXPECT(pread(again, text, 6, SIZE / 2) == 6 && memcmp(text, "middle", 6) == 0);
	EXPECT(pwrite(plain, "M", 1, SIZE / 2) == 1);
	EXPECT(pread(again, text, 1, SIZE / 2) == 1 && text[0] == 'M');
	EXPECT(fcntl(sealed, F_GET_SEALS) == SEALS && lseek(sealed, 0, SEEK_CUR) == 5);
	EXPECT(pread(sealed, text, 8, 0) == 5 && memcmp(text, "fixed", 5) == 0);
	EXPECT(write(sealed, "x", 1) < 0 && errno == EPERM);
	EXPECT(fcntl(reader, F_GET_SEALS) == (SEALS | F_SEAL_SEAL));
	EXPECT(pread(reader, text, 8, 0) == 4 && memcmp(text, "kept", 4) == 0);
	EXPECT((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
	victim_done();
}
