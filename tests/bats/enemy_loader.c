/* The loader of an enemy's root directory, as which the kernel runs it where a program of the host
 * is executed: it keeps /proc/self/exe open, executes /bin/again with that number, and says in
 * /v/result whether the file can be written to. */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

static long call(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static void say(const char *text, long size)
{
	long fd = call(SYS_open, (long)"/v/draft", O_WRONLY | O_CREAT, 0644);

	(void)call(SYS_write, fd, (long)text, size);
	(void)call(SYS_rename, (long)"/v/draft", (long)"/v/result", 0);
	(void)call(SYS_exit, 0, 0, 0);
}

/* The new stack: argc, argv. */
__attribute__((used)) static void begin(char **stack)
{
	char path[] = "/proc/self/fd/9";
	const char *const again[] = { "/bin/again", "again", 0 };
	const char *name = stack[1];

	if (name[0] == 'a' && name[1] == 'g') {
		long fd;

		/* As long as the one that started us runs, it is busy. */
		while ((fd = call(SYS_open, (long)path, O_WRONLY, 0)) == -ETXTBSY)
			(void)call(SYS_sched_yield, 0, 0, 0);
		/* What is there already. */
		if (call(SYS_write, fd, (long)"\x7f", 1) == 1)
			say("writable", 8);
		say("out of reach", 12);
	}
	(void)call(SYS_dup2, call(SYS_open, (long)"/proc/self/exe", O_RDONLY, 0), 9, 0);
	(void)call(SYS_execve, (long)again[0], (long)&again[1], 0);
	say("no program", 10);
}

__asm__(".globl _start\n"
	"_start: mov %rsp, %rdi\n"
	"and $-16, %rsp\n"
	"call begin\n");
