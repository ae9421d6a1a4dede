#include "analyze/gchealth.h"

#include "analyze/gchealth_state.h"
#include "analyze/gclives.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>

#define BLOCKS 300 /* points that a trend is found from; the methods compare all pairs */
#define HOUR   3.6e12
#define Z95    1.959964

/* No heap has a goal of this size. */
#define GC_NO_GOAL (UINT64_C(1) << 60)

struct gchealth_options gchealth_defaults(void)
{
	return (struct gchealth_options){
		.cpu_share = 0.10,
		.rate = 20,
		.pause = 10e6,
		.pause_p99 = 1e6,
		.assist_share = 0.25,
		.mark_growth = 0.5,
		.live_goal = 0.8,
		.live_goal_part = 0.2,
		.forced_share = 0.2,
		.live_growth = 0.2,
		.live_growth_bytes = 8 << 20,
		.flat_goal = 0.05,
		.overshoot = 1.1,
		.overshoot_part = 0.1,
		.stacks_share = 0.25,
		.stacks_bytes = 64 << 20,
		.p_value = 0.01,
		.min_goal = 16 << 20,
		.min_cycles = 10,
		.min_span = 1e9,
	};
}

double gc_live(const struct gc_sample *sample)
{
	return sample->live;
}

double gc_mark(const struct gc_sample *sample)
{
	return sample->clock[GCTRACE_MARK];
}

double gc_goal(const struct gc_sample *sample)
{
	return sample->goal;
}

/* ---- Trends ---------------------------------------------------------------------------- */

/* The medians of times and figures over `blocks` runs of cycles. */
static void take_blocks(const struct gc_samples *samples, gc_figure *figure, size_t blocks,
			double *times, double *values)
{
	double *part = xcalloc(samples->n / blocks + 2, sizeof(part[0]));

	for (size_t b = 0; b < blocks; b++) {
		size_t from = b * samples->n / blocks, to = (b + 1) * samples->n / blocks;

		for (size_t i = from; i < to; i++)
			part[i - from] = figure(&samples->items[i]);
		values[b] = stats_quantile(part, to - from, 0.5);
		for (size_t i = from; i < to; i++)
			part[i - from] = samples->items[i].time;
		times[b] = stats_quantile(part, to - from, 0.5);
	}
	free(part);
}

struct gc_trend gc_trend_of(const struct gc_samples *samples, gc_figure *figure)
{
	size_t n = samples->n < BLOCKS ? samples->n : BLOCKS;
	double *times = xcalloc(n + 1, sizeof(times[0])),
	       *values = xcalloc(n + 1, sizeof(values[0]));
	double *residuals = xcalloc(n + 1, sizeof(residuals[0])), inflation;
	struct gc_trend trend = {.p_value = 1};
	struct stats_slope slope;

	if (n)
		take_blocks(samples, figure, n, times, values);
	slope = stats_theil_sen(times, values, n, Z95, 1);
	if (slope.valid) {
		double first = samples->items[0].time, last = samples->items[samples->n - 1].time;

		for (size_t i = 0; i < n; i++)
			residuals[i] = values[i] - slope.intercept - slope.slope * times[i];
		inflation = stats_inflation(residuals, n);
		slope = stats_theil_sen(times, values, n, Z95, inflation);
		trend = (struct gc_trend){
			.valid = true,
			.per_ns = slope.slope,
			.low = slope.low,
			.high = slope.high,
			.begin = slope.intercept + slope.slope * first,
			.end = slope.intercept + slope.slope * last,
			.p_value = stats_mann_kendall(values, n, inflation).p_rising,
		};
	}
	free(times);
	free(values);
	free(residuals);
	return trend;
}

/* ---- Figures --------------------------------------------------------------------------- */

static double sum_cpu(const struct gc_samples *samples, int part)
{
	double sum = 0;

	for (size_t i = 0; i < samples->n; i++)
		sum += samples->items[i].cpu[part];
	return sum;
}

