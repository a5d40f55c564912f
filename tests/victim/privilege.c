/* privilege: what the policy decides on, in one place: a low port, raw and packet sockets, a
 * process that is not dumpable; two threads with capabilities and niceness of their own. */
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "victim.h"

static pthread_barrier_t built;

static void lose_net_raw(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	EXPECT(syscall(SYS_capget, &header, data) == 0);
	data[0].effective &= ~(1u << CAP_NET_RAW);
	data[0].permitted &= ~(1u << CAP_NET_RAW);
	EXPECT(syscall(SYS_capset, &header, data) == 0);
}

static void *run(void *argument)
{
	lose_net_raw();
	EXPECT(setpriority(PRIO_PROCESS, (id_t)gettid(), 9) == 0);
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	EXPECT(getpriority(PRIO_PROCESS, (id_t)gettid()) == 9);
	EXPECT(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 && errno == EPERM);
	return argument;
}

int main(void)
{
	struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(80) };
	socklen_t size = sizeof(place);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	int packets = socket(AF_PACKET, SOCK_DGRAM, 0);
	pthread_t thread;

	EXPECT(listener >= 0 && raw >= 0 && packets >= 0);
	EXPECT(bind(listener, (struct sockaddr *)&place, sizeof(place)) == 0);
	EXPECT(listen(listener, 1) == 0);
	EXPECT(prctl(PR_SET_DUMPABLE, 0) == 0);
	EXPECT(pthread_barrier_init(&built, NULL, 2) == 0);
	EXPECT(pthread_create(&thread, NULL, run, NULL) == 0);
	(void)pthread_barrier_wait(&built);
	wait_for_restore();
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(getsockname(listener, (struct sockaddr *)&place, &size) == 0);
	EXPECT(place.sin_port == htons(80));
	EXPECT(getsockname(raw, (struct sockaddr *)&place, &size) == 0);
	EXPECT(prctl(PR_GET_DUMPABLE) == 0);
	victim_done();
}
