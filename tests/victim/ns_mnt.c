/* ns_mnt: a mount namespace with a fresh proc. Each argument adds something to it that is there
 * after the restore, too; `ramfs` something that no checkpoint saves. */
#include <sched.h>
#include <sys/syscall.h>

#include "mounts.h"
#include "proc.h"

/* ---- flags ---- */

static void flags_build(void)
{
	mount_at("ro", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL);
	mount_at("strict", "tmpfs", MS_STRICTATIME | MS_NODIRATIME, "size=1m");
	make_file("strict/file", "text");
	EXPECT(mount(NULL, at("strict"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
}

static void flags_verify(void)
{
	EXPECT(flags_of("ro") == (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME));
	EXPECT((flags_of("strict") & (ST_RDONLY | ST_NOSUID | ST_NOEXEC)) == ST_RDONLY);
	EXPECT(has_text("strict/file", "text"));
}

/* ---- binds ---- */

static void bind_build(void)
{
	make_dir("source");
	make_dir("source/below");
	make_file("source/below/file", "here");
	make_dir("bound");
	bind_at("source/below", "bound");
	EXPECT(mount(NULL, at("bound"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	make_file("name", "");
	bind_at("source/below/file", "name");
}

static void bind_verify(void)
{
	EXPECT(has_text("bound/file", "here") && has_text("name", "here"));
	EXPECT(flags_of("bound") & ST_RDONLY && !(flags_of("name") & ST_RDONLY));
	EXPECT(open(at("bound/new"), O_WRONLY | O_CREAT, 0600) < 0 && errno == EROFS);
	make_file("source/below/file", "there");
	EXPECT(has_text("bound/file", "there") && has_text("name", "there"));
}

/* A directory that only its mount may write, in one that is read-only, as below /proc/sys. */
static void way_build(void)
{
	make_dir("way");
	mount_at("way", "tmpfs", 0, NULL);
	make_dir("way/a");
	make_dir("way/a/b");
	make_file("way/a/b/file", "here");
	bind_at("way/a", "way/a");
	EXPECT(mount(NULL, at("way/a"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	bind_at("way/a/b", "way/a/b");
	EXPECT(mount(NULL, at("way/a/b"), NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
}

static void way_verify(void)
{
	EXPECT(has_text("way/a/b/file", "here"));
	EXPECT(flags_of("way/a") & ST_RDONLY && !(flags_of("way/a/b") & ST_RDONLY));
}

/* ---- mounts over mounts ---- */

static void over_build(void)
{
	make_dir("over");
	make_dir("over/deep");
	mount_at("over/deep", "tmpfs", 0, NULL);
	make_file("over/deep/file", "hidden");
	mount_at("over", "tmpfs", 0, NULL);
	make_file("over/file", "middle");
	mount_at("over", "tmpfs", 0, NULL);
	make_file("over/file", "top");
}

static void over_verify(void)
{
	EXPECT(has_text("over/file", "top"));
	EXPECT(umount(at("over")) == 0 && has_text("over/file", "middle"));
	EXPECT(umount(at("over")) == 0 && has_text("over/deep/file", "hidden"));
	EXPECT(umount(at("over/deep")) == 0 && access(at("over/deep/file"), F_OK) < 0);
}

/* ---- propagation ---- */

static void shared_build(void)
{
	mount_at("master", "tmpfs", 0, NULL);
	EXPECT(mount(NULL, at("master"), NULL, MS_SHARED, NULL) == 0);
	make_dir("peer");
	bind_at("master", "peer");
	make_dir("slave");
	bind_at("master", "slave");
	EXPECT(mount(NULL, at("slave"), NULL, MS_SLAVE, NULL) == 0);
	make_dir("both");
	bind_at("slave", "both");
	EXPECT(mount(NULL, at("both"), NULL, MS_SHARED, NULL) == 0);
	make_dir("alone");
	bind_at("master", "alone");
	EXPECT(mount(NULL, at("alone"), NULL, MS_UNBINDABLE, NULL) == 0);
	make_dir("master/sub");
}

static void shared_verify(void)
{
	int group = group_of("master", "shared:");

	EXPECT(group > 0 && group_of("peer", "shared:") == group);
	EXPECT(group_of("slave", "shared:") == 0 && group_of("slave", "master:") == group);
	EXPECT(group_of("both", "shared:") > 0 && group_of("both", "shared:") != group &&
	       group_of("both", "master:") == group);
	EXPECT(group_of("alone", "shared:") == 0 && group_of("alone", "master:") == 0);
	make_dir("other");
	EXPECT(mount(at("alone"), at("other"), NULL, MS_BIND, NULL) < 0 && errno == EINVAL);
	EXPECT(mount("none", at("peer/sub"), "tmpfs", 0, NULL) == 0);
	EXPECT(is_mounted("master/sub") && is_mounted("slave/sub") && is_mounted("both/sub"));
	EXPECT(!is_mounted("alone/sub"));
	EXPECT(umount(at("master/sub")) == 0 && !is_mounted("peer/sub"));
	EXPECT(mount("none", at("slave/sub"), "tmpfs", 0, NULL) == 0);
	EXPECT(!is_mounted("master/sub"));
}

/* ---- file systems of the kernel ---- */

static void kernel_build(void)
{
	mount_at("proc", "proc", MS_NOSUID, "hidepid=2");
	mount_at("mqueue", "mqueue", MS_NOEXEC, NULL);
	mount_at("pts", "devpts", 0, "newinstance,mode=600,ptmxmode=644");
	mount_at("sys", "sysfs", MS_RDONLY, NULL);
	mount_at("cgroup", "cgroup2", 0, NULL);
}

static void kernel_verify(void)
{
	char line[8192];
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "proc/%d", getpid());
	EXPECT(access(at(pid), F_OK) == 0 && flags_of("proc") & ST_NOSUID);
	mount_line("proc", line, sizeof(line));
	EXPECT(strstr(line, "hidepid=invisible") || strstr(line, "hidepid=2"));
	mount_line("mqueue", line, sizeof(line));
	EXPECT(strstr(line, "mqueue") && flags_of("mqueue") & ST_NOEXEC);
	mount_line("pts", line, sizeof(line));
	EXPECT(strstr(line, "mode=600") && strstr(line, "ptmxmode=644"));
	EXPECT(access(at("sys/class"), F_OK) == 0 && flags_of("sys") & ST_RDONLY);
	EXPECT(access(at("cgroup/cgroup.procs"), F_OK) == 0);
}

/* ---- overlay ---- */

static void overlay_build(void)
{
	char options[4 * PATH_MAX];

	mount_at("layers", "tmpfs", 0, NULL);
	make_dir("layers/lower");
	make_file("layers/lower/below", "from below");
	make_file("layers/lower/gone", "");
	make_dir("layers/upper");
	make_dir("layers/work");
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s,userxattr",
		       at("layers/lower"), at("layers/upper"), at("layers/work"));
	mount_at("merged", "overlay", 0, options);
	make_file("merged/above", "from above");
	EXPECT(unlink(at("merged/gone")) == 0);
}

static void overlay_verify(void)
{
	EXPECT(has_text("merged/below", "from below") && has_text("merged/above", "from above"));
	EXPECT(access(at("merged/gone"), F_OK) < 0 && access(at("layers/lower/gone"), F_OK) == 0);
	make_file("merged/below", "changed");
	EXPECT(has_text("layers/upper/below", "changed") &&
	       has_text("layers/lower/below", "from below"));
}

/* ---- another root ---- */

static char root_marker[] = "/marker-of-this-root";

/* A directory, with what is mounted below it, or a link, of the old root in the new one. */
static void take_along(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], target[PATH_MAX];
	ssize_t size;

	(void)snprintf(from, sizeof(from), "/%s", name);
	(void)snprintf(to, sizeof(to), "%s/%s", at("root"), name);
	size = readlink(from, target, sizeof(target) - 1);
	if (size >= 0) {
		target[size] = '\0';
		EXPECT(symlink(target, to) == 0);
	} else if (mkdir(to, 0755) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0) {
		EXPECT(errno == ENOTDIR);
	}
}

static void pivot_build(void)
{
	static const char *const names[] = {
		"bin", "lib", "lib64", "usr", "home", "tmp", "v", "dev"
	};
	char dir[PATH_MAX];
	struct stat stat;
	int fd;

	(void)snprintf(dir, sizeof(dir), "%s", victim_dir());
	mount_at("root", "tmpfs", 0, NULL);
	make_dir("root/proc");
	make_dir("root/old");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[16];

		(void)snprintf(path, sizeof(path), "/%s", names[i]);
		if (lstat(path, &stat) == 0)
			take_along(names[i]);
	}
	EXPECT(mount("none", at("root/proc"), "proc", 0, NULL) == 0);
	EXPECT(syscall(SYS_pivot_root, at("root"), at("root/old")) == 0);
	EXPECT(chdir("/") == 0 && umount2("/old", MNT_DETACH) == 0);
	EXPECT(access(dir, F_OK) == 0);
	fd = open(root_marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	EXPECT(fd >= 0 && close(fd) == 0);
}

static void pivot_verify(void)
{
	struct stat stat;

	EXPECT(lstat(root_marker, &stat) == 0 && (stat.st_mode & 07777) == 0640);
	EXPECT(access("/old", F_OK) == 0 && access("/var", F_OK) < 0);
	EXPECT(access("/proc/self/mountinfo", F_OK) == 0);
}

/* ---- gone, moved, never there ---- */

static void gone_build(void)
{
	EXPECT(umount("/dev/mqueue") == 0 && umount("/dev/full") == 0);
	make_dir("moved");
	EXPECT(mount("/dev/shm", at("moved"), NULL, MS_MOVE, NULL) == 0);
	make_file("moved/file", "in memory");
}

static void gone_verify(void)
{
	struct stat stat;

	EXPECT(has_text("moved/file", "in memory"));
	EXPECT(lstat("/dev/full", &stat) == 0 && S_ISREG(stat.st_mode));
	EXPECT(umount("/dev/mqueue") < 0 && umount("/dev/shm") < 0);
}

static void again_build(void)
{
	mount_at("again", "ramfs", 0, NULL);
	EXPECT(umount(at("again")) == 0);
}

static void again_verify(void)
{
	EXPECT(!is_mounted("again"));
}

static void ramfs_build(void)
{
	EXPECT(mount("none", "/mnt", "ramfs", 0, NULL) == 0);
}

static void ramfs_verify(void)
{
}

/* Restrictions of the host are locked on what is taken from it. */
static void locked_build(void)
{
	make_dir("locked");
	EXPECT(mount("/sys/fs/cgroup", at("locked"), NULL, MS_BIND | MS_REC, NULL) == 0);
}

static void locked_verify(void)
{
	struct statvfs fs;

	EXPECT(statvfs("/sys/fs/cgroup", &fs) == 0 && fs.f_flag & (ST_RDONLY | ST_NOSUID));
	EXPECT((flags_of("locked") & (ST_RDONLY | ST_NOSUID)) ==
	       (fs.f_flag & (ST_RDONLY | ST_NOSUID)));
}

static void volume_build(void)
{
	EXPECT(access("/data/in/file", R_OK) == 0);
}

static void volume_verify(void)
{
	int fd = open("/data/in/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	EXPECT(access("/data/in/file", R_OK) == 0);
	EXPECT(fd >= 0 && write(fd, "new\n", 4) == 4 && close(fd) == 0);
}

static void hidden_build(void)
{
	make_dir("hidden");
	make_file("hidden/file", "");
	EXPECT(open(at("hidden/file"), O_RDWR | O_CLOEXEC) >= 0);
	mount_at("hidden", "tmpfs", 0, NULL);
}

static void cwd_build(void)
{
	make_dir("cwd");
	EXPECT(chdir(at("cwd")) == 0);
	mount_at("cwd", "tmpfs", 0, NULL);
}

/* Each place often, so that none of the piles is high. */
static void pile_up(int count)
{
	enum { PLACES = 100 };
	char name[32];

	make_dir("piles");
	for (int i = 0; i < PLACES; i++) {
		(void)snprintf(name, sizeof(name), "piles/%d", i);
		make_dir(name);
	}
	for (int i = 0; i < count; i++) {
		(void)snprintf(name, sizeof(name), "piles/%d", i % PLACES);
		EXPECT(mount(at(name), at(name), NULL, MS_BIND, NULL) == 0);
	}
}

static void many_build(void)
{
	pile_up(1100);
}

static void crowd_build(void)
{
	pile_up(8300);
}

static const struct {
	const char *name;
	void (*build)(void);
	void (*verify)(void);
} variants[] = {
	{ "flags", flags_build, flags_verify },	   { "bind", bind_build, bind_verify },
	{ "over", over_build, over_verify },	   { "shared", shared_build, shared_verify },
	{ "kernel", kernel_build, kernel_verify }, { "overlay", overlay_build, overlay_verify },
	{ "pivot", pivot_build, pivot_verify },	   { "gone", gone_build, gone_verify },
	{ "again", again_build, again_verify },	   { "ramfs", ramfs_build, ramfs_verify },
	{ "locked", locked_build, locked_verify }, { "volume", volume_build, volume_verify },
	{ "hidden", hidden_build, ramfs_verify },  { "cwd", cwd_build, ramfs_verify },
	{ "way", way_build, way_verify },	   { "many", many_build, ramfs_verify },
	{ "crowd", crowd_build, ramfs_verify },
};

static void run(int argc, char **argv, bool is_build)
{
	for (int i = 1; i < argc; i++) {
		for (size_t j = 0; j < sizeof(variants) / sizeof(variants[0]); j++) {
			if (strcmp(variants[j].name, argv[i]) == 0)
				(is_build ? variants[j].build : variants[j].verify)();
		}
	}
}

int main(int argc, char **argv)
{
	char *self;
	char pid[16];

	run(argc, argv, true);
	wait_for_restore();
	run(argc, argv, false);
	self = proc_link("/proc/self");
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	expect_same_text("/proc/self", pid, self);
	victim_done();
}
