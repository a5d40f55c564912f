/* compat: what a program of 32 bits has of its own. Arguments: `ldt`, a local descriptor table;
 * `far`, code of 32 bits in a program of 64 bits. */
#include <asm/ldt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static __thread int own_number;
static volatile sig_atomic_t caught;
static volatile void *caught_value;
static volatile int may_end;

static void note(int signal)
{
	caught = signal;
}

static void note_value(int signal, siginfo_t *info, void *context)
{
	(void)context;
	caught = signal;
	caught_value = info->si_value.sival_ptr;
}

static void handle(int signal, void (*plain)(int), void (*informed)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_flags = informed ? SA_SIGINFO : 0 };

	if (informed)
		action.sa_sigaction = informed;
	else
		action.sa_handler = plain;
	EXPECT(sigaction(signal, &action, NULL) == 0);
}

/* A frame of the right sort gives the registers back, too. */
static void expect_signals(void)
{
	union sigval value = { .sival_ptr = (void *)0x12345678 };
	double number = 1.5;

	__asm__ volatile("" : "+m"(number));
	EXPECT(raise(SIGUSR1) == 0 && caught == SIGUSR1);
	EXPECT(sigqueue(getpid(), SIGUSR2, value) == 0 && caught == SIGUSR2);
	EXPECT(caught_value == value.sival_ptr);
	EXPECT(number == 1.5);
}

/* Runs without a system call, so that its registers are looked at in the middle. */
static void *compute(void *argument)
{
	int number = *(int *)argument;
	unsigned long sum = 0;

	own_number = number;
	while (!may_end) {
		unsigned long a = 0x11111111, b = 0x22222222, c = 0x33333333;

		__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c));
		EXPECT(a + b == c);
		sum++;
	}
	EXPECT(own_number == number && sum > 0);
	return NULL;
}

static void *wait_quietly(void *argument)
{
	own_number = *(int *)argument;
	while (!may_end)
		(void)usleep(2000);
	EXPECT(own_number == *(int *)argument);
	return NULL;
}

/* What is asked of the kernel after a restore is within reach of 32 bits. */
static void expect_memory(void)
{
	void *memory =
	    mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(memory != MAP_FAILED);
	memset(memory, 1, 1 << 20);
	EXPECT(munmap(memory, 1 << 20) == 0);
	memory = malloc(300000);
	EXPECT(memory);
	memset(memory, 1, 300000);
	free(memory);
}

static void expect_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(7);
	EXPECT(child > 0 && waitpid(child, &status, 0) == child);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void wait_with_all(void)
{
	static int numbers[2] = { 21, 22 };
	pthread_t threads[2];

	own_number = 20;
	handle(SIGUSR1, note, NULL);
	handle(SIGUSR2, NULL, note_value);
	EXPECT(pthread_create(&threads[0], NULL, compute, &numbers[0]) == 0);
	EXPECT(pthread_create(&threads[1], NULL, wait_quietly, &numbers[1]) == 0);
	wait_for_restore();
	EXPECT(own_number == 20);
	expect_signals();
	expect_memory();
	expect_child();
	may_end = 1;
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
}

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
		wait_with_all();
	victim_done();
}
