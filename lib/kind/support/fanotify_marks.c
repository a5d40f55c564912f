/* Marks of a fanotify. See fanotify_marks.h. */
#include "kind/support/fanotify_marks.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/scan.h"

void fanotify_marks_free(struct fanotify_marks *marks)
{
	free(marks->list);
	watched_free(marks->watched, marks->count);
}

const char *fanotify_find_line(const char *line, const char *start)
{
	while (line && strncmp(line, start, strlen(start)) != 0) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return line;
}

static bool scan_field(const char **at, const char *name, uint32_t *ret_value)
{
	uint64_t value;

	if (!scan_text(at, name) || !scan_number(at, 16, UINT32_MAX, &value))
		return false;
	*ret_value = (uint32_t)value;
	return true;
}

static bool parse_mark(const char *line, struct fanotify_mark *ret_mark,
		       struct watched *ret_watched)
{
	const char *at = strstr(line, " mflags:");

	return at && scan_field(&at, " mflags:", &ret_mark->flags) &&
	       scan_field(&at, " mask:", &ret_mark->mask) &&
	       scan_field(&at, " ignored_mask:", &ret_mark->ignored) &&
	       watched_parse(line, ret_watched);
}

int fanotify_marks_parse(const char *fdinfo, struct fanotify_marks *marks, struct err *err)
{
	for (const char *line = fanotify_find_line(fdinfo, "fanotify ino:"); line;
	     line = fanotify_find_line(line + 1, "fanotify ino:")) {
		struct fanotify_mark mark;
		struct watched watched;

		if (!parse_mark(line, &mark, &watched))
			return err_set(err, ERR_HOST, "this kernel shows fanotify in another form");
		array_grow(marks->list, marks->count);
		array_grow(marks->watched, marks->count);
		marks->list[marks->count] = mark;
		marks->watched[marks->count++] = watched;
	}
	return 0;
}
