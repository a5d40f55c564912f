/* creds: ids, groups, capabilities and securebits of two threads. The argument says what is to come
 * of them: `strict` takes all capabilities, `map` leaves all as it is. */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "proc.h"

static const char *const keys[] = { "Uid:",    "Gid:",	  "Groups:", "CapInh:", "CapPrm:",
				    "CapEff:", "CapBnd:", "CapAmb:", NULL };
static const char *const id_keys[] = { "Uid:", "Gid:", "Groups:", NULL };
static const char *const cap_keys[] = { "CapInh:", "CapPrm:", "CapEff:", "CapAmb:", NULL };

static bool is_strict;
static int ready[2];

static void set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	EXPECT(syscall(SYS_capset, &header, data) == 0);
}

static void take_caps(void)
{
	const uint64_t kept = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_CHOWN | 1 << CAP_SETPCAP;

	EXPECT(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME) == 0);
	EXPECT(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) == 0);
	set_caps(1 << CAP_CHOWN, kept, 1 << CAP_NET_BIND_SERVICE);
	EXPECT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0);
}

static void verify(const char *before)
{
	static const char *const none[] = { "0000000000000000", NULL };
	char *caps;

	if (!is_strict) {
		expect_same_text("creds", before, proc_lines("/proc/thread-self/status", keys));
		return;
	}
	expect_same_text("ids", before, proc_lines("/proc/thread-self/status", id_keys));
	caps = proc_lines("/proc/thread-self/status", cap_keys);
	for (char *line = strtok(caps, "\n"); line; line = strtok(NULL, "\n"))
		EXPECT(strstr(line, none[0]));
}

static void *other_thread(void *argument)
{
	char *before;

	(void)argument;
	take_caps();
	before = proc_lines("/proc/thread-self/status", is_strict ? id_keys : keys);
	EXPECT(write(ready[1], "", 1) == 1);
	victim_wait_file("go");
	verify(before);
	EXPECT(is_strict || prctl(PR_GET_SECUREBITS) & SECBIT_NOROOT_LOCKED);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char *before;
	char byte;

	is_strict = argc > 1 && strcmp(argv[1], "strict") == 0;
	EXPECT(pipe2(ready, O_CLOEXEC) == 0);
	EXPECT(pthread_create(&thread, NULL, other_thread, NULL) == 0);
	EXPECT(read(ready[0], &byte, 1) == 1);
	before = proc_lines("/proc/thread-self/status", is_strict ? id_keys : keys);
	wait_for_restore();
	verify(before);
	EXPECT(pthread_join(thread, NULL) == 0);
	victim_done();
}
