/* What policy files decide about: two open files, limits, capabilities. Each argument says what is
 * to come of one of them; all else stays. */
#include <sys/resource.h>

#include "proc.h"

enum { NET_BIND_SERVICE = 1 << 10, FILES = 70 };

static bool has_argument(char **argv, const char *argument)
{
	for (argv++; *argv; argv++) {
		if (strcmp(*argv, argument) == 0)
			return true;
	}
	return false;
}

static int open_file(const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	fd = open(path, flags | O_CREAT, 0600);
	EXPECT(fd >= 0);
	return fd;
}

static void verify_secret(char **argv, int secret)
{
	struct stat st;
	char byte;

	if (has_argument(argv, "dropped")) {
		EXPECT(fcntl(secret, F_GETFD) < 0 && errno == EBADF);
		return;
	}
	EXPECT(fstat(secret, &st) == 0);
	if (has_argument(argv, "substituted")) {
		EXPECT(S_ISCHR(st.st_mode) && read(secret, &byte, 1) == 0);
		EXPECT(fcntl(secret, F_GETFD) == FD_CLOEXEC);
		EXPECT((fcntl(secret, F_GETFL) & O_ACCMODE) == O_RDONLY);
	} else {
		EXPECT(S_ISREG(st.st_mode));
	}
}

static void verify_caps(char **argv)
{
	static const char *const keys[] = { "CapPrm:", "CapBnd:", NULL };
	char *caps = proc_lines("/proc/self/status", keys);
	size_t count = 0;

	if (!has_argument(argv, "one-capability"))
		return;
	for (char *line = strtok(caps, "\n"); line; line = strtok(NULL, "\n")) {
		EXPECT(strtoull(strchr(line, '\t'), NULL, 16) == NET_BIND_SERVICE);
		count++;
	}
	EXPECT(count == 2);
}

int main(int argc, char **argv)
{
	int secret = open_file("secret", O_RDONLY | O_CLOEXEC);
	int log = open_file("log", O_WRONLY | O_APPEND);
	struct rlimit before, now;

	(void)argc;
	EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
	wait_for_restore();
	verify_secret(argv, secret);
	EXPECT(write(log, "more", 4) == 4);
	EXPECT(getrlimit(RLIMIT_NOFILE, &now) == 0);
	EXPECT(now.rlim_max == (has_argument(argv, "limited") ? FILES : before.rlim_max));
	verify_caps(argv);
	victim_done();
}
