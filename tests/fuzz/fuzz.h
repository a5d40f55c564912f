/* Shared by the fuzzers. With libFuzzer, they are entry points for it; with -DSTANDALONE, programs
 * that need no more than a compiler:
 *
 *   fuzz_NAME SECONDS [SEED...]
 *
 * mutates the seeds (without any, what the fuzzer makes itself) for so long and fails as the
 * sanitizers do. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What to begin with: each fuzzer makes its own. */
static void fuzz_seed(uint64_t *random, struct buf *seed);
/* A fuzzer that knows how its input is made defines FUZZ_ALTERS before it includes this, and alters
 * some of the inputs itself. Returns the new size; 0: the input is not of that form. */
#ifdef FUZZ_ALTERS
static size_t fuzz_alter(uint64_t *random, uint8_t *data, size_t size, size_t max_size);
#else
static inline size_t fuzz_alter(uint64_t *random, uint8_t *data, size_t size, size_t max_size)
{
	(void)random;
	(void)data;
	(void)size;
	(void)max_size;
	return 0;
}
#endif

/* A copy aligned for records, and not a byte longer: so that ASan sees the first one beyond. */
static inline void *fuzz_copy(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* ---- chance ---- */

static inline uint64_t fuzz_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline uint64_t fuzz_value(uint64_t *random)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		7,
		8,
		16,
		24,
		64,
		255,
		4095,
		4096,
		4097,
		1u << 20,
		INT32_MAX,
		UINT32_MAX,
		UINT32_MAX + 1ull,
		INT64_MAX,
		UINT64_MAX,
		UINT64_MAX - 4095,
	};
	uint64_t choice = fuzz_random(random) % (sizeof(values) / sizeof(*values) + 8);

	if (choice < sizeof(values) / sizeof(*values))
		return values[choice];
	return fuzz_random(random) >> fuzz_random(random) % 64;
}

#ifdef STANDALONE

#define RUNS_A_SEED 64

static inline void fuzz_mutate_once(struct buf *buf, uint64_t *random)
{
	size_t at = fuzz_random(random) % buf->size;
	size_t width = 1ull << fuzz_random(random) % 4;
	size_t from = fuzz_random(random) % buf->size;
	size_t size = fuzz_random(random) % 64;
	uint64_t value = fuzz_value(random);

	switch (fuzz_random(random) % 6) {
	case 0:
		buf->data[at] ^= (char)(1u << fuzz_random(random) % 8);
		break;
	case 1:
	case 2:
		at -= at % width;
		if (at + width <= buf->size)
			memcpy(buf->data + at, &value, width);
		break;
	case 3: /* copy a piece over another */
		if (at + size <= buf->size && from + size <= buf->size)
			memmove(buf->data + at, buf->data + from, size);
		break;
	case 4: /* cut off */
		if (fuzz_random(random) % 8 == 0)
			buf->size = at + 1;
		break;
	case 5: /* grow */
		if (fuzz_random(random) % 8 == 0)
			(void)buf_append(buf, NULL, size + 1);
		break;
	}
}

static inline void fuzz_read_seed(const char *path, struct buf *seed)
{
	FILE *file = fopen(path, "re");
	char piece[65536];
	size_t got;

	if (!file) {
		perror(path);
		exit(1);
	}
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
		(void)buf_append(seed, piece, got);
	(void)fclose(file);
}

static inline void fuzz_one(const struct buf *seed, uint64_t *random)
{
	auto_buf struct buf buf = BUF_EMPTY;

	(void)buf_append(&buf, seed->data, seed->size);
	for (uint64_t i = fuzz_random(random) % 6; i > 0 && buf.size > 0; i--) {
		size_t altered = 0;

		if (fuzz_random(random) % 4 != 0)
			altered = fuzz_alter(random, (uint8_t *)buf.data, buf.size, buf.size);
		if (altered > 0)
			buf.size = altered;
		else
			fuzz_mutate_once(&buf, random);
	}
	(void)LLVMFuzzerTestOneInput((const uint8_t *)buf.data, buf.size);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? strtol(argv[1], NULL, 10) : 10);
	uint64_t random = 0x9e3779b97f4a7c15ull ^ (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
	unsigned long runs = 0;

	(void)fprintf(stderr, "fuzzing from %#lx\n", (unsigned long)random);
	while (time(NULL) < end) {
		auto_buf struct buf seed = BUF_EMPTY;

		if (argc > 2)
			fuzz_read_seed(argv[2 + fuzz_random(&random) % (size_t)(argc - 2)], &seed);
		else
			fuzz_seed(&random, &seed);
		for (int i = 0; i < RUNS_A_SEED; i++, runs++)
			fuzz_one(&seed, &random);
	}
	(void)printf("ok %s: %lu runs\n", argv[0], runs);
	return 0;
}

#else

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* libFuzzer's own mutations, and now and then something fresh to begin with. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	auto_buf struct buf fresh = BUF_EMPTY;
	uint64_t random = seed | 1ull << 40;

	(void)fuzz_random(&random);
	if (size > 1 && seed % 1024 != 0) {
		size_t altered = 0;

		if (seed % 4 != 0)
			altered = fuzz_alter(&random, data, size, max_size);
		return altered > 0 ? altered : LLVMFuzzerMutate(data, size, max_size);
	}
	fuzz_seed(&random, &fresh);
	if (fresh.size > max_size)
		fresh.size = max_size;
	memcpy(data, fresh.data, fresh.size);
	return fresh.size;
}

#endif
