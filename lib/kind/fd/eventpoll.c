/* epoll: a set of watched files. An item belongs to a file and to the descriptor number that it
 * was added under, so it must be added again under this number, in a task that has the file there,
 * or can have it there for a moment. */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/epoll_items.h"
#include "kind/support/epoll_owner.h"
#include "kind/support/files.h"
#include "kind/support/loss.h"
#include "kind/support/tree.h"
#include "restore/open.h"

extern const struct kind kind_eventpoll;

#define ITEMS_MAX (1u << 20)

#define ITEM_MOVED   1u /* the owner does not have the file under this number */
#define ITEM_CLOEXEC 2u /* the occupant's descriptor is close-on-exec */

RECORDS_BEGIN
struct eventpoll_rec {
	le32 count;
	le32 owner; /* task; see epoll_owner.h */
	le32 flags;
	le32 reserved; /* zero */
		       /* then the items */
};
struct eventpoll_item_rec {
	le64 data;
	le32 file; /* open file description */
	le32 number;
	le32 events;
	le32 flags;    /* ITEM_* */
	le32 occupant; /* moved: what the owner has under this number; 0: nothing */
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct eventpoll_rec) == 16, "image format");
static_assert(sizeof(struct eventpoll_item_rec) == 32, "image format");

struct items {
	struct epoll_item *list; /* owned */
	size_t count;
};

static void items_free(struct items *items)
{
	free(items->list);
}

static const struct eventpoll_item_rec *eventpoll_items(const struct record *record)
{
	return (const struct eventpoll_item_rec *)((const struct eventpoll_rec *)record->body + 1);
}

uint32_t eventpoll_owner(const struct record *record)
{
	return le32_get(((const struct eventpoll_rec *)record->body)->owner);
}

int eventpoll_highest_number(const struct record *record)
{
	const struct eventpoll_rec *rec = record->body;
	int highest = -1;

	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		int number = les32_get(eventpoll_items(record)[i].number);

		if (number > highest)
			highest = number;
	}
	return highest;
}

static bool eventpoll_match(const struct target_fd *fd)
{
	return strcmp(fd->link, "anon_inode:[eventpoll]") == 0;
}

static bool block_strangers(struct dump *d, const struct items *items)
{
	bool is_blocked = false;

	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].file != 0)
			continue;
		(void)dump_block(d, "let the program take it out of the epoll",
				 "epoll watches what was descriptor %d, which no task has any more",
				 items->list[i].number);
		is_blocked = true;
	}
	return is_blocked;
}

static const struct dump_slot *slot_find(const struct dump_task *task, int number)
{
	for (size_t i = 0; i < task->slot_count; i++) {
		if (task->slots[i].number == number)
			return &task->slots[i];
	}
	return NULL;
}

static size_t count_moved(const struct dump *d, const struct dump_task *task,
			  const struct items *items)
{
	size_t moved = 0;

	for (size_t i = 0; i < items->count; i++)
		moved += dump_file_at(d, task, items->list[i].number) != items->list[i].file;
	return moved;
}

/* The task that needs the fewest moves: for most programs, none. */
static const struct dump_task *find_owner(const struct dump *d, const struct items *items)
{
	const struct dump_task *best = d->fd->task;
	size_t least = count_moved(d, best, items);

	for (const struct dump_task *task = NULL; least > 0 && (task = dump_next_task(d, task));) {
		size_t moved = task->thread_count > 0 ? count_moved(d, task, items) : SIZE_MAX;

		if (moved < least) {
			best = task;
			least = moved;
		}
	}
	return best;
}

static struct eventpoll_item_rec item_put(const struct epoll_item *item,
					  const struct dump_task *owner)
{
	const struct dump_slot *slot = slot_find(owner, item->number);
	struct eventpoll_item_rec rec = {
		.data = le64_make(item->data),
		.file = le32_make(item->file),
		.number = le32_make((uint32_t)item->number),
		.events = le32_make(item->events),
	};

	if (slot && slot->file == item->file)
		return rec;
	rec.flags = le32_make(ITEM_MOVED | (slot && slot->is_cloexec ? ITEM_CLOEXEC : 0));
	rec.occupant = le32_make(slot ? slot->file : 0);
	return rec;
}

