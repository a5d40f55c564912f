/* sysv_shm: segments with and without attachments; whole, partial, moved and read-only ones; one
 * that was removed; one shared with a child. The argument `huge` makes one that cannot be saved,
 * `many` a removed one for each of many ids, `owners` those of others, `limits` changes limits. */
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096 };

static struct shmid_ds look(int id)
{
	struct shmid_ds stat;

	EXPECT(shmctl(id, IPC_STAT, &stat) == 0);
	return stat;
}

static unsigned long attached(int id)
{
	return look(id).shm_nattch;
}

static bool faults(volatile char *at, bool is_write)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (is_write)
			*at = 1;
		_exit(*at & 0);
	}
	EXPECT(child > 0 && waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* A segment of 8 pages in whose mapping there are holes, a page moved away, and others' rights. */
struct parts {
	int id;
	char *at;
	char *moved;
};

static struct parts make_parts(void)
{
	struct parts parts = { .id = shmget(IPC_PRIVATE, 8 * PAGE, 0600 | IPC_CREAT) };
	char *place;

	EXPECT(parts.id >= 0);
	parts.at = shmat(parts.id, NULL, 0);
	EXPECT(parts.at != (void *)-1);
	for (int i = 0; i < 8; i++)
		memset(parts.at + i * PAGE, 'a' + i, PAGE);
	EXPECT(munmap(parts.at + PAGE, PAGE) == 0);
	EXPECT(mprotect(parts.at + 3 * PAGE, PAGE, PROT_READ) == 0);
	place = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	parts.moved = mremap(parts.at + 5 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	EXPECT(parts.moved == place);
	EXPECT(attached(parts.id) == 6);
	return parts;
}

static void check_parts(const struct parts *parts)
{
	EXPECT(attached(parts->id) == 6);
	EXPECT(parts->at[0] == 'a' && parts->at[2 * PAGE] == 'c' && parts->at[3 * PAGE] == 'd');
	EXPECT(parts->moved[0] == 'f' && parts->at[7 * PAGE] == 'h');
	EXPECT(faults(parts->at + PAGE, false) && faults(parts->at + 5 * PAGE, false));
	EXPECT(faults(parts->at + 3 * PAGE, true) && !faults(parts->at + 2 * PAGE, true));
	EXPECT(shmdt(parts->at) == 0);
	EXPECT(attached(parts->id) == 1);
}

/* Exchanges with a child through one page. */
static pid_t start_child(char *shared)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child > 0)
		return child;
	while (__atomic_load_n(shared, __ATOMIC_ACQUIRE) != 2) {
		struct timespec pause = { .tv_nsec = 1000 * 1000 };

		(void)nanosleep(&pause, NULL);
	}
	__atomic_store_n(shared, 3, __ATOMIC_RELEASE);
	_exit(0);
}

static void end_child(char *shared, pid_t child)
{
	int status;

	__atomic_store_n(shared, 2, __ATOMIC_RELEASE);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(*shared == 3);
}

/* Without a reservation, there need not be any. */
static void huge(void)
{
	EXPECT(shmget(IPC_PRIVATE, 2 << 20, SHM_HUGETLB | SHM_NORESERVE | 0600 | IPC_CREAT) >= 0);
	wait_for_restore();
	victim_done();
}

static void write_number(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

/* Nobody attached the segment, and attaching it would end it. */
static void forced(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600 | IPC_CREAT);
	int used = shmget(IPC_PRIVATE, PAGE, 0600 | IPC_CREAT);
	char *at = shmat(used, NULL, 0);

	EXPECT(id >= 0 && used >= 0 && at != (void *)-1);
	*at = 5;
	write_number("/proc/sys/kernel/shm_rmid_forced", "1");
	wait_for_restore();
	EXPECT(attached(id) == 0 && attached(used) == 1 && *at == 5);
	EXPECT(shmdt(at) == 0 && shmctl(used, IPC_STAT, &(struct shmid_ds){ 0 }) < 0);
	at = shmat(id, NULL, 0);
	EXPECT(at != (void *)-1 && *at == 0);
	victim_done();
}

