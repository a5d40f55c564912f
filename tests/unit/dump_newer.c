/* What a kernel that is newer than this one may have: a thread answers some calls in its place. */
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

#include "dump_made.h"

#define UNKNOWN_SEAL   0x4000
#define UNKNOWN_POLICY 99u

#define ALLOW  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define NOTIFY BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
#define LOAD(field)                                                                                \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define SKIP_UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (count))

/* The listener; negative where this kernel has none. */
static int ask_others(void)
{
	struct sock_filter code[] = {
		LOAD(nr),      SKIP_UNLESS(SYS_sched_getattr, 1), NOTIFY, SKIP_UNLESS(SYS_fcntl, 3),
		LOAD(args[1]), SKIP_UNLESS(F_GET_SEALS, 1),	  NOTIFY, ALLOW,
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

/* Until the listener is closed by the end of the process. */
static void *answer(void *argument)
{
	int listener = *(int *)argument;
	struct seccomp_notif call = { .id = 0 };

	while (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0 || errno == EINTR) {
		struct seccomp_notif_resp response = { .id = call.id };

		if (call.data.nr == SYS_fcntl)
			response.val = F_SEAL_GROW | UNKNOWN_SEAL;
		else
			*(struct sched_answer *)(uintptr_t)call.data.args[1] =
			    (struct sched_answer){ 48, UNKNOWN_POLICY };
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
		call = (struct seccomp_notif){ .id = 0 };
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

static const struct unit_case cases[] = {
	UNIT_CASE(seals),
	UNIT_CASE(policies),
};

/* The filter is this thread's own: the other one, which began before, answers. */
static pthread_mutex_t has_listener = PTHREAD_MUTEX_INITIALIZER;

static void *wait_and_answer(void *argument)
{
	(void)pthread_mutex_lock(&has_listener);
	return answer(argument);
}

int main(void)
{
	int listener;
	pthread_t thread;

	(void)pthread_mutex_lock(&has_listener);
	if (pthread_create(&thread, NULL, wait_and_answer, &listener) != 0)
		return 1;
	listener = ask_others();
	if (listener < 0)
		return 77;
	(void)pthread_mutex_unlock(&has_listener);
	return UNIT_RUN(cases);
}
