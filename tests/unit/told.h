/* What this kernel would not tell of itself, and another does: a child of ours is told so by a
 * filter of its own calls. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* From here on, such a call with this number as one of its arguments (the first is 0) does nothing,
 * and fails so; 0: it succeeds. */
static inline bool tell(uint32_t call, uint32_t place, uint32_t argument, uint32_t error)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16 + 8 * place),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(steps) / sizeof(steps[0]), steps };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static inline void run_in_child(struct unit *unit, void (*run)(struct unit *unit))
{
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		run(unit);
		(void)fflush(stdout);
		_exit(unit->has_failed ? 1 : 0);
	}
	EXPECT(unit, waitpid(child, &status, 0) == child && status == 0);
}
