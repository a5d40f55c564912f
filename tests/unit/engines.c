/* What other engines have left: their files, and names. Hostile ones, too. */
#include "target/engine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "target/process.h"
#include "unit.h"

#define ID "3f2a9c0e1b4d5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8"

/* ---- runc ---- */

static void runc_state(struct unit *unit)
{
	static const char text[] =
	    "{\"id\":\"web\",\"init_process_pid\":4711,\"init_process_start\":99,"
	    "\"config\":{\"rootfs\":\"/r\",\"labels\":[\"x=y\",\"bundle=/b\"]}}";
	auto_engine_container struct engine_container container = ENGINE_CONTAINER_NONE;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, runc_state_parse(text, strlen(text), "web", &container, &err) == 0))
		return;
	EXPECT_TEXT(unit, container.engine, "runc");
	EXPECT_TEXT(unit, container.id, "web");
	EXPECT_TEXT(unit, container.bundle, "/b");
	EXPECT_TEXT(unit, container.rootfs, "/r");
	EXPECT(unit, container.init == 4711 && container.start_time == 99 && !container.name);
}

typedef int parse_fn(const char *text, size_t size, const char *id,
		     struct engine_container *ret_container, struct err *err);

static void refuses(struct unit *unit, parse_fn *parse, const char *text, const char *why)
{
	struct engine_container container;
	struct err err = ERR_NONE;

	if (EXPECT(unit, parse(text, strlen(text), "web", &container, &err) < 0))
		EXPECT(unit, strstr(err.text, why) != NULL);
}

static void hostile_runc_states(struct unit *unit)
{
	refuses(unit, runc_state_parse, "", "");
	refuses(unit, runc_state_parse, "[]", "the id inside is another");
	refuses(unit, runc_state_parse, "{\"id\":7}", "the id inside is another");
	refuses(unit, runc_state_parse, "{\"id\":\"other\"}", "the id inside is another");
	refuses(unit, runc_state_parse, "{\"id\":\"web\"}", "init_process_pid is missing");
	refuses(unit, runc_state_parse, "{\"id\":\"web\",\"init_process_pid\":0}",
		"init_process_pid is missing or out of range");
	refuses(unit, runc_state_parse, "{\"id\":\"web\",\"init_process_pid\":-1}",
		"init_process_pid is missing or out of range");
	refuses(unit, runc_state_parse, "{\"id\":\"web\",\"init_process_pid\":2147483648}",
		"init_process_pid is missing or out of range");
	refuses(unit, runc_state_parse, "{\"id\":\"web\",\"init_process_pid\":1}",
		"init_process_start is missing or out of range");
	refuses(unit, runc_state_parse,
		"{\"id\":\"web\",\"init_process_pid\":1,\"init_process_start\":0}",
		"init_process_start is missing or out of range");
}

/* What is not a path is none. */
static void odd_runc_states(struct unit *unit)
{
	static const char text[] =
	    "{\"id\":\"web\",\"init_process_pid\":1,\"init_process_start\":1,"
	    "\"config\":{\"rootfs\":\"relative\",\"labels\":[7,\"bundle=relative\"]}}";
	auto_engine_container struct engine_container container = ENGINE_CONTAINER_NONE;
	struct err err = ERR_NONE;

	EXPECT(unit, runc_state_parse(text, strlen(text), "web", &container, &err) == 0);
	EXPECT(unit, !container.bundle && !container.rootfs);
}

/* ---- crun ---- */

static void crun_status(struct unit *unit)
{
	static const char text[] = "{\"pid\":4711,\"process-start-time\":99,"
				   "\"bundle\":\"/b\",\"rootfs\":\"rootfs\"}";
	auto_engine_container struct engine_container container = ENGINE_CONTAINER_NONE;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, crun_status_parse(text, strlen(text), "web", &container, &err) == 0))
		return;
	EXPECT_TEXT(unit, container.engine, "crun");
	EXPECT_TEXT(unit, container.bundle, "/b");
	EXPECT_TEXT(unit, container.rootfs, "/b/rootfs");
	EXPECT(unit, container.init == 4711 && container.start_time == 99);
}

