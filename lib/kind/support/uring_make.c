/* Rings of io_uring in our own memory: made, mapped, brought to where a saved one was. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/uring.h"

size_t uring_request_size(uint32_t setup)
{
	return setup & URING_SETUP_SQE128 ? 128 : 64;
}

size_t uring_completion_size(uint32_t setup)
{
	return setup & URING_SETUP_CQE32 ? 32 : 16;
}

bool uring_is_link(const char *link)
{
	return strcmp(link, "anon_inode:[io_uring]") == 0;
}

bool uring_is_vma(const struct procfs_vma *vma)
{
	return uring_is_link(vma->name);
}

void uring_free(struct uring *ring)
{
	if (ring->rings)
		(void)munmap(ring->rings, ring->rings_mapped);
	if (ring->requests)
		(void)munmap(ring->requests, ring->requests_mapped);
	drop_fd(&ring->fd);
	*ring = URING_NONE;
}

/* ---- memory ---- */

/* Where there is no page, reading it ourselves would end us. */
static bool has_page(const unsigned char *address)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)(uintptr_t)address, 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

static unsigned char *map(int fd, off_t offset, size_t size)
{
	unsigned char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return start == MAP_FAILED ? NULL : start;
}

/* Some kernels map no more than there is; some (6.18) no less, and more without pages. */
static bool has_more(int fd, off_t offset, size_t size)
{
	size_t whole = (size + URING_PAGE - 1) & ~(size_t)(URING_PAGE - 1);
	unsigned char *larger = map(fd, offset, whole + URING_PAGE);
	bool has_it;

	if (!larger)
		return false;
	has_it = has_page(larger + whole);
	(void)munmap(larger, whole + URING_PAGE);
	return has_it;
}

bool uring_is_size(const struct uring *ring)
{
	return ring->is_whole && !has_more(ring->fd, URING_AT_RINGS, ring->rings_size) &&
	       !has_more(ring->fd, URING_AT_REQUESTS, ring->requests_size);
}

/* `size` bytes at least, which is all unless it `is_whole` no more. */
static int map_part(struct uring *ring, off_t offset, size_t size, size_t size_max,
		    unsigned char **ret_start, size_t *ret_mapped)
{
	*ret_mapped = size;
	*ret_start = map(ring->fd, offset, size);
	if (!*ret_start) {
		ring->is_whole = false;
		*ret_mapped = size_max;
		*ret_start = map(ring->fd, offset, size_max);
	}
	if (!*ret_start)
		return -ENXIO;
	return has_page(*ret_start + size - 1) ? 0 : -ENXIO;
}

static int map_both(struct uring *ring)
{
	const struct io_uring_params *p = &ring->parameters;
	size_t end = p->cq_off.cqes + p->cq_entries * uring_completion_size(p->flags);
	size_t array = p->sq_entries * sizeof(uint32_t);
	bool has_array = !(p->flags & URING_SETUP_NO_SQARRAY);
	int r;

	ring->rings_size =
	    has_array && p->sq_off.array + array > end ? p->sq_off.array + array : end;
	ring->requests_size = p->sq_entries * uring_request_size(p->flags);
	ring->is_whole = true;
	r = map_part(ring, URING_AT_RINGS, ring->rings_size,
		     p->cq_off.cqes + (size_t)p->cq_entries * 32 + URING_HEAD_MAX + array,
		     &ring->rings, &ring->rings_mapped);
	if (r < 0)
		return r;
	return map_part(ring, URING_AT_REQUESTS, ring->requests_size, (size_t)p->sq_entries * 128,
			&ring->requests, &ring->requests_mapped);
}

int uring_make(uint32_t sq_entries, uint32_t cq_entries, uint32_t setup, struct uring *ret_ring,
	       struct err *err)
{
	auto_with(uring_free) struct uring ring = URING_NONE;
	int r;

	ring.parameters.flags = setup | URING_SETUP_CQSIZE;
	ring.parameters.cq_entries = cq_entries;
	ring.fd = (int)syscall(SYS_io_uring_setup, sq_entries, &ring.parameters);
	if (ring.fd < 0)
		return err_set(err, -errno, "make a ring of io_uring");
	if (ring.parameters.sq_entries != sq_entries || ring.parameters.cq_entries != cq_entries)
		return err_set(err, ERR_HOST, "this kernel makes rings of io_uring of other sizes");
	r = map_both(&ring);
	if (r < 0)
		return err_set(err, r, "map a ring of io_uring");
	*ret_ring = ring;
	ring = URING_NONE;
	return 0;
}

