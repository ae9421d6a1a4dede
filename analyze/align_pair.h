#ifndef GMT_ANALYZE_ALIGN_PAIR_H
#define GMT_ANALYZE_ALIGN_PAIR_H

/* A line of a gctrace log and a GC cycle of the trace that may be the same cycle. */

#include "analyze/model.h"
#include "formats/gctrace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum align_phases { PHASES_UNKNOWN, PHASES_AGREE, PHASES_DIFFER };

struct align_pair {
	size_t line, cycle; /* indices */
	uint64_t number;    /* the cycle's */
	int64_t low, high;  /* where the pair puts the log's zero, inclusive */
	enum align_phases phases;
	bool sizes_differ;
	bool impossible; /* no beginning of the cycle agrees with its events and the line's phases
			  */
};

/* The earliest time that is known of a cycle. */
uint64_t align_cycle_time(const struct gc_cycle *cycle);

/* False where no time of the cycle is known, or the line has none. Times lie far from INT64_MAX. */
bool align_pair_make(const struct gctrace_entry *line, const struct gc_cycle *cycle,
		     struct align_pair *pair);

/* Where the most pairs meet. */
struct align_peak {
	size_t votes;
	int64_t low, high; /* where all but `slack` of them meet */
	size_t rival;	   /* the most that meet more than 2 ms from there */
};

/* n > 0. */
struct align_peak align_pair_peak(const struct align_pair *pairs, size_t n, size_t slack);

#endif
