/* A dump of one task with one descriptor, both made up: what kinds do with it. The task is this
 * process, unless a test gives it another. */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "unit.h"

struct made {
	struct dump d;
	struct dump_private own;
	struct dump_task task;
	struct dump_thread thread;
	struct target_fd fd;
	struct target target;
};

static inline void made_begin(struct made *made)
{
	*made = (struct made){
		.own = { .tasks = &made->task, .task_count = 1, .target = &made->target },
		.task = { .pid = getpid(),
			  .vpid = 1,
			  .id = 1,
			  .groups = { 1, 1, 1, 1 },
			  .keeps_files = true,
			  .pidfd = -1,
			  .proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC),
			  .stat = { .comm = "made" },
			  .threads = &made->thread,
			  .thread_count = 1 },
		.thread = { .tid = getpid(), .vtid = 1, .id = 2 },
		.fd = { .task = &made->task,
			.number = 3,
			.fd = -1,
			.id = 3,
			.link = "",
			.fdinfo = "" },
		.target = TARGET_NONE,
	};
	made->d = (struct dump){
		.task = &made->task, .thread = &made->thread, .fd = &made->fd, .own = &made->own
	};
}

static inline void made_end(struct made *made)
{
	struct dump_entry *entries = (struct dump_entry *)(void *)made->own.records.data;

	for (size_t i = 0; i < made->own.record_count; i++)
		free(entries[i].body);
	buf_free(&made->own.records);
	buf_free(&made->own.blockers);
	free(made->own.blocker_hint);
	(void)close(made->task.proc);
}
#define auto_made __attribute__((cleanup(made_end)))

/* What stands in the way, without the task and the descriptor; "" if nothing does. Where the dump
 * fails, its error. */
static inline const char *made_dump(struct made *made, const char *kind)
{
	static struct err err;
	const char *text;

	buf_clear(&made->own.blockers);
	err = ERR_NONE;
	if (kind_by_name(kind)->dump(&made->d, &err) < 0)
		return err.text;
	text = made->own.blockers.size > 0 ? made->own.blockers.data : "";
	return strncmp(text, "task ", 5) == 0 ? strstr(text, ": ") + 2 : text;
}

/* A descriptor as the kernel shows it. `file` is borrowed. */
static inline const char *made_dump_fd(struct made *made, const char *kind, int file,
				       const char *fdinfo)
{
	made->fd.fd = file;
	made->fd.fdinfo = (char *)fdinfo;
	if (file < 0 || fstat(file, &made->fd.stat) < 0)
		made->fd.stat = (struct stat){ .st_mode = 0 };
	return made_dump(made, kind);
}
