#include "analyze/align.h"

#include "analyze/align_pair.h"
#include "analyze/align_state.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void align_remark(char **text, const char *fmt, ...)
{
	char *more, *old = *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&more, fmt, args) < 0)
		abort();
	va_end(args);
	*text = old ? xasprintf("%s; %s", old, more) : xstrdup(more);
	free(old);
	free(more);
}

const char *align_plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void count_line(struct gctrace_alignment *alignment, const struct gctrace_entry *entry,
		       enum line_state state)
{
	if (!alignment->lines || entry->number < alignment->first_gc)
		alignment->first_gc = entry->number;
	if (!alignment->lines || entry->number > alignment->last_gc)
		alignment->last_gc = entry->number;
	alignment->lines++;
	alignment->matched += state == LINE_MATCHED;
	alignment->unmatched += state == LINE_WRONG;
}

static uint64_t place_line(const struct gctrace_alignment *alignment,
			   const struct gctrace_entry *entry)
{
	int64_t at;

	if (!alignment->aligned || entry->time > ALIGN_MAX_ZERO)
		return 0;
	at = alignment->offset + (int64_t)(entry->time + GCTRACE_TIME_RESOLUTION / 2);
	return at > 0 ? (uint64_t)at : 0;
}

static void add_point(struct align *a, size_t i)
{
	const struct gctrace_entry *entry = a->entries[i];
	const struct aligned_line *line = &a->lines[i];
	struct model *model = a->model;
	struct gctrace_alignment *alignment = &model->alignments[line->alignment];

	count_line(alignment, entry, line->state);
	xgrow(model->gctrace, model->cap_gctrace, model->n_gctrace + 1);
	model->gctrace[model->n_gctrace++] = (struct gctrace_point){
		.alignment = line->alignment,
		.number = entry->number,
		.time = line->state == LINE_WRONG ? 0 : place_line(alignment, entry),
		.line = entry->line,
		.matched = line->state == LINE_MATCHED,
		.percent = (double)entry->percent,
		.pause_ms = ((double)entry->clock[GCTRACE_SWEEP_TERM] +
			     (double)entry->clock[GCTRACE_MARK_TERM]) /
			    1e6,
		.mark_ms = (double)entry->clock[GCTRACE_MARK] / 1e6,
		.assist_ms = (double)entry->cpu[GCTRACE_CPU_ASSIST] / 1e6,
		.heap_start = entry->heap_start,
		.heap_peak = entry->heap_peak,
		.heap_live = entry->heap_live,
		.goal = entry->goal,
		.procs = entry->procs < UINT32_MAX ? (uint32_t)entry->procs : UINT32_MAX,
		.forced = entry->forced,
	};
}

/* What concerns the log as a whole goes to its first alignment. */
static void describe_log(struct align *a, const struct gctrace_log *log)
{
	struct gctrace_alignment *first = &a->model->alignments[a->first];
	uint64_t damaged = log->counts[GCTRACE_DAMAGED];

	if (a->lives.duplicates)
		align_remark(&first->note, "%zu repeated line%s left out", a->lives.duplicates,
			     align_plural(a->lives.duplicates));
	if (log->stitched)
		align_remark(&first->note, "%" PRIu64 " torn line%s put together", log->stitched,
			     align_plural(log->stitched));
	if (damaged)
		align_remark(&first->note, "%" PRIu64 " damaged line%s left out", damaged,
			     align_plural(damaged));
	if (log->damage)
		align_remark(&first->problem, "%s", log->damage);
	for (size_t i = a->first; i < a->model->n_alignments; i++) {
		struct gctrace_alignment *alignment = &a->model->alignments[i];

		if (alignment->aligned && alignment->unmatched)
			align_remark(&alignment->problem, "%zu line%s of %zu do%s not fit",
				     alignment->unmatched, align_plural(alignment->unmatched),
				     alignment->lines, alignment->unmatched == 1 ? "es" : "");
	}
}

static int cycle_by_time(const void *a, const void *b)
{
	uint64_t x = align_cycle_time(*(const struct gc_cycle *const *)a);
	uint64_t y = align_cycle_time(*(const struct gc_cycle *const *)b);

	return (x > y) - (x < y);
}

