/* Scripts: lists of system calls for a remote. See remote.h. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "remote/remote.h"
#include "remote/stop.h"

/* As the stub reads it. */
struct entry {
	uint64_t nr;
	uint64_t args[6];
	int64_t result;
};
static_assert(sizeof(struct entry) == 64, "the stub steps by 64");

struct script_step {
	const char *name;
	struct entry entry;
};

enum script_state { SCRIPT_BUILDING, SCRIPT_RUNNING, SCRIPT_DONE };

static const uint64_t may_fail_bit = 1ull << 63;
static const uint64_t bit_32 = 1ull << 62;

void script_init(struct script *script, struct remote *remote)
{
	*script = (struct script){ .remote = remote, .failed = SIZE_MAX };
}

void script_free(struct script *script)
{
	free(script->steps);
	free(script->table);
	buf_free(&script->data);
	*script = (struct script){ .remote = NULL };
}

static void begin(struct script *script)
{
	assert(script->state != SCRIPT_RUNNING);
	if (script->state == SCRIPT_BUILDING)
		return;
	script->state = SCRIPT_BUILDING;
	script->count = 0;
	script->failed = SIZE_MAX;
	script->has_results = false;
	buf_clear(&script->data);
}

size_t script_add(struct script *script, const char *name, unsigned int flags, long nr,
		  const uint64_t args[6])
{
	struct script_step *step;

	begin(script);
	array_grow(script->steps, script->count);
	step = &script->steps[script->count];
	step->name = name;
	step->entry.nr = (uint64_t)nr | (flags & SCRIPT_MAY_FAIL ? may_fail_bit : 0) |
			 (flags & SCRIPT_32 ? bit_32 : 0);
	memcpy(step->entry.args, args, sizeof(step->entry.args));
	step->entry.result = 0;
	return script->count++;
}

uint64_t script_copy(struct script *script, const void *data, size_t size)
{
	uint64_t address;

	begin(script);
	buf_align(&script->data, 64);
	address = script->remote->zone.data + script->data.size;
	(void)buf_append(&script->data, data, size);
	return address;
}

uint64_t script_out(struct script *script, size_t size)
{
	return script_copy(script, NULL, size);
}

void *script_local(struct script *script, uint64_t address)
{
	return script->data.data + (address - script->remote->zone.data);
}

static size_t space_used(const struct script *script, size_t steps, size_t bytes)
{
	return (script->count + steps) * sizeof(struct entry) + script->data.size + bytes + 128;
}

int script_room(struct script *script, size_t steps, size_t bytes, struct err *err)
{
	begin(script);
	if (space_used(script, steps, bytes) <= script->remote->zone.size)
		return 0;
	return script_run(script, err);
}

/* The table stands at the end of the data area, so that addresses of data are known early. */
static uint64_t table_address(const struct script *script)
{
	const struct remote_zone *zone = &script->remote->zone;

	return (zone->data + zone->size - script->count * sizeof(struct entry)) & ~63ull;
}

static int send_script(struct script *script, struct err *err)
{
	struct iovec local[2];
	struct iovec there[2];
	size_t table_size = script->count * sizeof(struct entry);
	struct entry *table = mem_resize(script->table, script->count, sizeof(*table));
	ssize_t n;

	script->table = table;
	for (size_t i = 0; i < script->count; i++)
		table[i] = script->steps[i].entry;

	local[0] = (struct iovec){ table, table_size };
	there[0] = (struct iovec){ (void *)(uintptr_t)table_address(script), table_size };
	local[1] = (struct iovec){ script->data.data, script->data.size };
	there[1] =
	    (struct iovec){ (void *)(uintptr_t)script->remote->zone.data, script->data.size };
	n = process_vm_writev(script->remote->tid, local, script->data.size ? 2 : 1, there,
			      script->data.size ? 2 : 1, 0);
	if (n != (ssize_t)(table_size + script->data.size))
		return err_set(err, n < 0 ? -errno : -EFAULT, "write a script to task %d",
			       script->remote->tid);
	return 0;
}

