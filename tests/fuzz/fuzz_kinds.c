/* The body of one record, for its kind's check. The first four bytes of the input are the tag; what
 * is no tag chooses a kind by the first of them. tests/fuzz/seeds holds records of real images. */
#include "fuzz.h"

#include "kind/kind.h"

static size_t count_kinds(void)
{
	size_t count = 0;

	while (kinds[count])
		count++;
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	const struct kind *kind;
	uint32_t tag;
	void *body;
	int r;

	if (size < sizeof(tag) || count_kinds() == 0)
		return 0;
	memcpy(&tag, data, sizeof(tag));
	kind = kind_by_tag(tag);
	if (!kind)
		kind = kinds[data[0] % count_kinds()];
	if (!kind->check)
		return 0;
	body = fuzz_copy(data + sizeof(tag), size - sizeof(tag));
	r = kind->check(body, size - sizeof(tag), &err);
	free(body);
	if (r != 0 && (r >= 0 || err.text[0] == '\0'))
		abort();
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	unsigned char *bytes = buf_append(seed, NULL, 4 + fuzz_random(random) % 65 * 4);
	uint32_t tag = kinds[fuzz_random(random) % count_kinds()]->tag;

	memcpy(bytes, &tag, sizeof(tag));
	for (uint64_t k = fuzz_random(random) % 8; seed->size > 8 && k > 0; k--) {
		uint64_t value = fuzz_value(random);

		memcpy(bytes + 4 + fuzz_random(random) % (seed->size / 4 - 1) * 4, &value, 4);
	}
}
