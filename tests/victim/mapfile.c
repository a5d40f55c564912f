/* mapfile: files mapped shared and privately, with changed pages; deleted ones; memory shared with
 * a child; memfds without a descriptor. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

#define PAGE  4096ul
#define PAGES 8ul

static int make_file(const char *name, char *ret_path)
{
	char page[PAGE];
	int fd;

	(void)snprintf(ret_path, PATH_MAX, "%s/%s", victim_dir(), name);
	fd = open(ret_path, O_RDWR | O_CREAT | O_EXCL, 0644);
	EXPECT(fd >= 0);
	for (size_t i = 0; i < PAGES; i++) {
		(void)memset(page, (int)('a' + i), PAGE);
		EXPECT(write(fd, page, PAGE) == PAGE);
	}
	return fd;
}

static char *map(int fd, int prot, int flags, size_t offset)
{
	char *place = mmap(NULL, (PAGES - offset) * PAGE, prot, flags, fd, (off_t)(offset * PAGE));

	EXPECT(place != MAP_FAILED);
	return place;
}

struct files {
	int fd;
	char path[PATH_MAX], gone_path[PATH_MAX];
	char *shared, *second, *private, *reader;
	char *gone, *gone_second, *gone_private, *memory;
};

static void make_named(struct files *f)
{
	f->fd = make_file("mapped file", f->path);
	f->shared = map(f->fd, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	f->second = map(f->fd, PROT_READ | PROT_WRITE, MAP_SHARED, 2);
	f->private = map(f->fd, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	f->reader = map(f->fd, PROT_READ, MAP_PRIVATE, 1);
	f->shared[0] = 'S';
	f->private[PAGE] = 'P';
}

static void make_nameless(struct files *f)
{
	int fd = make_file("gone file", f->gone_path);
	int memfd = memfd_create("no descriptor", 0);

	f->gone = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	f->gone_second = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 3);
	f->gone_private = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	f->gone[0] = 'G';
	f->gone_private[PAGE] = 'Q';
	EXPECT(unlink(f->gone_path) == 0 && close(fd) == 0);
	EXPECT(memfd >= 0 && ftruncate(memfd, PAGES * PAGE) == 0);
	f->memory = map(memfd, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	(void)strcpy(f->memory + 5 * PAGE, "memory");
	EXPECT(close(memfd) == 0);
}

static void verify_named(const struct files *f)
{
	char byte;

	EXPECT(f->shared[0] == 'S' && pread(f->fd, &byte, 1, 0) == 1 && byte == 'S');
	EXPECT(f->second[0] == 'c' && f->private[PAGE] == 'P' && f->private[PAGE + 1] == 'b');
	EXPECT(f->reader[0] == 'b' && f->shared[PAGE] == 'b');
	/* The file and its shared mappings are one; a changed page is its task's own. */
	f->second[1] = 'T';
	EXPECT(f->shared[2 * PAGE + 1] == 'T');
	EXPECT(pread(f->fd, &byte, 1, 2 * PAGE + 1) == 1 && byte == 'T');
	EXPECT(f->private[2 * PAGE + 1] == 'T' && f->reader[PAGE + 1] == 'T');
	EXPECT(madvise(f->private, PAGES * PAGE, MADV_DONTNEED) == 0 && f->private[PAGE] == 'b');
}

static void verify_nameless(const struct files *f)
{
	EXPECT(access(f->gone_path, F_OK) < 0);
	EXPECT(f->gone[0] == 'G' && f->gone[PAGE] == 'b' && f->gone[7 * PAGE + 5] == 'h');
	EXPECT(f->gone_second[0] == 'd' && f->gone_private[PAGE] == 'Q');
	EXPECT(f->gone_private[0] == 'G' && f->gone_private[2 * PAGE] == 'c');
	f->gone_second[7] = 'U';
	EXPECT(f->gone[3 * PAGE + 7] == 'U' && f->gone_private[3 * PAGE + 7] == 'U');
	EXPECT(strcmp(f->memory + 5 * PAGE, "memory") == 0 && f->memory[0] == 0);
}

/* ---- shared with a child ---- */

struct talk {
	volatile int number;
	volatile int is_answered;
};

static void child_main(const struct files *f, struct talk *talk, char *part)
{
	victim_write("child", "");
	while (talk->number != 2)
		(void)usleep(1000);
	EXPECT(part[3] == 'z' && f->private[PAGE] == 'P');
	part[4] = 'y';
	f->memory[9] = 'm';
	talk->is_answered = 1;
	_exit(0);
}

int main(void)
{
	static struct files f;
	char *common =
	    mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct talk *talk = (struct talk *)common;
	pid_t child;
	int status;

	EXPECT(common != MAP_FAILED);
	make_named(&f);
	make_nameless(&f);
	talk->number = 1;
	(void)memset(common + 40 * PAGE, 'c', PAGE);
	child = fork();
	if (child == 0) {
		/* The child keeps the second half and the first page alone. */
		EXPECT(munmap(common + PAGE, 30 * PAGE) == 0);
		child_main(&f, talk, common + 40 * PAGE);
	}
	victim_wait_file("child");
	EXPECT(mprotect(common + 60 * PAGE, 4 * PAGE, PROT_NONE) == 0);

	wait_for_restore();

	EXPECT(talk->number == 1 && common[40 * PAGE] == 'c' && common[20 * PAGE] == 0);
	common[40 * PAGE + 3] = 'z';
	talk->number = 2;
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	EXPECT(talk->is_answered && common[40 * PAGE + 4] == 'y' && f.memory[9] == 'm');
	f.memory[9] = 0;
	verify_named(&f);
	verify_nameless(&f);
	victim_done();
}
