/* compat: what a program of 32 bits has of its own. Arguments: `ldt`, a local descriptor table;
 * `far`, code of 32 bits in a program of 64 bits. */
#include <asm/ldt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "victim.h"

static void wait_with_table(void)
{
	struct user_desc entry = { .entry_number = 3,
				   .base_addr = 0x10000,
				   .limit = 0xfff,
				   .seg_32bit = 1,
				   .useable = 1 };

	EXPECT(syscall(SYS_modify_ldt, 1, &entry, sizeof(entry)) == 0);
	wait_for_restore();
}

#ifdef __x86_64__

struct far_code {
	unsigned char bytes[64];
	volatile uint32_t is_there;
};

/* mov $1, %ss:is_there; 1: mov $29 (pause), %eax; int $0x80; jmp 1b */
static struct far_code *make_far_code(void)
{
	static const unsigned char head[] = { 0x36, 0xc7, 0x05 };
	static const unsigned char tail[] = {
		1, 0, 0, 0, 0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7
	};
	struct far_code *code = mmap(NULL, sizeof(*code), PROT_READ | PROT_WRITE | PROT_EXEC,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t address;

	EXPECT(code != MAP_FAILED);
	address = (uint32_t)(uintptr_t)&code->is_there;
	memcpy(code->bytes, head, sizeof(head));
	memcpy(code->bytes + sizeof(head), &address, sizeof(address));
	memcpy(code->bytes + sizeof(head) + sizeof(address), tail, sizeof(tail));
	return code;
}

static void wait_with_far_code(void)
{
	struct far_code *code = make_far_code();
	pid_t child = fork();

	if (child == 0) {
		struct {
			uint32_t offset;
			uint32_t segment;
		} target = { (uint32_t)(uintptr_t)code->bytes, 0x23 };

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		__asm__ volatile("ljmp *%0" : : "m"(target));
		_exit(1);
	}
	EXPECT(child > 0);
	while (!code->is_there)
		(void)usleep(1000);
	wait_for_restore();
	EXPECT(kill(child, SIGKILL) == 0);
}

#else

static void wait_with_far_code(void)
{
	EXPECT(!"a program of 64 bits");
}

#endif

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "ldt") == 0)
		wait_with_table();
	else if (argc > 1 && strcmp(argv[1], "far") == 0)
		wait_with_far_code();
	else
		wait_for_restore();
	victim_done();
}
