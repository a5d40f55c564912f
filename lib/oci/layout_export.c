/* An image of ctckpt's is put into an image layout. Blobs get their names when they are whole, the
 * index last: whatever happens meanwhile, it names nothing but what is there. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/lock.h"
#include "core/sys.h"
#include "ctckpt/inspect.h"
#include "ctckpt/layout.h"
#include "dump/output.h"
#include "kind/support/tree.h"
#include "oci/layout.h"
#include "oci/tar.h"

struct export
{
	struct layout layout;
	int blobs; /* the directory of the blobs */
	int image;
	char *name;	  /* owned: the container's; empty: it had none */
	uint64_t created; /* seconds since the epoch */
	uint64_t size;	  /* of the image */
};

static void free_export(struct export *export)
{
	layout_free(&export->layout);
	drop_fd(&export->blobs);
	drop_fd(&export->image);
	free(export->name);
}
#define auto_export __attribute__((cleanup(free_export)))

/* ---- the image ---- */

static char *container_name(const struct image *image)
{
	const struct record *record = image_next(image, TAG_CONTAINER, NULL);
	const struct container_rec *rec = record ? record->body : NULL;

	return rec ? mem_copy(rec + 1, le32_get(rec->name_length)) : mem_string("");
}

static int look_at_image(struct export *export, const char *path, const struct image_limits *limits,
			 struct err *err)
{
	auto_image struct image *image = NULL;
	struct ctckpt_verify_result verified;
	struct stat stat;
	int r;

