/* Execution traces in the text report: what each tells, in rows of the timeline's intervals. */

#include "analyze/gotrace.h"
#include "analyze/report_text_parts.h"
#include "analyze/stats.h"
#include "analyze/timeline.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdlib.h>

#define MIB 1048576.0

/* What happened in an interval, and how it was at its end. */
struct interval {
	size_t gcs;
	uint64_t stopped, assist;
	struct gotrace_point last;
};

static double length(uint64_t begin, uint64_t end)
{
	return begin && end > begin ? (double)(end - begin) : 0;
}

static bool within(const struct execution *e, uint64_t time, uint64_t from, uint64_t to)
{
	uint64_t at = gotrace_time(e, time);

	return at >= from && at < to;
}

static struct interval sum_up(const struct execution *e, uint64_t from, uint64_t to)
{
	const struct gotrace *content = e->content;
	struct interval sum = {0};

	for (size_t i = 0; i < content->n_gcs; i++)
		sum.gcs += content->gcs[i].end && within(e, content->gcs[i].end, from, to);
	for (size_t i = 0; i < content->n_stops; i++)
		if (within(e, content->stops[i].begin, from, to))
			sum.stopped += content->stops[i].end - content->stops[i].begin;
	for (size_t i = 0; i < content->n_points; i++) {
		if (!within(e, content->points[i].time, from, to))
			continue;
		sum.assist += content->points[i].assist;
		sum.last = content->points[i];
	}
	return sum;
}

static void print_rows(const struct report *report, const struct execution *e)
{
	uint64_t first = gotrace_time(e, e->content->first),
		 last = gotrace_time(e, e->content->last);
	struct timeline timeline;

	timeline_init(&timeline, report->model, e->process, 0);
	fprintf(report->out, "  %8s %5s %9s %9s %8s %8s %10s\n", "time", "GC", "stopped", "assists",
		"heap", "goal", "goroutines");
	for (size_t i = 0; i < timeline.n; i++) {
		const struct timeline_row *row = &timeline.rows[i];
		struct interval sum;

		if (row->to <= first || row->from > last)
			continue;
		sum = sum_up(e, row->from, row->to);
		fprintf(report->out, "  %8s %5zu %9s %9s %8.1f %8.1f %10" PRIu64 "\n",
			report_time(report, row->from).text, sum.gcs,
			units_duration(sum.stopped).text, units_duration(sum.assist).text,
			(double)sum.last.heap / MIB, (double)sum.last.goal / MIB,
			sum.last.goroutines);
	}
	timeline_free(&timeline);
}

/* Begins a line of the sums, to which report_wrap_on joins. */
enum { LABEL = 13 };

static void label(const struct report *report, const char *text)
{
	fprintf(report->out, "  %-10s ", text);
}

static void print_stops(const struct report *report, const struct gotrace *content)
{
	double *gc = xcalloc(content->n_stops + 1, sizeof(gc[0])), longest = 0;
	size_t n = 0, others = 0;

	for (size_t i = 0; i < content->n_stops; i++) {
		const struct gotrace_stop *stop = &content->stops[i];
		double took = length(stop->begin, stop->end);

		if (stop->kind != GOTRACE_STOP_OTHER) {
			gc[n++] = took;
			continue;
		}
		others++;
		longest = took > longest ? took : longest;
	}
	if (n) {
		label(report, "stops");
		report_wrap_on(report, LABEL, LABEL,
			       "%zu for the collector, half below %s, the longest %s", n,
			       units_duration((uint64_t)stats_quantile(gc, n, 0.5)).text,
			       units_duration((uint64_t)stats_quantile(gc, n, 1)).text);
	}
	if (others) {
		label(report, n ? "" : "stops");
		report_wrap_on(report, LABEL, LABEL, "%zu for other reasons, the longest %s",
			       others, units_duration((uint64_t)longest).text);
	}
	free(gc);
}

static void print_sums(const struct report *report, const struct gotrace *content)
{
	double *marks = xcalloc(content->n_gcs + 1, sizeof(marks[0]));
	size_t n = 0;

	for (size_t i = 0; i < content->n_gcs; i++) {
		const struct gotrace_gc *gc = &content->gcs[i];

		if (gc->begin && gc->end)
			marks[n++] = length(gc->begin, gc->end);
	}
	if (n) {
		label(report, "GC");
		report_wrap_on(report, LABEL, LABEL, "%zu cycles, half below %s, the longest %s",
			       content->n_gcs,
			       units_duration((uint64_t)stats_quantile(marks, n, 0.5)).text,
			       units_duration((uint64_t)stats_quantile(marks, n, 1)).text);
	}
	free(marks);
	print_stops(report, content);
	label(report, "assists");
	report_wrap_on(report, LABEL, LABEL, "%s, together %s", units_count(content->assists).text,
		       units_duration(content->assist_ns).text);
	label(report, "sweeping");
	report_wrap_on(report, LABEL, LABEL, "%s times, together %s: %s swept, %s of it freed",
		       units_count(content->sweeps).text, units_duration(content->sweep_ns).text,
		       units_bytes((double)content->swept_bytes).text,
		       units_bytes((double)content->reclaimed_bytes).text);
	label(report, "goroutines");
	report_wrap_on(report, LABEL, LABEL,
		       "%s at its start, %s at its end, at most %s; %s were created, with "
		       "the runtime's own",
		       units_count(content->goroutines_first).text,
		       units_count(content->goroutines_last).text,
		       units_count(content->goroutines_peak).text,
		       units_count(content->created).text);
}

void report_executions(const struct report *report)
{
	for (size_t i = 0; i < report->model->n_executions; i++) {
		const struct execution *e = &report->model->executions[i];
		char *path = units_printable(e->path);
		char *title = xasprintf("Execution trace %s (format of Go 1.%d)", path,
					e->content->version);

		report_heading(report, title);
		if (e->placed)
			report_wrap(report, 2, 2, "from %s to %s%s",
				    report_time(report, gotrace_time(e, e->content->first)).text,
				    report_time(report, gotrace_time(e, e->content->last)).text,
				    e->process < report->model->n_processes ? "; heap in MiB" : "");
		if (e->placed && e->process < report->model->n_processes)
			print_rows(report, e);
		print_sums(report, e->content);
		free(title);
		free(path);
	}
}
