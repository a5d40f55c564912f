/* Files of a saved tree by their names. See tree_index.h. */
#include "kind/support/tree_index.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "kind/support/tree_record.h"

static int compare(const void *left, const void *right)
{
	const struct tree_file *a = left;
	const struct tree_file *b = right;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	if (a->name_length != b->name_length)
		return a->name_length < b->name_length ? -1 : 1;
	return memcmp(a->name, b->name, a->name_length);
}

void tree_index_make(const struct record *tree, struct tree_index *ret_index)
{
	struct tree_walk walk;
	struct tree_entry entry;
	struct err ignored;

	*ret_index = (struct tree_index){ .tree = tree };
	if (tree_begin(tree->body, tree->length, &walk, &ignored) < 0)
		return;
	while (tree_next(&walk, &entry, &ignored) > 0) {
		array_grow(ret_index->files, ret_index->count);
		ret_index->files[ret_index->count++] =
		    (struct tree_file){ .parent = le32_get(entry.rec->parent),
					.number = entry.number,
					.flags = le32_get(entry.rec->flags),
					.name = entry.name,
					.name_length = entry.name_length,
					.mode = le32_get(entry.rec->mode),
					.size = le64_get(entry.rec->size) };
	}
	if (ret_index->count > 0)
		qsort(ret_index->files, ret_index->count, sizeof(*ret_index->files), compare);
}

const struct tree_file *tree_index_find(const struct tree_index *index, uint32_t parent,
					const char *name, size_t length)
{
	struct tree_file key = { .parent = parent, .name = name, .name_length = (uint32_t)length };

	if (index->count == 0 || length > UINT32_MAX)
		return NULL;
	return bsearch(&key, index->files, index->count, sizeof(*index->files), compare);
}

void tree_index_free(struct tree_index *index)
{
	free(index->files);
	*index = (struct tree_index){ .tree = NULL };
}
