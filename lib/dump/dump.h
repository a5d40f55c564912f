/* The work of a checkpoint: tasks collected, records gathered, blockers noted, content queued.
 *
 * Order: collect (all /proc reading that needs no call inside), prepare (registers saved, zones
 * mapped), kinds (records), then, if nothing blocks, the image is written, and the tasks get
 * their registers back. */
#pragma once

#include <elf.h>

#include "core/buf.h"
#include "freeze/freeze.h"
#include "kind/kind.h"
#include "kind/support/sysv.h"
#include "kind/support/terminal.h"
#include "target/target.h"

/* Where the bytes of an extent come from. */
struct dump_piece {
	struct image_extent extent; /* in the object */
	/* From its memory at `address`; NULL: from the file, or without one from our own memory. */
	struct dump_task *task;
	uint64_t address;
	bool is_unreadable; /* PROT_NONE: only through /proc/PID/mem */
};

/* The content of one object: a CONT record and its part of the page stream. */
struct dump_source {
	uint32_t id;
	int file;		   /* -1: memory */
	struct dump_piece *pieces; /* owned; in rising order of extents */
	size_t piece_count;
	uint64_t size; /* bytes in all */
};

/* The file system of message queues of an ipc namespace. */
struct dump_queues {
	dev_t dev;
	uint32_t ns; /* 0: the container's own */
};

/* What leads out of the container, and would be refused, is saved as: */
struct dump_outside {
	bool tcp_close;	      /* TCP connections that are closed */
	bool tcp_established; /* that are kept */
	bool external;	      /* what is given by whoever restores */
	/* Not that: files of the root that are carried along: "" for those of an overlay's upper
	 * directory, paths with commas between them, NULL for none; borrowed. */
	const char *file_system;
};

struct dump_private {
	const struct target *target;
	const struct freeze *frozen;
	struct dump_task *tasks; /* owned; parents before children */
	size_t task_count;
	struct target_fd *files; /* owned; unique open file descriptions */
	size_t file_count;
	size_t level;			   /* of the container's pid namespace, in status.ns_pid */
	struct dump_namespace *namespaces; /* owned; the container's own first, parents in front */
	size_t namespace_count;
	uint32_t network;   /* id of the container's own network namespace; 0: none yet */
	struct buf records; /* of struct dump_entry */
	size_t record_count;
	struct dump_source *sources; /* owned */
	size_t source_count;
	struct dump_mapped *mapped; /* owned; kind/support/mapfile_dump.c */
	size_t mapped_count;
	struct dump_shared *shared; /* owned; kind/support/mapfile_shared.c */
	size_t shared_count;
	enum dump_ipc ipc;	       /* of the container's own; kind/support/sysv.c */
	struct dump_segment *segments; /* owned; kind/container/sysv_shm.c */
	size_t segment_count;
	struct dump_semaphores *sets; /* owned; kind/container/sysv_sem.c */
	size_t set_count;
	struct dump_keyring *keyrings; /* owned; kind/task/keyring.c */
	size_t keyring_count;
	struct dump_queue *queues; /* owned; kind/container/posix_mq.c */
	size_t queue_count;
	struct dump_queues *queue_spaces; /* owned */
	size_t queue_space_count;
	struct unix_sockets *unix_sockets; /* owned; kind/support/unix_sockets.c */
	struct dump_outside outside;
	struct dump_witness *witnesses;	 /* owned; witness.c */
	struct tcp_snapshot *tcp;	 /* owned; kind/support/tcp_queues.c */
	struct dump_terminals terminals; /* kind/support/terminal_find.c */
	uint32_t last_id;
	struct buf blockers; /* one line each */
	size_t blocker_count;
	size_t momentary_count; /* of these */
	size_t blockers_missed; /* that have no room in the list */
	char *blocker_hint;	/* of the first that has one */
	uint64_t pages_scanned;
	uint64_t watch_numbers; /* kind/fd/inotify.c */
	struct filter filter; /* seccomp, of the registry; what says that a task has it is /proc */
	bool
	    is_untouchable; /* no call may be made inside: nothing but the blockers is looked for */
};

/* A session keyring. */
struct dump_keyring {
	int64_t serial;
	uint32_t id; /* the same in the records of all threads that share it */
};

/* A record waiting to be written. */
struct dump_entry {
	uint32_t tag;
	uint16_t version;
	uint32_t id;
	void *body; /* owned */
	size_t length;
};

/* profile.c: as target->seccomp says it, of one that an engine started; owned; NULL: not known.
 * Before dump_join_owner(): it reads files. */
char *dump_find_profile(const struct target *target);
/* Collects everything of a frozen target and asks all kinds. ERR_REFUSED names all blockers;
 * ERR_MOMENT if all of them are momentary. */
int dump_gather(struct dump *d, const struct target *target, const struct freeze *frozen,
		const struct dump_outside *outside, struct err *err);
