/* See mount_proc.h. */
#include "kind/support/mount_proc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "restore/restore.h"

static bool has_pid_namespaces(const struct dump *d)
{
	for (size_t i = 0; i < d->own->namespace_count; i++) {
		if (d->own->namespaces[i].type == NAMESPACE_PID && d->own->namespaces[i].id)
			return true;
	}
	return false;
}

bool mount_proc_find(const struct dump *d, int proc, const struct mountinfo *mount,
		     uint32_t *ret_id)
{
	auto_free char *top = mem_printf("root%s", mount->point);
	auto_free char *first = mem_printf("root%s/1/ns/pid", mount->point);
	const struct dump_namespace *ns;
	struct stat stat;

	*ret_id = 0;
	if (!has_pid_namespaces(d))
		return true;
	/* Under another mount, nobody can look into it. */
	if (fstatat(proc, top, &stat, 0) < 0 ||
	    stat.st_dev != makedev(mount->dev_major, mount->dev_minor) ||
	    fstatat(proc, first, &stat, 0) < 0)
		return false;
	ns = dump_namespace_by_stat(d, &stat);
	*ret_id = ns ? ns->id : 0;
	return ns != NULL;
}

bool mount_proc_is_late(const struct mount_entry *entry)
{
	return entry->how == MOUNT_FILESYSTEM && entry->content && strcmp(entry->type, "proc") == 0;
}

int mount_proc_keep(struct restore *rs, const struct record *record, int point, struct err *err)
{
	return restore_content_fd(rs, record->id, point, err);
}
