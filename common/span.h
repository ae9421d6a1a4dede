#ifndef GMT_COMMON_SPAN_H
#define GMT_COMMON_SPAN_H

/* What the members of a span say: who records a span and who reads the record must agree. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A span as a cache takes it: members of mspan (runtime/mheap.go). */
struct span_slots {
	uint64_t nelems, freeindex;
	uint64_t alloc_cache;  /* a bit for each free slot from freeindex on, to the end of its word
				*/
	const uint64_t *words; /* of allocBits: a bit for each slot that is not free */
	size_t n_words;	       /* 0: not known */
};

/* The slot that is given out next. False: there is none, or it is not told. */
bool span_first_free(const struct span_slots *span, uint64_t *slot);

/* The sweep that a span's bits are of. In a cache its generation is 3 more than when it was swept.
 */
static inline uint32_t span_swept(uint32_t sweepgen)
{
	return sweepgen & 1 ? sweepgen - 3 : sweepgen;
}

/* Whether generation a is later than b: they count on and on. */
static inline bool span_is_later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

#endif
