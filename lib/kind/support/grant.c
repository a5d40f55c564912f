/* Which descriptors are given, and for what. See grant.h. */
#include "kind/support/grant.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/kind.h"
#include "kind/support/tree.h"

/* ---- the command line ---- */

/* [PID:]fdN=FD */
static int parse(const char *text, struct grant *grant, struct err *err)
{
	const char *at = text;
	uint64_t pid = 0;
	uint64_t slot = 0;
	uint64_t number = 0;

	grant->has_pid = scan_number(&at, 10, TASK_PID_MAX, &pid);
	if ((grant->has_pid && !scan_char(&at, ':')) || !scan_text(&at, "fd") ||
	    !scan_number(&at, 10, INT32_MAX, &slot) || !scan_char(&at, '=') ||
	    !scan_number(&at, 10, INT32_MAX, &number) || *at != '\0') {
		(void)err_set(err, ERR_USAGE, "--grant %s: not of the form [PID:]fdN=FD", text);
		return err_hint(err, "descriptor 3 of the invoker for descriptor 5 of task 7: "
				     "--grant 7:fd5=3");
	}
	grant->text = text;
	grant->pid = (pid_t)pid;
	grant->slot = (uint32_t)slot;
	grant->number = (int)number;
	return 0;
}

static int add(const char *text, struct grants *grants, struct err *err)
{
	struct grant grant = { .fd = -1 };
	int r = parse(text, &grant, err);

	if (r < 0)
		return r;
	if (fcntl(grant.number, F_GETFD) < 0)
		return err_set(err, ERR_USAGE, "--grant %s: descriptor %d is not open", text,
			       grant.number);
	array_grow(grants->list, grants->count);
	grants->list[grants->count++] = grant;
	return 0;
}

/* All of them are known to be the invoker's before the first number is ours. */
static int hold(struct grants *grants, struct err *err)
{
	for (size_t i = 0; i < grants->count; i++) {
		struct grant *grant = &grants->list[i];

		grant->fd = fcntl(grant->number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (grant->fd < 0)
			return err_set(err, -errno, "--grant %s: duplicate descriptor %d",
				       grant->text, grant->number);
	}
	/* Whoever is at the other end must not wait for us. */
	for (size_t i = 0; i < grants->count; i++) {
		if (grants->list[i].number > STDERR_FILENO)
			(void)close(grants->list[i].number);
	}
	return 0;
}

int grants_take(const char *const *texts, struct grants *ret_grants, struct err *err)
{
	auto_grants struct grants grants = GRANTS_NONE;
	int r = 0;

	for (size_t i = 0; r == 0 && texts && texts[i]; i++)
		r = add(texts[i], &grants, err);
	if (r == 0)
		r = hold(&grants, err);
	if (r < 0)
		return r;
	*ret_grants = grants;
	grants = GRANTS_NONE;
	return 0;
}

void grants_free(struct grants *grants)
{
	for (size_t i = 0; i < grants->count; i++)
		drop_fd(&grants->list[i].fd);
	free(grants->list);
	*grants = GRANTS_NONE;
}

/* ---- the image ---- */

static pid_t pid_of(const struct record *task)
{
	return (pid_t)le32_get(((const struct task_rec *)task->body)->pid);
}

/* The first task is the one with pid 1 or, of a tree, the first that was saved. */
static const struct record *find_task(const struct image *image, const struct grant *grant)
{
	pid_t wanted = grant->has_pid ? grant->pid : 1;
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_TASK, record))) {
		if (pid_of(record) == wanted)
			return record;
	}
	return grant->has_pid ? NULL : image_next(image, TAG_TASK, NULL);
}

static uint32_t find_slot(const struct image *image, uint32_t task, uint32_t number)
{
	const struct record *table = image_find(image, TAG_FDTABLE, task);
	const struct fdslot_rec *slots = table ? table->body : NULL;

	for (size_t i = 0; slots && i < table->length / sizeof(*slots); i++) {
		if (le32_get(slots[i].number) == number)
			return le32_get(slots[i].file);
	}
	return 0;
}

