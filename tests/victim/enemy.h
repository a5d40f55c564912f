/* What the enemy does to itself: processes and threads that no compiler makes. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "victim.h"

/* Each child counts in its own; they are looked at before and after. */
enum { COUNTS = 6 };
struct enemy_counts {
	volatile uint64_t count[COUNTS];
};

static struct enemy_counts *enemy_counts;

static inline void enemy_begin(void)
{
	enemy_counts = mmap(NULL, sizeof(*enemy_counts), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(enemy_counts != MAP_FAILED);
}

/* All of the first `used` go on counting. */
static inline void enemy_counts_go_on(int used)
{
	for (int i = 0; i < used; i++) {
		uint64_t before = enemy_counts->count[i];

		while (enemy_counts->count[i] == before)
			(void)usleep(1000);
	}
}

/* ---- registers ---- */

static inline void count_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	enemy_counts->count[0]++;
}

static inline void catch_traps(void)
{
	struct sigaction action = { .sa_sigaction = count_trap, .sa_flags = SA_SIGINFO };

	EXPECT(sigaction(SIGTRAP, &action, NULL) == 0);
}

/* Every instruction is a SIGTRAP. */
static inline void step_itself(volatile uint64_t *count)
{
	catch_traps();
	__asm__ volatile("pushfq\n"
			 "orq $0x100, (%%rsp)\n"
			 "popfq\n"
			 "1: incq (%0)\n"
			 "jmp 1b\n" ::"r"(count)
			 : "memory", "cc");
}

static inline void break_itself(volatile uint64_t *count)
{
	catch_traps();
	for (;;) {
		__asm__ volatile("int3");
		(*count)++;
	}
}

/* No stack, no libc, no thread area. */
static inline void lose_all(volatile uint64_t *count)
{
	__asm__ volatile("mov %0, %%rbx\n"
			 "mov $158, %%eax\n" /* arch_prctl, ARCH_SET_FS */
			 "mov $0x1002, %%edi\n"
			 "mov $0x123456789000, %%rsi\n"
			 "syscall\n"
			 "movabs $0x8000deadbeef0008, %%rsp\n"
			 "mov %%rsp, %%rbp\n"
			 "mov %%rsp, %%rdi\n"
			 "mov %%rsp, %%rsi\n"
			 "mov %%rsp, %%rcx\n"
			 "mov %%rsp, %%r15\n"
			 "std\n"
			 "1: incq (%%rbx)\n"
			 "jmp 1b\n" ::"r"(count)
			 : "memory");
	__builtin_unreachable();
}

/* Of a process that may have ended. */
static inline bool find_mapping_of(pid_t pid, const char *name, uint64_t *ret_start,
				   uint64_t *ret_end)
{
	char line[512];
	bool is_found = false;
	FILE *maps;

	(void)snprintf(line, sizeof(line), "/proc/%d/maps", pid);
	maps = fopen(line, "re");
	while (maps && !is_found && fgets(line, sizeof(line), maps))
		is_found = strstr(line, name) && sscanf(line, "%lx-%lx", ret_start, ret_end) == 2;
	if (maps)
		(void)fclose(maps);
	return is_found;
}

static inline bool find_mapping(const char *name, uint64_t *ret_start, uint64_t *ret_end)
{
	return find_mapping_of(getpid(), name, ret_start, ret_end);
}

/* Without a vdso: in its own code for ever, or in a system call most of the time. */
static inline void lose_vdso(volatile uint64_t *count, bool sleeps)
{
	uint64_t start, end;

	EXPECT(find_mapping("[vdso]", &start, &end));
	EXPECT(syscall(SYS_munmap, start, end - start) == 0);
	for (;;) {
		if (sleeps) {
			struct timespec pause = { .tv_nsec = 1000000 };

			(void)syscall(SYS_ppoll, NULL, 0, &pause, NULL, 8);
		}
		(*count)++;
	}
}

/* ---- what the kernel was told ---- */

static inline uint64_t stat_field(int number)
{
	char text[1024] = "";
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char *at;

	EXPECT(read(fd, text, sizeof(text) - 1) > 0 && close(fd) == 0);
	at = strrchr(text, ')');
	for (int i = 2; i < number; i++)
		at = strchr(at + 1, ' ');
	return strtoull(at, NULL, 10);
}

enum { FIELD_START_CODE = 26, FIELD_START_DATA = 45, FIELD_ARG_START = 48 };

/* Arguments and environment. */
static inline void move_texts(void)
{
	struct prctl_mm_map map = {
		.start_code = stat_field(FIELD_START_CODE),
		.end_code = stat_field(FIELD_START_CODE + 1),
		.start_data = stat_field(FIELD_START_DATA),
		.end_data = stat_field(FIELD_START_DATA + 1),
		.start_brk = stat_field(FIELD_START_DATA + 2),
		.brk = (uint64_t)(uintptr_t)sbrk(0),
		.start_stack = stat_field(28),
		.arg_start = 0x10000,
		.arg_end = 0x7ffffffff000 - 4096,
		.env_start = 0x20000,
		.env_end = 0x20001,
		.exe_fd = (uint32_t)-1,
	};

	EXPECT(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) == 0);
	EXPECT(stat_field(FIELD_ARG_START) == 0x10000);
}

/* Lists, stacks and texts that are nowhere. */
static inline void tell_lies(void)
{
	stack_t stack = { .ss_sp = (void *)0x10000, .ss_size = 1 << 20 };

	EXPECT(syscall(SYS_set_robust_list, 0xdeadbeefd00dul, 24) == 0);
	EXPECT(syscall(SYS_set_tid_address, 0x8000000000000001ul) > 0);
	EXPECT(sigaltstack(&stack, NULL) == 0);
	move_texts();
}

static inline void expect_lies(void)
{
	uint64_t head = 0, size = 0;
	stack_t stack;

	EXPECT(syscall(SYS_get_robust_list, 0, &head, &size) == 0 && head == 0xdeadbeefd00dul);
	EXPECT(sigaltstack(NULL, &stack) == 0 && stack.ss_sp == (void *)0x10000);
	EXPECT(stat_field(FIELD_ARG_START) == 0x10000);
	EXPECT(stat_field(FIELD_ARG_START + 1) == 0x7ffffffff000 - 4096);
}

/* ---- a storm ---- */

static inline void *execute(void *argument)
{
	(void)argument;
	(void)execl("/bin/true", "true", NULL);
	_exit(1);
}

/* One process more, which ends soon; the grandchild of one is init's. */
static inline void spawn(unsigned int way)
{
	pthread_t thread;
	pid_t pid;

	if (way % 5 == 0) {
		pid = vfork();
		if (pid == 0)
			(void)execl("/bin/true", "true", NULL);
		if (pid == 0)
			_exit(1);
		return;
	}
	pid = fork();
	if (pid != 0)
		return;
	switch (way % 5) {
	case 1:
		_exit(0);
	case 2:
		EXPECT(pthread_create(&thread, NULL, execute, NULL) == 0);
		(void)pthread_join(thread, NULL);
		_exit(1);
	case 3:
		(void)raise(SIGKILL);
		_exit(1);
	default:
		(void)fork();
		_exit(0);
	}
}

/* At most 30 at a time, and for two minutes. */
static inline void storm(volatile uint64_t *count)
{
	time_t end = time(NULL) + 120;
	unsigned int alive = 0;

	while (time(NULL) < end) {
		for (; alive < 30; alive++)
			spawn((unsigned int)(*count)++);
		while (alive > 0 && waitpid(-1, NULL, alive < 30 ? WNOHANG : 0) > 0)
			alive--;
	}
	_exit(0);
}