/* Gives every task its registers, mask and address space back. */
int dump_release(struct dump *d, struct err *err);
void dump_free(struct dump *d);

/* collect.c: tasks and threads from the frozen list; namespaces and sharing checked. */
int dump_collect_tasks(struct dump *d, struct err *err);
/* owner.c: enters the user namespace that the container belongs to. What belongs to ids of its own
 * can be read from inside of it only, by its owner too. Whoever does not own it fails later, and by
 * name. */
int dump_join_owner(const struct target *target, struct err *err);
/* That namespace, by /proc/PID of the first task; owned. Returns a negative errno. */
int dump_open_owner(int proc, enum target_form form);
/* programs.c: names what the task at the cursor runs that is not supported. */
int dump_check_program(struct dump *d, struct err *err);
enum program_type { PROGRAM_UNKNOWN, PROGRAM_64, PROGRAM_32, PROGRAM_X32 };
/* By the head of its vdso. */
enum program_type program_type_of(const Elf32_Ehdr *head);
/* namespaces.c: all that the tasks are in, and the id of one behind a descriptor: then -EPERM if
 * it leads out of the container, which is noted. */
int dump_find_namespaces(struct dump *d, struct err *err);
/* cgroup_root.c: of the task at the cursor, in a cgroup namespace that is not the container's. */
int dump_check_cgroup_root(struct dump *d, struct err *err);
/* namespaces.c: the container has no network of its own, but is in ours. */
bool dump_shares_network(const struct dump *d);
/* namespaces.c: the namespace that the descriptor at the cursor leads to, or that its socket is in.
 */
int dump_find_file_namespace(struct dump *d, struct err *err);
int dump_namespace_id(struct dump *d, enum namespace_type type, int fd, uint32_t *ret_id,
		      struct err *err);
/* stand_in.c: somebody who is in a namespace, which errors call `name`. */
struct dump_stand_in {
	struct dump_task task; /* its pid and proc alone */
	int socket;	       /* its end is that of the process */
};
int dump_send_stand_in(const struct dump_namespace *ns, const char *name,
		       struct dump_stand_in **ret_one, struct err *err);
void dump_dismiss_stand_in(struct dump_stand_in *one);
/* One for each network namespace that no task is in. */
int dump_send_stand_ins(struct dump *d, struct err *err);
const struct dump_task *dump_task_of_network(const struct dump_namespace *ns);
/* witness.c: of Landlock, for each thread; refuses where it could not tell. */
int dump_send_witnesses(struct dump *d, struct err *err);
void dump_dismiss_witnesses(struct dump_private *own);
/* idmaps.c: completes and follows the struct namespace_rec in `body`. */
int dump_user_maps(const struct dump_namespace *ns, struct buf *body, struct err *err);
void dump_free_namespaces(struct dump_private *own);
/* sharing.c: sets the groups of all tasks. */
void dump_group_tasks(struct dump *d);
/* outsiders.c: refuses what is shared with processes that are not saved. */
int dump_check_outsiders(struct dump *d, struct err *err);
/* descriptors.c: descriptor tables, one target_fd an open file description; then their records. */
int dump_collect_files(struct dump *d, struct err *err);
int dump_files(struct dump *d, struct err *err);

/* query.c: what the kinds asked of one thread. */
struct dump_asked {
	size_t first;  /* of the kind's steps */
	void *answers; /* owned; NULL: it does not ask */
};
struct dump_query {
	struct script script;
	struct dump_asked *asked; /* owned; one for each kind */
};
/* Asks the thread at the cursor; *query is freed by dump_forget_answers() in any case. */
int dump_ask_thread(struct dump *d, struct dump_query *query, struct err *err);
void dump_forget_answers(struct dump *d, struct dump_query *query);

/* Queues content whose pieces are known. Pieces are taken over. */
void dump_add_source(struct dump *d, uint32_t id, int file, struct dump_piece *pieces,
		     size_t count);

/* stream.c: writes the page stream of all sources. */
struct dump_stream {
	struct image_writer *writer;
	int fd;
	bool is_placed;	       /* seekable and plain: written in place */
	uint64_t pages_offset; /* then: where the stream starts in the file */
	bool (*is_cancelled)(void *argument);
	void (*progress)(void *argument, uint64_t done, uint64_t total);
	void *argument;
};
int dump_write_pages(struct dump *d, const struct dump_stream *stream, struct err *err);

/* pages.c: the pages of an address space that exist and are not zero. */
struct page_run {
	uint64_t start, end;
	bool is_file;  /* belongs to a file or shared memory, not to the task alone */
	bool is_guard; /* MADV_GUARD_INSTALL */
};
int dump_scan_pages(const struct dump_task *task, uint64_t start, uint64_t end,
		    struct page_run **ret_runs, size_t *ret_count, struct err *err);
