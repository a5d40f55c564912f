/* THE table of the policy: one row a class of questions, one rule a preset. The enumeration of
 * classes, their names, lattices and words, the presets, and what a policy file may say of each are
 * made from it; a class without a row does not exist, and a row without a rule for every preset
 * does not compile. The table of ctckpt-policy(5) is compared with it (tools/check-policy).
 *
 *   class    CLASS_...
 *   name     of one item: in plans
 *   key      in policy files, and behind the preset in the names of rules: a dot goes one object
 *            down, as in {"net": {"raw": ...}}
 *   order    its lattice (lattice.c)
 *   words    for a value: explain_... (explain.c)
 *   details  (count, names, per): how many a question may have; policy files call detail D
 *            names[D / per]; per 2: soft and hard limits
 *   decide   decide_... (decide.h)
 *   actions  that a policy file may ask for; what restore acts on
 *   strict map same_host forensic
 *            (action, allowed, shortfall, is_privileged, remedy): see struct policy_rule
 *
 * Only macros: plan.h takes nothing from here but the first column. */
#pragma once

/* clang-format off */

/* details */
#define DETAIL_NONE	(1, no_names, 1)
#define DETAIL_ANY	(UINT32_MAX, no_names, 1)
#define DETAIL_IDS	(4, id_names, 1)
#define DETAIL_CAPS	(5, cap_set_names, 1)
#define DETAIL_LIMITS	(32, limit_names, 2)
#define DETAIL_KEYRINGS	(3, keyring_names, 1)
#define DETAIL_CPUS	(1024, no_names, 1) /* words; more CPUs than any kernel is built for */

/* actions */
#define MAY(outcome)	(1u << OUTCOME_##outcome)
#define MAY_ID		(MAY(KEEP) | MAY(MAP) | MAY(REFUSE))
#define MAY_CLAMP	(MAY(KEEP) | MAY(CLAMP) | MAY(REFUSE))
#define MAY_DROP	(MAY(KEEP) | MAY(CLAMP) | MAY(DROP) | MAY(REFUSE))
#define MAY_KEEP	(MAY(KEEP) | MAY(REFUSE))
#define MAY_INHERIT	(MAY(INHERIT) | MAY(REFUSE))
#define MAY_REOPEN	(MAY(REOPEN) | MAY(REFUSE))
#define MAY_FILE	(MAY(REOPEN) | MAY(SUBSTITUTE) | MAY(DROP) | MAY(REFUSE))
#define MAY_CLOSE	(MAY(KEEP) | MAY(REOPEN) | MAY(DROP) | MAY(REFUSE))
#define MAY_REPLACE	(MAY(SUBSTITUTE) | MAY(REFUSE))
#define MAY_LOSE	(MAY(DROP) | MAY(REFUSE))
#define MAY_STDIO	(MAY(INHERIT) | MAY(SUBSTITUTE) | MAY(REFUSE))

/* rules */
#define CLAMP_TO(allowed)	(OUTCOME_KEEP, allowed, OUTCOME_CLAMP, false, NULL)
#define DROP_TO(allowed)	(OUTCOME_KEEP, allowed, OUTCOME_DROP, false, NULL)
#define OWNED(allowed, outcome)	(OUTCOME_KEEP, allowed, outcome, true, NULL)
#define MAPPED(remedy)		(OUTCOME_MAP, 0, OUTCOME_REFUSE, false, remedy)
#define INHERITED		(OUTCOME_INHERIT, 0, OUTCOME_INHERIT, false, NULL)
#define REPLACED		(OUTCOME_SUBSTITUTE, 0, OUTCOME_SUBSTITUTE, false, NULL)
#define REOPENED(remedy)	(OUTCOME_REOPEN, 0, OUTCOME_REFUSE, false, remedy)
#define OR_REFUSED(remedy)	(OUTCOME_KEEP, ALL, OUTCOME_REFUSE, false, remedy)
#define OR_CLOSED		(OUTCOME_KEEP, ALL, OUTCOME_DROP, false, NULL)
#define LOST			(OUTCOME_DROP, 0, OUTCOME_DROP, false, NULL)
#define RECORDED		(OUTCOME_RECORD, 0, OUTCOME_RECORD, false, NULL)

