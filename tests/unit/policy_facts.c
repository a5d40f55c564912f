/* The facts of this host, against what a child in a new user namespace can do when it tries. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "policy/lattice.h"
#include "policy/mapping.h"
#include "policy_check.h"

typedef bool try_fn(const struct host_facts *facts);

/* Runs the trial in a child, in a user namespace of its own, without maps. */
static bool child_holds(const struct host_facts *facts, try_fn *attempt)
{
	int status = 0;
	pid_t child;

	(void)fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 || !attempt(facts));
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool try_limits(const struct host_facts *facts)
{
	for (int i = 0; i < 16; i++) {
		uint64_t hard = facts->hard_limits[i];
		struct rlimit limit = { hard, hard };

		if (setrlimit(i, &limit) < 0)
			return false;
		if (hard == UINT64_MAX)
			continue;
		limit.rlim_max = hard + 1;
		if (setrlimit(i, &limit) == 0 || errno != EPERM)
			return false;
	}
	return true;
}

static bool try_nice(const struct host_facts *facts)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NICE, &limit) < 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NICE, &limit) < 0)
		return false;
	if (facts->lowest_nice > -20 && setpriority(PRIO_PROCESS, 0, facts->lowest_nice - 1) == 0)
		return false;
	return setpriority(PRIO_PROCESS, 0, facts->lowest_nice) == 0;
}

static bool try_nicer(const struct host_facts *facts)
{
	struct host_facts now = HOST_FACTS_NONE;
	struct err err = ERR_NONE;

	(void)facts;
	return setpriority(PRIO_PROCESS, 0, 15) == 0 && host_facts_get(&now, &err) == 0 &&
	       now.nice == 15 && try_nice(&now);
}

static bool try_capabilities(const struct host_facts *facts)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].permitted | (uint64_t)data[1].permitted << 32) == facts->known_caps;
}

static bool try_securebits(const struct host_facts *facts)
{
	for (int bit = 0; bit < 16; bit++) {
		bool is_known = facts->known_securebits >> bit & 1;

		/* A lock alone is fine, and stays. */
		if ((prctl(PR_SET_SECUREBITS, prctl(PR_GET_SECUREBITS) | 1 << bit) == 0) !=
		    is_known)
			return false;
	}
	return true;
}

static bool try_cpus(const struct host_facts *facts)
{
	return syscall(SYS_sched_setaffinity, 0, facts->cpu_words * 8, facts->cpus) == 0;
}

static bool try_real_time(const struct host_facts *facts)
{
	const struct sched_param param = { .sched_priority = 1 };

	return facts->hard_limits[RLIMIT_RTPRIO] > 0 ||
	       sched_setscheduler(0, SCHED_FIFO, &param) < 0;
}

static bool try_locking(const struct host_facts *facts)
{
	uint64_t limit = facts->hard_limits[RLIMIT_MEMLOCK];
	const struct rlimit raised = { limit, limit };
	auto_free char *memory = NULL;

	if (limit > 64 << 20 || setrlimit(RLIMIT_MEMLOCK, &raised) < 0)
		return limit > 64 << 20;
	memory = malloc(limit + 65536);
	return memory && syscall(SYS_mlock2, memory, limit + 65536, 0) < 0;
}

