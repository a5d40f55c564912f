/* What kinds of a container as a whole refuse to save: more of a thing than anybody has, and what
 * /proc and a cgroup's directory would say of what cannot be had here. */
#include <errno.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "answers.h"
#include "dump_made.h"
#include "enter.h"
#include "kind/support/mqueue.h"
#include "kind/support/sysv.h"

/* ---- an ipc namespace of one's own ---- */

static bool set_sysctl(const char *name, const char *value)
{
	auto_free char *path = mem_printf("/proc/sys/kernel/%s", name);

	return put_text(path, value);
}

/* Runs a case in one; it ends with the process. */
static void in_namespace(struct unit *unit, void (*run)(struct unit *unit, struct made *made),
			 int flags)
{
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		struct made made;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		made_begin(&made);
		made.d.fd = NULL;
		made.d.task = NULL;
		made.own.ipc = DUMP_IPC_OWN;
		if (EXPECT(unit, enter(flags)))
			run(unit, &made);
		(void)fflush(stdout);
		_exit(unit->has_failed ? 1 : 0);
	}
	EXPECT(unit, waitpid(child, &status, 0) == child && status == 0);
}

static bool fill(int msqid, unsigned int count, size_t size)
{
	auto_free long *message = mem_alloc(1, sizeof(long) + size);

	message[0] = 1;
	for (unsigned int i = 0; i < count; i++) {
		if (msgsnd(msqid, message, size, IPC_NOWAIT) < 0)
			return false;
	}
	return true;
}

static void fill_queues(struct unit *unit, struct made *made)
{
	static const char refusal[] = "System V message queue 0 holds too much";
	int msqid;

	/* Before 6.8, an owner of the namespace may not raise these. */
	if (!set_sysctl("msgmnb", "100000000") || !set_sysctl("msgmax", "70000000"))
		return;
	msqid = msgget(IPC_PRIVATE, 0600);
	EXPECT(unit, msqid == 0 && fill(msqid, 16385, 0));
	EXPECT_TEXT(unit, made_dump(made, "sysv_msg"), refusal);
	EXPECT(unit, msgctl(msqid, IPC_RMID, NULL) == 0);
	EXPECT_TEXT(unit, made_dump(made, "sysv_msg"), "");
	msqid = msgget(IPC_PRIVATE, 0600);
	EXPECT(unit, fill(msqid, 1, (64 << 20) + 1));
	EXPECT(unit, strstr(made_dump(made, "sysv_msg"), "holds too much") != NULL);
}

static void full_queues(struct unit *unit)
{
	in_namespace(unit, fill_queues, CLONE_NEWUSER | CLONE_NEWIPC);
}

static void fill_semaphores(struct unit *unit, struct made *made)
{
	for (int i = 0; i < 33; i++)
		EXPECT(unit, semget(IPC_PRIVATE, 32000, 0600) >= 0);
	EXPECT_TEXT(unit, made_dump(made, "sysv_sem"), "more than 1048576 System V semaphores");
}

static void too_many_semaphores(struct unit *unit)
{
	in_namespace(unit, fill_semaphores, CLONE_NEWUSER | CLONE_NEWIPC);
}

static void leave_memory(struct unit *unit, struct made *made)
{
	int shmid = shmget(IPC_PRIVATE, 4096, 0600);
	void *at = shmat(shmid, NULL, 0);

	EXPECT(unit, shmid >= 0 && at != (void *)-1);
	EXPECT_TEXT(unit, made_dump(made, "sysv_shm"), "");
	/* We ourselves have it attached, and are no task of the container. */
	sysv_shm_finish(&made->d);
	EXPECT_TEXT(unit, made->own.blockers.data,
		    "System V shared memory 0 has 1 attachments, 0 of them in the container");
	sysv_shm_free(&made->own);
	made->own.blocker_count = 0;
	/* The rule is not for what was left before. */
	EXPECT(unit, shmdt(at) == 0);
	if (!set_sysctl("shm_rmid_forced", "1"))
		return;
	EXPECT_TEXT(unit, made_dump(made, "sysv_shm"),
		    "System V shared memory 0 cannot be read without removing it");
}

