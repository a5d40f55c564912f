/* Parsers for /proc, with texts that a hostile task could cause, and with real ones. */
#include "core/procfs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit.h"

/* ---- stat ---- */

#define STAT_REST                                                                                  \
	" S 10 11 12 34816 -1 4194560 100 0 0 0 1 2 0 0 20 -5 1 0 4242 3133440 416 "               \
	"18446744073709551615 94434533937152 94434533957033 140725877212368 0 0 0 0 0 0 0 0 0 "    \
	"17 1 99 1 0 0 0 1001 1002 1003 1004 1005 1006 1007 256\n"

static bool stat_fails(const char *text)
{
	struct procfs_stat stat;
	struct err err = ERR_NONE;

	return procfs_stat_parse(text, &stat, &err) == ERR_FAILED;
}

static void stat_fields(struct unit *unit)
{
	struct procfs_stat stat;
	struct err err = ERR_NONE;

	if (!EXPECT(unit, procfs_stat_parse("77 (cat)" STAT_REST, &stat, &err) == 0))
		return;
	EXPECT_TEXT(unit, stat.comm, "cat");
	EXPECT(unit, stat.state == 'S' && stat.ppid == 10 && stat.pgrp == 11);
	EXPECT(unit, stat.session == 12 && stat.tty_nr == 34816 && stat.flags == 4194560);
	EXPECT(unit, stat.nice == -5 && stat.start_time == 4242);
	EXPECT(unit, stat.start_code == 94434533937152 && stat.end_code == 94434533957033);
	EXPECT(unit, stat.start_stack == 140725877212368 && stat.exit_signal == 17);
	EXPECT(unit, stat.rt_priority == 99 && stat.policy == 1);
	EXPECT(unit, stat.start_data == 1001 && stat.end_data == 1002 && stat.start_brk == 1003);
	EXPECT(unit, stat.arg_start == 1004 && stat.arg_end == 1005);
	EXPECT(unit, stat.env_start == 1006 && stat.env_end == 1007 && stat.exit_code == 256);
}

static void stat_hostile_comm(struct unit *unit)
{
	static const char *const names[] = {
		") S 1 (", "a) R 1 1\n2 (x", "", "((", "))", " ", ")"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auto_free char *text = mem_printf("1 (%s)" STAT_REST, names[i]);
		struct procfs_stat stat;
		struct err err = ERR_NONE;

		if (!EXPECT(unit, procfs_stat_parse(text, &stat, &err) == 0))
			continue;
		EXPECT_TEXT(unit, stat.comm, names[i]);
		EXPECT(unit, stat.ppid == 10);
	}
}

static void stat_refuses(struct unit *unit)
{
	static const char whole[] = "1 (x)" STAT_REST;

	for (size_t length = 0; length < strlen(whole); length++) {
		auto_free char *cut = mem_copy(whole, length);

		EXPECT(unit, stat_fails(cut));
	}
	EXPECT(unit, stat_fails("1 )x(" STAT_REST));
	EXPECT(unit, stat_fails("1 (x) S 99999999999" STAT_REST));
	EXPECT(
	    unit,
	    stat_fails(
		"1 (0123456789012345678901234567890123456789012345678901234567890123)" STAT_REST));
	EXPECT(unit,
	       stat_fails("1 (x) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 "
			  "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"));
	EXPECT(unit,
	       stat_fails("1 (x) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 18446744073709551616 0 0 "
			  "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"));
}

/* ---- status ---- */

#define STATUS_HEAD "Name:\ta\\nUid:\t0\t0\t0\t0\nUmask:\t0027\nState:\tS (sleeping)\n"
#define STATUS_IDS                                                                                 \
	"Tgid:\t5\nNgid:\t0\nPid:\t6\nPPid:\t7\nTracerPid:\t8\nUid:\t1\t2\t3\t4294967295\n"        \
	"Gid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t4 24 65534 \nNStgid:\t5\t1\n"                     \
	"NSpid:\t6\t3\t1\nNSpgid:\t6\t0\nNSsid:\t6\t9\n"
#define STATUS_MM "VmPeak:\t    9 kB\nVmSize:\t    9 kB\nVmLck:\t      64 kB\n"
#define STATUS_TAIL                                                                                \
	"Threads:\t3\nSigQ:\t0/96343\nSigPnd:\t0000000000000001\nShdPnd:\t0000000000000002\n"      \
	"SigBlk:\t0000000000000004\nSigIgn:\t8000000000000000\nSigCgt:\t0000000000000010\n"        \
	"CapInh:\t0000000000000020\nCapPrm:\t000001fffeffffff\nCapEff:\t0000000000000040\n"        \
	"CapBnd:\t0000000000000080\nCapAmb:\t0000000000000100\nNoNewPrivs:\t1\nSeccomp:\t2\n"