static int cycle_by_number(const void *a, const void *b)
{
	const struct gc_cycle *x = *(const struct gc_cycle *const *)a;
	const struct gc_cycle *y = *(const struct gc_cycle *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

static void sort_cycles(struct align *a)
{
	for (size_t i = 0; i < a->model->n_cycles; i++) {
		const struct gc_cycle *cycle = &a->model->cycles[i];
		struct align_cycles *cycles;

		if (cycle->process >= a->model->n_processes || !align_cycle_time(cycle) ||
		    cycle->start > ALIGN_MAX_ZERO || cycle->mark_term > ALIGN_MAX_ZERO ||
		    cycle->end > ALIGN_MAX_ZERO)
			continue;
		cycles = &a->processes[cycle->process].cycles;
		xgrow(cycles->by_time, cycles->cap, cycles->n + 1);
		cycles->by_time[cycles->n++] = cycle;
	}
	for (size_t i = 0; i < a->model->n_processes; i++) {
		struct align_cycles *cycles = &a->processes[i].cycles;

		if (!cycles->n)
			continue;
		cycles->by_number = xcalloc(cycles->n, sizeof(cycles->by_number[0]));
		memcpy(cycles->by_number, cycles->by_time, cycles->n * sizeof(cycles->by_time[0]));
		qsort(cycles->by_time, cycles->n, sizeof(cycles->by_time[0]), cycle_by_time);
		qsort(cycles->by_number, cycles->n, sizeof(cycles->by_number[0]), cycle_by_number);
	}
}

/* Lives are in log order, and so are their groups. */
static void find_groups(struct align *a)
{
	a->groups = xcalloc(a->lives.n_groups + 1, sizeof(a->groups[0]));
	a->owners = xcalloc(a->lives.n_lives + 1, sizeof(a->owners[0]));
	for (size_t i = a->lives.n_lives; i-- > 0;) {
		const struct gclife *life = &a->lives.lives[i];
		struct line_range *range = &a->groups[life->group];

		range->first = life->first;
		if (life->last > range->last)
			range->last = life->last;
	}
}

/* Puts the alignments of this log in the order of their first lines. */
static void order_alignments(struct align *a)
{
	struct model *model = a->model;
	size_t n = model->n_alignments - a->first, used = 0;
	struct gctrace_alignment *sorted = xcalloc(n + 1, sizeof(sorted[0]));
	uint32_t *to = xcalloc(n + 1, sizeof(to[0]));

	for (size_t i = 0; i < n; i++)
		to[i] = ALIGN_NOBODY;
	for (size_t i = 0; i < a->n; i++) {
		uint32_t *alignment = &a->lines[i].alignment;

		if (*alignment == ALIGN_NOBODY)
			continue;
		if (to[*alignment - a->first] == ALIGN_NOBODY) {
			to[*alignment - a->first] = (uint32_t)used;
			sorted[used++] = model->alignments[*alignment];
		}
		*alignment = (uint32_t)a->first + to[*alignment - a->first];
	}
	for (size_t i = 0; i < n; i++)
		if (to[i] == ALIGN_NOBODY) /* a piece of which all lines went elsewhere */
			sorted[used++] = model->alignments[a->first + i];
	if (used)
		memcpy(model->alignments + a->first, sorted, used * sizeof(sorted[0]));
	model->n_alignments = a->first + used;
	free(sorted);
	free(to);
}

static void release(struct align *a)
{
	for (size_t i = 0; i < a->model->n_processes; i++) {
		free(a->processes[i].cycles.by_time);
		free(a->processes[i].cycles.by_number);
	}
	free(a->processes);
	free(a->groups);
	free(a->owners);
	free(a->entries);
	free(a->lines);
	free(a->some);
	free(a->which);
	gclives_free(&a->lives);
}

void align_gctrace_log(struct model *model, const char *path, const struct gctrace_log *log)
{
	struct align a = {
		.model = model,
		.path = path,
		.n = log->n_entries,
		.first = model->n_alignments,
		.entries = xcalloc(log->n_entries + 1, sizeof(a.entries[0])),
		.lines = xcalloc(log->n_entries + 1, sizeof(a.lines[0])),
		.some = xcalloc(log->n_entries + 1, sizeof(a.some[0])),
		.which = xcalloc(log->n_entries + 1, sizeof(a.which[0])),
		.processes = xcalloc(model->n_processes + 1, sizeof(a.processes[0])),
	};

	for (size_t i = 0; i < a.n; i++) {
		a.entries[i] = &log->entries[i];
		a.lines[i].alignment = ALIGN_NOBODY;
	}
	gclives_split(a.entries, a.n, &a.lives);
	find_groups(&a);
	sort_cycles(&a);
	align_match(&a);
	align_place(&a);
	align_rest(&a);
	order_alignments(&a);
	for (size_t i = 0; i < a.n; i++)
		if (a.lines[i].alignment != ALIGN_NOBODY)
			add_point(&a, i);
	if (model->n_alignments > a.first)
		describe_log(&a, log);
	release(&a);
}

struct error *align_gctrace(struct model *model, const char *path)
{
	struct gctrace_log log;

	TRY(gctrace_log_read(path, &log));
	align_gctrace_log(model, path, &log);
	gctrace_log_free(&log);
	return NULL;
}