static void dump_items(struct dump *d, const struct items *items, const struct dump_task *owner)
{
	struct eventpoll_rec rec = {
		.count = le32_make((uint32_t)items->count),
		.owner = le32_make(owner->id),
		.flags = le32_make(file_flags(d->fd)),
	};
	auto_buf struct buf body = BUF_EMPTY;

	(void)buf_append(&body, &rec, sizeof(rec));
	for (size_t i = 0; i < items->count; i++) {
		struct eventpoll_item_rec item = item_put(&items->list[i], owner);

		(void)buf_append(&body, &item, sizeof(item));
	}
	dump_record(d, d->fd->id, &kind_eventpoll, body.data, body.size);
}

#define EPOLL_GET_PARAMS _IOR(0x8a, 2, uint64_t) /* EPIOCGPARAMS, 6.9 */

static bool polls_busily(const struct dump *d)
{
	uint64_t params = 0;

	return ioctl(d->fd->fd, EPOLL_GET_PARAMS, &params) == 0 && params != 0;
}

static int eventpoll_dump(struct dump *d, struct err *err)
{
	auto_with(items_free) struct items items = { .list = NULL };
	int r;

	if (file_block_extras(d))
		return 0;
	r = epoll_items_parse(d->fd->fdinfo, &items.list, &items.count, err);
	if (r == 0 && items.count > ITEMS_MAX)
		return dump_block(d, NULL, "epoll watches more than %u files", ITEMS_MAX);
	if (r == 0)
		r = epoll_items_find(d, items.list, items.count, err);
	if (r < 0)
		return r;
	if (block_strangers(d, &items))
		return 0;
	dump_items(d, &items, find_owner(d, &items));
	if (polls_busily(d))
		dump_loss(d, LOSS_BUSY_POLL, d->fd->id, 1, NULL);
	return 0;
}

static int check_item(const struct eventpoll_item_rec *item, struct err *err)
{
	if (les32_get(item->number) < 0)
		return err_set(err, ERR_DAMAGED, "epoll: descriptor %d", les32_get(item->number));
	if ((le32_get(item->flags) & ~(ITEM_MOVED | ITEM_CLOEXEC)) != 0 ||
	    le32_get(item->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "epoll: unknown bits");
	if (!(le32_get(item->flags) & ITEM_MOVED) && le32_get(item->occupant) != 0)
		return err_set(err, ERR_DAMAGED, "epoll: a file that is moved for nothing");
	return 0;
}

static int eventpoll_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct eventpoll_rec *rec = reader_take(&reader, sizeof(*rec));
	const struct eventpoll_item_rec *item;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "epoll: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)) || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "epoll: unknown bits");
	if (le32_get(rec->count) > ITEMS_MAX ||
	    reader_left(&reader) != le32_get(rec->count) * sizeof(*item))
		return err_set(err, ERR_DAMAGED, "epoll: %zu bytes for %u items", length,
			       le32_get(rec->count));
	while ((item = reader_take(&reader, sizeof(*item)))) {
		int r = check_item(item, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int eventpoll_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct eventpoll_rec *rec = record->body;
	const struct record *task = image_find(image, TAG_TASK, le32_get(rec->owner));
	const struct task_rec *owner = task ? task->body : NULL;

	/* Nobody would fill it. */
	if (le32_get(rec->count) > 0 && (!owner || le32_get(owner->flags) & TASK_ZOMBIE))
		return err_set(err, ERR_DAMAGED, "epoll: object %u is of no task", record->id);
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		const struct eventpoll_item_rec *item = &eventpoll_items(record)[i];
		uint32_t file = le32_get(item->file);
		uint32_t occupant = le32_get(item->occupant);

		if (file == record->id || !file_record(image, file) ||
		    (occupant != 0 && !file_record(image, occupant)))
			return err_set(err, ERR_DAMAGED,
				       "epoll: object %u watches object %u, which is no file",
				       record->id, file);
	}
	return 0;
}

static int eventpoll_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct eventpoll_rec *rec = record->body;
	auto_close int fd = -1;
	int r;

	fd = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "create epoll");
	r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

