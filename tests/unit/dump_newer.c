/* What another kernel may have, newer or with a security module: a thread answers some calls in its
 * place. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump_prey.h"

#define UNKNOWN_SEAL   0x4000
#define UNKNOWN_POLICY 99u

#define ALLOW  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define NOTIFY BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
#define LOAD(field)                                                                                \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))

/* Who asks, and is answered; children are not. */
static pid_t asker;
static bool has_no_labels;

/* The listener; negative where this kernel has none. */
static int ask_others(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		SKIP_UNLESS(SYS_openat, 1),
		NOTIFY,
		LOAD(nr),
		SKIP_UNLESS(SYS_sched_getattr, 1),
		NOTIFY,
		SKIP_UNLESS(SYS_fcntl, 3),
		LOAD(args[1]),
		SKIP_UNLESS(F_GET_SEALS, 1),
		NOTIFY,
		ALLOW,
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

struct sched_answer {
	uint32_t size, policy;
};

static bool is_for_label(const struct seccomp_notif *call)
{
	return call->data.nr == SYS_openat && strcmp((const char *)(uintptr_t)call->data.args[1],
						     "/proc/thread-self/attr/current") == 0;
}

static bool answer_label(int listener, const struct seccomp_notif *call)
{
	auto_close int label = memfd_create("label", MFD_CLOEXEC);
	struct seccomp_notif_addfd added = { .id = call->id,
					     .flags = SECCOMP_ADDFD_FLAG_SEND,
					     .srcfd = (uint32_t)label,
					     .newfd_flags = O_CLOEXEC };

	if (call->data.nr != SYS_openat || strcmp((const char *)(uintptr_t)call->data.args[1],
						  "/proc/thread-self/attr/current") != 0)
		return false;
	return write(label, "own label\n", 10) == 10 && lseek(label, 0, SEEK_SET) == 0 &&
	       ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added) >= 0;
}

/* Until the listener is closed by the end of the process. */
static void *answer_all(void *argument)
{
	int listener = *(int *)argument;
	struct seccomp_notif call = { .id = 0 };

	for (;;) {
		struct seccomp_notif_resp response = { .id = 0 };

		call = (struct seccomp_notif){ .id = 0 };
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
			continue;
		response.id = call.id;

		if ((pid_t)call.pid != asker)
			response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else if (is_for_label(&call) && has_no_labels)
			response.error = -ENOENT;
		else if (is_for_label(&call) && answer_label(listener, &call))
			continue;
		else if (call.data.nr == SYS_openat)
			response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		else if (call.data.nr == SYS_fcntl)
			response.val = F_SEAL_GROW | UNKNOWN_SEAL;
		else
			*(struct sched_answer *)(uintptr_t)call.data.args[1] =
			    (struct sched_answer){ 48, UNKNOWN_POLICY };
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
	return NULL;
}

static void seals(struct unit *unit)
{
	auto_close int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	auto_made struct made made;

	made_begin(&made);
	made.fd.flags = O_RDWR;
	made.own.files = &made.fd;
	made.own.file_count = 1;
	EXPECT_TEXT(unit, made_dump_fd(&made, "memfd", fd, ""), "a memfd has unknown seals 0x4004");
}

static void policies(struct unit *unit)
{
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	EXPECT_TEXT(unit, made_dump(&made, "sched"), "scheduling policy 99 is not supported");
}

/* Only Landlock keeps those from each other that have the same label. */
static void labels(struct unit *unit)
{
	char top[] = "/tmp/unit-label-XXXXXX";
	auto_prey struct prey prey;
	auto_free char *label = NULL;

	if (!EXPECT(unit, catch (&prey, -1)) || !EXPECT(unit, mkdtemp(top)))
		return;
	answer(unit, &prey, SYS_get_robust_list, (uint64_t)getpid(), -EPERM);
	label = prey_label(&prey, top, "own label\n");
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"),
		    "thread 1 is restricted by Landlock, and no kernel tells how");
	free(label);
	label = prey_label(&prey, top, "her label\n");
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"), "");
	has_no_labels = true;
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"), "");
	prey_label_end(&prey, top, label);
}

static const struct unit_case cases[] = {
	UNIT_CASE(seals),
	UNIT_CASE(policies),
	UNIT_CASE(labels),
};

/* The filter is this thread's own: the other one, which began before, answers. */
static pthread_mutex_t has_listener = PTHREAD_MUTEX_INITIALIZER;

static void *wait_and_answer(void *argument)
{
	(void)pthread_mutex_lock(&has_listener);
	return answer_all(argument);
}

int main(void)
{
	int listener;
	pthread_t thread;

	(void)pthread_mutex_lock(&has_listener);
	if (pthread_create(&thread, NULL, wait_and_answer, &listener) != 0)
		return 1;
	asker = getpid();
	listener = ask_others();
	if (listener < 0)
		return 77;
	(void)pthread_mutex_unlock(&has_listener);
	return UNIT_RUN(cases);
}
