/* What the kinds ask of a stopped thread: one script for all of them, before the first dumps. A
 * script costs two switches of tasks, a call in it next to nothing. */
#include "core/cleanup.h"
#include "dump/dump.h"

static size_t kind_count(void)
{
	size_t count = 0;

	while (kinds[count])
		count++;
	return count;
}

static bool is_asking(const struct dump *d, const struct kind *kind)
{
	bool is_leader = d->thread == &d->task->threads[0];

	return kind->query &&
	       (kind->scope == SCOPE_THREAD || (kind->scope == SCOPE_TASK && is_leader));
}

/* Whose step was it that failed? */
static int name_asker(const struct dump_query *query, struct err *err)
{
	for (size_t i = kind_count(); query->script.failed != SIZE_MAX && i-- > 0;) {
		if (query->asked[i].answers && query->asked[i].first <= query->script.failed)
			return err_wrap(err, "%s", kinds[i]->name);
	}
	return err->code;
}

int dump_ask_thread(struct dump *d, struct dump_query *query, struct err *err)
{
	*query = (struct dump_query){ .asked = mem_alloc(kind_count(), sizeof(*query->asked)) };
	script_init(&query->script, &d->thread->remote);
	for (size_t i = 0; kinds[i]; i++) {
		struct dump_asked *asked = &query->asked[i];

		if (!is_asking(d, kinds[i]))
			continue;
		asked->first = query->script.count;
		asked->answers = mem_alloc(1, kinds[i]->answers_size);
		kinds[i]->query(d, &query->script, asked->answers);
	}
	d->script = &query->script;
	d->query = query;
	return script_run(&query->script, err) < 0 ? name_asker(query, err) : 0;
}

const void *dump_answers(const struct dump *d, const struct kind *kind)
{
	size_t i = 0;

	while (kinds[i] != kind)
		i++;
	return d->query->asked[i].answers;
}

void dump_forget_answers(struct dump *d, struct dump_query *query)
{
	for (size_t i = 0; query->asked && kinds[i]; i++)
		free(query->asked[i].answers);
	free(query->asked);
	script_free(&query->script);
	d->script = NULL;
	d->query = NULL;
}
