/* What the invoker has and this host can do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cgroup.h"
#include "core/cleanup.h"
#include "policy/plan.h"
#include "policy/subid.h"

#define KNOWN_SECUREBITS_BASE	     UINT64_C(0xff)
#define KNOWN_SECUREBITS_EXEC	     UINT64_C(0xf00) /* SECBIT_EXEC_*, Linux 6.14 */
#define SECUREBIT_EXEC_RESTRICT_FILE UINT64_C(0x100)
#define CPU_BYTES_MAX		     8192u

/* A small file as text; one that is absent, or not for us, as an empty text. */
static int read_text(const char *path, struct buf *text, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	buf_clear(text);
	(void)buf_append(text, "", 0);
	if (fd < 0 && (errno == ENOENT || errno == EACCES))
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "open %s", path);
	do {
		char piece[4096];

		size = read(fd, piece, sizeof(piece));
		if (size < 0)
			return err_set(err, -errno, "read %s", path);
		(void)buf_append(text, piece, (size_t)size);
	} while (size > 0);
	return 0;
}

static int get_ids(struct host_facts *facts, struct err *err)
{
	int count = getgroups(0, NULL);

	facts->uid = geteuid();
	facts->gid = getegid();
	if (count < 0)
		return err_set(err, -errno, "read the invoker's groups");
	facts->groups = mem_alloc((size_t)count, sizeof(gid_t));
	count = getgroups(count, facts->groups);
	if (count < 0)
		return err_set(err, -errno, "read the invoker's groups");
	facts->group_count = (size_t)count;
	return 0;
}

static bool has_program(const char *name)
{
	static const char *const directories[] = { "/usr/bin", "/bin" };

	for (size_t i = 0; i < 2; i++) {
		auto_free char *path = mem_printf("%s/%s", directories[i], name);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* newuidmap goes by the real uid, and maps that to itself without any range. With no_new_privs it
 * gets none of the privileges that it needs. */
static int get_ranges(struct host_facts *facts, struct err *err)
{
	const struct passwd *user = getpwuid(getuid());
	auto_free char *name = user ? mem_string(user->pw_name) : NULL;
	auto_buf struct buf text = BUF_EMPTY;
	int r = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

	if (r < 0)
		return err_set(err, -errno, "read no_new_privs");
	facts->no_new_privs = r > 0;
	if (facts->no_new_privs)
		return 0;
	if (has_program("newuidmap")) {
		r = read_text("/etc/subuid", &text, err);
		if (r < 0)
			return r;
		subid_parse(text.data, name, getuid(), facts->uid, &facts->uid_ranges,
			    &facts->uid_range_count);
	}
	if (has_program("newgidmap")) {
		r = read_text("/etc/subgid", &text, err);
		if (r < 0)
			return r;
		subid_parse(text.data, name, getuid(), facts->gid, &facts->gid_ranges,
			    &facts->gid_range_count);
	}
	return 0;
}

static int get_limits(struct host_facts *facts, struct err *err)
{
	for (int i = 0; i < 16; i++) {
		struct rlimit limit;

		if (getrlimit(i, &limit) < 0)
			return err_set(err, -errno, "read limit %d", i);
		facts->hard_limits[i] = limit.rlim_max;
	}
	return 0;
}

static int get_capabilities(struct host_facts *facts, uint64_t *ret_effective, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return err_set(err, -errno, "read the invoker's capabilities");
	*ret_effective = data[0].effective | (uint64_t)data[1].effective << 32;
	facts->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	for (unsigned long cap = 0; cap < 64; cap++) {
		int is_bounding = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (is_bounding < 0)
			break;
		facts->known_caps |= UINT64_C(1) << cap;
		if (is_bounding)
			facts->bounding |= UINT64_C(1) << cap;
	}
	return 0;
}

/* A kernel refuses bits that it does not know; those of exec may be set by anybody. */
static uint64_t try_securebits(uint64_t now)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(prctl(PR_SET_SECUREBITS, now | SECUREBIT_EXEC_RESTRICT_FILE, 0, 0, 0) < 0);
	if (child < 0 || TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) != child || status != 0)
		return KNOWN_SECUREBITS_BASE | now;
	return KNOWN_SECUREBITS_BASE | KNOWN_SECUREBITS_EXEC | now;
}

/* Nice values count for the limit from 20 (lowest privilege 1) to -20 (40); who is nice already
 * may at least stay so. CAP_SYS_NICE must be held in the initial namespace: not by a restored
 * task. */
