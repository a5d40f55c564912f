/* mapfile: what is behind mappings: files with a name, files that lost it, memory shared between
 * tasks. The executable is one too. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/file_identity.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/mapfile_rec.h"
#include "kind/support/mm.h"
#include "kind/support/sysv.h"
#include "restore/open.h"

extern const struct kind kind_mapfile;

/* ---- check ---- */

struct mapfile_view {
	const struct mapfile_rec *rec;
	char *name; /* owned */
	enum mapfile_type type;
	uint32_t flags;
};

static int mapfile_view(const void *body, size_t length, struct mapfile_view *ret_view,
			struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct mapfile_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t name_length = rec ? le32_get(rec->name_length) : 0;
	const void *name = rec ? reader_take(&reader, name_length) : NULL;

	if (!name || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "mapfile: %zu bytes", length);
	*ret_view = (struct mapfile_view){ .rec = rec,
					   .name = mem_copy(name, name_length),
					   .type = le32_get(rec->type),
					   .flags = le32_get(rec->flags) };
	return 0;
}

static void free_view(struct mapfile_view *view)
{
	free(view->name);
}

static int check_view(const struct mapfile_view *view, struct err *err)
{
	uint32_t name_length = le32_get(view->rec->name_length);
	uint64_t size = le64_get(view->rec->size);
	bool is_path = view->type == MAPFILE_PATH;
	bool is_sized = view->type >= MAPFILE_UNNAMED;
	bool is_alias = view->type == MAPFILE_ALIAS || view->type == MAPFILE_SYSV;

	if (view->type < MAPFILE_PATH || view->type > MAPFILE_SYSV ||
	    (view->flags != O_RDONLY && view->flags != O_RDWR))
		return err_set(err, ERR_DAMAGED, "mapfile: unknown bits");
	if (strlen(view->name) != name_length || name_length >= PATH_MAX)
		return err_set(err, ERR_DAMAGED, "mapfile: name");
	if ((is_path || view->type == MAPFILE_UNNAMED) &&
	    !file_path_is_valid(view->name, (size_t)name_length + 1))
		return err_set(err, ERR_DAMAGED, "mapfile: bad path");
	if (is_alias != (le32_get(view->rec->alias) != 0))
		return err_set(err, ERR_DAMAGED, "mapfile: alias");
	if (is_sized != (size != 0) || size % IMAGE_PAGE || size > MM_ADDRESS_MAX)
		return err_set(err, ERR_DAMAGED, "mapfile: size %" PRIu64, size);
	return is_path ? file_identity_check(&view->rec->identity, err) : 0;
}

static int mapfile_check(const void *body, size_t length, struct err *err)
{
	auto_with(free_view) struct mapfile_view view = { .name = NULL };
	int r = mapfile_view(body, length, &view, err);

	if (r < 0)
		return r;
	return check_view(&view, err);
}

uint64_t mapfile_anon_size(const struct record *record)
{
	const struct mapfile_rec *rec = record->body;

	return le32_get(rec->type) >= MAPFILE_ANON ? le64_get(rec->size) : 0;
}

uint32_t mapfile_segment(const struct record *record, bool *ret_is_writable)
{
	const struct mapfile_rec *rec = record->body;

	*ret_is_writable = le32_get(rec->flags) == O_RDWR;
	return le32_get(rec->type) == MAPFILE_SYSV ? le32_get(rec->alias) : 0;
}

static int link_segment(const struct image *image, const struct record *record, struct err *err)
{
	const struct mapfile_rec *rec = record->body;
	const struct record *segment = image_find(image, TAG_SYSV_SHM, le32_get(rec->alias));

	if (!segment || sysv_shm_room(segment) != le64_get(rec->size))
		return err_set(err, ERR_DAMAGED, "mapfile: segment %u is not in the image",
			       le32_get(rec->alias));
	if (image_find(image, TAG_CONTENT, record->id))
		return err_set(err, ERR_DAMAGED, "mapfile: content of a mapped segment");
	return 0;
}