int main(int argc, char **argv)
{
	const key_t key = 0x5eed;
	struct parts parts;
	int detached, keyed, removed, shared, gone;
	char *writable, *readable, *again, *last, *page;
	pid_t child;

	if (argc > 1 && strcmp(argv[1], "forced") == 0)
		forced();
	if (argc > 1)
		huge();

	gone = shmget(IPC_PRIVATE, PAGE, 0600 | IPC_CREAT);
	EXPECT(gone >= 0 && shmctl(gone, IPC_RMID, NULL) == 0);
	detached = shmget(IPC_PRIVATE, 3 * PAGE + 17, 0640 | IPC_CREAT);
	page = shmat(detached, NULL, 0);
	EXPECT(detached >= 0 && page != (void *)-1);
	memset(page + 2 * PAGE, 'z', PAGE + 17);
	EXPECT(shmdt(page) == 0);

	keyed = shmget(key, 2 * PAGE, 0604 | IPC_CREAT | IPC_EXCL);
	EXPECT(keyed >= 0);
	writable = shmat(keyed, NULL, 0);
	readable = shmat(keyed, NULL, SHM_RDONLY);
	again = shmat(keyed, NULL, 0);
	EXPECT(writable != (void *)-1 && readable != (void *)-1 && again != (void *)-1);
	EXPECT(shmctl(keyed, SHM_LOCK, NULL) == 0);
	strcpy(writable, "keyed");

	removed = shmget(IPC_PRIVATE, PAGE, 0600 | IPC_CREAT);
	last = shmat(removed, NULL, 0);
	EXPECT(removed >= 0 && last != (void *)-1 && shmctl(removed, IPC_RMID, NULL) == 0);
	strcpy(last, "removed");

	shared = shmget(IPC_PRIVATE, PAGE, 0600 | IPC_CREAT);
	page = shmat(shared, NULL, 0);
	EXPECT(shared >= 0 && page != (void *)-1);
	child = start_child(page);
	EXPECT(attached(shared) == 2);
	/* The last one: others would come to lie in its holes. */
	parts = make_parts();

	wait_for_restore();

	EXPECT(attached(shared) == 2 && attached(removed) == 2 && attached(keyed) == 6);
	end_child(page, child);
	check_parts(&parts);

	EXPECT(attached(keyed) == 3 && (look(keyed).shm_perm.mode & 0777) == 0604);
	EXPECT(look(keyed).shm_perm.mode & SHM_LOCKED && look(keyed).shm_segsz == 2 * PAGE);
	EXPECT(shmget(key, 0, 0) == keyed && look(keyed).shm_perm.__key == key);
	EXPECT(strcmp(readable, "keyed") == 0);
	strcpy(again, "again");
	EXPECT(strcmp(writable, "again") == 0 && strcmp(readable, "again") == 0);
	EXPECT(mprotect(readable, PAGE, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	EXPECT(shmdt(writable) == 0 && shmdt(readable) == 0 && shmdt(again) == 0);
	EXPECT(attached(keyed) == 0 && shmctl(keyed, IPC_RMID, NULL) == 0);

	EXPECT(attached(removed) == 1 && look(removed).shm_perm.mode & SHM_DEST);
	EXPECT(strcmp(last, "removed") == 0 && shmdt(last) == 0);
	EXPECT(shmctl(removed, IPC_STAT, &(struct shmid_ds){ 0 }) < 0 && errno == EINVAL);

	EXPECT(attached(detached) == 0 && look(detached).shm_segsz == 3 * PAGE + 17);
	EXPECT((look(detached).shm_perm.mode & 0777) == 0640);
	page = shmat(detached, NULL, 0);
	EXPECT(page[0] == 0 && page[2 * PAGE] == 'z' && page[3 * PAGE + 16] == 'z');
	EXPECT(page[3 * PAGE + 17] == 0);
	victim_done();
}