static void hostile_crun_statuses(struct unit *unit)
{
	refuses(unit, crun_status_parse, "{", "");
	refuses(unit, crun_status_parse, "{\"pid\":\"1\"}", "pid is missing or out of range");
	refuses(unit, crun_status_parse, "{\"pid\":4294967297}", "pid is missing or out of range");
	refuses(unit, crun_status_parse, "{\"pid\":1}", "process-start-time is missing");
}

/* ---- names ---- */

static struct engine_container container_of(const char *id)
{
	struct engine_container container = { .engine = "runc",
					      .id = mem_string(id),
					      .init = getpid() };
	struct process process;
	struct err err = ERR_NONE;

	if (process_read_pid(getpid(), &process, &err) == 0)
		container.start_time = process.start_time;
	return container;
}

static void add(struct engine_list *list, const char *id)
{
	array_grow(list->list, list->count);
	list->list[list->count++] = container_of(id);
}

static void podman_names(struct unit *unit)
{
	static const char text[] = "[{\"id\":\"other\",\"names\":[\"x\"]},"
				   "{\"id\":\"" ID "\",\"names\":[\"web\",\"alias\"]},"
				   "{\"id\":\"nameless\"}]";
	auto_engine_list struct engine_list list = { .list = NULL };
	struct err err = ERR_NONE;

	add(&list, ID);
	add(&list, "own");
	add(&list, "nameless");
	EXPECT(unit, podman_names_parse(text, strlen(text), &list, &err) == 0);
	EXPECT_TEXT(unit, list.list[0].engine, "podman");
	EXPECT_TEXT(unit, list.list[0].name, "web");
	EXPECT_TEXT(unit, list.list[1].engine, "runc");
	EXPECT(unit, list.list[1].name == NULL && list.list[2].name == NULL);
}

static void hostile_podman_names(struct unit *unit)
{
	static const char *const texts[] = { "", "{}", "[[]]", "[{\"id\":1}]", "[{}]", "[null]" };
	auto_engine_list struct engine_list list = { .list = NULL };

	add(&list, ID);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = ERR_NONE;

		EXPECT(unit, podman_names_parse(texts[i], strlen(texts[i]), &list, &err) < 0);
	}
	EXPECT_TEXT(unit, list.list[0].engine, "runc");
}

static void docker_names(struct unit *unit)
{
	static const char *const bad[] = { "", "{}", "{\"Name\":7}", "{\"Name\":\"/\"}" };
	static const char text[] = "{\"ID\":\"x\",\"Name\":\"/web\"}";
	struct err err = ERR_NONE;
	auto_free char *name = NULL;

	EXPECT(unit, docker_name_parse(text, strlen(text), &name, &err) == 0);
	EXPECT_TEXT(unit, name, "web");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *none = NULL;

		EXPECT(unit, docker_name_parse(bad[i], strlen(bad[i]), &none, &err) < 0 && !none);
	}
}

/* ---- systemd-machined ---- */

static void machines(struct unit *unit)
{
	static const char text[] =
	    "# This is private data. Do not parse.\nNAME=web\nSCOPE=machine-my\\\\x2dweb.scope\n"
	    "SERVICE=systemd-nspawn\nROOT=/var/lib/machines/web\n"
	    "ID=00112233445566778899aabbccddeeff\nLEADER=4711\nCLASS=container\n"
	    "REALTIME=1790000000000000\nMONOTONIC=4711000\n";
	auto_engine_container struct engine_container container = ENGINE_CONTAINER_NONE;
	auto_free char *scope = NULL;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, nspawn_machine_parse(text, &container, &scope, &err) == 0))
		return;
	EXPECT_TEXT(unit, container.id, "web");
	EXPECT_TEXT(unit, container.rootfs, "/var/lib/machines/web");
	EXPECT_TEXT(unit, scope, "machine-my\\x2dweb.scope");
	EXPECT(unit, container.init == 4711 && container.start_time == 0);
}

