/* The text form of a heap dump: what is accepted adds up, whatever ends its lines. */
#include "formats/bytes.h"
#include "formats/heapprofile.h"
#include "formats/heapstack.h"
#include "formats/heaptext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t digest(const struct heap_profile *p)
{
	uint64_t sum = p->n_entries + (uint64_t)p->rate + (uint64_t)p->inuse_bytes;

	for (size_t i = 0; i < p->n_entries; i++) {
		const struct heap_entry *e = &p->entries[i];

		sum = sum * 31 + heap_stack_key(e->frames, e->n_frames);
		for (size_t k = 0; k < e->n_pcs; k++)
			sum = sum * 31 + e->pcs[k];
	}
	return sum + p->memstats.num_gc + p->memstats.stack_sys;
}

static bool parse(const uint8_t *data, size_t len, uint64_t *sum)
{
	struct heap_profile *profile;
	struct error *err = heaptext_parse(data, len, &profile);

	if (!err != !!profile)
		abort();
	*sum = profile ? digest(profile) : 0;
	error_free(err);
	heap_profile_free(profile);
	return !err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buffer crlf = {0};
	uint64_t sum, other;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n')
			buffer_u8(&crlf, '\r');
		buffer_u8(&crlf, data[i]);
	}
	if (parse(data, len, &sum) != parse(crlf.data, crlf.len, &other) || sum != other)
		abort();
	buffer_free(&crlf);
	return 0;
}
