/* The record of what is behind mappings. */
#pragma once

#include "kind/support/file_identity.h"
#include "kind/support/mm.h"

RECORDS_BEGIN
struct mapfile_rec {
	le32 type;			   /* enum mapfile_type */
	le32 flags;			   /* O_RDONLY or O_RDWR */
	le32 alias;			   /* the id of a descriptor's object, or of a segment */
	le32 name_length;		   /* of the name that follows: a path, or a memfd's name */
	le64 size;			   /* of unnamed objects, bytes */
	struct file_identity_rec identity; /* of named files */
};
RECORDS_END
