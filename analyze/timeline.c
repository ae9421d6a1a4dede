#include "analyze/timeline.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
/* A goal from here on is the runtime's way to say that there is none (GOGC=off). */
#define NO_GOAL ((uint64_t)1 << 60)

/* The least round length that covers the span in at most n intervals. */
static uint64_t round_step(uint64_t span, size_t n)
{
	static const uint64_t long_ones[] = {30,   60,	 120,	300,   600,   900,   1200, 1800,
					     3600, 7200, 10800, 14400, 21600, 43200, 86400};
	uint64_t least = span / n + (span % n != 0);

	for (uint64_t power = SECOND / 1000; power <= 10 * SECOND; power *= 10) {
		static const uint64_t factors[] = {1, 2, 5};

		for (size_t i = 0; i < 3; i++)
			if (factors[i] * power >= least && factors[i] * power <= 20 * SECOND)
				return factors[i] * power;
	}
	for (size_t i = 0; i < sizeof(long_ones) / sizeof(*long_ones); i++)
		if (long_ones[i] * SECOND >= least)
			return long_ones[i] * SECOND;
	return (least / (86400 * SECOND) + 1) * 86400 * SECOND;
}

static struct timeline_row *row_at(struct timeline *timeline, uint64_t time)
{
	uint64_t begin = timeline->n ? timeline->rows[0].from : 0;
	uint64_t index;

	if (!timeline->n || !time || time < begin)
		return NULL;
	index = (time - begin) / timeline->step;
	/* The very end belongs to the last interval. */
	if (index == timeline->n && time == timeline->rows[timeline->n - 1].to)
		index--;
	return index < timeline->n ? &timeline->rows[index] : NULL;
}

struct gc_figures {
	uint64_t time, number, start, peak, live, goal;
	bool forced, from_log;
};

static void add_gc(struct timeline *timeline, const struct gc_figures *gc)
{
	struct timeline_row *row = row_at(timeline, gc->time);

	if (!row)
		return;
	if (!row->gcs++ || (gc->number && gc->number < row->first_gc))
		row->first_gc = gc->number;
	row->forced += gc->forced;
	row->from_log |= gc->from_log;
	if (!row->heap_start)
		row->heap_start = gc->start;
	if (gc->peak > row->heap_peak)
		row->heap_peak = gc->peak;
	if (gc->number >= row->last_gc) {
		row->last_gc = gc->number;
		if (gc->live)
			row->heap_live = gc->live;
		if (gc->goal && gc->goal < NO_GOAL)
			row->goal = gc->goal;
	}
}

static void add_gcs(struct timeline *timeline, const struct model *model, uint32_t process)
{
	for (size_t i = 0; i < model->n_cycles; i++) {
		const struct gc_cycle *cycle = &model->cycles[i];

		if (cycle->process != process)
			continue;
		add_gc(timeline, &(struct gc_figures){
					 .time = cycle->mark_term ? cycle->mark_term
						 : cycle->end	  ? cycle->end
								  : cycle->start,
					 .number = cycle->number,
					 .start = cycle->heap0,
					 .peak = cycle->heap1,
					 .live = cycle->heap2,
					 .goal = cycle->goal,
					 .forced = cycle->forced,
				 });
	}
	for (size_t i = 0; i < model->n_gctrace; i++) {
		const struct gctrace_point *point = &model->gctrace[i];

		if (point->matched || point->alignment >= model->n_alignments ||
		    model->alignments[point->alignment].process != process)
			continue;
		add_gc(timeline, &(struct gc_figures){
					 .time = point->time,
					 .number = point->number,
					 .start = point->heap_start,
					 .peak = point->heap_peak,
					 .live = point->heap_live,
					 .goal = point->goal,
					 .forced = point->forced,
					 .from_log = true,
				 });
	}
}

/* The sums of all sites of a process, by epoch. */
struct epoch_sum {
	double born, died;
};

static struct epoch_sum *sum_epochs(const struct model *model, uint32_t process)
{
	size_t n = model->processes[process].n_epochs;
	struct epoch_sum *sums = xcalloc(n + 1, sizeof(*sums));

	for (size_t s = 0; s < model->n_sites; s++) {
		const struct site *site = &model->sites[s];

		if (site->process != process || site->kind != SITE_HEAP || !site->born ||
		    !site->died)
			continue;
		for (size_t e = 0; e < n; e++) {
			sums[e].born += site->born[e].est_bytes;
			sums[e].died += site->died[e].est_bytes;
		}
	}
	return sums;
}

/* Spreads what an epoch saw evenly over its time. */
static void spread(struct timeline *timeline, uint64_t from, uint64_t to,
		   const struct epoch_sum *sum)
{
	for (size_t i = 0; i < timeline->n; i++) {
		struct timeline_row *row = &timeline->rows[i];
		uint64_t begin = from > row->from ? from : row->from;
		uint64_t end = to < row->to ? to : row->to;
		double share;

		if (begin >= end)
			continue;
		share = (double)(end - begin) / (double)(to - from);
		row->born += share * sum->born;
		row->freed += share * sum->died;
	}
}