static bool status_fails(const char *text)
{
	struct procfs_status status;
	struct err err = ERR_NONE;

	return procfs_status_parse(text, &status, &err) == ERR_FAILED;
}

static void status_fields(struct unit *unit)
{
	auto_with(procfs_status_free) struct procfs_status s = { .groups = NULL };
	struct err err = ERR_NONE;

	if (!EXPECT(unit, procfs_status_parse(STATUS_HEAD STATUS_IDS STATUS_MM STATUS_TAIL, &s,
					      &err) == 0))
		return;
	EXPECT(unit, s.tgid == 5 && s.pid == 6 && s.ppid == 7 && s.tracer == 8 && s.umask == 027);
	EXPECT(unit, s.uid[0] == 1 && s.uid[1] == 2 && s.uid[2] == 3 && s.uid[3] == UINT32_MAX);
	EXPECT(unit, s.gid[0] == 5 && s.gid[3] == 8);
	EXPECT(unit, s.group_count == 3 && s.groups[0] == 4 && s.groups[2] == 65534);
	EXPECT(unit, s.ns_depth == 3 && s.ns_pid[0] == 6 && s.ns_pid[1] == 3 && s.ns_pid[2] == 1);
	EXPECT(unit, s.ns_pgid[1] == 0 && s.ns_sid[1] == 9);
	EXPECT(unit, s.has_mm && s.locked == 65536 && s.thread_count == 3);
	EXPECT(unit, s.sig_pending == 1 && s.shared_pending == 2 && s.sig_blocked == 4);
	EXPECT(unit, s.sig_ignored == 1ull << 63 && s.sig_caught == 0x10);
	EXPECT(unit, s.cap_inheritable == 0x20 && s.cap_permitted == 0x1fffeffffff);
	EXPECT(unit, s.cap_effective == 0x40 && s.cap_bounding == 0x80 && s.cap_ambient == 0x100);
	EXPECT(unit, s.no_new_privs && s.seccomp == 2);
}

static void status_zombie(struct unit *unit)
{
	auto_with(procfs_status_free) struct procfs_status s = { .groups = NULL };
	struct err err = ERR_NONE;

	EXPECT(unit, procfs_status_parse("Name:\tx\n" STATUS_IDS STATUS_TAIL, &s, &err) == 0);
	EXPECT(unit, !s.has_mm && s.umask == 0 && s.locked == 0);
}

static void status_refuses(struct unit *unit)
{
	static const char whole[] = STATUS_HEAD STATUS_IDS STATUS_MM STATUS_TAIL;

	for (size_t length = 0; length < strlen(whole) - strlen("Seccomp:\t2\n"); length++) {
		auto_free char *cut = mem_copy(whole, length);

		EXPECT(unit, status_fails(cut));
	}
	EXPECT(unit, status_fails(STATUS_HEAD STATUS_IDS STATUS_IDS STATUS_TAIL));
	EXPECT(unit,
	       status_fails(STATUS_HEAD STATUS_IDS "VmLck:\t18014398509481984 kB\n" STATUS_TAIL));
	EXPECT(unit, status_fails(STATUS_HEAD STATUS_IDS "VmLck:\t1 MB\n" STATUS_TAIL));
	EXPECT(unit, status_fails(STATUS_HEAD STATUS_IDS "no key\n" STATUS_TAIL));
	EXPECT(unit, status_fails("Umask:\t1777\n" STATUS_IDS STATUS_TAIL));
	EXPECT(unit, status_fails("Tgid:\t1x\n" STATUS_TAIL));
}

static void status_too_deep(struct unit *unit)
{
	auto_buf struct buf text = BUF_EMPTY;

	buf_printf(&text, "NSpid:");
	for (int i = 0; i < 34; i++)
		buf_printf(&text, "\t1");
	buf_printf(&text, "\n");
	EXPECT(unit, status_fails(text.data));
}

/* ---- maps ---- */

static bool maps_fails(const char *text)
{
	struct procfs_vma *vmas;
	struct err err = ERR_NONE;
	size_t count;

	return procfs_maps_parse(text, &vmas, &count, &err) == ERR_FAILED;
}

