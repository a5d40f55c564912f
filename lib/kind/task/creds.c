/* creds: user and group ids, supplementary groups, capabilities, securebits. Each thread has its
 * own. A restored thread holds all capabilities of its user namespace until finish. */
#include <inttypes.h>
#include <limits.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/namespaces.h"
#include "kind/support/owner.h"
#include "kind/support/seccomp.h"
#include "restore/restore.h"

extern const struct kind kind_creds;

enum id_sort { ID_REAL, ID_EFFECTIVE, ID_SAVED, ID_FS, ID_COUNT };
enum cap_set {
	SET_INHERITABLE,
	SET_PERMITTED,
	SET_EFFECTIVE,
	SET_BOUNDING,
	SET_AMBIENT,
	SET_COUNT
};

RECORDS_BEGIN
struct creds_rec {
	le32 uid[ID_COUNT]; /* as the container sees them */
	le32 gid[ID_COUNT];
	le64 caps[SET_COUNT];
	le32 securebits;
	le32 group_count;
	le32 groups[];
};
RECORDS_END
static_assert(sizeof(struct creds_rec) == 80, "image format");

/* clang-format off */
#define CREDS_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, uid, CLASS_UID) \
	FIELD(rec, gid, CLASS_GID) \
	FIELD(rec, caps, CLASS_CAPS) \
	FIELD(rec, securebits, CLASS_SECUREBITS) \
	FIELD(rec, group_count, FIELD_FORM) \
	TAIL(rec, groups, CLASS_GROUPS)
/* clang-format on */
FIELDS_OF(creds, struct creds_rec, CREDS_FIELDS);

static const uint32_t no_id = UINT32_MAX; /* to the kernel: leave it as it is */
static const uint64_t known_caps = (UINT64_C(1) << (CAP_LAST_CAP + 1)) - 1;
static const uint32_t known_securebits = 0xfff; /* 6.14: exec_restrict_file and its like */

static const char *const uid_names[] = { "uid.real", "uid.effective", "uid.saved", "uid.fs" };
static const char *const gid_names[] = { "gid.real", "gid.effective", "gid.saved", "gid.fs" };
static const char *const cap_names[] = { "caps.inheritable", "caps.permitted", "caps.effective",
					 "caps.bounding", "caps.ambient" };

struct creds_answers {
	uint64_t uids, gids, groups;
	size_t fsuid, fsgid, securebits, group_count;
};

static void creds_query(struct dump *d, struct script *s, void *ret_answers)
{
	struct creds_answers *at = ret_answers;
	size_t group_count = d->thread->status.group_count;

	at->uids = script_out(s, 3 * 4);
	at->gids = script_out(s, 3 * 4);
	(void)script_syscall(s, "get user ids", 0, SYS_getresuid, at->uids, at->uids + 4,
			     at->uids + 8);
	(void)script_syscall(s, "get group ids", 0, SYS_getresgid, at->gids, at->gids + 4,
			     at->gids + 8);
	/* An id that cannot be is a question: both calls return the present one. */
	at->fsuid = script_syscall(s, "get fsuid", 0, SYS_setfsuid, no_id);
	at->fsgid = script_syscall(s, "get fsgid", 0, SYS_setfsgid, no_id);
	at->securebits = script_syscall(s, "get securebits", 0, SYS_prctl, PR_GET_SECUREBITS);
	if (group_count > 0) {
		at->groups = script_out(s, group_count * 4);
		at->group_count =
		    script_syscall(s, "get groups", 0, SYS_getgroups, group_count, at->groups);
	}
}

static int creds_read_ids(struct script *s, const struct creds_answers *at, struct creds_rec *rec,
			  struct err *err)
{
	const uint32_t *uids = script_output(s, at->uids, 12, err);
	const uint32_t *gids = script_output(s, at->gids, 12, err);

	if (!uids || !gids)
		return err->code;
	for (size_t i = 0; i < 3; i++) {
		rec->uid[i] = le32_make(uids[i]);
		rec->gid[i] = le32_make(gids[i]);
	}
	rec->uid[ID_FS] = le32_make((uint32_t)script_result(s, at->fsuid));
	rec->gid[ID_FS] = le32_make((uint32_t)script_result(s, at->fsgid));
	rec->securebits = le32_make((uint32_t)script_result(s, at->securebits));
	return 0;
}

static int creds_append_groups(struct script *s, const struct creds_answers *at, size_t count,
			       struct buf *body, struct err *err)
{
	const uint32_t *groups;

	if (count == 0)
		return 0;
	if (script_result(s, at->group_count) != (int64_t)count)
		return err_set(err, ERR_FAILED, "groups changed while the task was stopped");
	groups = script_output(s, at->groups, count * 4, err);
	if (!groups)
		return err->code;
	for (size_t i = 0; i < count; i++) {
		le32 group = le32_make(groups[i]);

		(void)buf_append(body, &group, sizeof(group));
	}
	return 0;
}

