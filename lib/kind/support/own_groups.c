/* See own_groups.h. */
#include "kind/support/own_groups.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

static int compare(const void *left, const void *right)
{
	gid_t a = *(const gid_t *)left;
	gid_t b = *(const gid_t *)right;

	return a < b ? -1 : a > b;
}

bool own_groups_are(gid_t *groups, size_t count)
{
	int own_count = getgroups(0, NULL);
	auto_free gid_t *own = NULL;

	if (own_count < 0 || (size_t)own_count != count)
		return false;
	if (count == 0)
		return true;
	own = mem_alloc(count, sizeof(*own));
	if (getgroups(own_count, own) != own_count)
		return false;
	qsort(own, count, sizeof(*own), compare);
	qsort(groups, count, sizeof(*groups), compare);
	return memcmp(own, groups, count * sizeof(*own)) == 0;
}
