/* Probes: what may be done to other tasks, and to oneself in a user namespace. */
#include <elf.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "container/probe.h"
#include "core/buf.h"
#include "core/cell.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/sys.h"

/* Linux 6.16. */
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS	77
#define PR_TIMER_CREATE_RESTORE_IDS_OFF 0
#define PR_TIMER_CREATE_RESTORE_IDS_ON	1
#endif
/* Linux 5.13. */
#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

static int run_ptrace(struct probe_result *result)
{
	pid_t pid;

	return probe_seize(&pid, &result->err);
}

static int run_vm_readv(struct probe_result *result)
{
	static const char secret[] = "the same address in parent and child";
	char copy[sizeof(secret)] = "";
	struct iovec here = { copy, sizeof(copy) };
	struct iovec there = { (void *)(uintptr_t)secret, sizeof(secret) };
	pid_t pid;
	int r;

	r = probe_victim(&pid, &result->err);
	if (r < 0)
		return r;
	if (process_vm_readv(pid, &here, 1, &there, 1, 0) != sizeof(secret))
		return err_set(&result->err, -errno, "read a child's memory");
	if (memcmp(copy, secret, sizeof(secret)) != 0)
		return err_set(&result->err, ERR_FAILED, "read a child's memory: wrong bytes");
	return 0;
}

static int run_getfd(struct probe_result *result)
{
	auto_close int pidfd = -1;
	auto_close int taken = -1;
	int ends[2];
	pid_t pid;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(&result->err, -errno, "create a pipe");
	r = probe_victim(&pid, &result->err);
	if (r < 0)
		return r;
	pidfd = sys_pidfd_open(pid);
	if (pidfd < 0)
		return err_set(&result->err, pidfd, "open a pidfd");
	taken = (int)syscall(SYS_pidfd_getfd, pidfd, ends[0], 0);
	if (taken < 0)
		return err_set(&result->err, -errno, "take a child's descriptor");
	return 0;
}

static int run_kcmp(struct probe_result *result)
{
	pid_t pid;
	int r;

	r = probe_victim(&pid, &result->err);
	if (r < 0)
		return r;
	if (syscall(SYS_kcmp, getpid(), pid, KCMP_FILES, 0, 0) < 0)
		return err_set(&result->err, -errno, "compare with a child");
	return 0;
}

static int run_registers(struct probe_result *result)
{
	/* 2 MiB is beyond any processor so far; the kernel says how much there is. */
	auto_free char *area = mem_alloc(1, 2 << 20);
	struct iovec piece = { area, 2 << 20 };
	pid_t pid;
	int r;

	r = probe_seize(&pid, &result->err);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_GETREGSET, pid, (void *)(uintptr_t)NT_X86_XSTATE, &piece) < 0)
		return err_set(&result->err, -errno, "read extended registers");
	(void)snprintf(result->detail, sizeof(result->detail), "%zu bytes of extended registers",
		       piece.iov_len);
	return 0;
}

static int run_rseq(struct probe_result *result)
{
	uint64_t configuration[8];
	pid_t pid;
	int r;

	r = probe_seize(&pid, &result->err);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(configuration), configuration) < 0)
		return err_set(&result->err, -errno, "read the rseq configuration");
	return 0;
}

static int fill_mm_map(struct prctl_mm_map *map, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_stat stat;
	int r;

	r = procfs_read(AT_FDCWD, "/proc/self/stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data ? text.data : "", &stat, err);
	if (r < 0)
		return r;
	*map = (struct prctl_mm_map){
		.start_code = stat.start_code,
		.end_code = stat.end_code,
		.start_data = stat.start_data,
		.end_data = stat.end_data,
		.start_brk = stat.start_brk,
		.brk = (uint64_t)(uintptr_t)sbrk(0),
		.start_stack = stat.start_stack,
		.arg_start = stat.arg_start,
		.arg_end = stat.arg_end,
		.env_start = stat.env_start,
		.env_end = stat.env_end,
	};
	return 0;
}

/* The executable cannot be changed while its text is mapped: EBUSY is the answer to one who may. */
static int run_mm_map(struct probe_result *result)
{
	struct prctl_mm_map map;
	auto_close int exe = -1;
	int r;

	r = fill_mm_map(&map, &result->err);
	if (r == 0)
		r = probe_enter(0, &result->err);
	if (r < 0)
		return r;
	exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (exe < 0)
		return err_set(&result->err, -errno, "open /proc/self/exe");
	map.exe_fd = (uint32_t)exe;
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0 && errno != EBUSY)
		return err_set(&result->err, -errno, "set the layout of memory");
	return 0;
}

/* Ids of timers can be skipped over one by one, which is slow for high ones. */
static int run_timer_ids(struct probe_result *result)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	int id = 12345;

	if (prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0) < 0)
		return err_set(&result->err, -errno, "choose the ids of timers");
	if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) < 0 || id != 12345)
		return err_set(&result->err, -errno, "create a timer with a chosen id");
	return 0;
}

static int do_nothing(void *argument, struct err *err)
{
	(void)argument;
	(void)err;
	return 0;
}

static int run_reader(struct probe_result *result)
{
	struct cell_job job = {
		.name = "a process",
		.work = do_nothing,
		.input = -1,
		.channel = -1,
		.memory = 1 << 20,
		.time = 1,
	};

	return cell_run(&job, &result->err);
}

const struct probe probes_process[] = {
	{ "ptrace_seize", true, run_ptrace, "set sysctl kernel.yama.ptrace_scope to 1" },
	{ "process_vm_readv", true, run_vm_readv,
	  "build the kernel with CONFIG_CROSS_MEMORY_ATTACH" },
	{ "pidfd_getfd", true, run_getfd, "needs Linux 5.6" },
	{ "kcmp", true, run_kcmp, "build the kernel with CONFIG_KCMP" },
	{ "xsave", true, run_registers, NULL },
	{ "rseq", false, run_rseq, "needs Linux 5.13; restored tasks lose restartable sequences" },
	{ "mm_map", true, run_mm_map, "build the kernel with CONFIG_CHECKPOINT_RESTORE" },
	{ "confined_reader", false, run_reader, "images of your own: restore --unconfined-reader" },
	{ "timer_ids", false, run_timer_ids, "needs Linux 6.16; high timer ids take long without" },
	{ .name = NULL },
};