const struct kind *grant_kind(const struct image *image, uint32_t id,
			      const struct record **ret_record)
{
	for (size_t i = 0; kinds[i]; i++) {
		const struct record *record =
		    kinds[i]->grant ? image_find(image, kinds[i]->tag, id) : NULL;
		struct grant_look look;

		if (!record || !kinds[i]->grant(image, record, &look))
			continue;
		*ret_record = record;
		return kinds[i];
	}
	return NULL;
}

/* ---- names ---- */

static int compare_names(const void *left, const void *right)
{
	const struct grant_name *a = left;
	const struct grant_name *b = right;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void grant_names_list(const struct image *image, struct grant_names *ret_names)
{
	struct grant_names names = GRANT_NAMES_NONE;
	const struct record *table = NULL;

	while ((table = image_next(image, TAG_FDTABLE, table))) {
		const struct record *task = image_find(image, TAG_TASK, table->id);
		const struct fdslot_rec *slots = table->body;

		for (size_t i = 0; task && i < table->length / sizeof(*slots); i++) {
			array_grow(names.list, names.count);
			names.list[names.count] = (struct grant_name){
				.id = le32_get(slots[i].file),
				.order = names.count,
				.pid = pid_of(task),
				.slot = le32_get(slots[i].number),
			};
			names.count++;
		}
	}
	if (names.count > 0)
		qsort(names.list, names.count, sizeof(*names.list), compare_names);
	*ret_names = names;
}

void grant_names_free(struct grant_names *names)
{
	free(names->list);
	*names = GRANT_NAMES_NONE;
}

const struct grant_name *grant_name_of(const struct grant_names *names, uint32_t id)
{
	return array_find_id(names->list, names->count, sizeof(*names->list), id);
}

/* ---- finding ---- */

static int find_one(const struct grant *grant, const struct image *image, uint32_t *ret_id,
		    struct err *err)
{
	const struct record *task = find_task(image, grant);
	const struct record *record;
	uint32_t id;

	if (!task)
		return err_set(err, ERR_USAGE, "--grant %s: the image has no task %d", grant->text,
			       grant->pid);
	id = find_slot(image, task->id, grant->slot);
	if (id == 0)
		return err_set(err, ERR_USAGE, "--grant %s: task %d has no descriptor %u",
			       grant->text, pid_of(task), grant->slot);
	if (!grant_kind(image, id, &record))
		return err_set(err, ERR_USAGE,
			       "--grant %s: that is no descriptor that could be given",
			       grant->text);
	*ret_id = id;
	return 0;
}

/* Each has a position of its own. */
static bool is_file(const struct image *image, uint32_t id)
{
	const struct record *record;
	const struct kind *kind = grant_kind(image, id, &record);
	struct grant_look look = { .type = 0 };

	return kind && kind->grant(image, record, &look) && !look.is_any &&
	       (S_ISREG(look.type) || S_ISDIR(look.type));
}

static int check_other(const struct grant *grant, const struct grant *other, uint32_t id,
		       uint32_t other_id, const struct image *image, struct err *err)
{
	pid_t self = getpid();

	if (id == other_id)
		return err_set(err, ERR_USAGE, "--grant %s: that is the same as %s", grant->text,
			       other->text);
	if (is_file(image, id) &&
	    syscall(SYS_kcmp, self, self, KCMP_FILE, grant->fd, other->fd) == 0)
		return err_set(err, ERR_USAGE,
			       "--grant %s: the same open file is given by %s: open it twice",
			       grant->text, other->text);
	return 0;
}

int grants_find(const struct grants *grants, const struct image *image, struct host_facts *facts,
		struct err *err)
{
	for (size_t i = 0; i < grants->count; i++) {
		const struct grant *grant = &grants->list[i];
		uint32_t id = 0;
		int r = find_one(grant, image, &id, err);

		for (size_t j = 0; r == 0 && j < i; j++)
			r = check_other(grant, &grants->list[j], id, facts->grants[j].id, image,
					err);
		if (r < 0)
			return r;
		array_grow(facts->grants, facts->grant_count);
		facts->grants[facts->grant_count++] =
		    (struct host_grant){ .id = id, .fd = grant->fd, .number = grant->number };
	}
	return 0;
}
