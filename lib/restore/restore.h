/* The work of a restore, as the tracer (a process of the invoker, outside of the new container)
 * sees it.
 *
 *   stage     the container's first task opens every file, as the invoker, then executes a tiny
 *             program: an address space with nothing in it but our zone
 *   tree      that task forks, by calls run inside of it, until every saved process exists
 *   memory    each process gets its mappings; the page stream is written into them
 *   threads   each process clones its threads
 *   finish    each thread sets what only it can set; what may only get lower comes last
 *   registers zones unmapped, registers loaded, everything compared with the plan, let go
 *
 * All tasks are traced with PTRACE_O_EXITKILL until then: should the tracer die, they do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/volume.h"
#include "core/cgroup.h"
#include "core/err.h"
#include "freeze/freeze.h"
#include "kind/kind.h"
#include "kind/support/mm.h"
#include "kind/support/tree.h"
#include "kind/support/tree_shelf.h"
#include "remote/remote.h"
#include "restore/open.h"

struct restore_thread {
	const struct record *record; /* REGS */
	pid_t tid;		     /* outer; 0: not made yet */
	pid_t vtid;
	struct remote remote;
};

/* Where a task is while the tree grows: ids of namespaces; of the user namespace that its
 * capabilities are of, and of its pid namespace. */
struct restore_place {
	uint32_t ids[NAMESPACE_TYPES];
};

/* The pids of a task, from the container's pid namespace to its own. */
struct restore_pids {
	size_t count;
	pid_t pids[1 + NAMESPACE_LEVELS];
};

struct restore_task {
	const struct record *record; /* TASK; NULL: an init of ours */
	const struct task_rec *rec;
	uint32_t id;
	pid_t pid; /* outer; 0: not made yet */
	pid_t vpid;
	struct restore_task *parent;	/* NULL: a root */
	struct restore_thread *threads; /* owned; the leader first; none: a zombie */
	size_t thread_count;
	const struct nsproxy_rec *ns; /* NULL: in the container's own */
	struct restore_place now;
	pid_t session;		      /* in the container, while the tree grows */
	uint32_t groups[SHARE_COUNT]; /* as in struct dump_task */
	bool shares_memory;	      /* an earlier task has the same, and does what is done once */
	bool keeps_files;	    /* the last task that has its descriptor table, and fills it */
	bool keeps_memory;	    /* likewise: it removes our zone */
	bool has_new_child;	    /* a SIGCHLD that was not saved is pending */
	const struct record *mm;    /* MMAP */
	const struct record *table; /* FDTB */
};

/* A restored object: shared between the first task, which fills it, and the tracer. */
struct restore_object {
	uint32_t id; /* 0: free */
	int fd;
	int content;	/* the descriptor that receives its content; -1 */
	int staging;	/* of a mount namespace: one where proc can still be mounted; -1 */
	uint32_t owner; /* the task that finishes it; 0: none has it */
};

struct restore_shared {
	size_t capacity; /* of objects: a power of two */
	uint32_t next;	 /* the next high number */
	int console;	 /* the master of the container's own terminal, in the first task; -1 */
	int image_fd;	 /* the image in the tasks; -1: it comes through a pipe */
	int last_pid;	 /* ns_last_pid of proc(5); -1: none */
	int own_namespaces[NAMESPACE_TYPES]; /* the container's own, for who left them; -1 */
	char notes[65536];
	size_t notes_size;
	size_t notes_missed; /* that had no room */
	size_t made_size;    /* of the list behind the objects: made.c */
	uid_t files_uid;     /* of the first task, when it puts files anywhere */
	gid_t files_gid;
	struct tree_undone undone;	 /* what the guard says of them */
	int undone_code;		 /* 0, or a negative errno */
	struct restore_object objects[]; /* hashed by id */
};

