#include "analyze/gchealth_state.h"
#include "analyze/units.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>

static const struct {
	const char *name, *meaning;
} kinds[GCHEALTH_KINDS] = {
	[GCHEALTH_CPU_SHARE] = {"GC CPU share",
				"The program allocates more than the room of its heap allows: "
				"allocate less, or give it more room (GOGC, GOMEMLIMIT)."},
	[GCHEALTH_RATE] = {"GC rate",
			   "The heap is small for what is allocated: a higher GOGC, or GOMEMLIMIT "
			   "with GOGC=off, spaces the cycles out."},
	[GCHEALTH_PAUSE] =
		{"GC pauses",
		 "Stops as long as this are waiting, not work: for goroutines that cannot be "
		 "preempted, for CPUs (a container's quota), or for swapped memory."},
	[GCHEALTH_ASSIST] =
		{"GC assists",
		 "Goroutines that allocate have to help marking, which shows as latency: "
		 "allocation comes in bursts, or there is little room below the goal."},
	[GCHEALTH_MARK_TREND] =
		{"marking time",
		 "There is more and more to trace, or less CPU to do it: compare with "
		 "the growth of the live heap."},
	[GCHEALTH_LIVE_GOAL] =
		{"live heap near the goal",
		 "Little room is left between what lives and the goal, so collections "
		 "follow each other closely: a memory limit, or a low GOGC."},
	[GCHEALTH_FORCED] = {"forced collections",
			     "The program calls runtime.GC or debug.FreeOSMemory, and waits for a "
			     "whole collection each time."},
	[GCHEALTH_LIVE_TREND] = {"live heap growth",
				 "What is kept grows: a leak, or a cache that is still filling."},
	[GCHEALTH_FLAT_GOAL] = {"growth under a flat goal",
				"A memory limit holds the goal while the live heap nears it: "
				"collections will follow each other ever faster."},
	[GCHEALTH_OVERSHOOT] =
		{"heap beyond the goal",
		 "Allocation outruns marking: bursts of large objects, or too little CPU "
		 "for the collector."},
	[GCHEALTH_STACKS] =
		{"goroutine stacks",
		 "Many goroutines, or deep ones: their stacks are scanned in each cycle and "
		 "count towards the goal."},
};

const char *gchealth_kind_name(enum gchealth_kind kind)
{
	return kind < GCHEALTH_KINDS ? kinds[kind].name : "unknown";
}

struct rules {
	struct gchealth *health;
	const struct gc_samples *samples;
	const struct gchealth_options *options;
};

/* Adds an anomaly; text is taken over. */
static struct gchealth_anomaly *add(const struct rules *r, enum gchealth_kind kind, double measured,
				    double threshold, char *text)
{
	struct gchealth *health = r->health;

	xgrow(health->anomalies, health->cap_anomalies, health->n_anomalies + 1);
	health->anomalies[health->n_anomalies] = (struct gchealth_anomaly){
		.kind = kind,
		.measured = measured,
		.threshold = threshold,
		.text = text,
		.meaning = kinds[kind].meaning,
	};
	return &health->anomalies[health->n_anomalies++];
}

static void show(struct gchealth_anomaly *anomaly, const struct gc_sample *sample)
{
	size_t max = sizeof(anomaly->evidence) / sizeof(anomaly->evidence[0]);

	if (anomaly->n_evidence < max)
		anomaly->evidence[anomaly->n_evidence++] =
			(struct gchealth_evidence){sample->number, sample->line};
}

/* Shows the cycles in which the figure is the largest, in their order. */
static void show_largest(const struct rules *r, struct gchealth_anomaly *anomaly, gc_figure *figure)
{
	size_t best[4], n = 0, max = sizeof(best) / sizeof(best[0]);

	for (size_t i = 0; i < r->samples->n; i++) {
		double value = figure(&r->samples->items[i]);
		size_t least = 0;

		if (value <= 0)
			continue;
		if (n < max) {
			best[n++] = i;
			continue;
		}
		for (size_t j = 1; j < max; j++)
			if (figure(&r->samples->items[best[j]]) <
			    figure(&r->samples->items[best[least]]))
				least = j;
		if (value <= figure(&r->samples->items[best[least]]))
			continue;
		for (size_t j = least; j + 1 < max; j++)
			best[j] = best[j + 1];
		best[max - 1] = i;
	}
	for (size_t i = 0; i < n; i++)
		show(anomaly, &r->samples->items[best[i]]);
}

static void show_ends(const struct gc_samples *samples, struct gchealth_anomaly *anomaly)
{
	show(anomaly, &samples->items[0]);
	show(anomaly, &samples->items[samples->n - 1]);
}

/* ---- Figures of one cycle -------------------------------------------------------------- */