static int mapfile_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct mapfile_rec *rec = record->body;
	uint32_t alias = le32_get(rec->alias);
	const struct record *content = image_find(image, TAG_CONTENT, record->id);
	const struct image_extent_rec *extents = content ? content->body : NULL;
	size_t count = content ? content->length / sizeof(*extents) : 0;

	if (le32_get(rec->type) == MAPFILE_SYSV)
		return link_segment(image, record, err);
	/* Nothing but files that are known not to block, and can be mapped. */
	if (alias && !image_find(image, kind_by_name("regfile")->tag, alias) &&
	    !image_find(image, kind_by_name("memfd")->tag, alias))
		return err_set(err, ERR_DAMAGED, "mapfile: object %u is no file of the image",
			       alias);
	if (count > 0 && le32_get(rec->type) < MAPFILE_UNNAMED)
		return err_set(err, ERR_DAMAGED, "mapfile: content of a named file");
	for (size_t i = 0; i < count; i++) {
		uint64_t start = le64_get(extents[i].start);

		if (start > le64_get(rec->size) ||
		    le64_get(extents[i].length) > le64_get(rec->size) - start)
			return err_set(err, ERR_DAMAGED, "mapfile: content behind the end");
	}
	return 0;
}

/* ---- ask, restore ---- */

/* Some task executes it, or has mapped what is in it as code. */
static bool is_code(const struct image *image, uint32_t id, bool *ret_is_exe)
{
	const struct record *record = NULL;
	struct mm_view view;
	struct err ignored;
	bool found = false;

	*ret_is_exe = false;
	while ((record = image_next(image, TAG_MM, record))) {
		if (mm_view(record->body, record->length, &view, &ignored) < 0)
			continue;
		*ret_is_exe = *ret_is_exe || le32_get(view.head->exe) == id;
		for (uint32_t i = 0; !found && i < view.vma_count; i++)
			found = le32_get(view.vmas[i].file) == id &&
				le16_get(view.vmas[i].type) == VMA_FILE &&
				le16_get(view.vmas[i].prot) & PROT_EXEC;
	}
	return found || *ret_is_exe;
}

static void judge_trial(const struct mapfile_view *view, bool has_code, struct file_trial *trial)
{
	struct file_identity saved = file_identity_of(&view->rec->identity);
	enum file_judgement judgement = FILE_FITS;

	if (has_code)
		file_trial_expect_code(trial);
	if (trial->result == 0 && trial->has_identity)
		judgement =
		    file_identity_judge(&saved, &trial->identity, view->flags == O_RDWR, has_code);
	if (judgement == FILE_FITS)
		return;
	trial->remark = file_identity_explain(&saved, &trial->identity);
	if (judgement == FILE_UNFIT) {
		trial->result = -ESTALE;
		trial->trouble = trial->remark;
	}
}

static int mapfile_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	auto_with(free_view) struct mapfile_view view = { .name = NULL };
	auto_file_trial struct file_trial trial = { .path = NULL };
	bool has_code;
	int r = mapfile_view(record->body, record->length, &view, err);

	if (r < 0 || view.type != MAPFILE_PATH)
		return r;
	trial.path = view.name;
	trial.flags = view.flags;
	trial.type = S_IFREG;
	trial.is_identified = true;
	has_code = is_code(image, record->id, &trial.is_executed);
	file_trial_run(plan, &trial);
	judge_trial(&view, has_code, &trial);
	file_trial_ask(plan, record->id, &trial);
	if (trial.is_executed && trial.result == 0 && trial.stat.st_mode & (S_ISUID | S_ISGID))
		plan_ask(plan, &(struct question){ .class = CLASS_SETID,
						   .id = record->id,
						   .saved = 1,
						   .path = trial.path,
						   .type = S_IFREG,
						   .subject = trial.path,
						   .saved_text = "set-id executable",
						   .invoker_text = "-" });
	return 0;
}

