/* cgroup: the cgroups that are part of a container, with their limits, and which tasks are in them.
 * Only those in the hierarchy by which it is frozen are its own. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "dump/dump.h"
#include "kind/support/cgroup_limit.h"
#include "kind/support/cgroup_tree.h"
#include "kind/support/cgroup_v1.h"
#include "kind/support/files.h"
#include "kind/support/tree.h"
#include "target/cgroup.h"

extern const struct kind kind_cgroup;

#define TAG_CGROUP TAG('C', 'G', 'R', 'P')

RECORDS_BEGIN
struct cgroup_rec {
	le32 node_count; /* struct cgroup_node_rec that follow; the first is the container's own */
	le32 setting_count; /* struct cgroup_setting_rec that follow them */
	le32 task_count;    /* struct cgroup_task_rec that follow them */
	le32 text_size;	    /* bytes that follow them: names, then values, each with a NUL */
};

struct cgroup_node_rec {
	le32 parent; /* number of a node in front of it; 0 for the first */
};

struct cgroup_setting_rec {
	le32 node;
	le32 attribute; /* number in the table of files */
};

struct cgroup_task_rec {
	le32 task; /* id */
	le32 node; /* not the first */
};
RECORDS_END
static_assert(sizeof(struct cgroup_rec) == 16, "image format");

/* ---- dump ---- */

struct survey {
	struct dump *d;
	struct buf nodes, settings, tasks, names, values;
	uint32_t node_count, setting_count, task_count;
	uint32_t parent; /* the node whose children are met */
	bool is_v2;
};

static void survey_free(struct survey *survey)
{
	buf_free(&survey->nodes);
	buf_free(&survey->settings);
	buf_free(&survey->tasks);
	buf_free(&survey->names);
	buf_free(&survey->values);
}

/* Of the node that was met last. */
static void add_setting(void *argument, uint32_t attribute, const char *text)
{
	struct survey *survey = argument;
	struct cgroup_setting_rec rec = { le32_make(survey->node_count - 1), le32_make(attribute) };

	(void)buf_append(&survey->settings, &rec, sizeof(rec));
	(void)buf_append(&survey->values, text, strlen(text) + 1);
	survey->setting_count++;
}

static bool is_usual(const struct cgroup_attribute *attribute, const char *text)
{
	uint64_t limit;

	if (strcmp(text, attribute->usual) == 0)
		return true;
	return strcmp(attribute->usual, "max") == 0 && cgroup_limit_take(text, &limit) &&
	       cgroup_limit_is_none(limit);
}

static int survey_setting(struct survey *survey, int dir, uint32_t number, struct err *err)
{
	const struct cgroup_attribute *attribute = &cgroup_attributes[number];
	uint32_t node = survey->node_count - 1;
	auto_buf struct buf text = BUF_EMPTY;
	struct err missing = ERR_NONE;

	(void)err;
	if (node == 0 && attribute->is_below)
		return 0;
	/* Controllers that are not on have no files. */
	if (cgroup_file_read(dir, attribute->file, &text, &missing) < 0)
		return 0;
	while (text.size > 0 && text.data[text.size - 1] == '\n')
		text.data[--text.size] = '\0';
	if (is_usual(attribute, text.data))
		return 0;
	add_setting(survey, number, text.data);
	return 0;
}

static int survey_tasks(struct survey *survey, int dir, struct err *err)
{
	uint32_t node = survey->node_count - 1;
	auto_buf struct buf text = BUF_EMPTY;
	int r = cgroup_file_read(dir, "cgroup.procs", &text, err);

	if (r == -EOPNOTSUPP)
		return dump_block(survey->d, NULL, "threaded cgroups are not supported");
	for (const char *at = text.data; r == 0 && *at;) {
		const struct dump_task *task;
		uint64_t pid;

		if (!scan_number(&at, 10, INT_MAX, &pid) || !scan_char(&at, '\n'))
			return err_set(err, ERR_FAILED, "cgroup.procs: damaged line");
		task = dump_task_by_pid(survey->d, (pid_t)pid);
		if (!task || node == 0)
			continue;
		(void)buf_append(&survey->tasks,
				 &(struct cgroup_task_rec){ le32_make(task->id), le32_make(node) },
				 sizeof(struct cgroup_task_rec));
		survey->task_count++;
	}
	return r;
}

