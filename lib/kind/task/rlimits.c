/* rlimits: the 16 resource limits of a process, set last, since most of them only get lower. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/owner.h"

extern const struct kind kind_rlimits;

RECORDS_BEGIN
struct rlimits_rec {
	struct {
		le64 soft;
		le64 hard;
	} limits[RLIM_NLIMITS];
	/* In version 2: */
	le64 used_s; /* processor time, of which RLIMIT_CPU is the limit */
};
RECORDS_END
static_assert(sizeof(struct rlimits_rec) == 264, "image format");

static const size_t first_length = offsetof(struct rlimits_rec, used_s);

/* clang-format off */
#define RLIMITS_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, limits, CLASS_RLIMIT) \
	FIELD(rec, used_s, FIELD_TIGHTENS)
/* clang-format on */
FIELDS_OF(rlimits, struct rlimits_rec, RLIMITS_FIELDS);

static const char *const set_names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = "set RLIMIT_CPU",	   [RLIMIT_FSIZE] = "set RLIMIT_FSIZE",
	[RLIMIT_DATA] = "set RLIMIT_DATA",	   [RLIMIT_STACK] = "set RLIMIT_STACK",
	[RLIMIT_CORE] = "set RLIMIT_CORE",	   [RLIMIT_RSS] = "set RLIMIT_RSS",
	[RLIMIT_NPROC] = "set RLIMIT_NPROC",	   [RLIMIT_NOFILE] = "set RLIMIT_NOFILE",
	[RLIMIT_MEMLOCK] = "set RLIMIT_MEMLOCK",   [RLIMIT_AS] = "set RLIMIT_AS",
	[RLIMIT_LOCKS] = "set RLIMIT_LOCKS",	   [RLIMIT_SIGPENDING] = "set RLIMIT_SIGPENDING",
	[RLIMIT_MSGQUEUE] = "set RLIMIT_MSGQUEUE", [RLIMIT_NICE] = "set RLIMIT_NICE",
	[RLIMIT_RTPRIO] = "set RLIMIT_RTPRIO",	   [RLIMIT_RTTIME] = "set RLIMIT_RTTIME",
};

static void rlimits_put(struct rlimits_rec *rec, size_t resource, const struct rlimit *limit)
{
	rec->limits[resource].soft = le64_make(limit->rlim_cur);
	rec->limits[resource].hard = le64_make(limit->rlim_max);
}

/* From inside: the kernel tells them to others only when all ids are equal. */
static int rlimits_ask_inside(struct remote *remote, struct rlimits_rec *rec, struct err *err)
{
	auto_script struct script s = SCRIPT_NONE;
	const struct rlimit *limits;
	uint64_t out;
	int r;

	script_init(&s, remote);
	out = script_out(&s, RLIM_NLIMITS * sizeof(*limits));
	for (size_t i = 0; i < RLIM_NLIMITS; i++)
		(void)script_syscall(&s, "get limits", 0, SYS_prlimit64, 0, i, 0,
				     out + i * sizeof(*limits));
	r = script_run(&s, err);
	if (r < 0)
		return r;
	limits = script_output(&s, out, RLIM_NLIMITS * sizeof(*limits), err);
	if (!limits)
		return err->code;
	for (size_t i = 0; i < RLIM_NLIMITS; i++)
		rlimits_put(rec, i, &limits[i]);
	return 0;
}

static int rlimits_dump(struct dump *d, struct err *err)
{
	struct rlimits_rec rec = { .limits = { { .soft = le64_make(0) } } };
	int r = 0;

	if (!d->thread)
		return 0;
	rec.used_s = le64_make(d->task->stat.used_time / (uint64_t)sysconf(_SC_CLK_TCK));
	for (size_t i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;

		if (prlimit(d->task->pid, (__rlimit_resource_t)i, NULL, &limit) < 0) {
			r = rlimits_ask_inside(&d->thread->remote, &rec, err);
			break;
		}
		rlimits_put(&rec, i, &limit);
	}
	if (r < 0)
		return r;
	dump_record(d, d->task->id, &kind_rlimits, &rec, sizeof(rec));
	return 0;
}

