/* anon_name: names of anonymous memory, where the kernel has such. */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "victim.h"

static bool maps_show(const void *address, const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	char start[32];
	bool is_shown = false;

	EXPECT(maps);
	(void)snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)address);
	while (fgets(line, sizeof(line), maps))
		is_shown |= strncmp(line, start, strlen(start)) == 0 && strstr(line, name);
	(void)fclose(maps);
	return is_shown;
}

int main(void)
{
	char *memory =
	    mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool is_known;

	EXPECT(memory != MAP_FAILED);
	memory[4096] = 'x';
	is_known = prctl(0x53564d41, 0, memory + 4096, 4096, "a name, of \"memory\"") == 0;
	wait_for_restore();
	EXPECT(memory[4096] == 'x');
	EXPECT(!is_known || maps_show(memory + 4096, "[anon:a name, of \"memory\"]"));
	EXPECT(!maps_show(memory, "[anon:"));
	victim_done();
}
