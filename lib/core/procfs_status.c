/* /proc/PID/status. See procfs.h. The kernel escapes newlines of the task's name, so every line
 * begins with a key of the kernel's. */
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"

enum line_form {
	FORM_PID,   /* pid_t */
	FORM_U32,   /* uint32_t, decimal */
	FORM_INT,   /* int, decimal, not negative */
	FORM_OCTAL, /* uint32_t */
	FORM_HEX,   /* uint64_t */
	FORM_BOOL,  /* bool */
	FORM_KB,    /* uint64_t, bytes */
	FORM_IDS,   /* uint32_t[4] */
	FORM_GROUPS,
	FORM_NS_PIDS,
	FORM_NS_OTHERS, /* pid_t[33], as many columns as there are pids */
	FORM_MM,	/* says that there is memory */
};

static const struct line_rule {
	const char *key;
	enum line_form form;
	size_t offset;
	bool is_optional;
} rules[] = {
#define FIELD(field) offsetof(struct procfs_status, field)
	{ "Umask", FORM_OCTAL, FIELD(umask), true }, /* a zombie has none */
	{ "Tgid", FORM_PID, FIELD(tgid), false },
	{ "Pid", FORM_PID, FIELD(pid), false },
	{ "PPid", FORM_PID, FIELD(ppid), false },
	{ "TracerPid", FORM_PID, FIELD(tracer), false },
	{ "Uid", FORM_IDS, FIELD(uid), false },
	{ "Gid", FORM_IDS, FIELD(gid), false },
	{ "Groups", FORM_GROUPS, 0, false },
	{ "NSpid", FORM_NS_PIDS, FIELD(ns_pid), false },
	{ "NSpgid", FORM_NS_OTHERS, FIELD(ns_pgid), false },
	{ "NSsid", FORM_NS_OTHERS, FIELD(ns_sid), false },
	{ "VmSize", FORM_MM, 0, true },
	{ "VmLck", FORM_KB, FIELD(locked), true },
	{ "Threads", FORM_U32, FIELD(thread_count), false },
	{ "SigPnd", FORM_HEX, FIELD(sig_pending), false },
	{ "ShdPnd", FORM_HEX, FIELD(shared_pending), false },
	{ "SigBlk", FORM_HEX, FIELD(sig_blocked), false },
	{ "SigIgn", FORM_HEX, FIELD(sig_ignored), false },
	{ "SigCgt", FORM_HEX, FIELD(sig_caught), false },
	{ "CapInh", FORM_HEX, FIELD(cap_inheritable), false },
	{ "CapPrm", FORM_HEX, FIELD(cap_permitted), false },
	{ "CapEff", FORM_HEX, FIELD(cap_effective), false },
	{ "CapBnd", FORM_HEX, FIELD(cap_bounding), false },
	{ "CapAmb", FORM_HEX, FIELD(cap_ambient), false },
	{ "NoNewPrivs", FORM_BOOL, FIELD(no_new_privs), false },
	{ "Seccomp", FORM_INT, FIELD(seccomp), true },		       /* a kernel without it */
	{ "Seccomp_filters", FORM_INT, FIELD(seccomp_filters), true }, /* 5.9 */
#undef FIELD
};
enum { RULE_COUNT = sizeof(rules) / sizeof(rules[0]) };

static const struct line_rule *rule_of(const char *key, size_t length)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		if (rules[i].key[0] == key[0] && strncmp(rules[i].key, key, length) == 0 &&
		    rules[i].key[length] == '\0')
			return &rules[i];
	}
	return NULL;
}

static bool scan_value(const char **at, int base, uint64_t max, uint64_t *ret_value)
{
	scan_blanks(at);
	return scan_number(at, base, max, ret_value);
}

static bool scan_ids(const char **at, uint32_t ids[4])
{
	for (size_t i = 0; i < 4; i++) {
		uint64_t value;

		if (!scan_value(at, 10, UINT32_MAX, &value))
			return false;
		ids[i] = (uint32_t)value;
	}
	return true;
}

static bool scan_groups(const char **at, struct procfs_status *status)
{
	for (scan_blanks(at); **at != '\n'; scan_blanks(at)) {
		uint64_t value;

		if (!scan_number(at, 10, UINT32_MAX, &value))
			return false;
		array_grow(status->groups, status->group_count);
		status->groups[status->group_count++] = (uint32_t)value;
	}
	return true;
}

