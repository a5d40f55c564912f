/* Files whose names mislead: newlines, what looks like the kernel's own marks, one name that is
 * another's with such a mark; open, mapped, and as the current directory. An argument asks for what
 * cannot be saved: a path that is longer than any call takes, or one that a mount hides. */
#include <sys/mman.h>
#include <sys/mount.h>

#include "victim.h"

static const char *const names[] = {
	"plain",
	"new\nline",
	"new\\012line",
	"\n",
	"end\n",
	"live (deleted)",
	"live",
	"gone (deleted)",
	"gone (deleted) (deleted)",
	"deleted",
	"tab\tspace  backslash\\ \001\377",
	"a:b,c=d",
	" -> ",
};
enum { COUNT = sizeof(names) / sizeof(names[0]) };

static struct {
	int fd;
	const char *mapping;
} held[COUNT], gone;

/* Each file holds its own name. */
static int make_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	EXPECT(fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name));
	EXPECT(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static const char *map_file(int fd)
{
	const char *mapping = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	EXPECT(mapping != MAP_FAILED);
	return mapping;
}

static void expect_text(int fd, const char *mapping, const char *name)
{
	char text[64] = "";

	EXPECT(read(fd, text, sizeof(text) - 1) >= 0);
	if (strcmp(text, name) != 0)
		victim_fail("file \"%s\" is \"%s\"", name, text);
	if (strcmp(mapping, name) != 0)
		victim_fail("mapping \"%s\" is \"%s\"", name, mapping);
}

static void hold_all(void)
{
	EXPECT(mkdir("d", 0700) == 0 && chdir("d") == 0);
	for (int i = 0; i < COUNT; i++) {
		held[i].fd = make_file(names[i]);
		held[i].mapping = map_file(held[i].fd);
	}
	gone.fd = make_file("gone");
	gone.mapping = map_file(gone.fd);
	EXPECT(unlink("gone") == 0);
	EXPECT(mkdir("cwd\n (deleted)", 0700) == 0 && chdir("cwd\n (deleted)") == 0);
}

static void check_all(void)
{
	char cwd[PATH_MAX];

	for (int i = 0; i < COUNT; i++)
		expect_text(held[i].fd, held[i].mapping, names[i]);
	expect_text(gone.fd, gone.mapping, "gone");
	EXPECT(getcwd(cwd, sizeof(cwd)) && strcmp(strrchr(cwd, '/'), "/cwd\n (deleted)") == 0);
}

/* Deeper than PATH_MAX. */
static void go_deep(void)
{
	char name[201];

	memset(name, 'n', 200);
	name[200] = '\0';
	for (int i = 0; i < 25; i++)
		EXPECT(mkdir(name, 0700) == 0 && chdir(name) == 0);
}

static void hold_deep(const char *what)
{
	int fd;

	go_deep();
	fd = make_file("deep");
	if (strcmp(what, "deep-mapping") == 0 || strcmp(what, "deep-deleted") == 0)
		(void)map_file(fd);
	if (strcmp(what, "deep-deleted") == 0)
		EXPECT(unlink("deep") == 0);
	if (strcmp(what, "deep-file") != 0)
		EXPECT(close(fd) == 0);
	if (strcmp(what, "deep-directory") != 0)
		EXPECT(chdir("/") == 0);
}

/* Executed from there; what it does then, the argument says. */
static void execute_deep(void)
{
	char *words[] = { "names", "idle", NULL };
	char bytes[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to;
	ssize_t n;

	go_deep();
	to = open("program", O_WRONLY | O_CREAT | O_EXCL, 0700);
	EXPECT(from >= 0 && to >= 0);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		EXPECT(write(to, bytes, (size_t)n) == n);
	EXPECT(close(to) == 0);
	to = open("program", O_RDONLY | O_CLOEXEC);
	EXPECT(n == 0 && to >= 0 && chdir("/") == 0 && fexecve(to, words, environ) == 0);
}

/* The same path leads to another file than the one that is open, with the same name. */
static void hold_hidden(const char *what)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/hidden", victim_dir());
	EXPECT(mkdir(path, 0700) == 0);
	/* New ones of a kind number their files alike. */
	if (strcmp(what, "hidden-twin") == 0)
		EXPECT(mount("twin", path, "tmpfs", 0, NULL) == 0);
	EXPECT(chdir("hidden") == 0);
	fd = make_file("file");
	if (strcmp(what, "hidden-mapping") == 0 || strcmp(what, "hidden-twin") == 0)
		(void)map_file(fd);
	if (strcmp(what, "hidden-file") != 0)
		EXPECT(close(fd) == 0);
	EXPECT(mount("cover", path, "tmpfs", 0, NULL) == 0);
	(void)snprintf(path, sizeof(path), "%s/hidden/file", victim_dir());
	EXPECT(close(make_file(path)) == 0);
	if (strcmp(what, "hidden-directory") != 0)
		EXPECT(chdir("/") == 0);
}

/* A part of the path is no directory any more. */
static void hold_below_file(void)
{
	int fd;

	EXPECT(mkdir("top", 0700) == 0 && mkdir("top/middle", 0700) == 0);
	fd = make_file("top/middle/file");
	EXPECT(fd >= 0 && mount("cover", "top", "tmpfs", 0, NULL) == 0);
	EXPECT(close(make_file("top/middle")) == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "idle") == 0) {
		wait_for_restore();
		victim_done();
	}
	EXPECT(chdir(victim_dir()) == 0);
	if (argc < 2)
		hold_all();
	else if (strcmp(argv[1], "deep-program") == 0)
		execute_deep();
	else if (strcmp(argv[1], "below-file") == 0)
		hold_below_file();
	else if (strncmp(argv[1], "deep-", 5) == 0)
		hold_deep(argv[1]);
	else
		hold_hidden(argv[1]);
	wait_for_restore();
	if (argc < 2)
		check_all();
	victim_done();
}
