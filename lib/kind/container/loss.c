/* loss: what does not come back, where that could be seen: for the plan and the report. */
#include "kind/support/loss.h"

#include <limits.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/files.h"
#include "kind/support/tree.h"

extern const struct kind kind_loss;

RECORDS_BEGIN
struct loss_rec {
	le32 what;   /* enum loss */
	le32 object; /* id of a task or an open file; 0: the container */
	le32 count;
	le32 name_length; /* of the name that follows */
};
RECORDS_END
static_assert(sizeof(struct loss_rec) == 16, "image format");

/* clang-format off */
#define LOSS_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, what, CLASS_LOSS) \
	FIELD(rec, object, FIELD_LINK) \
	FIELD(rec, count, CLASS_LOSS) \
	FIELD(rec, name_length, FIELD_FORM) \
	TAIL(rec, name, CLASS_LOSS)
/* clang-format on */
FIELDS_OF(loss, struct loss_rec, LOSS_FIELDS);

enum owner { OWNER_CONTAINER, OWNER_TASK, OWNER_THREAD, OWNER_FILE };

static const struct {
	enum owner owner;
	const char *subject, *text; /* behind the count */
} losses[LOSSES] = {
	[LOSS_OVERRUNS] = { OWNER_TASK, "timers", "timers' overruns that were to be told" },
	[LOSS_ZOMBIE_IDS] = { OWNER_TASK, "zombie", "user or groups of a zombie" },
	[LOSS_PEER_GROUPS] = { OWNER_FILE, "SO_PEERGROUPS",
			       "list of groups of the peer of a unix socket" },
	[LOSS_ZOMBIE_GROUP] = { OWNER_TASK, "zombie", "process group of a zombie" },
	[LOSS_LANDLOCK] = { OWNER_THREAD, "Landlock",
			    "restriction by Landlock, if there was one: nobody can tell" },
	[LOSS_CGROUP] = { OWNER_CONTAINER, "cgroup", "setting of a cgroup of v1" },
	[LOSS_SLICE] = { OWNER_THREAD, "sched", "time slice that a thread asked for" },
	[LOSS_BUSY_POLL] = { OWNER_FILE, "epoll", "setting of an epoll for busy polling" },
	[LOSS_FILE_FLAGS] = { OWNER_CONTAINER, "chattr", "files' flags of chattr(1)" },
};

static char *describe(const struct loss_rec *rec)
{
	uint32_t length = le32_get(rec->name_length);

	return mem_printf("%u %s%s%.*s", le32_get(rec->count), losses[le32_get(rec->what)].text,
			  length ? " in " : "", (int)length, (const char *)(rec + 1));
}

void dump_loss(struct dump *d, enum loss what, uint32_t id, uint32_t count, const char *name)
{
	auto_buf struct buf body = BUF_EMPTY;
	size_t length = name ? strnlen(name, PATH_MAX) : 0;
	const struct loss_rec rec = {
		.what = le32_make(what),
		.object = le32_make(id),
		.count = le32_make(count),
		.name_length = le32_make((uint32_t)length),
	};

	(void)buf_append(&body, &rec, sizeof(rec));
	if (length > 0)
		(void)buf_append(&body, name, length);
	dump_record(d, dump_new_id(d), &kind_loss, body.data, body.size);
}

static int loss_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct loss_rec *rec = reader_take(&reader, sizeof(*rec));
	size_t size = rec ? le32_get(rec->name_length) : 0;
	const char *name = rec && size <= PATH_MAX ? reader_take(&reader, size) : NULL;
	uint32_t what = rec ? le32_get(rec->what) : 0;

	if (!name || reader_left(&reader) != 0 || memchr(name, '\0', size))
		return err_set(err, ERR_DAMAGED, "loss: %zu bytes", length);
	if (what == 0 || what >= LOSSES || le32_get(rec->count) == 0)
		return err_set(err, ERR_DAMAGED, "loss: of something unknown");
	return 0;
}

static int loss_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct loss_rec *rec = record->body;
	uint32_t id = le32_get(rec->object);
	enum owner owner = losses[le32_get(rec->what)].owner;
	bool is_there = owner == OWNER_THREAD ? image_find(image, TAG_REGISTERS, id) != NULL
			: owner == OWNER_TASK ? image_find(image, TAG_TASK, id) != NULL
			: owner == OWNER_FILE ? file_record(image, id) != NULL
					      : id == 0;

	if (!is_there)
		return err_set(err, ERR_DAMAGED, "loss: object %u is not what has lost it", id);
	return 0;
}

/* The container's engine has made a cgroup already, with settings of its own. */
static bool is_of_engine(const struct plan *plan, const struct loss_rec *rec)
{
	return le32_get(rec->what) == LOSS_CGROUP && plan_facts(plan)->is_joined;
}

static int loss_ask(struct plan *plan, const struct image *image, const struct record *record,
		    struct err *err)
{
	const struct loss_rec *rec = record->body;
	auto_free char *text = describe(rec);
	enum loss what = (enum loss)le32_get(rec->what);
	uint32_t id = le32_get(rec->object);

	(void)image;
	(void)err;
	if (is_of_engine(plan, rec))
		return 0;
	plan_ask(plan,
		 &(struct question){ .class = what == LOSS_LANDLOCK ? CLASS_LANDLOCK : CLASS_LOSS,
				     .id = id ? id : record->id,
				     .detail = what,
				     .subject = losses[what].subject,
				     .saved = le32_get(rec->count),
				     .saved_text = text,
				     .invoker_text = "-" });
	return 0;
}

static int loss_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct loss_rec *rec = record->body;
	enum owner owner = losses[le32_get(rec->what)].owner;
	auto_free char *text = describe(rec);

	(void)err;
	if (is_of_engine(rs->plan, rec))
		return 0;
	if (owner == OWNER_TASK || owner == OWNER_THREAD)
		restore_note(rs, "task %d loses %s", restore_pid(rs, le32_get(rec->object)), text);
	else
		restore_note(rs, "lost: %s", text);
	return 0;
}

const struct kind kind_loss = {
	.name = "loss",
	.summary = "what does not come back, for the plan and the report",
	.tag = TAG('L', 'O', 'S', 'S'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.fields = loss_fields,
	.check = loss_check,
	.link = loss_link,
	.ask = loss_ask,
	.restore = loss_restore,
};