/* In a user namespace of its own, what a task sees of itself is not what the container sees. We
 * are in the container's, and read from there. */
static void creds_from_outside(const struct procfs_status *status, struct creds_rec *rec,
			       struct buf *groups)
{
	for (size_t i = 0; i < ID_COUNT; i++) {
		rec->uid[i] = le32_make(status->uid[i]);
		rec->gid[i] = le32_make(status->gid[i]);
	}
	for (size_t i = 0; i < status->group_count; i++) {
		le32 group = le32_make(status->groups[i]);

		(void)buf_append(groups, &group, sizeof(group));
	}
}

static int creds_dump(struct dump *d, struct err *err)
{
	const struct procfs_status *status = &d->thread->status;
	const uint64_t caps[] = { status->cap_inheritable, status->cap_permitted,
				  status->cap_effective, status->cap_bounding,
				  status->cap_ambient };
	struct creds_rec rec = { .group_count = le32_make((uint32_t)status->group_count) };
	bool is_nested = d->task->namespaces[NAMESPACE_USER] != 0;
	const struct creds_answers *at = dump_answers(d, &kind_creds);
	auto_buf struct buf groups = BUF_EMPTY;
	auto_buf struct buf body = BUF_EMPTY;
	int r = creds_read_ids(d->script, at, &rec, err);

	if (r < 0)
		return r;
	/* Capabilities of later kernels are given up: less privilege, never more. */
	for (size_t i = 0; i < SET_COUNT; i++)
		rec.caps[i] = le64_make(caps[i] & known_caps);
	r = creds_append_groups(d->script, at, is_nested ? 0 : status->group_count, &groups, err);
	if (r < 0)
		return r;
	if (is_nested)
		creds_from_outside(status, &rec, &groups);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, groups.data, groups.size);
	dump_record(d, d->thread->id, &kind_creds, body.data, body.size);
	return 0;
}

static int check_ids(const struct creds_rec *rec, uint32_t group_count, struct err *err)
{
	for (size_t i = 0; i < ID_COUNT; i++) {
		if (le32_get(rec->uid[i]) == no_id)
			return err_set(err, ERR_DAMAGED, "creds: %s is no id", uid_names[i]);
		if (le32_get(rec->gid[i]) == no_id)
			return err_set(err, ERR_DAMAGED, "creds: %s is no id", gid_names[i]);
	}
	for (uint32_t i = 0; i < group_count; i++) {
		if (le32_get(rec->groups[i]) == no_id)
			return err_set(err, ERR_DAMAGED, "creds: group %" PRIu32 " is no id", i);
	}
	return 0;
}

static int check_caps(const struct creds_rec *rec, struct err *err)
{
	uint64_t permitted = le64_get(rec->caps[SET_PERMITTED]);
	uint64_t inheritable = le64_get(rec->caps[SET_INHERITABLE]);

	for (size_t i = 0; i < SET_COUNT; i++) {
		if (le64_get(rec->caps[i]) & ~known_caps)
			return err_set(err, ERR_DAMAGED, "creds: unknown bits in %s", cap_names[i]);
	}
	if (le64_get(rec->caps[SET_EFFECTIVE]) & ~permitted)
		return err_set(err, ERR_DAMAGED,
			       "creds: an effective capability that is not permitted");
	if (le64_get(rec->caps[SET_AMBIENT]) & ~(permitted & inheritable))
		return err_set(
		    err, ERR_DAMAGED,
		    "creds: an ambient capability that is not permitted and inheritable");
	if (le32_get(rec->securebits) & ~known_securebits)
		return err_set(err, ERR_DAMAGED, "creds: unknown securebits");
	return 0;
}

static int creds_check(const void *body, size_t length, struct err *err)
{
	const struct creds_rec *rec = body;
	uint32_t group_count;
	int r;

	if (length < sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "creds: %zu bytes", length);
	group_count = le32_get(rec->group_count);
	if (group_count > NGROUPS_MAX)
		return err_set(err, ERR_DAMAGED, "creds: %" PRIu32 " groups", group_count);
	if (length != sizeof(*rec) + group_count * sizeof(rec->groups[0]))
		return err_set(err, ERR_DAMAGED, "creds: %zu bytes for %" PRIu32 " groups", length,
			       group_count);
	r = check_ids(rec, group_count, err);
	if (r < 0)
		return r;
	return check_caps(rec, err);
}