static double gc_cpu(const struct gc_sample *s)
{
	return s->cpu[GCTRACE_CPU_SWEEP_TERM] + s->cpu[GCTRACE_CPU_ASSIST] +
	       s->cpu[GCTRACE_CPU_BACKGROUND] + s->cpu[GCTRACE_CPU_MARK_TERM];
}

static double gc_assist(const struct gc_sample *s)
{
	return s->cpu[GCTRACE_CPU_ASSIST];
}

static double gc_pause(const struct gc_sample *s)
{
	return fmax(s->clock[GCTRACE_SWEEP_TERM], s->clock[GCTRACE_MARK_TERM]);
}

static double gc_live_goal(const struct gc_sample *s)
{
	return s->goal > 0 ? s->live / s->goal : 0;
}

static double gc_overshoot(const struct gc_sample *s)
{
	return s->goal > 0 ? s->peak / s->goal : 0;
}

static double gc_forced(const struct gc_sample *s)
{
	return s->forced;
}

static double gc_stacks(const struct gc_sample *s)
{
	return s->stacks;
}

/* ---- Rules ----------------------------------------------------------------------------- */

static void judge_cpu(const struct rules *r)
{
	const struct gchealth *h = r->health;
	const struct gchealth_options *o = r->options;

	if (h->cpu_share >= o->cpu_share)
		show_largest(r,
			     add(r, GCHEALTH_CPU_SHARE, h->cpu_share, o->cpu_share,
				 xasprintf("%s of the CPU time available (limit %s)",
					   units_percent(h->cpu_share).text,
					   units_percent(o->cpu_share).text)),
			     gc_cpu);
	if (h->assist_share >= o->assist_share)
		show_largest(r,
			     add(r, GCHEALTH_ASSIST, h->assist_share, o->assist_share,
				 xasprintf("%s of the marking is done by the program's goroutines "
					   "(limit %s)",
					   units_percent(h->assist_share).text,
					   units_percent(o->assist_share).text)),
			     gc_assist);
	if (h->rate >= o->rate) {
		struct gchealth_anomaly *anomaly =
			add(r, GCHEALTH_RATE, h->rate, o->rate,
			    xasprintf("%.3g cycles a second (limit %.3g)", h->rate, o->rate));

		show_ends(r->samples, anomaly);
	}
}

static void judge_pauses(const struct rules *r)
{
	const struct gchealth *h = r->health;
	const struct gchealth_options *o = r->options;
	bool longest = h->pause_max >= o->pause;

	if (!longest && (h->pause_p99 < o->pause_p99 || !h->enough))
		return;
	show_largest(r,
		     add(r, GCHEALTH_PAUSE, longest ? h->pause_max : h->pause_p99,
			 longest ? o->pause : o->pause_p99,
			 xasprintf("the longest stop takes %s (limit %s), 99%% are shorter than %s "
				   "(limit %s)",
				   units_duration((uint64_t)h->pause_max).text,
				   units_duration((uint64_t)o->pause).text,
				   units_duration((uint64_t)h->pause_p99).text,
				   units_duration((uint64_t)o->pause_p99).text)),
		     gc_pause);
}

static void judge_mark_trend(const struct rules *r)
{
	const struct gchealth_options *o = r->options;
	struct gc_trend trend = gc_trend_of(r->samples, gc_mark);

	if (!trend.valid || trend.begin <= 0 || trend.low <= 0 || trend.p_value >= o->p_value ||
	    trend.end < trend.begin * (1 + o->mark_growth))
		return;
	show_ends(r->samples,
		  add(r, GCHEALTH_MARK_TREND, trend.end / trend.begin - 1, o->mark_growth,
		      xasprintf("grows from %s to %s (limit +%s)",
				units_duration((uint64_t)trend.begin).text,
				units_duration((uint64_t)trend.end).text,
				units_percent(o->mark_growth).text)));
}

/* The share of the cycles with a telling goal in which the figure is beyond the limit. */
static double share_beyond(const struct rules *r, gc_figure *figure, double limit, size_t *n)
{
	size_t beyond = 0;

	*n = 0;
	for (size_t i = 0; i < r->samples->n; i++) {
		const struct gc_sample *s = &r->samples->items[i];

		if (s->goal < r->options->min_goal)
			continue;
		++*n;
		beyond += figure(s) >= limit;
	}
	return *n >= r->options->min_cycles ? (double)beyond / (double)*n : 0;
}