#define ALL		UINT64_MAX
#define SIGNED(number)	((uint64_t)(int64_t)(number))
#define USUAL		UINT64_C(0) /* SCHED_OTHER */
#define DEADLINE	UINT64_C(6) /* SCHED_DEADLINE */
#define USUAL_IO	UINT64_C(0x4000) /* best effort, level 0 */
#define ANY_IO		UINT64_C(0x2000) /* real time, level 0 */

#define MAP_REMEDY	"use --policy map"
#define UID_REMEDY	"give the invoker a (larger) range in /etc/subuid"
#define GID_REMEDY	"give the invoker a (larger) range in /etc/subgid"
#define MOUNT_REMEDY	"name a directory for it: --volume SOURCE:DIR"
#define SECCOMP_REMEDY	"start the container without a seccomp filter"
#define LSM_REMEDY	"restore from under that label, as runcon or aa-exec do"
#define FILES_REMEDY	"--file-system lets them, with --rootfs"
#define LANDLOCK_REMEDY	"if its programs do not restrict themselves by it, let a policy drop landlock"
#define CPU_REMEDY	"restore on a processor that has it, or let a policy drop cpu"
#define CGROUP_REMEDY	"have one delegated to the invoker, see cgroups(7)"
#define FILE_REMEDY	"look at the file: it is not what it was when the image was made"
#define SOCKET_REMEDY	"let the program close it before the checkpoint, or use --policy map, " \
			"which closes it"

