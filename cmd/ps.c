/* ctckpt ps: containers. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "ctckpt/list.h"

#define AT(field) offsetof(struct ps_settings, field)
const struct option_row ps_options[] = {
	{ "engine", 0, "NAME", "only those of ctckpt, runc, crun, podman, ...", OPTION_TEXT,
	  AT(engine), 0, NULL },
	ENGINE_ROOT_ROW(AT(engine_roots)),
	{ "quiet", 'q', NULL, "names only", OPTION_FLAG, AT(quiet), 0, NULL },
	{ 0 },
};
#undef AT

static struct json *container_to_json(const struct ctckpt_container *container)
{
	struct json *object = json_new_object();

	json_put_string(object, "name", container->name);
	json_put_i64(object, "pid", container->init);
	json_put_string(object, "state", container->state);
	json_put_u64(object, "tasks", container->tasks);
	json_put_u64(object, "memory", container->memory);
	json_put_string(object, "engine", container->engine);
	json_put_string(object, "id", container->id);
	json_put_string(object, "cgroup", container->cgroup);
	json_put_string(object, "rootfs", container->rootfs);
	json_put_string(object, "image", container->image);
	return object;
}

static void print_containers_json(const struct ctckpt_container *containers, size_t count)
{
	auto_json struct json *array = json_new_array();

	for (size_t i = 0; i < count; i++)
		json_add(array, container_to_json(&containers[i]));
	print_json(stdout, array);
}

/* At least as wide as its title. */
static int cgroup_width(const struct ctckpt_container *containers, size_t count)
{
	size_t width = strlen("CGROUP");

	for (size_t i = 0; i < count; i++) {
		size_t length = containers[i].cgroup ? strlen(containers[i].cgroup) : 1;

		width = length > width ? length : width;
	}
	return (int)width;
}

static void print_table(const struct ctckpt_container *containers, size_t count)
{
	int width = cgroup_width(containers, count);
	char memory[FORMAT_SIZE];

	(void)printf("%-24s %8s  %-10s  %-8s %6s  %10s  %-*s  %s\n", "NAME", "PID", "ENGINE",
		     "STATE", "TASKS", "MEMORY", width, "CGROUP", "RESTORED FROM");
	for (size_t i = 0; i < count; i++) {
		const struct ctckpt_container *container = &containers[i];

		print_column(stdout, container->name, 24);
		(void)printf(" %8d  %-10s  %-8s %6zu  %10s  ", container->init, container->engine,
			     container->state, container->tasks,
			     format_bytes(memory, container->memory));
		print_column(stdout, container->cgroup ? container->cgroup : "-", width);
		(void)printf("  ");
		print_text(stdout, container->image ? container->image : "-");
		(void)fputc('\n', stdout);
	}
}

/* A line each, whatever they hold. */
static void print_names(const struct ctckpt_container *containers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_text(stdout, containers[i].name);
		(void)fputc('\n', stdout);
	}
}

int cmd_ps(struct invocation *inv, const void *argument, struct err *err)
{
	const struct ps_settings *settings = argument;
	struct ctckpt_container *containers = NULL;
	size_t count = 0;
	int r;

	engine_roots_set(settings->engine_roots);
	r = ctckpt_list(settings->engine, &containers, &count, err);
	if (r < 0)
		return r;
	if (inv->common.json)
		print_containers_json(containers, count);
	else if (settings->quiet)
		print_names(containers, count);
	else
		print_table(containers, count);
	ctckpt_list_free(containers, count);
	return 0;
}
