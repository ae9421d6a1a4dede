#include "analyze/metrics.h"

#include "analyze/metrics_values.h"
#include "analyze/units.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A goal from here on is the runtime's way to say that there is none (GOGC=off). */
#define NO_GOAL ((uint64_t)1 << 60)

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_SECONDS, UNIT_BYTES_PER_SECOND, UNIT_PER_SECOND };

static const struct {
	const char *name;
	signed char bytes, seconds;
} unit_table[] = {
	[UNIT_NONE] = {"", 0, 0},	   [UNIT_BYTES] = {"B", 1, 0},
	[UNIT_SECONDS] = {"s", 0, 1},	   [UNIT_BYTES_PER_SECOND] = {"B/s", 1, -1},
	[UNIT_PER_SECOND] = {"/s", 0, -1},
};

/* ---- The trace -------------------------------------------------------------------------- */

static double trace_duration(const struct findings *f)
{
	const struct model *model = &f->model;

	if (!model->trace_path || model->last_time <= model->first_time)
		return NAN;
	return (double)(model->last_time - model->first_time) / 1e9;
}

static double of_trace(const struct findings *f, double value)
{
	return f->model.trace_path ? value : NAN;
}

static double trace_events(const struct findings *f)
{
	return of_trace(f, (double)f->model.events);
}

static double trace_lost(const struct findings *f)
{
	return of_trace(f, (double)f->model.lost_events);
}

static double trace_broken(const struct findings *f)
{
	return of_trace(f, f->model.damage || f->model.truncated);
}

static double evidence_births(const struct findings *f)
{
	return f->model.heap_not_recorded ? NAN : of_trace(f, (double)f->model.births);
}

static double evidence_cycles(const struct findings *f)
{
	return of_trace(f, (double)f->model.n_cycles);
}

static double count_verdict(const struct findings *f, enum verdict verdict)
{
	double n = 0;

	if (!f->model.trace_path || f->model.heap_not_recorded)
		return NAN;
	for (size_t i = 0; i < f->model.n_candidates; i++)
		n += f->model.candidates[i].verdict == verdict;
	return n;
}

static double evidence_undecided(const struct findings *f)
{
	return count_verdict(f, VERDICT_TOO_LITTLE) + count_verdict(f, VERDICT_GROWING);
}

static double evidence_differences(const struct findings *f)
{
	double n = NAN;

	for (size_t i = 0; i < f->model.n_checks; i++) {
		if (f->model.checks[i].valid)
			n = (isnan(n) ? 0 : n) + (double)f->model.checks[i].buckets_differing;
	}
	return n;
}

static double dumps_matched(const struct findings *f)
{
	double matched = 0, all = 0;

	for (size_t i = 0; i < f->model.n_dumps; i++) {
		matched += (double)f->model.dumps[i].matched_objects;
		all += (double)f->model.dumps[i].dump_objects;
	}
	return all > 0 ? matched / all : NAN;
}

static double align_bound(const struct findings *f)
{
	double bound = NAN;

	for (size_t i = 0; i < f->model.n_alignments; i++) {
		if (!f->model.alignments[i].aligned)
			return NAN;
		bound = fmax(bound, (double)f->model.alignments[i].bound / 1e9);
	}
	return bound;
}

/* ---- The heap --------------------------------------------------------------------------- */

static double heap_alloc_rate(const struct findings *f)
{
	double bytes = 0;

	if (f->model.heap_not_recorded)
		return NAN;
	for (size_t i = 0; i < f->model.n_sites; i++) {
		if (f->model.sites[i].kind == SITE_HEAP)
			bytes += f->model.sites[i].est_births_bytes;
	}
	return bytes / trace_duration(f);
}

static double known_or_nan(uint64_t value)
{
	return value && value < NO_GOAL ? (double)value : NAN;
}

