/* Records of descriptors, hostile files and paths. */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/epoll_items.h"
#include "kind/support/file_identity.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "restore/open.h"
#include "unit.h"

static bool is_path(const char *path, size_t size)
{
	return file_path_is_valid(path, size);
}

static void paths(struct unit *unit)
{
	auto_free char *longest = mem_alloc(FILE_PATH_MAX + 1, 1);

	EXPECT(unit, is_path("/", 2) && is_path("/a/b", 5) && is_path("/..a/b../...", 13));
	EXPECT(unit, !is_path("", 0) && !is_path("", 1) && !is_path("a", 2));
	EXPECT(unit, !is_path("/a", 2) && !is_path("/a\0b", 5) && !is_path("/a\0", 4));
	EXPECT(unit, !is_path("/..", 4) && !is_path("/a/..", 6) && !is_path("/a/../b", 8));
	memset(longest, '/', FILE_PATH_MAX);
	longest[FILE_PATH_MAX - 1] = '\0';
	EXPECT(unit, is_path(longest, FILE_PATH_MAX));
	longest[FILE_PATH_MAX - 1] = '/';
	EXPECT(unit, !is_path(longest, FILE_PATH_MAX + 1));
}

static void flags(struct unit *unit)
{
	EXPECT(unit, file_flags_are_valid(O_RDWR | O_APPEND | O_NONBLOCK | O_SYNC | O_NOATIME));
	EXPECT(unit, !file_flags_are_valid(O_CREAT) && !file_flags_are_valid(O_TRUNC));
	EXPECT(unit, !file_flags_are_valid(O_EXCL) && !file_flags_are_valid(O_PATH));
	EXPECT(unit, !file_flags_are_valid(O_CLOEXEC) && !file_flags_are_valid(O_ACCMODE));
	EXPECT(unit, !file_flags_are_valid(O_TMPFILE) && !file_flags_are_valid(1u << 31));
	EXPECT(unit, file_can_read(O_RDONLY) && !file_can_read(O_WRONLY) && file_can_read(O_RDWR));
	EXPECT(unit, !file_can_write(O_RDONLY) && file_can_write(O_WRONLY));
}

/* A record's check says why in words of the kind. */
static bool is_refused(const char *kind_name, const void *body, size_t length, const char *text)
{
	const struct kind *kind = kind_by_name(kind_name);
	void *exact = memcpy(mem_alloc(length, 1), body, length);
	struct err err = ERR_NONE;
	int r = kind->check(exact, length, &err);

	free(exact);
	return r == ERR_DAMAGED && strstr(err.text, text);
}

static bool is_accepted(const char *kind_name, const void *body, size_t length)
{
	struct err err = ERR_NONE;

	return kind_by_name(kind_name)->check(body, length, &err) == 0;
}

static void eventfd_records(struct unit *unit)
{
	uint64_t rec[2] = { 7, 1 };

	EXPECT(unit, is_accepted("eventfd", rec, sizeof(rec)));
	EXPECT(unit, is_refused("eventfd", rec, 15, "15 bytes"));
	rec[0] = UINT64_MAX;
	EXPECT(unit, is_refused("eventfd", rec, sizeof(rec), "impossible count"));
	rec[0] = 0;
	rec[1] = 2;
	EXPECT(unit, is_refused("eventfd", rec, sizeof(rec), "unknown bits"));
}

static void pipe_records(struct unit *unit)
{
	uint32_t rec[5] = { O_WRONLY, 0, 65536, 4, 0x61626364 };

	EXPECT(unit, is_accepted("pipe", rec, 20));
	EXPECT(unit, is_refused("pipe", rec, 12, "12 bytes"));
	EXPECT(unit, is_refused("pipe", rec, 19, "3 bytes of content instead of 4"));
	rec[2] = 5000;
	EXPECT(unit, is_refused("pipe", rec, 20, "impossible size"));
	rec[2] = 1u << 31;
	EXPECT(unit, is_refused("pipe", rec, 20, "impossible size"));
	rec[1] = 9;
	EXPECT(unit, is_refused("pipe", rec, 20, "content in a second description"));
	rec[2] = rec[3] = 0;
	EXPECT(unit, is_accepted("pipe", rec, 16));
	rec[0] = O_TRUNC;
	EXPECT(unit, is_refused("pipe", rec, 16, "unknown flags"));
}

