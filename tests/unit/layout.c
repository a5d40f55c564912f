/* Image layouts by an enemy: what is refused, and how it is said. */
#include "oci/layout.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "ctckpt/layout.h"
#include "oci/tar.h"
#include "unit.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BLOB(type, size)                                                                           \
	"{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":" size "}"
#define ROW(size) BLOB(LAYOUT_MANIFEST, size)
#define TAGGED(tag)                                                                                \
	"{\"mediaType\":\"" LAYOUT_MANIFEST "\",\"digest\":\"sha256:" HEX                          \
	"\",\"size\":1,\"annotations\":{\"" LAYOUT_REF_NAME "\":\"" tag "\"}}"

static void names(struct unit *unit)
{
	static const char *const bad[] = { "",	       "dir",	    "oci:",	 "oci::v1",
					   "oci:d:",   "oci:d:.",   "oci:d:-x",	 "oci:d:a/b",
					   "oci:d:..", "oci:d:a b", "oci:d:a:b", "docker://d" };
	auto_layout struct layout layout = LAYOUT_NONE;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct layout none = LAYOUT_NONE;

		EXPECT(unit, layout_parse(bad[i], &none, &err) == ERR_USAGE && !none.path);
	}
	EXPECT(unit, layout_parse("oci:a/b:v1.0_x-", &layout, &err) == 0);
	EXPECT_TEXT(unit, layout.path, "a/b");
	EXPECT_TEXT(unit, layout.tag, "v1.0_x-");
}

/* ---- index, manifest, blobs ---- */

struct text_case {
	const char *text;
	const char *error;
};

static struct json *parsed(const char *text)
{
	struct json *value = NULL;
	struct err err = ERR_NONE;

	(void)json_parse(text, strlen(text), &value, &err);
	return value;
}

static void blobs(struct unit *unit)
{
	static const struct text_case cases[] = {
		{ "[]", "a blob has no SHA-256 digest" },
		{ "{\"digest\":\"sha512:00\"}", "a blob has no SHA-256 digest" },
		{ "{\"digest\":\"sha256:../../../etc/passwd\"}",
		  "the digest of a blob is not hexadecimal" },
		{ "{\"digest\":\"sha256:" HEX "/x\"}", "the digest of a blob is not hexadecimal" },
		{ "{\"digest\":\"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789"
		  "abcdef\"}",
		  "the digest of a blob is not hexadecimal" },
		{ BLOB("t", "-1"), "blob " HEX " has no size" },
		{ BLOB("t", "\"1\""), "blob " HEX " has no size" },
		{ "{\"digest\":\"sha256:" HEX "\",\"size\":1}", "blob " HEX " has no type" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_json struct json *value = parsed(cases[i].text);
		struct layout_blob blob;
		struct err err = ERR_NONE;

		EXPECT(unit, layout_blob_parse(value, &blob, &err) == ERR_DAMAGED);
		EXPECT_TEXT(unit, err.text, cases[i].error);
	}
}

static void indices(struct unit *unit)
{
	static const struct text_case cases[] = {
		{ "{\"manifests\":[]}", "there are 0 images in d" },
		{ "{\"manifests\":[1]}", "a blob has no SHA-256 digest" },
		{ "{\"manifests\":[" ROW("1") "," ROW("1") "]}", "there are 2 images in d" },
		{ "{\"manifests\":[" BLOB("x/y", "1") "]}",
		  "images of type x/y are not supported" },
	};
	static const struct text_case tagged[] = {
		{ "{\"manifests\":[" ROW("1") "]}", "there is no tag a in d" },
		{ "{\"manifests\":[" TAGGED("a") "," TAGGED("a") "]}", "tag a is there 2 times" },
		{ "{\"manifests\":[" TAGGED("b") "," TAGGED("aa") "]}", "there is no tag a in d" },
	};
	struct layout layout = { .path = (char *)"d", .dir = -1 };

	for (size_t i = 0; i < 7; i++) {
		const struct text_case *c = i < 4 ? &cases[i] : &tagged[i - 4];
		auto_json struct json *value = parsed(c->text);
		struct layout_blob blob;
		struct err err = ERR_NONE;

		layout.tag = i < 4 ? NULL : (char *)"a";
		EXPECT(unit, layout_index_find(&layout, value, &blob, &err) < 0);
		EXPECT_TEXT(unit, err.text, c->error);
	}
}

static void manifests(struct unit *unit)
{
#define CONFIG "\"config\":" BLOB(LAYOUT_CONFIG, "2")
	static const struct text_case cases[] = {
		{ "{\"layers\":[]}", "the manifest is not of version 2" },
		{ "{\"schemaVersion\":2,\"layers\":{}}", "the manifest is not of version 2" },
		{ "{\"schemaVersion\":2,\"layers\":[]}", "config: a blob has no SHA-256 digest" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}",
		  "an image of 0 layers, not one: it is no image of ctckpt's" },
		{ "{\"schemaVersion\":2," CONFIG
		  ",\"layers\":[" BLOB(LAYOUT_LAYER, "1") "," BLOB(LAYOUT_LAYER, "1") "]}",
		  "an image of 2 layers, not one: it is no image of ctckpt's" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" BLOB(LAYOUT_LAYER "+xz", "1") "]}",
		  "layers of type " LAYOUT_LAYER "+xz are not supported" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_json struct json *value = parsed(cases[i].text);
		struct layout_blob config;
		struct layout_blob layer;
		struct err err = ERR_NONE;

		EXPECT(unit, layout_manifest_parse(value, &config, &layer, &err) < 0);
		EXPECT_TEXT(unit, err.text, cases[i].error);
	}
}

