/* How a ring of io_uring was made, and what it has: found without a change to it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/uring.h"

/* linux/io_uring.h, as far as headers may lack it. */
enum {
	REGISTER_EVENTFD = 4,
	REGISTER_RESTRICTIONS = 11,
	REGISTER_PBUF_STATUS = 26, /* 6.8 */
	REGISTER_MEM_REGION = 34,  /* 6.13 */
	GROUPS = 65536,		   /* of buffers */
	CQE_MORE = 1u << 1,
	CQE_FILLER = 1u << 5, /* 6.18 */
	CQE_LONG = 1u << 15,  /* 6.18 */
	SQE_SKIP_SUCCESS = 1u << 6,
	CODE_TIMEOUT = 11,
	TIMEOUT_MULTISHOT = 1u << 6,
};

struct buffers_status {
	uint32_t group, head, reserved[8];
};

/* ---- calls ---- */

static int try_register(int fd, unsigned int what, const void *argument)
{
	return syscall(SYS_io_uring_register, fd, what, argument, 1) < 0 ? -errno : 0;
}

/* Nothing is ever mapped at the start of an address space. */
static int register_nothing(int fd, unsigned int what)
{
	return try_register(fd, what, (const void *)8);
}

/* Waits for a completion, and no time at all. */
static int wait_for_one(const struct uring *ring)
{
	static const struct {
		int64_t seconds, nanoseconds;
	} now;
	const struct {
		uint64_t mask;
		uint32_t mask_size, reserved;
		uint64_t time;
	} argument = { .time = (uintptr_t)&now };
	uint32_t head = uring_read(ring, ring->parameters.cq_off.head);
	int r;

	uring_write(ring, ring->parameters.cq_off.head,
		    uring_read(ring, ring->parameters.cq_off.tail));
	r = syscall(SYS_io_uring_enter, ring->fd, 0, 1,
		    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof(argument)) < 0
		? -errno
		: 0;
	uring_write(ring, ring->parameters.cq_off.head, head);
	return r;
}

static const char *find_mode(const struct uring *ring)
{
	switch (wait_for_one(ring)) {
	case -ETIME:
		return NULL;
	case 0:
		return "it is polled (IORING_SETUP_IOPOLL)";
	case -EBADFD:
		return "it is disabled (IORING_SETUP_R_DISABLED)";
	case -EEXIST:
		return "it serves one thread (IORING_SETUP_DEFER_TASKRUN)";
	default:
		return "how it was made cannot be told";
	}
}

static const char *find_buffers(int fd)
{
	struct buffers_status status = { 0 };

	for (status.group = 0; status.group < GROUPS; status.group++) {
		switch (try_register(fd, REGISTER_PBUF_STATUS, &status)) {
		case -ENOENT:
			break;
		case -EACCES:
			return "it is restricted";
		case -EINVAL:
			return "it may have groups of buffers";
		default:
			return "it has a group of buffers";
		}
	}
	return NULL;
}

const char *uring_find_unsupported(const struct uring *ring)
{
	const char *mode = find_mode(ring);
	int eventfd = register_nothing(ring->fd, REGISTER_EVENTFD);
	int region = register_nothing(ring->fd, REGISTER_MEM_REGION);
	int restrictions = register_nothing(ring->fd, REGISTER_RESTRICTIONS);

	if (mode)
		return mode;
	if (eventfd == -EEXIST)
		return "it serves one thread (IORING_SETUP_SINGLE_ISSUER)";
	if (eventfd == -EACCES || region == -EACCES || restrictions != -EBADFD)
		return "it is restricted";
	if (eventfd == -EBUSY)
		return "an eventfd is registered with it";
	if (region == -EBUSY)
		return "memory is registered with it";
	if (eventfd != -EFAULT || (region != -EFAULT && region != -EINVAL))
		return "what is registered with it cannot be told";
	return find_buffers(ring->fd);
}

/* ---- what it shows ---- */

/* What fdinfo says while one completion is not taken and one request not submitted: the program,
 * which is stopped, sees nothing of that. */
static int look(const struct uring *ring, struct uring_info *ret_info, struct err *err)
{
	const struct io_uring_params *p = &ring->parameters;
	bool has_array = !(p->flags & URING_SETUP_NO_SQARRAY);
	uint32_t sq_head = uring_read(ring, p->sq_off.head);
	uint32_t sq_tail = uring_read(ring, p->sq_off.tail);
	uint32_t cq_head = uring_read(ring, p->cq_off.head);
	uint32_t place =
	    p->sq_off.array + (sq_head & (p->sq_entries - 1)) * (uint32_t)sizeof(uint32_t);
	uint32_t index = uring_read(ring, place);
	int r;

	if (has_array)
		uring_write(ring, place, 0);
	uring_write(ring, p->sq_off.tail, sq_head + 1);
	uring_write(ring, p->cq_off.head, uring_read(ring, p->cq_off.tail) - 1);
	r = uring_info_read(ring->fd, ret_info, err);
	uring_write(ring, p->cq_off.head, cq_head);
	uring_write(ring, p->sq_off.tail, sq_tail);
	if (has_array)
		uring_write(ring, place, index);
	return r;
}

