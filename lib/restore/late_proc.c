/* Mounts of proc that only a task in a pid namespace can make (kind/support/mount_proc.h).
 *
 * In a user namespace, the kernel lets nobody mount a proc where none can be seen: so the task
 * makes it while it is in a copy of what its mount namespace was made from, then enters that, and
 * attaches it. */
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/support/mount_proc.h"
#include "restore/restore.h"

/* The record of the mounts that a task sees. */
static const struct record *mounts_of(const struct restore *rs, const struct restore_task *task)
{
	uint32_t id = task->ns ? le32_get(task->ns->ids[NAMESPACE_MNT]) : 0;
	const struct record *record = NULL;

	while ((record = image_next(rs->image, TAG_MOUNTS, record))) {
		if (id ? record->id == id : !namespace_find(rs->image, record->id))
			return record;
	}
	return NULL;
}

static const struct mount_entry *find_late(const struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (mount_proc_is_late(&list->entries[i]))
			return &list->entries[i];
	}
	return NULL;
}

static uint32_t id_of(const struct restore_task *task, enum namespace_type type)
{
	return task->ns ? le32_get(task->ns->ids[type]) : 0;
}

/* The first task that is in both namespaces. */
static bool is_maker(const struct restore *rs, const struct restore_task *task, uint32_t pid_ns)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *other = &rs->own->tasks[i];

		if (other->record && other->thread_count > 0 &&
		    id_of(other, NAMESPACE_PID) == pid_ns &&
		    id_of(other, NAMESPACE_MNT) == id_of(task, NAMESPACE_MNT))
			return other == task;
	}
	return false;
}

static int configure(struct remote *remote, int64_t context, const struct mount_entry *entry,
		     struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	auto_free char *options = mem_string(entry->options);
	char *rest = options;
	char *option;

	script_init(&script, remote);
	while ((option = strsep(&rest, ","))) {
		char *value = strchr(option, '=');

		if (*option == '\0')
			continue;
		if (value)
			*value++ = '\0';
		(void)script_syscall(&script, "configure proc", 0, SYS_fsconfig, (uint64_t)context,
				     value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
				     script_copy(&script, option, strlen(option) + 1),
				     value ? script_copy(&script, value, strlen(value) + 1) : 0, 0);
	}
	(void)script_syscall(&script, "configure proc", 0, SYS_fsconfig, (uint64_t)context,
			     FSCONFIG_SET_STRING, script_copy(&script, "source", 7),
			     script_copy(&script, entry->device, strlen(entry->device) + 1), 0);
	(void)script_syscall(&script, "make a proc", 0, SYS_fsconfig, (uint64_t)context,
			     FSCONFIG_CMD_CREATE, 0, 0, 0);
	return script_run(&script, err);
}

/* A descriptor, of the task, of a mount that is nowhere yet. */
static int make_mount(struct remote *remote, const struct mount_entry *entry, int64_t *ret_mount,
		      struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	int64_t context;
	size_t step;
	int r;

	script_init(&script, remote);
	step = script_syscall(&script, "open a proc", 0, SYS_fsopen,
			      script_copy(&script, "proc", 5), FSOPEN_CLOEXEC);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	context = script_result(&script, step);
	r = configure(remote, context, entry, err);
	if (r == 0)
		r = restore_call(remote, "mount a proc", SYS_fsmount, (uint64_t)context,
				 FSMOUNT_CLOEXEC, entry->attributes, ret_mount, err);
	if (r == 0)
		r = restore_call(remote, "close", SYS_close, (uint64_t)context, 0, 0, NULL, err);
	return r;
}

static int attach(struct remote *remote, int64_t mount, int point, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	uint64_t empty;

	script_init(&script, remote);
	empty = script_copy(&script, "", 1);
	(void)script_syscall(&script, "attach a proc", 0, SYS_move_mount, (uint64_t)mount, empty,
			     (uint64_t)point, empty,
			     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	(void)script_syscall(&script, "close", 0, SYS_close, (uint64_t)mount);
	return script_run(&script, err);
}

static int enter(struct remote *remote, int fd, struct err *err)
{
	return restore_call(remote, "enter a mount namespace", SYS_setns, (uint64_t)fd, CLONE_NEWNS,
			    0, NULL, err);
}

int restore_enter_mounts(struct restore *rs, struct remote *remote, struct restore_place *place,
			 const struct restore_task *task, struct err *err)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	const struct record *record = mounts_of(rs, task);
	const struct restore_object *object = record ? restore_object(rs, record->id) : NULL;
	uint32_t id = id_of(task, NAMESPACE_MNT);
	const struct mount_entry *entry = NULL;
	int64_t mount = -1;
	int r = record ? mount_list_read(record->body, record->length, &list, err) : 0;

	if (r == 0 && object && object->content >= 0)
		entry = find_late(&list);
	if (entry && !is_maker(rs, task, entry->content))
		entry = NULL;
	if (r == 0 && entry && object->staging >= 0)
		r = enter(remote, object->staging, err);
	if (r == 0 && entry)
		r = make_mount(remote, entry, &mount, err);
	if (r == 0 && (id != place->ids[NAMESPACE_MNT] || (entry && object->staging >= 0)))
		r = enter(remote, restore_namespace_fd(rs, NAMESPACE_MNT, id), err);
	place->ids[NAMESPACE_MNT] = id;
	if (r == 0 && entry)
		r = attach(remote, mount, object->content, err);
	return r;
}