/* One that its own tasks have frozen, below the one that we froze. */
static void check_frozen(struct survey *survey, int dir, const char *name)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err missing = ERR_NONE;

	if (survey->node_count > 1 && !survey->is_v2 &&
	    cgroup_file_read(dir, "freezer.self_freezing", &text, &missing) == 0 &&
	    text.data[0] == '1')
		(void)dump_block(survey->d, "thaw it",
				 "cgroup %s, which is frozen by itself, is not supported", name);
}

static int survey_node(struct survey *survey, int dir, const char *name, uint32_t parent, int depth,
		       struct err *err);

static int survey_child(int dir, const char *name, int depth, void *argument, struct err *err)
{
	auto_close int child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct survey *survey = argument;
	uint32_t parent = survey->parent;
	int r;

	if (child < 0)
		return err_set(err, -errno, "open cgroup %s", name);
	r = survey_node(survey, child, name, parent, depth, err);
	survey->parent = parent;
	return r;
}

static int survey_node(struct survey *survey, int dir, const char *name, uint32_t parent, int depth,
		       struct err *err)
{
	struct cgroup_node_rec rec = { le32_make(parent) };
	uint32_t node = survey->node_count++;
	int r = 0;

	if (node >= CGROUP_NODES_MAX)
		return err_set(err, ERR_REFUSED, "it has too many cgroups");
	(void)buf_append(&survey->nodes, &rec, sizeof(rec));
	(void)buf_append(&survey->names, name, strlen(name) + 1);
	check_frozen(survey, dir, name);
	for (uint32_t i = 0; survey->is_v2 && r == 0 && i < cgroup_attribute_count; i++)
		r = survey_setting(survey, dir, i, err);
	if (r == 0 && node == 0)
		cgroup_v1_limits(survey->d, add_setting, survey);
	if (r == 0)
		r = survey_tasks(survey, dir, err);
	survey->parent = node;
	return r < 0 ? r : cgroup_each_child(dir, survey_child, depth + 1, survey, err);
}

/* Without a cgroup of its own, none of a container's tasks may be elsewhere than the others. */
static int check_alike(struct dump *d, struct err *err)
{
	auto_buf struct buf first = BUF_EMPTY;
	auto_buf struct buf text = BUF_EMPTY;
	const struct dump_task *task = NULL;

	while ((task = dump_next_task(d, task))) {
		int r = task->thread_count
			    ? procfs_read(task->proc, "cgroup", first.data ? &text : &first, err)
			    : 0;

		if (r < 0)
			return r;
		if (!task->thread_count || !text.data || strcmp(first.data, text.data) == 0)
			continue;
		d->task = (struct dump_task *)(uintptr_t)task;
		(void)dump_block(d, "start the container where it gets a cgroup of its own",
				 "it is in another cgroup than the first task");
		d->task = NULL;
	}
	return 0;
}

/* It has none by which it could be frozen; other hierarchies may limit it. */
static int survey_none(struct survey *survey, struct err *err)
{
	struct cgroup_node_rec rec = { le32_make(0) };

	survey->node_count = 1;
	(void)buf_append(&survey->nodes, &rec, sizeof(rec));
	(void)buf_append(&survey->names, "", 1);
	cgroup_v1_limits(survey->d, add_setting, survey);
	return check_alike(survey->d, err);
}

static int cgroup_dump(struct dump *d, struct err *err)
{
	const struct target *target = d->own->target;
	auto_with(survey_free) struct survey survey = { .d = d,
							.is_v2 = target->freezer == FREEZER_V2 };
	auto_buf struct buf body = BUF_EMPTY;
	struct cgroup_rec rec;
	int r;

	if (target->form == TARGET_TREE)
		return 0;
	r = target->cgroup < 0 ? survey_none(&survey, err)
			       : survey_node(&survey, target->cgroup, "", 0, 0, err);
	if (r < 0 || (survey.node_count == 1 && survey.setting_count == 0))
		return r;
	rec = (struct cgroup_rec){
		.node_count = le32_make(survey.node_count),
		.setting_count = le32_make(survey.setting_count),
		.task_count = le32_make(survey.task_count),
		.text_size = le32_make((uint32_t)(survey.names.size + survey.values.size)),
	};
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, survey.nodes.data, survey.nodes.size);
	(void)buf_append(&body, survey.settings.data, survey.settings.size);
	(void)buf_append(&body, survey.tasks.data, survey.tasks.size);
	(void)buf_append(&body, survey.names.data, survey.names.size);
	(void)buf_append(&body, survey.values.data, survey.values.size);
	dump_record(d, dump_new_id(d), &kind_cgroup, body.data, body.size);
	return 0;
}

