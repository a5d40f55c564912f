/* epoll: level and edge, a nested one, and two files that were added under the same number. */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "victim.h"

static void add(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void expect_event(int epoll, uint64_t data)
{
	struct epoll_event event;

	EXPECT(epoll_wait(epoll, &event, 1, 2000) == 1 && event.data.u64 == data);
}

int main(void)
{
	int inner = epoll_create1(EPOLL_CLOEXEC);
	int outer = epoll_create1(0);
	int moving = epoll_create1(0);
	int level = eventfd(0, 0);
	int edge = eventfd(0, 0);
	int added = eventfd(0, 0);
	int moved = fcntl(added, F_DUPFD, 100);
	struct epoll_event event;
	uint64_t one = 1;
	int other;

	EXPECT(inner >= 0 && outer >= 0 && moving >= 0 && level >= 0 && edge >= 0 && moved >= 100);
	add(inner, level, EPOLLIN, 0x1122334455667788);
	add(inner, edge, EPOLLIN | EPOLLET, UINT64_MAX);
	add(outer, inner, EPOLLIN, 5);
	add(moving, added, EPOLLIN | EPOLLONESHOT, 6);
	EXPECT(close(added) == 0);
	other = eventfd(0, EFD_CLOEXEC);
	EXPECT(other == added);
	add(moving, other, EPOLLIN | EPOLLONESHOT, 7);

	wait_for_restore();

	EXPECT(epoll_wait(outer, &event, 1, 0) == 0 && epoll_wait(moving, &event, 1, 0) == 0);
	EXPECT(write(level, &one, sizeof(one)) == sizeof(one));
	expect_event(outer, 5);
	expect_event(inner, 0x1122334455667788);
	expect_event(inner, 0x1122334455667788);
	EXPECT(read(level, &one, sizeof(one)) == sizeof(one));
	EXPECT(write(edge, &one, sizeof(one)) == sizeof(one));
	expect_event(inner, UINT64_MAX);
	EXPECT(epoll_wait(inner, &event, 1, 0) == 0);
	EXPECT(write(moved, &one, sizeof(one)) == sizeof(one));
	expect_event(moving, 6);
	EXPECT(fcntl(other, F_GETFD) == FD_CLOEXEC);
	EXPECT(write(other, &one, sizeof(one)) == sizeof(one));
	expect_event(moving, 7);
	EXPECT(epoll_wait(moving, &event, 1, 0) == 0);
	EXPECT(epoll_ctl(inner, EPOLL_CTL_DEL, level, NULL) == 0);
	EXPECT(epoll_ctl(inner, EPOLL_CTL_DEL, edge, NULL) == 0);
	victim_done();
}
