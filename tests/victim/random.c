/* Random numbers without a system call, as newer C libraries draw them: vgetrandom of the vdso,
 * whose state is in a droppable mapping, mmap(2). */
#include <dlfcn.h>
#include <sys/mman.h>

#include "proc.h"

enum { PAGE = 4096, DRAWN = 16 };

/* linux/random.h */
struct state_parameters {
	uint32_t size;
	uint32_t prot;
	uint32_t flags;
	uint32_t reserved[13];
};

typedef ssize_t draw_fn(void *buffer, size_t size, unsigned int flags, void *state,
			size_t state_size);

static draw_fn *draw;
static struct state_parameters parameters;
static char *state;
static volatile char *page;

static void draw_some(const char *name)
{
	unsigned char bytes[DRAWN];
	char text[2 * DRAWN + 1];

	EXPECT(draw(bytes, sizeof(bytes), 0, state, parameters.size) == sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)sprintf(text + 2 * i, "%02x", bytes[i]);
	victim_write(name, text);
}

static bool make_state(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	draw = vdso ? (draw_fn *)(uintptr_t)dlvsym(vdso, "__vdso_getrandom", "LINUX_2.6") : NULL;
	if (!draw || draw(NULL, 0, 0, &parameters, ~0ul) != 0)
		return false;
	state = mmap(NULL, PAGE, (int)parameters.prot, (int)parameters.flags, -1, 0);
	page = mmap(NULL, PAGE, (int)parameters.prot, (int)parameters.flags, -1, 0);
	return state != MAP_FAILED && page != MAP_FAILED;
}

int main(void)
{
	/* Since 6.11. */
	bool is_made = make_state();

	if (is_made) {
		*page = 'x';
		draw_some("first");
	} else {
		victim_write("no-state", "");
	}
	wait_for_restore();
	if (is_made) {
		EXPECT(strstr(proc_text("/proc/self/smaps", NULL), " dp"));
		EXPECT(*page == 0);
		*page = 'y';
		draw_some("drawn");
	}
	victim_done();
}
