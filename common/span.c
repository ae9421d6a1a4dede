#include "common/span.h"

#define WORD 64

bool span_first_free(const struct span_slots *span, uint64_t *slot)
{
	if (span->freeindex >= span->nelems)
		return false;
	if (span->alloc_cache) {
		*slot = span->freeindex + (uint64_t)__builtin_ctzll(span->alloc_cache);
		return *slot < span->nelems;
	}
	/* The cache is of the word that freeindex is in: it lies in a later one. */
	for (size_t w = span->freeindex / WORD + 1; w < span->n_words; w++) {
		if (span->words[w] == UINT64_MAX)
			continue;
		*slot = w * WORD + (uint64_t)__builtin_ctzll(~span->words[w]);
		return *slot < span->nelems;
	}
	return false;
}