static int get_nice(struct host_facts *facts, struct err *err)
{
	uint64_t limit = facts->hard_limits[RLIMIT_NICE];
	int r;

	errno = 0;
	facts->nice = getpriority(PRIO_PROCESS, 0);
	if (errno)
		return err_set(err, -errno, "read the invoker's nice value");
	facts->lowest_nice = 20 - (int)(limit < 40 ? limit : 40);
	/* As sched(7) has it: to leave SCHED_IDLE takes a limit that allows the present nice value.
	 */
	r = sched_getscheduler(0);
	if (r < 0)
		return err_set(err, -errno, "read the invoker's scheduling policy");
	if (r == SCHED_FIFO || r == SCHED_RR) {
		struct sched_param param;

		if (sched_getparam(0, &param) < 0)
			return err_set(err, -errno, "read the invoker's priority");
		facts->rt_policy = (uint32_t)r;
		facts->rt_priority = (uint32_t)param.sched_priority;
	}
	facts->is_idle =
	    (r & ~SCHED_RESET_ON_FORK) == SCHED_IDLE && facts->nice < facts->lowest_nice;
	if (facts->lowest_nice > facts->nice)
		facts->lowest_nice = facts->nice;
	return 0;
}

/* Kernels without audit, or without a module that labels, have neither. */
static void get_labels(struct host_facts *facts)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored = ERR_NONE;

	facts->login_uid = UINT32_MAX;
	if (read_text("/proc/self/loginuid", &text, &ignored) == 0 && text.size > 0)
		facts->login_uid = (uint32_t)strtoul(text.data, NULL, 10);
	if (read_text("/proc/self/attr/current", &text, &ignored) < 0 || text.size == 0)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	if (text.data[0])
		facts->label = mem_string(text.data);
}

static int get_state(struct host_facts *facts, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = read_text("/proc/self/oom_score_adj", &text, err);

	if (r < 0)
		return r;
	facts->oom_score_adj = (int)strtol(text.data, NULL, 10);

	get_labels(facts);
	facts->cgroup = cgroup_own_base();

	/* -EINVAL: a kernel without seccomp. */
	r = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
	facts->seccomp = r > 0 ? r : 0;

	r = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	if (r < 0)
		return err_set(err, -errno, "read securebits");
	facts->securebits = (uint64_t)r;
	facts->known_securebits = try_securebits((uint64_t)r);
	return 0;
}

/* The kernel says how long its mask is by taking only a longer one. */
static int get_cpus(struct host_facts *facts, struct err *err)
{
	for (size_t size = 128; size <= CPU_BYTES_MAX; size *= 2) {
		uint64_t *cpus = mem_alloc(size, 1);
		long r = syscall(SYS_sched_getaffinity, 0, size, cpus);

		if (r >= 0) {
			facts->cpus = cpus;
			facts->cpu_words = ((size_t)r + 7) / 8;
			return 0;
		}
		free(cpus);
		if (errno != EINVAL)
			break;
	}
	return err_set(err, -errno, "read the CPUs that the invoker may use");
}

static int get_namespace(struct host_facts *facts, uint64_t effective, struct err *err)
{
	const uint64_t mappers =
	    UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETFCAP;
	auto_buf struct buf text = BUF_EMPTY;
	int r = read_text("/proc/self/gid_map", &text, err);

	if (r < 0)
		return r;
	subid_parse_map(text.data, &facts->own_gids, &facts->own_gid_count);

	r = read_text("/proc/self/uid_map", &text, err);
	if (r < 0)
		return r;
	subid_parse_map(text.data, &facts->own_uids, &facts->own_uid_count);
	facts->host_caps = subid_map_is_initial(text.data) ? effective : 0;
	facts->is_root = subid_map_is_initial(text.data) && (effective >> CAP_SYS_ADMIN & 1) != 0;
	facts->may_map_all = (effective & mappers) == mappers;

	r = read_text("/proc/self/setgroups", &text, err);
	if (r < 0)
		return r;
	facts->is_setgroups_denied = strncmp(text.data, "deny", 4) == 0;
	return 0;
}

static int get_all(struct host_facts *facts, struct err *err)
{
	uint64_t effective = 0;
	int r;

	if ((r = get_ids(facts, err)) < 0 || (r = get_ranges(facts, err)) < 0 ||
	    (r = get_limits(facts, err)) < 0 ||
	    (r = get_capabilities(facts, &effective, err)) < 0 || (r = get_nice(facts, err)) < 0 ||
	    (r = get_state(facts, err)) < 0 || (r = get_cpus(facts, err)) < 0)
		return r;
	return get_namespace(facts, effective, err);
}

int host_facts_get(struct host_facts *ret_facts, struct err *err)
{
	struct host_facts facts = HOST_FACTS_NONE;
	int r = get_all(&facts, err);

	if (r < 0) {
		host_facts_free(&facts);
		return err_wrap(err, "look at this host");
	}
	*ret_facts = facts;
	return 0;
}

void host_facts_free(struct host_facts *facts)
{
	free(facts->groups);
	free(facts->uid_ranges);
	free(facts->gid_ranges);
	free(facts->cpus);
	free(facts->label);
	free(facts->cgroup);
	free(facts->own_uids);
	free(facts->own_gids);
	for (size_t i = 0; i < facts->volume_count; i++)
		free(facts->volumes[i]);
	free(facts->volumes);
	free(facts->grants);
	bound_free(facts->bound);
	*facts = HOST_FACTS_NONE;
}