/* ---- the layer ---- */

struct bytes {
	struct buf in, out;
	size_t done;
};

static int append(void *argument, const void *data, size_t size, struct err *err)
{
	(void)err;
	(void)buf_append(argument, data, size);
	return 0;
}

static int keep(void *argument, const void *data, size_t size, struct err *err)
{
	return append(&((struct bytes *)argument)->out, data, size, err);
}

static int next(void *argument, const void **ret_data, size_t *ret_size, struct err *err)
{
	struct bytes *bytes = argument;

	(void)err;
	*ret_data = bytes->in.data + bytes->done;
	*ret_size = bytes->in.size - bytes->done;
	bytes->done = bytes->in.size;
	return 0;
}

static void add(struct buf *buf, const char *name, const char *content)
{
	struct tar_writer *tar;
	struct err err = ERR_NONE;

	(void)tar_prepare(&err);
	tar = tar_writer_new(append, buf);
	(void)tar_add_directory(tar, "checkpoint/", 1, &err);
	(void)tar_add_file(tar, name, strlen(content), 1, &err);
	(void)tar_add_bytes(tar, content, strlen(content), &err);
	(void)tar_end(tar, &err);
	tar_writer_free(tar);
}

/* Offsets of the ustar header, which starts behind that of the directory. */
enum { HEADER = 512, TYPE = HEADER + 156, LINK = HEADER + 157, SUM = HEADER + 148 };

static void sum_again(struct buf *buf)
{
	unsigned int sum = 0;

	memset(buf->data + SUM, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)buf->data[HEADER + i];
	(void)snprintf(buf->data + SUM, 8, "%06o", sum);
}

static int look(struct bytes *bytes, uint64_t most, struct err *err)
{
	const struct tar_search search = { LAYOUT_MEMBER, most, next, keep, bytes };
	int r;

	*err = ERR_NONE;
	bytes->done = 0;
	buf_clear(&bytes->out);
	r = tar_find(&search, err);
	(void)buf_append(&bytes->out, "", 1);
	return r;
}

static void free_bytes(struct bytes *bytes)
{
	buf_free(&bytes->in);
	buf_free(&bytes->out);
}

static void layers(struct unit *unit)
{
	auto_with(free_bytes) struct bytes bytes = { .done = 0 };
	struct err err;

	add(&bytes.in, LAYOUT_MEMBER, "content");
	EXPECT(unit, look(&bytes, 7, &err) == 0);
	EXPECT_TEXT(unit, bytes.out.data, "content");
	EXPECT(unit, look(&bytes, 6, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text, "layer: more than 6 bytes");
	bytes.in.size = HEADER + 512 + 3;
	EXPECT(unit, look(&bytes, 100, &err) == ERR_DAMAGED);
	buf_clear(&bytes.in);
	(void)buf_append(&bytes.in, "no archive", 11);
	EXPECT(unit, look(&bytes, 100, &err) == ERR_DAMAGED);
	buf_clear(&bytes.in);
	EXPECT(unit, look(&bytes, 100, &err) < 0);
	add(&bytes.in, "x/" LAYOUT_MEMBER, "content");
	EXPECT(unit, look(&bytes, 100, &err) == ERR_REFUSED);
	EXPECT_TEXT(unit, err.text,
		    "there is no " LAYOUT_MEMBER " in the layer: it is no image of ctckpt's");
}

static void links(struct unit *unit)
{
	static const char types[] = "123467";

	for (const char *type = types; *type; type++) {
		auto_with(free_bytes) struct bytes bytes = { .done = 0 };
		struct err err;

		add(&bytes.in, LAYOUT_MEMBER, "");
		bytes.in.data[TYPE] = *type;
		memcpy(bytes.in.data + LINK, "/etc/passwd", 12);
		sum_again(&bytes.in);
		/* 7 is a file that is to be contiguous on the disk. */
		EXPECT(unit, look(&bytes, 100, &err) == (*type == '7' ? 0 : ERR_DAMAGED));
		EXPECT(unit, bytes.out.data[0] == '\0');
		if (*type != '7')
			EXPECT_TEXT(unit, err.text,
				    "layer: a member is neither file nor directory");
	}
}

static void twice(struct unit *unit)
{
	auto_with(free_bytes) struct bytes bytes = { .done = 0 };
	auto_buf struct buf second = BUF_EMPTY;
	struct err err;

	add(&bytes.in, "./" LAYOUT_MEMBER, "first");
	add(&second, LAYOUT_MEMBER, "second");
	bytes.in.size = 3 * 512;
	(void)buf_append(&bytes.in, second.data, second.size);
	EXPECT(unit, look(&bytes, 100, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "layer: " LAYOUT_MEMBER " is there twice");
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(names),  UNIT_CASE(blobs), UNIT_CASE(indices), UNIT_CASE(manifests),
		UNIT_CASE(layers), UNIT_CASE(links), UNIT_CASE(twice),
	};

	return UNIT_RUN(cases);
}
