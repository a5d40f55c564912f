/* Trial opens with the plan's maps: what is no path leaves the others their answers. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/file_opener.h"
#include "kind/support/files.h"
#include "policy/plan_private.h"
#include "unit.h"

static void long_path(struct unit *unit)
{
	struct id_map uids[] = { { 0, geteuid(), 1 }, { 1, 100000, 1 } };
	struct id_map gids[] = { { 0, getegid(), 1 }, { 1, 100000, 1 } };
	struct plan plan = { .uids = { .lines = uids, .count = 2 },
			     .gids = { .lines = gids, .count = 2 } };
	struct file_opener *opener = file_opener_start(&plan);
	struct file_trial trial = { .path = "/", .type = S_IFDIR };
	char path[FILE_PATH_MAX + 2] = "";

	/* Who may not give such ids has none. */
	if (!opener)
		return;
	EXPECT(unit, file_opener_try(opener, "/", &trial) == 0 && trial.is_by_maps);
	memset(path, '/', FILE_PATH_MAX);
	trial = (struct file_trial){ .path = path, .type = S_IFDIR };
	EXPECT(unit, file_opener_try(opener, path, &trial) == -EACCES && trial.path == path);
	trial = (struct file_trial){ .path = "/", .type = S_IFDIR };
	EXPECT(unit, file_opener_try(opener, "/", &trial) == 0);
	file_opener_stop(opener);
}

static const struct unit_case cases[] = {
	UNIT_CASE(long_path),
};

int main(void)
{
	return UNIT_RUN(cases);
}
