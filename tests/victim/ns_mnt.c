/* ns_mnt: a mount namespace with a fresh proc. With the argument `mount`, a file system is mounted
 * that no checkpoint saves; with `again`, it was and is not any more. */
#include <sys/mount.h>

#include "proc.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	char *self;
	char pid[16];

	if (what[0])
		EXPECT(mount("none", victim_dir(), "ramfs", 0, NULL) == 0);
	if (strcmp(what, "again") == 0)
		EXPECT(umount(victim_dir()) == 0);
	if (strcmp(what, "mount") == 0)
		EXPECT(umount2(victim_dir(), MNT_DETACH) == 0 &&
		       mount("none", "/mnt", "ramfs", 0, NULL) == 0);
	wait_for_restore();
	self = proc_link("/proc/self");
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	expect_same_text("/proc/self", pid, self);
	victim_done();
}
