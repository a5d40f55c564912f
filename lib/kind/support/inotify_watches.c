/* The watches of an inotify. See inotify_watches.h. */
#include "kind/support/inotify_watches.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/scan.h"

void inotify_watches_free(struct inotify_watches *watches)
{
	free(watches->list);
	watched_free(watches->watched, watches->count);
}

/* The kernel lists the newest first. */
static void reverse(struct inotify_watches *watches)
{
	for (size_t i = 0, j = watches->count; i + 1 < j; i++) {
		struct inotify_watch watch = watches->list[i];
		struct watched watched = watches->watched[i];

		j--;
		watches->list[i] = watches->list[j];
		watches->list[j] = watch;
		watches->watched[i] = watches->watched[j];
		watches->watched[j] = watched;
	}
}

static bool parse_watch(const char *line, struct inotify_watch *ret_watch)
{
	const char *mask = strstr(line, " mask:");
	uint64_t number;
	uint64_t bits;

	if (!mask || !scan_text(&line, "inotify wd:") ||
	    !scan_number(&line, 16, UINT32_MAX, &number) || !scan_text(&mask, " mask:") ||
	    !scan_number(&mask, 16, UINT32_MAX, &bits))
		return false;
	*ret_watch = (struct inotify_watch){ (uint32_t)number, (uint32_t)bits };
	return true;
}

int inotify_watches_parse(const char *fdinfo, struct inotify_watches *watches, struct err *err)
{
	for (const char *line = fdinfo; line; line = strchr(line, '\n')) {
		struct inotify_watch watch;
		struct watched watched;

		line += *line == '\n';
		if (strncmp(line, "inotify ", 8) != 0)
			continue;
		if (!parse_watch(line, &watch) || !watched_parse(line, &watched))
			return err_set(err, ERR_HOST, "this kernel shows inotify in another form");
		if (watches->count > 0 && watches->list[watches->count - 1].number <= watch.number)
			return err_set(err, ERR_HOST, "this kernel orders watches in another way");
		array_grow(watches->list, watches->count);
		array_grow(watches->watched, watches->count);
		watches->list[watches->count] = watch;
		watches->watched[watches->count++] = watched;
	}
	reverse(watches);
	return 0;
}
