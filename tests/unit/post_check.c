/* The comparison of finished tasks with the plan: this process stands for one, and each plan
 * differs from what it is in one thing. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "policy/plan_private.h"
#include "policy_check.h"
#include "restore/restore.h"

enum { ID = 1 };

/* What is planned, and differs; with the preset by which it is decided. */
struct difference {
	const char *preset;
	enum policy_class class;
	uint32_t detail;
	uint64_t saved;
	const char *text; /* in the refusal; NULL: it is as planned */
};

static void ask(struct plan *plan, enum policy_class class, uint32_t detail, uint64_t saved)
{
	plan_ask(plan,
		 &(struct question){ .class = class, .id = ID, .detail = detail, .saved = saved });
}

/* Limits are always compared: all others only if they were asked for. */
static void ask_limits(struct plan *plan, const struct difference *differs)
{
	for (uint32_t i = 0; i < 2 * RLIM_NLIMITS; i++) {
		struct rlimit limit;

		if (getrlimit((__rlimit_resource_t)(i / 2), &limit) < 0)
			abort();
		if (differs->class == CLASS_RLIMIT && differs->detail == i)
			ask(plan, CLASS_RLIMIT, i, differs->saved);
		else
			ask(plan, CLASS_RLIMIT, i, i % 2 ? limit.rlim_max : limit.rlim_cur);
	}
}

static struct plan *make_plan(const struct difference *differs, const struct host_facts *facts)
{
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;
	struct plan *plan;

	if (policy_preset(differs->preset, &policy, &err) < 0)
		abort();
	plan = plan_new(NULL, policy, facts);
	ask_limits(plan, differs);
	if (differs->class == CLASS_NICE)
		ask(plan, CLASS_SCHED, 0, SCHED_OTHER);
	if (differs->class != CLASS_RLIMIT)
		ask(plan, differs->class, differs->detail, differs->saved);
	plan_settle(plan);
	return plan;
}

static bool holds(const struct difference *differs, const struct host_facts *facts)
{
	const struct record record = { .id = ID };
	struct restore_thread thread = { .record = &record, .tid = getpid(), .vtid = 7 };
	struct restore_task task = { .record = &record,
				     .id = ID,
				     .pid = getpid(),
				     .vpid = 7,
				     .threads = &thread,
				     .thread_count = 1 };
	struct restore_private own = { .tasks = &task, .task_count = 1 };
	struct plan *plan = make_plan(differs, facts);
	struct restore rs = { .plan = plan, .own = &own };
	struct err err = ERR_NONE;
	int r = restore_post_check(&rs, &err);

	plan_free(plan);
	if (!differs->text)
		return r == 0;
	if (r == ERR_FAILED && strstr(err.text, differs->text))
		return true;
	(void)printf("# %s\n", r == 0 ? "nothing differs" : err.text);
	return false;
}

static uint64_t own_score(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "re");
	int score = 0;

	if (!file || fscanf(file, "%d", &score) != 1)
		abort();
	(void)fclose(file);
	return (uint64_t)(int64_t)score;
}

static void test_state(struct checks *checks, const struct host_facts *facts)
{
	uint64_t score = own_score();
	uint64_t one_cpu = facts->cpus[0] & -facts->cpus[0];
	const struct difference none = { "strict", CLASS_SCHED, 0, SCHED_OTHER, NULL };
	const struct difference all[] = {
		{ "strict", CLASS_SCHED, 0, SCHED_BATCH,
		  "task 7: its scheduling policy is 0, not 3" },
		{ "strict", CLASS_NICE, 0, 19, "task 7: its niceness is" },
		{ "strict", CLASS_IOPRIO, 0, 0x4007, "task 7: its I/O priority is" },
		{ "strict", CLASS_AFFINITY, 0, one_cpu, "task 7: its CPUs are not as planned" },
		{ "strict", CLASS_OOM_SCORE_ADJ, 0, score < 1000 ? score + 1 : 1000,
		  "task 7: oom_score_adj is not as planned" },
		{ "strict", CLASS_RLIMIT, 2 * RLIMIT_NOFILE, 3,
		  "task 7: limit 7 is not as planned" },
		{ "strict", CLASS_RLIMIT, 2 * RLIMIT_CORE + 1, 1,
		  "task 7: limit 4 is not as planned" },
	};

	check_case(checks, "what is as planned is accepted", holds(&none, facts));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		/* Where there is just one, no plan can have another. */
		if (all[i].class == CLASS_AFFINITY && one_cpu == facts->cpus[0])
			continue;
		check_case(checks, all[i].text + strlen("task 7: "), holds(&all[i], facts));
	}
}

static void test_privileges(struct checks *checks, const struct host_facts *facts)
{
	static const char *const sets[] = { "inheritable", "permitted", "effective", "bounding" };
	struct host_facts others = *facts;
	struct id_range ids = { 0, UINT32_MAX };

	for (uint32_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		/* Either it holds the first capability or not: the plan says otherwise. */
		uint64_t saved = i == 0 ? 1 : i == 1 ? facts->permitted ^ 1 : 0;

		/* Nothing is effective that is not permitted. */
		if (i == 2 && facts->permitted == 0)
			continue;
		check_case(
		    checks, sets[i],
		    holds(&(struct difference){ "map", CLASS_CAPS, i, saved, sets[i] }, facts));
	}
	others.no_new_privs = !facts->no_new_privs;
	check_case(checks, "no_new_privs",
		   holds(&(struct difference){ "map", CLASS_NO_NEW_PRIVS, 0, others.no_new_privs,
					       "no_new_privs is" },
			 &others));
	others.seccomp = facts->seccomp ? 0 : 2;
	check_case(
	    checks, "a filter",
	    holds(&(struct difference){ "map", CLASS_SECCOMP, 0, 0, "seccomp is" }, &others));
	others.uid = facts->uid + 1;
	others.gid = facts->gid + 1;
	others.is_root = others.may_map_all = false;
	others.own_uids = others.own_gids = &ids;
	others.own_uid_count = others.own_gid_count = 1;
	check_case(
	    checks, "a user id",
	    holds(&(struct difference){ "strict", CLASS_UID, 3, 0, "a user id is" }, &others));
	check_case(
	    checks, "a group id",
	    holds(&(struct difference){ "strict", CLASS_GID, 0, 0, "a group id is" }, &others));
}

int main(void)
{
	struct checks checks = { 0 };
	struct host_facts facts = HOST_FACTS_NONE;
	struct err err = ERR_NONE;

	if (host_facts_get(&facts, &err) < 0) {
		(void)printf("not ok %s\n", err.text);
		return 1;
	}
	test_state(&checks, &facts);
	test_privileges(&checks, &facts);
	host_facts_free(&facts);
	return checks.failed != 0;
}