static int check_steps(struct script *script, struct err *err)
{
	for (size_t i = 0; i < script->count; i++) {
		const struct script_step *step = &script->steps[i];
		uint64_t nr = step->entry.nr & ~(may_fail_bit | bit_32);
		int r = step->entry.nr & bit_32 ? remote_check_call_32(script->remote, step->name,
								       nr, step->entry.args, err)
						: remote_check_call(script->remote, step->name, nr,
								    step->entry.args, err);

		if (r < 0) {
			script->failed = i;
			return r;
		}
	}
	return 0;
}

int script_start(struct script *script, struct err *err)
{
	struct remote *remote = script->remote;
	struct user_regs_struct regs = remote->saved;
	int r;

	begin(script);
	if (script->count == 0) {
		script->state = SCRIPT_DONE;
		return 0;
	}
	if (space_used(script, 0, 0) > remote->zone.size)
		return err_set(err, ERR_FAILED,
			       "task %d: a script of %zu steps and %zu bytes is too big",
			       remote->tid, script->count, script->data.size);
	r = check_steps(script, err);
	if (r == 0)
		r = send_script(script, err);
	if (r < 0)
		return r;

	if (remote->outlives_us && !remote->is_awake)
		r = remote_block(remote, 1ull << (remote->stop_signal - 1), err);
	if (r < 0)
		return r;
	remote->is_awake = remote->outlives_us;
	regs.cs = REMOTE_CODE_64;
	regs.rip = remote->zone.code;
	regs.rbx = table_address(script);
	regs.r12 = script->count;
	regs.r14 = !remote->outlives_us ? 0 : remote_is_32(remote) ? 2 : 1;
	regs.r15 = remote->heal;
	regs.orig_rax = (uint64_t)-1;
	/* No single steps, no strings backwards, no nested task (iret) of its own. */
	regs.eflags &= ~0x4500ull;
	if (ptrace(PTRACE_SETREGS, remote->tid, 0, &regs) < 0)
		return err_set(err, -errno, "set registers of task %d", remote->tid);
	if (ptrace(PTRACE_CONT, remote->tid, 0, 0) < 0)
		return err_set(err, -errno, "restart task %d", remote->tid);
	script->state = SCRIPT_RUNNING;
	return 0;
}

/* The table and the data area, by one call. */
static int read_results(struct script *script, struct err *err)
{
	const struct remote *remote = script->remote;
	size_t table_size = script->count * sizeof(struct entry);
	struct iovec local[2] = { { script->table, table_size },
				  { script->data.data, script->data.size } };
	struct iovec there[2] = { { (void *)(uintptr_t)table_address(script), table_size },
				  { (void *)(uintptr_t)remote->zone.data, script->data.size } };
	int parts = script->data.size ? 2 : 1;
	ssize_t n;

	if (script->has_results)
		return 0;
	n = process_vm_readv(remote->tid, local, (unsigned long)parts, there, (unsigned long)parts,
			     0);
	if (n != (ssize_t)(table_size + script->data.size))
		return err_set(err, n < 0 ? -errno : -EFAULT, "read what task %d answered",
			       remote->tid);
	script->has_results = true;
	return 0;
}

/* The stub stopped early: which step, and why? */
static int report_failure(struct script *script, size_t left, struct err *err)
{
	size_t failed = script->count - left;
	const struct entry *table = script->table;
	int64_t result;

	if (left > script->count || read_results(script, err) < 0)
		return err_set(err, ERR_FAILED, "task %d left its script", script->remote->tid);
	script->failed = failed;
	result = table[failed].result;
	if (result >= 0 || result < -4095)
		result = -EPROTO;
	return err_set(err, (int)result, "%s", script->steps[failed].name);
}

