/* Descriptions by the task that holds them. See holders.h. */
#include "kind/support/holders.h"

#include <fcntl.h>
#include <inttypes.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

bool holder_is_stdio(const struct dump *d, uint32_t file)
{
	const struct dump_entry *entries = (const void *)d->own->records.data;
	const struct kind *stdio = kind_by_name("stdio");

	for (size_t i = 0; i < d->own->record_count; i++) {
		if (entries[i].id == file && entries[i].tag == stdio->tag)
			return true;
	}
	return false;
}

uint32_t holder_file(const struct image *image, const struct record *table, uint32_t number)
{
	const struct fdslot_rec *slots = table->body;

	for (size_t i = 0; i < table->length / sizeof(*slots); i++) {
		uint32_t file = le32_get(slots[i].file);

		if (le32_get(slots[i].number) == number)
			return image_find(image, kind_by_name("stdio")->tag, file) ? 0 : file;
	}
	return 0;
}

char *holder_file_name(const struct restore *rs, uint32_t number)
{
	auto_free char *path = mem_printf("/proc/%d/fd/%" PRIu32, rs->task->pid, number);
	struct err err = ERR_NONE;
	char *name = NULL;

	if (procfs_readlink(AT_FDCWD, path, &name, &err) < 0)
		return mem_printf("descriptor %" PRIu32, number);
	return name;
}
