/* Landlock: no file of /proc shows whether a thread has restricted itself. But who has may look at
 * nobody who is not restricted likewise, whatever rights the restriction is about. So there is a
 * witness, whom every thread with its ids could look at: a child of ours that has ended, has no
 * capability, and is not reaped as long as it is needed. Nobody who was not stopped gains anything
 * by it: it never runs code, and has none of our memory and descriptors, while it is in reach. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/elf_header.h"
#include "core/sys.h"
#include "dump/dump.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u /* 6.3 */
#endif

/* linux/landlock.h is younger than some systems that this is built on. */
enum { LANDLOCK_VERSION = 1, LANDLOCK_EXECUTE = 1, LAYERS_STEP = 16, LAYERS_ENOUGH = 1024 };

struct dump_witness {
	struct dump_witness *next;
	pid_t keeper;		  /* its parent, who does not reap it */
	int socket;		  /* its end is that of the keeper */
	pid_t number;		  /* in its pid namespace; 0: there could be none */
	uint32_t pid_ns, user_ns; /* ids */
	uint32_t uid, gid;
};

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION) > 0;
}

/* How many more restrictions it may take is a round number for who has none. */
static _Noreturn void count_layers(void)
{
	const uint64_t rights = LANDLOCK_EXECUTE;
	int rules = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0);
	int count = 0;

	if (rules < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(2);
	while (count < LAYERS_ENOUGH && syscall(SYS_landlock_restrict_self, rules, 0) == 0)
		count++;
	_exit(count == 0 || count % LAYERS_STEP != 0 ? 1 : 0);
}

static int wait_for(pid_t child)
{
	int status = -1;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static bool are_we_restricted(void)
{
	pid_t child = fork();

	if (child == 0)
		count_layers();
	return child < 0 || wait_for(child) != 0;
}

/* ---- the keeper and its child ---- */

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return (int)syscall(SYS_capset, &head, none);
}

/* An executable that comes to execute nothing: elf(5). */
static int make_program(void)
{
	const uint64_t address = 0x400000;
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr code;
	} head = {
		.header = elf_header(address, 1),
		.code = { .p_type = PT_LOAD,
			  .p_flags = PF_R,
			  .p_vaddr = address,
			  .p_filesz = sizeof(head),
			  .p_memsz = sizeof(head),
			  .p_align = 4096 },
	};
	int fd = memfd_create("witness", MFD_CLOEXEC | MFD_EXEC);

	if (fd < 0)
		fd = memfd_create("witness", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, &head, sizeof(head)) != sizeof(head))
		drop_fd(&fd);
	return fd;
}

/* Its root directory could be reached by those who may look at it: it is one without a file. */
static int leave_root(void)
{
	bool is_in_reach = prctl(PR_GET_DUMPABLE) == 1;

	if (chdir("/proc/self/fdinfo") < 0 || (chroot(".") < 0 && !is_in_reach))
		return -1;
	return 0;
}

/* The ids are those that we see: they are taken before a namespace is entered that has others. */
static int become(const struct dump_witness *as, int user_ns)
{
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	if (leave_root() < 0 || setresgid(as->gid, as->gid, as->gid) < 0 ||
	    setresuid(as->uid, as->uid, as->uid) < 0 ||
	    (user_ns >= 0 && setns(user_ns, CLONE_NEWUSER) < 0))
		return -1;
	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT) < 0 && as->uid == 0)
		return -1;
	return drop_capabilities();
}

/* Who has lost its keeper would be traced by another parent, who does not know, and stop for ever.
 */
static bool die_with(int keeper)
{
	struct pollfd end = { .fd = keeper, .events = POLLIN };

	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && poll(&end, 1, 0) == 0;
}

/* By the execution it gets into reach, with nothing of ours; it is killed before its first
 * instruction. */
static _Noreturn void witness(const struct dump_witness *as, int user_ns, int keeper, int socket)
{
	char *const none[] = { NULL };
	int32_t number = getpid();
	int program = make_program();

	if (program < 0 || !die_with(keeper) || ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 ||
	    raise(SIGSTOP) != 0 || become(as, user_ns) < 0)
		_exit(1);
	(void)!write(socket, &number, sizeof(number));
	(void)syscall(SYS_execveat, program, "", none, none, AT_EMPTY_PATH);
	_exit(1);
}

static bool await_stop(pid_t child, int signal)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == signal;
}

/* Until it is dead, and not reaped. Whatever becomes of us, it does not live on. */
static bool await_end(pid_t child)
{
	siginfo_t ended;

	if (!await_stop(child, SIGSTOP) ||
	    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC) < 0 ||
	    ptrace(PTRACE_CONT, child, 0, 0) < 0 || !await_stop(child, SIGTRAP))
		return false;
	return kill(child, SIGKILL) == 0 &&
	       waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT) == 0;
}