static void chardev_records(struct unit *unit)
{
	struct {
		uint32_t flags, major, minor, reserved;
		char path[16];
	} rec = { O_RDWR, 1, 3, 0, "/dev/null" };

	EXPECT(unit, is_accepted("chardev", &rec, 16 + 10));
	EXPECT(unit, is_refused("chardev", &rec, 16 + 9, "bad path"));
	rec.minor = 1; /* mem */
	EXPECT(unit, is_refused("chardev", &rec, 16 + 10, "device 1:1 is not supported"));
	rec.major = 10;
	rec.minor = 200;
	EXPECT(unit, is_refused("chardev", &rec, 16 + 10, "device 10:200 is not supported"));
}

static void eventpoll_records(struct unit *unit)
{
	uint32_t rec[4 + 8] = { 1, 1, O_RDWR, 0, 0, 0, 5, 3, 1, 0, 0, 0 };

	EXPECT(unit, is_accepted("eventpoll", rec, sizeof(rec)));
	EXPECT(unit, is_refused("eventpoll", rec, sizeof(rec) - 4, "for 1 items"));
	rec[0] = UINT32_MAX;
	EXPECT(unit, is_refused("eventpoll", rec, sizeof(rec), "items"));
	rec[0] = 1;
	rec[7] = UINT32_MAX;
	EXPECT(unit, is_refused("eventpoll", rec, sizeof(rec), "descriptor -1"));
	rec[7] = 3;
	rec[10] = 4;
	EXPECT(unit, is_refused("eventpoll", rec, sizeof(rec), "moved for nothing"));
}

static void memfd_records(struct unit *unit)
{
	struct {
		uint64_t offset, size;
		uint32_t flags, carrier, mode, seals;
		char name[8];
	} rec = { 0, 5, O_RDWR, 0, 0777, F_SEAL_WRITE, "name" };

	EXPECT(unit, is_accepted("memfd", &rec, 32 + 5));
	EXPECT(unit, is_refused("memfd", &rec, 32, "bad name"));
	EXPECT(unit, is_refused("memfd", &rec, 32 + 6, "bad name"));
	rec.mode = 04755;
	EXPECT(unit, is_refused("memfd", &rec, 32 + 5, "impossible size or mode"));
	rec.mode = 0777;
	rec.seals = 0x40;
	EXPECT(unit, is_refused("memfd", &rec, 32 + 5, "offset or seals"));
}

static void timerfd_records(struct unit *unit)
{
	struct {
		uint64_t ticks, value_s, interval_s;
		uint32_t value_ns, interval_ns, clock, flags, settime_flags, is_date;
	} rec = { .value_s = 5, .clock = 1 };

	EXPECT(unit, is_accepted("timerfd", &rec, sizeof(rec)));
	rec.value_ns = 1000000000;
	EXPECT(unit, is_refused("timerfd", &rec, sizeof(rec), "impossible time"));
	rec.value_ns = 0;
	rec.is_date = 1;
	EXPECT(unit, is_refused("timerfd", &rec, sizeof(rec), "a date of another clock"));
	rec.clock = 3;
	EXPECT(unit, is_refused("timerfd", &rec, sizeof(rec), "unknown clock 3"));
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);

	if (fd >= 0 && pwrite(fd, data, size, 0) != (ssize_t)size)
		drop_fd(&fd);
	return fd;
}

struct tiny_elf {
	Elf64_Ehdr header;
	Elf64_Phdr program;
	Elf64_Nhdr note;
	char name[4];
	unsigned char id[20];
};

static struct tiny_elf tiny_elf(void)
{
	struct tiny_elf elf = {
		.header = { .e_phoff = offsetof(struct tiny_elf, program), .e_phnum = 1 },
		.program = { .p_type = PT_NOTE,
			     .p_offset = offsetof(struct tiny_elf, note),
			     .p_filesz = sizeof(Elf64_Nhdr) + 24 },
		.note = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.id = { 1, 2, 3 },
	};

