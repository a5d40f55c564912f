/* Images of ctckpt's in OCI image layouts, which other tools copy to registries and from there. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "image/image.h"

struct ctckpt_layout_result {
	char digest[65];     /* of the manifest, SHA-256 */
	uint64_t image_size; /* bytes of ctckpt's file */
};

/* `layout` is "oci:DIR" (then the tag is "latest") or "oci:DIR:TAG". The directory is made; one
 * that is there must be a layout. An image with that tag is replaced when the new one is whole; its
 * blobs stay. `limits` NULL: image_default_limits. */
int ctckpt_export(const char *image, const char *layout, const struct image_limits *limits,
		  struct ctckpt_layout_result *ret_result, struct err *err);
/* To the path `image`, or to fd if it is "-". Without a tag, the layout has one image. The bytes
 * are those that were exported; a file is verified as an image before it gets its name. */
int ctckpt_import(const char *layout, const char *image, int fd, bool force,
		  const struct image_limits *limits, struct ctckpt_layout_result *ret_result,
		  struct err *err);
