/* The id maps of a user namespace. Both the first number of a range and the second are relative to
 * who reads: the container's own namespace, which the dumper has joined. */
#include <inttypes.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "dump/dump.h"

static int add_map(const char *text, struct buf *body, le32 *ret_count, struct err *err)
{
	uint32_t count = 0;

	for (const char *at = text; *at; count++) {
		uint64_t values[3];
		struct idmap_rec rec;

		for (int i = 0; i < 3; i++) {
			scan_blanks(&at);
			if (!scan_number(&at, 10, UINT32_MAX, &values[i]))
				return err_set(err, ERR_FAILED, "an id map is cut");
		}
		if (!scan_char(&at, '\n'))
			return err_set(err, ERR_FAILED, "an id map is cut");
		rec = (struct idmap_rec){ le32_make((uint32_t)values[0]),
					  le32_make((uint32_t)values[1]),
					  le32_make((uint32_t)values[2]) };
		(void)buf_append(body, &rec, sizeof(rec));
	}
	*ret_count = le32_make(count);
	return 0;
}

static int read_maps(int proc, struct buf *body, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	le32 uids = le32_make(0);
	le32 gids = le32_make(0);
	struct namespace_rec *rec;
	int r = procfs_read(proc, "uid_map", &text, err);

	if (r == 0)
		r = add_map(text.data ? text.data : "", body, &uids, err);
	if (r == 0)
		r = procfs_read(proc, "gid_map", &text, err);
	if (r == 0)
		r = add_map(text.data ? text.data : "", body, &gids, err);
	if (r == 0)
		r = procfs_read(proc, "setgroups", &text, err);
	if (r < 0)
		return r;
	rec = (void *)body->data;
	rec->uid_count = uids;
	rec->gid_count = gids;
	if (strncmp(text.data, "deny", 4) == 0)
		rec->flags = le32_make(NAMESPACE_NO_SETGROUPS);
	return 0;
}

int dump_user_maps(const struct dump_namespace *ns, struct buf *body, struct err *err)
{
	auto_free char *name = mem_printf("user namespace %" PRIu64, (uint64_t)ns->ino);
	struct dump_stand_in *one = NULL;
	int r = dump_send_stand_in(ns, name, &one, err);

	if (r == 0)
		r = read_maps(one->task.proc, body, err);
	dump_dismiss_stand_in(one);
	return r;
}