static int rlimits_check(const void *body, size_t length, struct err *err)
{
	const struct rlimits_rec *rec = body;

	if (length != sizeof(*rec) && length != first_length)
		return err_set(err, ERR_DAMAGED, "rlimits: %zu bytes", length);
	for (size_t i = 0; i < RLIM_NLIMITS; i++) {
		if (le64_get(rec->limits[i].soft) > le64_get(rec->limits[i].hard))
			return err_set(err, ERR_DAMAGED, "rlimits: soft above hard: cannot %s",
				       set_names[i]);
	}
	return 0;
}

/* What a new process begins at 0, and this one had used: it is not to get more than was left. */
static uint64_t time_used(const struct record *record, uint32_t resource, uint64_t limit)
{
	const struct rlimits_rec *rec = record->body;

	if (resource != RLIMIT_CPU || limit == RLIM_INFINITY || record->length == first_length)
		return 0;
	return le64_get(rec->used_s);
}

static void ask_limit(struct plan *plan, const struct record *record, uint32_t detail,
		      uint64_t limit)
{
	uint64_t used = time_used(record, detail / 2, limit);
	uint64_t least = limit > 0; /* the kernel ends whoever has none, and not at once */
	uint64_t left = used < limit ? limit - used : least;
	auto_free char *text = mem_printf("%" PRIu64 " s, %" PRIu64 " s used", limit, used);

	plan_ask(plan, &(struct question){ .class = CLASS_RLIMIT,
					   .id = record->id,
					   .detail = detail,
					   .saved = left,
					   .saved_text = used ? text : NULL,
					   .invoker = plan_facts(plan)->hard_limits[detail / 2] });
}

static int rlimits_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	const struct rlimits_rec *rec = record->body;

	(void)image;
	(void)err;
	for (uint32_t i = 0; i < RLIM_NLIMITS; i++) {
		ask_limit(plan, record, 2 * i, le64_get(rec->limits[i].soft));
		ask_limit(plan, record, 2 * i + 1, le64_get(rec->limits[i].hard));
	}
	return 0;
}

static struct rlimit planned_limit(const struct restore *rs, const struct record *record,
				   uint32_t resource)
{
	struct rlimit limit = {
		.rlim_cur = plan_value(rs->plan, CLASS_RLIMIT, record->id, 2 * resource, 0),
		.rlim_max = plan_value(rs->plan, CLASS_RLIMIT, record->id, 2 * resource + 1, 0),
	};

	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	return limit;
}

static bool is_from_outside(const struct restore *rs, const struct record *record,
			    uint32_t resource)
{
	const struct decision *soft = plan_answer(rs->plan, CLASS_RLIMIT, record->id, 2 * resource);
	const struct decision *hard =
	    plan_answer(rs->plan, CLASS_RLIMIT, record->id, 2 * resource + 1);

	return (soft && soft->from_outside) || (hard && hard->from_outside);
}

/* Above the invoker's own: he has the capability, the task does not. */
static int finish_outside(const struct restore *rs, const struct record *record,
			  struct script *script, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < RLIM_NLIMITS; i++) {
		const struct rlimit limit = planned_limit(rs, record, i);

		if (!is_from_outside(rs, record, i))
			continue;
		r = script_run(script, err);
		if (r == 0 &&
		    prlimit(script->remote->tid, (__rlimit_resource_t)i, &limit, NULL) < 0)
			return err_set(err, -errno, "%s", set_names[i]);
	}
	return r;
}

static int rlimits_finish(struct restore *rs, const struct record *record, struct script *script,
			  struct err *err)
{
	int r = script_room(script, RLIM_NLIMITS, RLIM_NLIMITS * 64, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit limit = planned_limit(rs, record, i);

		if (is_from_outside(rs, record, i))
			continue;
		(void)script_syscall(script, set_names[i], 0, SYS_prlimit64, 0, i,
				     script_copy(script, &limit, sizeof(limit)), 0);
	}
	return finish_outside(rs, record, script, err);
}

const struct kind kind_rlimits = {
	.name = "rlimits",
	.summary = "resource limits",
	.tag = TAG('R', 'L', 'I', 'M'),
	.version = 2,
	.scope = SCOPE_TASK,
	.phase = PHASE_LIMITS,
	.fields = rlimits_fields,
	.dump = rlimits_dump,
	.check = rlimits_check,
	.link = owner_link_task,
	.ask = rlimits_ask,
	.finish = rlimits_finish,
};
