/* An OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/sha256/`, where each
 * blob has its digest for a name. One image of it carries one file of ctckpt's: its only layer is
 * an archive with that file in it, beside what tools for checkpoints show.
 *
 * Whoever may write to a layout may write anything: what is read from it is bounded, verified
 * against its digest, and never the name of anything that is opened, but for digests, which are
 * hexadecimal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/json.h"
#include "oci/digest.h"

#define LAYOUT_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define LAYOUT_CONFIG	"application/vnd.oci.image.config.v1+json"
#define LAYOUT_LAYER	"application/vnd.oci.image.layer.v1.tar"
#define LAYOUT_REF_NAME "org.opencontainers.image.ref.name"
#define LAYOUT_JSON_MAX                                                                            \
	(4u << 20) /* bytes of an index, manifest or config, as registries have it */

/* Where ctckpt's file is in the layer. */
#define LAYOUT_MEMBER "checkpoint/ctckpt.img"

struct layout {
	char *path; /* owned: of the directory */
	char *tag;  /* owned; NULL: none was named */
	int dir;
};
#define LAYOUT_NONE ((struct layout){ .dir = -1 })
void layout_free(struct layout *layout);
#define auto_layout __attribute__((cleanup(layout_free)))

/* "oci:DIR" or "oci:DIR:TAG"; opens nothing. ERR_USAGE. */
int layout_parse(const char *text, struct layout *ret_layout, struct err *err);
/* Opens it, to read. */
int layout_open(struct layout *layout, struct err *err);

/* A blob as an index or manifest names it. */
struct layout_blob {
	const char *type; /* borrowed from the value */
	char digest[DIGEST_SIZE];
	uint64_t size;
};
int layout_blob_parse(const struct json *value, struct layout_blob *ret_blob, struct err *err);
/* Opens it: a regular file of that size. */
int layout_blob_open(const struct layout *layout, const struct layout_blob *blob, int *ret_fd,
		     struct err *err);
/* Reads one that is JSON, and verifies its digest. */
int layout_blob_read(const struct layout *layout, const struct layout_blob *blob,
		     struct json **ret_value, struct err *err);
/* index.json. -ENOENT if there is none. */
int layout_index_read(const struct layout *layout, struct json **ret_index, struct err *err);
/* The image that is meant: the one with that tag, or the only one. `value` is borrowed. */
int layout_index_find(const struct layout *layout, const struct json *index,
		      struct layout_blob *ret_blob, struct err *err);
/* The layer of an image. */
int layout_manifest_parse(const struct json *manifest, struct layout_blob *ret_config,
			  struct layout_blob *ret_layer, struct err *err);
