/* Plans: answers, texts, groups, verdicts, and how long a large one takes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "ctckpt/policy.h"
#include "policy/plan_private.h"
#include "policy_check.h"

static struct plan *new_plan(const char *preset)
{
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;
	const struct host_facts facts = {
		.uid = 1000, .gid = 1000, .known_caps = 0x1ffffffffff, .known_securebits = 0xff
	};

	if (policy_preset(preset, &policy, &err) < 0)
		abort();
	return plan_new(NULL, policy, &facts);
}

static void ask(struct plan *plan, enum policy_class class, uint32_t id, uint32_t detail,
		uint64_t saved)
{
	const struct question question = {
		.class = class, .id = id, .detail = detail, .saved = saved
	};

	plan_ask(plan, &question);
}

static void ask_file(struct plan *plan, uint32_t id, const char *subject, const char *path,
		     int error)
{
	const struct question question = {
		.class = CLASS_FILE,
		.id = id,
		.subject = subject,
		.saved_text = path,
		.invoker = (uint64_t)error,
	};

	plan_ask(plan, &question);
}

static bool text_is(const struct plan *plan, const char *wanted)
{
	auto_buf struct buf text = BUF_EMPTY;

	plan_text(plan, false, &text);
	if (strcmp(text.data, wanted) == 0)
		return true;
	(void)printf("# <%s>\n# <%s>\n", text.data, wanted);
	return false;
}

/* Of the container, of a task, of a thread, and of a file. */
static const char lines[] =
    "CONTAINER                seccomp             saved none              "
    "invoker none          -> keep  rule strict/seccomp\n"
    "TASK 7 (nginx)           caps.permitted      saved net_bind_service  "
    "invoker -             -> drop  rule strict/caps\n"
    "TASK 7 (nginx) thread 8  rlimit.nofile.hard  saved unlimited         "
    "invoker 0             -> clamp 0  rule strict/rlimits\n"
    "TASK 7 (nginx)           fd 5                saved file /srv/log w   "
    "invoker open: EACCES  -> REFUSE  rule strict/files (the invoker may not open it)\n"
    "    remedy: give the invoker access to the file\n";

static void test_lines(struct checks *checks)
{
	struct plan *plan = new_plan("strict");

	plan_name_task(plan, 3, 3, 7, "nginx");
	plan_name_task(plan, 9, 3, 8, "worker");
	plan_name_task(plan, 4, 3, 7, "nginx");
	ask(plan, CLASS_CAPS, 3, 1, 1 << 10);
	ask(plan, CLASS_RLIMIT, 9, 15, UINT64_MAX);
	ask_file(plan, 4, "fd 5", "file /srv/log w", EACCES);
	ask(plan, CLASS_SECCOMP, 77, 0, 0);
	plan_settle(plan);
	check_case(checks, "lines", text_is(plan, lines));
	plan_free(plan);
}

static void test_answers(struct checks *checks)
{
	struct plan *plan = new_plan("strict");
	struct err err = ERR_NONE;

	ask(plan, CLASS_NO_NEW_PRIVS, 5, 0, 0);
	check_case(checks, "no answer before all was asked",
		   !plan_answer(plan, CLASS_NO_NEW_PRIVS, 5, 0));
	plan_settle(plan);
	check_case(checks, "an answer is found",
		   plan_value(plan, CLASS_NO_NEW_PRIVS, 5, 0, 9) == 1);
	check_case(checks, "no answer to what was never asked",
		   plan_value(plan, CLASS_NO_NEW_PRIVS, 6, 0, 9) == 9 &&
		       plan_value(plan, CLASS_NO_NEW_PRIVS, 5, 1, 9) == 9 &&
		       plan_value(plan, CLASS_COUNT, 5, 0, 9) == 9);
	check_case(checks, "nothing is refused", plan_verdict(plan, &err) == 0);
	plan_free(plan);

	plan = new_plan("map");
	plan_settle(plan);
	check_case(checks, "an empty plan", plan_verdict(plan, &err) == 0);
	plan_free(plan);
}

static void test_hostile(struct checks *checks)
{
	struct plan *plan = new_plan("strict");
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *path = mem_alloc(1 << 20, 1);
	struct json *json;
	struct err err = ERR_NONE;
	bool is_plain = true;

	memset(path, '\x1b', (1 << 20) - 1);
	plan_name_task(plan, 1, 1, 1, "a\x1b[2J\n\x9b(\\)\xe2\x80\xae");
	ask(plan, (enum policy_class)99, 1, 0, 0);
	ask(plan, (enum policy_class) - 1, 1, 0, 0);
	ask(plan, CLASS_NICE, 1, 7, 0);
	ask(plan, CLASS_MLOCK, 1, 0, 0);
	ask(plan, CLASS_MLOCK, 1, 0, 1 << 20);
	ask_file(plan, 1, path, path, EACCES);
	plan_settle(plan);
	check_case(checks, "what does not exist, or has two values, is refused",
		   plan_verdict(plan, &err) == ERR_REFUSED &&
		       strncmp(err.text, "5 refusals: ", 12) == 0);
	plan_text(plan, false, &text);
	for (size_t i = 0; i < text.size; i++)
		is_plain &= text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] <= '~');
	check_case(checks, "nothing reaches the terminal as it was", is_plain);
	check_case(checks, "a name is escaped",
		   strstr(text.data, "TASK 1 (a\\x1b[2J\\x0a\\x9b(\\x5c)\\xe2\\x80\\xae)"));
	check_case(checks, "long texts are cut off", text.size < 200000);
	json = plan_json(plan);
	check_case(checks, "JSON holds every decision",
		   json_count(json_get(json, "decisions")) == plan->decision_count &&
		       strcmp(json_get_string(json_get(json, "verdict")), "refuse") == 0);
	json_free(json);
	plan_free(plan);
}

