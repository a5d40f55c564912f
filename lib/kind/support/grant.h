/* Descriptors that the invoker gives for those that were saved: restore --grant 7:fd5=3.
 *
 * The descriptors are duplicated before anything else is opened, so that a number can only mean one
 * of the invoker's; then, once the image is read, each finds its open file description. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "image/image.h"
#include "policy/plan.h"

struct kind;

/* What an open file description is: one that was saved, or one that is given for it. */
struct grant_look {
	mode_t type;	   /* S_IFREG, ...; 0: an anonymous inode */
	bool is_any;	   /* saved: whatever but a directory will do, and nothing is set */
	const char *name;  /* a path, or for an anonymous inode how /proc shows it; borrowed */
	uint32_t flags;	   /* O_* */
	uint64_t position; /* of a file or directory */
	uint64_t size;	   /* of a file */
	dev_t device;	   /* of a device node */
	bool is_terminal;  /* whichever */
	int family;	   /* of a socket, as the next */
	int socket_type;
	int protocol;
	bool is_connected;
	bool is_unread;	  /* saved: something waits in it that nobody will read again */
	const char *peer; /* saved: who is at the other end; borrowed; NULL: not known */
};

struct grant {
	const char *text; /* as it was typed, borrowed */
	bool has_pid;	  /* else it is the first task */
	pid_t pid;	  /* in the container */
	uint32_t slot;	  /* the descriptor there */
	int number;	  /* the invoker's descriptor */
	int fd;		  /* owned: our duplicate of it */
};
struct grants {
	struct grant *list; /* owned */
	size_t count;
};
#define GRANTS_NONE ((struct grants){ .list = NULL })

/* `texts` end with NULL; NULL: none. From here on the descriptors are ours: but for 0, 1 and 2,
 * they are closed. */
int grants_take(const char *const *texts, struct grants *ret_grants, struct err *err);
void grants_free(struct grants *grants);
#define auto_grants __attribute__((cleanup(grants_free)))
/* Appends those in facts->grants that each is meant for. ERR_USAGE for one that is nothing in this
 * image. */
int grants_find(const struct grants *grants, const struct image *image, struct host_facts *facts,
		struct err *err);

/* The kind whose descriptions can be given, and the record of this one; NULL if it can't be. */
const struct kind *grant_kind(const struct image *image, uint32_t id,
			      const struct record **ret_record);
/* All descriptors of all tasks, by what they lead to: how grants call it. */
struct grant_name {
	uint32_t id;
	uint32_t slot;
	pid_t pid;
	size_t order;
};
struct grant_names {
	struct grant_name *list; /* owned */
	size_t count;
};
#define GRANT_NAMES_NONE ((struct grant_names){ .list = NULL })
void grant_names_list(const struct image *image, struct grant_names *ret_names);
void grant_names_free(struct grant_names *names);
#define auto_grant_names __attribute__((cleanup(grant_names_free)))
/* The first that leads to it; NULL if it is in no task's table. */
const struct grant_name *grant_name_of(const struct grant_names *names, uint32_t id);

/* Asks whether what is given for the object of this record may take its place; false: nothing is
 * given. */
bool grant_ask(struct plan *plan, const struct kind *kind, const struct record *record);
/* The same question for what nothing else can take the place of, where nothing is given. */
void grant_ask_absent(struct plan *plan, const struct record *record,
		      const struct grant_look *saved);

/* A socket whose record begins with a struct socket_rec. */
struct grant_look grant_look_socket(const struct record *record);
/* What a descriptor of ours is. `ret_name` gets its name, owned. */
int grant_look_at(int fd, struct grant_look *ret_look, char **ret_name);
enum grant_fit grant_compare(const struct grant_look *saved, const struct grant_look *given);
/* "file /srv/log, read and write", "unix stream socket" */
void grant_explain(const struct grant_look *look, struct buf *out);
