/* Images whose checksums were mended after they were altered: what is behind the checksums refuses
 * them. Limits as users write them. */
#include "../fuzz/reading.h"
#include "image_test.h"

#include "image/checksum.h"
#include "image/compress.h"
#include "image/format.h"
#include "image/limits.h"
#include "image/tail.h"

/* ---- what is altered ---- */

struct forged {
	char *bytes; /* owned */
	size_t size;
	struct image_header *header;
	struct record_header *last; /* META_END */
	struct image_metadata_end *end;
	struct image_trailer *trailer;
	struct image_index *index;
};

static struct forged forged_new(struct unit *unit, enum image_compression compression)
{
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	struct forged forged;
	size_t metadata;

	EXPECT_OK(unit, write_image(fd, compression, 2 * IMAGE_PAGE, &err), &err);
	forged.bytes = file_bytes(fd, &forged.size);
	forged.header = (struct image_header *)forged.bytes;
	metadata = le64_get(forged.header->metadata_size);
	forged.end = (struct image_metadata_end *)(forged.bytes + metadata) - 1;
	forged.last = (struct record_header *)forged.end - 1;
	forged.trailer = (struct image_trailer *)(forged.bytes + forged.size) - 1;
	forged.index = (struct image_index *)(forged.bytes + forged.size - image_tail_size(1));
	return forged;
}

static int forged_read(const struct forged *forged, struct err *err)
{
	auto_close int fd = file_of(forged->bytes, forged->size);

	return reading_whole(fd, forged->bytes, forged->size, false, err);
}

typedef void alter_fn(struct forged *forged);

/* Altered, with all checksums mended, it is refused with this text. */
static void expect_mended(struct unit *unit, enum image_compression compression, alter_fn *alter,
			  const char *text)
{
	struct forged forged = forged_new(unit, compression);
	struct err err = ERR_NONE;

	alter(&forged);
	image_mend(forged.bytes, forged.size);
	EXPECT_ERR(unit, forged_read(&forged, &err), ERR_DAMAGED, text, &err);
	free(forged.bytes);
}

/* ---- metadata ---- */

static void alter_end_version(struct forged *forged)
{
	forged->last->version = le16_make(2);
}

static void alter_end_count(struct forged *forged)
{
	forged->end->record_count = le64_make(5);
}

static void alter_end_tag(struct forged *forged)
{
	forged->last->tag = le32_make(TAG_NUMBER);
}

static void alter_metadata_size(struct forged *forged)
{
	forged->header->metadata_size = le64_make(le64_get(forged->header->metadata_size) + 8);
}

static void alter_end_length(struct forged *forged)
{
	forged->last->length = le32_make(sizeof(*forged->end) - 8);
}

static void alter_end_id(struct forged *forged)
{
	forged->last->id = le32_make(1);
}

static void alter_end_flags(struct forged *forged)
{
	forged->last->flags = le16_make(0);
}

static void alter_pages_size(struct forged *forged)
{
	forged->header->pages_size = le64_make(IMAGE_PAGES_MAX + IMAGE_PAGE);
}

static void alter_body(struct forged *forged)
{
	((struct record_header *)(forged->header + 1))->length = le32_make(1 << 20);
}