static bool scan_pids(const char **at, pid_t pids[33], size_t *ret_count)
{
	size_t count = 0;

	for (scan_blanks(at); **at != '\n'; scan_blanks(at)) {
		uint64_t value;

		if (count == 33 || !scan_number(at, 10, INT_MAX, &value))
			return false;
		pids[count++] = (pid_t)value;
	}
	*ret_count = count;
	return count > 0;
}

static bool scan_kb(const char **at, uint64_t *ret_bytes)
{
	uint64_t value;

	if (!scan_value(at, 10, UINT64_MAX / 1024, &value) || !scan_text(at, " kB"))
		return false;
	*ret_bytes = value * 1024;
	return true;
}

static bool scan_simple(const char **at, int base, uint64_t max, void *place, size_t size)
{
	uint64_t value;

	if (!scan_value(at, base, max, &value))
		return false;
	memcpy(place, &value, size); /* little-endian: the low bytes come first */
	return true;
}

static bool scan_line(const struct line_rule *rule, const char *at, struct procfs_status *status)
{
	void *place = (char *)status + rule->offset;
	size_t columns;

	switch (rule->form) {
	case FORM_PID:
	case FORM_INT:
		return scan_simple(&at, 10, INT_MAX, place, sizeof(int)) && *at == '\n';
	case FORM_U32:
		return scan_simple(&at, 10, UINT32_MAX, place, sizeof(uint32_t)) && *at == '\n';
	case FORM_OCTAL:
		return scan_simple(&at, 8, 0777, place, sizeof(uint32_t)) && *at == '\n';
	case FORM_HEX:
		return scan_simple(&at, 16, UINT64_MAX, place, sizeof(uint64_t)) && *at == '\n';
	case FORM_BOOL:
		return scan_simple(&at, 10, 1, place, sizeof(bool)) && *at == '\n';
	case FORM_KB:
		return scan_kb(&at, place) && *at == '\n';
	case FORM_IDS:
		return scan_ids(&at, place) && *at == '\n';
	case FORM_GROUPS:
		return scan_groups(&at, status);
	case FORM_NS_PIDS:
		return scan_pids(&at, place, &status->ns_depth);
	case FORM_NS_OTHERS:
		return scan_pids(&at, place, &columns);
	case FORM_MM:
		status->has_mm = true;
		return true;
	}
	return false;
}

static int add_line(struct procfs_status *status, const char *line, uint64_t *seen, struct err *err)
{
	size_t length = strcspn(line, ":\n");
	const struct line_rule *rule;
	uint64_t bit;

	if (length == 0 || line[length] != ':')
		return err_set(err, ERR_FAILED, "status: a line without a key");
	rule = rule_of(line, length);
	if (!rule)
		return 0;
	bit = 1ull << (rule - rules);
	if (*seen & bit)
		return err_set(err, ERR_FAILED, "status: two lines %s", rule->key);
	*seen |= bit;
	if (!scan_line(rule, line + length + 1, status))
		return err_set(err, ERR_FAILED, "status: line %s is damaged", rule->key);
	return 0;
}

static int check_complete(uint64_t seen, struct err *err)
{
	for (size_t i = 0; i < RULE_COUNT; i++) {
		if (!rules[i].is_optional && !(seen & 1ull << i))
			return err_set(err, ERR_FAILED, "status: no line %s", rules[i].key);
	}
	return 0;
}

int procfs_status_parse(const char *text, struct procfs_status *ret_status, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	const char *end;
	uint64_t seen = 0;
	int r;

	for (const char *line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return err_set(err, ERR_FAILED, "status: cut short");
		r = add_line(&status, line, &seen, err);
		if (r < 0)
			return r;
	}
	r = check_complete(seen, err);
	if (r < 0)
		return r;
	*ret_status = status;
	status.groups = NULL;
	return 0;
}

void procfs_status_free(struct procfs_status *status)
{
	free(status->groups);
	status->groups = NULL;
	status->group_count = 0;
}

int procfs_status_read(pid_t pid, struct procfs_status *ret_status, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	int r = procfs_open_pid(pid, &proc, err);

	if (r == 0)
		r = procfs_read(proc, "status", &text, err);
	return r < 0 ? r : procfs_status_parse(text.data, ret_status, err);
}
