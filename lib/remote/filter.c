/* Calls in a task under a seccomp filter: those that would kill it are not made. */
#include <linux/audit.h>
#include <string.h>
#include <sys/syscall.h>

#include "remote/remote.h"

static bool lets_live(const struct filter *filter, const struct seccomp_data *data)
{
	switch (filter_verdict(filter, data) & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_ERRNO:
		return true;
	default:
		return false;
	}
}

static int refuse(const char *name, uint64_t nr, struct err *err)
{
	(void)err_set(err, ERR_REFUSED,
		      "%s: the container's seccomp filter does not let "
		      "its tasks do this",
		      name);
	return err_hint(err,
			"allow system call %d in the profile, or let it answer with an "
			"error",
			(int)nr);
}

static int check_call(const struct remote *remote, const char *name, uint32_t arch, uint64_t nr,
		      const uint64_t args[6], struct err *err)
{
	struct seccomp_data data = { .nr = (int)nr,
				     .arch = arch,
				     .instruction_pointer = remote->zone.code };

	memcpy(data.args, args, sizeof(data.args));
	for (size_t i = 0; i < 2; i++) {
		const struct filter *filter = remote->filters[i];

		if (filter && !lets_live(filter, &data))
			return refuse(name, nr, err);
	}
	return 0;
}

bool remote_call_is_allowed(const struct remote *remote, uint64_t nr, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = (int)nr,
				     .arch = AUDIT_ARCH_X86_64,
				     .instruction_pointer = remote->zone.code };

	memcpy(data.args, args, sizeof(data.args));
	for (size_t i = 0; i < 2; i++) {
		uint32_t action = remote->filters[i] ? filter_verdict(remote->filters[i], &data) &
							   SECCOMP_RET_ACTION_FULL
						     : SECCOMP_RET_ALLOW;

		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
			return false;
	}
	return true;
}

int remote_check_call(const struct remote *remote, const char *name, uint64_t nr,
		      const uint64_t args[6], struct err *err)
{
	return check_call(remote, name, AUDIT_ARCH_X86_64, nr, args, err);
}

int remote_check_call_32(const struct remote *remote, const char *name, uint64_t nr,
			 const uint64_t args[6], struct err *err)
{
	return check_call(remote, name, AUDIT_ARCH_I386, nr, args, err);
}

int remote_check_filter(const struct remote *remote, struct err *err)
{
	static const struct {
		long nr;
		const char *name;
	} calls[] = {
		{ SYS_mmap, "map a zone" },
		{ SYS_munmap, "unmap it" },
		{ SYS_getpid, "ask for its pid" },
		{ SYS_gettid, "ask for its thread id" },
		{ SYS_tgkill, "send itself a signal" },
		{ SYS_rt_sigprocmask, "take its signal mask back" },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int r = remote_check_call(remote, calls[i].name, (uint64_t)calls[i].nr,
					  (const uint64_t[6]){ 0 }, err);

		if (r < 0)
			return r;
	}
	return 0;
}