static void hostile_machines(struct unit *unit)
{
	static const char *const texts[] = {
		"",
		"NAME=web\nLEADER=1\n",
		"NAME=web\nCLASS=vm\nLEADER=1\n",
		"CLASS=container\nLEADER=1\n",
		"NAME=\nCLASS=container\nLEADER=1\n",
		"NAME=web\nCLASS=container\n",
		"NAME=web\nCLASS=container\nLEADER=0\n",
		"NAME=web\nCLASS=container\nLEADER=1x\n",
		"NAME=web\nCLASS=container\nLEADER=99999999999\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct engine_container container;
		struct err err = ERR_NONE;
		char *scope = NULL;

		EXPECT(unit, nspawn_machine_parse(texts[i], &container, &scope, &err) < 0);
	}
}

/* ---- storage.conf ---- */

static void expect_root(struct unit *unit, const char *text, bool is_rootless, const char *wanted)
{
	auto_free char *root = storage_root_parse(text, is_rootless);

	if (wanted)
		EXPECT_TEXT(unit, root, wanted);
	else
		EXPECT(unit, root == NULL);
}

static void storage_roots(struct unit *unit)
{
	static const char both[] = "# graphroot = \"/no\"\n[storage]\n  driver = \"overlay\"\n"
				   "graphroot = \"/a\"\nrootless_storage_path = \"$HOME/s/$UID\"\n"
				   "[storage.options]\ngraphroot = \"/b\"\n";

	(void)setenv("HOME", "/home/u", 1);
	expect_root(unit, both, false, "/a");
	if (geteuid() == 0)
		expect_root(unit, both, true, "/home/u/s/0");
	expect_root(unit, "", false, NULL);
	expect_root(unit, "[storage]\ngraphroot = \"/a", false, NULL);
	expect_root(unit, "[storage]\ngraphroot = /a\n", false, NULL);
	expect_root(unit, "[storage]\ngraphroot=\"\"\n", false, NULL);
	expect_root(unit, "graphroot = \"/a\"\n", false, NULL);
	expect_root(unit, "[storage]\ngraphroots = \"/a\"\n", false, NULL);
}

/* ---- who is meant ---- */

static void expect_found(struct unit *unit, const struct engine_list *list, const char *engine,
			 const char *name, const char *id)
{
	const struct engine_container *found = NULL;
	struct err err = ERR_NONE;

	if (EXPECT(unit, engine_find(list, engine, name, &found, &err) == 0))
		EXPECT_TEXT(unit, found->id, id);
}

static void expect_none(struct unit *unit, const struct engine_list *list, const char *name)
{
	const struct engine_container *found = NULL;
	struct err err = ERR_NONE;

	EXPECT(unit, engine_find(list, NULL, name, &found, &err) == -ENOENT && !found);
}

static void names(struct unit *unit)
{
	auto_engine_list struct engine_list list = { .list = NULL };

	add(&list, ID);
	list.list[0].name = mem_string("web");
	add(&list, "own");
	expect_found(unit, &list, NULL, "web", ID);
	expect_found(unit, &list, "runc", "web", ID);
	expect_found(unit, &list, NULL, ID, ID);
	expect_found(unit, &list, NULL, "3f2a", ID);
	expect_found(unit, &list, NULL, "own", "own");
	/* A name has to be said whole. */
	expect_none(unit, &list, "ow");
	expect_none(unit, &list, "we");
	expect_none(unit, &list, "3f2b");
	expect_none(unit, &list, "");
}

static void ambiguous_names(struct unit *unit)
{
	const struct engine_container *found = NULL;
	auto_engine_list struct engine_list list = { .list = NULL };
	struct err err = ERR_NONE;

	add(&list, "web");
	add(&list, ID);
	list.list[1].name = mem_string("web");
	list.list[1].engine = "podman";
	EXPECT(unit, engine_find(&list, NULL, "web", &found, &err) == ERR_USAGE && !found);
	EXPECT_TEXT(unit, err.text, "web may be each of runc:web, podman:web (3f2a9c0e1b4d)");
	expect_found(unit, &list, "podman", "web", ID);
	expect_found(unit, &list, "runc", "web", "web");
	/* One that has ended is not meant. */
	list.list[0].start_time++;
	expect_found(unit, &list, NULL, "web", ID);
}

