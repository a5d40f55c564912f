/* Cells: what hostile code in one of them can do, and what its end is called. */
#include "core/cell.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/json.h"
#include "core/procfs.h"
#include "unit.h"

#define MIB (1ull << 20)

static struct cell_job job_of(int (*work)(void *, struct err *), void *argument)
{
	return (struct cell_job){
		.name = "the cell",
		.work = work,
		.argument = argument,
		.input = -1,
		.channel = -1,
		.memory = 64 * MIB,
		.time = 60,
	};
}

/* ---- verdicts ---- */

static int good(void *argument, struct err *err)
{
	(void)argument;
	(void)err;
	return 0;
}

static int bad(void *argument, struct err *err)
{
	(void)err_set(err, ERR_REFUSED, "number %d", *(int *)argument);
	return err_hint(err, "take another");
}

static void verdicts(struct unit *unit)
{
	struct err err = ERR_NONE;
	int number = 7;
	struct cell_job job = job_of(good, NULL);

	EXPECT(unit, cell_run(&job, &err) == 0);
	job = job_of(bad, &number);
	EXPECT(unit, cell_run(&job, &err) == ERR_REFUSED && err.code == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "number 7");
	EXPECT_TEXT(unit, err.hint, "take another");
}

/* What a taken-over cell may say. */
static int impossible(void *argument, struct err *err)
{
	memset(err, 'x', sizeof(*err));
	return *(int *)argument;
}

static void impossible_verdicts(struct unit *unit)
{
	struct err err = ERR_NONE;
	int code = 1;
	struct cell_job job = job_of(impossible, &code);

	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell gave an impossible verdict");
	code = ERR_DAMAGED;
	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED && err.code == ERR_DAMAGED);
	EXPECT(unit, strlen(err.text) == sizeof(err.text) - 1);
	EXPECT(unit, strlen(err.hint) == sizeof(err.hint) - 1);
}

static int say_nothing(void *argument, struct err *err)
{
	(void)err;
	return *(int *)argument;
}

/* A failure that does not say what has failed. */
static void silent_verdict(struct unit *unit)
{
	struct err err = ERR_NONE;
	int code = ERR_REFUSED;
	struct cell_job job = job_of(say_nothing, &code);

	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell gave an impossible verdict");
}

static int alter(void *argument, struct err *err)
{
	(void)err;
	*(int *)argument = 8;
	return 0;
}

static void our_memory_stays(struct unit *unit)
{
	struct err err = ERR_NONE;
	int number = 7;
	struct cell_job job = job_of(alter, &number);

	EXPECT(unit, cell_run(&job, &err) == 0 && number == 7);
}

/* ---- what it may not do: each call is its death, before it has an effect ---- */

struct crime {
	const char *name;
	void (*commit)(int channel);
};

