/* Targets: the texts that say where cgroups are, and real containers and trees. */
#include "target/target.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "target/cgroup.h"
#include "target/process.h"
#include "unit.h"

/* ---- mountinfo and /proc/PID/cgroup ---- */

static void mountinfo(struct unit *unit)
{
	static const char text[] =
	    "24 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	    "25 24 0:5 / /a\\040cgroup2\\040/x rw shared:1 master:2 - tmpfs tmpfs rw,freezer\n"
	    "26 24 0:6 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	    "27 24 0:7 /a\\040b /mnt/\\134012\\012 rw shared:3 - cgroup  rw,cpu,freezer\n"
	    "28 24 0:8 /.. /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
	    "29 24 0:9 / /n rw - cgroup none rw,name=freezer\n";
	struct cgroup_mount *mounts = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!EXPECT(unit, cgroup_mounts_parse(text, &mounts, &count, &err) == 0 && count == 2))
		return;
	EXPECT(unit, mounts[0].form == FREEZER_V1 && mounts[1].form == FREEZER_V2);
	EXPECT_TEXT(unit, mounts[0].root, "/a b");
	EXPECT_TEXT(unit, mounts[0].point, "/mnt/\\012\n");
	EXPECT_TEXT(unit, mounts[1].root, "/..");
	EXPECT_TEXT(unit, mounts[1].point, "/sys/fs/cgroup/unified");
	cgroup_mounts_free(mounts, count);
}

static void mountinfo_refuses(struct unit *unit)
{
	static const char *const bad[] = {
		"24 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
		"24 1 254:0 / / rw,relatime\n",
		"24 1 254:0 / / rw,relatime - ext4\n",
		"24 1\n",
		"\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cgroup_mount *mounts = NULL;
		struct err err = ERR_NONE;
		size_t count = 0;

		EXPECT(unit, cgroup_mounts_parse(bad[i], &mounts, &count, &err) == ERR_FAILED);
	}
}

static void expect_path(struct unit *unit, const char *text, enum freezer_form form,
			const char *wanted)
{
	auto_free char *path = NULL;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, cgroup_path_parse(text, form, &path, &err) == 0))
		return;
	if (wanted)
		EXPECT_TEXT(unit, path, wanted);
	else
		EXPECT(unit, path == NULL);
}

static void process_cgroup(struct unit *unit)
{
	static const char hybrid[] = "12:cpu,freezer,net:/a:b/c\n1:name=freezer:/no\n0::/u ser/x\n";
	struct err err = ERR_NONE;
	char *path = NULL;

	expect_path(unit, hybrid, FREEZER_V1, "/a:b/c");
	expect_path(unit, hybrid, FREEZER_V2, "/u ser/x");
	expect_path(unit, "0::/x (deleted)\n", FREEZER_V2, NULL);
	expect_path(unit, "0::/x\n", FREEZER_V1, NULL);
	expect_path(unit, "3:cpu:/0::/y\n", FREEZER_V2, NULL);
	expect_path(unit, "", FREEZER_V2, NULL);
	EXPECT(unit, cgroup_path_parse("0::/x", FREEZER_V2, &path, &err) == ERR_FAILED);
	EXPECT(unit, cgroup_path_parse("0:/x\n", FREEZER_V2, &path, &err) == ERR_FAILED);
	EXPECT(unit, cgroup_path_parse("x::/x\n", FREEZER_V2, &path, &err) == ERR_FAILED);
	EXPECT(unit, cgroup_path_parse("0::x\n", FREEZER_V2, &path, &err) == ERR_FAILED);
}

static void expect_place(struct unit *unit, const char *root, const char *path, const char *wanted)
{
	struct cgroup_mount mount = { FREEZER_V2, (char *)root, (char *)"/m" };
	auto_free char *place = cgroup_map_path(&mount, path);

	if (wanted)
		EXPECT_TEXT(unit, place, wanted);
	else
		EXPECT(unit, place == NULL);
}