	memcpy(elf.header.e_ident, ELFMAG, SELFMAG);
	elf.header.e_ident[EI_CLASS] = ELFCLASS64;
	elf.header.e_ident[EI_DATA] = ELFDATA2LSB;
	return elf;
}

static uint32_t build_id_size(const struct tiny_elf *elf)
{
	unsigned char id[BUILD_ID_MAX];
	auto_close int fd = file_of(elf, sizeof(*elf));

	return build_id_read(fd, id);
}

static void build_ids(struct unit *unit)
{
	struct tiny_elf elf = tiny_elf();

	EXPECT(unit, build_id_size(&elf) == 20);
	elf.note.n_descsz = UINT32_MAX;
	EXPECT(unit, build_id_size(&elf) == 0);
	elf.note.n_descsz = 20;
	elf.note.n_namesz = UINT32_MAX;
	EXPECT(unit, build_id_size(&elf) == 0);
	elf.note.n_namesz = 4;
	elf.program.p_filesz = UINT64_MAX;
	EXPECT(unit, build_id_size(&elf) == 0);
	elf.program.p_filesz = sizeof(Elf64_Nhdr) + 24;
	elf.program.p_offset = UINT64_MAX;
	EXPECT(unit, build_id_size(&elf) == 0);
	elf.program.p_offset = offsetof(struct tiny_elf, note);
	elf.header.e_phoff = UINT64_MAX - 5;
	EXPECT(unit, build_id_size(&elf) == 0);
	elf.header.e_phoff = offsetof(struct tiny_elf, program);
	elf.header.e_phnum = 60000;
	EXPECT(unit, build_id_size(&elf) == 0);
}

static void file_changes(struct unit *unit)
{
	struct file_identity saved = { .size = 10, .mtime_s = 5, .build_id_size = 20 };
	struct file_identity now = saved;
	auto_free char *text = NULL;

	EXPECT(unit, file_identity_compare(&saved, &now) == FILE_SAME);
	EXPECT(unit, file_identity_explain(&saved, &now) == NULL);
	now.mtime_s = 6;
	EXPECT(unit, file_identity_compare(&saved, &now) == FILE_TOUCHED);
	now.size = 9;
	EXPECT(unit, file_identity_compare(&saved, &now) == FILE_TRUNCATED);
	now.size = 11;
	EXPECT(unit, file_identity_compare(&saved, &now) == FILE_APPENDED);
	text = file_identity_explain(&saved, &now);
	EXPECT_TEXT(unit, text, "the file was appended to: 10 bytes then, 11 now");
	now.build_id[19] = 1;
	EXPECT(unit, file_identity_compare(&saved, &now) == FILE_REPLACED);
	now.build_id_size = 0;
	EXPECT(unit, file_identity_compare(&saved, &now) == FILE_REPLACED);
}

static void judgements(struct unit *unit)
{
	struct file_identity plain = { .size = 10, .mtime_s = 5 };
	struct file_identity built = { .size = 10, .mtime_s = 5, .build_id_size = 20 };
	struct file_identity now = plain;
	struct file_identity other = built;

	EXPECT(unit, file_identity_judge(&plain, &now, false, true) == FILE_FITS);
	now.mtime_s = other.mtime_s = 6;
	EXPECT(unit, file_identity_judge(&plain, &now, false, false) == FILE_DIFFERS);
	EXPECT(unit, file_identity_judge(&plain, &now, true, false) == FILE_FITS);
	EXPECT(unit, file_identity_judge(&plain, &now, false, true) == FILE_UNFIT);
	EXPECT(unit, file_identity_judge(&built, &other, false, true) == FILE_FITS);
	now.size = other.size = 11;
	EXPECT(unit, file_identity_judge(&plain, &now, false, false) == FILE_DIFFERS);
	EXPECT(unit, file_identity_judge(&plain, &now, true, false) == FILE_FITS);
	EXPECT(unit, file_identity_judge(&built, &other, false, false) == FILE_UNFIT);
	now.size = other.size = 9;
	EXPECT(unit, file_identity_judge(&plain, &now, true, false) == FILE_UNFIT);
	other = built;
	other.build_id[0] = 1;
	EXPECT(unit, file_identity_judge(&built, &other, true, false) == FILE_UNFIT);
}