/* ---- check ---- */

static const char *take_text(struct reader *texts)
{
	const char *text = (const char *)texts->at;
	const char *end = memchr(text, '\0', reader_left(texts));

	return end ? reader_take(texts, (size_t)(end - text) + 1) : NULL;
}

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= NAME_MAX && !strchr(name, '/') && !strchr(name, '\n') &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_value(const char *text)
{
	for (; *text; text++) {
		if ((*text < ' ' || *text > '~') && *text != '\n')
			return false;
	}
	return true;
}

static int parse_nodes(const struct cgroup_node_rec *recs, size_t count, struct reader *texts,
		       struct cgroup_tree *tree, struct err *err)
{
	tree->nodes = mem_alloc(count, sizeof(*tree->nodes));
	for (size_t i = 0; i < count; i++) {
		struct cgroup_node node = { le32_get(recs[i].parent), take_text(texts) };

		if (!node.name || (i == 0 ? node.parent != 0 || node.name[0] != '\0'
					  : node.parent >= i || !is_name(node.name)))
			return err_set(err, ERR_DAMAGED, "cgroup: impossible cgroup");
		tree->nodes[tree->node_count++] = node;
	}
	return 0;
}

static int parse_settings(const struct cgroup_setting_rec *recs, size_t count, struct reader *texts,
			  struct cgroup_tree *tree, struct err *err)
{
	tree->settings = mem_alloc(count, sizeof(*tree->settings));
	for (size_t i = 0; i < count; i++) {
		struct cgroup_setting setting = { le32_get(recs[i].node),
						  le32_get(recs[i].attribute), take_text(texts) };
		size_t last = tree->setting_count ? tree->settings[i - 1].node : 0;

		if (!setting.text || !is_value(setting.text) || setting.node < last ||
		    setting.node >= tree->node_count ||
		    setting.attribute >= cgroup_attribute_count ||
		    (setting.node == 0 && cgroup_attributes[setting.attribute].is_below))
			return err_set(err, ERR_DAMAGED, "cgroup: impossible setting");
		tree->settings[tree->setting_count++] = setting;
	}
	return 0;
}

static int parse_tasks(const struct cgroup_task_rec *recs, size_t count, struct cgroup_tree *tree,
		       struct err *err)
{
	tree->tasks = mem_alloc(count, sizeof(*tree->tasks));
	for (size_t i = 0; i < count; i++) {
		struct cgroup_task task = { le32_get(recs[i].task), le32_get(recs[i].node) };

		if (task.node == 0 || task.node >= tree->node_count)
			return err_set(err, ERR_DAMAGED, "cgroup: task %u in no cgroup", task.task);
		tree->tasks[tree->task_count++] = task;
	}
	return 0;
}

int cgroup_tree_parse(const void *body, size_t length, struct cgroup_tree *ret_tree,
		      struct err *err)
{
	auto_with(cgroup_tree_free) struct cgroup_tree tree = CGROUP_TREE_EMPTY;
	struct reader reader = reader_of(body, length);
	const struct cgroup_rec *rec = reader_take(&reader, sizeof(*rec));
	size_t nodes = rec ? le32_get(rec->node_count) : 0;
	size_t settings = rec ? le32_get(rec->setting_count) : 0;
	size_t tasks = rec ? le32_get(rec->task_count) : 0;
	const void *node_recs = reader_take(&reader, nodes * sizeof(struct cgroup_node_rec));
	const void *setting_recs =
	    reader_take(&reader, settings * sizeof(struct cgroup_setting_rec));
	const void *task_recs = reader_take(&reader, tasks * sizeof(struct cgroup_task_rec));
	int r;

