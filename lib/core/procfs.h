/* Parsers for /proc. They take text, not paths, so that they can be tested and fuzzed; the texts
 * come from a hostile task (its comm may hold spaces, ')' and newlines; its paths anything). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"

/* /proc/PID/stat, proc(5). */
struct procfs_stat {
	char comm[64];
	char state;
	pid_t ppid, pgrp, session; /* outer */
	int tty_nr;
	uint32_t flags;
	int nice;
	uint64_t used_time;  /* of processors, in clock ticks */
	uint64_t start_time; /* clock ticks since boot */
	uint64_t start_code, end_code, start_stack;
	int exit_signal;
	uint32_t rt_priority, policy;
	uint64_t start_data, end_data, start_brk, arg_start, arg_end, env_start, env_end;
	int exit_code; /* as of wait(2) */
};
int procfs_stat_parse(const char *text, struct procfs_stat *ret_stat, struct err *err);

/* /proc/PID/status. Ids as the reader's user namespace sees them. */
struct procfs_status {
	pid_t tgid, pid, ppid, tracer;
	uint32_t umask;
	uint32_t uid[4], gid[4]; /* real, effective, saved, fs */
	uint32_t *groups;	 /* owned */
	size_t group_count;
	size_t ns_depth;
	pid_t ns_pid[33]; /* outer to inner: of the reader's pid namespace, then below */
	pid_t ns_pgid[33], ns_sid[33]; /* likewise; 0: outside */
	uint64_t sig_pending, shared_pending, sig_blocked, sig_ignored, sig_caught;
	uint64_t cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
	bool no_new_privs;
	int seccomp; /* 0, 1 strict, 2 filter */
	int seccomp_filters;
	uint32_t thread_count;
	uint64_t locked; /* bytes, VmLck */
	bool has_mm;	 /* there are Vm lines: not a zombie or kernel thread */
};
int procfs_status_parse(const char *text, struct procfs_status *ret_status, struct err *err);
void procfs_status_free(struct procfs_status *status);
/* That of a process or thread. */
int procfs_status_read(pid_t pid, struct procfs_status *ret_status, struct err *err);

/* One mapping of /proc/PID/smaps (or maps, then without vm_flags and locked). */
struct procfs_vma {
	uint64_t start, end, offset;
	int prot; /* PROT_* */
	bool is_shared;
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	/* Owned; unescaped: "" for plain anonymous, "[heap]", a path. The kernel writes newlines
	 * as \012, but no backslash in another way: a name with those four characters reads like
	 * one with a newline. */
	char *name;
	uint64_t vm_flags; /* VMF_* */
	uint64_t key;	   /* of pkeys(7); 0: none of its own */
};
/* VmFlags of smaps, proc(5), one bit for each two-letter word. */
/* clang-format off */
#define VMF_LIST(X) \
	X(rd) X(wr) X(ex) X(sh) X(mr) X(mw) X(me) X(ms) X(gd) X(pf) X(dw) X(lo) X(io) X(sr) \
	X(rr) X(dc) X(de) X(ac) X(nr) X(ht) X(sf) X(nl) X(ar) X(wf) X(dd) X(sd) X(mm) X(hg) \
	X(nh) X(mg) X(bt) X(mt) X(um) X(uw) X(ui) X(ss) X(sl) X(dp) X(lf) X(gu) X(um2)
/* clang-format on */
enum vmf_bit {
#define X(word) VMF_BIT_##word,
	VMF_LIST(X)
#undef X
	    VMF_BIT_unknown,
};
#define VMF(word) (1ull << VMF_BIT_##word)
int procfs_maps_parse(const char *text, struct procfs_vma **ret_vmas, size_t *ret_count,
		      struct err *err);
void procfs_maps_free(struct procfs_vma *vmas, size_t count);

/* fdinfo: the value behind "name:" at the start of a line; false if there is none. Decimal,
 * octal and hexadecimal by base. */
bool procfs_field(const char *text, const char *name, int base, uint64_t *ret_value);

/* Whole files below a directory descriptor (/proc/PID), in place of what buf held; text is
 * NUL-terminated. A link in the last component is not followed. */
int procfs_read(int dir, const char *path, struct buf *buf, struct err *err);
/* Where a process has the code that the kernel maps into it, vdso(7). False if it has none. */
bool procfs_find_vdso(pid_t pid, uint64_t *ret_start, uint64_t *ret_end);
/* The target of a link, of any length. Owned by the caller. */
int procfs_readlink(int dir, const char *path, char **ret_link, struct err *err);
/* An O_PATH descriptor of /proc/PID, pinned to the process. */
int procfs_open_pid(pid_t pid, int *ret_dir, struct err *err);
