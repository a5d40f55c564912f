/* A made-up dump of a task that answers: a child of ours, stopped and asked by all kinds. Its
 * answers can be altered, as nobody has read them yet. */
#pragma once

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "dump_made.h"

struct prey {
	struct made made;
	struct dump_query query;
	struct err err;
	bool has_asked;
};

static inline void live(int semid)
{
	timer_t timer;
	struct sembuf up = { .sem_op = 1, .sem_flg = SEM_UNDO };

	(void)timer_create(CLOCK_MONOTONIC, &(struct sigevent){ .sigev_notify = SIGEV_NONE },
			   &timer);
	if (semid >= 0)
		(void)semop(semid, &up, 1);
	(void)raise(SIGSTOP);
	_exit(0);
}

/* Stopped, and asked by all kinds; but for what would kill it under `filter`, if that is not NULL.
 */
static inline bool catch_under(struct prey *prey, int semid, const struct filter *filter)
{
	struct remote *remote = &prey->made.thread.remote;
	struct err *err = &prey->err;
	char path[64];
	int status;
	pid_t pid = fork();

	if (pid == 0)
		live(semid);
	prey->err = ERR_NONE;
	prey->has_asked = false;
	made_begin(&prey->made);
	prey->made.d.fd = NULL;
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0 ||
	    kill(pid, SIGCONT) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 ||
	    waitpid(pid, &status, __WALL) != pid)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	(void)close(prey->made.task.proc);
	prey->made.task.proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	prey->made.task.pid = prey->made.thread.tid = pid;
	prey->made.thread.witness = getpid();
	*remote = (struct remote){ .tid = pid, .outlives_us = true, .filters = { filter } };
	prey->has_asked = true;
	return procfs_status_read(pid, &prey->made.task.status, err) == 0 &&
	       procfs_status_read(pid, &prey->made.thread.status, err) == 0 &&
	       remote_prepare(remote, 0, err) == 0 &&
	       remote_zone_map(remote, 1 << 16, REMOTE_HEAL_SIZE, err) == 0 &&
	       remote_write_heal(remote, 0, err) == 0 &&
	       dump_ask_thread(&prey->made.d, &prey->query, err) == 0;
}

static inline bool catch (struct prey *prey, int semid)
{
	return catch_under(prey, semid, NULL);
}

static inline void release(struct prey *prey)
{
	pid_t pid = prey->made.task.pid;

	if (pid != getpid()) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, __WALL);
	}
	if (prey->has_asked)
		dump_forget_answers(&prey->made.d, &prey->query);
	procfs_status_free(&prey->made.task.status);
	procfs_status_free(&prey->made.thread.status);
	made_end(&prey->made);
}
#define auto_prey __attribute__((cleanup(release)))

/* ---- other answers ---- */

/* As it stands in its memory: the number, six arguments, the result. */
struct call {
	uint64_t number, arguments[6], result;
};

/* The first such call behind `from`, and where it stands; SIZE_MAX: none. */
static inline size_t find_call(const struct prey *prey, size_t from, long number, uint64_t first,
			       struct call *ret_call, uint64_t *ret_address)
{
	const struct remote *remote = &prey->made.thread.remote;
	size_t count = prey->query.script.count;
	uint64_t table =
	    (remote->zone.data + remote->zone.size - count * sizeof(struct call)) & ~63ull;
	struct err err = ERR_NONE;

	for (size_t i = from; i < count; i++) {
		*ret_address = table + i * sizeof(*ret_call);
		if (remote_read(remote, *ret_address, ret_call, sizeof(*ret_call), &err) == 0 &&
		    (uint32_t)ret_call->number == (uint32_t)number &&
		    ret_call->arguments[0] == first)
			return i;
	}
	return SIZE_MAX;
}

static inline void answer(struct unit *unit, const struct prey *prey, long number, uint64_t first,
			  int64_t result)
{
	struct err err = ERR_NONE;
	struct call call;
	uint64_t address;

	if (!EXPECT(unit, find_call(prey, 0, number, first, &call, &address) != SIZE_MAX))
		return;
	call.result = (uint64_t)result;
	EXPECT(unit,
	       remote_write(&prey->made.thread.remote, address, &call, sizeof(call), &err) == 0);
}

/* Where its second argument points. */
static inline void write_answer(struct unit *unit, const struct prey *prey, long number,
				uint64_t first, uint64_t value)
{
	struct err err = ERR_NONE;
	struct call call;
	uint64_t address;

	if (!EXPECT(unit, find_call(prey, 0, number, first, &call, &address) != SIZE_MAX))
		return;
	EXPECT(unit, remote_write(&prey->made.thread.remote, call.arguments[1], &value,
				  sizeof(value), &err) == 0);
}

/* Its security module's label is this text, in a directory that takes the place of its own in /proc
 * until prey_label_end(). Owned. */
static inline char *prey_label(struct prey *prey, const char *top, const char *text)
{
	char *path = mem_printf("%s/task/%d/attr/current", top, prey->made.thread.tid);
	int fd;

	for (char *at = path + strlen(top) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
	(void)close(prey->made.task.proc);
	prey->made.task.proc = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return path;
}

static inline void prey_label_end(struct prey *prey, const char *top, char *path)
{
	(void)close(prey->made.task.proc);
	prey->made.task.proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)unlink(path);
	while (strlen(path) >= strlen(top)) {
		*strrchr(path, '/') = '\0';
		(void)rmdir(path);
	}
}
