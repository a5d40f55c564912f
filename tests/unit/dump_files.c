/* What a dump refuses of files, of pipes, and of what is mapped and executed. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "answers.h"
#include "dump_made.h"
#include "kind/support/mm.h"

static void outside(struct unit *unit)
{
	auto_made struct made made;
	struct dump_slot slot = { .number = 2, .file = 3 };
	int ends[2];

	made_begin(&made);
	if (!EXPECT(unit, pipe2(ends, O_CLOEXEC) == 0))
		return;
	made.fd.link = (char *)"/nowhere/fifo";
	EXPECT_TEXT(unit, made_dump_fd(&made, "fifo", ends[0], ""),
		    "/nowhere/fifo is outside of the container");
	EXPECT(unit, made.own.record_count == 0);
	/* The invoker has another standard error. */
	made.task.slots = &slot;
	made.task.slot_count = 1;
	EXPECT_TEXT(unit, made_dump_fd(&made, "fifo", ends[0], ""), "");
	EXPECT(unit, made.own.record_count == 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Only an administrator makes such pipes. */
static bool tell_capacity(void *argument, pid_t tid, struct user_regs_struct *regs)
{
	(void)tid;
	if (!answer_is(regs, SYS_fcntl) || regs->rsi != F_GETPIPE_SZ)
		return false;
	regs->rax = *(unsigned int *)argument;
	return true;
}

static void dump_pipe(struct unit *unit, void *argument)
{
	unsigned int capacity = *(unsigned int *)argument;
	auto_made struct made made;
	int ends[2];

	made_begin(&made);
	if (!EXPECT(unit, pipe2(ends, O_CLOEXEC) == 0))
		return;
	made.fd.link = (char *)"pipe:[1]";
	made.fd.flags = O_RDWR;
	EXPECT(unit, fstat(ends[0], &made.fd.stat) == 0);
	made.own.files = &made.fd;
	made.own.file_count = 1;
	EXPECT_TEXT(unit, made_dump_fd(&made, "pipe", ends[0], ""),
		    capacity > 64 << 20 ? "a pipe of 134217728 bytes is not supported" : "");
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void large_pipes(struct unit *unit)
{
	unsigned int large = 64 << 20;
	unsigned int too_large = 128 << 20;

	with_answers(unit, dump_pipe, tell_capacity, &large);
	with_answers(unit, dump_pipe, tell_capacity, &too_large);
}

static void mapping_without_a_path(struct unit *unit)
{
	struct procfs_vma vma = { .start = 1 << 20,
				  .end = 2 << 20,
				  .prot = PROT_READ,
				  .inode = 7,
				  .name = (char *)"anon_inode:[other]" };
	auto_made struct made made;
	auto_buf struct buf body = BUF_EMPTY;
	struct err err = ERR_NONE;

	made_begin(&made);
	made.d.fd = NULL;
	EXPECT(unit, mm_write_vma(&made.d, &body, &vma, &err) == 0);
	EXPECT_TEXT(unit, made.own.blockers.data,
		    "task 1 (made): mapping of anon_inode:[other] is not supported");
}

/* ---- executables ---- */

/* What the task executes: a file that is called so, but is there. */
struct executable {
	struct made made;
	char top[32];
	char *path; /* owned */
};

static bool executable_begin(struct executable *executable, const char *content)
{
	auto_close int fd = -1;
	auto_free char *link = NULL;

	made_begin(&executable->made);
	executable->made.d.fd = NULL;
	(void)strcpy(executable->top, "/tmp/unit-exe-XXXXXX");
	if (!mkdtemp(executable->top))
		return false;
	executable->path = mem_printf("%s/program (deleted)", executable->top);
	link = mem_printf("%s/exe", executable->top);
	fd = open(executable->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)close(executable->made.task.proc);
	executable->made.task.proc = open(executable->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return write(fd, content, strlen(content)) == (ssize_t)strlen(content) &&
	       symlink(executable->path, link) == 0;
}

static void executable_end(struct executable *executable)
{
	(void)unlinkat(executable->made.task.proc, "exe", 0);
	(void)unlink(executable->path);
	(void)rmdir(executable->top);
	free(executable->path);
	for (size_t i = 0; i < executable->made.own.source_count; i++) {
		drop_fd(&executable->made.own.sources[i].file);
		free(executable->made.own.sources[i].pieces);
	}
	free(executable->made.own.sources);
	free(executable->made.own.mapped);
	made_end(&executable->made);
}
#define auto_executable __attribute__((cleanup(executable_end)))

static void empty_executable(struct unit *unit)
{
	auto_executable struct executable executable;
	auto_free char *refusal = NULL;
	struct err err = ERR_NONE;
	uint32_t id = 1;

	if (!EXPECT(unit, executable_begin(&executable, "")))
		return;
	refusal = mem_printf("task 1 (made): its executable %s is empty", executable.path);
	EXPECT(unit, mapfile_of_exe(&executable.made.d, &id, &err) == 0 && id == 0);
	EXPECT_TEXT(unit, executable.made.own.blockers.data, refusal);
}

/* Of a second task with it: the object is the first one's. */
static void executable_again(struct unit *unit)
{
	auto_executable struct executable executable;
	struct err err = ERR_NONE;
	uint32_t first = 0;
	uint32_t second = 0;

	if (!EXPECT(unit, executable_begin(&executable, "content")))
		return;
	EXPECT(unit, mapfile_of_exe(&executable.made.d, &first, &err) == 0 && first != 0);
	EXPECT(unit, mapfile_of_exe(&executable.made.d, &second, &err) == 0 && second == first);
	EXPECT(unit, executable.made.own.source_count == 1);
}

static bool refuse_link(void *argument, pid_t tid, struct user_regs_struct *regs)
{
	(void)argument;
	(void)tid;
	if (!answer_is(regs, SYS_readlinkat))
		return false;
	regs->rax = (uint64_t)-ENAMETOOLONG;
	return true;
}

static void dump_executable(struct unit *unit, void *argument)
{
	auto_made struct made made;
	struct err err = ERR_NONE;
	uint32_t id = 1;

	(void)argument;
	made_begin(&made);
	made.d.fd = NULL;
	EXPECT(unit, mapfile_of_exe(&made.d, &id, &err) == 0 && id == 0);
	EXPECT_TEXT(unit, made.own.blockers.data,
		    "task 1 (made): the path of its executable is too long");
}

/* Of directories in directories that has more than 4096 bytes. */
static void long_path(struct unit *unit)
{
	with_answers(unit, dump_executable, refuse_link, NULL);
}

static const struct unit_case cases[] = {
	UNIT_CASE(outside),	     UNIT_CASE(large_pipes),	  UNIT_CASE(mapping_without_a_path),
	UNIT_CASE(empty_executable), UNIT_CASE(executable_again), UNIT_CASE(long_path),
};

int main(void)
{
	return UNIT_RUN(cases);
}