/* The addresses, free in every saved address space, that are ours while we work. */
struct restore_hole {
	uint64_t start, end;
	uint64_t program; /* the page of the tiny program, for as long as it is needed */
	uint64_t code;	  /* the stub */
	uint64_t data;	  /* table and data of scripts */
	uint64_t parking; /* the vdso and its data, before they move */
	uint64_t window;  /* of huge pages, see huge.h */
	uint64_t objects; /* shared memory without a name, one after the other */
};

enum { RESTORE_DATA_SIZE = 1 << 20, RESTORE_PARKING_SIZE = 1 << 18 };

/* Pieces of the vdso as this kernel has mapped them into the first task. */
struct restore_special {
	enum vma_type type;
	uint64_t parked, size;
};

/* A descriptor's record with calls that only a task can make. */
struct restore_finish {
	const struct kind *kind;
	const struct record *record;
	uint32_t owner; /* the task */
};

/* A file that is made from the image, in a file system of others. */
struct restore_made_file {
	dev_t dev;
	ino_t inode;
};

/* guard.c */
struct restore_guard {
	pid_t pid;   /* 0: none */
	int orders;  /* owned; -1: none */
	int journal; /* owned: of what is done to files below the root; -1: nothing is */
	int root;    /* borrowed: that directory; -1 */
	int end;     /* borrowed: open for as long as the guard is there; -1 */
};
#define RESTORE_GUARD_NONE                                                                         \
	((struct restore_guard){ .orders = -1, .journal = -1, .root = -1, .end = -1 })

struct restore_private {
	struct restore_guard guard;
	const struct image *image;
	struct restore_shared *shared; /* mapped shared */
	size_t shared_size;
	struct restore_root root;      /* in the first task */
	const struct volumes *volumes; /* in the first task: for mounts of the host */
	dev_t *devices; /* owned: in the first task: file systems made from the image */
	size_t device_count;
	struct restore_made_file *fresh; /* owned: likewise, files in others */
	size_t fresh_count;
	bool detach;
	uint32_t base; /* the first high number: above every saved one */
	struct restore_hole hole;
	struct restore_special specials[3];
	size_t special_count;
	uint64_t gadget_offset;	    /* of a syscall instruction, in the vdso */
	uint64_t *anon_offsets;	    /* owned: by record number: place of an object in memory */
	struct restore_task *tasks; /* owned; parents first; [0] may be an init of ours */
	size_t task_count;
	struct restore_finish *finishes; /* owned */
	size_t finish_count;
	pid_t temporary;		    /* the last pid taken for a helper */
	struct filter filter;		    /* seccomp, borrowed from the image */
	struct filter bundle_filter;	    /* borrowed: for all tasks, besides that */
	const struct bundle_mounts *bundle; /* oci/bundle.h; NULL: there is none */
	dev_t *memory; /* owned: then, the file systems in memory that are its own: mount_join.h */
	size_t memory_count;
	bool is_joined; /* the container was made by an engine: see join.h */
	struct filter
	    engine_filter;  /* owned: then, what the engine has installed; may be unknown */
	bool has_filter;    /* it is the same as the saved one */
	uint64_t held_caps; /* by the first task, before anything is given up */
};

struct container_spec;	       /* container/container.h */
struct ctckpt_restore_options; /* ctckpt/ctckpt.h */
/* clocks.c */
void restore_set_clocks(const struct image *image, struct container_spec *spec);
/* console.c: a container with a terminal of its own is not restored without one. *ret_socket stays
 * if it is the user's. */
int restore_prepare_console(const struct image *image, const struct ctckpt_restore_options *options,
			    int *ret_socket, struct err *err);
/* Of the first task, before any task closes it: its master goes to the socket, if there is one;
 * else *ret_master is owned by the caller. It stays if there is no terminal. */
int restore_take_terminal(const struct restore *rs, int pidfd, int socket, int *ret_master,
			  struct err *err);

/* restore.c */
int restore_init(struct restore *rs, const struct image *image, const struct plan *plan,
		 struct err *err);
