/* Does a plan that was made before still hold? See ctckpt/policy.h. */
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "ctckpt/policy.h"
#include "image/image.h"
#include "policy/group.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"
#include "policy/trusted.h"

#define PLAN_FILE_MAX (256u << 20)
/* As many differences as an error has room for. */
#define DIFFERENCES_TEXT_MAX 800u

struct hold {
	const struct plan *plan;
	bool *is_named; /* owned: by number of the decision: the old plan has it */
	struct buf text;
	size_t count;
	size_t omitted;
};

/* A decision of the old plan. The texts are the plan's; NULL: it has none. */
struct old {
	enum policy_class class;
	uint32_t id;
	uint32_t detail;
	enum outcome outcome;
	uint64_t effective;
	const char *effective_text;
	const char *invoker_text;
};

static int damaged(size_t index, struct err *err)
{
	return err_set(err, ERR_FAILED, "decision %zu is none that ctckpt plan prints", index);
}

static bool parse_class(const struct json *value, enum policy_class *ret_class)
{
	const char *name = json_get_string(value);

	for (enum policy_class class = 0; name && class < CLASS_COUNT; class ++) {
		if (strcmp(policy_class_name(class), name) == 0) {
			*ret_class = class;
			return true;
		}
	}
	return false;
}

static bool parse_outcome(const struct json *value, enum outcome *ret_outcome)
{
	const char *name = json_get_string(value);

	for (enum outcome outcome = 0; name && outcome <= OUTCOME_REFUSE; outcome++) {
		if (strcmp(outcome_name(outcome), name) == 0) {
			*ret_outcome = outcome;
			return true;
		}
	}
	return false;
}