static void cgroup_places(struct unit *unit)
{
	expect_place(unit, "/", "/a/b", "/m/a/b");
	expect_place(unit, "/", "/", "/m");
	expect_place(unit, "/a", "/a", "/m");
	expect_place(unit, "/a", "/a/b", "/m/b");
	expect_place(unit, "/a", "/ab", NULL);
	expect_place(unit, "/a", "/b", NULL);
	expect_place(unit, "/", "/../x", NULL);
	expect_place(unit, "/..", "/../x", "/m/x");
	expect_place(unit, "/..", "/../../x", NULL);
	expect_place(unit, "/..", "/..x", NULL);
	EXPECT(unit, cgroup_path_leaves("a/..") && cgroup_path_leaves("../a"));
	EXPECT(unit, !cgroup_path_leaves("a../..b/...") && !cgroup_path_leaves(""));
}

/* ---- pid:N ---- */

static int find_pid(pid_t pid, struct target *ret_target, struct err *err)
{
	auto_free char *name = mem_printf("pid:%d", pid);

	return target_find(name, ret_target, err);
}

static bool holds(const struct target *target, const pid_t *wanted, size_t wanted_count)
{
	auto_free pid_t *pids = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (target_tasks(target, &pids, &count, &err) < 0 || count != wanted_count)
		return false;
	for (size_t i = 0; i < wanted_count; i++) {
		if (!pids_have(pids, count, wanted[i]))
			return false;
	}
	return true;
}

static void container(struct unit *unit)
{
	struct test_container box = test_container_start();
	auto_target struct target target = TARGET_NONE;
	struct err err = ERR_NONE;
	pid_t *pids;
	size_t count;

	if (!EXPECT(unit, box.init > 0 && find_pid(box.init, &target, &err) == 0))
		return;
	EXPECT(unit, target.form == TARGET_CONTAINER && target.init == box.init);
	EXPECT(unit, target.start_time > 0 && !target.is_registered && !target.rootfs);
	EXPECT(unit, holds(&target, (pid_t[]){ box.init, box.child }, 2));
	EXPECT(unit, kill(box.child, SIGKILL) == 0); /* its init does not reap it */
	EXPECT(unit, holds(&target, (pid_t[]){ box.init, box.child }, 2));
	test_container_stop(&box);
	EXPECT(unit, target_tasks(&target, &pids, &count, &err) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, "the container has ended");
}

/* A task that came by setns has its parent outside; one in a namespace below is deeper. */
static void container_with_guests(struct unit *unit)
{
	struct test_container box = test_container_start(), other = test_container_start();
	auto_target struct target target = TARGET_NONE;
	int ready[2], pidfd = sys_pidfd_open(box.init);
	struct err err = ERR_NONE;
	pid_t guest[2] = { 0, 0 }, door;

	EXPECT(unit, box.init > 0 && other.init > 0 && pidfd >= 0 && pipe(ready) == 0);
	door = fork();
	if (door == 0) {
		if (setns(pidfd, CLONE_NEWUSER) < 0 || setns(pidfd, CLONE_NEWPID) < 0)
			_exit(1);
		guest[0] = fork();
		if (guest[0] == 0)
			test_container_main(ready[1]);
		/* The guest's child is seen only from outside: by its parent. */
		(void)waitpid(guest[0], NULL, 0);
		_exit(0);
	}
	(void)close(ready[1]);
	EXPECT(unit, read(ready[0], guest, 1) == 1);
	guest[0] = test_child_of(door);
	guest[1] = test_child_of(guest[0]);
	EXPECT(unit, guest[0] > 0 && guest[1] > 0 && find_pid(box.init, &target, &err) == 0);
	EXPECT(unit, holds(&target, (pid_t[]){ box.init, box.child, guest[0], guest[1] }, 4));
	test_container_stop(&box);
	test_container_stop(&other);
	EXPECT(unit, waitpid(door, NULL, 0) == door);
	(void)close(ready[0]);
	(void)close(pidfd);
}

static _Noreturn void nest(int ready)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0) == 0)
		test_container_main(ready);
	(void)close(ready);
	for (;;)
		(void)pause();
}