static void judge_goal(const struct rules *r)
{
	const struct gchealth_options *o = r->options;
	size_t n;
	double share = share_beyond(r, gc_live_goal, o->live_goal, &n);

	if (share >= o->live_goal_part)
		show_largest(r,
			     add(r, GCHEALTH_LIVE_GOAL, share, o->live_goal_part,
				 xasprintf("in %s of %zu cycles the live heap is %s of the goal or "
					   "more (limit %s of the cycles)",
					   units_percent(share).text, n,
					   units_percent(o->live_goal).text,
					   units_percent(o->live_goal_part).text)),
			     gc_live_goal);
	share = share_beyond(r, gc_overshoot, o->overshoot, &n);
	if (share >= o->overshoot_part)
		show_largest(
			r,
			add(r, GCHEALTH_OVERSHOOT, share, o->overshoot_part,
			    xasprintf("in %s of %zu cycles the heap peaks at %s of the goal or "
				      "more (limit %s of the cycles)",
				      units_percent(share).text, n,
				      units_percent(o->overshoot).text,
				      units_percent(o->overshoot_part).text)),
			gc_overshoot);
}

static bool grows(const struct gc_trend *trend, const struct gchealth_options *o)
{
	return trend->valid && trend->low > 0 && trend->p_value < o->p_value && trend->end > 0 &&
	       trend->end - trend->begin >= o->live_growth_bytes &&
	       trend->end - trend->begin >= o->live_growth * fmax(trend->begin, 0);
}

static void judge_live_trend(const struct rules *r)
{
	const struct gchealth_options *o = r->options;
	struct gc_trend trend = gc_trend_of(r->samples, gc_live);
	double share = trend.begin > 0 ? trend.end / trend.begin - 1 : INFINITY;

	if (!grows(&trend, o))
		return;
	show_ends(r->samples,
		  add(r, GCHEALTH_LIVE_TREND, share, o->live_growth,
		      xasprintf("from %s to %s, %s (limit +%s)",
				units_bytes(fmax(trend.begin, 0)).text, units_bytes(trend.end).text,
				units_growth(trend.per_ns * 3.6e12).text,
				units_percent(o->live_growth).text)));
}

/* Over the whole life, or from its middle on: the limit may have been met late. */
static void judge_flat_goal(const struct rules *r)
{
	const struct gchealth_options *o = r->options;

	for (size_t from = 0; from + o->min_cycles <= r->samples->n && from <= r->samples->n / 2;
	     from += r->samples->n / 2 + 1) {
		struct gc_samples part = *r->samples;
		struct gc_trend live, goal;

		part.items += from;
		part.n -= from;
		live = gc_trend_of(&part, gc_live);
		goal = gc_trend_of(&part, gc_goal);
		if (!grows(&live, o) || !goal.valid || goal.begin < o->min_goal ||
		    goal.end > goal.begin * (1 + o->flat_goal))
			continue;
		show_ends(&part,
			  add(r, GCHEALTH_FLAT_GOAL, live.end / fmax(live.begin, 1) - 1,
			      o->live_growth,
			      xasprintf("the live heap grows from %s to %s, the goal stays at %s",
					units_bytes(fmax(live.begin, 0)).text,
					units_bytes(live.end).text, units_bytes(goal.end).text)));
		return;
	}
}

static void judge_forced(const struct rules *r)
{
	const struct gchealth *h = r->health;
	double share = (double)h->forced / (double)h->cycles;

	if (h->forced < 3 || share < r->options->forced_share)
		return;
	show_largest(r,
		     add(r, GCHEALTH_FORCED, share, r->options->forced_share,
			 xasprintf("%zu of %zu cycles (limit %s)", h->forced, h->cycles,
				   units_percent(r->options->forced_share).text)),
		     gc_forced);
}

static void judge_stacks(const struct rules *r)
{
	const struct gchealth_options *o = r->options;
	const struct gc_sample *last = &r->samples->items[r->samples->n - 1];
	double share = last->live > 0 ? last->stacks / last->live : INFINITY;

	if (last->stacks < o->stacks_bytes || share < o->stacks_share)
		return;
	show_largest(r,
		     add(r, GCHEALTH_STACKS, share, o->stacks_share,
			 xasprintf("%s of stacks beside %s of live heap (limit %s)",
				   units_bytes(last->stacks).text, units_bytes(last->live).text,
				   units_percent(o->stacks_share).text)),
		     gc_stacks);
}

void gchealth_judge(struct gchealth *health, const struct gc_samples *samples,
		    const struct gchealth_options *options)
{
	struct rules r = {health, samples, options};

	if (samples->has_clock)
		judge_pauses(&r);
	if (samples->has_sizes && samples->has_stacks)
		judge_stacks(&r);
	if (!health->enough)
		return;
	judge_forced(&r);
	judge_cpu(&r);
	if (samples->has_clock)
		judge_mark_trend(&r);
	if (!samples->has_sizes)
		return;
	judge_goal(&r);
	judge_live_trend(&r);
	judge_flat_goal(&r);
}