static _Noreturn void keep(const struct dump_witness *as, int pid_ns, int user_ns, int socket)
{
	int own = sys_pidfd_open(getpid());
	pid_t child;
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (own < 0 || (pid_ns >= 0 && setns(pid_ns, CLONE_NEWPID) < 0))
		_exit(1);
	child = fork();
	if (child == 0)
		witness(as, user_ns, own, socket);
	if (child < 0 || !await_end(child) || dup2(socket, 0) < 0)
		_exit(1);
	(void)syscall(SYS_close_range, 1, ~0u, 0);
	if (write(0, "", 1) == 1)
		(void)!read(0, &byte, 1);
	(void)waitpid(child, NULL, 0);
	_exit(0);
}

/* ---- ours ---- */

/* A namespace of the task; *ret_fd is -1 where it is our own. */
static int open_other(const struct dump_task *task, const char *name, int *ret_fd)
{
	auto_free char *own_path = mem_printf("/proc/self/ns/%s", name);
	auto_free char *path = mem_printf("ns/%s", name);
	auto_close int fd = openat(task->proc, path, O_RDONLY | O_CLOEXEC);
	struct stat there;
	struct stat own;

	if (fd < 0 || fstat(fd, &there) < 0 || stat(own_path, &own) < 0)
		return -errno;
	*ret_fd = own.st_ino == there.st_ino ? -1 : take_fd(&fd);
	return 0;
}

static void await(struct dump_witness *one)
{
	int32_t number;
	char byte;

	if (read(one->socket, &number, sizeof(number)) == sizeof(number) &&
	    read(one->socket, &byte, 1) == 1 && number > 0)
		one->number = number;
}

static int send_one(const struct dump_task *task, struct dump_witness *one, struct err *err)
{
	auto_close int user_ns = -1;
	auto_close int pid_ns = -1;
	int ends[2];
	int r = open_other(task, "pid", &pid_ns);

	if (r == 0)
		r = open_other(task, "user", &user_ns);
	if (r < 0)
		return err_set(err, r, "look at the namespaces of task %d", task->vpid);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket pair");
	one->socket = ends[0];
	one->keeper = fork();
	if (one->keeper == 0) {
		(void)close(ends[0]);
		keep(one, pid_ns, user_ns, ends[1]);
	}
	(void)close(ends[1]);
	if (one->keeper < 0)
		return err_set(err, -errno, "create a process");
	await(one);
	return 0;
}

static struct dump_witness *find(const struct dump_private *own, const struct dump_witness *like)
{
	struct dump_witness *one = own->witnesses;

	while (one && (one->pid_ns != like->pid_ns || one->user_ns != like->user_ns ||
		       one->uid != like->uid || one->gid != like->gid))
		one = one->next;
	return one;
}

/* It is the task that may have seen to it: that its pid namespace has no room, for one. */
static void refuse_unwitnessed(struct dump *d, struct dump_task *task,
			       const struct dump_thread *thread)
{
	d->task = task;
	(void)dump_block(d, "let its pid namespace, and its user, have room for one more process",
			 "whether thread %d is restricted by Landlock cannot be told: no process "
			 "can be put beside it",
			 thread->vtid);
	d->task = NULL;
}

static int find_for_task(struct dump *d, struct dump_task *task, struct err *err)
{
	struct dump_witness like = { .socket = -1,
				     .pid_ns = task->namespaces[NAMESPACE_PID],
				     .user_ns = task->namespaces[NAMESPACE_USER] };
	bool is_refused = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < task->thread_count; i++) {
		struct dump_thread *thread = &task->threads[i];
		struct dump_witness *one;

		like.uid = thread->status.uid[0];
		like.gid = thread->status.gid[0];
		one = find(d->own, &like);
		if (!one) {
			one = mem_copy(&like, sizeof(like));
			one->next = d->own->witnesses;
			d->own->witnesses = one;
			r = send_one(task, one, err);
		}
		thread->witness = one->number;
		if (r == 0 && one->number == 0 && !is_refused) {
			refuse_unwitnessed(d, task, thread);
			is_refused = true;
		}
	}
	return r;
}

int dump_send_witnesses(struct dump *d, struct err *err)
{
	int r = 0;

	if (!has_landlock())
		return 0;
	if (are_we_restricted())
		return dump_block(d, "run ctckpt where it is not",
				  "ctckpt is restricted by Landlock itself, and cannot tell "
				  "whether this is");
	for (size_t i = 0; r == 0 && i < d->own->task_count; i++) {
		if (d->own->tasks[i].thread_count > 0)
			r = find_for_task(d, &d->own->tasks[i], err);
	}
	return r;
}

void dump_dismiss_witnesses(struct dump_private *own)
{
	struct dump_witness *next;

	for (struct dump_witness *one = own->witnesses; one; one = next) {
		next = one->next;
		/* Other children of ours may still hold a duplicate. */
		if (one->socket >= 0)
			(void)shutdown(one->socket, SHUT_RDWR);
		drop_fd(&one->socket);
		if (one->keeper > 0)
			(void)wait_for(one->keeper);
		free(one);
	}
	own->witnesses = NULL;
}