static void container_with_nested(struct unit *unit)
{
	auto_target struct target target = TARGET_NONE, nested = TARGET_NONE;
	struct err err = ERR_NONE;
	pid_t init, inner, leaf;
	int ready[2];
	char byte;

	EXPECT(unit, pipe(ready) == 0);
	init = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (init == 0)
		nest(ready[1]);
	(void)close(ready[1]);
	EXPECT(unit, init > 0 && read(ready[0], &byte, 1) == 1);
	inner = test_child_of(init);
	leaf = test_child_of(inner);
	EXPECT(unit, find_pid(init, &target, &err) == 0 && target.form == TARGET_CONTAINER);
	EXPECT(unit, holds(&target, (pid_t[]){ init, inner, leaf }, 3));
	EXPECT(unit, find_pid(inner, &nested, &err) == 0 && nested.form == TARGET_CONTAINER);
	EXPECT(unit, holds(&nested, (pid_t[]){ inner, leaf }, 2));
	(void)close(ready[0]);
	if (init > 0) {
		(void)kill(init, SIGKILL);
		EXPECT(unit, waitpid(init, NULL, 0) == init);
	}
}

/* A tree with a zombie in it. */
static _Noreturn void tree_main(int ready)
{
	siginfo_t info;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	(void)waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
	(void)!write(ready, "r", 1);
	(void)close(ready);
	for (;;)
		(void)pause();
}

static void tree(struct unit *unit)
{
	auto_target struct target target = TARGET_NONE;
	struct err err = ERR_NONE;
	int ready[2];
	pid_t root;
	char byte;

	EXPECT(unit, pipe(ready) == 0);
	root = fork();
	if (root == 0)
		tree_main(ready[1]);
	(void)close(ready[1]);
	EXPECT(unit, read(ready[0], &byte, 1) == 1);
	EXPECT(unit, find_pid(root, &target, &err) == 0 && target.form == TARGET_TREE);
	EXPECT(unit, holds(&target, (pid_t[]){ root, test_child_of(root) }, 2));
	/* Its cgroup holds this test, too. */
	EXPECT(unit, target.freezer == FREEZER_NONE && target.cgroup == -1);
	(void)kill(root, SIGKILL);
	EXPECT(unit, waitpid(root, NULL, 0) == root);
	(void)close(ready[0]);
}

static void refuses_zombie(struct unit *unit)
{
	struct target target = TARGET_NONE;
	struct err err = ERR_NONE;
	siginfo_t info;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	EXPECT(unit, waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
	EXPECT(unit, find_pid(child, &target, &err) == ERR_FAILED);
	EXPECT(unit, waitpid(child, NULL, 0) == child);
}

static void *sleep_in_thread(void *argument)
{
	char byte;

	(void)!write(((int *)argument)[1], (pid_t[]){ gettid() }, sizeof(pid_t));
	(void)!read(((int *)argument)[2], &byte, 1);
	return NULL;
}

static void refuses(struct unit *unit)
{
	static const char *const bad[] = {
		"pid:",
		"pid:0",
		"pid:-1",
		"pid:1x",
		"pid: 1",
		"pid:2147483648",
		"pid:2147483647",
		"",
		"..",
		"a/b",
		"no-such-container",
		"cgroup:",
		"cgroup:../..",
		"cgroup:/proc",
		"cgroup:no-such-cgroup",
		"cgroup:/sys/fs/cgroup/../../proc",
	};
	struct target target = TARGET_NONE;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = ERR_NONE;

		EXPECT(unit, target_find(bad[i], &target, &err) < 0 && err.text[0] != '\0');
		EXPECT(unit, target.pidfd == -1 && !target.name);
	}
}

static void refuses_ourselves(struct unit *unit)
{
	struct target target = TARGET_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, find_pid(getpid(), &target, &err) == ERR_REFUSED);
	EXPECT(unit, find_pid(getppid(), &target, &err) == ERR_REFUSED);
	EXPECT(unit, find_pid(1, &target, &err) == ERR_REFUSED);
}

