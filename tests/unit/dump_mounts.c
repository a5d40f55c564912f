/* What a dump of mounts refuses: more of them than anybody has; and a kernel that lets nobody look
 * below a mount, or take it. */
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "answers.h"
#include "dump_made.h"
#include "enter.h"
#include "kind/support/mount_take.h"

/* ---- too many ---- */

static bool write_mounts(int proc, unsigned int count)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int fd =
	    openat(proc, "mountinfo", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	buf_printf(&text, "1 0 0:99 / / rw - tmpfs tmpfs rw\n");
	for (unsigned int i = 0; i < count; i++)
		buf_printf(&text, "%u 1 0:%u / /%u rw - mqueue mqueue rw\n", i + 2, i + 100, i);
	return fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size;
}

static void list(struct unit *unit, struct made *made, int proc, char *top)
{
	auto_free char *root = mem_printf("%s/root", top);
	const char *text;

	(void)close(made->task.proc);
	made->task.proc = proc;
	made->d.fd = NULL;
	made->d.task = NULL;
	made->target.has_root = true;
	made->target.rootfs = root;
	EXPECT(unit, mkdir(root, 0700) == 0 && write_mounts(proc, 900));
	EXPECT_TEXT(unit, made_dump(made, "ns_mnt"), "");
	EXPECT(unit, made->own.record_count == 1 && write_mounts(proc, 1024));
	/* Those that are made in a container are gone from this one: they count, too. */
	text = made_dump(made, "ns_mnt");
	EXPECT(unit, strncmp(text, "10", 2) == 0 &&
			 strstr(text, " mounts of its own are not supported") != NULL);
	EXPECT(unit, made->own.record_count == 1 && write_mounts(proc, 8192));
	EXPECT_TEXT(unit, made_dump(made, "ns_mnt"), "8193 mounts are not supported");
	(void)rmdir(root);
}

static void too_many(struct unit *unit)
{
	char top[] = "/tmp/unit-mounts-XXXXXX";
	auto_made struct made made;
	int proc;

	made_begin(&made);
	if (!EXPECT(unit, mkdtemp(top)))
		return;
	proc = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list(unit, &made, proc, top);
	(void)unlinkat(proc, "mountinfo", 0);
	(void)rmdir(top);
}

/* ---- taking them ---- */

struct refusal {
	long number; /* of the call that is refused */
	int error;
	const char *words; /* NULL: it does not matter */
};

static void take(struct unit *unit, void *argument)
{
	const struct refusal *refusal = argument;
	struct mount_step steps[] = {
		{ .point = "/tmp", .is_taken = true, .is_unmounted = true, .fd = -1 },
	};
	auto_close int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_NONE;

	EXPECT(unit,
	       enter(CLONE_NEWUSER | CLONE_NEWNS) && mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
	if (refusal->words) {
		EXPECT(unit, mount_take(proc, steps, 1, &err) == -refusal->error);
		EXPECT_TEXT(unit, err.text, refusal->words);
	} else {
		EXPECT(unit, mount_take(proc, steps, 1, &err) == 0 && steps[0].fd >= 0);
	}
	drop_fd(&steps[0].fd);
}

static bool refuse(void *argument, pid_t tid, struct user_regs_struct *regs)
{
	const struct refusal *refusal = argument;

	(void)tid;
	if (!answer_is(regs, refusal->number))
		return false;
	regs->rax = (unsigned long long)-refusal->error;
	return true;
}

static void takes(struct unit *unit)
{
	struct refusal refusals[] = {
		{ SYS_mount_setattr, EPERM, "mount /tmp: copy the mount: Operation not permitted" },
		{ SYS_umount2, EPERM, "mount /tmp: look below the mount: Operation not permitted" },
		/* As it says of one that is locked on another. */
		{ SYS_umount2, EINVAL, NULL },
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		with_answers(unit, take, refuse, &refusals[i]);
}

static const struct unit_case cases[] = {
	UNIT_CASE(too_many),
	UNIT_CASE(takes),
};

int main(void)
{
	return UNIT_RUN(cases);
}
