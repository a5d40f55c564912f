/* mapping: anonymous memory with all that can be said of it; heap, stack and vdso. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "proc.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define PAGE   4096ul
#define HUGE   (2ul << 20)
#define SPARSE (64ul << 30)

static const char *const keys[] = { "VmFlags:", "Locked:", NULL };

static char *map(size_t size, int prot, int flags)
{
	char *place = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	EXPECT(place != MAP_FAILED);
	return place;
}

/* VmFlags and Locked of the mapping at `place`, without what the kernel does by itself. */
static char *flags_at(const char *place)
{
	char *text = proc_text("/proc/self/smaps", NULL);
	char *found = calloc(1, 256);
	char *save = NULL;
	bool is_it = false;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long start;
		unsigned long end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_it = (unsigned long)place >= start && (unsigned long)place < end;
		for (size_t i = 0; is_it && keys[i]; i++) {
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				(void)strncat(found, line, 127);
		}
	}
	free(text);
	for (char *at; (at = strstr(found, " sd"));)
		(void)memmove(at, at + 3, strlen(at + 3) + 1);
	return found;
}

/* ---- memory that is advised ---- */

static const struct advised {
	int advice;
	bool is_locked;
} advised[] = {
	{ MADV_DONTFORK, false },   { MADV_WIPEONFORK, false }, { MADV_DONTDUMP, false },
	{ MADV_SEQUENTIAL, false }, { MADV_RANDOM, false },	{ MADV_HUGEPAGE, false },
	{ MADV_NOHUGEPAGE, false }, { MADV_MERGEABLE, false },	{ MADV_NORMAL, true },
};

enum { ADVISED = sizeof(advised) / sizeof(advised[0]) };

static char *places[ADVISED];
static char *flags[ADVISED];

static void make_advised(void)
{
	for (int i = 0; i < ADVISED; i++) {
		/* With a hole around it, so that it stays a mapping of its own. */
		char *place = map(2 * HUGE + 2 * PAGE, PROT_NONE, 0) + PAGE;

		EXPECT(mprotect(place, 2 * HUGE, PROT_READ | PROT_WRITE) == 0);
		(void)madvise(place, 2 * HUGE, advised[i].advice);
		if (advised[i].is_locked)
			EXPECT(mlock(place, 4 * PAGE) == 0);
		place[5 * PAGE + 1] = (char)(i + 1);
		place[1] = (char)(i + 50);
		places[i] = place;
		flags[i] = flags_at(place);
	}
}

static void verify_advised(void)
{
	for (int i = 0; i < ADVISED; i++) {
		EXPECT(places[i][5 * PAGE + 1] == i + 1 && places[i][1] == i + 50);
		expect_same_text("flags", flags[i], flags_at(places[i]));
	}
}

/* ---- memory that is hidden, sparse, guarded ---- */

static char *hidden;
static char *read_only;
static char *code;
static char *hidden_code; /* that cannot be read, where the processor has protection keys */
static bool code_is_hidden;
static char *sparse;
static char *guarded;
static bool has_guard;

static bool faults(const volatile char *at)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct rlimit none = { 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)*at;
		_exit(0);
	}
	EXPECT(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status);
}

