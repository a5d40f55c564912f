/* Programs of 32 bits, which run in the processor's compatibility mode. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "image/image.h"
#include "image/record.h"

#define TAG_COMPAT TAG('C', 'M', 'P', 'T')
#define TAG_TLS	   TAG('T', 'L', 'S', 'G')

/* Is this saved process one? */
static inline bool compat_is_32(const struct image *image, uint32_t task)
{
	return image_find(image, TAG_COMPAT, task) != NULL;
}

/* Their calls, asm/unistd_32.h. */
enum {
	NR32_RT_SIGACTION = 174,
	NR32_SET_THREAD_AREA = 243,
	NR32_SET_ROBUST_LIST = 311,
	NR32_GET_ROBUST_LIST = 312,
};

/* Selectors that mean the same in every process, but for those of thread-local storage, which the
 * kind tls gives back: null, the kernel's segments of user mode, the number of the processor. */
static inline bool compat_is_selector(uint64_t selector)
{
	switch (selector) {
	case 0 ... 3:
	case 0x23: /* code of 32 bits */
	case 0x2b: /* data */
	case 0x33: /* code of 64 bits */
	case 0x63: /* thread-local storage */
	case 0x6b:
	case 0x73:
	case 0x7b: /* the number of the processor */
		return true;
	default:
		return false;
	}
}
