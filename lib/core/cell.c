/* Cells. See cell.h. */
#include "core/cell.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/confine.h"
#include "core/json.h"
#include "core/log.h"
#include "core/procfs.h"
#include "core/scan.h"

/* Sanitizers map terabytes. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_IS_BOUND false
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_BOUND false
#endif
#ifndef MEMORY_IS_BOUND
#define MEMORY_IS_BOUND true
#endif

struct cell_verdict {
	atomic_bool is_there;
	int code;
	struct err err;
};

/* ---- in the cell ---- */

/* What ends a process that goes wrong does so, whatever we have handlers for; nothing else
 * disturbs it. */
static void set_signals(void)
{
	static const int fatal[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGXCPU };
	sigset_t blocked;

	(void)sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		(void)signal(fatal[i], SIG_DFL);
		(void)sigdelset(&blocked, fatal[i]);
	}
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static int set_limit(int resource, uint64_t soft, uint64_t hard, struct err *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) < 0)
		return err_set(err, -errno, "get a resource limit");
	if (hard < limit.rlim_max)
		limit.rlim_max = hard;
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	if (setrlimit(resource, &limit) < 0)
		return err_set(err, -errno, "set a resource limit");
	return 0;
}

/* On top of what is mapped already. */
static int bound_memory(uint64_t memory, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	const char *at;
	uint64_t pages;
	int r;

	if (!MEMORY_IS_BOUND)
		return 0;
	r = procfs_read(AT_FDCWD, "/proc/self/statm", &text, err);
	if (r < 0)
		return r;
	at = text.data;
	if (!scan_number(&at, 10, UINT32_MAX, &pages))
		return err_set(err, ERR_FAILED, "/proc/self/statm is not understood");
	memory += pages * (uint64_t)getpagesize();
	return set_limit(RLIMIT_AS, memory, memory, err);
}

/* The hard limit kills: a second for those that block signals. */
static int set_limits(const struct cell_job *job, struct err *err)
{
	int r = bound_memory(job->memory, err);

	if (r == 0)
		r = set_limit(RLIMIT_CPU, job->time, job->time + 1, err);
	if (r == 0)
		r = set_limit(RLIMIT_CORE, 0, 0, err);
	if (r == 0)
		r = set_limit(RLIMIT_FSIZE, 0, 0, err);
	return r == 0 ? set_limit(RLIMIT_NPROC, 0, 0, err) : r;
}

/* All descriptors but two, of which any may be -1. */
static int close_others(int a, int b, struct err *err)
{
	int low = a < b ? a : b;
	int high = a < b ? b : a;

	if ((low > 0 && close_range(0, (unsigned int)low - 1, 0) < 0) ||
	    (high - low > 1 &&
	     close_range((unsigned int)(low + 1), (unsigned int)high - 1, 0) < 0) ||
	    close_range((unsigned int)(high + 1), ~0u, 0) < 0)
		return err_set(err, -errno, "close descriptors");
	return 0;
}

static int compare(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* What libraries ask the kernel for once: glibc up to 2.36, with the first sort of more than 1 KiB,
 * how much memory there is; the JSON library, a seed. */
static void prepare_library(void)
{
	unsigned char bytes[2048] = { 0 };

	qsort(bytes, sizeof(bytes), 1, compare);
	json_prepare();
}

static int lock_up(const struct cell_job *job, struct err *err)
{
	int r;

	prepare_library();
	r = set_limits(job, err);
	if (r == 0)
		r = close_others(job->input, job->channel, err);
	if (r == 0 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		r = err_set(err, -errno, "give up privileges");
	if (r == 0 && !job->is_open)
		r = confine_self(job->channel, err);
	if (r < 0) {
		(void)err_wrap(err, "confine %s", job->name);
		err->code = ERR_HOST;
		if (job->remedy)
			(void)err_hint(err, "%s", job->remedy);
	}
	return err->code;
}

static _Noreturn void cell_main(const struct cell_job *job, struct cell_verdict *verdict,
				pid_t parent)
{
	struct err err = ERR_NONE;
	int r;

	set_signals();
	log_set_level(LOG_LEVEL_QUIET);
	/* In a new pid namespace, the parent is out of sight: 0. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || (getppid() != parent && getppid() != 0))
		_exit(1);
	r = lock_up(job, &err);
	if (r == 0)
		r = job->work(job->argument, &err);
	verdict->code = r;
	verdict->err = err;
	atomic_store(&verdict->is_there, true);
	_exit(0);
}

/* ---- outside ---- */

int cell_start(const struct cell_job *job, struct cell *ret_cell, struct err *err)
{
	struct cell cell = { .name = job->name, .memory = job->memory, .time = job->time };
	pid_t parent = getpid();
	void *shared = mmap(NULL, sizeof(*cell.verdict), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return err_set(err, -errno, "map memory for %s", job->name);
	cell.verdict = shared;
	cell.pid = fork();
	if (cell.pid == 0)
		cell_main(job, cell.verdict, parent);
	if (cell.pid < 0) {
		(void)err_set(err, -errno, "start %s", job->name);
		cell.pid = 0;
		cell_free(&cell);
		return err->code;
	}
	*ret_cell = cell;
	return 0;
}

static int reap(struct cell *cell)
{
	int status = 0;

	while (waitpid(cell->pid, &status, 0) < 0 && errno == EINTR)
		;
	cell->pid = 0;
	return status;
}

static int tell_death(const struct cell *cell, int status, struct err *err)
{
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	switch (signal) {
	case 0:
		return err_set(err, ERR_DAMAGED, "%s ended without a verdict", cell->name);
	case SIGSYS:
		return err_set(err, ERR_DAMAGED, "%s was killed for a forbidden system call",
			       cell->name);
	case SIGXCPU:
		return err_set(err, ERR_DAMAGED,
			       "%s was killed after %" PRIu64 " s of processor time", cell->name,
			       cell->time);
	case SIGABRT:
		return err_set(err, ERR_DAMAGED, "%s gave up with %" PRIu64 " MiB of memory",
			       cell->name, cell->memory >> 20);
	default:
		return err_set(err, ERR_DAMAGED, "%s was killed by signal %d (%s)", cell->name,
			       signal, strsignal(signal));
	}
}

/* Copied once, then looked at: it is an enemy's word. */
static int take_verdict(const struct cell *cell, struct err *err)
{
	struct err said = cell->verdict->err;
	int code = cell->verdict->code;

	if (code == 0)
		return 0;
	said.code = code;
	said.text[sizeof(said.text) - 1] = '\0';
	said.hint[sizeof(said.hint) - 1] = '\0';
	if (code > 0 || said.text[0] == '\0')
		return err_set(err, ERR_DAMAGED, "%s gave an impossible verdict", cell->name);
	*err = said;
	return code;
}

int cell_wait(struct cell *cell, struct err *err)
{
	int status;
	int r;

	assert(cell->pid > 0);
	status = reap(cell);
	if (WIFEXITED(status) && atomic_load(&cell->verdict->is_there))
		r = take_verdict(cell, err);
	else
		r = tell_death(cell, status, err);
	cell_free(cell);
	return r;
}

void cell_free(struct cell *cell)
{
	if (cell->pid > 0) {
		(void)kill(cell->pid, SIGKILL);
		(void)reap(cell);
	}
	if (cell->verdict)
		(void)munmap(cell->verdict, sizeof(*cell->verdict));
	*cell = CELL_NONE;
}

int cell_run(const struct cell_job *job, struct err *err)
{
	auto_cell struct cell cell = CELL_NONE;
	int r = cell_start(job, &cell, err);

	return r < 0 ? r : cell_wait(&cell, err);
}
