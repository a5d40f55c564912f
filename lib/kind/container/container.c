/* container: its name, and whether it was one at all. */
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/tree.h"

extern const struct kind kind_container;

/* Its users' word for it, if that can be a name here. */
static const char *name_of(const struct target *target)
{
	if (target->is_registered)
		return target->name;
	return target->engine_name && registry_name_is_valid(target->engine_name)
		   ? target->engine_name
		   : "";
}

static int container_dump(struct dump *d, struct err *err)
{
	const struct target *target = d->own->target;
	const char *name = name_of(target);
	auto_buf struct buf body = BUF_EMPTY;
	struct container_rec rec = { .name_length = le32_make((uint32_t)strlen(name)) };
	uint32_t flags = 0;

	(void)err;
	if (target->form == TARGET_TREE)
		flags |= CONTAINER_TREE;
	else if (dump_shares_network(d))
		flags |= CONTAINER_NETLESS;
	if (target->has_root)
		flags |= CONTAINER_ROOTFS;
	rec.flags = le32_make(flags);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, name, strlen(name));
	dump_record(d, dump_new_id(d), &kind_container, body.data, body.size);
	return 0;
}

static int container_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct container_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t name_length = rec ? le32_get(rec->name_length) : 0;
	const char *name = rec ? reader_take(&reader, name_length) : NULL;
	auto_free char *text = NULL;

	if (!name || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "container: %zu bytes", length);
	if (le32_get(rec->flags) &
		~(uint32_t)(CONTAINER_TREE | CONTAINER_ROOTFS | CONTAINER_NETLESS) ||
	    le32_get(rec->reserved[0]) || le32_get(rec->reserved[1]))
		return err_set(err, ERR_DAMAGED, "container: unknown bits");
	text = mem_copy(name, name_length);
	if (name_length && (strlen(text) != name_length || !registry_name_is_valid(text)))
		return err_set(err, ERR_DAMAGED, "container: impossible name");
	return 0;
}

static int container_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct container_rec *rec = record->body;

	(void)err;
	if (le32_get(rec->flags) & CONTAINER_NETLESS)
		restore_note(rs, "the container had no network of its own: it gets one with a "
				 "loopback interface only");
	return 0;
}

const struct kind kind_container = {
	.name = "container",
	.summary = "the container's name and form",
	.tag = TAG_CONTAINER,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.dump = container_dump,
	.check = container_check,
	.restore = container_restore,
};
