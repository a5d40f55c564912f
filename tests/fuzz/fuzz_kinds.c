/* The body of one record, for its kind's check. The first byte of the input chooses the kind. */
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
	void *body;
	int r;

	if (size == 0 || count_kinds() == 0)
		return 0;
	kind = kinds[data[0] % count_kinds()];
	if (!kind->check)
		return 0;
	body = fuzz_copy(data + 1, size - 1);
	r = kind->check(body, size - 1, &err);
	free(body);
	if (r != 0 && (r >= 0 || err.text[0] == '\0'))
		abort();
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	unsigned char *bytes = buf_append(seed, NULL, 1 + fuzz_random(random) % 65 * 4);

	bytes[0] = (unsigned char)fuzz_random(random);
	for (uint64_t k = fuzz_random(random) % 8; seed->size > 8 && k > 0; k--) {
		uint64_t value = fuzz_value(random);

		memcpy(bytes + 1 + fuzz_random(random) % (seed->size / 4) * 4, &value, 4);
	}
}