static void open_file(int channel)
{
	(void)channel;
	(void)open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void open_beneath(int channel)
{
	uint64_t how[3] = { O_RDONLY };

	(void)channel;
	(void)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static void make_socket(int channel)
{
	(void)channel;
	(void)socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void make_pair(int channel)
{
	int ends[2];

	(void)channel;
	(void)socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static void send_descriptor(int channel)
{
	struct msghdr message = { .msg_iov = NULL };

	(void)sendmsg(channel, &message, 0);
}

static void execute(int channel)
{
	char *argv[] = { "/bin/true", NULL };

	(void)channel;
	(void)execv(argv[0], argv);
}

static void make_process(int channel)
{
	(void)channel;
	if (fork() == 0)
		_exit(0);
}

static void make_thread(int channel)
{
	(void)channel;
	(void)syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL, NULL, 0);
}

static void trace(int channel)
{
	(void)channel;
	(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
}

static void trace_parent(int channel)
{
	(void)channel;
	(void)ptrace(PTRACE_SEIZE, getpid() - 1, 0, 0);
}

static void read_memory_of_others(int channel)
{
	(void)channel;
	(void)syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

static void kill_parent(int channel)
{
	(void)channel;
	(void)kill(0, SIGKILL);
}

static void signal_other(int channel)
{
	(void)channel;
	(void)syscall(SYS_tgkill, 1, 1, SIGABRT);
}

static void signal_self(int channel)
{
	(void)channel;
	(void)syscall(SYS_tgkill, getpid(), getpid(), SIGSTOP);
}

static void make_code(int channel)
{
	(void)channel;
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void turn_into_code(int channel)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)channel;
	(void)mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void map_file(int channel)
{
	(void)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, channel, 0);
}

static void duplicate(int channel)
{
	if (dup(channel) >= 0)
		_exit(0);
}

static void raise_limit(int channel)
{
	struct rlimit limit = { 1, 1 };

	(void)channel;
	(void)setrlimit(RLIMIT_CPU, &limit);
}

static void unconfine(int channel)
{
	(void)channel;
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void enter_namespace(int channel)
{
	(void)channel;
	(void)syscall(SYS_unshare, 0x10000000);
}

static void use_ring(int channel)
{
	(void)channel;
	(void)syscall(SYS_io_uring_setup, 1, NULL);
}

static void call_as_32_bits(int channel)
{
	(void)channel;
	/* getpid by the gate of 32 bits, where the number means another call */
	__asm__ volatile("int $0x80" : : "a"(20) : "memory");
}

static void call_as_x32(int channel)
{
	(void)channel;
	(void)syscall(0x40000000 + SYS_getpid);
}

static const struct crime crimes[] = {
	{ "open", open_file },
	{ "openat2", open_beneath },
	{ "socket", make_socket },
	{ "socketpair", make_pair },
	{ "sendmsg", send_descriptor },
	{ "execve", execute },
	{ "fork", make_process },
	{ "clone", make_thread },
	{ "ptrace", trace },
	{ "ptrace of another", trace_parent },
	{ "process_vm_readv", read_memory_of_others },
	{ "kill", kill_parent },
	{ "tgkill of another", signal_other },
	{ "tgkill with another signal", signal_self },
	{ "mmap of code", make_code },
	{ "mprotect to code", turn_into_code },
	{ "mmap of a file", map_file },
	{ "dup", duplicate },
	{ "setrlimit", raise_limit },
	{ "prctl", unconfine },
	{ "unshare", enter_namespace },
	{ "io_uring_setup", use_ring },
	{ "int 0x80", call_as_32_bits },
	{ "x32", call_as_x32 },
};

struct scene {
	const struct crime *crime;
	int channel;
};

static int commit(void *argument, struct err *err)
{
	const struct scene *scene = argument;

	(void)err;
	scene->crime->commit(scene->channel);
	return 0;
}

static void forbidden_calls(struct unit *unit)
{
	for (size_t i = 0; i < sizeof(crimes) / sizeof(crimes[0]); i++) {
		auto_close int fd = memfd_create("channel", MFD_CLOEXEC);
		struct scene scene = { &crimes[i], fd };
		struct cell_job job = job_of(commit, &scene);
		struct err err = ERR_NONE;

		job.channel = fd;
		if (!EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED))
			printf("# %s\n", crimes[i].name);
		EXPECT_TEXT(unit, err.text, "the cell was killed for a forbidden system call");
	}
}

/* The input is not to be written to, whatever it was opened for. */
static int write_input(void *argument, struct err *err)
{
	(void)err;
	return write(*(int *)argument, "x", 1) == 1 ? 0 : -1;
}

static void input_is_read_only(struct unit *unit)
{
	auto_close int fd = memfd_create("input", MFD_CLOEXEC);
	struct cell_job job = job_of(write_input, &fd);
	struct err err = ERR_NONE;

	job.input = fd;
	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell was killed for a forbidden system call");
	EXPECT(unit, lseek(fd, 0, SEEK_END) == 0);
}

/* ---- what it has ---- */

static int find_descriptors(void *argument, struct err *err)
{
	const int *named = argument;
	char byte;

	for (int fd = 0; fd < 1024; fd++) {
		bool is_named = fd == named[0] || fd == named[1];

		if (is_named == (read(fd, &byte, 1) < 0 && errno == EBADF))
			return err_set(err, ERR_FAILED, "descriptor %d", fd);
	}
	return 0;
}

static void only_named_descriptors(struct unit *unit)
{
	auto_close int input = memfd_create("input", MFD_CLOEXEC);
	auto_close int other = memfd_create("other", MFD_CLOEXEC);
	auto_close int channel = memfd_create("channel", MFD_CLOEXEC);
	int named[2] = { input, channel };
	struct cell_job job = job_of(find_descriptors, named);
	struct err err = ERR_NONE;

	EXPECT(unit, input >= 0 && other >= 0 && channel >= 0);
	job.input = input;
	job.channel = channel;
	EXPECT(unit, cell_run(&job, &err) == 0);
	named[1] = -1;
	job.channel = -1;
	EXPECT(unit, cell_run(&job, &err) == 0);
	named[0] = -1;
	job.input = -1;
	EXPECT(unit, cell_run(&job, &err) == 0);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What checks of records do. */
static int use_library(void *argument, struct err *err)
{
	size_t count = 200000;
	auto_free int *numbers = mem_alloc(count, sizeof(*numbers));
	auto_json struct json *value = NULL;
	auto_free char *text = NULL;

	(void)argument;
	for (size_t i = 0; i < count; i++)
		numbers[i] = (int)(i * 2654435761u >> 8);
	qsort(numbers, count, sizeof(*numbers), compare);
	for (size_t i = 0; i < 100; i++) {
		numbers = mem_resize(numbers, count * (1 + i % 7), sizeof(*numbers));
		free(text);
		text = mem_printf("%zu %d %s", i, numbers[i], strerror((int)i));
	}
	if (json_parse("{\"a\": [1]}", 10, &value, err) < 0)
		return err->code;
	return err_set(err, -ENOENT, "%s", text);
}

static void library_works(struct unit *unit)
{
	struct cell_job job = job_of(use_library, NULL);
	struct err err = ERR_NONE;

	EXPECT(unit, cell_run(&job, &err) == -ENOENT);
}

static int await_end(void *argument, struct err *err)
{
	int channel = *(int *)argument;
	char byte = 0;

	(void)err;
	return write(channel, &byte, 1) == 1 && read(channel, &byte, 1) == 0 ? 0 : -EIO;
}

/* As /proc shows it from outside. */
static void status(struct unit *unit)
{
	struct cell_job job;
	auto_cell struct cell cell = CELL_NONE;
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	char path[64], byte;
	uint64_t value;
	int ends[2];

	EXPECT(unit, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	job = job_of(await_end, &ends[1]);
	job.channel = ends[1];
	EXPECT(unit, cell_start(&job, &cell, &err) == 0);
	(void)close(ends[1]);
	EXPECT(unit, read(ends[0], &byte, 1) == 1);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", cell.pid);
	EXPECT(unit, procfs_read(AT_FDCWD, path, &text, &err) == 0);
	EXPECT(unit, procfs_field(text.data, "Seccomp", 10, &value) && value == 2);
	EXPECT(unit, procfs_field(text.data, "NoNewPrivs", 10, &value) && value == 1);
	(void)close(ends[0]);
	EXPECT(unit, cell_wait(&cell, &err) == 0);
}

/* ---- deaths ---- */

static int crash(void *argument, struct err *err)
{
	(void)err;
	*(volatile int *)argument = 0;
	return 0;
}

static int exhaust_memory(void *argument, struct err *err)
{
	(void)argument;
	(void)err;
	for (int i = 0; i < 1000; i++)
		memset(mem_resize(NULL, MIB, 1), 1, MIB);
	return 0;
}

static int spin(void *argument, struct err *err)
{
	(void)argument;
	(void)err;
	for (volatile int i = 0;; i++)
		;
	return 0;
}

static int leave(void *argument, struct err *err)
{
	(void)argument;
	(void)err;
	_exit(0);
}

static void deaths(struct unit *unit)
{
	struct cell_job job = job_of(crash, NULL);
	struct err err = ERR_NONE;

	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell was killed by signal 11 (Segmentation fault)");
	job = job_of(exhaust_memory, NULL);
	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell gave up with 64 MiB of memory");
	job = job_of(spin, NULL);
	job.time = 1;
	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell was killed after 1 s of processor time");
	job = job_of(leave, NULL);
	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the cell ended without a verdict");
}

static void dropped(struct unit *unit)
{
	struct cell_job job = job_of(spin, NULL);
	struct cell cell = CELL_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, cell_start(&job, &cell, &err) == 0);
	cell_free(&cell);
	EXPECT(unit, waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* Without a filter, the rest of it. */
static void open_cell(struct unit *unit)
{
	auto_close int input = memfd_create("input", MFD_CLOEXEC);
	int named[2] = { input, -1 };
	struct cell_job job = job_of(find_descriptors, named);
	struct err err = ERR_NONE;

	job.is_open = true;
	job.input = input;
	EXPECT(unit, cell_run(&job, &err) == 0);
	job = job_of(crash, NULL);
	job.is_open = true;
	EXPECT(unit, cell_run(&job, &err) == ERR_DAMAGED);
}

static const struct unit_case cases[] = {
	UNIT_CASE(verdicts),
	UNIT_CASE(impossible_verdicts),
	UNIT_CASE(silent_verdict),
	UNIT_CASE(our_memory_stays),
	UNIT_CASE(forbidden_calls),
	UNIT_CASE(input_is_read_only),
	UNIT_CASE(only_named_descriptors),
	UNIT_CASE(status),
	UNIT_CASE(library_works),
	UNIT_CASE(deaths),
	UNIT_CASE(dropped),
	UNIT_CASE(open_cell),
};

int main(void)
{
	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
