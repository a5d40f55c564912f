/* The code that runs inside a target: it walks a table of system calls and stops with int3. No
 * data, no relocation, no stack. See README.md for the rules about it. */
#include "remote/remote.h"

/*
 * rbx: the next entry {nr, a1..a6, result}; r12: entries left. Bit 63 of nr: a failure does not
 * stop. At the int3, r12 is 0, or rbx points at the entry that failed.
 */
__asm__(".pushsection .rodata\n"
	"ctckpt_stub_start:\n"
	"1:	mov	(%rbx), %rax\n"
	"	btr	$63, %rax\n"
	"	sbb	%r13, %r13\n"
	"	mov	8(%rbx), %rdi\n"
	"	mov	16(%rbx), %rsi\n"
	"	mov	24(%rbx), %rdx\n"
	"	mov	32(%rbx), %r10\n"
	"	mov	40(%rbx), %r8\n"
	"	mov	48(%rbx), %r9\n"
	"	syscall\n"
	"	mov	%rax, 56(%rbx)\n"
	"	test	%r13, %r13\n"
	"	jnz	2f\n"
	"	cmp	$-4095, %rax\n"
	"	jae	3f\n"
	"2:	add	$64, %rbx\n"
	"	dec	%r12\n"
	"	jnz	1b\n"
	"3:	int3\n"
	"ctckpt_stub_end:\n"
	".popsection\n");

extern const unsigned char ctckpt_stub_start[];
extern const unsigned char ctckpt_stub_end[];

const void *remote_stub(size_t *ret_size)
{
	*ret_size = (size_t)(ctckpt_stub_end - ctckpt_stub_start);
	return ctckpt_stub_start;
}