static void left_memory(struct unit *unit)
{
	in_namespace(unit, leave_memory, CLONE_NEWUSER | CLONE_NEWIPC);
}

static void take_huge_pages(struct unit *unit, struct made *made)
{
	/* None is there, and none is taken. */
	int shmid = shmget(IPC_PRIVATE, 2 << 20, SHM_HUGETLB | SHM_NORESERVE | 0600);

	if (shmid >= 0)
		EXPECT_TEXT(unit, made_dump(made, "sysv_shm"),
			    "System V shared memory 0 is of huge pages, which is not supported");
}

static void huge_pages(struct unit *unit)
{
	if (geteuid() == 0)
		in_namespace(unit, take_huge_pages, CLONE_NEWIPC);
}

static void ask_for_messages(struct unit *unit, struct made *made)
{
	static const char refusal[] =
	    "message queue one notifies a process outside of the container";
	struct sigevent wanted = { .sigev_notify = SIGEV_NONE };
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);

	/* A kernel may be without. */
	if (queue < 0 && errno == ENOSYS)
		return;
	EXPECT(unit, queue >= 0 && mq_notify(queue, &wanted) == 0);
	EXPECT_TEXT(unit, made_dump(made, "posix_mq"), "");
	made->task.pid = INT_MAX;
	made->own.queue_count = 0;
	EXPECT_TEXT(unit, made_dump(made, "posix_mq"), refusal);
}

static void foreign_notification(struct unit *unit)
{
	in_namespace(unit, ask_for_messages, CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWNS);
}

struct shown_queue {
	mqd_t queue;
	const char *text; /* in place of what the kernel shows of it */
};

static bool show_queue(void *argument, pid_t tid, struct user_regs_struct *regs)
{
	const struct shown_queue *shown = argument;

	if (!answer_is(regs, SYS_pread64) || regs->rdi != (unsigned long long)shown->queue)
		return false;
	regs->rax = strlen(shown->text);
	return answer_write(tid, regs->rsi, shown->text, strlen(shown->text) + 1);
}

static void copy_queue(struct unit *unit, void *argument)
{
	const struct shown_queue *shown = argument;
	auto_buf struct buf messages = BUF_EMPTY;
	struct err err = ERR_NONE;

	EXPECT(unit, mqueue_copy(shown->queue, &messages, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "a message queue holds more than 67108864 bytes");
}

static void queue_of_unknown_size(struct unit *unit)
{
	static const char *const texts[] = { "QSIZE:67108865 NOTIFY:0\n", "" };
	auto_free char *name = mem_printf("/ctckpt-unit-%d", getpid());
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);

	/* A kernel may be without. */
	if (queue < 0)
		return;
	EXPECT(unit, mq_unlink(name) == 0 && mq_send(queue, "x", 1, 0) == 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct shown_queue shown = { queue, texts[i] };

		with_answers(unit, copy_queue, show_queue, &shown);
	}
	EXPECT(unit, mq_close(queue) == 0);
}

/* ---- cgroups ---- */

static void put_file(int directory, const char *name, const char *text)
{
	auto_close int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)!write(fd, text, strlen(text));
}

/* A cgroup without tasks, as far as anybody reads it. */
static int make_cgroup(int parent, const char *name)
{
	int fd;

	(void)mkdirat(parent, name, 0700);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(fd, "cgroup.procs", "");
	return fd;
}

static void remove_cgroup(int parent, const char *name)
{
	auto_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)unlinkat(fd, "cgroup.procs", 0);
	(void)unlinkat(fd, "freezer.self_freezing", 0);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

