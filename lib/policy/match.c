/* Is a rule for this question? See match.h. */
#include "policy/match.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "policy/pattern.h"

static enum file_sort sort_of(uint32_t type)
{
	switch (type & S_IFMT) {
	case S_IFREG:
		return FILE_SORT_FILE;
	case S_IFDIR:
		return FILE_SORT_DIRECTORY;
	case S_IFIFO:
		return FILE_SORT_FIFO;
	case S_IFCHR:
	case S_IFBLK:
		return FILE_SORT_DEVICE;
	case S_IFSOCK:
		return FILE_SORT_SOCKET;
	default:
		return FILE_SORT_OTHER;
	}
}

static unsigned int access_of(uint64_t flags)
{
	if (flags & O_PATH)
		return 0;
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return 1;
	case O_WRONLY:
		return 2;
	default:
		return 3;
	}
}

static bool holds_access(const struct policy_match *match, const struct decision *decision)
{
	unsigned int access = access_of(decision->saved);

	if (!match->has_access)
		return true;
	return match->is_exact ? access == match->access
			       : (access & match->access) == match->access;
}

static bool holds_task(const struct policy_match *match, const struct decision *decision)
{
	if (match->pid != 0 && decision->pid != match->pid)
		return false;
	return !match->comm || (decision->comm && pattern_matches(match->comm, decision->comm));
}

bool policy_match_holds(const struct policy_match *match, const struct decision *decision)
{
	if (match->details != 0 &&
	    (decision->detail >= 64 || !(match->details >> decision->detail & 1)))
		return false;
	if (match->path && !(decision->path && pattern_matches(match->path, decision->path)))
		return false;
	if (match->sorts != 0 && !(match->sorts >> sort_of(decision->type) & 1))
		return false;
	if (match->caps != 0 && !(decision->saved & match->caps))
		return false;
	if (match->id_count != 0 && (decision->saved < match->first_id ||
				     decision->saved - match->first_id >= match->id_count))
		return false;
	return holds_access(match, decision) && holds_task(match, decision);
}