static void epoll_lines(struct unit *unit)
{
	static const char text[] =
	    "pos:\t0\nflags:\t02\nmnt_id:\t16\n"
	    "tfd:        5 events:       19 data: ffffffffffffffff  pos:0 ino:61af sdev:7\n"
	    "tfd:        7 events: 40000000 data:                1  pos:0 ino:61af sdev:7\n"
	    "tfd:        5 events:       19 data:                2  pos:0 ino:61b0 sdev:7\n";
	auto_free struct epoll_item *items = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	EXPECT(unit, epoll_items_parse(text, &items, &count, &err) == 0 && count == 3);
	if (count != 3)
		return;
	EXPECT(unit, items[0].data == UINT64_MAX && items[0].events == 0x19);
	EXPECT(unit, items[0].number == 5 && items[0].nth == 0);
	EXPECT(unit, items[1].number == 7 && items[1].nth == 0);
	EXPECT(unit, items[2].number == 5 && items[2].nth == 1);
	EXPECT(unit, epoll_items_parse("tfd: x\n", &items, &count, &err) == ERR_HOST);
}

/* A root with things in it that lead out of it. */
static int root_make(char template[])
{
	int root = mkdtemp(template) ? open(template, O_RDONLY | O_DIRECTORY) : -1;
	int file = openat(root, "file", O_WRONLY | O_CREAT, 0600);

	if (file < 0 || symlinkat("/file", root, "absolute") < 0 ||
	    symlinkat("../../../../../../etc/passwd", root, "up") < 0 ||
	    symlinkat("/etc", root, "out") < 0 || symlinkat("/", root, "here") < 0 ||
	    symlinkat("loop", root, "loop") < 0 || mkfifoat(root, "fifo", 0600) < 0)
		perror("root_make");
	(void)close(file);
	return root;
}

static void root_remove(int root, const char *path)
{
	static const char *const names[] = {
		"file", "absolute", "up", "out", "here", "loop", "fifo"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlinkat(root, names[i], 0);
	(void)rmdir(path);
}

static int open_result(int root, const char *path, mode_t type)
{
	auto_close int fd = -1;

	return open_path(root, path, type, &fd);
}

static void opens_beneath_root(struct unit *unit)
{
	char path[] = "/tmp/ctckpt-unit-XXXXXX";
	auto_close int root = root_make(path);
	auto_close int fd = -1;

	EXPECT(unit, open_path(root, "/file", S_IFREG, &fd) == 0);
	EXPECT(unit, fcntl(fd, F_GETFL) & O_PATH);
	/* Links on the way stay inside; one in the file's own place is not followed. */
	EXPECT(unit, open_result(root, "/here/here/file", S_IFREG) == 0);
	EXPECT(unit, open_result(root, "/absolute", S_IFREG) == -ESTALE);
	EXPECT(unit, open_result(root, "/up", S_IFREG) == -ESTALE);
	EXPECT(unit, open_result(root, "/here", S_IFDIR) == -ESTALE);
	EXPECT(unit, open_result(root, "/absolute", S_IFLNK) == 0);
	EXPECT(unit, open_result(root, "/out/passwd", 0) == -ENOENT);
	EXPECT(unit, open_result(root, "/loop/file", 0) == -ELOOP);
	EXPECT(unit, open_result(root, "/../../etc/passwd", 0) == -ENOENT);
	EXPECT(unit, open_result(root, "/fifo", S_IFREG) == -ESTALE);
	EXPECT(unit, open_result(root, "/", S_IFREG) == -ESTALE);
	root_remove(root, path);
}

static void opens_no_process(struct unit *unit)
{
	auto_close int all = open("/", O_PATH | O_DIRECTORY);
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY);
	auto_free char *longest = mem_alloc(FILE_PATH_MAX + 2, 1);
	auto_close int fd = -1;

	memset(longest, '/', FILE_PATH_MAX + 1);
	EXPECT(unit, open_result(all, longest, 0) == -ENAMETOOLONG);
	EXPECT(unit, open_result(all, "/proc/self/root/etc/passwd", 0) == -ELOOP);
	EXPECT(unit, open_result(all, "/proc/self/fd/0", S_IFREG) == -ESTALE);
	EXPECT(unit, open_result(all, "/proc/self/exe", 0) == 0);
	EXPECT(unit, open_result(all, "/dev/null", S_IFREG) == -ESTALE);
	EXPECT(unit, open_path(all, "/proc/self/mem", S_IFREG, &fd) == 0);
	EXPECT(unit, open_is_of_a_process(proc, fd));
	drop_fd(&fd);
	EXPECT(unit, open_path(all, "/proc/meminfo", S_IFREG, &fd) == 0);
	EXPECT(unit, !open_is_of_a_process(proc, fd));
}

