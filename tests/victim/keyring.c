/* keyring: keys of a process and of a session of its own, which do not come back. */
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "victim.h"

/* The keys of all containers of a user count together, and those of ended ones for a while. */
static bool must_wait(long result)
{
	return result < 0 && errno == EDQUOT && usleep(10000) == 0;
}

static long add_key(const char *name, int keyring)
{
	long key;

	do
		key = syscall(SYS_add_key, "user", name, "secret", 6, keyring);
	while (must_wait(key));
	return key;
}

static long join_session(void)
{
	long session;

	do
		session = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	while (must_wait(session));
	return session;
}

static long find_key(int keyring, const char *name)
{
	return syscall(SYS_keyctl, KEYCTL_SEARCH, keyring, "user", name, 0);
}

int main(void)
{
	long session = join_session();
	long again;

	EXPECT(session > 0);
	EXPECT(add_key("of-process", KEY_SPEC_PROCESS_KEYRING) > 0);
	EXPECT(add_key("of-session", KEY_SPEC_SESSION_KEYRING) > 0);
	wait_for_restore();
	again = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	if (again == session) { /* it went on */
		EXPECT(find_key(KEY_SPEC_PROCESS_KEYRING, "of-process") > 0);
		EXPECT(find_key(KEY_SPEC_SESSION_KEYRING, "of-session") > 0);
		victim_done();
	}
	EXPECT(again > 0 && find_key(KEY_SPEC_SESSION_KEYRING, "of-session") < 0);
	EXPECT(syscall(SYS_keyctl, KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, 0, 0) == 0);
	EXPECT(find_key(KEY_SPEC_PROCESS_KEYRING, "of-process") < 0);
	EXPECT(add_key("new", KEY_SPEC_SESSION_KEYRING) > 0);
	victim_done();
}
