#ifndef GMT_ANALYZE_GCHEALTH_STATE_H
#define GMT_ANALYZE_GCHEALTH_STATE_H

/* What gchealth.c, which measures, and gchealth_rules.c, which judges, share. */

#include "analyze/gchealth.h"

/* One GC cycle, from whichever source. Bytes and ns; 0 where a size is unknown. */
struct gc_sample {
	uint64_t number, line;
	double time; /* its start */
	double clock[GCTRACE_CLOCKS], cpu[GCTRACE_CPUS];
	double pause; /* of all its stops */
	double start, peak, live, goal, stacks;
	uint64_t procs;
	double percent; /* in a trace: the runtime's own share of the CPU time so far; -1 unknown */
	bool forced;
};

/* A life: its cycles in order of time, and what the source tells of them. */
struct gc_samples {
	struct gc_sample *items;
	size_t n, cap;
	bool has_clock, has_cpu, has_sizes, has_stacks;
};

/* A figure of one cycle; negative where it has none. */
typedef double gc_figure(const struct gc_sample *sample);
double gc_live(const struct gc_sample *sample);
double gc_mark(const struct gc_sample *sample);
double gc_goal(const struct gc_sample *sample);

/* A trend of a figure over the cycles, by Theil and Sen, on medians of blocks where there are
 * many. */
struct gc_trend {
	bool valid;
	double per_ns, low, high; /* growth, and its 95 % interval */
	double begin, end;	  /* the fitted line at the first and last cycle */
	double p_value;		  /* of so much rise by chance */
};
struct gc_trend gc_trend_of(const struct gc_samples *samples, gc_figure *figure);

/* Judges a life and adds the anomalies to health. */
void gchealth_judge(struct gchealth *health, const struct gc_samples *samples,
		    const struct gchealth_options *options);

#endif
