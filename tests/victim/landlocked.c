/* Landlock, in all its forms: rights on files, with rules that allow most, rights on the network, a
 * scope; in one thread alone or in a child; in a pid namespace that has no room for one more. With
 * a command, that is restricted. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

/* As in linux/landlock.h of 6.12. */
struct rights {
	uint64_t fs, net, scoped;
};
struct __attribute__((packed)) beneath {
	uint64_t allowed;
	int32_t parent;
};
enum { RULE_BENEATH = 1, VERSION = 1 };

static const struct form {
	const char *name;
	int version; /* of the interface that has it */
	bool has_rule;
	struct rights rights;
} forms[] = {
	{ "files", 1, false, { .fs = 1 << 11 } }, { "rule", 1, true, { .fs = 1 << 11 } },
	{ "refer", 2, true, { .fs = 1 << 13 } },  { "net", 4, false, { .net = 1 } },
	{ "scope", 6, false, { .scoped = 2 } },
};

static long version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION);
}

static void restrict_self(const struct form *form)
{
	size_t size = form->rights.scoped ? 24 : form->rights.net ? 16 : 8;
	int rules = (int)syscall(SYS_landlock_create_ruleset, &form->rights, size, 0);
	struct beneath rule = { .allowed = form->rights.fs, .parent = open("/", O_PATH) };

	EXPECT(rules >= 0 && rule.parent >= 0);
	if (form->has_rule)
		EXPECT(syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &rule, 0) == 0);
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(syscall(SYS_landlock_restrict_self, rules, 0) == 0);
	(void)close(rules);
	(void)close(rule.parent);
}

static const struct form *find_form(const char *name)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcmp(name, forms[i].name) == 0)
			return &forms[i];
	}
	EXPECT(!"such a form");
	return NULL;
}

static void *run_thread(void *go)
{
	char byte;

	restrict_self(&forms[0]);
	EXPECT(write(((int *)go)[3], "", 1) == 1);
	EXPECT(read(((int *)go)[0], &byte, 1) == 1);
	return NULL;
}

static void *wait_for_end(void *end)
{
	char byte;

	(void)!read(((int *)end)[0], &byte, 1);
	return NULL;
}

/* As many threads as this pid namespace takes: it is told to take few (6.14). They end with us. */
static void crowd(void)
{
	enum { LEAST = 305 };
	static int end[2];
	pthread_attr_t small;
	pthread_t thread;
	int most = open("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
	int count = 0;

	EXPECT(most >= 0 && dprintf(most, "%d", LEAST) > 0 && close(most) == 0 && pipe(end) == 0);
	restrict_self(&forms[0]);
	EXPECT(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 65536) == 0);
	while (count < LEAST && pthread_create(&thread, &small, wait_for_end, end) == 0)
		count++;
	EXPECT(count < LEAST);
	wait_for_restore();
	victim_done();
	_exit(0);
}

/* One child for each form, or a thread: none of them ends before it is told to. */
int main(int argc, char **argv)
{
	int go[4];
	pthread_t thread;
	int children = 0;
	char byte;

	if (argc > 1 && strcmp(argv[1], "version") == 0) {
		printf("%ld\n", version());
		return 0;
	}
	if (argc > 2) {
		restrict_self(find_form(argv[1]));
		(void)execvp(argv[2], argv + 2);
		return 127;
	}
	if (argc > 1 && strcmp(argv[1], "crowd") == 0)
		crowd();
	EXPECT(pipe(go) == 0 && pipe(go + 2) == 0);
	if (argc > 1 && strcmp(argv[1], "thread") == 0) {
		EXPECT(pthread_create(&thread, NULL, run_thread, go) == 0);
		EXPECT(read(go[2], &byte, 1) == 1);
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && argc == 1; i++) {
		if (forms[i].version > version())
			break;
		children++;
		if (fork() == 0) {
			restrict_self(&forms[i]);
			EXPECT(write(go[3], "", 1) == 1 && read(go[0], &byte, 1) == 1);
			_exit(0);
		}
		EXPECT(read(go[2], &byte, 1) == 1);
	}
	wait_for_restore();
	EXPECT(write(go[1], "xxxxxxxx", 8) == 8);
	if (children == 0)
		EXPECT(pthread_join(thread, NULL) == 0);
	while (children-- > 0)
		EXPECT(wait(NULL) > 0);
	victim_done();
}