static int trial(int root, const char *path, uint32_t flags, mode_t type, bool is_executed,
		 const char **ret_trouble)
{
	struct file_trial trial = { .flags = flags, .type = type, .is_executed = is_executed };
	int r = file_trial_open(root, path, &trial);

	*ret_trouble = trial.trouble ? trial.trouble : "";
	return r;
}

static void tries(struct unit *unit)
{
	char path[] = "/tmp/ctckpt-unit-XXXXXX";
	auto_close int root = root_make(path);
	auto_close int all = open("/", O_PATH | O_DIRECTORY);
	const char *trouble;

	EXPECT(unit, trial(root, "/file", O_RDWR, S_IFREG, false, &trouble) == 0);
	EXPECT(unit, trial(root, "/file", O_RDWR, S_IFREG, true, &trouble) == -EACCES);
	EXPECT(unit, trial(root, "/fifo", O_WRONLY, S_IFIFO, false, &trouble) == 0);
	EXPECT(unit, trial(root, "/", O_RDONLY, S_IFDIR, true, &trouble) == 0);
	EXPECT(unit, trial(root, "/fifo", O_WRONLY, S_IFREG, false, &trouble) == -ESTALE);
	EXPECT_TEXT(unit, trouble, "it is a fifo now");
	EXPECT(unit, trial(root, "/up", O_RDONLY, S_IFREG, false, &trouble) == -ESTALE);
	EXPECT_TEXT(unit, trouble, "it is a symbolic link now");
	EXPECT(unit, trial(all, "/proc/self/mem", O_RDONLY, S_IFREG, false, &trouble) == -ESTALE);
	EXPECT_TEXT(unit, trouble, "it is a file of a process");
	root_remove(root, path);
}

static void opens_the_inode(struct unit *unit)
{
	char path[] = "/tmp/ctckpt-unit-XXXXXX";
	auto_close int root = root_make(path);
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY);
	auto_close int place = -1;
	auto_close int fd = -1;
	struct stat st;

	EXPECT(unit, open_path(root, "/file", S_IFREG, &place) == 0);
	EXPECT(unit, renameat(root, "fifo", root, "file") == 0);
	EXPECT(unit, open_inode(proc, place, O_WRONLY | O_APPEND, &fd) == 0);
	EXPECT(unit, fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	EXPECT(unit, fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_APPEND));
	root_remove(root, path);
}

static const struct unit_case cases[] = {
	UNIT_CASE(paths),	    UNIT_CASE(flags),
	UNIT_CASE(eventfd_records), UNIT_CASE(pipe_records),
	UNIT_CASE(chardev_records), UNIT_CASE(eventpoll_records),
	UNIT_CASE(memfd_records),   UNIT_CASE(timerfd_records),
	UNIT_CASE(build_ids),	    UNIT_CASE(file_changes),
	UNIT_CASE(epoll_lines),	    UNIT_CASE(opens_beneath_root),
	UNIT_CASE(opens_the_inode), UNIT_CASE(opens_no_process),
	UNIT_CASE(tries),	    UNIT_CASE(judgements),
};

int main(void)
{
	return UNIT_RUN(cases);
}