/* Signed ones may be negative, and the largest are strings. */
static bool parse_value(const struct json *value, uint64_t *ret_value)
{
	const char *text = json_get_string(value);
	int64_t number;
	char *end;

	if (json_get_i64(value, &number)) {
		*ret_value = (uint64_t)number;
		return true;
	}
	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static int parse_old(const struct json *value, size_t index, struct old *ret_old, struct err *err)
{
	struct old old = { .effective = 0 };
	uint64_t id;
	uint64_t detail;

	if (!parse_class(json_get(value, "class"), &old.class) ||
	    !json_get_u64(json_get(value, "id"), &id) || id > UINT32_MAX ||
	    !json_get_u64(json_get(value, "detail"), &detail) || detail > UINT32_MAX ||
	    !parse_outcome(json_get(value, "outcome"), &old.outcome))
		return damaged(index, err);
	if (old.outcome != OUTCOME_REFUSE &&
	    !parse_value(json_get(value, "effective"), &old.effective))
		return damaged(index, err);
	old.id = (uint32_t)id;
	old.detail = (uint32_t)detail;
	old.effective_text = json_get_string(json_get(value, "effective_text"));
	old.invoker_text = json_get_string(json_get(value, "invoker_text"));
	*ret_old = old;
	return 0;
}

/* ---- differences ---- */

/* What a text of the old plan is compared with; NULL where nothing is. */
static const char *old_text(const struct old *old, struct buf *now, const struct decision *decision)
{
	if (decision->outcome != old->outcome)
		return NULL;
	if (decision->outcome == OUTCOME_SUBSTITUTE) {
		decision_effective(decision, now);
		return old->effective_text;
	}
	if (decision->outcome != OUTCOME_REOPEN || !policy_class_is_file(decision->class))
		return NULL;
	decision_invoker(decision, now);
	return old->invoker_text;
}

/* A file that was longer than saved may have grown further. */
static bool says_the_same(const char *one, const char *other)
{
	while (*one && *one == *other) {
		one += 1 + strspn(one + 1, "0123456789");
		other += 1 + strspn(other + 1, "0123456789");
	}
	return *one == *other;
}

/* The outcome is the same, but something else takes its place, or the file is another one since. */
static bool is_altered(const struct decision *decision, const struct old *old)
{
	auto_buf struct buf now = BUF_EMPTY;
	const char *then = old_text(old, &now, decision);

	if (!then || !now.data || strcmp(then, now.data) == 0)
		return false;
	return decision->outcome == OUTCOME_SUBSTITUTE ||
	       (strcmp(now.data, "open") != 0 && !says_the_same(then, now.data));
}

static void add_difference(struct hold *hold, const struct buf *text)
{
	hold->count++;
	if (hold->text.size + text->size > DIFFERENCES_TEXT_MAX)
		hold->omitted++;
	else
		buf_printf(&hold->text, "%s%s", hold->text.size ? "; " : "", text->data);
}

/* " was open and is open: the file was changed since" */
static void append_altered(const struct decision *decision, const struct old *old, struct buf *out)
{
	auto_buf struct buf now = BUF_EMPTY;
	const char *then = old_text(old, &now, decision);
	const char *how = decision->outcome == OUTCOME_SUBSTITUTE ? "substitute " : "";

	buf_printf(out, " was %s", how);
	append_escaped(then, out);
	buf_printf(out, " and is %s%s", how, now.data);
}

/* "task 7 (nginx) rlimit.nofile.hard was 4096 and is 1024" */
static void add_worse(struct hold *hold, const struct decision *decision, const struct old *old)
{
	const struct lattice *lattice = lattice_of(decision->class);
	uint32_t number = (uint32_t)(decision - hold->plan->decisions);
	struct plan_group group = { decision, &number, 1 };
	auto_buf struct buf text = BUF_EMPTY;

	plan_group_who(hold->plan, &group, &text);
	buf_printf(&text, " ");
	decision_subject(decision, &text);
	if (is_altered(decision, old)) {
		append_altered(decision, old, &text);
		add_difference(hold, &text);
		return;
	}
	buf_printf(&text, " was ");
	if (lattice_has_values(decision->class))
		lattice->explain(old->effective, decision->detail, &text);
	else
		buf_printf(&text, "%s", outcome_name(old->outcome));
	buf_printf(&text, " and is ");
	if (decision->outcome == OUTCOME_REFUSE)
		buf_printf(&text, "refused (%s)", decision->reason ? decision->reason : "");
	else if (lattice_has_values(decision->class))
		decision_effective(decision, &text);
	else
		buf_printf(&text, "%s", outcome_name(decision->outcome));
	add_difference(hold, &text);
}

static void add_gone(struct hold *hold, const struct old *old)
{
	auto_buf struct buf text = BUF_EMPTY;

	explain_subject(old->class, old->detail, &text);
	buf_printf(&text, " of object %" PRIu32 " is gone", old->id);
	add_difference(hold, &text);
}

static uint64_t value_of(enum policy_class class, uint64_t value)
{
	return class == CLASS_SCHED ? value & ~(uint64_t)SCHED_RESET_ON_FORK : value;
}

static bool is_worse(const struct decision *decision, const struct old *old)
{
	const struct lattice *lattice = lattice_of(decision->class);

	if (old->outcome == OUTCOME_REFUSE)
		return false;
	if (decision->outcome == OUTCOME_REFUSE)
		return true;
	if (lattice_has_values(decision->class))
		return !lattice->leq(value_of(decision->class, old->effective),
				     value_of(decision->class, decision->effective));
	return outcome_loss(decision->outcome) > outcome_loss(old->outcome) ||
	       is_altered(decision, old);
}

static void compare(struct hold *hold, const struct old *old)
{
	const struct decision *decision = plan_answer(hold->plan, old->class, old->id, old->detail);

	if (!decision) {
		add_gone(hold, old);
		return;
	}
	hold->is_named[decision - hold->plan->decisions] = true;
	if (is_worse(decision, old))
		add_worse(hold, decision, old);
}

static void add_new(struct hold *hold)
{
	for (size_t i = 0; i < hold->plan->decision_count; i++) {
		const struct decision *decision = &hold->plan->decisions[i];
		auto_buf struct buf text = BUF_EMPTY;

		/* What repeats a question has its answer. */
		if (hold->is_named[i] || outcome_loss(decision->outcome) == 0 ||
		    plan_answer(hold->plan, decision->class, decision->id, decision->detail) !=
			decision)
			continue;
		decision_subject(decision, &text);
		buf_printf(&text, " is new: %s", outcome_name(decision->outcome));
		add_difference(hold, &text);
	}
}

static int check_image(const struct plan *plan, const struct json *value, struct err *err)
{
	auto_free char *own = plan_image_name(plan);
	const char *image = json_get_string(json_get(value, "image"));
	const char *verdict = json_get_string(json_get(value, "verdict"));

	if (!image || !verdict || !json_holds_array(json_get(value, "decisions")))
		return err_set(err, ERR_FAILED, "it is not what ctckpt plan --json prints");
	if (strcmp(image, own) != 0)
		return err_set(err, ERR_REFUSED, "it is the plan of another image");
	if (strcmp(verdict, "restore") != 0)
		return err_set(err, ERR_REFUSED, "by that plan, a restore would refuse");
	return 0;
}

static int say(const struct hold *hold, struct err *err)
{
	if (hold->count == 0)
		return 0;
	(void)err_set(err, ERR_REFUSED, "the plan does not hold any more: %s", hold->text.data);
	if (hold->omitted > 0)
		(void)err_set(err, ERR_REFUSED, "the plan does not hold any more: %s; and %zu more",
			      hold->text.data, hold->omitted);
	return err_hint(err, "look at what ctckpt plan says now");
}

int plan_hold_text(const struct plan *plan, const char *text, size_t size, struct err *err)
{
	struct hold hold = { .plan = plan };
	auto_json struct json *value = NULL;
	const struct json *decisions;
	int r = json_parse(text, size, &value, err);

	if (r == 0)
		r = check_image(plan, value, err);
	if (r < 0)
		return r;
	hold.is_named = mem_alloc(plan->decision_count, sizeof(*hold.is_named));
	decisions = json_get(value, "decisions");
	for (size_t i = 0; r == 0 && i < json_count(decisions); i++) {
		struct old old = { .effective = 0 };

		r = parse_old(json_element(decisions, i), i, &old, err);
		if (r == 0)
			compare(&hold, &old);
	}
	if (r == 0)
		add_new(&hold);
	if (r == 0)
		r = say(&hold, err);
	free(hold.is_named);
	buf_free(&hold.text);
	return r;
}

int plan_hold(const struct plan *plan, const char *path, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = trusted_read(path, TRUSTED_OWN, PLAN_FILE_MAX, &text, err);

	if (r == 0)
		r = plan_hold_text(plan, text.data, text.size, err);
	return r < 0 ? err_wrap(err, "plan %s", path) : 0;
}
