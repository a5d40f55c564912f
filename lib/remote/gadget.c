/* Finds a `syscall` instruction in a target; in a program of 32 bits, `int $0x80`. */
#include "remote/gadget.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/procfs.h"

static const unsigned char syscall_code[2] = { 0x0f, 0x05 };
static const unsigned char int_code[2] = { 0xcd, 0x80 };

int remote_find_gadget(struct remote *remote, struct err *err)
{
	const unsigned char *wanted = remote_is_32(remote) ? int_code : syscall_code;
	auto_free unsigned char *code = NULL;
	unsigned char here[2];
	uint64_t start;
	uint64_t end;
	const unsigned char *found;
	int r;

	remote->zone.is_gadget_32 = remote_is_32(remote);
	if (remote_read(remote, remote->saved.rip - 2, here, 2, err) == 0 &&
	    memcmp(here, wanted, 2) == 0) {
		remote->zone.gadget = remote->saved.rip - 2;
		return 0;
	}
	if (!procfs_find_vdso(remote->tid, &start, &end) || end - start > (1u << 20))
		return err_set(err, ERR_REFUSED,
			       "task %d has no vdso and is not in a system call: cannot enter it",
			       remote->tid);
	code = mem_alloc(end - start, 1);
	r = remote_read(remote, start, code, end - start, err);
	if (r < 0)
		return r;
	found = memmem(code, end - start, wanted, 2);
	if (!found)
		return err_set(err, ERR_REFUSED, "task %d: no system call in its vdso",
			       remote->tid);
	remote->zone.gadget = start + (uint64_t)(found - code);
	return 0;
}
