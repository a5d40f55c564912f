/* The table of held tasks, and what can be said of a task. See tasks.h. */
#include "freeze/tasks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"

#define SLOTS_FIRST 256
#define NAMED_MOST  5

void tasks_free(struct tasks *tasks)
{
	free(tasks->list);
	free(tasks->slots);
	reaper_stop(&tasks->reaper);
	*tasks = TASKS_NONE;
}

/* The slot of a tid, or the free one where it belongs. The table is never full. */
static uint32_t *find_slot(const struct tasks *tasks, pid_t tid)
{
	size_t at = ((uint32_t)tid * 2654435761u) & (tasks->slot_count - 1);

	while (tasks->slots[at] && tasks->list[tasks->slots[at] - 1].tid != tid)
		at = (at + 1) & (tasks->slot_count - 1);
	return &tasks->slots[at];
}

static void grow_slots(struct tasks *tasks)
{
	tasks->slot_count = tasks->slot_count ? 2 * tasks->slot_count : SLOTS_FIRST;
	free(tasks->slots);
	tasks->slots = mem_alloc(tasks->slot_count, sizeof(*tasks->slots));
	for (size_t i = 0; i < tasks->count; i++)
		*find_slot(tasks, tasks->list[i].tid) = (uint32_t)i + 1;
}

struct task *tasks_find(const struct tasks *tasks, pid_t tid)
{
	uint32_t number = tasks->slot_count ? *find_slot(tasks, tid) : 0;

	return number ? &tasks->list[number - 1] : NULL;
}

struct task *tasks_add(struct tasks *tasks, pid_t tid)
{
	struct task *task = tasks_find(tasks, tid);

	if (task)
		return task;
	if (2 * (tasks->count + 1) > tasks->slot_count)
		grow_slots(tasks);
	array_grow(tasks->list, tasks->count);
	task = &tasks->list[tasks->count];
	*task = (struct task){ .tid = tid, .state = TASK_GONE };
	*find_slot(tasks, tid) = (uint32_t)++tasks->count;
	return task;
}

void tasks_take(struct tasks *tasks, const struct freeze *freeze)
{
	for (size_t i = 0; i < freeze->thread_count; i++) {
		const struct frozen_thread *thread = &freeze->threads[i];
		struct task *task = tasks_add(tasks, thread->tid);

		task->pid = thread->pid;
		task->stop_signal = thread->stop_signal;
		task->must_stop = thread->must_stop;
		task->state = thread->is_zombie ? TASK_ZOMBIE : TASK_STOPPED;
	}
}

bool task_read(pid_t pid, pid_t tid, const char *file, char *text, size_t size)
{
	char path[64];
	auto_close int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

struct task_label task_label(pid_t tid)
{
	struct task_label label;
	char comm[32];

	if (!task_read(tid, tid, "comm", comm, sizeof(comm)) || !comm[0])
		(void)strcpy(comm, "?\n");
	comm[strlen(comm) - 1] = '\0';
	/* A task names itself: nothing of it may reach the terminal as a command. */
	for (char *at = comm; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
	(void)snprintf(label.text, sizeof(label.text), "%d (%s)", tid, comm);
	return label;
}

char task_state_letter(pid_t pid, pid_t tid)
{
	char text[512];
	const char *end;

	if (!task_read(pid, tid, "stat", text, sizeof(text)))
		return '\0';
	/* Only numbers follow the name, which may hold anything. */
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : '?';
}

static size_t add_blocked(pid_t pid, struct buf *names, size_t named)
{
	char path[32];
	auto_closedir DIR *list = NULL;
	const struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	list = opendir(path);
	while (list && (entry = readdir(list))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || task_state_letter(pid, tid) != 'D')
			continue;
		if (named < NAMED_MOST)
			buf_printf(names, "%s%s", named ? ", " : "", task_label(tid).text);
		named++;
	}
	return named;
}

void tasks_hint_blocked(const struct target *target, struct err *err)
{
	auto_buf struct buf names = BUF_EMPTY;
	auto_free pid_t *pids = NULL;
	struct err ignored = ERR_NONE;
	size_t count = 0;
	size_t named = 0;

	if (target_tasks(target, &pids, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		named = add_blocked(pids[i], &names, named);
	if (named > NAMED_MOST)
		buf_printf(&names, " and %zu more", named - NAMED_MOST);
	if (named > 0)
		(void)err_hint(err,
			       "in uninterruptible sleep: %s; wait for the kernel, then try again",
			       names.data);
}