static void ended(struct unit *unit)
{
	const struct engine_container *found = NULL;
	auto_engine_list struct engine_list list = { .list = NULL };
	struct err err = ERR_NONE;

	add(&list, "web");
	list.list[0].start_time++;
	EXPECT(unit, engine_find(&list, NULL, "web", &found, &err) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, "container web of runc has ended");
	list.list[0].start_time = 0; /* not recorded: nobody knows */
	EXPECT(unit, !engine_lives(&list.list[0]));
}

static void engines_in_names(struct unit *unit)
{
	const char *engine = NULL;
	const char *name = NULL;

	EXPECT(unit, engine_split("runc:web:1", &engine, &name));
	EXPECT_TEXT(unit, engine, "runc");
	EXPECT_TEXT(unit, name, "web:1");
	EXPECT(unit, !engine_split("web", &engine, &name));
	EXPECT(unit, !engine_split("runcweb", &engine, &name));
	EXPECT(unit, !engine_split("pid:1", &engine, &name));
}

/* ---- files ---- */

static void write_file(struct unit *unit, const char *path, const char *text, mode_t mode)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	EXPECT(unit, fd >= 0 && fchmod(fd, mode) == 0);
	EXPECT(unit, write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static size_t count_of(const char *directory)
{
	auto_engine_list struct engine_list list = { .list = NULL };
	struct err err = ERR_NONE;

	return runc_scan(&list, directory, &err) < 0 ? SIZE_MAX : list.count;
}

static void files(struct unit *unit)
{
	static const char text[] =
	    "{\"id\":\"web\",\"init_process_pid\":1,\"init_process_start\":1}";
	char top[] = "/tmp/unit-engines-XXXXXX";
	auto_free char *directory = NULL, *file = NULL, *link = NULL, *command = NULL;

	if (!EXPECT(unit, mkdtemp(top) != NULL))
		return;
	directory = mem_printf("%s/web", top);
	file = mem_printf("%s/web/state.json", top);
	link = mem_printf("%s/web/other", top);
	EXPECT(unit, mkdir(directory, 0700) == 0);
	EXPECT(unit, count_of(top) == 0);
	write_file(unit, file, text, 0600);
	EXPECT(unit, count_of(top) == 1);
	/* Others might have written it. */
	EXPECT(unit, chmod(file, 0620) == 0 && count_of(top) == 0);
	EXPECT(unit, chmod(file, 0600) == 0 && chmod(directory, 0770) == 0 && count_of(top) == 0);
	EXPECT(unit, chmod(directory, 0700) == 0 && chmod(top, 0777) == 0);
	EXPECT(unit, count_of(top) == SIZE_MAX);
	EXPECT(unit, chmod(top, 0700) == 0 && count_of(top) == 1);
	/* Neither a link nor a FIFO is read, nor what is too long. */
	EXPECT(unit, rename(file, link) == 0 && symlink(link, file) == 0 && count_of(top) == 0);
	EXPECT(unit, unlink(file) == 0 && mkfifo(file, 0600) == 0 && count_of(top) == 0);
	EXPECT(unit, unlink(file) == 0 && rename(link, file) == 0 && count_of(top) == 1);
	EXPECT(unit, truncate(file, (off_t)ENGINE_FILE_MAX + 1) == 0 && count_of(top) == 0);
	command = mem_printf("rm -rf '%s'", top);
	(void)!system(command);
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(runc_state),
		UNIT_CASE(hostile_runc_states),
		UNIT_CASE(odd_runc_states),
		UNIT_CASE(crun_status),
		UNIT_CASE(hostile_crun_statuses),
		UNIT_CASE(podman_names),
		UNIT_CASE(hostile_podman_names),
		UNIT_CASE(docker_names),
		UNIT_CASE(machines),
		UNIT_CASE(hostile_machines),
		UNIT_CASE(storage_roots),
		UNIT_CASE(names),
		UNIT_CASE(ambiguous_names),
		UNIT_CASE(ended),
		UNIT_CASE(engines_in_names),
		UNIT_CASE(files),
	};

	return UNIT_RUN(cases);
}