static int compare_identity(struct restore *rs, const struct record *record,
			    const struct mapfile_view *view, int fd, struct err *err)
{
	struct file_identity saved = file_identity_of(&view->rec->identity);
	struct file_identity now;
	auto_free char *change = NULL;
	bool is_exe;
	int r = file_identity_get(fd, &now);

	if (r < 0)
		return err_set(err, r, "look at the mapped file %s", view->name);
	change = file_identity_explain(&saved, &now);
	switch (file_identity_judge(&saved, &now, view->flags == O_RDWR,
				    change && is_code(rs->image, record->id, &is_exe))) {
	case FILE_FITS:
		return 0;
	case FILE_DIFFERS:
		restore_note(rs, "mapped file %s: %s", view->name, change);
		return 0;
	default:
		(void)err_set(err, ERR_REFUSED, "mapped file %s: %s", view->name, change);
		return err_hint(err, "restore where the file is as it was at the checkpoint");
	}
}

static int restore_path(struct restore *rs, const struct record *record,
			const struct mapfile_view *view, int *ret_fd, struct err *err)
{
	auto_close int fd = -1;
	int r = restore_open(rs, view->name, view->flags, S_IFREG, &fd, err);

	if (r < 0)
		return err_wrap(err, "mapped file %s", view->name);
	r = restore_has_device(rs, fd) ? 0 : compare_identity(rs, record, view, fd, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Opened anew where the descriptor's own mode is not what the mapping needs. */
static int restore_alias(struct restore *rs, const struct mapfile_view *view, int *ret_fd,
			 struct err *err)
{
	return restore_reopen(rs, restore_fd(rs, le32_get(view->rec->alias)), view->flags, ret_fd,
			      err);
}

static int restore_unnamed_file(struct restore *rs, const struct record *record,
				const struct mapfile_view *view, int *ret_fd, struct err *err)
{
	uint64_t size = le64_get(view->rec->size);
	auto_close int fd = -1;
	int content;
	int r;

	if (view->type == MAPFILE_MEMFD) {
		fd = memfd_create(view->name, MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
			return err_set(err, -errno, "make memfd %s", view->name);
	} else {
		r = restore_unnamed(rs, view->name, 0700, size, &fd, err);
		if (r < 0)
			return r;
	}
	content = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (content < 0)
		return err_set(err, -errno, "duplicate a descriptor");
	r = restore_content_fd(rs, record->id, content, err);
	if (r < 0)
		return r;
	if (view->flags == O_RDONLY)
		return restore_reopen(rs, fd, O_RDONLY, ret_fd, err);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* What a policy keeps of it is the file, which gives its ids to whoever executes it. */
static void note_setid(struct restore *rs, const struct record *record, const char *name)
{
	const struct decision *decision = plan_answer(rs->plan, CLASS_SETID, record->id, 0);

	if (decision && decision->outcome == OUTCOME_KEEP)
		restore_note(rs, "%s is set-id: its tasks go on with the ids of the plan", name);
}

static int mapfile_restore(struct restore *rs, const struct record *record, struct err *err)
{
	auto_with(free_view) struct mapfile_view view = { .name = NULL };
	int fd = -1;
	int r = mapfile_view(record->body, record->length, &view, err);

	if (r < 0 || view.type >= MAPFILE_ANON)
		return r;
	note_setid(rs, record, view.name);
	if (view.type == MAPFILE_PATH)
		r = restore_path(rs, record, &view, &fd, err);
	else if (view.type == MAPFILE_ALIAS)
		r = restore_alias(rs, &view, &fd, err);
	else
		r = restore_unnamed_file(rs, record, &view, &fd, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, fd, err);
}

const struct kind kind_mapfile = {
	.name = "mapfile",
	.summary = "mapped files, executables, shared memory without a name",
	.tag = TAG_MAPFILE,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_LINKED,
	.check = mapfile_check,
	.link = mapfile_link,
	.ask = mapfile_ask,
	.restore = mapfile_restore,
};