static void ask_ids(struct plan *plan, const struct record *record)
{
	const struct creds_rec *rec = record->body;
	const struct host_facts *facts = plan_facts(plan);
	struct question question = { .id = record->id };

	for (uint32_t i = 0; i < ID_COUNT; i++) {
		question.detail = i;
		question.class = CLASS_UID;
		question.saved = le32_get(rec->uid[i]);
		question.invoker = facts->uid;
		plan_ask(plan, &question);
		question.class = CLASS_GID;
		question.saved = le32_get(rec->gid[i]);
		question.invoker = facts->gid;
		plan_ask(plan, &question);
	}
	question.class = CLASS_GROUPS;
	question.invoker = facts->gid;
	for (uint32_t i = 0; i < le32_get(rec->group_count); i++) {
		question.detail = i;
		question.saved = le32_get(rec->groups[i]);
		plan_ask(plan, &question);
	}
}

static int creds_ask(struct plan *plan, const struct image *image, const struct record *record,
		     struct err *err)
{
	const struct creds_rec *rec = record->body;
	const struct host_facts *facts = plan_facts(plan);
	struct question question = { .class = CLASS_CAPS, .id = record->id };

	(void)image;
	(void)err;
	ask_ids(plan, record);
	for (uint32_t i = 0; i < SET_COUNT; i++) {
		question.detail = i;
		question.saved = le64_get(rec->caps[i]);
		question.invoker = facts->bounding;
		plan_ask(plan, &question);
	}
	question = (struct question){ .class = CLASS_SECUREBITS,
				      .id = record->id,
				      .saved = le32_get(rec->securebits),
				      .invoker = facts->securebits };
	plan_ask(plan, &question);
	return 0;
}

/* What the plan says of all four ids; none may be missing. */
static int planned_ids(const struct restore *rs, enum policy_class class, uint32_t id,
		       uint32_t ret_ids[ID_COUNT], struct err *err)
{
	for (uint32_t i = 0; i < ID_COUNT; i++) {
		uint64_t value = plan_value(rs->plan, class, id, i, no_id);

		if (value >= no_id)
			return err_set(err, ERR_REFUSED, "%s: the plan has no id",
				       class == CLASS_UID ? uid_names[i] : gid_names[i]);
		ret_ids[i] = (uint32_t)value;
	}
	return 0;
}

/* The kernel denies setgroups(2) where only one's own gid is mapped. */
static bool may_set_groups(const struct plan *plan)
{
	size_t count;
	const struct id_map *map = plan_gid_map(plan, &count);

	return plan_may_setgroups(plan) && (count > 1 || (count == 1 && map[0].count > 1));
}

/* In a user namespace that denies it, all have the groups that they came with. */
static bool is_denied(const struct restore *rs, uint32_t userns)
{
	const struct namespace_rec *ns = namespace_find(rs->image, userns);

	return ns && (le32_get(ns->flags) & NAMESPACE_NO_SETGROUPS || le32_get(ns->gid_count) == 0);
}

static void finish_groups(const struct restore *rs, const struct record *record, uint32_t userns,
			  struct script *script)
{
	const struct creds_rec *rec = record->body;
	uint32_t count = le32_get(rec->group_count);
	auto_free uint32_t *groups = mem_alloc(count, sizeof(*groups));
	size_t kept = 0;

	if (!may_set_groups(rs->plan) || is_denied(rs, userns))
		return;
	for (uint32_t i = 0; i < count; i++) {
		const struct decision *decision =
		    plan_answer(rs->plan, CLASS_GROUPS, record->id, i);
		uint32_t group = no_id;

		if (decision && decision->outcome == OUTCOME_INHERIT)
			return;
		if (decision && decision->outcome != OUTCOME_DROP && decision->effective < no_id)
			group = namespace_map_gid(rs->image, userns, (uint32_t)decision->effective);
		if (group != no_id)
			groups[kept++] = group;
	}
	(void)script_syscall(script, "set groups", 0, SYS_setgroups, kept,
			     script_copy(script, groups, kept * sizeof(*groups)));
}

/* A change of ids makes the task undumpable, and then its script cannot be read any more. */
static void stay_dumpable(struct script *script)
{
	(void)script_syscall(script, "stay dumpable", 0, SYS_prctl, PR_SET_DUMPABLE, 1);
}

static int finish_ids(const struct restore *rs, uint32_t id, uint32_t userns, struct script *script,
		      struct err *err)
{
	uint32_t uid[ID_COUNT];
	uint32_t gid[ID_COUNT];
	int r = planned_ids(rs, CLASS_UID, id, uid, err);

