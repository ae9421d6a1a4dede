#ifndef GMT_ANALYZE_ALIGN_DRIFT_H
#define GMT_ANALYZE_ALIGN_DRIFT_H

/*
 * A log and a trace on clocks that drift apart: a trace by plain perf, say, which has a clock of
 * its own. The log's zero then moves, slowly and steadily.
 */

#include "analyze/align_fit.h"
#include "analyze/align_pair.h"

struct align_drift {
	/* The pairs along which it moves without a jump: indices, in order of their numbers. */
	size_t *chain, n_chain;
	struct align_piece *pieces; /* stretches over which it stays within a millisecond or two */
	size_t n_pieces, cap_pieces;
	/* Enough to be believed: the heap sizes confirm it, or it holds for long stretches.
	 * Otherwise any log of a similar pace would fit. */
	bool plausible;
};

/* The pairs are in order of their numbers, n > 0. Free with align_drift_free. */
void align_drift_find(const struct gctrace_entry *const *lines, const struct align_pair *pairs,
		      size_t n, bool sizes_known, struct align_drift *drift);
void align_drift_free(struct align_drift *drift);

#endif
