/* The zone: our piece of a target's address space while it is stopped. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "remote/gadget.h"
#include "remote/remote.h"

enum { CODE_SIZE = 4096 };

int remote_poke(const struct remote *remote, uint64_t address, const void *data, size_t size,
		struct err *err)
{
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word = 0;
		size_t part = size - i < sizeof(word) ? size - i : sizeof(word);

		memcpy(&word, (const char *)data + i, part);
		if (ptrace(PTRACE_POKEDATA, remote->tid, address + i, word) < 0)
			return err_set(err, -errno, "write code to task %d", remote->tid);
	}
	return 0;
}

static int map(struct remote *remote, size_t size, int prot, uint64_t *ret_address, struct err *err)
{
	int64_t result;
	int r;

	r = remote_syscall(remote, &result, err, SYS_mmap,
			   (const uint64_t[6]){ 0, size, (uint64_t)prot,
						MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
						(uint64_t)-1, 0 });
	if (r < 0)
		return r;
	if (result < 0 && result > -4096) {
		(void)err_set(err, (int)result, "map %zu bytes in task %d", size, remote->tid);
		if (result == -ENOMEM)
			return err_hint(err,
					"raise its limit of address space or data: prlimit "
					"--pid %d --as=unlimited --data=unlimited",
					remote->tid);
		return (int)result;
	}
	*ret_address = (uint64_t)result;
	return 0;
}

static int map_one(struct remote *remote, size_t size, size_t extra, struct err *err)
{
	size_t stub_size;
	const void *stub = remote_stub(&stub_size);
	uint64_t at;
	int r = map(remote, CODE_SIZE + size + extra, PROT_READ | PROT_WRITE | PROT_EXEC, &at, err);

	if (r < 0)
		return r;
	remote->zone.code = at;
	remote->zone.data = at + CODE_SIZE;
	remote->zone.size = size;
	remote->zone.mapped = size + extra;
	return remote_write(remote, at, stub, stub_size, err);
}

/* Where memory that is writable and executable is refused, as by PR_SET_MDWE. */
static int map_two(struct remote *remote, size_t size, size_t extra, struct err *err)
{
	size_t stub_size;
	const void *stub = remote_stub(&stub_size);
	int r = map(remote, CODE_SIZE, PROT_READ | PROT_EXEC, &remote->zone.code, err);

	if (r == 0)
		r = map(remote, size + extra, PROT_READ | PROT_WRITE, &remote->zone.data, err);
	if (r < 0)
		return r;
	remote->zone.size = size;
	remote->zone.mapped = size + extra;
	return remote_poke(remote, remote->zone.code, stub, stub_size, err);
}

int remote_zone_map(struct remote *remote, size_t size, size_t extra, struct err *err)
{
	int r;

	if (!remote->zone.gadget) {
		r = remote_find_gadget(remote, err);
		if (r < 0)
			return r;
	}
	remote->owns_zone = true;
	r = map_one(remote, size, extra, err);
	return r == -EACCES || r == -EPERM ? map_two(remote, size, extra, err) : r;
}

static int unmap(struct remote *remote, uint64_t address, size_t size, struct err *err)
{
	int64_t result;
	int r;

	r = remote_syscall(remote, &result, err, SYS_munmap, (const uint64_t[6]){ address, size });
	if (r < 0)
		return r;
	if (result < 0)
		return err_set(err, (int)result, "unmap our zone in task %d", remote->tid);
	return 0;
}

int remote_zone_unmap(struct remote *remote, struct err *err)
{
	struct remote_zone *zone = &remote->zone;
	bool is_one = zone->data == zone->code + CODE_SIZE;
	int r = 0;

	if (zone->code)
		r = unmap(remote, zone->code, is_one ? CODE_SIZE + zone->mapped : CODE_SIZE, err);
	if (r == 0 && zone->data && !is_one)
		r = unmap(remote, zone->data, zone->mapped, err);
	zone->code = 0;
	zone->data = 0;
	return r;
}
