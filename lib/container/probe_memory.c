/* Probes: finding pages and their changes, mapping executable memory. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container/probe.h"
#include "core/cleanup.h"

/* Linux 6.7; not in older headers. */
#ifndef PAGEMAP_SCAN
struct page_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};
struct pm_scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};
#define PAGEMAP_SCAN	_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_PRESENT (1 << 3)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

#define PIECE ((size_t)65536)

static int map_piece(int prot, int fd, char **ret_piece, struct err *err)
{
	void *piece = mmap(NULL, PIECE, prot, MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (piece == MAP_FAILED)
		return err_set(err, -errno, "map memory");
	*ret_piece = piece;
	return 0;
}

static int run_pagemap_scan(struct probe_result *result)
{
	struct page_region regions[4];
	struct pm_scan_arg scan = { .size = sizeof(scan) };
	auto_close int pagemap = -1;
	char *piece = NULL;
	int r;

	r = map_piece(PROT_READ | PROT_WRITE, -1, &piece, &result->err);
	if (r < 0)
		return r;
	piece[8192] = 1;
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return err_set(&result->err, -errno, "open pagemap");
	scan.start = (uint64_t)(uintptr_t)piece;
	scan.end = scan.start + PIECE;
	scan.vec = (uint64_t)(uintptr_t)regions;
	scan.vec_len = sizeof(regions) / sizeof(regions[0]);
	scan.category_mask = PAGE_IS_PRESENT;
	scan.return_mask = PAGE_IS_PRESENT;
	r = ioctl(pagemap, PAGEMAP_SCAN, &scan);
	if (r < 0)
		return err_set(&result->err, -errno, "scan for pages");
	if (r != 1)
		return err_set(&result->err, ERR_FAILED, "scan for pages: found %d regions", r);
	return 0;
}

static int run_userfaultfd(struct probe_result *result)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_WP };
	auto_close int fd = -1;
	char *piece = NULL;
	int r;

	r = map_piece(PROT_READ | PROT_WRITE, -1, &piece, &result->err);
	if (r < 0)
		return r;
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		return err_set(&result->err, -errno, "create a userfaultfd");
	if (ioctl(fd, UFFDIO_API, &api) < 0)
		return err_set(&result->err, -errno, "ask for asynchronous write protection");
	range.range.start = (uint64_t)(uintptr_t)piece;
	range.range.len = PIECE;
	if (ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		return err_set(&result->err, -errno, "watch memory");
	return 0;
}

static int run_memfd_exec(struct probe_result *result)
{
	auto_close int fd = -1;
	char *piece = NULL;
	int r;

	fd = memfd_create("ctckpt-check", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, PIECE) < 0)
		return err_set(&result->err, -errno, "create a memfd");
	r = map_piece(PROT_READ | PROT_EXEC, fd, &piece, &result->err);
	return r < 0 ? err_wrap(&result->err, "executable memfd") : 0;
}

const struct probe probes_memory[] = {
	{ "pagemap_scan", false, run_pagemap_scan,
	  "needs Linux 6.7; pages are found more slowly without" },
	{ "userfaultfd_wp_async", false, run_userfaultfd,
	  "needs Linux 6.7 with CONFIG_USERFAULTFD; there are no incremental checkpoints without" },
	{ "memfd_exec", false, run_memfd_exec, "set sysctl vm.memfd_noexec to 0" },
	{ .name = NULL },
};
