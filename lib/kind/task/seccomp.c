/* seccomp: the filter that `run --seccomp` gave a container. The kernel shows no filter to an
 * ordinary user, so it is the registry's word; that it is the only one, /proc says of each thread
 * (kind confine). */
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/buf.h"
#include "dump/dump.h"
#include "kind/support/seccomp.h"
#include "restore/restore.h"

extern const struct kind kind_seccomp;

#define TAG_SECCOMP TAG('S', 'E', 'C', 'F')

RECORDS_BEGIN
struct seccomp_rec {
	le32 count; /* of instructions that follow */
	le32 reserved;
};

/* As struct sock_filter, linux/filter.h. */
struct seccomp_step_rec {
	le16 code;
	unsigned char jt;
	unsigned char jf;
	le32 k;
};
RECORDS_END
static_assert(sizeof(struct seccomp_rec) == 8, "image format");
static_assert(sizeof(struct seccomp_step_rec) == sizeof(struct sock_filter), "the kernel's layout");

static int seccomp_dump(struct dump *d, struct err *err)
{
	const struct filter *filter = &d->own->filter;
	struct seccomp_rec rec = { .count = le32_make((uint32_t)filter->count) };
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	if (!filter->code)
		return 0;
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, filter->code, filter->count * sizeof(*filter->code));
	dump_record(d, dump_new_id(d), &kind_seccomp, body.data, body.size);
	return 0;
}

static int seccomp_check(const void *body, size_t length, struct err *err)
{
	const struct seccomp_rec *rec = body;
	size_t left;

	if (length < sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "seccomp: %zu bytes", length);
	left = length - sizeof(*rec);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "seccomp: unknown bits");
	if (left != (size_t)le32_get(rec->count) * sizeof(struct sock_filter) ||
	    !filter_is_valid((const struct sock_filter *)(rec + 1), le32_get(rec->count)))
		return err_set(err, ERR_DAMAGED, "seccomp: it is not a filter");
	return 0;
}

static int seccomp_link(const struct image *image, const struct record *record, struct err *err)
{
	if (image_next(image, TAG_SECCOMP, NULL) != record)
		return err_set(err, ERR_DAMAGED, "seccomp: there is more than one filter");
	return 0;
}

bool seccomp_of_image(const struct image *image, struct filter *ret_filter)
{
	const struct record *record = image_next(image, TAG_SECCOMP, NULL);
	const struct seccomp_rec *rec = record ? record->body : NULL;

	if (!rec)
		return false;
	*ret_filter = (struct filter){ .code = (struct sock_filter *)(uintptr_t)(rec + 1),
				       .count = le32_get(rec->count) };
	return true;
}

bool seccomp_comes_early(const struct restore *rs, uint32_t thread)
{
	return plan_value(rs->plan, CLASS_NO_NEW_PRIVS, thread, 0, 1) == 0 &&
	       !(plan_value(rs->plan, CLASS_CAPS, thread, 2, 0) >> CAP_SYS_ADMIN & 1);
}

static int install(const struct filter *filter, struct script *script, struct err *err)
{
	size_t size = filter->count * sizeof(*filter->code);
	struct sock_fprog program = { .len = (unsigned short)filter->count };
	const struct filter **known = script->remote->filters;
	int r = script_run(script, err);

	if (r == 0)
		r = script_room(script, 1, size + 256, err);
	if (r < 0)
		return r;
	program.filter = (struct sock_filter *)(uintptr_t)script_copy(script, filter->code, size);
	(void)script_syscall(script, "install the seccomp filter", 0, SYS_seccomp,
			     SECCOMP_SET_MODE_FILTER, 0,
			     script_copy(script, &program, sizeof(program)));
	r = script_run(script, err);
	known[known[0] != NULL] = filter;
	return r;
}

/* Would it let another one be installed behind it? */
static bool lets_install(const struct filter *filter)
{
	const struct seccomp_data data = { .nr = SYS_seccomp,
					   .arch = AUDIT_ARCH_X86_64,
					   .args = { SECCOMP_SET_MODE_FILTER } };
	uint32_t action = filter_verdict(filter, &data) & SECCOMP_RET_ACTION_FULL;

	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

int seccomp_install(struct restore *rs, uint32_t thread, struct script *script, struct err *err)
{
	static const struct filter none;
	const struct decision *decision = plan_answer(rs->plan, CLASS_SECCOMP, thread, 0);
	const struct filter *first = &rs->own->filter;
	const struct filter *second = &rs->own->bundle_filter;
	int r = 0;

	if (!decision)
		return 0;
	if (decision->saved == 0 || rs->own->has_filter)
		first = &none;
	if (filter_is_same(first, second))
		second = &none;
	if (first->code && second->code && !lets_install(first)) {
		const struct filter *saved = first;

		first = second;
		second = saved;
	}
	if (first->code)
		r = install(first, script, err);
	return r == 0 && second->code ? install(second, script, err) : r;
}

const struct kind kind_seccomp = {
	.name = "seccomp",
	.summary = "the seccomp filter of run --seccomp",
	.needs = "seccomp",
	.tag = TAG_SECCOMP,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_CONFINE,
	.dump = seccomp_dump,
	.check = seccomp_check,
	.link = seccomp_link,
};