	if (r == 0)
		r = planned_ids(rs, CLASS_GID, id, gid, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ID_COUNT; i++) {
		uid[i] = namespace_map_uid(rs->image, userns, uid[i]);
		gid[i] = namespace_map_gid(rs->image, userns, gid[i]);
	}
	(void)script_syscall(script, "set group ids", 0, SYS_setresgid, gid[ID_REAL],
			     gid[ID_EFFECTIVE], gid[ID_SAVED]);
	stay_dumpable(script);
	/* These two report no failure; what came of them is seen when all is in place. An id that
	 * is none is a question to them. */
	if (gid[ID_FS] != gid[ID_EFFECTIVE])
		(void)script_syscall(script, "set fsgid", 0, SYS_setfsgid, gid[ID_FS]);
	(void)script_syscall(script, "keep capabilities", 0, SYS_prctl, PR_SET_SECUREBITS,
			     SECBIT_NO_SETUID_FIXUP);
	(void)script_syscall(script, "set user ids", 0, SYS_setresuid, uid[ID_REAL],
			     uid[ID_EFFECTIVE], uid[ID_SAVED]);
	stay_dumpable(script);
	if (uid[ID_FS] != uid[ID_EFFECTIVE])
		(void)script_syscall(script, "set fsuid", 0, SYS_setfsuid, uid[ID_FS]);
	stay_dumpable(script);
	return 0;
}

int creds_take_ids(const struct restore *rs, uint32_t id, uint32_t userns, struct script *script,
		   struct err *err)
{
	const struct record *record = image_find(rs->image, kind_creds.tag, id);
	const struct creds_rec *rec = record->body;
	int r =
	    script_room(script, 16, le32_get(rec->group_count) * sizeof(rec->groups[0]) + 256, err);

	if (r < 0)
		return r;
	finish_groups(rs, record, userns, script);
	return finish_ids(rs, id, userns, script, err);
}

static void add_capset(struct script *script, const char *name, uint64_t inheritable,
		       uint64_t permitted, uint64_t effective)
{
	const struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	(void)script_syscall(script, name, 0, SYS_capset,
			     script_copy(script, &header, sizeof(header)),
			     script_copy(script, data, sizeof(data)));
}

/* Inheritable and ambient rise while all is permitted, and before the bounding set would forbid
 * it; everything that needs CAP_SETPCAP stands before the last capset. */
static void finish_caps(const struct restore *rs, uint32_t id, struct script *script)
{
	uint64_t host_caps = ((UINT64_C(1) << cap_max_bits()) - 1) & rs->own->held_caps;
	uint64_t caps[SET_COUNT];

	for (uint32_t i = 0; i < SET_COUNT; i++)
		caps[i] = plan_value(rs->plan, CLASS_CAPS, id, i, 0) & host_caps;
	caps[SET_EFFECTIVE] &= caps[SET_PERMITTED];
	caps[SET_AMBIENT] &= caps[SET_PERMITTED] & caps[SET_INHERITABLE];

	add_capset(script, "set inheritable capabilities", caps[SET_INHERITABLE], host_caps,
		   host_caps);
	(void)script_syscall(script, "clear ambient capabilities", 0, SYS_prctl, PR_CAP_AMBIENT,
			     PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned int cap = 0; host_caps >> cap; cap++) {
		if (caps[SET_AMBIENT] >> cap & 1)
			(void)script_syscall(script, "raise an ambient capability", 0, SYS_prctl,
					     PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
		if (!(caps[SET_BOUNDING] >> cap & 1))
			(void)script_syscall(script, "lower the bounding set", 0, SYS_prctl,
					     PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	(void)script_syscall(script, "set securebits", 0, SYS_prctl, PR_SET_SECUREBITS,
			     plan_value(rs->plan, CLASS_SECUREBITS, id, 0, SECBIT_NOROOT));
	add_capset(script, "set capabilities", caps[SET_INHERITABLE], caps[SET_PERMITTED],
		   caps[SET_EFFECTIVE]);
}

static int creds_finish(struct restore *rs, const struct record *record, struct script *script,
			struct err *err)
{
	const struct nsproxy_rec *ns =
	    nsproxy_find(rs->image, owner_task_of(rs->image, record->id));
	uint32_t userns = ns ? le32_get(ns->ids[NAMESPACE_USER]) : 0;
	int r = 0;

	if (seccomp_comes_early(rs, record->id))
		r = seccomp_install(rs, record->id, script, err);
	if (r == 0)
		r = creds_take_ids(rs, record->id, userns, script, err);
	if (r == 0)
		r = script_room(script, 160, 1024, err);
	if (r < 0)
		return r;
	finish_caps(rs, record->id, script);
	return 0;
}

const struct kind kind_creds = {
	.name = "creds",
	.summary = "user and group ids, groups, capabilities, securebits",
	.tag = TAG('C', 'R', 'E', 'D'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_IDENTITY,
	.fields = creds_fields,
	.answers_size = sizeof(struct creds_answers),
	.query = creds_query,
	.dump = creds_dump,
	.check = creds_check,
	.link = owner_link_thread,
	.ask = creds_ask,
	.finish = creds_finish,
};