static void add_samples(struct timeline *timeline, const struct model *model, uint32_t process)
{
	const struct process *p = &model->processes[process];
	struct epoch_sum *sums = sum_epochs(model, process);
	uint64_t from = timeline->rows[0].from, to;
	double live = 0;
	size_t row = 0, births = 0;

	for (size_t s = 0; s < model->n_sites; s++)
		births += model->sites[s].process == process && model->sites[s].kind == SITE_HEAP &&
			  model->sites[s].births;
	for (size_t e = 0; births && e < p->n_epochs; e++) {
		const struct epoch *epoch = &p->epochs[e], *next = epoch + 1;
		double after_sweep;

		to = epoch->end_time ? epoch->end_time : timeline->rows[timeline->n - 1].to;
		spread(timeline, from, to > from ? to : from, &sums[e]);
		from = to > from ? to : from;
		live += sums[e].born - sums[e].died;
		if (!epoch->end_time)
			continue;
		/* What the mark at its end found dead is stamped in the next cycle. */
		after_sweep = live;
		if (e + 1 < p->n_epochs && next->last_cycle >= next->first_cycle)
			after_sweep -= sums[e + 1].died /
				       (double)(next->last_cycle - next->first_cycle + 1);
		while (row < timeline->n && timeline->rows[row].to < epoch->end_time)
			row++;
		for (size_t i = row; i < timeline->n; i++) {
			timeline->rows[i].sampled = true;
			timeline->rows[i].live = after_sweep > 0 ? after_sweep : 0;
		}
	}
	free(sums);
}

/* What is alive of C memory at the end of each interval, by the slices of time of its sites. */
static void add_native(struct timeline *timeline, const struct model *model, uint32_t process)
{
	const struct process *p = &model->processes[process];
	double *changes = xcalloc(p->n_slices + 1, sizeof(*changes)), live = 0;
	bool known = p->ended_unseen[SITE_NATIVE] > 0;
	size_t slice = 0;

	for (size_t s = 0; s < model->n_sites; s++) {
		const struct site *site = &model->sites[s];

		if (site->process != process || site->kind != SITE_NATIVE || !site->born)
			continue;
		known = true;
		for (size_t e = 0; e < p->n_slices; e++)
			changes[e] += site->born[e].est_bytes - site->died[e].est_bytes;
	}
	for (size_t i = 0; known && i < timeline->n; i++) {
		struct timeline_row *row = &timeline->rows[i];

		for (; slice < p->n_slices &&
		       (p->slices[slice].end_time <= row->to || (i + 1 == timeline->n));
		     slice++)
			live += changes[slice];
		row->native_known = true;
		row->native = live > 0 ? live : 0;
	}
	free(changes);
}

static void add_memory(struct timeline *timeline, const struct model *model, uint32_t process)
{
	struct timeline_row *row;

	for (size_t i = 0; i < model->n_rss; i++) {
		row = model->rss[i].process == process ? row_at(timeline, model->rss[i].time)
						       : NULL;
		if (!row)
			continue;
		row->rss = model->rss[i].rss;
		if (model->rss[i].has_owners) {
			row->has_owners = true;
			memcpy(row->owners, model->rss[i].owners, sizeof(row->owners));
		}
	}
	for (size_t i = 0; i < model->n_maps; i++) {
		row = model->maps[i].process == process ? row_at(timeline, model->maps[i].time)
							: NULL;
		if (row) {
			row->mapping = true;
			row->mapped += model->maps[i].delta;
		}
	}
	for (size_t i = 0; i < model->n_dumps; i++) {
		const struct heap_dump *dump = &model->dumps[i];

		row = dump->process == process || dump->process == UINT32_MAX
			      ? row_at(timeline, dump->time)
			      : NULL;
		if (row && !row->dumps++)
			row->first_dump = (uint32_t)i;
	}
}

void timeline_init(struct timeline *timeline, const struct model *model, uint32_t process,
		   size_t intervals)
{
	const struct process *p = &model->processes[process];
	uint64_t from = model->first_time, to = model->last_time, span;

	memset(timeline, 0, sizeof(*timeline));
	if (p->end && p->end < to)
		to = p->end;
	if (to <= from)
		return;
	span = to - from;
	timeline->step = round_step(span, intervals ? intervals : 30);
	/* A process that began later has no empty rows before it. */
	if (p->start > from && p->start < to)
		from += (p->start - from) / timeline->step * timeline->step;
	timeline->n = (size_t)((to - from - 1) / timeline->step) + 1;
	timeline->rows = xcalloc(timeline->n, sizeof(*timeline->rows));
	for (size_t i = 0; i < timeline->n; i++) {
		timeline->rows[i].from = from + i * timeline->step;
		timeline->rows[i].to = from + (i + 1) * timeline->step;
	}
	timeline->rows[timeline->n - 1].to = to;
	add_gcs(timeline, model, process);
	add_samples(timeline, model, process);
	add_native(timeline, model, process);
	add_memory(timeline, model, process);
}

void timeline_free(struct timeline *timeline)
{
	free(timeline->rows);
}
