/* The reader of execution traces: whatever the bytes, what it gives is in order and within bounds.
 */
#include "formats/gotrace.h"

#include <stdint.h>
#include <stdlib.h>

static void check(const struct gotrace *t)
{
	if (!t->events || t->first > t->last || t->n_points > GOTRACE_MAX_POINTS)
		abort();
	for (size_t i = 0; i < t->n_stops; i++)
		if (t->stops[i].end < t->stops[i].begin ||
		    (i && t->stops[i].begin < t->stops[i - 1].end))
			abort();
	for (size_t i = 0; i < t->n_gcs; i++)
		if (t->gcs[i].begin && t->gcs[i].end && t->gcs[i].end < t->gcs[i].begin)
			abort();
	for (size_t i = 1; i < t->n_points; i++)
		if (t->points[i].time < t->points[i - 1].time)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gotrace trace;
	struct error *err = gotrace_parse(data, len, &trace);

	if (!err)
		check(&trace);
	error_free(err);
	gotrace_free(&trace);
	return 0;
}