#define POLICY_CLASSES(X)                                                                          \
	X(UID, "uid", "ids.uid", same, id, DETAIL_IDS, later, MAY_ID,                              \
	  MAPPED(MAP_REMEDY), MAPPED(UID_REMEDY), MAPPED(UID_REMEDY), RECORDED)                    \
	X(GID, "gid", "ids.gid", same, id, DETAIL_IDS, later, MAY_ID,                              \
	  MAPPED(MAP_REMEDY), MAPPED(GID_REMEDY), MAPPED(GID_REMEDY), RECORDED)                    \
	X(GROUPS, "groups", "groups", same, id, DETAIL_ANY, later, MAY(MAP) | MAY(REFUSE),         \
	  INHERITED, MAPPED(GID_REMEDY), MAPPED(GID_REMEDY), RECORDED)                             \
	X(CAPS, "caps", "caps", set, caps, DETAIL_CAPS, caps, MAY_DROP,                            \
	  DROP_TO(0), CLAMP_TO(ALL), OWNED(ALL, OUTCOME_CLAMP), RECORDED)                          \
	X(SECUREBITS, "securebits", "securebits", securebits, securebits, DETAIL_NONE, securebits, \
	  MAY_KEEP,                                                                                \
	  CLAMP_TO(0), CLAMP_TO(0), CLAMP_TO(0), RECORDED)                                         \
	X(RLIMIT, "rlimit", "rlimits", smaller, limit, DETAIL_LIMITS, limit, MAY_CLAMP,            \
	  CLAMP_TO(ALL), CLAMP_TO(ALL), OWNED(ALL, OUTCOME_CLAMP), RECORDED)                       \
	X(NICE, "nice", "nice", larger, signed, DETAIL_NONE, nice, MAY_CLAMP,                      \
	  CLAMP_TO(SIGNED(-20)), CLAMP_TO(SIGNED(-20)), OWNED(SIGNED(-20), OUTCOME_CLAMP),         \
	  RECORDED)                                                                                \
	X(SCHED, "sched", "sched", sched, sched, DETAIL_NONE, sched, MAY_DROP,                     \
	  DROP_TO(USUAL), DROP_TO(USUAL), OWNED(DEADLINE, OUTCOME_DROP), RECORDED)                 \
	X(RT_PRIORITY, "rtprio", "rtprio", smaller, number, DETAIL_NONE, rt_priority, MAY_DROP,    \
	  DROP_TO(0), DROP_TO(0), OWNED(99, OUTCOME_CLAMP), RECORDED)                              \
	X(IOPRIO, "ioprio", "ioprio", io, ioprio, DETAIL_NONE, ioprio, MAY_CLAMP,                  \
	  CLAMP_TO(USUAL_IO), CLAMP_TO(USUAL_IO), OWNED(ANY_IO, OUTCOME_CLAMP), RECORDED)          \
	X(AFFINITY, "affinity", "affinity", set, cpus, DETAIL_CPUS, affinity, MAY_CLAMP,           \
	  CLAMP_TO(ALL), CLAMP_TO(ALL), CLAMP_TO(ALL), RECORDED)                                   \
	X(MLOCK, "mlock", "mlock", smaller, limit, DETAIL_ANY, mlock, MAY_CLAMP,                   \
	  CLAMP_TO(ALL), CLAMP_TO(ALL), CLAMP_TO(ALL), RECORDED)                                   \
	X(OOM_SCORE_ADJ, "oom_score_adj", "oom_score_adj", larger, signed, DETAIL_NONE,            \
	  oom_score_adj, MAY_CLAMP,                                                                \
	  CLAMP_TO(SIGNED(-1000)), CLAMP_TO(SIGNED(-1000)), OWNED(SIGNED(-1000), OUTCOME_CLAMP),   \
	  RECORDED)                                                                                \
	X(NO_NEW_PRIVS, "no_new_privs", "no_new_privs", inverted, switch, DETAIL_NONE,             \
	  no_new_privs, MAY_CLAMP,                                                                 \
	  CLAMP_TO(1), CLAMP_TO(0), CLAMP_TO(0), RECORDED)                                         \
	X(SECCOMP, "seccomp", "seccomp", seccomp, seccomp, DETAIL_NONE, seccomp, MAY_KEEP,         \
	  OR_REFUSED(SECCOMP_REMEDY), OR_REFUSED(SECCOMP_REMEDY), OR_REFUSED(SECCOMP_REMEDY),      \
	  RECORDED)                                                                                \
	X(DUMPABLE, "dumpable", "dumpable", smaller, switch, DETAIL_NONE, dumpable, MAY_CLAMP,     \
	  CLAMP_TO(1), CLAMP_TO(1), CLAMP_TO(1), RECORDED)                                         \
	X(SETID, "setid", "setid", smaller, switch, DETAIL_ANY, setid, MAY_DROP,                   \
	  DROP_TO(0), DROP_TO(0), CLAMP_TO(1), RECORDED)                                           \
	X(LSM, "lsm", "lsm", same, nothing, DETAIL_NONE, label, MAY_KEEP | MAY(INHERIT),           \
	  INHERITED, INHERITED, OR_REFUSED(LSM_REMEDY), RECORDED)                                  \
	X(LOGINUID, "loginuid", "loginuid", same, id, DETAIL_NONE, loginuid, MAY_INHERIT,          \
	  INHERITED, INHERITED, INHERITED, RECORDED)                                               \
	X(KEYRING, "keyring", "keyrings", same, number, DETAIL_KEYRINGS, keyring, MAY_REPLACE,     \
	  REPLACED, REPLACED, REPLACED, RECORDED)                                                  \
	X(CGROUP, "cgroup", "cgroups", smaller, limit, DETAIL_ANY, cgroup,                         \
	  MAY_KEEP | MAY(DROP),                                                                    \
	  OR_REFUSED(CGROUP_REMEDY), OR_REFUSED(CGROUP_REMEDY), OR_REFUSED(CGROUP_REMEDY),         \
	  RECORDED)                                                                                \
	X(FILE, "file", "files", same, nothing, DETAIL_ANY, file, MAY_FILE,                        \
	  REOPENED(FILE_REMEDY), REOPENED(FILE_REMEDY), REOPENED(FILE_REMEDY), RECORDED)           \
	X(DEVICE, "device", "devices", same, nothing, DETAIL_ANY, file, MAY_FILE,                  \
	  REOPENED(FILE_REMEDY), REOPENED(FILE_REMEDY), REOPENED(FILE_REMEDY), RECORDED)           \
	X(PTY, "pty", "ptys", same, number, DETAIL_ANY, own, MAY_KEEP,                             \
	  OR_REFUSED(NULL), OR_REFUSED(NULL), OR_REFUSED(NULL), RECORDED)                          \
	X(PORT, "port", "net.low_port", same, number, DETAIL_ANY, own, MAY_KEEP,                   \
	  OR_REFUSED(NULL), OR_REFUSED(NULL), OR_REFUSED(NULL), RECORDED)                          \
	X(RAW, "raw", "net.raw", same, number, DETAIL_ANY, own, MAY_KEEP,                          \
	  OR_REFUSED(NULL), OR_REFUSED(NULL), OR_REFUSED(NULL), RECORDED)                          \
	X(PACKET, "packet", "net.packet", same, number, DETAIL_ANY, own, MAY_KEEP,                 \
	  OR_REFUSED(NULL), OR_REFUSED(NULL), OR_REFUSED(NULL), RECORDED)                          \
	X(STDIO, "stdio", "stdio", same, nothing, DETAIL_ANY, inherit, MAY_STDIO,                  \
	  INHERITED, INHERITED, INHERITED, RECORDED)                                               \
	X(MOUNT, "mount", "mounts", same, nothing, DETAIL_ANY, mount, MAY_REPLACE,                 \
	  OR_REFUSED(MOUNT_REMEDY), OR_REFUSED(MOUNT_REMEDY), OR_REFUSED(MOUNT_REMEDY), RECORDED)  \
	X(SESSION, "session", "session", same, nothing, DETAIL_ANY, inherit, MAY_INHERIT,          \
	  INHERITED, INHERITED, INHERITED, RECORDED)                                               \
	X(SOCKET, "socket", "sockets", same, nothing, DETAIL_ANY, socket, MAY_CLOSE,               \
	  OR_REFUSED(SOCKET_REMEDY), OR_CLOSED, OR_REFUSED(SOCKET_REMEDY), RECORDED)               \
	X(TCP, "tcp", "net.tcp", same, nothing, DETAIL_NONE, tcp, MAY_CLOSE,                       \
	  OR_REFUSED(NULL), OR_CLOSED, OR_REFUSED(NULL), RECORDED)                                 \
	X(ALARM, "alarm", "alarms", same, nothing, DETAIL_ANY, alarm, MAY_REPLACE,                 \
	  REPLACED, REPLACED, REPLACED, RECORDED)                                                  \
	X(CPU, "cpu", "cpu", smaller, nothing, DETAIL_ANY, cpu, MAY_KEEP | MAY(DROP),              \
	  OR_REFUSED(CPU_REMEDY), OR_REFUSED(CPU_REMEDY), OR_REFUSED(CPU_REMEDY), RECORDED)        \
	X(FILE_SYSTEM, "file_system", "file_system", smaller, nothing, DETAIL_NONE, file_system,   \
	  MAY_KEEP,                                                                                \
	  OR_REFUSED(FILES_REMEDY), OR_REFUSED(FILES_REMEDY), OR_REFUSED(FILES_REMEDY), RECORDED)  \
	X(LOSS, "loss", "losses", same, nothing, DETAIL_ANY, loss, MAY_LOSE,                       \
	  LOST, LOST, LOST, RECORDED)                                                              \
	X(LANDLOCK, "landlock", "landlock", same, nothing, DETAIL_ANY, landlock, MAY_LOSE,         \
	  OR_REFUSED(LANDLOCK_REMEDY), OR_REFUSED(LANDLOCK_REMEDY), OR_REFUSED(LANDLOCK_REMEDY),   \
	  RECORDED)                                                                                \
	X(GRANT, "grant", "grants", same, nothing, DETAIL_NONE, grant, MAY_REPLACE,                \
	  REPLACED, REPLACED, REPLACED, RECORDED)

/* clang-format on */
