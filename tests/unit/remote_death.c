/* A tracer that dies between two runs, or in the middle of one, leaves a source that goes on as if
 * nothing had been. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/remote.h"
#include "unit.h"

/* Answers each byte with the next one. */
static _Noreturn void answer(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1) {
		byte++;
		if (write(to, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* The same as a program of 32 bits: read, count, write. */
__asm__(".pushsection .rodata\n"
	"answer_32:\n"
	".code32\n"
	"	sub	$16, %esp\n"
	"	mov	%esp, %ecx\n"
	"1:	mov	$3, %eax\n"
	"	xor	%ebx, %ebx\n"
	"	mov	$1, %edx\n"
	"	int	$0x80\n"
	"	cmp	$1, %eax\n"
	"	jne	2f\n"
	"	incb	(%ecx)\n"
	"	mov	$4, %eax\n"
	"	mov	$1, %ebx\n"
	"	int	$0x80\n"
	"	jmp	1b\n"
	"2:	mov	$1, %eax\n"
	"	xor	%ebx, %ebx\n"
	"	int	$0x80\n"
	"answer_32_end:\n"
	".code64\n"
	".popsection\n");
extern const unsigned char answer_32[], answer_32_end[];

static _Noreturn void answer_by_32(int from, int to)
{
	static const uint32_t base = 0x8048000;
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr code;
		unsigned char text[128];
	} program = {
		.header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_386,
			    .e_version = EV_CURRENT,
			    .e_entry = base + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
			    .e_phoff = sizeof(Elf32_Ehdr),
			    .e_ehsize = sizeof(Elf32_Ehdr),
			    .e_phentsize = sizeof(Elf32_Phdr),
			    .e_phnum = 1 },
		.code = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_vaddr = base,
			  .p_filesz = sizeof(program),
			  .p_memsz = sizeof(program),
			  .p_align = 4096 },
	};
	char *none[] = { NULL };
	int fd = memfd_create("answer", 0);

	memcpy(program.text, answer_32, (size_t)(answer_32_end - answer_32));
	if (fd < 0 || write(fd, &program, sizeof(program)) != sizeof(program) ||
	    dup2(from, 0) < 0 || dup2(to, 1) < 0)
		_exit(1);
	(void)fexecve(fd, none, none);
	_exit(errno == ENOEXEC ? 77 : 1);
}

/* Runs a script in the process, and dies with the work half done. */
static _Noreturn void trace(pid_t pid, bool midway)
{
	struct remote remote = { .tid = pid, .outlives_us = true };
	auto_script struct script script = SCRIPT_NONE;
	struct err err = ERR_NONE;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid ||
	    remote_prepare(&remote, 0, &err) < 0 ||
	    remote_zone_map(&remote, 1 << 16, REMOTE_HEAL_SIZE, &err) < 0 ||
	    remote_write_heal(&remote, 0, &err) < 0)
		_exit(1);
	script_init(&script, &remote);
	(void)script_syscall(&script, "getpid", 0, SYS_getpid);
	if (remote_is_32(&remote))
		(void)script_syscall(&script, "getpid", SCRIPT_32, 20);
	if (script_run(&script, &err) < 0 || script_result(&script, 0) != pid ||
	    script_result(&script, script.count - 1) != pid)
		_exit(2);
	for (int i = 0; i < 100 && midway; i++)
		(void)script_syscall(&script, "getppid", 0, SYS_getppid);
	if (midway && script_start(&script, &err) < 0)
		_exit(4);
	(void)kill(getpid(), SIGKILL);
	_exit(3);
}

static bool answers(int to, int from)
{
	char byte = 'a';

	return write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1 && byte == 'b';
}

static void try_death(struct unit *unit, bool midway, bool is_32)
{
	int question[2], reply[2];
	int status = 0;
	pid_t victim, tracer;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!EXPECT(unit, pipe(question) == 0 && pipe(reply) == 0))
		return;
	victim = fork();
	if (victim == 0) {
		(void)close(question[1]);
		(void)close(reply[0]);
		if (is_32)
			answer_by_32(question[0], reply[1]);
		answer(question[0], reply[1]);
	}
	(void)close(question[0]);
	(void)close(reply[1]);
	if (!answers(question[1], reply[0])) { /* a kernel without programs of 32 bits */
		(void)EXPECT(unit, is_32 && waitpid(victim, &status, 0) == victim);
		(void)EXPECT(unit, WIFEXITED(status) && WEXITSTATUS(status) == 77);
		return;
	}

	tracer = fork();
	if (tracer == 0)
		trace(victim, midway);
	(void)EXPECT(unit, waitpid(tracer, &status, 0) == tracer);
	(void)EXPECT(unit, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	(void)EXPECT(unit, answers(question[1], reply[0]));
	/* Its signals are open, too. */
	(void)EXPECT(unit, kill(victim, SIGTERM) == 0 && waitpid(victim, &status, 0) == victim);
	(void)EXPECT(unit, WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void between_scripts(struct unit *unit)
{
	try_death(unit, false, false);
}

static void in_a_script(struct unit *unit)
{
	try_death(unit, true, false);
}

static void between_scripts_32(struct unit *unit)
{
	try_death(unit, false, true);
}

static void in_a_script_32(struct unit *unit)
{
	try_death(unit, true, true);
}

int main(void)
{
	static const struct unit_case cases[] = { UNIT_CASE(between_scripts),
						  UNIT_CASE(in_a_script),
						  UNIT_CASE(between_scripts_32),
						  UNIT_CASE(in_a_script_32) };

	return UNIT_RUN(cases);
}
