/* Files that the plan drops or substitutes: no kind is asked to restore them. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "restore/restore.h"

bool restore_is_given_up(const struct restore *rs, uint32_t id)
{
	const struct decision *decision = plan_answer_file(rs->plan, id);

	return decision && decision->is_descriptor &&
	       (decision->outcome == OUTCOME_SUBSTITUTE || decision->outcome == OUTCOME_DROP);
}

int restore_instead(struct restore *rs, const struct record *record, struct err *err)
{
	const struct decision *decision = plan_answer_file(rs->plan, record->id);
	auto_close int fd = -1;
	int r;

	/* What is dropped is still referred to; nothing can be done with it. */
	if (decision->outcome == OUTCOME_DROP)
		r = restore_open_path(rs, "/dev/null", S_IFCHR, &fd, err);
	else
		r = restore_open(rs, decision->with, (uint32_t)decision->saved, 0, &fd, err);
	if (r < 0)
		return err_wrap(err, "in the place of %s", decision->path);
	return restore_give_fd(rs, record, take_fd(&fd), err);
}
