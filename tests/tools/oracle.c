/* oracle: what may the invoker give a task? Each question is put to the kernel by a clean child,
 * which tries exactly that; those about ids and capabilities in a new user namespace.
 *
 * Questions are lines on standard input, answers lines on standard output: 1, or 0 and an errno.
 *
 *	limit RESOURCE SOFT HARD
 *	nice VALUE
 *	sched POLICY PRIORITY	as for sched_setscheduler(2)
 *	ioprio VALUE
 *	oom VALUE
 *	cpu NUMBER
 *	lock BYTES
 *	privileged		no_new_privs is not set
 *	dumpable 0|1
 *	creds UID GID UIDS GIDS CAPS SECUREBITS NO_NEW_PRIVS
 *			UID, GID: what the invoker becomes; UIDS, GIDS: real, effective, saved, fs;
 *			CAPS: inheritable, permitted, effective, bounding, ambient
 *	enter		not tried: enters a new user namespace, whose maps are for the asker to
 *write held UIDS GIDS CAPS SECUREBITS NO_NEW_PRIVS as creds, in that namespace groups COUNT GID...
 *			there, too */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 20 };

static int failed(void)
{
	return errno ? errno : ECANCELED;
}

static int try_limit(const uint64_t *words)
{
	const struct rlimit limit = { .rlim_cur = words[1], .rlim_max = words[2] };
	struct rlimit now;

	if (setrlimit((__rlimit_resource_t)words[0], &limit) < 0 ||
	    getrlimit((__rlimit_resource_t)words[0], &now) < 0)
		return failed();
	return now.rlim_cur == limit.rlim_cur && now.rlim_max == limit.rlim_max ? 0 : ECANCELED;
}

static int try_nice(const uint64_t *words)
{
	return setpriority(PRIO_PROCESS, 0, (int)words[0]) < 0 ? failed() : 0;
}

static int try_sched(const uint64_t *words)
{
	const struct sched_param param = { .sched_priority = (int)words[1] };

	return sched_setscheduler(0, (int)words[0], &param) < 0 ? failed() : 0;
}

static int try_ioprio(const uint64_t *words)
{
	return syscall(SYS_ioprio_set, 1, 0, (int)words[0]) < 0 ? failed() : 0;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);

	if (fd < 0 || write(fd, text, size) != (ssize_t)size)
		return failed();
	return close(fd) < 0 ? failed() : 0;
}

static int try_oom(const uint64_t *words)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)words[0]);
	return write_file("/proc/self/oom_score_adj", text);
}

static int try_cpu(const uint64_t *words)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(words[0], &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) < 0 ? failed() : 0;
}

/* As much as the hard limit gives. */
static int try_lock(const uint64_t *words)
{
	struct rlimit limit;
	void *memory =
	    mmap(NULL, words[0], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return failed();
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0 || mlock(memory, words[0]) < 0)
		return failed();
	return 0;
}

static int try_privileged(const uint64_t *words)
{
	(void)words;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : ECANCELED;
}

static int try_dumpable(const uint64_t *words)
{
	return prctl(PR_SET_DUMPABLE, words[0]) < 0 ? failed() : 0;
}

static int set_caps(uint64_t inheritable, uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? failed() : 0;
}

/* What anybody may do: a namespace with one id, which is his. */
static int enter_namespace(uint64_t uid, uint64_t gid)
{
	char text[64];
	uid_t outer_uid = geteuid();
	gid_t outer_gid = getegid();
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return failed();
	(void)snprintf(text, sizeof(text), "%" PRIu64 " %u 1", uid, outer_uid);
	r = write_file("/proc/self/uid_map", text);
	if (r == 0)
		r = write_file("/proc/self/setgroups", "deny");
	(void)snprintf(text, sizeof(text), "%" PRIu64 " %u 1", gid, outer_gid);
	return r ? r : write_file("/proc/self/gid_map", text);
}