/* The greatest over the cycles of the trace, and where a log tells more, over its lines. */
static double greatest_of_cycles(const struct findings *f,
				 uint64_t (*of_cycle)(const struct gc_cycle *),
				 double (*of_health)(const struct gchealth *))
{
	double greatest = NAN;

	for (size_t i = 0; i < f->model.n_cycles; i++)
		greatest = fmax(greatest, known_or_nan(of_cycle(&f->model.cycles[i])));
	for (size_t i = 0; i < f->health.n; i++) {
		double value = of_health(&f->health.items[i]);

		if (value >= 0 && value < (double)NO_GOAL)
			greatest = fmax(greatest, value);
	}
	return greatest;
}

static uint64_t cycle_live(const struct gc_cycle *cycle)
{
	return cycle->heap2;
}

static uint64_t cycle_peak(const struct gc_cycle *cycle)
{
	return cycle->heap1;
}

static uint64_t cycle_goal(const struct gc_cycle *cycle)
{
	return cycle->goal;
}

static double health_live(const struct gchealth *health)
{
	return health->live_max;
}

static double health_peak(const struct gchealth *health)
{
	return health->peak_max;
}

static double health_goal(const struct gchealth *health)
{
	return health->goal_last;
}

static double heap_live_max(const struct findings *f)
{
	return greatest_of_cycles(f, cycle_live, health_live);
}

static double heap_peak_max(const struct findings *f)
{
	return greatest_of_cycles(f, cycle_peak, health_peak);
}

static double heap_goal_max(const struct findings *f)
{
	return greatest_of_cycles(f, cycle_goal, health_goal);
}

/* The greatest of a figure of GC health in which what is not known is negative. */
#define HEALTH(name, expr)                                                   \
	static double name(const struct findings *f)                         \
	{                                                                    \
		double greatest = NAN;                                       \
		for (size_t i = 0; i < f->health.n; i++) {                   \
			const struct gchealth *health = &f->health.items[i]; \
			double value = (expr);                               \
			if (value >= 0)                                      \
				greatest = fmax(greatest, value);            \
		}                                                            \
		return greatest;                                             \
	}

HEALTH(gc_cycles, (double)health->cycles)
HEALTH(gc_forced, (double)health->forced)
HEALTH(gc_rate, health->rate)
HEALTH(gc_cpu_share, health->cpu_share)
HEALTH(gc_pause_p50, health->pause_p50 / 1e9)
HEALTH(gc_pause_p99, health->pause_p99 / 1e9)
HEALTH(gc_pause_max, health->pause_max / 1e9)
HEALTH(gc_mark_p50, health->mark_p50 / 1e9)
HEALTH(gc_mark_max, health->mark_max / 1e9)
HEALTH(gc_assist_share, health->assist_share)
HEALTH(gc_live_goal, health->live_goal_p50)
HEALTH(gc_anomalies, (double)health->n_anomalies)

/* The last of each process, the greatest of these. */
static double heap_live_last(const struct findings *f)
{
	double greatest = NAN;

	for (uint32_t p = 0; p < f->model.n_processes; p++) {
		double last = NAN;

		for (size_t i = 0; i < f->model.n_cycles; i++) {
			if (f->model.cycles[i].process == p && f->model.cycles[i].heap2)
				last = (double)f->model.cycles[i].heap2;
		}
		greatest = fmax(greatest, last);
	}
	for (size_t i = 0; i < f->health.n; i++) {
		if (f->health.items[i].live_last >= 0)
			greatest = fmax(greatest, f->health.items[i].live_last);
	}
	return greatest;
}

static double heap_live_growth(const struct findings *f)
{
	double greatest = NAN;

	for (size_t i = 0; i < f->health.n; i++) {
		const struct gchealth *health = &f->health.items[i];

		/* No growth is no unknown: the first figure tells whether there are any. */
		if (health->enough && health->live_first >= 0)
			greatest = fmax(greatest, health->live_growth / 3600);
	}
	return greatest;
}

/* ---- The table -------------------------------------------------------------------------- */

#define NEEDS_TRACE  "a trace"
#define NEEDS_BIRTHS "a trace with births and deaths (--heap=sampled)"
#define NEEDS_RSS    "a trace with readings of RSS"
#define NEEDS_OWNERS "a trace with readings of RSS by owner"
#define NEEDS_GC     "GC cycles in the trace, or a gctrace log (--gctrace)"
#define NEEDS_HEALTH "ten GC cycles and a second, in the trace or in a gctrace log"