	export->image = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (export->image < 0 || fstat(export->image, &stat) < 0)
		return err_set(err, -errno, "open %s", path);
	if (!S_ISREG(stat.st_mode))
		return err_set(err, ERR_FAILED, "%s is not a file", path);
	r = ctckpt_verify(NULL, export->image, limits, &verified, err);
	if (r < 0)
		return r;
	if (lseek(export->image, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "read %s", path);
	r = image_read(export->image, limits ? limits : &image_default_limits, &image, err);
	if (r < 0)
		return r;
	export->name = container_name(image);
	export->created = image->created;
	export->size = verified.image_size;
	return 0;
}

/* RFC 3339. */
static void put_time(struct json *object, const char *key, uint64_t seconds)
{
	char text[sizeof("2026-01-02T03:04:05Z") + 16];
	time_t time = (time_t)seconds;
	struct tm tm;

	/* A year that has no four digits is nobody's. */
	if (seconds < 253402300800 && gmtime_r(&time, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		json_put_string(object, key, text);
}

/* ---- blobs ---- */

struct blob {
	struct output output;
	struct digest *digest;
	uint64_t size;
};

static void free_blob(struct blob *blob)
{
	output_free(&blob->output);
	digest_free(blob->digest);
}
#define auto_blob __attribute__((cleanup(free_blob)))

static int write_file(int fd, const void *data, size_t size, struct err *err)
{
	const char *at = data;

	while (size > 0) {
		ssize_t put = write(fd, at, size);

		if (put < 0 && errno != EINTR)
			return err_set(err, -errno, "write to the layout");
		at += put > 0 ? put : 0;
		size -= put > 0 ? (size_t)put : 0;
	}
	return 0;
}

static int write_blob(void *argument, const void *data, size_t size, struct err *err)
{
	struct blob *blob = argument;

	digest_add(blob->digest, data, size);
	blob->size += size;
	return write_file(blob->output.fd, data, size, err);
}

static int begin_blob(const struct export *export, struct blob *blob, struct err *err)
{
	*blob = (struct blob){ .output = OUTPUT_NONE, .digest = digest_new() };
	return output_open_at(export->blobs, "blob", true, &blob->output, err);
}

static int name_blob(struct blob *blob, const char *type, struct json **ret_row, struct err *err)
{
	char digest[DIGEST_SIZE];
	auto_free char *text = NULL;

	digest_take(blob->digest, digest);
	free(blob->output.name);
	blob->output.name = mem_string(digest);
	if (fsync(blob->output.fd) < 0)
		return err_set(err, -errno, "write to the layout");
	if (output_commit(&blob->output, err) < 0)
		return err->code;
	text = mem_printf("sha256:%s", digest);
	*ret_row = json_new_object();
	json_put_string(*ret_row, "mediaType", type);
	json_put_string(*ret_row, "digest", text);
	json_put_u64(*ret_row, "size", blob->size);
	return 0;
}

static int put_json(const struct export *export, const struct json *value, const char *type,
		    struct json **ret_row, struct err *err)
{
	auto_blob struct blob blob = { .output = OUTPUT_NONE };
	auto_free char *text = json_print(value, false);
	int r = begin_blob(export, &blob, err);

	if (r == 0)
		r = write_blob(&blob, text, strlen(text), err);
	return r == 0 ? name_blob(&blob, type, ret_row, err) : r;
}

/* ---- the layer ---- */

static int add_json(struct tar_writer *tar, const char *name, const struct json *value,
		    uint64_t time, struct err *err)
{
	auto_free char *text = json_print(value, true);
	int r = tar_add_file(tar, name, strlen(text), time, err);

	return r == 0 ? tar_add_bytes(tar, text, strlen(text), err) : r;
}

/* What podman says of a container. When it was made is not known: that it was there at its
 * checkpoint is. */
static int add_config_dump(const struct export *export, struct tar_writer *tar, struct err *err)
{
	auto_json struct json *config = json_new_object();

	json_put_string(config, "id", export->name);
	json_put_string(config, "name", export->name);
	json_put_string(config, "runtime", "ctckpt");
	put_time(config, "createdTime", export->created);
	put_time(config, "checkpointedTime", export->created);
	return add_json(tar, "config.dump", config, export->created, err);
}

/* As much of an OCI runtime configuration as there is without a bundle. The name is where
 * checkpointctl looks for that of a container of no engine that it knows. */
static int add_spec_dump(const struct export *export, struct tar_writer *tar, struct err *err)
{
	auto_json struct json *spec = json_new_object();
	struct json *annotations = json_new_object();

	json_put_string(spec, "ociVersion", "1.0.2");
	json_put_string(annotations, "io.container.manager", "ctckpt");
	if (*export->name)
		json_put_string(annotations, "io.kubernetes.cri.container-name", export->name);
	json_put(spec, "annotations", annotations);
	return add_json(tar, "spec.dump", spec, export->created, err);
}

static int add_image(const struct export *export, struct tar_writer *tar, struct err *err)
{
	auto_free char *piece = mem_alloc(1 << 20, 1);
	int r = tar_add_directory(tar, "checkpoint/", export->created, err);

	if (r == 0)
		r = tar_add_file(tar, LAYOUT_MEMBER, export->size, export->created, err);
	for (uint64_t done = 0; r == 0 && done < export->size;) {
		uint64_t left = export->size - done;
		ssize_t got = pread(export->image, piece, left < 1 << 20 ? (size_t)left : 1 << 20,
				    (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, got < 0 ? -errno : ERR_DAMAGED, "read the image");
		r = tar_add_bytes(tar, piece, (size_t)got, err);
		done += (uint64_t)got;
	}
	return r;
}

static int put_layer(const struct export *export, struct json **ret_row, struct err *err)
{
	auto_blob struct blob blob = { .output = OUTPUT_NONE };
	auto_tar struct tar_writer *tar = NULL;
	int r = tar_prepare(err);

	if (r == 0)
		r = begin_blob(export, &blob, err);
	if (r < 0)
		return r;
	tar = tar_writer_new(write_blob, &blob);
	r = add_config_dump(export, tar, err);
	if (r == 0)
		r = add_spec_dump(export, tar, err);
	if (r == 0)
		r = add_image(export, tar, err);
	if (r == 0)
		r = tar_end(tar, err);
	return r == 0 ? name_blob(&blob, LAYOUT_LAYER, ret_row, err) : r;
}

/* ---- config and manifest ---- */

static int put_config(const struct export *export, const struct json *layer, struct json **ret_row,
		      struct err *err)
{
	auto_json struct json *config = json_new_object();
	struct json *rootfs = json_new_object();
	struct json *layers = json_new_array();
	struct json *history = json_new_array();
	struct json *step = json_new_object();

	put_time(config, "created", export->created);
	json_put_string(config, "architecture", "amd64");
	json_put_string(config, "os", "linux");
	json_put(config, "config", json_new_object());
	json_add_string(layers, json_get_string(json_get(layer, "digest")));
	json_put_string(rootfs, "type", "layers");
	json_put(rootfs, "diff_ids", layers);
	json_put(config, "rootfs", rootfs);
	put_time(step, "created", export->created);
	json_put_string(step, "created_by", "ctckpt export");
	json_add(history, step);
	json_put(config, "history", history);
	return put_json(export, config, LAYOUT_CONFIG, ret_row, err);
}

/* By what tools know a checkpoint. Not there: the name of an OCI runtime in podman's own words,
 * for which some versions of it start an image with what is saved in it instead of what they were
 * told; and all that would say that CRIU can read it. */
static struct json *make_annotations(const struct export *export)
{
	struct json *annotations = json_new_object();

	put_time(annotations, "org.opencontainers.image.created", export->created);
	json_put_string(annotations, "org.criu.checkpoint.engine.name", "ctckpt");
	json_put_string(annotations, "org.criu.checkpoint.engine.version", CTCKPT_VERSION);
	json_put_string(annotations, "org.criu.checkpoint.runtime.name", "ctckpt");
	json_put_string(annotations, "org.criu.checkpoint.runtime.version", CTCKPT_VERSION);
	json_put_string(annotations, "org.criu.checkpoint.host.arch", "amd64");
	json_put_string(annotations, "io.podman.annotations.checkpoint.host.arch", "amd64");
	if (!*export->name)
		return annotations;
	json_put_string(annotations, "org.criu.checkpoint.container.name", export->name);
	json_put_string(annotations, "io.podman.annotations.checkpoint.name", export->name);
	json_put_string(annotations, "io.kubernetes.cri-o.annotations.checkpoint.name",
			export->name);
	return annotations;
}

static int put_manifest(const struct export *export, struct json **ret_row, struct err *err)
{
	auto_json struct json *manifest = json_new_object();
	struct json *layers;
	struct json *config;
	struct json *layer;
	int r = put_layer(export, &layer, err);

	if (r < 0)
		return r;
	layers = json_new_array();
	json_add(layers, layer);
	json_put_u64(manifest, "schemaVersion", 2);
	json_put_string(manifest, "mediaType", LAYOUT_MANIFEST);
	r = put_config(export, layer, &config, err);
	if (r < 0) {
		json_free(layers);
		return r;
	}
	json_put(manifest, "config", config);
	json_put(manifest, "layers", layers);
	json_put(manifest, "annotations", make_annotations(export));
	return put_json(export, manifest, LAYOUT_MANIFEST, ret_row, err);
}

/* ---- the layout ---- */

static int put_file(int dir, const char *name, const struct json *value, struct err *err)
{
	auto_free char *text = json_print(value, false);
	auto_output struct output output = OUTPUT_NONE;
	int r = output_open_at(dir, name, true, &output, err);

	if (r == 0)
		r = write_file(output.fd, text, strlen(text), err);
	if (r == 0 && fsync(output.fd) < 0)
		r = err_set(err, -errno, "write %s", name);
	return r == 0 ? output_commit(&output, err) : r;
}

/* One that is a link leads to where whoever made the layout wants to have files of ours. */
static int make_directory(int parent, const char *name, int *ret_fd, struct err *err)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make %s in the layout", name);
	*ret_fd = sys_openat2(parent, name, &how);
	return *ret_fd < 0 ? err_set(err, -errno, "open %s in the layout", name) : 0;
}

static int open_blobs(struct export *export, struct err *err)
{
	auto_close int parent = -1;
	int r = make_directory(export->layout.dir, "blobs", &parent, err);

	return r < 0 ? r : make_directory(parent, "sha256", &export->blobs, err);
}

/* A directory that has something else in it is left alone. */
static int check_empty(const struct layout *layout, struct err *err)
{
	auto_closedir DIR *dir = opendir(layout->path);
	const struct dirent *entry;

	if (!dir)
		return err_set(err, -errno, "read %s", layout->path);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return err_set(err, ERR_FAILED,
				       "%s is no image layout, and it is not empty", layout->path);
	}
	return 0;
}

static int make_layout(struct layout *layout, struct err *err)
{
	auto_json struct json *mark = json_new_object();
	auto_close int dir = -1;
	int r;

	if (mkdir(layout->path, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make %s", layout->path);
	dir = open(layout->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open %s", layout->path);
	if (faccessat(dir, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		r = check_empty(layout, err);
		json_put_string(mark, "imageLayoutVersion", "1.0.0");
		if (r == 0)
			r = put_file(dir, "oci-layout", mark, err);
		if (r < 0)
			return r;
	}
	return layout_open(layout, err);
}

static bool has_tag(const struct json *row, const char *tag)
{
	const char *name = json_get_string(json_get(json_get(row, "annotations"), LAYOUT_REF_NAME));

	return name && strcmp(name, tag) == 0;
}

/* All that was there, but for what had this tag. */
static int put_index(const struct layout *layout, struct json *row, struct err *err)
{
	auto_json struct json *old = NULL;
	auto_json struct json *index = NULL;
	struct json *annotations = json_new_object();
	struct json *rows = json_new_array();
	int r;

	json_put_string(annotations, LAYOUT_REF_NAME, layout->tag);
	json_put(row, "annotations", annotations);
	r = layout_index_read(layout, &old, err);
	if (r < 0 && r != -ENOENT) {
		json_free(rows);
		json_free(row);
		return r;
	}
	for (size_t i = 0; i < json_count(json_get(old, "manifests")); i++) {
		const struct json *other = json_element(json_get(old, "manifests"), i);

		if (!has_tag(other, layout->tag))
			json_add(rows, json_copy_without(other, NULL));
	}
	json_add(rows, row);
	index = old ? json_copy_without(old, NULL) : json_new_object();
	json_put_u64(index, "schemaVersion", 2);
	json_put(index, "manifests", rows);
	return put_file(layout->dir, "index.json", index, err);
}

/* Who changes the index meanwhile waits, if he asks as we do; and we for him, for a while. */
static int add_to_layout(struct export *export, struct ctckpt_layout_result *ret_result,
			 struct err *err)
{
	struct layout *layout = &export->layout;
	struct json *row;
	int r = make_layout(layout, err);

	if (r == 0)
		r = open_blobs(export, err);
	if (r < 0)
		return r;
	if (!layout->tag)
		layout->tag = mem_string("latest");
	r = put_manifest(export, &row, err);
	if (r < 0)
		return r;
	(void)snprintf(ret_result->digest, sizeof(ret_result->digest), "%s",
		       json_get_string(json_get(row, "digest")) + strlen("sha256:"));
	r = lock_wait(layout->dir, layout->path, LOCK_PATIENCE_MS, err);
	if (r < 0) {
		json_free(row);
		return r;
	}
	return put_index(layout, row, err);
}

int ctckpt_export(const char *image, const char *layout, const struct image_limits *limits,
		  struct ctckpt_layout_result *ret_result, struct err *err)
{
	auto_export struct export export = { .layout = LAYOUT_NONE, .blobs = -1, .image = -1 };
	int r = layout_parse(layout, &export.layout, err);

	if (r == 0)
		r = look_at_image(&export, image, limits, err);
	if (r == 0)
		r = add_to_layout(&export, ret_result, err);
	if (r == 0)
		ret_result->image_size = export.size;
	return r;
}
