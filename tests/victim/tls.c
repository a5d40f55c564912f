/* tls: a segment of set_thread_area(2), which programs of 64 bits can have, too. */
#include <asm/ldt.h>
#include <sys/mman.h>

#include "victim.h"

enum { NR32_SET_THREAD_AREA = 243, NR32_GET_THREAD_AREA = 244, ENTRY = 14 };

/* By the call of programs of 32 bits, which finds its struct below 4 GiB. */
static long call_32(long number, struct user_desc *entry)
{
	static char *low;
	long result = number;

	if (!low) {
		low = mmap((void *)0x20000000, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		EXPECT(low != MAP_FAILED);
	}
	memcpy(low, entry, sizeof(*entry));
#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(low)
			 : "memory", "r8", "r9", "r10", "r11");
#else
	__asm__ volatile("int $0x80" : "+a"(result) : "b"(low) : "memory");
#endif
	memcpy(entry, low, sizeof(*entry));
	return result;
}

int main(void)
{
	struct user_desc entry = { .entry_number = ENTRY,
				   .base_addr = 0x12345000,
				   .limit = 0xfff,
				   .seg_32bit = 1,
				   .useable = 1 };
	struct user_desc found = { .entry_number = ENTRY };

	EXPECT(call_32(NR32_SET_THREAD_AREA, &entry) == 0);
	wait_for_restore();
	EXPECT(call_32(NR32_GET_THREAD_AREA, &found) == 0);
	EXPECT(found.base_addr == entry.base_addr && found.limit == entry.limit);
	EXPECT(found.useable && found.seg_32bit && !found.seg_not_present);
	victim_done();
}