static int take_ids(const uint64_t *uid, const uint64_t *gid)
{
	if (syscall(SYS_setresgid, gid[0], gid[1], gid[2]) < 0 ||
	    prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ||
	    syscall(SYS_setresuid, uid[0], uid[1], uid[2]) < 0)
		return failed();
	(void)syscall(SYS_setfsgid, gid[3]);
	(void)syscall(SYS_setfsuid, uid[3]);
	if ((uint64_t)syscall(SYS_setfsgid, -1) != gid[3] ||
	    (uint64_t)syscall(SYS_setfsuid, -1) != uid[3])
		return EPERM;
	return 0;
}

static int take_caps(const uint64_t *caps, uint64_t securebits)
{
	uint64_t all = 0;

	for (unsigned long cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		all |= UINT64_C(1) << cap;
	if (set_caps(caps[0], all, all) != 0)
		return failed();
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (caps[4] >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return failed();
		if (all >> cap & 1 && !(caps[3] >> cap & 1) &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return failed();
	}
	if (caps[3] & ~all)
		return EINVAL;
	if (prctl(PR_SET_SECUREBITS, securebits, 0, 0, 0) < 0)
		return failed();
	return set_caps(caps[0], caps[1], caps[2]);
}

static int try_held(const uint64_t *words)
{
	int r;

	if (!words[14] && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		return EPERM;
	if (words[14] && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed();
	r = take_ids(words, words + 4);
	return r ? r : take_caps(words + 8, words[13]);
}

static int try_creds(const uint64_t *words)
{
	int r = enter_namespace(words[0], words[1]);

	return r ? r : try_held(words + 2);
}

static int try_groups(const uint64_t *words)
{
	gid_t groups[WORDS_MAX];

	for (uint64_t i = 0; i < words[0]; i++)
		groups[i] = (gid_t)words[1 + i];
	return syscall(SYS_setgroups, words[0], groups) < 0 ? failed() : 0;
}

static const struct question {
	const char *name;
	int (*attempt)(const uint64_t *words);
	int words;
} questions[] = {
	{ "limit", try_limit, 3 },	 { "nice", try_nice, 1 },
	{ "sched", try_sched, 2 },	 { "ioprio", try_ioprio, 1 },
	{ "oom", try_oom, 1 },		 { "cpu", try_cpu, 1 },
	{ "lock", try_lock, 1 },	 { "privileged", try_privileged, 0 },
	{ "dumpable", try_dumpable, 1 }, { "creds", try_creds, 17 },
	{ "held", try_held, 15 },	 { "groups", try_groups, -1 },
};

static int ask(const struct question *question, const uint64_t *words)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		errno = 0;
		_exit(question->attempt(words));
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return failed();
	return WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
}

static int answer(char *line)
{
	uint64_t words[WORDS_MAX] = { 0 };
	char *save = NULL;
	const char *name = strtok_r(line, " \n", &save);
	int count = 0;

	for (char *word; count < WORDS_MAX && (word = strtok_r(NULL, " \n", &save)); count++)
		words[count] =
		    word[0] == '-' ? (uint64_t)strtoll(word, NULL, 10) : strtoull(word, NULL, 10);
	if (name && strcmp(name, "enter") == 0)
		return unshare(CLONE_NEWUSER) < 0 ? failed() : 0;
	for (size_t i = 0; name && i < sizeof(questions) / sizeof(questions[0]); i++) {
		int due = questions[i].words < 0 ? (int)words[0] + 1 : questions[i].words;

		if (strcmp(questions[i].name, name) == 0 && due == count)
			return ask(&questions[i], words);
	}
	return -1;
}

int main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		int r = answer(line);

		if (r < 0) {
			fprintf(stderr, "oracle: what is this question?\n");
			return 2;
		}
		if (r == 0)
			puts("1");
		else
			printf("0 %s\n", strerrorname_np(r));
		if (fflush(stdout) != 0)
			return 1;
	}
	return 0;
}
