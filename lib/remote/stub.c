/* The code that runs inside a target: it walks a table of system calls, then stops. No data, no
 * relocation. See README.md for the rules about it. */
#include "remote/remote.h"

/*
 * rbx: the next entry {nr, a1..a6, result}; r12: entries left. Bit 63 of nr: a failure does not
 * end the walk; bit 62: a call of programs of 32 bits. At the stop, r12 is 0, or rbx points at the
 * entry that failed.
 *
 * r14 is 0 in tasks of our own making, which die with us: they stop by int3. Else r15 points at a
 * struct remote_heal, and the stop is a signal to itself, which only a tracer sees: should we be
 * dead by then, the thread goes on, takes its mask and its registers back, and knows nothing. It
 * writes below its red zone, as a signal's frame would.
 *
 * r14 is 2 in a program of 32 bits, and r15 points at a struct remote_heal_32. Its mask is taken
 * back by code of 32 bits, as a signal's handler of its own would not leave r8 to r15 alone.
 */
__asm__(".pushsection .rodata\n"
	"ctckpt_stub_start:\n"
	"1:	mov	(%rbx), %rax\n"
	"	btr	$63, %rax\n"
	"	sbb	%r13, %r13\n"
	"	btr	$62, %rax\n"
	"	jc	5f\n"
	"	mov	8(%rbx), %rdi\n"
	"	mov	16(%rbx), %rsi\n"
	"	mov	24(%rbx), %rdx\n"
	"	mov	32(%rbx), %r10\n"
	"	mov	40(%rbx), %r8\n"
	"	mov	48(%rbx), %r9\n"
	"	syscall\n"
	"6:	mov	%rax, 56(%rbx)\n"
	"	test	%r13, %r13\n"
	"	jnz	2f\n"
	"	cmp	$-4095, %rax\n"
	"	jae	3f\n"
	"2:	add	$64, %rbx\n"
	"	dec	%r12\n"
	"	jnz	1b\n"
	"3:	test	%r14, %r14\n"
	"	jnz	4f\n"
	"	int3\n"
	"4:	mov	$39, %eax\n" /* getpid */
	"	syscall\n"
	"	mov	%eax, %edi\n"
	"	mov	$186, %eax\n" /* gettid */
	"	syscall\n"
	"	mov	%eax, %esi\n"
	"	mov	(%r15), %rdx\n"
	"	mov	$234, %eax\n" /* tgkill */
	"	syscall\n"
	"ctckpt_stop_end:\n"
	"	cmp	$2, %r14\n"
	"	je	7f\n"
	"	mov	$2, %edi\n"
	"	lea	8(%r15), %rsi\n"
	"	xor	%edx, %edx\n"
	"	mov	$8, %r10d\n"
	"	mov	$14, %eax\n" /* rt_sigprocmask */
	"	syscall\n"
	"	mov	32(%r15), %rsp\n"
	"	lea	-144(%rsp), %rsp\n"
	"	mov	24(%r15), %rax\n" /* flags, for popf */
	"	mov	%rax, (%rsp)\n"
	"	mov	16(%r15), %rax\n" /* rip, for ret */
	"	mov	%rax, 8(%rsp)\n"
	"	mov	40(%r15), %rax\n"
	"	mov	48(%r15), %rbx\n"
	"	mov	56(%r15), %rcx\n"
	"	mov	64(%r15), %rdx\n"
	"	mov	72(%r15), %rsi\n"
	"	mov	80(%r15), %rdi\n"
	"	mov	88(%r15), %rbp\n"
	"	mov	96(%r15), %r8\n"
	"	mov	104(%r15), %r9\n"
	"	mov	112(%r15), %r10\n"
	"	mov	120(%r15), %r11\n"
	"	mov	128(%r15), %r12\n"
	"	mov	136(%r15), %r13\n"
	"	mov	144(%r15), %r14\n"
	"	mov	152(%r15), %r15\n"
	"	popfq\n"
	"	ret	$128\n"
	"5:	mov	%rbx, %r8\n"
	"	mov	8(%r8), %ebx\n"
	"	mov	16(%r8), %ecx\n"
	"	mov	24(%r8), %edx\n"
	"	mov	32(%r8), %esi\n"
	"	mov	40(%r8), %edi\n"
	"	mov	48(%r8), %ebp\n"
	"	int	$0x80\n"
	"	mov	%r8, %rbx\n"
	"	jmp	6b\n"
	"7:	lea	16(%r15), %rsi\n"
	"	mov	56(%r15), %rdi\n"
	"	mov	$5, %ecx\n"
	"	rep movsq\n"
	"	lea	64(%r15), %rsp\n"
	"	mov	$175, %eax\n" /* rt_sigprocmask */
	"	mov	$2, %ebx\n"
	"	lea	8(%r15), %rcx\n"
	"	xor	%edx, %edx\n"
	"	mov	$8, %esi\n"
	"	iretq\n"
	".code32\n"
	"ctckpt_return_32:\n"
	"	int	$0x80\n"
	"	popal\n"
	"	popfl\n"
	"	ret\n"
	".code64\n"
	/* The init of a tree that had none: rbx is its main child, r13 room for a status. It waits
	 * for all children, and ends as the main one did. */
	"ctckpt_init_start:\n"
	"1:	mov	$61, %eax\n" /* wait4 */
	"	mov	$-1, %rdi\n"
	"	mov	%r13, %rsi\n"
	"	xor	%edx, %edx\n"
	"	xor	%r10d, %r10d\n"
	"	syscall\n"
	"	cmp	$-10, %rax\n" /* ECHILD */
	"	je	2f\n"
	"	cmp	%rbx, %rax\n"
	"	jne	1b\n"
	"	mov	(%r13), %r14d\n"
	"	jmp	1b\n"
	"2:	mov	%r14d, %edi\n"
	"	and	$0x7f, %edi\n"
	"	jz	3f\n"
	"	add	$128, %edi\n"
	"	jmp	4f\n"
	"3:	mov	%r14d, %edi\n"
	"	shr	$8, %edi\n"
	"	and	$0xff, %edi\n"
	"4:	mov	$231, %eax\n" /* exit_group */
	"	syscall\n"
	"	jmp	4b\n"
	"ctckpt_init_end:\n"
	/* Touches an AMX tile, for which the kernel then makes room. r13: a tile configuration. */
	"ctckpt_tile_start:\n"
	"	ldtilecfg (%r13)\n"
	"	tilezero %tmm0\n"
	"	tilerelease\n"
	"	int3\n"
	"ctckpt_tile_end:\n"
	".popsection\n");

extern const unsigned char ctckpt_stub_start[];
extern const unsigned char ctckpt_stop_end[];
extern const unsigned char ctckpt_return_32[];
extern const unsigned char ctckpt_init_start[];
extern const unsigned char ctckpt_tile_start[];
extern const unsigned char ctckpt_tile_end[];

const void *remote_stub(size_t *ret_size)
{
	*ret_size = (size_t)(ctckpt_tile_end - ctckpt_stub_start);
	return ctckpt_stub_start;
}

size_t remote_stop_offset(void)
{
	return (size_t)(ctckpt_stop_end - ctckpt_stub_start);
}

size_t remote_return_32_offset(void)
{
	return (size_t)(ctckpt_return_32 - ctckpt_stub_start);
}

size_t remote_init_offset(void)
{
	return (size_t)(ctckpt_init_start - ctckpt_stub_start);
}

size_t remote_tile_offset(void)
{
	return (size_t)(ctckpt_tile_start - ctckpt_stub_start);
}
