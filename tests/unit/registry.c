/* The registry: entries, hostile ones, dead ones, and its directory. */
#include "target/registry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "container.h"
#include "core/cleanup.h"
#include "ctckpt/list.h"
#include "target/process.h"
#include "unit.h"

/* A registry of its own for a case. */
struct home {
	char path[64];
};

static struct home new_home(struct unit *unit)
{
	struct home home = { "/tmp/unit-registry-XXXXXX" };

	EXPECT(unit, mkdtemp(home.path) != NULL);
	(void)setenv("XDG_RUNTIME_DIR", home.path, 1);
	return home;
}

static void home_free(struct home *home)
{
	auto_free char *command = mem_printf("rm -rf '%s'", home->path);

	(void)!system(command);
}
#define auto_home auto_with(home_free) __attribute__((unused))

static char *path_in(const struct home *home, const char *file)
{
	return mem_printf("%s/ctckpt/%s", home->path, file);
}

static void write_text(struct unit *unit, const char *path, const char *text, mode_t mode)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	EXPECT(unit, fd >= 0 && fchmod(fd, mode) == 0);
	EXPECT(unit, write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static struct registry_entry entry_of(const char *name, pid_t init)
{
	struct registry_entry entry = { .name = (char *)name, .init = init };
	struct process process = { .pid = 0 };
	struct err err = ERR_NONE;

	(void)process_read_pid(init, &process, &err);
	entry.start_time = process.start_time;
	return entry;
}

static size_t list_count(struct unit *unit)
{
	struct registry_entry *entries = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	EXPECT(unit, registry_list(&entries, &count, &err) == 0);
	registry_list_free(entries, count);
	return count;
}

/* ---- names ---- */

static void names(struct unit *unit)
{
	char longest[66];

	memset(longest, 'a', 65);
	longest[65] = '\0';
	EXPECT(unit, !registry_name_is_valid(longest));
	longest[64] = '\0';
	EXPECT(unit, registry_name_is_valid(longest));
	EXPECT(unit, registry_name_is_valid("a") && registry_name_is_valid("0.json_x-"));
	EXPECT(unit, !registry_name_is_valid("") && !registry_name_is_valid("."));
	EXPECT(unit, !registry_name_is_valid("..") && !registry_name_is_valid("a/b"));
	EXPECT(unit, !registry_name_is_valid("-a") && !registry_name_is_valid("a\n"));
	EXPECT(unit, !registry_name_is_valid("pid:1") && !registry_name_is_valid("\xc3\xa4"));
}

static void names_that_are_kept(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	auto_free char *state = path_in(&home, "web.oci");
	auto_free char *ignored = NULL;
	struct err err = ERR_NONE;

	EXPECT(unit, registry_name_is_free("web"));
	EXPECT(unit, registry_file_path("web", &ignored, &err) == 0);
	EXPECT(unit, registry_name_is_free("web"));
	write_text(unit, state, "{}", 0600);
	EXPECT(unit, !registry_name_is_free("web"));
	EXPECT(unit, registry_name_is_free("we"));
}

static void new_names(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	struct err err = ERR_NONE;

	for (int i = 0; i < 50; i++) {
		auto_free char *name = NULL;

		EXPECT(unit, registry_new_name(&name, &err) == 0);
		EXPECT(unit, name && registry_name_is_valid(name));
	}
}

/* ---- entries as text ---- */

static void entry_round_trip(struct unit *unit)
{
	auto_with(registry_entry_free) struct registry_entry got = { .name = NULL };
	struct registry_entry entry = { .name = (char *)"web",
					.init = 12,
					.start_time = 1ull << 40,
					.seccomp = (char *)"000600000000000000060000",
					.runtime = (char *)"runc",
					.id = (char *)"0123",
					.bundle = (char *)"/b",
					.cgroups = (char *)"1:x:/y\n0::/\n",
					.starter = 1ull << 41,
					.starter_device = 5,
					.timer = 77,
					.timer_start_time = 1ull << 42 };
	struct registry_place place = { "b-o-o-t", 4026531836 }, got_place;
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;

	entry.rootfs = (char *)"/a b%\n\"\\\xff/\xc3\xa4";
	entry.cgroup_path = (char *)"/sys/fs/cgroup/x";
	registry_entry_print(&entry, &place, &text);
	if (!EXPECT(unit,
		    registry_entry_parse(text.data, text.size, "web", &got, &got_place, &err) == 0))
		return;
	EXPECT_TEXT(unit, got.name, "web");
	EXPECT(unit, strcmp(got.rootfs, entry.rootfs) == 0);
	EXPECT_TEXT(unit, got.cgroup_path, entry.cgroup_path);
	EXPECT_TEXT(unit, got.seccomp, entry.seccomp);
	EXPECT_TEXT(unit, got.runtime, entry.runtime);
	EXPECT_TEXT(unit, got.id, entry.id);
	EXPECT_TEXT(unit, got.bundle, entry.bundle);
	EXPECT_TEXT(unit, got.cgroups, entry.cgroups);
	EXPECT(unit, got.starter == 1ull << 41 && got.starter_device == 5);
	EXPECT(unit, got.timer == 77 && got.timer_start_time == 1ull << 42);
	EXPECT(unit, got.image == NULL && got.init == 12 && got.start_time == 1ull << 40);
	EXPECT(unit, got_place.pid_ns == 4026531836 && strcmp(got_place.boot_id, "b-o-o-t") == 0);
}

#define ENTRY(version, name, init, start, more)                                                    \
	"{\"ctckpt_container\": " version ", \"name\": " name ", \"init\": " init                  \
	", \"start_time\": " start ", \"boot_id\": \"b\", \"pid_ns\": 1" more "}"

static void entry_refuses(struct unit *unit)
{
	static const char *const bad[] = {
		"",
		"[]",
		"7",
		"{}",
		"{\"ctckpt_container\": 1}",
		ENTRY("2", "\"x\"", "5", "6", ""),
		ENTRY("1", "\"y\"", "5", "6", ""),
		ENTRY("1", "null", "5", "6", ""),
		ENTRY("1", "\"x\"", "0", "6", ""),
		ENTRY("1", "\"x\"", "-5", "6", ""),
		ENTRY("1", "\"x\"", "2147483648", "6", ""),
		ENTRY("1", "\"x\"", "\"5\"", "6", ""),
		ENTRY("1", "\"x\"", "5", "1.5", ""),
		ENTRY("1", "\"x\"", "5", "6", ", \"rootfs\": 5"),
		ENTRY("1", "\"x\"", "5", "6", ", \"rootfs\": \"/%\""),
		ENTRY("1", "\"x\"", "5", "6", ", \"rootfs\": \"/%0\""),
		ENTRY("1", "\"x\"", "5", "6", ", \"rootfs\": \"/%00\""),
		ENTRY("1", "\"x\"", "5", "6", ", \"rootfs\": \"/%g0\""),
		ENTRY("1", "\"x\"", "5", "6", ", \"init\": 7"),
		ENTRY("1", "\"x\"", "5", "6", ", \"id\": \"i\""),
		ENTRY("1", "\"x\"", "5", "6", ", \"id\": 7"),
		ENTRY("1", "\"x\"", "5", "6",
		      ", \"id\": \"i\", \"starter\": 1, \"starter_device\": 1, \"timer\": -1"),
		ENTRY("1", "\"x\"", "5", "6",
		      ", \"id\": \"i\", \"starter\": 1, \"starter_device\": 1, \"timer\": 1"),
	};
	static const char good[] = ENTRY("1", "\"x\"", "5", "6", "");
	struct registry_entry got = { .name = NULL };
	struct registry_place place;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT(unit,
		       registry_entry_parse(bad[i], strlen(bad[i]), "x", &got, &place, &err) < 0);
	EXPECT(unit, registry_entry_parse(good, strlen(good), "x", &got, &place, &err) == 0);
	registry_entry_free(&got);
}

/* ---- the directory ---- */

static void add_find_remove(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	auto_with(registry_entry_free) struct registry_entry got = { .name = NULL };
	struct registry_entry entry = entry_of("web", getpid()), other = entry_of("web", getppid());
	auto_free char *file = path_in(&home, "web.json"), *wanted = path_in(&home, "web.sock");
	auto_free char *socket_path = NULL;
	struct err err = ERR_NONE;
	struct stat stat;

	entry.rootfs = (char *)"/r";
	EXPECT(unit, registry_add(&entry, &err) == 0);
	EXPECT(unit, lstat(file, &stat) == 0 && (stat.st_mode & 07777) == 0600);
	EXPECT(unit, registry_add(&other, &err) == -EEXIST);
	/* What is known of the same container may change. */
	entry.rootfs = (char *)"/new";
	EXPECT(unit, registry_add(&entry, &err) == 0);
	EXPECT(unit, list_count(unit) == 1);
	EXPECT(unit, registry_find("web", &got, &err) == 0 && got.init == getpid());
	EXPECT_TEXT(unit, got.rootfs, "/new");
	EXPECT(unit, registry_socket_path("web", &socket_path, &err) == 0);
	EXPECT_TEXT(unit, socket_path, wanted);
	EXPECT(unit, registry_remove("web", &err) == 0 && registry_remove("web", &err) == 0);
	EXPECT(unit, lstat(file, &stat) < 0 && list_count(unit) == 0);
	registry_entry_free(&got);
	EXPECT(unit, registry_find("web", &got, &err) == -ENOENT);
	EXPECT(unit, registry_find("../web", &got, &err) == ERR_USAGE);
	entry.name = (char *)"../x";
	EXPECT(unit, registry_add(&entry, &err) == ERR_USAGE);
}

static void dead_entries_go(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	struct registry_entry entry = entry_of("dead", getpid()), got;
	auto_free char *file = path_in(&home, "dead.json"), *sock = path_in(&home, "dead.sock");
	struct err err = ERR_NONE;

	entry.start_time++;
	EXPECT(unit, registry_add(&entry, &err) == 0);
	write_text(unit, sock, "", 0600);
	EXPECT(unit, registry_find("dead", &got, &err) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, "container dead has ended");
	EXPECT(unit, access(file, F_OK) == 0);
	EXPECT(unit, list_count(unit) == 0);
	EXPECT(unit, access(file, F_OK) < 0 && access(sock, F_OK) < 0);
	/* A dead one does not keep its name. */
	EXPECT(unit, registry_add(&entry, &err) == 0 && registry_add(&entry, &err) == 0);
}

static void zombie_is_dead(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	struct registry_entry entry;
	struct err err = ERR_NONE;
	siginfo_t info;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	EXPECT(unit, waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
	entry = entry_of("zombie", child);
	EXPECT(unit, registry_add(&entry, &err) == 0);
	EXPECT(unit, list_count(unit) == 0);
	EXPECT(unit, waitpid(child, NULL, 0) == child);
}

static void hostile_files_are_skipped(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	struct registry_entry entry = entry_of("good", getpid()), got;
	auto_free char *damaged = path_in(&home, "damaged.json");
	auto_free char *readable = path_in(&home, "readable.json");
	auto_free char *fifo = path_in(&home, "fifo.json"), *link = path_in(&home, "link.json");
	auto_free char *big = path_in(&home, "big.json"), *good = path_in(&home, "good.json");
	auto_free char *odd = path_in(&home, "-odd.json"), *folder = path_in(&home, "dir.json");
	struct err err = ERR_NONE;

	EXPECT(unit, registry_add(&entry, &err) == 0);
	write_text(unit, damaged, "{\"ctckpt_container\": 1, \"name\": ", 0600);
	write_text(unit, readable, "{}", 0644);
	write_text(unit, odd, "{}", 0600);
	write_text(unit, big, "", 0600);
	EXPECT(unit, truncate(big, 1 << 30) == 0);
	EXPECT(unit, mkfifo(fifo, 0600) == 0 && symlink(good, link) == 0);
	EXPECT(unit, mkdir(folder, 0700) == 0);
	EXPECT(unit, list_count(unit) == 1);

	EXPECT(unit, registry_find("damaged", &got, &err) == ERR_FAILED);
	EXPECT(unit, strncmp(err.text, "registry entry damaged.json: ", 29) == 0);
	EXPECT(unit, registry_find("readable", &got, &err) == ERR_FAILED);
	EXPECT(unit, registry_find("fifo", &got, &err) == ERR_FAILED);
	EXPECT(unit, registry_find("link", &got, &err) == -ELOOP);
	EXPECT(unit, registry_find("big", &got, &err) == ERR_FAILED);
	entry.name = (char *)"damaged";
	EXPECT(unit, registry_add(&entry, &err) == ERR_FAILED);
	EXPECT(unit, access(damaged, F_OK) == 0);
}

static void directory_is_checked(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	auto_free char *dir = mem_printf("%s/ctckpt", home.path);
	struct registry_entry *entries, entry = entry_of("x", getpid());
	struct err err = ERR_NONE;
	size_t count;

	EXPECT(unit, mkdir(dir, 0700) == 0 && chmod(dir, 0750) == 0);
	EXPECT(unit, registry_list(&entries, &count, &err) == ERR_FAILED && err.hint[0] != '\0');
	EXPECT(unit, rmdir(dir) == 0 && symlink("/tmp", dir) == 0);
	EXPECT(unit, registry_list(&entries, &count, &err) < 0);
	EXPECT(unit, unlink(dir) == 0);
	if (geteuid() == 0) {
		EXPECT(unit, mkdir(dir, 0700) == 0 && chown(dir, 1234, 1234) == 0);
		EXPECT(unit, registry_list(&entries, &count, &err) == ERR_FAILED);
	}
	(void)setenv("XDG_RUNTIME_DIR", "/nonexistent/x", 1);
	EXPECT(unit, registry_list(&entries, &count, &err) == 0 && count == 0);
	EXPECT(unit, registry_add(&entry, &err) == -ENOENT && err.hint[0] != '\0');
}

/* Whoever shares the directory from another pid namespace must not take ours for dead. */
static void other_pid_namespace(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	auto_free char *file = path_in(&home, "web.json");
	struct registry_entry entry = entry_of("web", getpid()), got;
	auto_buf struct buf printed = BUF_EMPTY;
	struct registry_place place;
	struct err err = ERR_NONE;

	EXPECT(unit, registry_add(&entry, &err) == 0);
	EXPECT(unit, registry_place_get(&place, &err) == 0);
	place.pid_ns++;
	registry_entry_print(&entry, &place, &printed);
	write_text(unit, file, printed.data, 0600);
	EXPECT(unit, list_count(unit) == 0 && access(file, F_OK) == 0);
	EXPECT(unit, registry_add(&entry, &err) == -EEXIST);
	EXPECT(unit, registry_find("web", &got, &err) == ERR_FAILED);

	place.boot_id[0] = place.boot_id[0] == 'z' ? 'y' : 'z';
	buf_clear(&printed);
	registry_entry_print(&entry, &place, &printed);
	write_text(unit, file, printed.data, 0600);
	EXPECT(unit, list_count(unit) == 0 && access(file, F_OK) < 0);
}

/* And lives until it is killed. */
static _Noreturn void add_itself(const char *name, int results)
{
	struct registry_entry entry = entry_of(name, getpid());
	struct err err = ERR_NONE;
	char won = registry_add(&entry, &err) == 0;

	(void)!write(results, &won, 1);
	for (;;)
		(void)pause();
}

static void adding_at_once(struct unit *unit)
{
	enum { RIVALS = 8 };
	auto_home struct home home = new_home(unit);
	pid_t rivals[RIVALS];
	int results[2];
	int winners = 0;

	EXPECT(unit, pipe2(results, O_CLOEXEC) == 0);
	for (int i = 0; i < RIVALS; i++) {
		rivals[i] = fork();
		if (rivals[i] == 0)
			add_itself("one", results[1]);
	}
	for (int i = 0; i < RIVALS; i++) {
		char won = 0;

		EXPECT(unit, read(results[0], &won, 1) == 1);
		winners += won;
	}
	EXPECT(unit, winners == 1 && list_count(unit) == 1);
	for (int i = 0; i < RIVALS; i++)
		EXPECT(unit, kill(rivals[i], SIGKILL) == 0 && waitpid(rivals[i], NULL, 0) > 0);
	(void)close(results[0]);
	(void)close(results[1]);
}

/* ---- ctckpt ps ---- */

static int listen_at(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
		drop_fd(&fd);
	return fd;
}

static void expect_state(struct unit *unit, const struct test_container *container,
			 const char *state)
{
	struct ctckpt_container *list = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (EXPECT(unit, ctckpt_list(NULL, &list, &count, &err) == 0 && count == 1)) {
		EXPECT_TEXT(unit, list[0].name, "web");
		EXPECT_TEXT(unit, list[0].state, state);
		EXPECT_TEXT(unit, list[0].engine, "ctckpt");
		EXPECT(unit, list[0].init == container->init && list[0].tasks == 2);
		EXPECT(unit, list[0].memory > 0);
	}
	ctckpt_list_free(list, count);
}

static void listing(struct unit *unit)
{
	auto_home struct home home = new_home(unit);
	auto_free char *sock = path_in(&home, "web.sock");
	struct test_container container = test_container_start();
	struct registry_entry entry;
	struct err err = ERR_NONE;
	int holder;

	if (!EXPECT(unit, container.init > 0))
		return;
	entry = entry_of("web", container.init);
	EXPECT(unit, registry_add(&entry, &err) == 0);
	expect_state(unit, &container, "running");
	holder = listen_at(sock);
	EXPECT(unit, holder >= 0);
	expect_state(unit, &container, "frozen");
	(void)close(holder);
	expect_state(unit, &container, "running");
	test_container_stop(&container);
	EXPECT(unit, list_count(unit) == 0 && access(sock, F_OK) < 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(names),
	UNIT_CASE(names_that_are_kept),
	UNIT_CASE(new_names),
	UNIT_CASE(entry_round_trip),
	UNIT_CASE(entry_refuses),
	UNIT_CASE(add_find_remove),
	UNIT_CASE(dead_entries_go),
	UNIT_CASE(zombie_is_dead),
	UNIT_CASE(hostile_files_are_skipped),
	UNIT_CASE(directory_is_checked),
	UNIT_CASE(other_pid_namespace),
	UNIT_CASE(adding_at_once),
	UNIT_CASE(listing),
};

int main(void)
{
	return UNIT_RUN(cases);
}