static double quantile_of(const struct gc_samples *samples, gc_figure *figure, double q)
{
	double *values = xcalloc(samples->n + 1, sizeof(values[0])), value;

	for (size_t i = 0; i < samples->n; i++)
		values[i] = figure(&samples->items[i]);
	value = stats_quantile(values, samples->n, q);
	free(values);
	return value;
}

static double live_goal(const struct gc_sample *sample)
{
	return sample->goal > 0 ? sample->live / sample->goal : 0;
}

static double peak(const struct gc_sample *sample)
{
	return sample->peak;
}

static double cycle_pause(const struct gc_sample *sample)
{
	return sample->pause;
}

static void measure_pauses(struct gchealth *health, const struct gc_samples *samples)
{
	double *pauses = xcalloc(2 * samples->n, sizeof(pauses[0]));

	for (size_t i = 0; i < samples->n; i++) {
		pauses[2 * i] = samples->items[i].clock[GCTRACE_SWEEP_TERM];
		pauses[2 * i + 1] = samples->items[i].clock[GCTRACE_MARK_TERM];
	}
	health->pause_p50 = stats_quantile(pauses, 2 * samples->n, 0.5);
	health->pause_p99 = stats_quantile(pauses, 2 * samples->n, 0.99);
	health->pause_max = pauses[2 * samples->n - 1];
	health->cycle_pause_p50 = quantile_of(samples, cycle_pause, 0.5);
	health->cycle_pause_p99 = quantile_of(samples, cycle_pause, 0.99);
	health->cycle_pause_max = quantile_of(samples, cycle_pause, 1);
	health->pause_total = 0;
	for (size_t i = 0; i < samples->n; i++)
		health->pause_total += samples->items[i].pause;
	free(pauses);
	health->mark_p50 = quantile_of(samples, gc_mark, 0.5);
	health->mark_max = quantile_of(samples, gc_mark, 1);
}

static void measure_cpu(struct gchealth *health, const struct gc_samples *samples)
{
	double assist = sum_cpu(samples, GCTRACE_CPU_ASSIST);
	double background = sum_cpu(samples, GCTRACE_CPU_BACKGROUND), procs = 0, work;

	for (size_t i = 0; i < samples->n; i++)
		procs += (double)samples->items[i].procs / (double)samples->n;
	work = assist + background + sum_cpu(samples, GCTRACE_CPU_SWEEP_TERM) +
	       sum_cpu(samples, GCTRACE_CPU_MARK_TERM);
	if (samples->n > 1 && health->span > 0 && procs > 0)
		health->cpu_share = work / (health->span * procs);
	if (assist + background > 0)
		health->assist_share = assist / (assist + background);
}

static void measure_sizes(struct gchealth *health, const struct gc_samples *samples)
{
	const struct gc_sample *first = &samples->items[0], *last = &samples->items[samples->n - 1];
	struct gc_trend trend = gc_trend_of(samples, gc_live);

	health->live_first = first->live;
	health->live_last = last->live;
	health->live_max = quantile_of(samples, gc_live, 1);
	health->peak_max = quantile_of(samples, peak, 1);
	health->goal_last = last->goal;
	if (last->goal > 0)
		health->live_goal_p50 = quantile_of(samples, live_goal, 0.5);
	if (!trend.valid)
		return;
	health->live_growth = trend.per_ns * HOUR;
	health->live_growth_low = trend.low * HOUR;
	health->live_growth_high = trend.high * HOUR;
}

static void measure(struct gchealth *health, const struct gc_samples *samples)
{
	const struct gc_sample *first = &samples->items[0], *last = &samples->items[samples->n - 1];
	struct gc_trend trend;

	health->cycles = samples->n;
	health->first_number = first->number;
	health->last_number = last->number;
	health->procs = last->procs;
	health->span = last->time - first->time + last->clock[0] + last->clock[1] + last->clock[2];
	for (size_t i = 0; i < samples->n; i++)
		health->forced += samples->items[i].forced;
	if (samples->n > 1 && last->time > first->time)
		health->rate = (double)(samples->n - 1) / (last->time - first->time) * 1e9;
	if (samples->has_clock)
		measure_pauses(health, samples);
	if (samples->has_cpu)
		measure_cpu(health, samples);
	if (samples->has_sizes)
		measure_sizes(health, samples);
	trend = gc_trend_of(samples, gc_mark);
	/* A fitted line may end below zero; a time does not. */
	if (samples->has_clock && trend.valid && trend.begin > 0)
		health->mark_growth = fmax(trend.end / trend.begin - 1, -1);
}

