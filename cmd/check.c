/* ctckpt check: what this host can and cannot do. */
#include "ctckpt/check.h"
#include "commands.h"

static struct json *items_to_json(const struct check_item *items, size_t count)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < count; i++) {
		struct json *object = json_new_object();

		json_put_string(object, "name", items[i].name);
		json_put_bool(object, "ok", items[i].is_ok);
		json_put_bool(object, "required", items[i].is_required);
		json_put_string(object, "why", items[i].why);
		json_put_string(object, "remedy", items[i].remedy);
		json_add(array, object);
	}
	return array;
}

static void print_item(const struct check_item *item)
{
	const char *verdict = item->is_ok ? "ok" : item->is_required ? "MISSING" : "no";

	(void)printf("%-22s%-9s", item->name, verdict);
	if (item->why)
		print_text(stdout, item->why);
	(void)fputc('\n', stdout);
	if (item->remedy) {
		(void)printf("%-31s", "");
		print_text(stdout, item->remedy);
		(void)fputc('\n', stdout);
	}
}

/* The first of what is missing, and how many more. */
static int judge(const struct check_item *items, size_t count, struct err *err)
{
	const struct check_item *first = NULL;
	size_t missing = 0;

	for (size_t i = 0; i < count; i++) {
		if (items[i].is_ok || !items[i].is_required)
			continue;
		if (!first)
			first = &items[i];
		missing++;
	}
	if (!first)
		return 0;
	err_set(err, ERR_HOST, "this host lacks %s%s", first->name, missing > 1 ? " and more" : "");
	return first->remedy ? err_hint(err, "%s", first->remedy) : err->code;
}

int cmd_check(struct invocation *inv, const void *settings, struct err *err)
{
	struct check_item *items = NULL;
	size_t count = 0;
	int r = ctckpt_check(&items, &count, err);

	(void)settings;
	if (r < 0)
		return r;
	if (inv->common.json) {
		auto_json struct json *array = items_to_json(items, count);

		print_json(stdout, array);
	} else {
		for (size_t i = 0; i < count; i++)
			print_item(&items[i]);
	}
	r = judge(items, count, err);
	ctckpt_check_free(items, count);
	return r;
}