static bool write_file(pid_t pid, const char *name, const char *text)
{
	auto_free char *path = mem_printf("/proc/%d/%s", pid, name);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool write_map(pid_t pid, const char *name, const struct mapping *mapping)
{
	auto_buf struct buf text = BUF_EMPTY;

	for (size_t i = 0; i < mapping->count; i++)
		buf_printf(&text, "%u %u %u\n", mapping->lines[i].inside, mapping->lines[i].outside,
			   mapping->lines[i].count);
	return write_file(pid, name, text.data);
}

/* The child waits in its namespace for its maps, then looks at itself. */
static _Noreturn void mapped_child(int ready, int go, bool may_setgroups)
{
	gid_t group = 0;
	char byte = 0;

	if (unshare(CLONE_NEWUSER) < 0 || write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		_exit(1);
	_exit(geteuid() != 0 || getegid() != 0 || (setgroups(1, &group) == 0) != may_setgroups);
}

/* newuidmap PID inside outside count ... */
static bool run_mapper(const char *program, pid_t pid, const struct mapping *mapping)
{
	char **args = mem_alloc(3 * mapping->count + 3, sizeof(*args));
	size_t count = 0;
	int status = 0;
	pid_t child;

	args[count++] = mem_string(program);
	args[count++] = mem_printf("%d", pid);
	for (size_t i = 0; i < mapping->count; i++) {
		args[count++] = mem_printf("%u", mapping->lines[i].inside);
		args[count++] = mem_printf("%u", mapping->lines[i].outside);
		args[count++] = mem_printf("%u", mapping->lines[i].count);
	}
	child = fork();
	if (child == 0) {
		(void)execvp(program, args);
		_exit(127);
	}
	while (count > 0)
		free(args[--count]);
	free(args);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

struct maps {
	struct mapping uids;
	struct mapping gids;
	bool needs_helper;
	bool may_setgroups;
};

static bool write_maps(pid_t pid, const struct maps *maps)
{
	if (maps->needs_helper)
		return run_mapper("newuidmap", pid, &maps->uids) &&
		       run_mapper("newgidmap", pid, &maps->gids);
	return (maps->may_setgroups || write_file(pid, "setgroups", "deny")) &&
	       write_map(pid, "uid_map", &maps->uids) && write_map(pid, "gid_map", &maps->gids);
}

static bool maps_work(const struct maps *maps)
{
	int ready[2];
	int go[2];
	char byte = 0;
	int status = 0;
	bool holds;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		return false;
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		(void)close(go[1]);
		mapped_child(ready[1], go[0], maps->may_setgroups);
	}
	(void)close(ready[1]);
	(void)close(go[0]);
	holds =
	    read(ready[0], &byte, 1) == 1 && write_maps(child, maps) && write(go[1], &byte, 1) == 1;
	(void)close(go[1]);
	(void)close(ready[0]);
	return waitpid(child, &status, 0) == child && status == 0 && holds;
}

static bool default_map_works(const struct host_facts *facts)
{
	struct maps maps = { .may_setgroups = facts->may_map_all && !facts->is_setgroups_denied };
	bool holds;

	if (facts->may_map_all) {
		mapping_make_identity(facts->own_uids, facts->own_uid_count, &maps.uids);
		mapping_make_identity(facts->own_gids, facts->own_gid_count, &maps.gids);
	} else {
		mapping_make_single(0, facts->uid, &maps.uids);
		mapping_make_single(0, facts->gid, &maps.gids);
	}
	holds = maps_work(&maps);
	mapping_free(&maps.uids);
	mapping_free(&maps.gids);
	return holds;
}

static bool range_map_works(const struct host_facts *facts)
{
	const uint32_t used[] = { 0, 33 };
	struct maps maps = { .needs_helper = true, .may_setgroups = true };
	bool holds;

	mapping_make_ranges(0, facts->uid, used, 2, facts->uid_ranges, facts->uid_range_count,
			    &maps.uids);
	mapping_make_ranges(0, facts->gid, used, 2, facts->gid_ranges, facts->gid_range_count,
			    &maps.gids);
	holds = maps_work(&maps);
	mapping_free(&maps.uids);
	mapping_free(&maps.gids);
	return holds;
}

/* What the child of a child sees must not be more than what we see. */
static bool try_nested(const struct host_facts *facts)
{
	struct host_facts inner = HOST_FACTS_NONE;
	struct err err = ERR_NONE;

	(void)facts;
	return host_facts_get(&inner, &err) == 0 && !inner.is_root && inner.own_uid_count == 0 &&
	       inner.lowest_nice == facts->lowest_nice &&
	       inner.oom_score_adj == facts->oom_score_adj;
}

int main(void)
{
	struct checks checks = { 0 };
	struct host_facts facts = HOST_FACTS_NONE;
	struct err err = ERR_NONE;

	if (host_facts_get(&facts, &err) < 0) {
		(void)printf("not ok facts: %s\n", err.text);
		return 1;
	}
	check_case(&checks, "hard limits can be had, and not passed",
		   child_holds(&facts, try_limits));
	check_case(&checks, "the lowest nice value", child_holds(&facts, try_nice));
	check_case(&checks, "the lowest nice value of who is nice", child_holds(&facts, try_nicer));
	check_case(&checks, "capabilities of a namespace's owner",
		   child_holds(&facts, try_capabilities));
	check_case(&checks, "known securebits", child_holds(&facts, try_securebits));
	check_case(&checks, "usable CPUs", child_holds(&facts, try_cpus));
	check_case(&checks, "no real time", child_holds(&facts, try_real_time));
	check_case(&checks, "no more locked memory", child_holds(&facts, try_locking));
	check_case(&checks, "the map of a new container", default_map_works(&facts));
	if (facts.uid_range_count > 0 && facts.gid_range_count > 0)
		check_case(&checks, "the map of subordinate ids", range_map_works(&facts));
	check_case(&checks, "facts in a namespace", child_holds(&facts, try_nested));
	check_case(&checks, "bounding set within what is known",
		   facts.bounding && !(facts.bounding & ~facts.known_caps));
	(void)printf(
	    "# uid %u, %zu and %zu ranges, nice from %d, oom_score_adj %d, %zu words of CPUs, "
	    "%s\n",
	    facts.uid, facts.uid_range_count, facts.gid_range_count, facts.lowest_nice,
	    facts.oom_score_adj, facts.cpu_words, facts.is_root ? "root" : "not root");
	host_facts_free(&facts);
	return checks.failed != 0;
}
