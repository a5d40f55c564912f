/* libarchive, as tar.c calls it. It draws a score of other libraries along, which every start of
 * ctckpt would pay for: it is loaded by those commands that need it. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "core/err.h"

#define TAR_FUNCTIONS(X)                                                                           \
	X(error_string)                                                                            \
	X(set_error)                                                                               \
	X(entry_new)                                                                               \
	X(entry_free)                                                                              \
	X(entry_filetype)                                                                          \
	X(entry_hardlink)                                                                          \
	X(entry_pathname)                                                                          \
	X(entry_size)                                                                              \
	X(entry_size_is_set)                                                                       \
	X(entry_sparse_count)                                                                      \
	X(entry_symlink)                                                                           \
	X(entry_set_mode)                                                                          \
	X(entry_set_mtime)                                                                         \
	X(entry_set_pathname)                                                                      \
	X(entry_set_size)                                                                          \
	X(read_new)                                                                                \
	X(read_free)                                                                               \
	X(read_open)                                                                               \
	X(read_next_header)                                                                        \
	X(read_data_block)                                                                         \
	X(read_support_format_tar)                                                                 \
	X(read_support_filter_gzip)                                                                \
	X(read_support_filter_zstd)                                                                \
	X(write_new)                                                                               \
	X(write_free)                                                                              \
	X(write_fail)                                                                              \
	X(write_open)                                                                              \
	X(write_close)                                                                             \
	X(write_header)                                                                            \
	X(write_data)                                                                              \
	X(write_set_format_pax_restricted)                                                         \
	X(write_set_bytes_per_block)                                                               \
	X(write_set_bytes_in_last_block)

#define TAR_MEMBER(name) __typeof__(archive_##name) *name;
struct tar_library {
	TAR_FUNCTIONS(TAR_MEMBER)
};
#undef TAR_MEMBER

extern struct tar_library tar_library; /* set by tar_library_load() */
/* By its name alone, where libraries are; before a process enters anything of a container's. Once;
 * it stays. ERR_HOST: it is not installed. */
int tar_library_load(struct err *err);
