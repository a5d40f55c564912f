/* Image layouts: by the first byte, an index, a manifest, or the archive of a layer. */
#include "fuzz.h"

#include "core/json.h"
#include "oci/layout.h"
#include "oci/tar.h"
#include "oci/tar_library.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

static int discard(void *argument, const void *data, size_t size, struct err *err)
{
	uint64_t *left = argument;

	(void)data;
	(void)err;
	MUST(size <= *left);
	*left -= size;
	return 0;
}

struct source {
	uint64_t left; /* of the member: what discard() takes */
	const void *data;
	size_t size;
};

static int next(void *argument, const void **ret_data, size_t *ret_size, struct err *err)
{
	struct source *source = argument;

	(void)err;
	*ret_data = source->data;
	*ret_size = source->size;
	source->size = 0;
	return 0;
}

static void read_layer(const void *data, size_t size)
{
	struct source source = { 1 << 20, data, size };
	const struct tar_search search = { LAYOUT_MEMBER, 1 << 20, next, discard, &source };
	struct err err = ERR_NONE;
	int r = tar_library_load(&err);

	MUST(r == 0);
	r = tar_find(&search, &err);

	MUST(r == 0 || (r < 0 && err.text[0] != '\0'));
}

static void read_value(const char *data, size_t size, bool is_index)
{
	struct layout layout = { .path = (char *)"d", .tag = (char *)"v1", .dir = -1 };
	auto_json struct json *value = NULL;
	struct layout_blob first;
	struct layout_blob second;
	struct err err = ERR_NONE;
	int r = json_parse(data, size, &value, &err);

	if (r < 0)
		return;
	if (is_index)
		r = layout_index_find(&layout, value, &first, &err);
	else
		r = layout_manifest_parse(value, &first, &second, &err);
	MUST(r == 0 || err.text[0] != '\0');
	MUST(r < 0 || strspn(first.digest, "0123456789abcdef") == DIGEST_SIZE - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy;

	if (size == 0)
		return 0;
	copy = fuzz_copy(data + 1, size - 1);
	if (data[0] % 3 == 2)
		read_layer(copy, size - 1);
	else
		read_value(copy, size - 1, data[0] % 3);
	free(copy);
	return 0;
}

#define BLOB(type)                                                                                 \
	"{\"mediaType\":\"" type "\",\"size\":1,\"digest\":\"sha256:"                              \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"annotations\":"      \
	"{\"" LAYOUT_REF_NAME "\":\"v1\"}}"

static int append(void *argument, const void *data, size_t size, struct err *err)
{
	(void)err;
	(void)buf_append(argument, data, size);
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	char kind = (char)(fuzz_random(random) % 3);
	struct tar_writer *tar;
	struct err err = ERR_NONE;

	(void)buf_append(seed, &kind, 1);
	if (kind == 0)
		buf_printf(seed, "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}",
			   BLOB(LAYOUT_CONFIG), BLOB(LAYOUT_LAYER));
	if (kind == 1)
		buf_printf(seed, "{\"schemaVersion\":2,\"manifests\":[%s]}", BLOB(LAYOUT_MANIFEST));
	if (kind < 2)
		return;
	if (tar_prepare(&err) < 0)
		abort();
	tar = tar_writer_new(append, seed);
	(void)tar_add_directory(tar, "checkpoint/", 1, &err);
	(void)tar_add_file(tar, LAYOUT_MEMBER, 4, 1, &err);
	(void)tar_add_bytes(tar, "abcd", 4, &err);
	(void)tar_end(tar, &err);
	tar_writer_free(tar);
}