static void test_groups(struct checks *checks)
{
	struct plan *plan = new_plan("strict");
	auto_buf struct buf text = BUF_EMPTY;
	auto_buf struct buf summary = BUF_EMPTY;

	for (uint32_t id = 1; id <= 200; id++) {
		plan_name_task(plan, id, id, (pid_t)id + 6, "sleep");
		ask(plan, CLASS_CAPS, id, 1, 1 << 10);
		ask(plan, CLASS_NO_NEW_PRIVS, id, 0, id == 100);
	}
	for (uint32_t id = 301; id <= 310; id++) {
		plan_name_task(plan, id, 1, (pid_t)id, "sleep");
		ask(plan, CLASS_SECCOMP, id, 0, 0);
	}
	plan_settle(plan);
	plan_text(plan, false, &text);
	check_case(checks, "alike decisions are one line, behind those of their first task alone",
		   strcmp(text.data,
			  "TASK 7 (sleep) x10         seccomp         saved none              "
			  "invoker none  -> keep  rule strict/seccomp\n"
			  "TASKS 7-206 (200)          caps.permitted  saved net_bind_service  "
			  "invoker -     -> drop  rule strict/caps\n"
			  "TASKS 7-105,107-206 (199)  no_new_privs    saved off               "
			  "invoker off   -> clamp on  rule strict/no_new_privs\n"
			  "TASK 106 (sleep)           no_new_privs    saved on                "
			  "invoker off   -> keep  rule strict/no_new_privs\n") == 0);
	plan_summary(plan, &summary);
	check_case(checks, "the summary counts them all",
		   strcmp(summary.data, "11 keep, 199 clamp, 200 drop: restore would go on") == 0);
	plan_free(plan);
}

static void test_verdict(struct checks *checks)
{
	struct plan *plan = new_plan("strict");
	auto_buf struct buf summary = BUF_EMPTY;
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;

	plan_name_task(plan, 1, 1, 7, "nginx");
	ask_file(plan, 1, "fd 5", "file /srv/log w", EACCES);
	plan_settle(plan);
	check_case(checks, "one refusal",
		   plan_verdict(plan, &err) == ERR_REFUSED &&
		       strcmp(err.text, "1 refusal: task 7 (nginx) fd 5: "
					"the invoker may not open it (file /srv/log w)") == 0 &&
		       strcmp(err.hint, "give the invoker access to the file") == 0);
	plan_summary(plan, &summary);
	check_case(checks, "the summary of a refusal",
		   strcmp(summary.data, "1 refuse: restore would refuse (exit 3)") == 0);
	plan_text(plan, false, &text);
	check_case(checks, "a remedy follows its line",
		   strstr(text.data, "\n    remedy: give the invoker access to the file\n"));
	plan_free(plan);

	plan = new_plan("strict");
	for (uint32_t id = 1; id <= 500; id++) {
		plan_name_task(plan, id, id, (pid_t)id, "x");
		ask(plan, CLASS_UID, id, 0, id);
	}
	plan_settle(plan);
	check_case(checks, "many refusals are bounded, and counted",
		   plan_verdict(plan, &err) == ERR_REFUSED && strlen(err.text) < 900 &&
		       strncmp(err.text, "499 refusals: task 2 (x) uid.real: ", 35) == 0 &&
		       strstr(err.text, " more"));
	plan_free(plan);
}

static double milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void ask_all(struct plan *plan, uint32_t id)
{
	for (uint32_t i = 0; i < 4; i++) {
		ask(plan, CLASS_UID, id, i, 0);
		ask(plan, CLASS_GID, id, i, 0);
	}
	for (uint32_t i = 0; i < 32; i++)
		ask(plan, CLASS_RLIMIT, id, i, i % 2 ? 100 : 50);
}

static void test_speed(struct checks *checks)
{
	struct plan *plan = new_plan("strict");
	auto_buf struct buf text = BUF_EMPTY;
	uint64_t sum = 0;
	double start = milliseconds();
	double made;
	double answered;

	for (uint32_t id = 1; id <= 500; id++) {
		plan_name_task(plan, id, 1, (pid_t)id, "thread");
		ask_all(plan, id);
	}
	plan_settle(plan);
	made = milliseconds();
	for (uint32_t id = 1; id <= 500; id++) {
		for (uint32_t i = 0; i < 32; i++)
			sum += plan_value(plan, CLASS_RLIMIT, id, i, 1);
	}
	answered = milliseconds();
	plan_text(plan, false, &text);
	(void)printf("# 20,000 decisions in %.1f ms, 16,000 answers in %.1f ms, text in %.1f ms\n",
		     made - start, answered - made, milliseconds() - answered);
	check_case(checks, "500 threads, 40 questions each, in less than 200 ms",
		   sum == 0 && made - start < 200);
	plan_free(plan);
}

int main(void)
{
	struct checks checks = { 0 };

	test_lines(&checks);
	test_answers(&checks);
	test_hostile(&checks);
	test_groups(&checks);
	test_verdict(&checks);
	test_speed(&checks);
	return checks.failed != 0;
}