static void frozen_cgroup(struct unit *unit)
{
	char top[] = "/tmp/unit-cgroups-XXXXXX";
	auto_close int root = -1;
	auto_close int child = -1;
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	made.d.task = NULL;
	if (!EXPECT(unit, mkdtemp(top)))
		return;
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(root, "cgroup.procs", "");
	/* That one we froze. */
	put_file(root, "freezer.self_freezing", "1\n");
	child = make_cgroup(root, "child");
	put_file(child, "freezer.self_freezing", "0\n");
	made.target.cgroup = root;
	made.target.freezer = FREEZER_V1;
	EXPECT_TEXT(unit, made_dump(&made, "cgroup"), "");
	put_file(child, "freezer.self_freezing", "1\n");
	EXPECT_TEXT(unit, made_dump(&made, "cgroup"),
		    "cgroup child, which is frozen by itself, is not supported");
	remove_cgroup(root, "child");
	remove_cgroup(AT_FDCWD, top);
}

static void too_many_cgroups(struct unit *unit)
{
	char top[] = "/tmp/unit-cgroups-XXXXXX";
	auto_close int root = -1;
	auto_made struct made made;
	char name[16];

	made_begin(&made);
	made.d.fd = NULL;
	made.d.task = NULL;
	if (!EXPECT(unit, mkdtemp(top)))
		return;
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put_file(root, "cgroup.procs", "");
	made.target.cgroup = root;
	made.target.freezer = FREEZER_V1;
	for (int i = 0; i < 4096; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		(void)close(make_cgroup(root, name));
		/* With the root, they are as many as there may be. */
		if (i == 4094)
			EXPECT_TEXT(unit, made_dump(&made, "cgroup"), "");
	}
	EXPECT_TEXT(unit, made_dump(&made, "cgroup"), "it has too many cgroups");
	for (int i = 0; i < 4096; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		remove_cgroup(root, name);
	}
	remove_cgroup(AT_FDCWD, top);
}

/* ---- files that are carried along ---- */

#define OVERLAY "1 1 0:50 / / rw - overlay overlay rw,lowerdir=/lower"

static void upper_directories(struct unit *unit)
{
	static const struct {
		const char *mountinfo;
		const char *refusal;
	} cases[] = {
		{ "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
		  "the root directory is no overlay: what was changed in it is not known" },
		{ "1 1 0:50 / /other rw - overlay overlay rw,upperdir=/upper\n",
		  "the root directory is no overlay: what was changed in it is not known" },
		{ OVERLAY "\n", "the overlay of the root has no upper directory" },
		{ "1 1 0:50 /below / rw - overlay overlay rw,upperdir=/tmp\n",
		  "the overlay of the root has no upper directory" },
		{ OVERLAY ",upperdir=/nobody/has/this\n",
		  "the upper directory of the root, /nobody/has/this: No such file or directory" },
		{ OVERLAY ",upperdir=tmp\n",
		  "the upper directory of the root, tmp: it is not absolute" },
	};
	char top[] = "/tmp/unit-upper-XXXXXX";
	auto_close int proc = -1;
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	made.d.task = NULL;
	if (!EXPECT(unit, mkdtemp(top)))
		return;
	proc = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT(unit, mkdirat(proc, "root", 0700) == 0);
	(void)close(made.task.proc);
	made.task.proc = proc;
	made.target.rootfs = (char *)"/";
	made.own.outside.file_system = "";
	EXPECT_TEXT(unit, made_dump(&made, "file_system"),
		    "files cannot be carried along by a container without a root directory of its "
		    "own");
	made.target.has_root = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_file(proc, "mountinfo", cases[i].mountinfo);
		EXPECT_TEXT(unit, made_dump(&made, "file_system"), cases[i].refusal);
		(void)unlinkat(proc, "mountinfo", 0);
	}
	made.task.proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)unlinkat(proc, "root", AT_REMOVEDIR);
	(void)rmdir(top);
}

static const struct unit_case cases[] = {
	UNIT_CASE(full_queues),	      UNIT_CASE(too_many_semaphores),
	UNIT_CASE(left_memory),	      UNIT_CASE(queue_of_unknown_size),
	UNIT_CASE(huge_pages),	      UNIT_CASE(foreign_notification),
	UNIT_CASE(frozen_cgroup),     UNIT_CASE(too_many_cgroups),
	UNIT_CASE(upper_directories),
};

int main(void)
{
	return UNIT_RUN(cases);
}