static void maps_names(struct unit *unit)
{
	static const char text[] =
	    "1000-2000 r-xp 00001000 fe:01 42                         /a b \\012c\\134\\040 "
	    "(deleted)\n"
	    "Size: 4 kB\nVmFlags: rd ex mr mw me ac um2 zz sd \nProtectionKey:         3\n"
	    "2000-3000 rw-s 00000000 00:00 0 \n"
	    "Size: 4 kB\nProtectionKey: x\n"
	    "3000-4000 ---p 00000000 00:00 0                          [anon:VmFlags: wr]\n"
	    "fffffffffffff000-ffffffffffffffff --xp 00000000 fffff:fffff 18446744073709551615  "
	    "  /VmFlags: rd wr\n";
	struct procfs_vma *v = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (!EXPECT(unit, procfs_maps_parse(text, &v, &count, &err) == 0 && count == 4))
		return;
	EXPECT_TEXT(unit, v[0].name, "/a b \nc\\134\\040 (deleted)");
	EXPECT(unit, v[0].start == 0x1000 && v[0].end == 0x2000 && v[0].offset == 0x1000);
	EXPECT(unit, v[0].prot == (PROT_READ | PROT_EXEC) && !v[0].is_shared);
	EXPECT(unit, v[0].dev_major == 0xfe && v[0].dev_minor == 1 && v[0].inode == 42);
	EXPECT(unit, v[0].vm_flags == (VMF(rd) | VMF(ex) | VMF(mr) | VMF(mw) | VMF(me) | VMF(ac) |
				       VMF(sd) | VMF(unknown)));
	EXPECT(unit, v[0].key == 3 && v[1].key == UINT64_MAX && v[2].key == 0);
	EXPECT_TEXT(unit, v[1].name, "");
	EXPECT(unit, v[1].is_shared && v[1].prot == (PROT_READ | PROT_WRITE) && v[1].vm_flags == 0);
	EXPECT_TEXT(unit, v[2].name, "[anon:VmFlags: wr]");
	EXPECT(unit, v[2].prot == 0 && v[2].vm_flags == 0);
	EXPECT_TEXT(unit, v[3].name, "/VmFlags: rd wr");
	EXPECT(unit, v[3].inode == UINT64_MAX && v[3].vm_flags == 0 && v[3].dev_minor == 0xfffff);
	procfs_maps_free(v, count);
}

