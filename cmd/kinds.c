/* ctckpt kinds: the kernel resources that can be saved, and whether this host can do so. */
#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "ctckpt/check.h"
#include "kind/kind.h"

static int try_kind(const struct kind *kind, struct check_item *ret_item, struct err *err)
{
	*ret_item = (struct check_item){ .is_ok = true };
	return kind->needs ? ctckpt_check_one(kind->needs, ret_item, err) : 0;
}

static struct json *kind_as_json(const struct kind *kind, const struct check_item *item)
{
	struct json *object = json_new_object();

	json_put_string(object, "name", kind->name);
	json_put_string(object, "scope", scope_name(kind->scope));
	json_put_string(object, "summary", kind->summary);
	json_put_bool(object, "here", item->is_ok);
	if (!item->is_ok)
		json_put_string(object, "why", item->why);
	return object;
}

static void print_kind(const struct kind *kind, const struct check_item *item)
{
	(void)printf("%-20s %-11s %-5s%s\n", kind->name, scope_name(kind->scope),
		     item->is_ok ? "yes" : "no", kind->summary);
	if (!item->is_ok)
		(void)printf("%-37s not on this host: %s: %s\n", "", kind->needs, item->why);
}

int cmd_kinds(struct invocation *inv, const void *settings, struct err *err)
{
	auto_json struct json *array = json_new_array();

	(void)settings;
	for (size_t i = 0; kinds[i]; i++) {
		auto_with(ctckpt_check_item_free) struct check_item item;
		int r = try_kind(kinds[i], &item, err);

		if (r < 0)
			return r;
		if (inv->common.json)
			json_add(array, kind_as_json(kinds[i], &item));
		else
			print_kind(kinds[i], &item);
	}
	if (inv->common.json)
		print_json(stdout, array);
	return 0;
}