/* Our own descriptors must not be under the number that an item needs for a moment. */
static bool is_held(const struct restore *rs, int number)
{
	for (size_t i = 0; i < rs->image->record_count; i++) {
		if (restore_fd(rs, rs->image->records[i].id) == number)
			return true;
	}
	return false;
}

static void move_in(const struct restore *rs, const struct eventpoll_item_rec *item,
		    struct script *script)
{
	(void)script_syscall(script, "move a descriptor for epoll", 0, SYS_dup3,
			     (uint64_t)restore_fd(rs, le32_get(item->file)), le32_get(item->number),
			     O_CLOEXEC);
}

static void move_out(const struct restore *rs, const struct eventpoll_item_rec *item,
		     struct script *script)
{
	uint32_t occupant = le32_get(item->occupant);
	uint64_t flags = le32_get(item->flags) & ITEM_CLOEXEC ? O_CLOEXEC : 0;

	if (occupant == 0)
		(void)script_syscall(script, "close a descriptor for epoll", 0, SYS_close,
				     le32_get(item->number));
	else
		(void)script_syscall(script, "move a descriptor back after epoll", 0, SYS_dup3,
				     (uint64_t)restore_fd(rs, occupant), le32_get(item->number),
				     flags);
}

static int finish_item(struct restore *rs, const struct eventpoll_item_rec *item, int epoll,
		       struct script *script, struct err *err)
{
	bool is_moved = le32_get(item->flags) & ITEM_MOVED;
	struct epoll_event event = {
		.events = le32_get(item->events),
		.data.u64 = le64_get(item->data),
	};
	int r;

	r = script_room(script, 3, sizeof(event) + 64, err);
	if (r < 0)
		return r;
	if (is_moved && is_held(rs, les32_get(item->number)))
		return err_set(err, ERR_FAILED, "epoll: descriptor %d is in use",
			       les32_get(item->number));
	if (is_moved)
		move_in(rs, item, script);
	(void)script_syscall(script, "add to epoll", 0, SYS_epoll_ctl, (uint64_t)epoll,
			     EPOLL_CTL_ADD, le32_get(item->number),
			     script_copy(script, &event, sizeof(event)));
	if (is_moved)
		move_out(rs, item, script);
	return 0;
}

/* The kernel adds errors and hang-ups to what is watched, which a disabled item does not have. */
static bool is_disabled(const struct eventpoll_item_rec *item)
{
	uint32_t options = EPOLLONESHOT | EPOLLET | EPOLLWAKEUP | EPOLLEXCLUSIVE;

	return (le32_get(item->events) & ~options) == 0;
}

static int eventpoll_finish(struct restore *rs, const struct record *record, struct script *script,
			    struct err *err)
{
	const struct eventpoll_rec *rec = record->body;

	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		const struct eventpoll_item_rec *item = &eventpoll_items(record)[i];
		int r = finish_item(rs, item, restore_fd(rs, record->id), script, err);

		if (r < 0)
			return r;
		if (is_disabled(item))
			restore_note(rs,
				     "what epoll watches as descriptor %d, and has reported "
				     "(EPOLLONESHOT), may report errors again",
				     les32_get(item->number));
	}
	return 0;
}

const struct kind kind_eventpoll = {
	.name = "eventpoll",
	.summary = "epolls and what they watch",
	.tag = TAG('E', 'P', 'O', 'L'),
	.scope = SCOPE_FD,
	.phase = PHASE_LINKED,
	.match = eventpoll_match,
	.dump = eventpoll_dump,
	.check = eventpoll_check,
	.link = eventpoll_link,
	.restore = eventpoll_restore,
	.finish = eventpoll_finish,
};
