/* For victims of several processes, which count in shared memory how far they are, and may have
 * user namespaces of their own. */
#pragma once

#include <sched.h>

#include "victim.h"

static inline void add_one(int *count)
{
	(void)__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

static inline void await_count(int *count, int value)
{
	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < value) {
		struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };

		(void)nanosleep(&pause, NULL);
	}
}

static inline void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

/* A new user namespace, in which its own ids are these: the only ones. */
static inline void enter_user_namespace(unsigned int inside)
{
	char map[32];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	EXPECT(unshare(CLONE_NEWUSER) == 0);
	(void)snprintf(map, sizeof(map), "%u %u 1", inside, uid);
	write_text("/proc/self/uid_map", map);
	write_text("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", inside, gid);
	write_text("/proc/self/gid_map", map);
	EXPECT(getuid() == inside && getgid() == inside);
}
