#include "formats/gotrace_state.h"
#include "formats/xalloc.h"

#include <stdlib.h>

#define FIRST_WIDTH 1000000 /* ns between two points, unless that makes too many */

/* ---- Points ---------------------------------------------------------------------------- */

static void merge_bins(struct gotrace_bin *to, const struct gotrace_bin *from)
{
	to->created += from->created;
	to->destroyed += from->destroyed;
	to->assist += from->assist;
	to->heap_peak = from->heap_peak > to->heap_peak ? from->heap_peak : to->heap_peak;
	if (from->heap_at >= to->heap_at) {
		to->heap = from->heap;
		to->heap_at = from->heap_at;
	}
	if (from->goal_at >= to->goal_at) {
		to->goal = from->goal;
		to->goal_at = from->goal_at;
	}
}

/* Twice the width, half the number. */
static void widen(struct gotrace_state *s)
{
	s->bin_width *= 2;
	for (size_t i = 0; i < GOTRACE_MAX_POINTS; i++) {
		struct gotrace_bin bin = s->bins[i];

		s->bins[i] = (struct gotrace_bin){0};
		merge_bins(&s->bins[i / 2], &bin);
	}
	s->n_bins = (s->n_bins + 1) / 2;
}

struct gotrace_bin *gotrace_bin_at(struct gotrace_state *s, uint64_t time)
{
	uint64_t at = time > s->base ? time - s->base : 0;

	if (!s->bins) {
		s->bins = xcalloc(GOTRACE_MAX_POINTS, sizeof(s->bins[0]));
		s->bin_width = FIRST_WIDTH;
	}
	while (at / s->bin_width >= GOTRACE_MAX_POINTS)
		widen(s);
	if (at / s->bin_width >= s->n_bins)
		s->n_bins = (size_t)(at / s->bin_width) + 1;
	return &s->bins[at / s->bin_width];
}

static void make_points(struct gotrace_state *s)
{
	struct gotrace *trace = s->trace;
	uint64_t goroutines = trace->goroutines_first, heap = 0, goal = 0;

	trace->points = xcalloc(s->n_bins + 1, sizeof(trace->points[0]));
	trace->n_points = s->n_bins;
	trace->goroutines_peak = goroutines;
	for (size_t i = 0; i < s->n_bins; i++) {
		const struct gotrace_bin *bin = &s->bins[i];

		goroutines += bin->created;
		goroutines -= bin->destroyed < goroutines ? bin->destroyed : goroutines;
		heap = bin->heap_at ? bin->heap : heap;
		goal = bin->goal_at ? bin->goal : goal;
		trace->points[i] = (struct gotrace_point){
			.time = s->base + (i + 1) * s->bin_width,
			.heap = heap,
			.goal = goal,
			.heap_peak = bin->heap_peak > heap ? bin->heap_peak : heap,
			.goroutines = goroutines,
			.created = bin->created,
			.destroyed = bin->destroyed,
			.assist = bin->assist,
		};
		if (goroutines > trace->goroutines_peak)
			trace->goroutines_peak = goroutines;
	}
	if (trace->n_points && trace->points[trace->n_points - 1].time > trace->last)
		trace->points[trace->n_points - 1].time = trace->last;
	trace->goroutines_last = goroutines;
}

/* ---- Beginnings and ends --------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
	const struct gotrace_mark *x = a, *y = b;

	return x->time != y->time ? (x->time > y->time) - (x->time < y->time)
				  : (int)y->begins - (int)x->begins;
}

static int by_id(const void *a, const void *b)
{
	const struct gotrace_mark *x = a, *y = b;

	return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : by_time(a, b);
}

static void sort(struct gotrace_marks *marks, int (*order)(const void *, const void *))
{
	if (marks->n)
		qsort(marks->items, marks->n, sizeof(marks->items[0]), order);
}

static enum gotrace_stop_kind kind_of(const struct gotrace_state *s, const struct gotrace_mark *m)
{
	for (size_t i = 0; i < s->n_reasons; i++) {
		const struct gotrace_reasons *r = &s->reasons[i];

		if (r->generation != m->generation || !m->id)
			continue;
		return m->id == r->sweep_term  ? GOTRACE_STOP_SWEEP_TERM
		       : m->id == r->mark_term ? GOTRACE_STOP_MARK_TERM
					       : GOTRACE_STOP_OTHER;
	}
	return GOTRACE_STOP_OTHER;
}

/* The world is stopped by one at a time. */
static void pair_stops(struct gotrace_state *s)
{
	struct gotrace *trace = s->trace;
	const struct gotrace_mark *begin = NULL;

	sort(&s->stops, by_time);
	for (size_t i = 0; i < s->stops.n; i++) {
		const struct gotrace_mark *m = &s->stops.items[i];

		if (m->begins) {
			begin = m;
			continue;
		}
		if (begin) {
			xgrow(trace->stops, trace->cap_stops, trace->n_stops + 1);
			trace->stops[trace->n_stops++] =
				(struct gotrace_stop){begin->time, m->time, kind_of(s, begin)};
		}
		begin = NULL;
	}
}

/* Finds the stops of a cycle, from the stop at *next on. */
static void add_gc(struct gotrace *trace, struct gotrace_gc gc, size_t *next)
{
	size_t i = *next;

	for (; i < trace->n_stops && (!gc.end || trace->stops[i].begin <= gc.end); i++) {
		const struct gotrace_stop *stop = &trace->stops[i];

		if (stop->begin < gc.begin)
			continue;
		if (stop->kind == GOTRACE_STOP_SWEEP_TERM && !gc.first.begin)
			gc.first = *stop;
		/* One after which marking went on does not hold the end. */
		if (stop->kind == GOTRACE_STOP_MARK_TERM && gc.end && stop->end >= gc.end)
			gc.second = *stop;
	}
	*next = i;
	xgrow(trace->gcs, trace->cap_gcs, trace->n_gcs + 1);
	trace->gcs[trace->n_gcs++] = gc;
}

static void pair_gcs(struct gotrace_state *s)
{
	struct gotrace_gc gc = {0};
	bool open = false;
	size_t next = 0;

	sort(&s->gcs, by_time);
	for (size_t i = 0; i < s->gcs.n; i++) {
		const struct gotrace_mark *m = &s->gcs.items[i];

		/* It is told again of one in progress where a generation begins. */
		if (m->begins && m->before && open)
			continue;
		if (m->begins) {
			if (open)
				add_gc(s->trace, gc, &next);
			gc = (struct gotrace_gc){.begin = m->before ? 0 : m->time};
			open = true;
		} else {
			gc.end = m->time;
			add_gc(s->trace, gc, &next);
			gc = (struct gotrace_gc){0};
			open = false;
		}
	}
	if (open)
		add_gc(s->trace, gc, &next);
}

static void pair_assists(struct gotrace_state *s)
{
	const struct gotrace_mark *begin = NULL;

	sort(&s->assists, by_id);
	for (size_t i = 0; i < s->assists.n; i++) {
		const struct gotrace_mark *m = &s->assists.items[i];

		if (begin && begin->id != m->id)
			begin = NULL;
		if (m->begins) {
			begin = begin ? begin : m;
			continue;
		}
		if (begin) {
			s->trace->assists++;
			s->trace->assist_ns += m->time - begin->time;
			gotrace_bin_at(s, m->time)->assist += m->time - begin->time;
		}
		begin = NULL;
	}
}

void gotrace_pair(struct gotrace_state *s)
{
	pair_stops(s);
	pair_gcs(s);
	pair_assists(s);
	make_points(s);
}