static struct gchealth *add_health(struct gchealth_list *list, char *source, uint32_t process)
{
	struct gchealth *health;

	xgrow(list->items, list->cap, list->n + 1);
	health = &list->items[list->n++];
	*health = (struct gchealth){
		.source = source,
		.process = process,
		.rate = -1,
		.cpu_share = -1,
		.percent = -1,
		.pause_p50 = -1,
		.pause_p99 = -1,
		.pause_max = -1,
		.pause_total = -1,
		.cycle_pause_p50 = -1,
		.cycle_pause_p99 = -1,
		.cycle_pause_max = -1,
		.assist_share = -1,
		.mark_p50 = -1,
		.mark_max = -1,
		.mark_growth = NAN,
		.live_first = -1,
		.live_last = -1,
		.live_max = -1,
		.live_growth = NAN,
		.live_growth_low = NAN,
		.live_growth_high = NAN,
		.live_goal_p50 = -1,
		.goal_last = -1,
		.peak_max = -1,
	};
	return health;
}

static struct gchealth *add_life(struct gchealth_list *list, char *source, uint32_t process,
				 const struct gc_samples *samples,
				 const struct gchealth_options *options)
{
	struct gchealth *health = add_health(list, source, process);

	measure(health, samples);
	health->enough = samples->n >= options->min_cycles && health->span >= options->min_span;
	gchealth_judge(health, samples, options);
	return health;
}

/* ---- Sources --------------------------------------------------------------------------- */

static void add_entry(struct gc_samples *samples, const struct gctrace_entry *entry)
{
	struct gc_sample *sample;

	xgrow(samples->items, samples->cap, samples->n + 1);
	sample = &samples->items[samples->n++];
	*sample = (struct gc_sample){
		.number = entry->number,
		.line = entry->line,
		.time = (double)entry->time,
		.start = (double)entry->heap_start,
		.peak = (double)entry->heap_peak,
		.live = (double)entry->heap_live,
		/* With GOGC=off the runtime prints a goal as large as a number can be. */
		.goal = entry->goal < GC_NO_GOAL ? (double)entry->goal : 0,
		.stacks = (double)entry->stacks,
		.pause = (double)entry->clock[GCTRACE_SWEEP_TERM] +
			 (double)entry->clock[GCTRACE_MARK_TERM],
		.procs = entry->procs,
		.forced = entry->forced,
	};
	for (int i = 0; i < GCTRACE_CLOCKS; i++)
		sample->clock[i] = (double)entry->clock[i];
	for (int i = 0; i < GCTRACE_CPUS; i++)
		sample->cpu[i] = (double)entry->cpu[i];
	samples->has_stacks = entry->has_stacks;
}

void gchealth_add_log(struct gchealth_list *list, const char *name, const struct gctrace_log *log,
		      const struct gchealth_options *options)
{
	const struct gctrace_entry **entries = xcalloc(log->n_entries + 1, sizeof(entries[0]));
	struct gclives lives;

	for (size_t i = 0; i < log->n_entries; i++)
		entries[i] = &log->entries[i];
	gclives_split(entries, log->n_entries, &lives);
	for (size_t life = 0; life < lives.n_lives; life++) {
		struct gc_samples samples = {.has_clock = true, .has_cpu = true, .has_sizes = true};
		size_t first = lives.lives[life].first, last = lives.lives[life].last;
		size_t periodic = 0;
		struct gchealth *health;

		for (size_t i = first; i <= last; i++) {
			if (lives.of[i] == life)
				add_entry(&samples, entries[i]);
			periodic += entries[i]->kind == GCTRACE_GC_FORCED;
		}
		health = add_life(list,
				  lives.n_lives > 1
					  ? xasprintf("%s, from line %llu", name,
						      (unsigned long long)entries[first]->line)
					  : xstrdup(name),
				  UINT32_MAX, &samples, options);
		health->percent = (double)entries[last]->percent / 100;
		health->periodic = periodic;
		free(samples.items);
	}
	gclives_free(&lives);
	free(entries);
}

