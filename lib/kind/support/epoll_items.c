/* Whose files an epoll watches. See epoll_items.h. */
#include "kind/support/epoll_items.h"

#include <limits.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/support/files.h"

static int compare_numbers(const void *left, const void *right)
{
	const struct epoll_item *const *a = left;
	const struct epoll_item *const *b = right;

	if ((*a)->number != (*b)->number)
		return (*a)->number < (*b)->number ? -1 : 1;
	return *a < *b ? -1 : *a > *b; /* as in fdinfo, and in the kernel */
}

static void set_nth(struct epoll_item *items, size_t count)
{
	auto_free struct epoll_item **sorted = mem_alloc(count, sizeof(*sorted));

	for (size_t i = 0; i < count; i++)
		sorted[i] = &items[i];
	qsort(sorted, count, sizeof(struct epoll_item *), compare_numbers);
	for (size_t i = 1; i < count; i++) {
		if (sorted[i]->number == sorted[i - 1]->number)
			sorted[i]->nth = sorted[i - 1]->nth + 1;
	}
}

static bool scan_field(const char **at, const char *name, int base, uint64_t max,
		       uint64_t *ret_value)
{
	scan_blanks(at);
	if (!scan_text(at, name))
		return false;
	scan_blanks(at);
	return scan_number(at, base, max, ret_value);
}

static bool parse_item(const char *line, struct epoll_item *ret_item)
{
	uint64_t number;
	uint64_t events;
	uint64_t data;

	if (!scan_field(&line, "tfd:", 10, INT_MAX, &number) ||
	    !scan_field(&line, "events:", 16, UINT32_MAX, &events) ||
	    !scan_field(&line, "data:", 16, UINT64_MAX, &data))
		return false;
	*ret_item =
	    (struct epoll_item){ .number = (int)number, .events = (uint32_t)events, .data = data };
	return true;
}

int epoll_items_parse(const char *fdinfo, struct epoll_item **ret_items, size_t *ret_count,
		      struct err *err)
{
	struct epoll_item *items = NULL;
	size_t count = 0;

	for (const char *line = fdinfo; line; line = strchr(line, '\n')) {
		struct epoll_item item;

		line += *line == '\n';
		if (strncmp(line, "tfd:", 4) != 0)
			continue;
		if (!parse_item(line, &item)) {
			free(items);
			return err_set(err, ERR_HOST, "this kernel shows epolls in another form");
		}
		array_grow(items, count);
		items[count++] = item;
	}
	set_nth(items, count);
	*ret_items = items;
	*ret_count = count;
	return 0;
}

/* 0: the slot's file is the item's; 1: it is not. */
static int compare(const struct dump *d, const struct dump_task *task, int number,
		   const struct epoll_item *item)
{
	struct kcmp_epoll_slot slot = {
		.efd = (uint32_t)d->fd->fd,
		.tfd = (uint32_t)item->number,
		.toff = item->nth,
	};
	long r = syscall(SYS_kcmp, task->pid, getpid(), KCMP_EPOLL_TFD, number, &slot);

	if (r < 0)
		return -errno;
	return r != 0;
}

/* Where the item was added from, most likely: it is still there. */
static int search_number(const struct dump *d, struct epoll_item *item)
{
	for (const struct dump_task *task = NULL; (task = dump_next_task(d, task));) {
		uint32_t file = dump_file_at(d, task, item->number);
		int r = file ? compare(d, task, item->number, item) : 1;

		if (r < 0)
			return r;
		if (r == 0) {
			item->file = file;
			return 0;
		}
	}
	return 0;
}

static int search_all(const struct dump *d, struct epoll_item *item)
{
	for (const struct dump_task *task = NULL; (task = dump_next_task(d, task));) {
		for (size_t i = 0; i < task->slot_count; i++) {
			int r = compare(d, task, task->slots[i].number, item);

			if (r < 0)
				return r;
			if (r == 0) {
				item->file = task->slots[i].file;
				return 0;
			}
		}
	}
	return 0;
}

int epoll_items_find(const struct dump *d, struct epoll_item *items, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		int r = search_number(d, &items[i]);

		if (r == 0 && items[i].file == 0)
			r = search_all(d, &items[i]);
		if (r < 0)
			return err_set(err, r, "find what epoll watches as descriptor %d",
				       items[i].number);
	}
	return 0;
}