static void metadata(struct unit *unit)
{
	expect_mended(unit, IMAGE_PLAIN, alter_end_length, "malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_end_id, "malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_end_flags, "malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_pages_size, "impossible size of pages");
	expect_mended(unit, IMAGE_PLAIN, alter_body, "cut off");
	expect_mended(unit, IMAGE_PLAIN, alter_end_version, "malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_end_count, "5 records announced, 4 there");
	expect_mended(unit, IMAGE_PLAIN, alter_end_tag, "cut off");
	expect_mended(unit, IMAGE_PLAIN, alter_metadata_size, "8 bytes behind the end of metadata");
}

/* What stands behind its end is none of it. */
static void no_header(struct unit *unit)
{
	struct forged forged = forged_new(unit, IMAGE_PLAIN);
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;

	forged.bytes[sizeof(struct image_header) - 1] ^= 1;
	EXPECT_ERR(unit,
		   image_parse(forged.bytes, sizeof(struct image_header) - 1, &image_default_limits,
			       &image, &err),
		   ERR_DAMAGED, "image is cut off at offset ", &err);
	free(forged.bytes);
}

static void metadata_checksum(struct unit *unit)
{
	struct forged forged = forged_new(unit, IMAGE_PLAIN);
	struct err err = ERR_NONE;

	forged.end->checksum = le64_make(le64_get(forged.end->checksum) + 1);
	forged.last->checksum = le64_make(image_record_checksum(forged.last, forged.end));
	EXPECT_ERR(unit, forged_read(&forged, &err), ERR_DAMAGED, "wrong checksum of metadata",
		   &err);
	free(forged.bytes);
}

/* ---- index and trailer ---- */

static void alter_index(struct forged *forged)
{
	forged->index->reserved = le32_make(1);
}

static void alter_index_tag(struct forged *forged)
{
	forged->index->tag = le32_make(TAG_NUMBER);
}

static void alter_index_count(struct forged *forged)
{
	forged->index->block_count = le64_make(2);
}

static void alter_magic(struct forged *forged)
{
	forged->trailer->magic[0] ^= 1;
}

static void alter_trailer_blocks(struct forged *forged)
{
	forged->trailer->block_count = le64_make(0);
}

static void alter_trailer_pages(struct forged *forged)
{
	forged->trailer->pages_size = le64_make(IMAGE_PAGE);
}

static void alter_trailer_size(struct forged *forged)
{
	forged->trailer->image_size = le64_make(forged->size + 8);
}

static void alter_trailer_count(struct forged *forged)
{
	forged->trailer->record_count = le64_make(5);
}

static void alter_trailer_reserved(struct forged *forged)
{
	forged->trailer->reserved = le64_make(1);
}

static void tail(struct unit *unit)
{
	expect_mended(unit, IMAGE_PLAIN, alter_index, "index of pages: malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_index_tag, "index of pages: malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_index_count, "index of pages: malformed");
	expect_mended(unit, IMAGE_PLAIN, alter_magic, "image has no end: cut off, or not finished");
	expect_mended(unit, IMAGE_PLAIN, alter_trailer_blocks, "end of image: counts do not agree");
	expect_mended(unit, IMAGE_PLAIN, alter_trailer_pages, "end of image: counts do not agree");
	expect_mended(unit, IMAGE_PLAIN, alter_trailer_size, "end of image: counts do not agree");
	expect_mended(unit, IMAGE_PLAIN, alter_trailer_count, "end of image: counts do not agree");
	expect_mended(unit, IMAGE_PLAIN, alter_trailer_reserved, "end of image: unknown bits");
}

/* The trailer's own checksums are right. */
static void index_checksum(struct unit *unit)
{
	struct forged forged = forged_new(unit, IMAGE_PLAIN);
	struct image_trailer *trailer = forged.trailer;
	struct err err = ERR_NONE;

	forged.index->checksum = le64_make(le64_get(forged.index->checksum) + 1);
	trailer->content_checksum =
	    le64_make(image_content_checksum(le64_get(forged.end->checksum), forged.index, 1));
	trailer->checksum = le64_make(checksum(trailer, offsetof(struct image_trailer, checksum)));
	EXPECT_ERR(unit, forged_read(&forged, &err), ERR_DAMAGED, "index of pages: wrong checksum",
		   &err);
	free(forged.bytes);
}

/* Only the trailer's own checksum is right. */
static void whole_checksum(struct unit *unit)
{
	struct forged forged = forged_new(unit, IMAGE_PLAIN);
	struct image_trailer *trailer = forged.trailer;
	struct err err = ERR_NONE;

	trailer->content_checksum = le64_make(le64_get(trailer->content_checksum) + 1);
	trailer->checksum = le64_make(checksum(trailer, offsetof(struct image_trailer, checksum)));
	EXPECT_ERR(unit, forged_read(&forged, &err), ERR_DAMAGED,
		   "end of image: wrong checksum of the whole", &err);
	free(forged.bytes);
}

/* ---- compressed blocks ---- */

static struct image_block *first_block(const struct forged *forged)
{
	uint64_t metadata_size = le64_get(forged->header->metadata_size);

	return (struct image_block *)(forged->bytes + image_align(metadata_size, IMAGE_PAGE));
}

static void alter_stored(struct forged *forged)
{
	struct image_block *block = first_block(forged);

	memset(block + 1, 0xff, le32_get(block->stored_length));
}

static void alter_length(struct forged *forged)
{
	first_block(forged)->stored_length = le32_make(2 * IMAGE_PAGE + 1);
}

static void alter_raw_length(struct forged *forged)
{
	first_block(forged)->raw_length = le32_make(IMAGE_PAGE);
}

static void alter_stored_length(struct forged *forged)
{
	first_block(forged)->stored_length = le32_make(0);
}

static void blocks(struct unit *unit)
{
	expect_mended(unit, IMAGE_LZ4, alter_raw_length, "pages: block 0: impossible length");
	expect_mended(unit, IMAGE_LZ4, alter_stored_length, "pages: block 0: impossible length");
	expect_mended(unit, IMAGE_LZ4, alter_stored, "pages: block 0: not lz4");
	expect_mended(unit, IMAGE_ZSTD, alter_stored, "pages: block 0: zstd: ");
	expect_mended(unit, IMAGE_LZ4, alter_length, "pages: block 0: impossible length");
}

/* What was packed is less than what is wanted. */
static void too_little(struct unit *unit, enum image_compression compression)
{
	struct compressor *compressor = compressor_new(compression, 0);
	struct decompressor *decompressor = decompressor_new(compression);
	char raw[IMAGE_PAGE] = { 0 }, packed[IMAGE_PAGE], room[2 * IMAGE_PAGE];
	struct err err = ERR_NONE;
	size_t size = 0;

	compressor_pack(compressor, raw, sizeof(raw), packed, &size);
	EXPECT(unit, size > 0);
	EXPECT_ERR(unit, decompressor_unpack(decompressor, packed, size, room, sizeof(room), &err),
		   ERR_DAMAGED, "4096 bytes instead of 8192", &err);
	decompressor_free(decompressor);
	compressor_free(compressor);
}

static void unpacked_size(struct unit *unit)
{
	too_little(unit, IMAGE_LZ4);
	too_little(unit, IMAGE_ZSTD);
}

/* Nobody could read it again. */
static void too_long(struct unit *unit)
{
	auto_close int fd = memory_file();
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	struct err err = ERR_NONE;
	uint64_t offset;
	size_t size = (size_t)RECORD_LENGTH_MAX + 1;
	/* Never touched. */
	void *body =
	    mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	image_writer_add(writer, TAG_NUMBER, 1, RECORD_REQUIRED, 7, body, size);
	EXPECT_ERR(unit, image_writer_begin(writer, &offset, &err), ERR_REFUSED,
		   "record TNUM 7: 268435457 bytes are more than an image can hold", &err);
	image_writer_free(writer);
	(void)munmap(body, size);
}

/* ---- limits ---- */

static void limit_texts(struct unit *unit)
{
	struct image_limits limits = image_default_limits;
	struct err err = ERR_NONE;

	EXPECT_OK(unit, image_limits_parse("tasks=100", &limits, &err), &err);
	EXPECT_OK(unit, image_limits_parse("pages=16G", &limits, &err), &err);
	EXPECT_OK(unit, image_limits_parse("metadata=3K", &limits, &err), &err);
	EXPECT(unit, limits.most[LIMIT_TASKS] == 100 && limits.most[LIMIT_PAGES] == 16ull << 30);
	EXPECT(unit, limits.most[LIMIT_METADATA] == 3072);
	EXPECT(unit, limits.most[LIMIT_RATIO] == image_default_limits.most[LIMIT_RATIO]);
}

static void wrong_limit_texts(struct unit *unit)
{
	static const char *const texts[] = {
		"tasks",     "tasks=",		"tasks=0",
		"tasks=-1",  "tasks=1K",	"pages=1X",
		"pages=1KK", "pages=99999999T", "pages=99999999999999999999"
	};
	struct image_limits limits = image_default_limits;
	struct err err = ERR_NONE;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		EXPECT_ERR(unit, image_limits_parse(texts[i], &limits, &err), ERR_USAGE,
			   "not a positive number", &err);
	/* What stands behind its end does not count. */
	EXPECT_ERR(unit, image_limits_parse("tasks\0005", &limits, &err), ERR_USAGE,
		   "limit tasks: not a positive number", &err);
	EXPECT_ERR(unit, image_limits_parse("task=1", &limits, &err), ERR_USAGE,
		   "limit task=1 is not known", &err);
	EXPECT(unit, memcmp(&limits, &image_default_limits, sizeof(limits)) == 0);
}

static void host_limits(struct unit *unit)
{
	struct image_limits limits = image_limits_of_host();

	EXPECT(unit, limits.most[LIMIT_PAGES] >= 1u << 20);
	EXPECT(unit, limits.most[LIMIT_TASKS] == image_default_limits.most[LIMIT_TASKS]);
}

static const struct unit_case cases[] = {
	{ "forged: metadata", metadata },
	{ "forged: no header", no_header },
	{ "forged: a record that is too long", too_long },
	{ "forged: checksum of the index", index_checksum },
	{ "forged: checksum of metadata", metadata_checksum },
	{ "forged: index and trailer", tail },
	{ "forged: checksum of the whole", whole_checksum },
	{ "forged: compressed blocks", blocks },
	{ "forged: size of what is unpacked", unpacked_size },
	{ "limits: texts", limit_texts },
	{ "limits: wrong texts", wrong_limit_texts },
	{ "limits: of the host", host_limits },
};

int main(void)
{
	return UNIT_RUN(cases);
}
