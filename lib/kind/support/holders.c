/* Descriptions by the task that holds them. See holders.h. */
#include "kind/support/holders.h"

#include <fcntl.h>
#include <inttypes.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

bool holder_is_outside(const struct dump *d, uint32_t file)
{
	const struct dump_entry *entries = (const void *)d->own->records.data;
	uint32_t stdio = kind_by_name("stdio")->tag;
	uint32_t external = kind_by_name("external")->tag;

	for (size_t i = 0; i < d->own->record_count; i++) {
		if (entries[i].id == file &&
		    (entries[i].tag == stdio || entries[i].tag == external))
			return true;
	}
	return false;
}

static bool is_outside(const struct image *image, uint32_t file)
{
	return image_find(image, kind_by_name("stdio")->tag, file) ||
	       image_find(image, kind_by_name("external")->tag, file);
}

uint32_t holder_file(const struct image *image, const struct record *table, uint32_t number)
{
	const struct fdslot_rec *slots = table->body;

	for (size_t i = 0; i < table->length / sizeof(*slots); i++) {
		uint32_t file = le32_get(slots[i].file);

		if (le32_get(slots[i].number) == number)
			return is_outside(image, file) ? 0 : file;
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