static const struct metric {
	const char *name;
	enum unit unit;
	metric_value *value;
	const char *needs, *help;
} metrics[] = {
	{"trace.duration", UNIT_SECONDS, trace_duration, NEEDS_TRACE, "from first to last event"},
	{"trace.events", UNIT_NONE, trace_events, NEEDS_TRACE, "events read"},
	{"trace.lost", UNIT_NONE, trace_lost, NEEDS_TRACE, "events that the kernel had to drop"},
	{"trace.broken", UNIT_NONE, trace_broken, NEEDS_TRACE,
	 "1: the trace is damaged or breaks off; 0: it is whole"},
	{"evidence.births", UNIT_NONE, evidence_births, NEEDS_BIRTHS,
	 "sampled allocations that everything said of sites rests on"},
	{"evidence.cycles", UNIT_NONE, evidence_cycles, NEEDS_TRACE,
	 "GC cycles that the trace holds"},
	{"evidence.undecided", UNIT_NONE, evidence_undecided, NEEDS_BIRTHS,
	 "sites with too little evidence, or growing for too short a time, to be judged"},
	{"evidence.differences", UNIT_NONE, evidence_differences,
	 "two readings of the bucket table",
	 "buckets in which the runtime's own counts differ from the events"},
	{"evidence.dumps_matched", UNIT_NONE, dumps_matched, "a heap dump (--pprof)",
	 "share of the objects in the heap dumps that the trace has too"},
	{"evidence.align_bound", UNIT_SECONDS, align_bound, "gctrace logs that could be placed",
	 "by how much a log may be misplaced on the trace's clock, at most"},
	{"heap.alloc_rate", UNIT_BYTES_PER_SECOND, heap_alloc_rate, NEEDS_BIRTHS,
	 "allocation, from the samples"},
	{"heap.live.max", UNIT_BYTES, heap_live_max, NEEDS_GC, "greatest heap marked live"},
	{"heap.live.last", UNIT_BYTES, heap_live_last, NEEDS_GC, "heap marked live by the last GC"},
	{"heap.live.growth", UNIT_BYTES_PER_SECOND, heap_live_growth, NEEDS_HEALTH,
	 "slope of the live heap over the GC cycles (Theil-Sen)"},
	{"heap.peak.max", UNIT_BYTES, heap_peak_max, NEEDS_GC,
	 "greatest heap at the end of a mark"},
	{"heap.goal.max", UNIT_BYTES, heap_goal_max, NEEDS_GC, "greatest goal"},
	{"gc.cycles", UNIT_NONE, gc_cycles, NEEDS_GC, "GC cycles"},
	{"gc.forced", UNIT_NONE, gc_forced, NEEDS_GC, "of these forced by the program"},
	{"gc.rate", UNIT_PER_SECOND, gc_rate, NEEDS_HEALTH, "GC cycles a second"},
	{"gc.cpu_share", UNIT_NONE, gc_cpu_share, NEEDS_HEALTH,
	 "share of the available CPU time that GC takes, without idle marking"},
	{"gc.assist_share", UNIT_NONE, gc_assist_share, NEEDS_HEALTH,
	 "share of assists in the CPU time of marking"},
	{"gc.pause.p50", UNIT_SECONDS, gc_pause_p50, NEEDS_GC, "stops of the world: the median"},
	{"gc.pause.p99", UNIT_SECONDS, gc_pause_p99, NEEDS_GC, "99 % of the stops are shorter"},
	{"gc.pause.max", UNIT_SECONDS, gc_pause_max, NEEDS_GC, "the longest stop"},
	{"gc.mark.p50", UNIT_SECONDS, gc_mark_p50, NEEDS_GC, "time of marking: the median"},
	{"gc.mark.max", UNIT_SECONDS, gc_mark_max, NEEDS_GC, "the longest marking"},
	{"gc.live_goal", UNIT_NONE, gc_live_goal, NEEDS_HEALTH, "live heap over goal, the median"},
	{"gc.anomalies", UNIT_NONE, gc_anomalies, NEEDS_GC, "anomalies that the report names"},
	{"rss.max", UNIT_BYTES, metrics_rss_max, NEEDS_RSS, "greatest RSS of a process"},
	{"rss.last", UNIT_BYTES, metrics_rss_last, NEEDS_RSS, "RSS at the end"},
	{"rss.growth", UNIT_BYTES_PER_SECOND, metrics_rss_growth, NEEDS_RSS " (three at least)",
	 "slope of RSS (Theil-Sen)"},
	{"swap.max", UNIT_BYTES, metrics_swap_max, NEEDS_RSS,
	 "greatest part of a process that is swapped out"},
	{"mapped.net", UNIT_BYTES, metrics_mapped_net, "a trace with system calls",
	 "address space mapped less unmapped, over the recording"},
	{"rss.go_heap.max", UNIT_BYTES, metrics_owner_go_heap_max, NEEDS_OWNERS,
	 "of RSS, the Go heap in use: the greatest"},
	{"rss.go_heap.growth", UNIT_BYTES_PER_SECOND, metrics_owner_go_heap_growth, NEEDS_OWNERS,
	 "its slope"},
	{"rss.go_free.max", UNIT_BYTES, metrics_owner_go_free_max, NEEDS_OWNERS,
	 "of RSS, the Go heap that is free and not returned: the greatest"},
	{"rss.go_free.growth", UNIT_BYTES_PER_SECOND, metrics_owner_go_free_growth, NEEDS_OWNERS,
	 "its slope"},
	{"rss.go_stacks.max", UNIT_BYTES, metrics_owner_go_stacks_max, NEEDS_OWNERS,
	 "of RSS, stacks of goroutines: the greatest"},
	{"rss.go_stacks.growth", UNIT_BYTES_PER_SECOND, metrics_owner_go_stacks_growth,
	 NEEDS_OWNERS, "its slope"},
	{"rss.go_runtime.max", UNIT_BYTES, metrics_owner_go_runtime_max, NEEDS_OWNERS,
	 "of RSS, the Go runtime's own: the greatest"},
	{"rss.go_runtime.growth", UNIT_BYTES_PER_SECOND, metrics_owner_go_runtime_growth,
	 NEEDS_OWNERS, "its slope"},
	{"rss.program.max", UNIT_BYTES, metrics_owner_program_max, NEEDS_OWNERS,
	 "of RSS, the executable: the greatest"},
	{"rss.program.growth", UNIT_BYTES_PER_SECOND, metrics_owner_program_growth, NEEDS_OWNERS,
	 "its slope"},
	{"rss.c_heap.max", UNIT_BYTES, metrics_owner_c_heap_max, NEEDS_OWNERS,
	 "of RSS, C's heap: the greatest"},
	{"rss.c_heap.growth", UNIT_BYTES_PER_SECOND, metrics_owner_c_heap_growth, NEEDS_OWNERS,
	 "its slope"},
	{"rss.thread_stacks.max", UNIT_BYTES, metrics_owner_thread_stacks_max, NEEDS_OWNERS,
	 "of RSS, stacks of threads: the greatest"},
	{"rss.thread_stacks.growth", UNIT_BYTES_PER_SECOND, metrics_owner_thread_stacks_growth,
	 NEEDS_OWNERS, "its slope"},
	{"rss.libraries.max", UNIT_BYTES, metrics_owner_libraries_max, NEEDS_OWNERS,
	 "of RSS, libraries: the greatest"},
	{"rss.libraries.growth", UNIT_BYTES_PER_SECOND, metrics_owner_libraries_growth,
	 NEEDS_OWNERS, "its slope"},
	{"rss.files.max", UNIT_BYTES, metrics_owner_files_max, NEEDS_OWNERS,
	 "of RSS, mapped files: the greatest"},
	{"rss.files.growth", UNIT_BYTES_PER_SECOND, metrics_owner_files_growth, NEEDS_OWNERS,
	 "its slope"},
	{"rss.shared.max", UNIT_BYTES, metrics_owner_shared_max, NEEDS_OWNERS,
	 "of RSS, shared memory: the greatest"},
	{"rss.shared.growth", UNIT_BYTES_PER_SECOND, metrics_owner_shared_growth, NEEDS_OWNERS,
	 "its slope"},
	{"rss.anon.max", UNIT_BYTES, metrics_owner_anon_max, NEEDS_OWNERS,
	 "of RSS, other anonymous memory: the greatest"},
	{"rss.anon.growth", UNIT_BYTES_PER_SECOND, metrics_owner_anon_growth, NEEDS_OWNERS,
	 "its slope"},
	{"goroutines.max", UNIT_NONE, metrics_goroutines_max, "a recording with --goroutines",
	 "goroutines, as far as those that were there at its beginning are known: the most "
	 "at a time"},
	{"goroutines.last", UNIT_NONE, metrics_goroutines_last, "a recording with --goroutines",
	 "at the end"},
	{"goroutines.growth", UNIT_PER_SECOND, metrics_goroutines_growth,
	 "a recording with --goroutines", "slope (Theil-Sen)"},
	{"threads.max", UNIT_NONE, metrics_threads_max, "a trace in which threads started",
	 "threads, of those that began in the recording: the most at a time"},
	{"threads.last", UNIT_NONE, metrics_threads_last, "a trace in which threads started",
	 "at the end"},
	{"threads.growth", UNIT_PER_SECOND, metrics_threads_growth,
	 "a trace in which threads started", "slope (Theil-Sen)"},
	{"native.max", UNIT_BYTES, metrics_native_max, "a recording with --native",
	 "bytes of C allocations, of those that began in the recording: the most at a time"},
	{"native.last", UNIT_BYTES, metrics_native_last, "a recording with --native", "at the end"},
	{"native.growth", UNIT_BYTES_PER_SECOND, metrics_native_growth, "a recording with --native",
	 "slope (Theil-Sen)"},
	{"mappings.max", UNIT_BYTES, metrics_mappings_max, "a trace in which memory was mapped",
	 "bytes mapped, but for the Go runtime's own, of those that began in the recording: the "
	 "most at a time"},
	{"mappings.last", UNIT_BYTES, metrics_mappings_last, "a trace in which memory was mapped",
	 "at the end"},
	{"mappings.growth", UNIT_BYTES_PER_SECOND, metrics_mappings_growth,
	 "a trace in which memory was mapped", "slope (Theil-Sen)"},
};

