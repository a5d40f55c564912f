/* Whose files an epoll watches. See epoll_items.h. */
#include "kind/support/epoll_items.h"

#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/buf.h"
#include "kind/support/files.h"

static unsigned int count_number(const struct epoll_item *items, size_t count, int number)
{
	unsigned int found = 0;

	for (size_t i = 0; i < count; i++)
		found += items[i].number == number;
	return found;
}

int epoll_items_parse(const char *fdinfo, struct epoll_item **ret_items, size_t *ret_count,
		      struct err *err)
{
	struct epoll_item *items = NULL;
	size_t count = 0;

	for (const char *line = fdinfo; line; line = strchr(line, '\n')) {
		struct epoll_item item = { .number = -1 };

		line += *line == '\n';
		if (strncmp(line, "tfd:", 4) != 0)
			continue;
		if (sscanf(line, "tfd: %d events: %" SCNx32 " data: %" SCNx64, &item.number,
			   &item.events, &item.data) != 3 || item.number < 0) {
			free(items);
			return err_set(err, ERR_HOST, "this kernel shows epolls in another form");
		}
		item.nth = count_number(items, count, item.number);
		array_grow(items, count);
		items[count++] = item;
	}
	*ret_items = items;
	*ret_count = count;
	return 0;
}

/* 0: the slot's file is the item's; 1: it is not. */
static int compare(const struct dump *d, const struct dump_task *task, int number,
		   const struct epoll_item *item)
{
	struct kcmp_epoll_slot slot = {
		.efd = (uint32_t)d->fd->number,
		.tfd = (uint32_t)item->number,
		.toff = item->nth,
	};
	long r = syscall(SYS_kcmp, task->pid, d->fd->task->pid, KCMP_EPOLL_TFD, number, &slot);

	if (r < 0)
		return -errno;
	return r != 0;
}

/* `number` >= 0: only slots of this number. */
static int search(const struct dump *d, struct epoll_item *item, int number)
{
	for (const struct dump_task *task = NULL; (task = dump_next_task(d, task));) {
		for (size_t i = 0; i < task->slot_count; i++) {
			const struct dump_slot *slot = &task->slots[i];
			int r;

			if (number >= 0 && slot->number != number)
				continue;
			r = compare(d, task, slot->number, item);
			if (r < 0)
				return r;
			if (r == 0) {
				item->file = slot->file;
				return 0;
			}
		}
	}
	return 0;
}

int epoll_items_find(const struct dump *d, struct epoll_item *items, size_t count,
		     struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = search(d, &items[i], items[i].number);

		if (r == 0 && items[i].file == 0)
			r = search(d, &items[i], -1);
		if (r < 0)
			return err_set(err, r, "find what epoll watches as descriptor %d",
				       items[i].number);
	}
	return 0;
}
