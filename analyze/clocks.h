#ifndef GMT_ANALYZE_CLOCKS_H
#define GMT_ANALYZE_CLOCKS_H

/*
 * The wall clock beside the trace's own, by the pairs that were noted on the way. Between two pairs
 * the one may have been set, or the machine may have slept, which the monotonic clock does not
 * count; then a wall time may belong to no moment of the trace, or to two.
 */

#include "analyze/model.h"

#define CLOCKS_MAX_TIMES 4

/* Adds a pair in its place; of very many, every second one is dropped. */
void clocks_add(struct model *model, const struct clock_pair *pair);

/* A place where the wall clock did not go on as the monotonic one did. */
struct clock_step {
	uint64_t after, before; /* trace times between which it happened */
	int64_t set;		/* what the wall clock was set forward by, ns; negative: back */
	uint64_t slept;		/* what the machine slept, ns; 0: not, or it cannot be told */
};

/* The steps in time order, at most max of them; returns how many. */
size_t clocks_steps(const struct model *model, struct clock_step *steps, size_t max);

/*
 * The trace times that a wall time can be, the likeliest first; returns how many. 0: the trace has
 * no clock pair, or the time lies outside of what a clock can hold.
 */
size_t clocks_trace_times(const struct model *model, uint64_t wall,
			  uint64_t times[CLOCKS_MAX_TIMES]);

#endif
