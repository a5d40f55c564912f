/* file_system: files of the container's root directory that are carried along: those that an
 * overlay has in its upper directory, or those at paths that were named. They are put below the
 * root directory of the restore, if the invoker says so, before anything is opened or mounted. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/mountinfo.h"
#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_choice.h"
#include "kind/support/tree_record.h"
#include "restore/restore.h"

extern const struct kind kind_file_system;

#define NAME_PATHS "name what is to be carried along: --file-system=PATH,..."

/* ---- which ---- */

struct mounts {
	struct mountinfo *list;
	size_t count;
};

static void free_mounts(struct mounts *mounts)
{
	mountinfo_free(mounts->list, mounts->count);
}

/* The last one that is on it is seen. */
static const struct mountinfo *root_mount(const struct mounts *mounts)
{
	const struct mountinfo *root = NULL;

	for (size_t i = 0; i < mounts->count; i++) {
		if (strcmp(mounts->list[i].point, "/") == 0)
			root = &mounts->list[i];
	}
	return root;
}

/* The value of upperdir; the kernel writes a backslash in front of commas. Owned; NULL: none. */
static char *upper_of(const char *options)
{
	static const char key[] = "upperdir=";
	const char *at = options;
	auto_buf struct buf path = BUF_EMPTY;

	while (at && strncmp(at, key, strlen(key)) != 0) {
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return NULL;
	for (at += strlen(key); *at && *at != ','; at++) {
		at += at[0] == '\\' && at[1];
		(void)buf_append(&path, at, 1);
	}
	return path.size > 0 ? mem_copy(path.data, path.size) : NULL;
}

/* What the container says of this directory is not believed: it tells names only. */
static int choose_upper(struct dump *d, int proc, struct tree_choice *choice, struct err *err)
{
	auto_with(free_mounts) struct mounts mounts = { .list = NULL };
	const struct mountinfo *root;
	auto_free char *upper = NULL;
	int r = mountinfo_read(proc, "mountinfo", &mounts.list, &mounts.count, err);

	if (r < 0)
		return r;
	root = root_mount(&mounts);
	if (!root || strcmp(root->type, "overlay") != 0)
		return dump_block(d, NAME_PATHS,
				  "the root directory is no overlay: what was changed "
				  "in it is not known");
	upper = upper_of(root->super);
	if (!upper || strcmp(root->root, "/") != 0)
		return dump_block(d, NAME_PATHS, "the overlay of the root has no upper directory");
	choice->upper = upper[0] == '/' ? open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (choice->upper < 0)
		return dump_block(d, NAME_PATHS, "the upper directory of the root, %s: %s", upper,
				  upper[0] == '/' ? strerror(errno) : "it is not absolute");
	return 0;
}

static int file_system_dump(struct dump *d, struct err *err)
{
	auto_with(tree_choice_free) struct tree_choice choice = TREE_CHOICE_NONE;
	const char *paths = d->own->outside.file_system;
	const struct dump_task *first = file_first_task(d);
	auto_close int root = -1;
	int r;

	if (!paths)
		return 0;
	if (!d->own->target->has_root)
		return dump_block(d, NULL,
				  "files cannot be carried along by a container without a "
				  "root directory of its own");
	root = openat(first->proc, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_set(err, -errno, "open the root directory of the container");
	r = *paths ? tree_choice_parse(paths, &choice, err)
		   : choose_upper(d, first->proc, &choice, err);
	if (r < 0 || (choice.upper < 0 && choice.count == 0))
		return r;
	return tree_dump_chosen(d, &kind_file_system, dump_new_id(d), root, &choice, err);
}

/* ---- the record ---- */

static int file_system_check(const void *body, size_t length, struct err *err)
{
	return tree_check(body, length, TREE_WHOLE | TREE_ON_WAY, err);
}

static int file_system_link(const struct image *image, const struct record *record, struct err *err)
{
	if (image_next(image, record->tag, NULL) != record)
		return err_set(err, ERR_DAMAGED, "file_system: a second one");
	return tree_link(image, record, err);
}

/* Large files are open until all of the page stream is there; the container has open files, too. */
static bool may_be_open(const struct record *record, uint64_t limit)
{
	struct tree_walk walk;
	struct tree_entry entry;
	struct err ignored;
	uint64_t large = 0;
	int r = tree_begin(record->body, record->length, &walk, &ignored);

	while (r > 0 && (r = tree_next(&walk, &entry, &ignored)) > 0)
		large += le32_get(entry.rec->content) != 0;
	return large <= limit / 2;
}

/* Others than the container may find them: they are put there without (tree_restore.c). */
static uint32_t count_set_id(const struct record *record)
{
	struct tree_walk walk;
	struct tree_entry entry;
	struct err ignored;
	uint32_t count = 0;
	int r = tree_begin(record->body, record->length, &walk, &ignored);

	while (r > 0 && (r = tree_next(&walk, &entry, &ignored)) > 0) {
		mode_t mode = le32_get(entry.rec->mode);

		count += !S_ISDIR(mode) && mode & (S_ISUID | S_ISGID);
	}
	return count;
}

static int file_system_ask(struct plan *plan, const struct image *image,
			   const struct record *record, struct err *err)
{
	const struct host_facts *facts = plan_facts(plan);
	const struct tree_rec *rec = record->body;
	uint32_t set_id = count_set_id(record);
	auto_free char *files =
	    set_id == 0 ? mem_printf("%u files", le32_get(rec->count))
			: mem_printf("%u files, %u of them set-id", le32_get(rec->count), set_id);
	enum files_offer offer =
	    facts->takes_files && facts->root > 0 ? FILES_TAKEN : FILES_REFUSED;

	(void)image;
	(void)err;
	if (offer == FILES_TAKEN && !may_be_open(record, facts->hard_limits[RLIMIT_NOFILE]))
		offer = FILES_TOO_MANY;
	plan_ask(plan, &(struct question){ .class = CLASS_FILE_SYSTEM,
					   .id = record->id,
					   .saved = 1,
					   .invoker = offer,
					   .subject = "files below the root",
					   .saved_text = files,
					   .invoker_text = !offer   ? "-"
							   : set_id ? "put there, without set-id"
								    : "put there" });
	return 0;
}

static int file_system_restore(struct restore *rs, const struct record *record, struct err *err)
{
	auto_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_set(err, -errno, "open the container's root");
	return tree_put(rs, record, root, err);
}

const struct kind kind_file_system = {
	.name = "file_system",
	.summary = "files of the root directory that are carried along",
	.tag = TAG_FILES,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_ROOT,
	.dump = file_system_dump,
	.check = file_system_check,
	.link = file_system_link,
	.ask = file_system_ask,
	.restore = file_system_restore,
};