void restore_free(struct restore *rs);
struct restore_object *restore_object(const struct restore *rs, uint32_t id);
struct restore_task *restore_task_by_id(const struct restore *rs, uint32_t id);
/* Adds those that were saved. */
void restore_count_tasks(const struct restore *rs, uint32_t *ret_tasks, uint32_t *ret_threads);

/* made.c: bytes for the list; removes what was made, beneath a directory, in the first task or, as
 * long as that is there, as the tracer. */
size_t restore_made_room(const struct image *image);
void restore_undo_at(const struct restore *rs, int root);
void restore_undo_here(const struct restore *rs);
bool restore_undo(const struct restore *rs, pid_t init);

/* guard.c: before there is a first task: what is going to be done to files below `root`, the root
 * directory as the invoker sees it, or -1, will have a journal. Both are borrowed; `end` is kept
 * open by the guard. */
int restore_journal_begin(struct restore *rs, int root, int end, struct err *err);
/* A process that undoes what was made, and ends the container, should we be killed before the tasks
 * are let go. `cgroup_v1`: its directory in the v1 freezer, or -1. */
int restore_guard_begin(struct restore *rs, pid_t init, int init_pidfd, int cgroup_v1,
			struct err *err);
/* It is needed no more: all is done, and what files have replaced goes. */
void restore_guard_keep(struct restore *rs);
/* The restore has failed, and the container is dead: it does what is left to do. A hint says what
 * could not be undone. */
void restore_guard_undo(struct restore *rs, bool are_made_gone, struct err *err);
/* In the command: a pipe whose second end is the `end` above. If its worker was killed, it waits
 * until the guard has done its work, within bounds. */
int restore_guard_watch(int *ret_pipe, struct err *err);
void restore_guard_await(int *pipe);
void restore_guard_forget(int *pipe);

/* grants.c: in the first task: the invoker's descriptors are the objects that they are given for.
 */
int restore_give_grants(struct restore *rs, struct err *err);

/* stage.c: runs in the container's first task; ends in the execution of the tiny program. */
int restore_stage_main(void *argument, struct err *err);
/* The same in a task that has joined the container: it says that it is done, and waits. */
int restore_stage_join(void *argument, struct err *err);
struct container; /* container/container.h */
/* first.c: traces the first task with all that a restore wants to be told. */
int restore_seize_first(pid_t init, struct err *err);
/* Lets it do its part; it stops when it has executed the tiny program. */
int restore_await_exec(struct container *container, struct err *err);

/* instead.c: does the plan drop or substitute this open file? Then restores what takes its place.
 */
bool restore_is_given_up(const struct restore *rs, uint32_t id);
int restore_instead(struct restore *rs, const struct record *record, struct err *err);

/* template.c: where the hole is; the first task after its execution becomes the model for all. */
int restore_find_hole(struct restore *rs, struct err *err);
int restore_make_program(const struct restore *rs, int *ret_fd, struct err *err);
/* Another, which does nothing but wait. */
int restore_make_waiter(const struct restore *rs, int *ret_fd, struct err *err);
int restore_make_template(struct restore *rs, pid_t init, struct err *err);
/* Likewise a task that has executed another small program, and is stopped. */
int restore_take_template(struct restore *rs, pid_t init, struct err *err);

/* namespaces.c: in the first task: makes a namespace for the object of that record. */
int restore_make_namespace(struct restore *rs, const struct record *record, struct err *err);
int restore_make_user_namespace(struct restore *rs, const struct record *record, struct err *err);
int restore_hold_own_namespaces(struct restore *rs, struct err *err);

/* tree.c */
int restore_make_tree(struct restore *rs, struct err *err);
int restore_end_task(struct remote *remote, int status, struct err *err);
/* zombies.c */
int restore_make_zombies(struct restore *rs, struct err *err);
/* clone.c: a new task by a call inside of `parent`, who is at `place`: stopped, prepared, before
 * its first instruction. `flags` of clone(2). */
int restore_clone(struct restore *rs, struct remote *parent, const struct restore_place *place,
		  uint64_t flags, int exit_signal, const struct restore_pids *pids,
		  struct remote *ret_child, struct err *err);
