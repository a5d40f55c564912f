/* What /proc/PID/fdinfo says of a ring of io_uring. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/uring.h"

static bool number(const char *text, const char *name, int base, uint32_t *ret_number)
{
	uint64_t value;

	if (!procfs_field(text, name, base, &value) || value > UINT32_MAX)
		return false;
	*ret_number = (uint32_t)value;
	return true;
}

/* The lines of a list follow its title, with blanks in front. NULL: there is no such title. */
static const char *list(const char *text, const char *title)
{
	const char *at = strstr(text, title);

	return at ? strchrnul(at + strlen(title), '\n') : NULL;
}

static uint32_t count_lines(const char *at)
{
	uint32_t count = 0;

	while (at && strncmp(at, "\n ", 2) == 0) {
		at = strchrnul(at + 1, '\n');
		count++;
	}
	return count;
}

/* Is there a line in the list, and is this word in the first? */
static bool shows(const char *text, const char *title, const char *word, bool *ret_has_word)
{
	const char *at = list(text, title);
	const char *end = count_lines(at) > 0 ? strchrnul(at + 1, '\n') : at;

	*ret_has_word = end > at && memmem(at, (size_t)(end - at), word, strlen(word)) != NULL;
	return end > at;
}

static bool parse_counters(const char *text, struct uring_info *info)
{
	uint32_t sq_mask;
	uint32_t cq_mask;

	if (!number(text, "SqMask", 16, &sq_mask) || !number(text, "CqMask", 16, &cq_mask) ||
	    !number(text, "SqTail", 10, &info->sq_tail) ||
	    !number(text, "CachedSqHead", 10, &info->requests) ||
	    !number(text, "CqHead", 10, &info->cq_head) ||
	    !number(text, "CachedCqTail", 10, &info->completions) || sq_mask >= URING_SQ_MAX ||
	    cq_mask >= URING_CQ_MAX)
		return false;
	info->sq_entries = sq_mask + 1;
	info->cq_entries = cq_mask + 1;
	return true;
}

bool uring_info_parse(const char *text, struct uring_info *ret_info)
{
	struct uring_info info = { 0 };
	const char *polls = list(text, "\nPollList:");
	const char *thread = strstr(text, "\nSqThread:\t");
	const char *code;

	if (!parse_counters(text, &info) || !polls || !thread || !list(text, "\nCqOverflowList:") ||
	    !number(text, "UserFiles", 10, &info.files) ||
	    !number(text, "UserBufs", 10, &info.buffers))
		return false;
	info.has_thread = strncmp(thread, "\nSqThread:\t-1\n", 14) != 0;
	info.has_personalities = list(text, "\nPersonalities:") != NULL;
	info.has_napi = strstr(text, "\nNAPI:\tenabled") != NULL;
	info.has_overflow = count_lines(list(text, "\nCqOverflowList:")) > 0;
	info.polls = count_lines(polls);
	code = info.polls > 0 ? strstr(polls, "op=") : NULL;
	for (code = code ? code + 3 : ""; *code >= '0' && *code <= '9' && info.poll_code < 1000;)
		info.poll_code = info.poll_code * 10 + (uint32_t)(*code++ - '0');
	info.shows_request = shows(text, "\nSQEs:", ", e0:", &info.shows_long_request);
	info.shows_completion = shows(text, "\nCQEs:", ", extra1:", &info.shows_long_completion);
	*ret_info = info;
	return true;
}

int uring_info_read(int fd, struct uring_info *ret_info, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *path = mem_printf("self/fdinfo/%d", fd);
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = procfs_read(proc, path, &text, err);

	if (r < 0)
		return r;
	if (!uring_info_parse(text.data, ret_info))
		return err_set(err, ERR_HOST, "this kernel does not show rings of io_uring");
	return 0;
}
