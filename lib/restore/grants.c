/* What the invoker gives: his descriptors become objects, before any other is made. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/grant.h"
#include "restore/restore.h"

bool restore_is_granted(const struct restore *rs, uint32_t id)
{
	const struct decision *decision = plan_answer(rs->plan, CLASS_GRANT, id, 0);

	return decision && decision->outcome == OUTCOME_SUBSTITUTE;
}

/* The program goes on where it was, in the way that it had asked for. */
static int set_state(struct restore *rs, const struct grant_look *saved, int fd, struct err *err)
{
	if (saved->is_any)
		return 0;
	if (S_ISREG(saved->type) && lseek(fd, (off_t)saved->position, SEEK_SET) < 0)
		return err_set(err, -errno, "set position %" PRIu64, saved->position);
	if (S_ISDIR(saved->type) && lseek(fd, (off_t)saved->position, SEEK_SET) < 0)
		restore_note(rs, "directory %s is read from its start again: %s", saved->name,
			     strerror(errno));
	return restore_status_flags(rs, fd, saved->flags, err);
}

static int give(struct restore *rs, const struct host_grant *grant, struct err *err)
{
	const struct record *record = NULL;
	const struct kind *kind = grant_kind(rs->image, grant->id, &record);
	struct grant_look saved = { .type = 0 };
	auto_close int fd = -1;
	int r;

	if (!kind || !kind->grant(rs->image, record, &saved))
		return err_set(err, ERR_FAILED, "it is no descriptor that could be given");
	fd = fcntl(grant->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return err_set(err, -errno, "duplicate it");
	r = set_state(rs, &saved, fd, err);
	return r < 0 ? r : restore_give_fd(rs, record, take_fd(&fd), err);
}

int restore_give_grants(struct restore *rs, struct err *err)
{
	const struct host_facts *facts = plan_facts(rs->plan);

	for (size_t i = 0; i < facts->grant_count; i++) {
		const struct host_grant *grant = &facts->grants[i];
		int r = restore_is_granted(rs, grant->id) ? give(rs, grant, err) : 0;

		if (r < 0)
			return err_wrap(err, "descriptor %d", grant->number);
	}
	return 0;
}
