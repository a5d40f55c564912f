/* older COMMAND...: runs the command on a kernel that seems to be older: calls that came after
 * Linux 5.15 fail as they do there. What the command makes in its target is not seen. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* If it is the value, it fails. */
#define FAIL(value, error)                                                                         \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1),                                        \
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
/* Of any other call, what follows is not asked. */
#define OF_CALL(number, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (count))
#define ALLOW		       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

enum {
	SINCE_5_16 = 449, /* the first system call that 5.15 does not have */
	PAGEMAP_SCAN = 0xc0606610,
	UFFDIO_MOVE = 0xc028aa05,
	PR_RESTORE_TIMER_IDS = 77,
	PR_VMA = 0x53564d41,
	GUARD_INSTALL = 102,
	GUARD_REMOVE = 103,
	MEMFD_FLAGS = 0x18, /* MFD_NOEXEC_SEAL, MFD_EXEC */
	PIDFD_THREAD = 0200,
	GET_REGISTRATIONS = 512,
};

int main(int argc, char **argv)
{
	/* clang-format off */
	struct sock_filter code[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SINCE_5_16, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		OF_CALL(SYS_ioctl, 6), LOAD(args[1]), FAIL(PAGEMAP_SCAN, ENOTTY), FAIL(UFFDIO_MOVE, EINVAL), ALLOW,
		OF_CALL(SYS_prctl, 6), LOAD(args[0]), FAIL(PR_RESTORE_TIMER_IDS, EINVAL), FAIL(PR_VMA, EINVAL), ALLOW,
		OF_CALL(SYS_madvise, 6), LOAD(args[2]), FAIL(GUARD_INSTALL, EINVAL), FAIL(GUARD_REMOVE, EINVAL), ALLOW,
		OF_CALL(SYS_memfd_create, 4), LOAD(args[1]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MEMFD_FLAGS, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL), ALLOW,
		OF_CALL(SYS_pidfd_open, 4), LOAD(args[1]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PIDFD_THREAD, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL), ALLOW,
		OF_CALL(SYS_membarrier, 3), LOAD(args[0]), FAIL(GET_REGISTRATIONS, EINVAL),
		ALLOW,
	};
	/* clang-format on */
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("older");
		return 125;
	}
	(void)execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