/* A cycle of the trace: its times where the runtime's own could be read. */
static void add_cycle(struct gc_samples *samples, const struct gc_cycle *cycle)
{
	struct gc_sample *sample;

	xgrow(samples->items, samples->cap, samples->n + 1);
	sample = &samples->items[samples->n++];
	*sample = (struct gc_sample){
		.number = cycle->number,
		.time = (double)(cycle->start ? cycle->start : cycle->mark_term),
		.start = (double)cycle->heap0,
		.peak = (double)cycle->heap1,
		.live = (double)cycle->heap2,
		.goal = (double)cycle->goal,
		.stacks = (double)cycle->stacks,
		.procs = cycle->procs,
		.percent = cycle->runtime_cpu_share > 0 ? cycle->runtime_cpu_share : -1,
		.forced = cycle->forced,
	};
	samples->has_sizes = samples->has_sizes && cycle->heap2;
	samples->has_stacks = samples->has_stacks || cycle->stacks;
	if (!cycle->mark || cycle->mark < cycle->start || cycle->mark_term < cycle->mark ||
	    cycle->end < cycle->mark_term) {
		samples->has_clock = samples->has_cpu = false;
		return;
	}
	sample->clock[GCTRACE_SWEEP_TERM] = (double)(cycle->mark - cycle->start);
	sample->clock[GCTRACE_MARK] = (double)(cycle->mark_term - cycle->mark);
	sample->clock[GCTRACE_MARK_TERM] = (double)(cycle->end - cycle->mark_term);
	sample->pause =
		cycle->pause ? (double)cycle->pause
			     : sample->clock[GCTRACE_SWEEP_TERM] + sample->clock[GCTRACE_MARK_TERM];
	samples->has_cpu = samples->has_cpu && cycle->has_cpu;
	sample->cpu[GCTRACE_CPU_SWEEP_TERM] = sample->clock[GCTRACE_SWEEP_TERM] * cycle->procs;
	sample->cpu[GCTRACE_CPU_ASSIST] = (double)cycle->assist;
	sample->cpu[GCTRACE_CPU_BACKGROUND] = (double)cycle->background;
	sample->cpu[GCTRACE_CPU_IDLE] = (double)cycle->idle;
	sample->cpu[GCTRACE_CPU_MARK_TERM] = sample->clock[GCTRACE_MARK_TERM] * cycle->procs;
}

static int by_time(const void *a, const void *b)
{
	const struct gc_sample *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

void gchealth_add_trace(struct gchealth_list *list, const struct model *model,
			const struct gchealth_options *options)
{
	struct gc_samples *all = xcalloc(model->n_processes + 1, sizeof(all[0]));

	for (size_t p = 0; p < model->n_processes; p++)
		all[p].has_clock = all[p].has_cpu = all[p].has_sizes = true;
	for (size_t i = 0; i < model->n_cycles; i++)
		if (model->cycles[i].process < model->n_processes &&
		    (model->cycles[i].start || model->cycles[i].mark_term))
			add_cycle(&all[model->cycles[i].process], &model->cycles[i]);
	for (uint32_t p = 0; p < model->n_processes; p++) {
		if (all[p].n) {
			qsort(all[p].items, all[p].n, sizeof(all[p].items[0]), by_time);
			add_life(list, xasprintf("process %u", model->processes[p].pid), p, &all[p],
				 options)
				->percent = all[p].items[all[p].n - 1].percent;
		}
		free(all[p].items);
	}
	free(all);
}

void gchealth_free(struct gchealth_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		for (size_t j = 0; j < list->items[i].n_anomalies; j++)
			free(list->items[i].anomalies[j].text);
		free(list->items[i].anomalies);
		free(list->items[i].source);
	}
	free(list->items);
	*list = (struct gchealth_list){0};
}