/* For --debug: the first `count` steps. */
static void log_steps(struct script *script, size_t count)
{
	const struct entry *table = script->table;
	struct err ignored = ERR_NONE;

	if (log_get_level() < LOG_LEVEL_DEBUG || count > script->count ||
	    read_results(script, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		log_debug("task %d: %s: %" PRId64, script->remote->tid, script->steps[i].name,
			  table[i].result);
}

/* Is this the signal that the stub sent, or the same from somebody else? */
static bool is_own_stop(const struct remote *remote, const struct user_regs_struct *regs)
{
	return !remote->outlives_us || regs->rip == remote->zone.code + remote_stop_offset();
}

/* The thread stopped in the script: at its end, or where it failed. 1: by a signal of somebody
 * else's, and goes on. */
static int take_stop(struct script *script, int status, struct err *err)
{
	struct remote *remote = script->remote;
	int expected = remote->outlives_us ? remote->stop_signal : SIGTRAP;
	struct user_regs_struct regs;

	if (WSTOPSIG(status) != expected || status >> 16 != 0)
		return err_set(err, ERR_FAILED, "task %d: stopped by %s in a script", remote->tid,
			       strsignal(WSTOPSIG(status)));
	if (ptrace(PTRACE_GETREGS, remote->tid, 0, &regs) < 0)
		return err_set(err, -errno, "read registers of task %d", remote->tid);
	if (!is_own_stop(remote, &regs)) {
		remote->owes_signal = true;
		if (ptrace(PTRACE_CONT, remote->tid, 0, 0) < 0)
			return err_set(err, -errno, "restart task %d", remote->tid);
		return 1;
	}
	log_steps(script, script->count - regs.r12);
	return regs.r12 != 0 ? report_failure(script, regs.r12, err) : 0;
}

static int end_run(struct script *script, int status, struct err *err)
{
	int r;

	script->state = SCRIPT_DONE;
	while ((r = take_stop(script, status, err)) > 0) {
		r = remote_wait_stop(script->remote, PTRACE_CONT, &status, err);
		if (r < 0)
			break;
	}
	return r;
}

int script_wait(struct script *script, struct err *err)
{
	int status;
	int r;

	if (script->state != SCRIPT_RUNNING)
		return 0;
	script->state = SCRIPT_DONE;
	r = remote_wait_stop(script->remote, PTRACE_CONT, &status, err);
	return r < 0 ? r : end_run(script, status, err);
}

static bool is_clone(int status)
{
	int event = status >> 16;

	return event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK ||
	       event == PTRACE_EVENT_VFORK;
}

int script_wait_clone(struct script *script, pid_t *ret_child, struct err *err)
{
	pid_t tid = script->remote->tid;
	unsigned long child;
	int status;
	int r = remote_wait_stop(script->remote, PTRACE_CONT, &status, err);

	if (r < 0)
		return r;
	if (!is_clone(status)) {
		r = end_run(script, status, err);
		return r < 0 ? r : err_set(err, ERR_FAILED, "no new task appeared");
	}
	if (ptrace(PTRACE_GETEVENTMSG, tid, 0, &child) < 0)
		return err_set(err, -errno, "ask for the new task");
	if (waitpid((pid_t)child, &status, __WALL) < 0 || !WIFSTOPPED(status))
		return err_set(err, ERR_FAILED, "the new task %lu died", child);
	if (ptrace(PTRACE_CONT, tid, 0, 0) < 0)
		return err_set(err, -errno, "restart task %d", tid);
	*ret_child = (pid_t)child;
	return script_wait(script, err);
}

int script_wait_death(struct script *script, int *ret_status, struct err *err)
{
	pid_t tid = script->remote->tid;
	int status;

	while (waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status)) {
		int signal = status >> 16 ? 0 : WSTOPSIG(status);

		if (signal == SIGTRAP)
			return end_run(script, status, err) < 0
				   ? err->code
				   : err_set(err, ERR_FAILED, "task %d did not end", tid);
		if (ptrace(PTRACE_CONT, tid, 0, signal) < 0)
			return err_set(err, -errno, "restart task %d", tid);
	}
	script->state = SCRIPT_DONE;
	*ret_status = status;
	return 0;
}

int script_run(struct script *script, struct err *err)
{
	int r = script_start(script, err);

	if (r < 0)
		return r;
	return script_wait(script, err);
}

uint64_t script_argument(const struct script *script, size_t step, int argument)
{
	assert(step < script->count);
	return script->steps[step].entry.args[argument];
}

int64_t script_result(struct script *script, size_t step)
{
	const struct entry *table = script->table;
	struct err ignored;

	assert(script->state == SCRIPT_DONE && step < script->count);
	if (read_results(script, &ignored) < 0)
		return -EFAULT;
	return table[step].result;
}

const void *script_output(struct script *script, uint64_t address, size_t size, struct err *err)
{
	uint64_t offset = address - script->remote->zone.data;

	assert(script->state == SCRIPT_DONE && offset + size <= script->data.size);
	if (read_results(script, err) < 0)
		return NULL;
	return script->data.data + offset;
}