int uring_map(int fd, const struct uring *model, struct uring *ret_ring)
{
	auto_with(uring_free) struct uring ring = { .parameters = model->parameters, .fd = fd };
	int r = map_both(&ring);

	if (r < 0)
		return r;
	*ret_ring = ring;
	ring = URING_NONE;
	return 0;
}

struct uring_layout uring_layout_of(const struct uring *ring)
{
	const struct io_uring_params *p = &ring->parameters;

	return (struct uring_layout){
		.sq_head = le32_make(p->sq_off.head),
		.sq_tail = le32_make(p->sq_off.tail),
		.sq_mask = le32_make(p->sq_off.ring_mask),
		.sq_entries = le32_make(p->sq_off.ring_entries),
		.sq_flags = le32_make(p->sq_off.flags),
		.dropped = le32_make(p->sq_off.dropped),
		.array = le32_make(p->sq_off.array),
		.cq_head = le32_make(p->cq_off.head),
		.cq_tail = le32_make(p->cq_off.tail),
		.cq_mask = le32_make(p->cq_off.ring_mask),
		.cq_entries = le32_make(p->cq_off.ring_entries),
		.overflow = le32_make(p->cq_off.overflow),
		.completions = le32_make(p->cq_off.cqes),
		.cq_flags = le32_make(p->cq_off.flags),
	};
}

uint32_t uring_read(const struct uring *ring, uint32_t offset)
{
	return __atomic_load_n((const uint32_t *)(const void *)(ring->rings + offset),
			       __ATOMIC_ACQUIRE);
}

void uring_write(const struct uring *ring, uint32_t offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(ring->rings + offset), value, __ATOMIC_RELEASE);
}

/* ---- counters ---- */

/* All zeros is a request that does nothing. */
static int do_nothing(const struct uring *ring, uint32_t count, struct err *err)
{
	const struct io_uring_params *p = &ring->parameters;
	long n;

	uring_write(ring, p->sq_off.tail, uring_read(ring, p->sq_off.tail) + count);
	n = syscall(SYS_io_uring_enter, ring->fd, count, 0, 0, NULL, 0);
	if (n != (long)count)
		return err_set(err, n < 0 ? -errno : -EIO, "submit requests to a ring of io_uring");
	return 0;
}

/* The kernel remembers how much room it has seen for completions: it must never have seen more than
 * the program leaves it. */
int uring_advance(const struct uring *ring, uint32_t requests, uint32_t unread, struct err *err)
{
	const struct io_uring_params *p = &ring->parameters;
	uint32_t taken = requests - unread;
	int r = 0;

	memset(ring->requests, 0, ring->requests_size);
	for (uint32_t i = 0; !(p->flags & URING_SETUP_NO_SQARRAY) && i < p->sq_entries; i++)
		uring_write(ring, p->sq_off.array + i * (uint32_t)sizeof(i), i);
	for (uint32_t done = 0; r == 0 && done != taken;) {
		uint32_t count = taken - done < p->sq_entries ? taken - done : p->sq_entries;

		r = do_nothing(ring, count, err);
		done += count;
		uring_write(ring, p->cq_off.head, done);
	}
	for (uint32_t done = 0; r == 0 && done != unread;) {
		uint32_t count = unread - done < p->sq_entries ? unread - done : p->sq_entries;

		r = do_nothing(ring, count, err);
		done += count;
	}
	if (r == 0 && (uring_read(ring, p->sq_off.head) != requests ||
		       uring_read(ring, p->cq_off.tail) != requests))
		return err_set(err, ERR_HOST, "this kernel counts requests of io_uring otherwise");
	return r;
}

void uring_fill(const struct uring *ring, const void *rings, const void *requests)
{
	const struct io_uring_params *p = &ring->parameters;
	const uint32_t kept[] = { p->sq_off.head,	  p->cq_off.tail,
				  p->sq_off.ring_mask,	  p->cq_off.ring_mask,
				  p->sq_off.ring_entries, p->cq_off.ring_entries,
				  p->sq_off.flags };
	enum { COUNT = sizeof(kept) / sizeof(kept[0]) };
	uint32_t values[COUNT];

	for (size_t i = 0; i < COUNT; i++)
		values[i] = uring_read(ring, kept[i]);
	memcpy(ring->rings, rings, ring->rings_size);
	memcpy(ring->requests, requests, ring->requests_size);
	for (size_t i = 0; i < COUNT; i++)
		uring_write(ring, kept[i], values[i]);
}
