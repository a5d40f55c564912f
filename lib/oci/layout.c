/* Image layouts, as far as they are read. See layout.h. */
#include "oci/layout.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"

void layout_free(struct layout *layout)
{
	free(take_ptr(layout->path));
	free(take_ptr(layout->tag));
	drop_fd(&layout->dir);
}

/* As registries have them. */
static bool is_tag(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	size_t length = strlen(text);

	return length > 0 && length <= 128 && strspn(text, letters) == length && text[0] != '.' &&
	       text[0] != '-';
}

int layout_parse(const char *text, struct layout *ret_layout, struct err *err)
{
	const char *path = text + strlen("oci:");
	const char *colon;

	if (strncmp(text, "oci:", strlen("oci:")) != 0 || *path == '\0' || *path == ':') {
		(void)err_set(err, ERR_USAGE, "%s is not the name of an image layout", text);
		return err_hint(err, "oci:DIR or oci:DIR:TAG");
	}
	colon = strchr(path, ':');
	if (colon && !is_tag(colon + 1)) {
		(void)err_set(err, ERR_USAGE, "%s is not a tag", colon + 1);
		return err_hint(err, "up to 128 letters, digits, underscores, dots and hyphens; "
				     "the first is a letter, digit or underscore");
	}
	*ret_layout = (struct layout){
		.path = colon ? mem_copy(path, (size_t)(colon - path)) : mem_string(path),
		.tag = colon ? mem_string(colon + 1) : NULL,
		.dir = -1,
	};
	return 0;
}

/* Beneath the directory, through no link, without blocking; only what is a file, or a directory. */
static int open_beneath(const struct layout *layout, const char *name, int *ret_fd,
			uint64_t *ret_size)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
				.resolve =
				    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	auto_close int fd = sys_openat2(layout->dir, name, &how);
	struct stat stat;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return -ESTALE;
	*ret_size = (uint64_t)stat.st_size;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A whole file of at most LAYOUT_JSON_MAX bytes. */
static int read_small(int fd, uint64_t size, struct buf *ret_text, struct err *err)
{
	if (size > LAYOUT_JSON_MAX)
		return err_set(err, ERR_REFUSED, "%" PRIu64 " bytes, of at most %u", size,
			       LAYOUT_JSON_MAX);
	while (ret_text->size < size) {
		char piece[1 << 16];
		size_t left = (size_t)size - ret_text->size;
		ssize_t got = read(fd, piece, left < sizeof(piece) ? left : sizeof(piece));

		if (got < 0 && errno != EINTR)
			return err_set(err, -errno, "read");
		if (got == 0)
			return err_set(err, ERR_DAMAGED, "it became shorter");
		if (got > 0)
			(void)buf_append(ret_text, piece, (size_t)got);
	}
	return 0;
}

static int parse_json(const struct buf *text, struct json **ret_value, struct err *err)
{
	if (json_parse(text->data ? text->data : "", text->size, ret_value, err) == 0)
		return 0;
	err->code = ERR_DAMAGED;
	return err->code;
}

/* One of the two files that have names of their own. */
static int read_named(const struct layout *layout, const char *name, struct json **ret_value,
		      struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int fd = -1;
	uint64_t size;
	int r = open_beneath(layout, name, &fd, &size);

	if (r < 0)
		return r == -ESTALE ? err_set(err, ERR_DAMAGED, "%s is no file", name)
				    : err_set(err, r, "open %s", name);
	r = read_small(fd, size, &text, err);
	if (r == 0)
		r = parse_json(&text, ret_value, err);
	return r < 0 ? err_wrap(err, "%s", name) : 0;
}

int layout_open(struct layout *layout, struct err *err)
{
	auto_json struct json *mark = NULL;
	const char *version;
	int r;

	layout->dir = open(layout->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layout->dir < 0)
		return err_set(err, -errno, "open %s", layout->path);
	r = read_named(layout, "oci-layout", &mark, err);
	if (r < 0)
		return err_wrap(err, "%s is no image layout", layout->path);
	version = json_get_string(json_get(mark, "imageLayoutVersion"));
	if (!version || strcmp(version, "1.0.0") != 0)
		return err_set(err, ERR_REFUSED, "%s: layout of version %s, not 1.0.0",
			       layout->path, version ? version : "(none)");
	return 0;
}

int layout_index_read(const struct layout *layout, struct json **ret_index, struct err *err)
{
	auto_json struct json *index = NULL;
	int r = read_named(layout, "index.json", &index, err);
	uint64_t version;

	if (r < 0)
		return r;
	if (!json_get_u64(json_get(index, "schemaVersion"), &version) || version != 2 ||
	    !json_holds_array(json_get(index, "manifests")))
		return err_set(err, ERR_DAMAGED, "index.json is not of version 2");
	*ret_index = take_ptr(index);
	return 0;
}

/* ---- blobs ---- */

