/* cgroup: two processes that are in the same cgroups, as they see them, as before. They look once
 * the test has moved them; with "rooted", the child has then a cgroup namespace that begins there.
 */
#include <sched.h>
#include <sys/wait.h>

#include "victim.h"

static char *look(void)
{
	static char text[4096];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, text, sizeof(text) - 1);

	EXPECT(fd >= 0 && size > 0);
	text[size] = '\0';
	(void)close(fd);
	return strdup(text);
}

int main(int count, char **arguments)
{
	bool is_rooted = count > 1 && strcmp(arguments[1], "rooted") == 0;
	bool is_moved = is_rooted || (count > 1 && strcmp(arguments[1], "moved") == 0);
	pid_t child = fork();
	char name[32];
	char *before;
	int status;

	EXPECT(child >= 0);
	(void)snprintf(name, sizeof(name), "seen.%s", child ? "parent" : "child");
	victim_write(child ? "parent" : "child", "");
	if (is_moved)
		victim_wait_file("moved");
	if (is_rooted && child == 0)
		EXPECT(unshare(CLONE_NEWCGROUP) == 0);
	before = look();
	victim_write(name, before);
	if (child == 0) {
		victim_wait_file("go");
		EXPECT(strcmp(look(), before) == 0);
		_exit(0);
	}
	victim_wait_file("seen.child");
	wait_for_restore();
	EXPECT(strcmp(look(), before) == 0);
	EXPECT(wait(&status) == child && status == 0);
	victim_done();
}
