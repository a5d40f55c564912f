/* What tells a file from another one under the same path: size, time of change, build-id. Used by
 * open files and by file mappings. Never an authority: only compared with what the path leads to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/endian.h"
#include "core/err.h"
#include "image/record.h"

#define BUILD_ID_MAX 64

struct file_identity {
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t type;		/* S_IFMT bits */
	uint32_t build_id_size; /* 0: not an ELF file, or without one */
	unsigned char build_id[BUILD_ID_MAX];
};

RECORDS_BEGIN
struct file_identity_rec {
	le64 size;
	le64 mtime_s; /* signed */
	le32 mtime_ns;
	le32 type;
	le32 build_id_size;
	le32 reserved;			      /* zero */
	unsigned char build_id[BUILD_ID_MAX]; /* zeros behind build_id_size */
};
RECORDS_END
static_assert(sizeof(struct file_identity_rec) == 96, "image format");

enum file_change {
	FILE_SAME,
	FILE_TOUCHED,	/* another time of change */
	FILE_APPENDED,	/* longer */
	FILE_TRUNCATED, /* shorter */
	FILE_REPLACED,	/* another build-id */
};

/* Of the file behind `fd`, whatever its access mode. The file is not trusted. Files without a
 * build-id that can be read through `fd` have none. Returns a negative errno if it cannot be looked
 * at. */
int file_identity_get(int fd, struct file_identity *ret_identity);
enum file_change file_identity_compare(const struct file_identity *saved,
				       const struct file_identity *now);
/* "the file was appended to: 5 bytes then, 9 now"; NULL for FILE_SAME. Owned. */
char *file_identity_explain(const struct file_identity *saved, const struct file_identity *now);

/* What a change means for a mapping of the file. */
enum file_judgement {
	FILE_FITS,
	FILE_DIFFERS, /* goes on, and is said */
	FILE_UNFIT,   /* the program would run into the middle of other functions, or behind the end
		       */
};
/* `is_shared`: the program writes into the file itself; `is_code`: it executes what is in it. */
enum file_judgement file_identity_judge(const struct file_identity *saved,
					const struct file_identity *now, bool is_shared,
					bool is_code);

struct file_identity_rec file_identity_put(const struct file_identity *identity);
struct file_identity file_identity_of(const struct file_identity_rec *rec);
/* Hostile bytes. */
int file_identity_check(const struct file_identity_rec *rec, struct err *err);

/* The build-id of the ELF file behind a readable `fd`; its size, 0 if there is none. */
uint32_t build_id_read(int fd, unsigned char ret_id[BUILD_ID_MAX]);
