#include "analyze/align_pair.h"

#include "formats/xalloc.h"

#include <stdlib.h>

#define MAX_LENGTH  (INT64_MAX / 32) /* of a phase; a clock that stepped back prints more */
#define MAX_DELAY   20000000	     /* ns from the end of a cycle to the probe behind it */
#define RIVAL_CLEAR 2000000	     /* ns */

uint64_t align_cycle_time(const struct gc_cycle *cycle)
{
	return cycle->start ? cycle->start : cycle->mark_term ? cycle->mark_term : cycle->end;
}

/* All times were read from the runtime itself; otherwise they are those of the probes' events. */
static bool is_exact(const struct gc_cycle *cycle)
{
	return cycle->start && cycle->mark >= cycle->start && cycle->mark_term >= cycle->mark;
}

static bool in_step(uint64_t value, uint64_t printed)
{
	return value >= printed && value - printed < gctrace_resolution(printed);
}

static enum align_phases compare_phases(const struct gctrace_entry *line,
					const struct gc_cycle *cycle)
{
	if (!is_exact(cycle))
		return PHASES_UNKNOWN;
	return in_step(cycle->mark - cycle->start, line->clock[GCTRACE_SWEEP_TERM]) &&
			       in_step(cycle->mark_term - cycle->mark, line->clock[GCTRACE_MARK])
		       ? PHASES_AGREE
		       : PHASES_DIFFER;
}

/* The events see the heap a moment later than the runtime does for its line. */
static bool size_differs(uint64_t size, uint64_t printed, bool exact)
{
	uint64_t slack = exact ? 0 : GCTRACE_SIZE_RESOLUTION + printed / 64;

	if (!size)
		return false;
	return size + slack < printed || size >= printed + GCTRACE_SIZE_RESOLUTION + slack;
}

/* The interval in which the cycle began, from the probes' events and the line's phases. */
static bool start_from_events(const struct gctrace_entry *line, const struct gc_cycle *cycle,
			      int64_t *low, int64_t *high)
{
	int64_t length[GCTRACE_CLOCKS], step[GCTRACE_CLOCKS], sum, steps;

	for (int i = 0; i < GCTRACE_CLOCKS; i++) {
		if (line->clock[i] > MAX_LENGTH)
			return false;
		length[i] = (int64_t)line->clock[i];
		step[i] = (int64_t)gctrace_resolution(line->clock[i]);
	}
	sum = length[0] + length[1] + length[2];
	steps = step[0] + step[1] + step[2];
	*low = INT64_MIN;
	*high = INT64_MAX;
	if (cycle->start) { /* between the two: the world is stopped, marking has not begun */
		*high = (int64_t)cycle->start;
		*low = *high - length[0] - step[0];
	}
	if (cycle->mark_term) { /* at some moment of the last phase */
		int64_t first = (int64_t)cycle->mark_term - sum - steps;
		int64_t last = (int64_t)cycle->mark_term - length[0] - length[1];

		*low = first > *low ? first : *low;
		*high = last < *high ? last : *high;
	}
	if (*low == INT64_MIN && cycle->end) {
		*high = (int64_t)cycle->end - sum;
		*low = *high - steps - MAX_DELAY;
	}
	return *low != INT64_MIN;
}

bool align_pair_make(const struct gctrace_entry *line, const struct gc_cycle *cycle,
		     struct align_pair *pair)
{
	bool exact = is_exact(cycle);
	int64_t low, high;

	if (exact)
		low = high = (int64_t)cycle->start;
	else if (!start_from_events(line, cycle, &low, &high))
		return false;
	pair->impossible = low > high;
	pair->number = cycle->number;
	pair->low = low - (int64_t)line->time - (int64_t)GCTRACE_TIME_RESOLUTION + 1;
	pair->high = high - (int64_t)line->time;
	pair->phases = compare_phases(line, cycle);
	pair->sizes_differ = size_differs(cycle->heap0, line->heap_start, exact) ||
			     size_differs(cycle->heap1, line->heap_peak, exact) ||
			     size_differs(cycle->heap2, line->heap_live, exact) ||
			     (cycle->procs && cycle->procs != line->procs);
	return true;
}

struct edge {
	int64_t at;
	int64_t change;
};

static int by_place(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Turns the pairs into steps: from steps[i].at on, steps[i].change of them hold. */
static size_t make_steps(const struct align_pair *pairs, size_t n, struct edge *steps)
{
	size_t used = 0;
	int64_t level = 0;

	for (size_t i = 0; i < n; i++) {
		steps[2 * i] = (struct edge){pairs[i].low, 1};
		steps[2 * i + 1] = (struct edge){pairs[i].high + 1, -1};
	}
	qsort(steps, 2 * n, sizeof(steps[0]), by_place);
	for (size_t i = 0; i < 2 * n; i++) {
		level += steps[i].change;
		if (used && steps[used - 1].at == steps[i].at)
			steps[used - 1].change = level;
		else
			steps[used++] = (struct edge){steps[i].at, level};
	}
	return used;
}

struct align_peak align_pair_peak(const struct align_pair *pairs, size_t n, size_t slack)
{
	struct edge *steps = xreallocarray(NULL, 2 * n, sizeof(steps[0]));
	size_t used = make_steps(pairs, n, steps), best = 0, first, last;
	struct align_peak peak = {0};

	for (size_t i = 0; i + 1 < used; i++) {
		if (steps[i].change > steps[best].change ||
		    (steps[i].change == steps[best].change &&
		     steps[i + 1].at - steps[i].at > steps[best + 1].at - steps[best].at))
			best = i;
	}
	peak.votes = (size_t)steps[best].change;
	for (first = best; first > 0 && steps[first - 1].change > 0 &&
			   (size_t)steps[first - 1].change + slack >= peak.votes;)
		first--;
	for (last = best; last + 2 < used && steps[last + 1].change > 0 &&
			  (size_t)steps[last + 1].change + slack >= peak.votes;)
		last++;
	peak.low = steps[first].at;
	peak.high = steps[last + 1].at - 1;
	for (size_t i = 0; i + 1 < used; i++)
		if ((steps[i + 1].at - 1 < peak.low - RIVAL_CLEAR ||
		     steps[i].at > peak.high + RIVAL_CLEAR) &&
		    (size_t)steps[i].change > peak.rival)
			peak.rival = (size_t)steps[i].change;
	free(steps);
	return peak;
}
