/* label: who a thread is to those who watch the whole host: its login uid, for audit, and the label
 * of a security module. Neither is ever set from an image: both are the invoker's. */
#include <string.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/kind.h"
#include "kind/support/owner.h"

extern const struct kind kind_label;

#define LABEL_MAX 4096u
static const uint32_t no_login = UINT32_MAX;

RECORDS_BEGIN
struct label_rec {
	le32 login_uid; /* as the container sees it; 4294967295: none */
	le32 length;	/* of the label, which follows */
};
RECORDS_END
static_assert(sizeof(struct label_rec) == 8, "image format");

/* clang-format off */
#define LABEL_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, login_uid, CLASS_LOGINUID) \
	FIELD(rec, length, FIELD_FORM) \
	TAIL(rec, label, CLASS_LSM)
/* clang-format on */
FIELDS_OF(label, struct label_rec, LABEL_FIELDS);

/* Kernels without audit, or without a module that labels, have no such file, or nothing in it. */
static void read_own(const struct dump *d, const char *name, struct buf *text)
{
	auto_free char *path = mem_printf("task/%d/%s", d->thread->tid, name);
	struct err none = ERR_NONE;

	if (procfs_read(d->task->proc, path, text, &none) < 0)
		buf_clear(text);
	for (size_t i = 0; i < text->size; i++) {
		if (text->data[i] == '\n' || text->data[i] == '\0')
			text->size = i;
	}
}

static int label_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf login = BUF_EMPTY;
	auto_buf struct buf label = BUF_EMPTY;
	auto_buf struct buf body = BUF_EMPTY;
	struct label_rec rec = { .login_uid = le32_make(no_login) };
	const char *at;
	uint64_t uid;

	(void)err;
	read_own(d, "loginuid", &login);
	read_own(d, "attr/current", &label);
	at = login.data;
	if (login.size > 0 && scan_number(&at, 10, UINT32_MAX, &uid))
		rec.login_uid = le32_make((uint32_t)uid);
	if (label.size > LABEL_MAX)
		label.size = LABEL_MAX;
	rec.length = le32_make((uint32_t)label.size);
	if (le32_get(rec.login_uid) == no_login && label.size == 0)
		return 0;
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, label.data, label.size);
	dump_record(d, d->thread->id, &kind_label, body.data, body.size);
	return 0;
}

static int label_check(const void *body, size_t length, struct err *err)
{
	const struct label_rec *rec = body;
	const char *label = (const char *)(rec + 1);

	if (length < sizeof(*rec) || le32_get(rec->length) > LABEL_MAX ||
	    length != sizeof(*rec) + le32_get(rec->length))
		return err_set(err, ERR_DAMAGED, "label: %zu bytes", length);
	if (memchr(label, '\0', le32_get(rec->length)) ||
	    memchr(label, '\n', le32_get(rec->length)))
		return err_set(err, ERR_DAMAGED, "label: impossible label");
	return 0;
}

static void ask_label(struct plan *plan, const struct record *record)
{
	const struct label_rec *rec = record->body;
	const char *own = plan_facts(plan)->label;
	auto_buf struct buf label = BUF_EMPTY;

	(void)buf_append(&label, rec + 1, le32_get(rec->length));
	(void)buf_append(&label, "", 1);
	plan_ask(plan, &(struct question){ .class = CLASS_LSM,
					   .id = record->id,
					   .saved = 1,
					   .invoker = own && strcmp(own, label.data) == 0,
					   .saved_text = label.data,
					   .invoker_text = own ? own : "none" });
}

static int label_ask(struct plan *plan, const struct image *image, const struct record *record,
		     struct err *err)
{
	const struct label_rec *rec = record->body;

	(void)image;
	(void)err;
	if (le32_get(rec->login_uid) != no_login)
		plan_ask(plan, &(struct question){ .class = CLASS_LOGINUID,
						   .id = record->id,
						   .saved = le32_get(rec->login_uid),
						   .invoker = plan_facts(plan)->login_uid });
	if (le32_get(rec->length) > 0)
		ask_label(plan, record);
	return 0;
}

const struct kind kind_label = {
	.name = "label",
	.summary = "login uids and labels of security modules: the invoker's",
	.tag = TAG('L', 'A', 'B', 'L'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_IDENTITY,
	.fields = label_fields,
	.dump = label_dump,
	.check = label_check,
	.link = owner_link_thread,
	.ask = label_ask,
};
