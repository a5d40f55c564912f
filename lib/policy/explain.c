/* Words for the values of policy questions. See lattice.h. */
#include <inttypes.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "policy/lattice.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* capabilities(7), in the order of their numbers. */
static const char *const cap_names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

static const char *const securebit_names[] = {
	"noroot",
	"noroot_locked",
	"no_setuid_fixup",
	"no_setuid_fixup_locked",
	"keep_caps",
	"keep_caps_locked",
	"no_cap_ambient_raise",
	"no_cap_ambient_raise_locked",
	"exec_restrict_file",
	"exec_restrict_file_locked",
	"exec_deny_interactive",
	"exec_deny_interactive_locked",
};

static const char *const limit_names[] = {
	"cpu",	   "fsize", "data",  "stack",	   "core",     "rss",  "nproc",	 "nofile",
	"memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
};

static const char *const cap_sets[] = { "inheritable", "permitted", "effective", "bounding",
					"ambient" };
static const char *const keyring_names[] = { "thread", "process", "session" };
static const char *const id_sorts[] = { "real", "effective", "saved", "fs" };

/* The names of the bits that are set, with commas; bits without a name in hexadecimal. */
static void explain_bits(uint64_t bits, const char *const *names, size_t count, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < count; i++) {
		if (!(bits >> i & 1))
			continue;
		buf_printf(out, "%s%s", comma, names[i]);
		comma = ",";
	}
	if (count < 64 && bits >> count)
		buf_printf(out, "%s0x%" PRIx64, comma, bits >> count << count);
	else if (bits == 0)
		buf_printf(out, "-");
}

const char *cap_name(int cap)
{
	return cap >= 0 && (size_t)cap < LENGTH(cap_names) ? cap_names[cap] : NULL;
}

int cap_by_name(const char *name)
{
	for (size_t i = 0; i < LENGTH(cap_names); i++) {
		if (strcmp(cap_names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

void explain_number(uint64_t value, uint32_t detail, struct buf *out)
{
	(void)detail;
	buf_printf(out, "%" PRIu64, value);
}

void explain_signed(uint64_t value, uint32_t detail, struct buf *out)
{
	(void)detail;
	buf_printf(out, "%" PRId64, (int64_t)value);
}

void explain_limit(uint64_t value, uint32_t detail, struct buf *out)
{
	if (value == UINT64_MAX)
		buf_printf(out, "unlimited");
	else
		explain_number(value, detail, out);
}

void explain_id(uint64_t value, uint32_t detail, struct buf *out)
{
	if (value == ID_NONE)
		buf_printf(out, "-");
	else
		explain_number(value, detail, out);
}

/* A set that is nearly full reads better by what it lacks. */
void explain_caps(uint64_t value, uint32_t detail, struct buf *out)
{
	uint64_t all = (UINT64_C(1) << LENGTH(cap_names)) - 1;
	uint64_t lacking = all & ~value;

	(void)detail;
	if (value == all) {
		buf_printf(out, "all");
	} else if ((value & ~all) == 0 && __builtin_popcountll(lacking) <= 8) {
		buf_printf(out, "all but ");
		explain_bits(lacking, cap_names, LENGTH(cap_names), out);
	} else {
		explain_bits(value, cap_names, LENGTH(cap_names), out);
	}
}

void explain_securebits(uint64_t value, uint32_t detail, struct buf *out)
{
	(void)detail;
	explain_bits(value, securebit_names, LENGTH(securebit_names), out);
}

void explain_sched(uint64_t value, uint32_t detail, struct buf *out)
{
	static const char *const names[] = { "other", "fifo", "rr",	  "batch",
					     "iso",   "idle", "deadline", "ext" };
	uint64_t policy = value & ~(uint64_t)SCHED_RESET_ON_FORK;

	if (policy < LENGTH(names))
		buf_printf(out, "%s", names[policy]);
	else
		explain_number(policy, detail, out);
	if (value & SCHED_RESET_ON_FORK)
		buf_printf(out, ",reset_on_fork");
}

void explain_ioprio(uint64_t value, uint32_t detail, struct buf *out)
{
	static const char *const names[] = { "none", "rt", "be", "idle" };

	if (value >> 13 >= LENGTH(names)) {
		explain_number(value, detail, out);
		return;
	}
	buf_printf(out, "%s", names[value >> 13]);
	if (value >> 13 == 1 || value >> 13 == 2)
		buf_printf(out, " %" PRIu64, value & 7);
}

/* As a list of ranges: "0-3,8". */
void explain_cpus(uint64_t value, uint32_t detail, struct buf *out)
{
	uint64_t base = (uint64_t)detail * 64;
	const char *comma = "";

	if (value == 0)
		buf_printf(out, "-");
	for (unsigned int i = 0; i < 64; i++) {
		unsigned int first = i;

		if (!(value >> i & 1))
			continue;
		while (i < 63 && (value >> (i + 1) & 1))
			i++;
		buf_printf(out, "%s%" PRIu64, comma, base + first);
		if (i > first)
			buf_printf(out, "-%" PRIu64, base + i);
		comma = ",";
	}
}

void explain_switch(uint64_t value, uint32_t detail, struct buf *out)
{
	(void)detail;
	buf_printf(out, "%s", value ? "on" : "off");
}

void explain_seccomp(uint64_t value, uint32_t detail, struct buf *out)
{
	static const char *const names[] = { "none", "strict", "filter" };

	if (value < LENGTH(names))
		buf_printf(out, "%s", names[value]);
	else
		explain_number(value, detail, out);
}

void explain_open(uint64_t error, struct buf *out)
{
	const char *name = error <= 4095 ? strerrorname_np((int)error) : NULL;

	if (error == 0)
		buf_printf(out, "open");
	else if (name)
		buf_printf(out, "open: %s", name);
	else
		buf_printf(out, "open: %" PRIu64, error);
}

void explain_nothing(uint64_t value, uint32_t detail, struct buf *out)
{
	(void)value;
	(void)detail;
	buf_printf(out, "-");
}

static void explain_part(const char *whole, const char *const *names, size_t count, uint32_t detail,
			 struct buf *out)
{
	if (detail < count)
		buf_printf(out, "%s.%s", whole, names[detail]);
	else
		buf_printf(out, "%s.%" PRIu32, whole, detail);
}

void explain_subject(enum policy_class class, uint32_t detail, struct buf *out)
{
	switch (class) {
	case CLASS_UID:
	case CLASS_GID:
		explain_part(policy_class_name(class), id_sorts, LENGTH(id_sorts), detail, out);
		break;
	case CLASS_CAPS:
		explain_part("caps", cap_sets, LENGTH(cap_sets), detail, out);
		break;
	case CLASS_KEYRING:
		explain_part("keyring", keyring_names, LENGTH(keyring_names), detail, out);
		break;
	case CLASS_RLIMIT:
		explain_part("rlimit", limit_names, LENGTH(limit_names), detail / 2, out);
		buf_printf(out, "%s", detail % 2 ? ".hard" : ".soft");
		break;
	default:
		buf_printf(out, "%s", policy_class_name(class));
	}
}
