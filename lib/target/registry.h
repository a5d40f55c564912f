/* Parts of the registry (target.h); for lib/target. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "target/target.h"

/* Pids mean something only in one pid namespace of one boot. */
struct registry_place {
	char boot_id[64];
	uint64_t pid_ns;
};
int registry_place_get(struct registry_place *ret_place, struct err *err);

/* The text of an entry's file. */
void registry_entry_print(const struct registry_entry *entry, const struct registry_place *place,
			  struct buf *text);
/* `name` is what the file's name says. Strings in *ret_entry are owned. */
int registry_entry_parse(const char *text, size_t size, const char *name,
			 struct registry_entry *ret_entry, struct registry_place *ret_place,
			 struct err *err);

/* The registry's directory. -ENOENT: there is none yet. */
int registry_open(bool may_create, int *ret_dir, struct err *err);
/* Entries may be in a second one: of root, whose engines call hooks without his XDG_RUNTIME_DIR, in
 * /run/ctckpt. -ENOENT: this one is not there. */
enum { REGISTRY_DIRECTORIES = 2 };
int registry_open_nth(size_t number, int *ret_dir, struct err *err);
/* The first that has this file; -ENOENT: none has. */
int registry_open_with(const char *file, int *ret_dir, struct err *err);
/* Until the descriptor is closed. */
int registry_lock(int dir, struct err *err);
int registry_check_name(const char *name, struct err *err);
/* The entry of a living container. -ENOENT: there is none; ERR_FAILED: it has ended, or the entry
 * is damaged. */
int registry_find(const char *name, struct registry_entry *ret_entry, struct err *err);