static void refuses_thread(struct unit *unit)
{
	struct target target = TARGET_NONE;
	struct err err = ERR_NONE;
	pthread_t thread;
	int pipes[4];
	pid_t tid = 0;

	EXPECT(unit, pipe(pipes) == 0 && pipe(pipes + 2) == 0);
	EXPECT(unit, pthread_create(&thread, NULL, sleep_in_thread, pipes) == 0);
	EXPECT(unit, read(pipes[0], &tid, sizeof(tid)) == sizeof(tid));
	EXPECT(unit, find_pid(tid, &target, &err) == ERR_USAGE && err.hint[0] != '\0');
	(void)close(pipes[3]);
	EXPECT(unit, pthread_join(thread, NULL) == 0);
	for (int i = 0; i < 3; i++)
		(void)close(pipes[i]);
}

/* ---- cgroups ---- */

/* A new cgroup below that of this process. */
struct place {
	char *path;	/* NULL: nowhere */
	char *relative; /* to the mount */
};

static void place_free(struct place *place)
{
	free(place->path);
	free(place->relative);
}

static char *own_cgroup(enum freezer_form form)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	char *path = NULL;

	if (procfs_read(AT_FDCWD, "/proc/self/cgroup", &text, &err) < 0 ||
	    cgroup_path_parse(text.data, form, &path, &err) < 0)
		return NULL;
	return path;
}

static struct place make_cgroup(enum freezer_form form)
{
	auto_free char *own = own_cgroup(form);
	struct place place = { .path = NULL };
	struct cgroup_mount *mounts = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!own || cgroup_mounts_get(&mounts, &count, &err) < 0)
		return place;
	for (size_t i = 0; i < count && !place.path; i++) {
		auto_free char *base = cgroup_map_path(&mounts[i], own);
		auto_free char *path = mem_printf("%s/unit-target-%d", base ? base : "", getpid());

		if (!base || mounts[i].form != form || mkdir(path, 0755) < 0)
			continue;
		place.relative = mem_string(path + strlen(mounts[i].point) + 1);
		place.path = take_ptr(path);
	}
	cgroup_mounts_free(mounts, count);
	return place;
}

static bool move(const char *cgroup, pid_t pid)
{
	auto_free char *path = mem_printf("%s/cgroup.procs", cgroup);
	auto_free char *text = mem_printf("%d\n", pid);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void expect_freezer(struct unit *unit, const char *name, pid_t init, enum freezer_form form,
			   const char *path)
{
	auto_target struct target target = TARGET_NONE;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, target_find(name, &target, &err) == 0))
		return;
	EXPECT(unit, target.init == init && target.freezer == form);
	if (path)
		EXPECT_TEXT(unit, target.cgroup_path, path);
	else
		EXPECT(unit, target.cgroup_path == NULL && target.cgroup == -1);
}

