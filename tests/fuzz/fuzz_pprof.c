/* The profile.proto parser: what it accepts is whole, and is the same again when written and read.
 */
#include "formats/heapprofile.h"
#include "formats/pprof.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Touches every reference, so that one that leads nowhere is a fault. */
static uint64_t walk(const struct pprof_profile *p)
{
	uint64_t sum = strlen(p->default_sample_type) + strlen(p->period_type.unit);

	for (size_t i = 0; i < p->n_samples; i++) {
		const struct pprof_sample *sample = &p->samples[i];

		for (size_t k = 0; k < p->n_sample_types; k++)
			sum += (uint64_t)sample->values[k];
		for (size_t k = 0; k < sample->n_locations; k++)
			sum += p->locations[sample->locations[k]].address;
		for (size_t k = 0; k < sample->n_labels; k++)
			sum += strlen(sample->labels[k].key) + (uint64_t)sample->labels[k].num;
	}
	for (size_t i = 0; i < p->n_locations; i++) {
		const struct pprof_location *l = &p->locations[i];

		if (l->mapping != PPROF_NONE)
			sum += strlen(p->mappings[l->mapping].build_id);
		for (size_t k = 0; k < l->n_lines; k++) {
			if (l->lines[k].function != PPROF_NONE)
				sum += strlen(p->functions[l->lines[k].function].name);
		}
	}
	return sum;
}

static void check_round_trip(const struct pprof_profile *p)
{
	struct pprof_profile *again;
	struct buffer out = {0};

	if (pprof_encode(p, false, &out) || pprof_parse(out.data, out.len, &again))
		abort();
	if (walk(again) != walk(p) || again->n_samples != p->n_samples ||
	    again->n_comments != p->n_comments || again->period != p->period)
		abort();
	pprof_free(again);
	buffer_free(&out);
}

static void check_heap(const struct pprof_profile *p)
{
	struct heap_profile *heap;
	struct error *err = heap_profile_from_pprof(p, &heap);

	if (!err && heap->n_entries != p->n_samples)
		abort();
	error_free(err);
	heap_profile_free(heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pprof_profile *profile;
	struct error *err = pprof_parse(data, len, &profile);

	if (!err != !!profile)
		abort();
	if (profile) {
		check_round_trip(profile);
		check_heap(profile);
	}
	error_free(err);
	pprof_free(profile);
	return 0;
}