	if (!rec || !node_recs || !setting_recs || !task_recs || nodes == 0 ||
	    nodes > CGROUP_NODES_MAX || tasks > CGROUP_TASKS_MAX ||
	    settings > nodes * cgroup_attribute_count ||
	    reader_left(&reader) != le32_get(rec->text_size))
		return err_set(err, ERR_DAMAGED, "cgroup: %zu bytes", length);
	r = parse_nodes(node_recs, nodes, &reader, &tree, err);
	if (r == 0)
		r = parse_settings(setting_recs, settings, &reader, &tree, err);
	if (r == 0)
		r = parse_tasks(task_recs, tasks, &tree, err);
	if (r == 0 && reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "cgroup: text of nothing");
	if (r < 0)
		return r;
	*ret_tree = tree;
	tree = CGROUP_TREE_EMPTY;
	return 0;
}

static int cgroup_check(const void *body, size_t length, struct err *err)
{
	auto_with(cgroup_tree_free) struct cgroup_tree tree = CGROUP_TREE_EMPTY;

	return cgroup_tree_parse(body, length, &tree, err);
}

static int cgroup_link(const struct image *image, const struct record *record, struct err *err)
{
	auto_with(cgroup_tree_free) struct cgroup_tree tree = CGROUP_TREE_EMPTY;
	int r = cgroup_tree_parse(record->body, record->length, &tree, err);

	if (r < 0)
		return r;
	if (image_next(image, TAG_CGROUP, NULL) != record)
		return err_set(err, ERR_DAMAGED, "cgroup: there is more than one tree");
	for (size_t i = 0; i < tree.task_count; i++) {
		if (!image_find(image, TAG_TASK, tree.tasks[i].task))
			return err_set(err, ERR_DAMAGED, "cgroup: task %u is not in the image",
				       tree.tasks[i].task);
	}
	return 0;
}

static void ask_setting(struct plan *plan, uint32_t id, const struct cgroup_tree *tree,
			size_t number)
{
	const struct cgroup_setting *setting = &tree->settings[number];
	const char *file = cgroup_attributes[setting->attribute].file;
	const char *base = plan_facts(plan)->cgroup;
	const char *node = tree->nodes[setting->node].name;
	auto_free char *subject = mem_printf("%s%s%s", node, node[0] ? "/" : "", file);
	struct question question = { .class = CLASS_CGROUP,
				     .id = id,
				     .detail = (uint32_t)number,
				     .subject = subject,
				     .invoker_text = base ? NULL : "no cgroup" };

	if (cgroup_limit_take(setting->text, &question.saved)) {
		question.invoker = base ? cgroup_limit_above(base, file) : 0;
	} else {
		question.saved_text = setting->text;
		question.invoker_text = base ? "a cgroup" : "no cgroup";
		question.saved = question.invoker = 1;
	}
	if (base && !cgroup_has_controller(base, file)) {
		question.invoker = 0;
		question.invoker_text = "no such controller";
	}
	plan_ask(plan, &question);
}

static int cgroup_ask(struct plan *plan, const struct image *image, const struct record *record,
		      struct err *err)
{
	auto_with(cgroup_tree_free) struct cgroup_tree tree = CGROUP_TREE_EMPTY;
	int r = cgroup_tree_parse(record->body, record->length, &tree, err);

	(void)image;
	for (size_t i = 0; r == 0 && i < tree.setting_count; i++) {
		if (cgroup_attributes[tree.settings[i].attribute].is_limit)
			ask_setting(plan, record->id, &tree, i);
	}
	return r;
}

bool cgroup_tree_of_image(const struct image *image, struct cgroup_tree *ret_tree)
{
	const struct record *record = image_next(image, TAG_CGROUP, NULL);
	struct err impossible = ERR_NONE;

	return record &&
	       cgroup_tree_parse(record->body, record->length, ret_tree, &impossible) == 0;
}

const struct kind kind_cgroup = {
	.name = "cgroup",
	.summary = "the cgroups of a container, with limits",
	.tag = TAG_CGROUP,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_TASKS,
	.dump = cgroup_dump,
	.check = cgroup_check,
	.link = cgroup_link,
	.ask = cgroup_ask,
};