static void make_others(void)
{
	static const unsigned char answer[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */

	hidden = map(16 * PAGE, PROT_READ | PROT_WRITE, 0);
	(void)strcpy(hidden + 3 * PAGE, "hidden");
	EXPECT(mprotect(hidden, 16 * PAGE, PROT_NONE) == 0);
	read_only = map(PAGE, PROT_READ | PROT_WRITE, 0);
	(void)strcpy(read_only, "read only");
	EXPECT(mprotect(read_only, PAGE, PROT_READ) == 0);
	code = map(PAGE, PROT_READ | PROT_WRITE, 0);
	(void)memcpy(code, answer, sizeof(answer));
	EXPECT(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
	hidden_code = map(PAGE, PROT_READ | PROT_WRITE, 0);
	(void)memcpy(hidden_code, answer, sizeof(answer));
	EXPECT(mprotect(hidden_code, PAGE, PROT_EXEC) == 0);
	code_is_hidden = faults(hidden_code);
	sparse = map(SPARSE, PROT_READ | PROT_WRITE, MAP_NORESERVE);
	for (size_t at = 0; at < SPARSE; at += SPARSE / 16)
		sparse[at + 77] = 'x';
	/* Read, never written: zeros that need no place in the image. */
	for (size_t at = HUGE; at < 64 * HUGE; at += PAGE)
		EXPECT(*(volatile char *)(sparse + at) == 0);
	guarded = map(16 * PAGE, PROT_READ | PROT_WRITE, 0);
	(void)memset(guarded, 'g', 16 * PAGE);
	has_guard = madvise(guarded + 4 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL) == 0;
}

static void verify_others(void)
{
	EXPECT(faults(hidden + 3 * PAGE) && faults(hidden));
	EXPECT(mprotect(hidden, 16 * PAGE, PROT_READ) == 0);
	EXPECT(strcmp(hidden + 3 * PAGE, "hidden") == 0 && hidden[0] == 0);
	EXPECT(strcmp(read_only, "read only") == 0);
	EXPECT(((int (*)(void))(uintptr_t)code)() == 42);
	EXPECT(((int (*)(void))(uintptr_t)hidden_code)() == 42);
	EXPECT(faults(hidden_code) == code_is_hidden);
	for (size_t at = 0; at < SPARSE; at += SPARSE / 16)
		EXPECT(sparse[at + 77] == 'x' && sparse[at + PAGE] == 0);
	EXPECT(strstr(flags_at(sparse), " nr"));
	EXPECT(guarded[4 * PAGE - 1] == 'g' && guarded[6 * PAGE] == 'g');
	if (has_guard)
		EXPECT(faults(guarded + 4 * PAGE) && faults(guarded + 6 * PAGE - 1));
	/* Zeros, not what the image holds. */
	EXPECT(madvise(guarded, PAGE, MADV_DONTNEED) == 0 && guarded[0] == 0);
}

/* ---- heap, stacks, vdso ---- */

static char *heap;
static char *heap_end;
static struct timespec clocks[2];

static size_t eat_stack(size_t left)
{
	volatile char frame[8192];

	frame[0] = (char)left;
	return left == 0 ? (size_t)frame[0]
			 : eat_stack(left - 1) + (size_t)(frame[0] != (char)left);
}

static void verify_heap(void)
{
	EXPECT(sbrk(0) == heap_end && strcmp(heap + 50 * PAGE, "heap") == 0);
	EXPECT(sbrk(50 * PAGE) == heap_end);
	(void)memset(heap_end, 1, 50 * PAGE);
	EXPECT(sbrk(-(intptr_t)(50 * PAGE)) == heap_end + 50 * PAGE && sbrk(0) == heap_end);
}

static void verify_clocks(void)
{
	const clockid_t ids[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };

	for (int i = 0; i < 2; i++) {
		struct timespec now;

		EXPECT(clock_gettime(ids[i], &now) == 0);
		EXPECT(now.tv_sec > clocks[i].tv_sec ||
		       (now.tv_sec == clocks[i].tv_sec && now.tv_nsec >= clocks[i].tv_nsec));
		EXPECT(now.tv_sec < clocks[i].tv_sec + 600);
	}
}

int main(void)
{
	EXPECT(eat_stack(4) == 0);
	heap = sbrk(0);
	EXPECT(sbrk(100 * PAGE) == heap);
	(void)strcpy(heap + 50 * PAGE, "heap");
	make_advised();
	make_others();
	EXPECT(clock_gettime(CLOCK_MONOTONIC, &clocks[0]) == 0);
	EXPECT(clock_gettime(CLOCK_BOOTTIME, &clocks[1]) == 0);

	heap_end = sbrk(0);

	wait_for_restore();

	verify_clocks();
	verify_heap();
	/* Four MiB more than it has had. */
	EXPECT(eat_stack(512) == 0);
	verify_advised();
	verify_others();
	victim_done();
}
