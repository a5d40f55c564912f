/* AMX: 8 KiB of registers, for which a thread gets room when it uses them first. Until then the
 * kernel takes no such state from a tracer. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "remote/remote.h"
#include "remote/stop.h"

/* Intel SDM volume 1, 18.2: palette 1; one tile with one row of 4 bytes. */
static const unsigned char config[64] = { [0] = 1, [16] = 4, [48] = 1 };

int remote_use_tile(struct remote *remote, struct err *err)
{
	struct user_regs_struct regs = remote->saved;
	int status;
	int r = remote_write(remote, remote->zone.data, config, sizeof(config), err);

	if (r < 0)
		return r;
	regs.cs = REMOTE_CODE_64;
	regs.rip = remote->zone.code + remote_tile_offset();
	regs.r13 = remote->zone.data;
	regs.orig_rax = (uint64_t)-1;
	if (ptrace(PTRACE_SETREGS, remote->tid, 0, &regs) < 0 ||
	    ptrace(PTRACE_CONT, remote->tid, 0, 0) < 0)
		return err_set(err, -errno, "restart task %d", remote->tid);
	r = remote_wait_stop(remote, PTRACE_CONT, &status, err);
	if (r < 0)
		return r;
	if (WSTOPSIG(status) != SIGTRAP)
		return err_set(err, ERR_HOST, "this processor lacks AMX, which task %d uses",
			       remote->tid);
	return 0;
}