/* The ring behind `fd`, mapped as if it were made so. -ENXIO: it cannot be. */
static int map_as(int fd, const struct uring_info *info, uint32_t setup, struct uring *ret_ring,
		  struct err *err)
{
	auto_with(uring_free) struct uring model = URING_NONE;
	int own;
	int r = uring_make(info->sq_entries, info->cq_entries, setup, &model, err);

	if (r < 0)
		return r;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return err_set(err, -errno, "duplicate a descriptor");
	r = uring_map(own, &model, ret_ring);
	return r < 0 ? err_set(err, -ENXIO, "it is of another size") : 0;
}

static int look_as(int fd, const struct uring_info *info, uint32_t setup,
		   struct uring_info *ret_shown, struct err *err)
{
	auto_with(uring_free) struct uring ring = URING_NONE;
	int r = map_as(fd, info, setup, &ring, err);

	return r < 0 ? r : look(&ring, ret_shown, err);
}

/* Without the array, a ring's memory is smallest. Older kernels know no such thing. */
static int find_completion_size(int fd, const struct uring_info *info, uint32_t *setup,
				struct err *err)
{
	struct uring_info shown;
	int r = look_as(fd, info, URING_SETUP_NO_SQARRAY, &shown, err);

	if (r == -EINVAL)
		r = look_as(fd, info, 0, &shown, err);
	if (r < 0)
		return r;
	if (!shown.shows_completion)
		return err_set(err, -ENXIO, "it shows no completion");
	*setup |= shown.shows_long_completion ? URING_SETUP_CQE32 : 0;
	return 0;
}

static int find_request_size(int fd, const struct uring_info *info, uint32_t *setup,
			     struct err *err)
{
	struct uring_info shown = { 0 };
	int r = look_as(fd, info, *setup, &shown, err);

	if (r < 0 && r != -ENXIO)
		return r;
	if (r == 0 && shown.shows_request)
		*setup |= shown.shows_long_request ? URING_SETUP_SQE128 : 0;
	else
		*setup |= URING_SETUP_NO_SQARRAY;
	return 0;
}

int uring_find_setup(int fd, const struct uring_info *info, struct uring *ret_ring, struct err *err)
{
	auto_with(uring_free) struct uring ring = URING_NONE;
	uint32_t setup = 0;
	int r = find_completion_size(fd, info, &setup, err);

	if (r == 0)
		r = find_request_size(fd, info, &setup, err);
	if (r == 0)
		r = map_as(fd, info, setup, &ring, err);
	/* Where requests are not shown, only the size of their memory tells theirs. */
	if (r == 0 && setup & URING_SETUP_NO_SQARRAY && !uring_is_size(&ring)) {
		uring_free(&ring);
		r = map_as(fd, info, setup | URING_SETUP_SQE128, &ring, err);
	}
	if (r < 0)
		return r;
	if (!uring_is_size(&ring) ||
	    (setup & URING_SETUP_NO_SQARRAY && ring.requests_size < URING_PAGE))
		return err_set(err, -ENXIO, "the size of its requests cannot be told");
	*ret_ring = ring;
	ring = URING_NONE;
	return 0;
}

/* ---- traces ---- */

static const char *find_in_completions(const struct uring *ring)
{
	const struct io_uring_params *p = &ring->parameters;
	size_t size = uring_completion_size(p->flags);

	for (uint32_t i = 0; i < p->cq_entries; i++) {
		const struct io_uring_cqe *completion =
		    (const void *)(ring->rings + p->cq_off.cqes + i * size);

		if (completion->flags & CQE_MORE)
			return "requests with more than one completion";
		if (completion->flags & (CQE_LONG | CQE_FILLER))
			return "completions of two sizes (IORING_SETUP_CQE_MIXED)";
	}
	return NULL;
}

const char *uring_find_hidden(const struct uring *ring)
{
	const struct io_uring_params *p = &ring->parameters;
	size_t size = uring_request_size(p->flags);

	for (uint32_t i = 0; i < p->sq_entries; i++) {
		const struct io_uring_sqe *request = (const void *)(ring->requests + i * size);

		if (request->flags & SQE_SKIP_SUCCESS)
			return "requests without a completion (IOSQE_CQE_SKIP_SUCCESS)";
		if (request->opcode == CODE_TIMEOUT && request->timeout_flags & TIMEOUT_MULTISHOT)
			return "timeouts with more than one completion";
	}
	return find_in_completions(ring);
}