size_t metrics_count(void)
{
	return sizeof(metrics) / sizeof(*metrics);
}

const char *metrics_name(size_t i)
{
	return metrics[i].name;
}

const char *metrics_unit(size_t i)
{
	return unit_table[metrics[i].unit].name;
}

const char *metrics_help(size_t i)
{
	return metrics[i].help;
}

size_t metrics_find(const char *name)
{
	size_t i = 0;

	while (i < metrics_count() && strcmp(metrics[i].name, name) != 0)
		i++;
	return i;
}

const char *metrics_needs(size_t i)
{
	return metrics[i].needs;
}

struct quantity metrics_value(const struct findings *findings, size_t i)
{
	const struct metric *metric = &metrics[i];
	struct quantity value = {
		.bytes = unit_table[metric->unit].bytes,
		.seconds = unit_table[metric->unit].seconds,
	};

	if (!findings)
		return value;
	value.number = metric->value(findings);
	value.known = isfinite(value.number);
	return value;
}

struct units_text metrics_text(const struct quantity *value)
{
	struct units_text out;

	if (!value->known)
		snprintf(out.text, sizeof(out.text), "not known");
	else if (value->kind == QUANTITY_TEXT)
		snprintf(out.text, sizeof(out.text), "'%.48s'", value->text);
	else if (value->bytes == 1 && value->seconds == 0)
		return units_bytes(value->number);
	else if (value->bytes == 1 && value->seconds == -1)
		snprintf(out.text, sizeof(out.text), "%.24s/s (%.32s)",
			 units_bytes(value->number).text, units_growth(value->number * 3600).text);
	else if (value->bytes == 0 && value->seconds == 1 && value->number >= 0)
		return units_duration((uint64_t)(value->number * 1e9 + 0.5));
	else
		snprintf(out.text, sizeof(out.text), "%.6g%s", value->number,
			 value->seconds == -1 ? "/s" : "");
	return out;
}