/* The next task in that pid namespace that is made without a choice gets this pid, or the next that
 * is free. */
int restore_announce_pid(struct restore *rs, uint32_t pid_ns, pid_t pid, struct err *err);
/* birth.c: `task` as a child of `parent`, in its pid namespace, with these flags of clone(2), by
 * which they share something; with CLONE_PARENT, as a sibling of it. */
int restore_birth(struct restore *rs, struct remote *parent, const struct restore_place *at,
		  uint64_t flags, struct restore_task *task, struct remote *ret_child,
		  struct err *err);
/* Is it one that was saved, of anything, in the container's own pid namespace? */
bool restore_has_pid(const struct restore *rs, pid_t pid);
/* A pid for a helper, at any level: the kernel's own choice could be one that is needed later. */
pid_t restore_temporary_pid(struct restore *rs);
/* A row of the task's pids (enum nsproxy_row) below `outer`; the same pid at each level. */
struct restore_pids restore_pids_of(const struct restore_task *task, size_t row, pid_t outer);
struct restore_pids restore_pids_same(const struct restore *rs, uint32_t pid_ns, pid_t pid);
/* The first task of a pid namespace; NULL if there is none. */
struct restore_task *restore_init_of(const struct restore *rs, uint32_t pid_ns);
int restore_check_namespaces(const struct restore *rs, struct err *err);
/* One call; `ret_result` may be NULL. */
int restore_call(struct remote *remote, const char *name, long nr, uint64_t a, uint64_t b,
		 uint64_t c, int64_t *ret_result, struct err *err);
/* enter.c: all tasks, from where they grew to where they were; then their threads are made. */
int restore_enter_namespaces(struct restore *rs, struct err *err);
/* A helper, before it makes `task`: as far as that could not go alone from user namespace `userns`,
 * where the helper ends. */
int restore_enter_for(struct restore *rs, struct remote *helper, struct restore_place *place,
		      const struct restore_task *task, uint32_t userns, struct err *err);
/* late_proc.c: the mount namespace of `task`. */
int restore_enter_mounts(struct restore *rs, struct remote *remote, struct restore_place *place,
			 const struct restore_task *task, struct err *err);
/* birth.c: its children will be in the pid namespace `pid_ns`, not in its `own`. */
int restore_enter_pid_namespace(struct restore *rs, struct remote *remote, uint32_t own,
				uint32_t pid_ns, struct err *err);

/* memory.c, content.c */
int restore_map_memory(struct restore *rs, struct err *err);
int restore_fill_content(struct restore *rs, void (*progress)(void *, uint64_t, uint64_t),
			 bool (*is_cancelled)(void *), void *argument, struct err *err);
int restore_protect_memory(struct restore *rs, struct err *err);

/* late.c */
int restore_replace_files(struct restore *rs, struct err *err);
int restore_settle_files(struct restore *rs, struct err *err);
/* The first task that has this open file description; NULL if none has. */
struct restore_task *restore_holder(const struct restore *rs, uint32_t id);
/* The pid, as the tracer sees it, of a task or thread object; 0 if unknown. */
pid_t restore_outer_pid(const struct restore *rs, uint32_t id);

/* cgroups.c: all tasks are there; none has run yet. */
int restore_place_in_cgroups(struct restore *rs, const struct cgroup_own *own, struct err *err);

/* finish.c, registers.c */
int restore_finish_tasks(struct restore *rs, struct err *err);
int restore_load_registers(struct restore *rs, struct err *err);
int restore_post_check(struct restore *rs, struct err *err);
/* check_state.c */
int restore_check_state(const struct restore *rs, const struct restore_task *task,
			const struct restore_thread *thread, struct err *err);
int restore_let_go(struct restore *rs, struct err *err);
/* Appends all threads, for whoever is to hold them. */
void restore_list_threads(const struct restore *rs, struct freeze *frozen);
