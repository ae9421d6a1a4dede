#ifndef GMT_ANALYZE_ALIGN_FIT_H
#define GMT_ANALYZE_ALIGN_FIT_H

/*
 * How the lines of a gctrace log lie on the clock of a trace that holds GC cycles of one process.
 *
 * gctrace prints T = (work.tSweepTerm - runtimeInitTime), truncated to the millisecond, so a cycle
 * of the trace that began at S and has the line's number says that the log's zero lies in
 * (S - T - 1 ms, S - T]. All lines of the process agree on one zero; those of others scatter. The
 * zero is where most intervals meet, and what they have in common is how well it is known.
 */

#include "analyze/model.h"
#include "formats/gctrace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum align_verdict {
	ALIGN_NOTHING_COMMON, /* no line has the number of a cycle */
	ALIGN_SIZES_DIFFER,   /* the heap sizes contradict */
	ALIGN_PHASES_DIFFER,  /* the lengths of the phases contradict, although the times agree */
	ALIGN_TIMES_DIFFER,   /* there is no common zero */
	ALIGN_AMBIGUOUS,      /* there are several */
	ALIGN_WEAK,	      /* it fits, but one or two lines fit easily */
	ALIGN_GOOD,
};

/* A stretch of the log over which one zero holds. One covers all unless the clocks drift. */
struct align_piece {
	int64_t low, high; /* the zero on the trace's clock, ns, inclusive */
	uint64_t until;	   /* gctrace time of its last line that was compared */
};

struct align_fit {
	enum align_verdict verdict;
	size_t comparable;	  /* numbers that stand in both */
	size_t agreeing;	  /* of these, the ones that meet */
	size_t sizes_differ;	  /* of these, the ones with other heap sizes */
	size_t rival;		  /* lines that meet at the next best zero */
	size_t doubtful;	  /* numbers for which two lines fit */
	bool phases_agree;	  /* the lengths of the phases were known and confirm it */
	bool regular;		  /* the cycles are so alike that other numbers fit as well */
	int64_t shift;		  /* the trace's numbers less the log's */
	bool *matched, *compared; /* by line */
	uint64_t first_number, last_number; /* among the matched */
	struct align_piece *pieces;
	size_t n_pieces, cap_pieces;
};

/* The cycles of one process that a time is known of. */
struct align_cycles {
	const struct gc_cycle **by_time, **by_number;
	size_t n, cap;
};

/*
 * Compares lines (in any order) with the cycles of one process. Where the
 * numbers of the trace are unknown, or do not do and may err, lines are matched by their times and
 * what else is known alone. Free with align_fit_free.
 */
void align_fit_find(const struct gctrace_entry *const *lines, size_t n_lines,
		    const struct align_cycles *cycles, bool numbers_may_err, struct align_fit *fit);
void align_fit_free(struct align_fit *fit);

#endif