static pid_t start_stranger(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void stop_stranger(pid_t pid)
{
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		(void)waitpid(pid, NULL, 0);
}

static bool write_control(int dir, const char *file, const char *text)
{
	auto_close int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static void expect_frozen(struct unit *unit, enum freezer_form form, const char *cgroup)
{
	const char *file = form == FREEZER_V1 ? "freezer.state" : "cgroup.freeze";
	struct err err = ERR_NONE;
	auto_close int dir = -1;

	EXPECT(unit, cgroup_open(cgroup, &dir, &err) == 0 && !cgroup_is_frozen(form, dir));
	EXPECT(unit, write_control(dir, file, form == FREEZER_V1 ? "FROZEN" : "1"));
	for (int i = 0; i < 5000 && !cgroup_is_frozen(form, dir); i++)
		(void)poll(NULL, 0, 1);
	EXPECT(unit, cgroup_is_frozen(form, dir));
	EXPECT(unit, write_control(dir, file, form == FREEZER_V1 ? "THAWED" : "0"));
	for (int i = 0; i < 5000 && cgroup_is_frozen(form, dir); i++)
		(void)poll(NULL, 0, 1);
	EXPECT(unit, !cgroup_is_frozen(form, dir));
}

static void find_by_cgroup(struct unit *unit, enum freezer_form form, const struct place *place,
			   struct test_container *box, pid_t stranger)
{
	const char *cgroup = place->path;
	auto_free char *name = mem_printf("cgroup:%s", cgroup);
	auto_free char *relative = mem_printf("cgroup:%s", place->relative);
	auto_free char *sub = mem_printf("%s/sub", cgroup), *sibling = mem_printf("%s/sib", cgroup);
	auto_free char *by_pid = mem_printf("pid:%d", box->init);
	struct target target = TARGET_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, target_find(name, &target, &err) == ERR_FAILED); /* it is empty */
	EXPECT(unit, move(cgroup, box->init) && move(cgroup, box->child));
	expect_freezer(unit, by_pid, box->init, form, cgroup);
	expect_freezer(unit, name, box->init, form, cgroup);
	expect_freezer(unit, relative, box->init, form, cgroup);

	EXPECT(unit, mkdir(sub, 0755) == 0 && mkdir(sibling, 0755) == 0);
	EXPECT(unit, move(sub, box->init));
	expect_freezer(unit, by_pid, box->init, form, cgroup);
	EXPECT(unit, move(sibling, box->child));
	expect_freezer(unit, by_pid, box->init, form, cgroup);
	EXPECT(unit, move(sub, box->child));
	expect_freezer(unit, by_pid, box->init, form, sub);

	expect_frozen(unit, form, sub);
	EXPECT(unit, move(sub, stranger));
	expect_freezer(unit, by_pid, box->init, FREEZER_NONE, NULL);
	EXPECT(unit, target_find(name, &target, &err) == ERR_REFUSED);
	EXPECT(unit, strstr(err.text, "first) R?") != NULL);
}

static void cgroup_of_form(struct unit *unit, enum freezer_form form)
{
	auto_with(place_free) struct place place = make_cgroup(form);
	const char *cgroup = place.path;
	struct test_container box;
	struct err err = ERR_NONE;
	pid_t stranger;

	if (!cgroup)
		return (void)printf("# %s: no cgroup can be made here\n", unit->name);
	box = test_container_start();
	stranger = start_stranger();
	if (EXPECT(unit, box.init > 0))
		find_by_cgroup(unit, form, &place, &box, stranger);
	EXPECT(unit, cgroup_remove(cgroup, &err) == -EBUSY);
	test_container_stop(&box);
	stop_stranger(stranger);
	EXPECT(unit, cgroup_remove(cgroup, &err) == 0 && access(cgroup, F_OK) < 0);
	EXPECT(unit, cgroup_remove(cgroup, &err) == 0);
	EXPECT(unit, cgroup_remove("/tmp", &err) < 0 && cgroup_remove("/", &err) < 0);
}

static void cgroup_v1(struct unit *unit)
{
	cgroup_of_form(unit, FREEZER_V1);
}

static void cgroup_v2(struct unit *unit)
{
	cgroup_of_form(unit, FREEZER_V2);
}

static const struct unit_case cases[] = {
	UNIT_CASE(mountinfo),
	UNIT_CASE(mountinfo_refuses),
	UNIT_CASE(process_cgroup),
	UNIT_CASE(cgroup_places),
	UNIT_CASE(container),
	UNIT_CASE(container_with_guests),
	UNIT_CASE(container_with_nested),
	UNIT_CASE(tree),
	UNIT_CASE(refuses),
	UNIT_CASE(refuses_ourselves),
	UNIT_CASE(refuses_thread),
	UNIT_CASE(refuses_zombie),
	UNIT_CASE(cgroup_v1),
	UNIT_CASE(cgroup_v2),
};

int main(void)
{
	char home[] = "/tmp/unit-target-XXXXXX";
	auto_free char *registry = NULL;
	int status;

	if (!mkdtemp(home) || setenv("XDG_RUNTIME_DIR", home, 1) < 0)
		return 1;
	registry = mem_printf("%s/ctckpt", home);
	status = UNIT_RUN(cases);
	(void)rmdir(registry);
	(void)rmdir(home);
	return status;
}
