/* Restartable sequences: what the kernel does when it interrupts a critical section. */
#include "remote/rseq.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* linux/ptrace.h and linux/rseq.h, 5.13 */
struct rseq_configuration {
	uint64_t pointer;
	uint32_t size, signature, flags, pad;
};

struct rseq_section {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

enum { RSEQ_CS_OFFSET = 8 };

int remote_rseq_abort(struct remote *remote, struct err *err)
{
	struct rseq_configuration conf = { 0 };
	struct rseq_section section;
	uint64_t pointer;

	/* Kernels without rseq answer EIO: nothing to do. */
	if (syscall(SYS_ptrace, PTRACE_GET_RSEQ_CONFIGURATION, remote->tid, sizeof(conf), &conf) <
		0 ||
	    conf.pointer == 0)
		return 0;
	/* A thread that broke its own rseq area gets what it asked for: no abort. */
	if (remote_read(remote, conf.pointer + RSEQ_CS_OFFSET, &pointer, sizeof(pointer), err) < 0)
		return 0;
	if (pointer == 0 || remote_read(remote, pointer, &section, sizeof(section), err) < 0)
		return 0;
	if (section.version == 0 && remote->saved.rip - section.start < section.length)
		remote->saved.rip = section.abort;
	return 0;
}