static void maps_refuses(struct unit *unit)
{
	static const char *const bad[] = {
		"1000-2000 r-xp 00001000 fe:01 42 /a",
		"1000-1000 r-xp 0 0:0 0 \n",
		"2000-1000 r-xp 0 0:0 0 \n",
		"1000-2000 r-xq 0 0:0 0 \n",
		"1000-2000 rr-p 0 0:0 0 \n",
		"1000-2000 r-x 0 0:0 0 \n",
		"1000-2000 r-xp  0:0 0 \n",
		"1000-2000 r-xp 0 0:0 0x \n",
		"1000-20000000000000000 r-xp 0 0:0 0 \n",
		"1000-2000 r-xp 0 0:0 18446744073709551616 \n",
		"1000-2000 r-xp 0 0:100000000 0 \n",
		"2000-3000 r-xp 0 0:0 0 \n1000-2000 r-xp 0 0:0 0 \n",
		"1000-3000 r-xp 0 0:0 0 \n2000-4000 r-xp 0 0:0 0 \n",
		"VmFlags: rd\n",
		"1000-2000 r-xp 0 0:0 0 \nNonsense\n",
		"1000-2000 r-xp 0 0:0 0 \n\n",
		"1000-2000 r-xp 0 0:0 0 \n(x)\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT(unit, maps_fails(bad[i]));
}

static void maps_empty(struct unit *unit)
{
	struct procfs_vma *vmas = NULL;
	struct err err = ERR_NONE;
	size_t count = 1;

	EXPECT(unit, procfs_maps_parse("", &vmas, &count, &err) == 0 && count == 0);
	procfs_maps_free(vmas, count);
}

/* A real file whose name tries to be a line of smaps. */
static void maps_hostile_file(struct unit *unit)
{
	char dir[] = "/tmp/unit-procfs-XXXXXX";
	auto_free char *path = NULL;
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_vma *vmas = NULL;
	struct err err = ERR_NONE;
	size_t count = 0, found = 0;
	auto_close int fd = -1;
	void *place;

	if (!EXPECT(unit, mkdtemp(dir) != NULL))
		return;
	path = mem_printf("%s/x\nVmFlags: wr\n1000-2000 rwxp 0 0:0 0 \n", dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	EXPECT(unit, fd >= 0 && ftruncate(fd, 4096) == 0);
	place = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT(unit, place != MAP_FAILED);
	EXPECT(unit, procfs_read(AT_FDCWD, "/proc/self/smaps", &text, &err) == 0);
	EXPECT(unit, procfs_maps_parse(text.data, &vmas, &count, &err) == 0);
	for (size_t i = 0; i < count; i++) {
		if (vmas[i].start != (uintptr_t)place)
			continue;
		found++;
		EXPECT_TEXT(unit, vmas[i].name, path);
		EXPECT(unit, vmas[i].vm_flags & VMF(rd) && !(vmas[i].vm_flags & VMF(wr)));
	}
	EXPECT(unit, found == 1);
	procfs_maps_free(vmas, count);
	(void)munmap(place, 4096);
	(void)unlink(path);
	(void)rmdir(dir);
}

/* ---- fields, files ---- */

static void fields(struct unit *unit)
{
	static const char text[] =
	    "pos:\t12\nflags:\t0100002\nmnt_id:\t9\neventfd-count:     ff "
	    "x\nbad:\t1x\nneg: -1\nempty:\nhuge: 18446744073709551616\nlast: 5";
	uint64_t v = 0;

	EXPECT(unit, procfs_field(text, "pos", 10, &v) && v == 12);
	EXPECT(unit, procfs_field(text, "flags", 8, &v) && v == 0100002);
	EXPECT(unit, procfs_field(text, "eventfd-count", 16, &v) && v == 0xff);
	EXPECT(unit, procfs_field(text, "last", 10, &v) && v == 5);
	EXPECT(unit, !procfs_field(text, "os", 10, &v));
	EXPECT(unit, !procfs_field(text, "mnt", 10, &v));
	EXPECT(unit, !procfs_field(text, "bad", 10, &v));
	EXPECT(unit, !procfs_field(text, "neg", 10, &v));
	EXPECT(unit, !procfs_field(text, "empty", 10, &v));
	EXPECT(unit, !procfs_field(text, "huge", 10, &v));
	EXPECT(unit, !procfs_field("", "x", 10, &v) && v == 5);
}

static void own_files(struct unit *unit)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *link = NULL, *exe = NULL;
	struct procfs_stat stat;
	struct err err = ERR_NONE;
	auto_close int proc = -1;

	EXPECT(unit, prctl(PR_SET_NAME, ") R 1\nPid:\t1") == 0);
	if (!EXPECT(unit, procfs_open_pid(getpid(), &proc, &err) == 0))
		return;
	EXPECT(unit, procfs_read(proc, "stat", &text, &err) == 0);
	EXPECT(unit, procfs_stat_parse(text.data, &stat, &err) == 0);
	EXPECT_TEXT(unit, stat.comm, ") R 1\nPid:\t1");
	EXPECT(unit, stat.ppid == getppid() && stat.state == 'R');
	EXPECT(unit, procfs_read(proc, "status", &text, &err) == 0);
	EXPECT(unit, procfs_status_parse(text.data, &status, &err) == 0);
	EXPECT(unit, status.pid == getpid() && status.has_mm && status.thread_count == 1);
	EXPECT(unit, procfs_readlink(proc, "exe", &exe, &err) == 0 && exe[0] == '/');
	EXPECT(unit, procfs_read(proc, "environ", &text, &err) == 0 && text.data != NULL);
	EXPECT(unit, procfs_read(proc, "exe", &text, &err) == -ELOOP);
	EXPECT(unit, procfs_read(proc, "none", &text, &err) == -ENOENT);
	EXPECT(unit, procfs_readlink(proc, "status", &link, &err) == -EINVAL);
	EXPECT(unit, procfs_open_pid(0, &proc, &err) == -ENOENT);
}

static void own_vdso(struct unit *unit)
{
	uint64_t start = 0;
	uint64_t end = 0;

	EXPECT(unit, procfs_find_vdso(getpid(), &start, &end));
	EXPECT(unit, start == getauxval(AT_SYSINFO_EHDR) && end > start);
	EXPECT(unit, !procfs_find_vdso(0, &start, &end));
}

static const struct unit_case cases[] = {
	UNIT_CASE(stat_fields),	    UNIT_CASE(stat_hostile_comm), UNIT_CASE(stat_refuses),
	UNIT_CASE(status_fields),   UNIT_CASE(status_zombie),	  UNIT_CASE(status_refuses),
	UNIT_CASE(status_too_deep), UNIT_CASE(maps_names),	  UNIT_CASE(maps_refuses),
	UNIT_CASE(maps_empty),	    UNIT_CASE(maps_hostile_file), UNIT_CASE(fields),
	UNIT_CASE(own_files),	    UNIT_CASE(own_vdso),
};

int main(void)
{
	return UNIT_RUN(cases);
}
