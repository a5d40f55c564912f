/* pkeys: protection keys: with memory, without, freed; a thread has rights of its own. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

#include "victim.h"

enum { PAGE = 4096 };

#ifndef SEGV_PKUERR
#define SEGV_PKUERR 4
#endif

static sigjmp_buf back;
static volatile int fault;
static int written, hidden, idle, freed, next;
static char *pages;
static int thread_state;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fault = info->si_code == SEGV_PKUERR ? (int)info->si_pkey : -1;
	siglongjmp(back, 1);
}

/* The key that forbids it; 0: none does. */
static int try_read(volatile char *at)
{
	fault = 0;
	if (sigsetjmp(back, 1) == 0)
		(void)*at;
	return fault;
}

static int try_write(volatile char *at)
{
	fault = 0;
	if (sigsetjmp(back, 1) == 0)
		*at = 'w';
	return fault;
}

static char *page_with(int number, int key)
{
	char *page = pages + (ptrdiff_t)number * PAGE;

	*page = (char)('a' + number);
	EXPECT(pkey_mprotect(page, PAGE, PROT_READ | PROT_WRITE, key) == 0);
	return page;
}

/* What the first thread may not write, this one may. */
static void *live(void *unused)
{
	(void)unused;
	EXPECT(pkey_set(written, 0) == 0);
	EXPECT(pkey_set(hidden, PKEY_DISABLE_WRITE) == 0);
	__atomic_store_n(&thread_state, 1, __ATOMIC_SEQ_CST);
	victim_wait_file("go");
	EXPECT(pkey_get(written) == 0 && pkey_get(hidden) == PKEY_DISABLE_WRITE);
	pages[PAGE + 1] = 'T';
	__atomic_store_n(&thread_state, 2, __ATOMIC_SEQ_CST);
	return NULL;
}

static void make_keys(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	EXPECT(sigaction(SIGSEGV, &action, NULL) == 0);
	pages = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(pages != MAP_FAILED);
	freed = pkey_alloc(0, 0);
	written = pkey_alloc(0, 0);
	idle = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	hidden = pkey_alloc(0, 0);
	EXPECT(freed > 0 && written > 0 && idle > 0 && hidden > 0);
	(void)page_with(1, written);
	(void)page_with(3, hidden);
	(void)page_with(5, freed);
	EXPECT(pkey_free(freed) == 0);
	EXPECT(pkey_set(written, PKEY_DISABLE_WRITE) == 0);
	EXPECT(pkey_set(hidden, PKEY_DISABLE_ACCESS) == 0);
	next = freed;
}

static void verify_keys(void)
{
	EXPECT(pkey_get(idle) == PKEY_DISABLE_ACCESS);
	EXPECT(try_read(pages + PAGE) == 0 && try_write(pages + PAGE) == written);
	EXPECT(try_read(pages + 3 * PAGE) == hidden);
	EXPECT(pkey_set(hidden, 0) == 0 && pages[3 * PAGE] == 'd');
	EXPECT(pkey_set(freed, PKEY_DISABLE_ACCESS) == 0);
	EXPECT(try_read(pages + 5 * PAGE) == freed);
	EXPECT(try_read(pages) == 0 && try_write(pages + 4 * PAGE) == 0);
	/* Those that are in use, and no others. */
	EXPECT(pkey_mprotect(pages, PAGE, PROT_READ, freed) < 0);
	EXPECT(pkey_alloc(0, 0) == next);
	EXPECT(pkey_free(idle) == 0 && pkey_free(idle) < 0);
	EXPECT(pkey_free(written) == 0 && pkey_free(hidden) == 0);
}

int main(void)
{
	pthread_t thread;
	int key;

	(void)victim_dir();
	key = pkey_alloc(0, 0);
	if (key < 0) {
		victim_write("missing", "");
	} else {
		EXPECT(pkey_free(key) == 0);
		make_keys();
		EXPECT(pthread_create(&thread, NULL, live, NULL) == 0);
		while (__atomic_load_n(&thread_state, __ATOMIC_SEQ_CST) == 0)
			(void)usleep(1000);
	}
	wait_for_restore();
	if (key < 0)
		victim_done();
	EXPECT(pthread_join(thread, NULL) == 0 && thread_state == 2 && pages[PAGE] == 'b');
	verify_keys();
	victim_done();
}
