/* A copy of this program in memory, sealed. See own_copy.h. */
#include "own_copy.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u /* linux/memfd.h, 6.3 */
#endif

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

/* Root's own file, as an ordinary user. */
static bool is_out_of_reach(const struct stat *stat)
{
	return geteuid() != 0 && stat->st_uid == 0 && (stat->st_mode & 022) == 0;
}

static int make_memory(void)
{
	int fd = memfd_create("ctckpt", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("ctckpt", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static int copy(int from, off_t size, int to)
{
	while (size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)size);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		size -= n;
	}
	return fcntl(to, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int own_copy_execute(char **argv, struct err *err)
{
	auto_close int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	auto_close int memory = -1;
	struct stat stat;
	int seals;
	int r;

	if (own < 0 || fstat(own, &stat) < 0)
		return err_set(err, -errno, "open this program's own file");
	seals = fcntl(own, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS) {
		(void)prctl(PR_SET_NAME, "ctckpt");
		return 0;
	}
	if (is_out_of_reach(&stat))
		return 0;
	memory = make_memory();
	r = memory < 0 ? -errno : copy(own, stat.st_size, memory);
	if (r == 0)
		r = fexecve(memory, argv, environ) < 0 ? -errno : 0;
	(void)err_set(err, r, "execute a copy of this program");
	return err_hint(err, "as an ordinary user, none is needed of a program that only root can "
			     "write to");
}