int layout_blob_parse(const struct json *value, struct layout_blob *ret_blob, struct err *err)
{
	static const char prefix[] = "sha256:";
	const char *digest = json_get_string(json_get(value, "digest"));
	struct layout_blob blob = { .type = json_get_string(json_get(value, "mediaType")) };

	if (!digest || strncmp(digest, prefix, strlen(prefix)) != 0)
		return err_set(err, ERR_DAMAGED, "a blob has no SHA-256 digest");
	digest += strlen(prefix);
	if (strlen(digest) != DIGEST_SIZE - 1 ||
	    strspn(digest, "0123456789abcdef") != DIGEST_SIZE - 1)
		return err_set(err, ERR_DAMAGED, "the digest of a blob is not hexadecimal");
	memcpy(blob.digest, digest, DIGEST_SIZE);
	if (!json_get_u64(json_get(value, "size"), &blob.size) || blob.size > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "blob %s has no size", blob.digest);
	if (!blob.type)
		return err_set(err, ERR_DAMAGED, "blob %s has no type", blob.digest);
	*ret_blob = blob;
	return 0;
}

int layout_blob_open(const struct layout *layout, const struct layout_blob *blob, int *ret_fd,
		     struct err *err)
{
	char name[sizeof("blobs/sha256/") + DIGEST_SIZE];
	auto_close int fd = -1;
	uint64_t size;
	int r;

	(void)snprintf(name, sizeof(name), "blobs/sha256/%s", blob->digest);
	r = open_beneath(layout, name, &fd, &size);
	if (r == -ENOENT || r == -ESTALE || r == -ELOOP)
		return err_set(err, ERR_DAMAGED, "blob %s is not there", blob->digest);
	if (r < 0)
		return err_set(err, r, "open blob %s", blob->digest);
	if (size != blob->size)
		return err_set(err, ERR_DAMAGED, "blob %s has %" PRIu64 " bytes, not %" PRIu64,
			       blob->digest, size, blob->size);
	*ret_fd = take_fd(&fd);
	return 0;
}

int layout_blob_read(const struct layout *layout, const struct layout_blob *blob,
		     struct json **ret_value, struct err *err)
{
	auto_digest struct digest *digest = digest_new();
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int fd = -1;
	char found[DIGEST_SIZE];
	int r = layout_blob_open(layout, blob, &fd, err);

	if (r < 0)
		return r;
	r = read_small(fd, blob->size, &text, err);
	if (r < 0)
		return err_wrap(err, "blob %s", blob->digest);
	digest_add(digest, text.data ? text.data : "", text.size);
	digest_take(digest, found);
	if (strcmp(found, blob->digest) != 0)
		return err_set(err, ERR_DAMAGED, "blob %s is damaged: its digest is %s",
			       blob->digest, found);
	r = parse_json(&text, ret_value, err);
	return r < 0 ? err_wrap(err, "blob %s", blob->digest) : 0;
}

/* ---- which image ---- */

static const char *ref_name(const struct json *row)
{
	return json_get_string(json_get(json_get(row, "annotations"), LAYOUT_REF_NAME));
}

static int not_found(const struct layout *layout, size_t found, size_t count, struct err *err)
{
	if (layout->tag && found > 1)
		return err_set(err, ERR_DAMAGED, "tag %s is there %zu times", layout->tag, found);
	if (layout->tag)
		return err_set(err, ERR_FAILED, "there is no tag %s in %s", layout->tag,
			       layout->path);
	(void)err_set(err, ERR_USAGE, "there are %zu images in %s", count, layout->path);
	return count == 0 ? err->code : err_hint(err, "name one: oci:%s:TAG", layout->path);
}

int layout_index_find(const struct layout *layout, const struct json *index,
		      struct layout_blob *ret_blob, struct err *err)
{
	const struct json *rows = json_get(index, "manifests");
	const struct json *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_element(rows, i);
		const char *name = ref_name(row);

		if (layout->tag && (!name || strcmp(name, layout->tag) != 0))
			continue;
		found = row;
		count++;
	}
	if (count != 1)
		return not_found(layout, count, json_count(rows), err);
	if (layout_blob_parse(found, ret_blob, err) < 0)
		return err->code;
	if (strcmp(ret_blob->type, LAYOUT_MANIFEST) != 0)
		return err_set(err, ERR_REFUSED, "images of type %s are not supported",
			       ret_blob->type);
	return 0;
}

static bool is_layer(const char *type)
{
	return strcmp(type, LAYOUT_LAYER) == 0 || strcmp(type, LAYOUT_LAYER "+gzip") == 0 ||
	       strcmp(type, LAYOUT_LAYER "+zstd") == 0;
}

int layout_manifest_parse(const struct json *manifest, struct layout_blob *ret_config,
			  struct layout_blob *ret_layer, struct err *err)
{
	const struct json *layers = json_get(manifest, "layers");
	uint64_t version;
	int r;

	if (!json_get_u64(json_get(manifest, "schemaVersion"), &version) || version != 2 ||
	    !json_holds_array(layers))
		return err_set(err, ERR_DAMAGED, "the manifest is not of version 2");
	r = layout_blob_parse(json_get(manifest, "config"), ret_config, err);
	if (r < 0)
		return err_wrap(err, "config");
	if (json_count(layers) != 1)
		return err_set(err, ERR_REFUSED,
			       "an image of %zu layers, not one: it is no image of ctckpt's",
			       json_count(layers));
	r = layout_blob_parse(json_element(layers, 0), ret_layer, err);
	if (r < 0)
		return err_wrap(err, "layer");
	if (!is_layer(ret_layer->type))
		return err_set(err, ERR_REFUSED, "layers of type %s are not supported",
			       ret_layer->type);
	return 0;
}
