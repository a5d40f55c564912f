/* Holds files of the host, for tests that alter them before the restore: each argument is a letter
 * for how it is held, a colon, and a name. After the restore, each is looked at, and what is found
 * is written to `seen`, a line each: the name, and what is read behind the position. */
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "victim.h"

static const char *file_path(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	return path;
}

static void make_file(const char *name)
{
	int fd = open(file_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	EXPECT(fd >= 0 && write(fd, "0123456789", 10) == 10 && close(fd) == 0);
}

/* The directories that a name is in. */
static void make_parents(const char *name)
{
	char parent[NAME_MAX];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
		EXPECT(mkdir(file_path(parent), 0755) == 0 || errno == EEXIST);
	}
}

static int hold_file(const char *name, int flags)
{
	int fd;

	make_file(name);
	fd = open(file_path(name), flags);
	EXPECT(fd >= 0);
	if (!(flags & O_PATH))
		EXPECT(lseek(fd, 5, SEEK_SET) == 5);
	return fd;
}

static void *hold_mapping(const char *name, int flags)
{
	int prot = flags == MAP_SHARED ? PROT_READ | PROT_WRITE : PROT_READ;
	int fd = hold_file(name, flags == MAP_SHARED ? O_RDWR : O_RDONLY);
	void *mapping = mmap(NULL, 4096, prot, flags, fd, 0);

	EXPECT(mapping != MAP_FAILED && close(fd) == 0);
	return mapping;
}

static int hold_directory(const char *name, int flags)
{
	int fd;

	EXPECT(mkdir(file_path(name), 0755) == 0);
	fd = open(file_path(name), O_DIRECTORY | flags);
	EXPECT(fd >= 0);
	return fd;
}

static int hold_socket(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	EXPECT(chdir(victim_dir()) == 0);
	(void)strcpy(address.sun_path, name);
	EXPECT(bind(fd, (void *)&address, sizeof(address)) == 0);
	EXPECT(chdir("/") == 0);
	return fd;
}

static int hold_fifo(const char *name)
{
	int fd;

	EXPECT(mkfifo(file_path(name), 0644) == 0);
	fd = open(file_path(name), O_RDWR);
	EXPECT(fd >= 0);
	return fd;
}

struct held {
	const char *name;
	const char *mapping;
	int fd;
};

static void hold(char kind, struct held *held)
{
	static int inotify = -1;

	make_parents(held->name);
	switch (kind) {
	case 'r':
		held->fd = hold_file(held->name, O_RDONLY);
		return;
	case 'w':
		held->fd = hold_file(held->name, O_RDWR);
		return;
	case 'a':
		held->fd = hold_file(held->name, O_RDWR | O_APPEND);
		return;
	case 'p':
		held->fd = hold_file(held->name, O_PATH);
		return;
	case 'd':
		held->fd = hold_directory(held->name, O_RDONLY);
		return;
	case 'c':
		EXPECT(close(hold_directory(held->name, O_RDONLY)) == 0);
		EXPECT(chdir(file_path(held->name)) == 0);
		return;
	case 'f':
		held->fd = hold_fifo(held->name);
		return;
	case 'u':
		held->fd = hold_socket(held->name);
		return;
	case 'm':
		held->mapping = hold_mapping(held->name, MAP_PRIVATE);
		return;
	case 's':
		held->mapping = hold_mapping(held->name, MAP_SHARED);
		return;
	case 'i':
		make_file(held->name);
		if (inotify < 0)
			inotify = inotify_init1(IN_NONBLOCK);
		EXPECT(inotify_add_watch(inotify, file_path(held->name), IN_MODIFY) > 0);
		return;
	default:
		victim_fail("%c is not known", kind);
	}
}

static void look(const struct held *held, FILE *seen)
{
	char text[64] = "";
	struct stat st;

	if (held->mapping)
		(void)strncpy(text, held->mapping, sizeof(text) - 1);
	else if (held->fd > 0 && fstat(held->fd, &st) == 0 && S_ISREG(st.st_mode))
		EXPECT(read(held->fd, text, sizeof(text) - 1) >= 0 || errno == EBADF);
	(void)fprintf(seen, "%s %s\n", held->name, text);
}

int main(int argc, char **argv)
{
	struct held *held = calloc((size_t)argc, sizeof(*held));
	FILE *seen;

	for (int i = 1; i < argc; i++) {
		held[i].name = argv[i] + 2;
		hold(argv[i][0], &held[i]);
	}
	wait_for_restore();
	seen = fopen(file_path("seen"), "we");
	EXPECT(seen);
	for (int i = 1; i < argc; i++)
		look(&held[i], seen);
	EXPECT(fclose(seen) == 0);
	victim_done();
}
