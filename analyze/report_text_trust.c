#include "analyze/report_text_parts.h"

#include "analyze/clocks.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ROWS  5 /* differing stacks of a heap dump, unless verbose */
#define MOST_STEPS 8 /* of the wall clock */

enum trust { TRUST_GOOD, TRUST_WARN, TRUST_BAD };

/* One finding, with its mark: "ok", "note" or "BAD". */
static void finding(const struct report *report, enum trust trust, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void finding(const struct report *report, enum trust trust, const char *fmt, ...)
{
	static const char *const marks[] = {"ok  ", "note", "BAD "};
	static const enum report_style styles[] = {STYLE_GOOD, STYLE_WARN, STYLE_BAD};
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup(fmt);
	va_end(ap);
	fprintf(report->out, "  %s%s%s ", report_style(report, styles[trust]), marks[trust],
		report_plain(report));
	report_wrap_on(report, 7, 7, "%s", text);
	free(text);
}

static void trust_reading(const struct report *report)
{
	const struct model *model = report->model;

	if (model->damage)
		finding(report, TRUST_BAD, "The trace is damaged: %s. What follows it is missing.",
			model->damage);
	if (model->truncated)
		finding(report, TRUST_WARN,
			"The trace breaks off: its recorder was killed, its disk was full, or it "
			"still records. What it holds is used; missing are up to a second before "
			"that, the last reading of the bucket table, heap dumps, and the names of "
			"addresses outside of allocation sites.");
	if (model->lost_events || model->lost_records)
		finding(report, TRUST_BAD,
			"%s of %s events were lost, in %s gaps: births and deaths among them are "
			"missing below. Record with larger buffers (-m).",
			units_count(model->lost_events).text,
			units_count(model->events + model->lost_events).text,
			units_count(model->lost_records).text);
	else
		finding(report, TRUST_GOOD, "%s events were read, none was lost.",
			units_count(model->events).text);
	if (model->throttles)
		finding(report, TRUST_BAD,
			"The kernel throttled events (%s times): some are missing. Raise "
			"kernel.perf_event_max_sample_rate.",
			units_count(model->throttles).text);
	if (model->out_of_order)
		finding(report, TRUST_WARN, "%s events came too late to be put in order.",
			units_count(model->out_of_order).text);
	if (model->duplicates)
		finding(report, TRUST_GOOD,
			"%s births that a probe reported twice were counted once.",
			units_count(model->duplicates).text);
	if (model->lost_deaths)
		finding(report, TRUST_WARN,
			"%s deaths were not seen: the address was given out again (%s of the "
			"births).",
			units_count(model->lost_deaths).text,
			units_percent(model->births
					      ? (double)model->lost_deaths / (double)model->births
					      : 1)
				.text);
	for (size_t i = 0; i < model->n_texts; i++)
		if (!strncmp(model->texts[i], "loss: ", 6))
			finding(report, TRUST_WARN, "%s", model->texts[i] + 6);
		else if (!strncmp(model->texts[i], "probe: ", 7))
			finding(report, TRUST_GOOD, "%s.", model->texts[i] + 7);
}

static void trust_processes(const struct report *report)
{
	const struct model *model = report->model;

	for (size_t i = 0; i < model->n_processes; i++) {
		const struct process *process = &model->processes[report->order[i]];
		uint64_t unseen = 0;
		bool cycles = false;

		if (!report_shows_process(report, i) || !report->births[report->order[i]])
			continue;
		for (size_t s = 0; s < model->n_sites; s++)
			if (model->sites[s].process == report->order[i] &&
			    model->sites[s].kind == SITE_HEAP)
				unseen += model->sites[s].unmatched_deaths;
		for (size_t c = 0; c < model->n_cycles && !cycles; c++)
			cycles = model->cycles[c].process == report->order[i];
		if (!cycles && model->gc_recorded)
			finding(report, TRUST_GOOD,
				"No GC cycle of process %" PRIu32
				" ended within the recording: nothing is known yet of what "
				"survives "
				"one.",
				process->pid);
		else if (!cycles && !model->counted_readings)
			finding(report, TRUST_WARN,
				"No GC event of process %" PRIu32
				" is recorded in this trace: cycles are known from births and "
				"deaths "
				"alone, and heap sizes not at all.",
				process->pid);
		if (process->by_spans)
			finding(report, TRUST_GOOD,
				"Objects of process %" PRIu32
				" are sampled one per span taken (8 KiB and more), and read from "
				"outside for whether they live: a site that allocates in step with "
				"the filling of spans counts for more or less than it has, and a "
				"death is noticed at the next reading or take.",
				process->pid);
		if (unseen && !process->attached)
			finding(report, TRUST_WARN,
				"%s deaths in process %" PRIu32
				" are of objects whose birth was not seen, though it was recorded "
				"from its start: births were lost.",
				units_count(unseen).text, process->pid);
		else if (unseen)
			finding(report, TRUST_GOOD,
				"%s deaths in process %" PRIu32
				" are of objects born before the recording; they are counted "
				"against growth.",
				units_count(unseen).text, process->pid);
	}
}

/* Whether any process has a Go heap that could have been recorded. */
static bool any_go(const struct model *model)
{
	for (size_t i = 0; i < model->n_processes; i++) {
		const struct process *process = &model->processes[i];

		if (!process->native_every || process->runtime_init ||
		    (process->go_version && process->go_version[0]))
			return true;
	}
	return !model->n_processes;
}

/* Whether every free that was recorded is of an allocation that was. */
static void trust_native(const struct report *report)
{
	const struct model *model = report->model;

	for (size_t i = 0; i < model->n_processes; i++) {
		const struct process *process = &model->processes[i];
		uint64_t unseen = process->ended_unseen[SITE_NATIVE];

		if (!process->native_every)
			continue;
		if (!unseen)
			finding(report, TRUST_GOOD,
				"Every free by C code in process %" PRIu32
				" is of an allocation that was recorded.",
				process->pid);
		else if (process->attached)
			finding(report, TRUST_GOOD,
				"%s frees by C code in process %" PRIu32
				" are of what was allocated before the recording; they are counted "
				"against growth.",
				units_count(unseen).text, process->pid);
		else
			finding(report, TRUST_WARN,
				"%s frees by C code in process %" PRIu32
				" are of what was not seen to be allocated, though it was recorded "
				"from its start: by a function that has no probe, or before an "
				"exec.",
				units_count(unseen).text, process->pid);
	}
}

static void trust_tables(const struct report *report)
{
	const struct model *model = report->model;
	size_t valid = 0;

	if (model->counted_readings) {
		finding(report, TRUST_WARN,
			"Births and deaths were not recorded as they happened: how many there "
			"were "
			"is known from %s readings of the runtime's bucket table, and which "
			"objects died is not; it is taken to be the youngest.",
			units_count(model->counted_readings).text);
		return;
	}
	if (model->heap_not_recorded && !any_go(model))
		return;
	if (model->heap_not_recorded) {
		finding(report, TRUST_WARN,
			"Births and deaths were not recorded, so the %s readings of the runtime's "
			"bucket table have nothing to be held against.",
			units_count(model->n_checks ? model->checks[0].readings : 0).text);
		return;
	}
	for (size_t i = 0; i < model->n_checks; i++) {
		const struct table_check *check = &model->checks[i];
		enum trust trust = !check->buckets_differing ? TRUST_GOOD
				   : check->bounded	     ? TRUST_WARN
							     : TRUST_BAD;
		char *result;

		if (!check->valid)
			continue;
		valid++;
		result =
			check->buckets_differing
				? xasprintf("; %s of %s buckets differ%s",
					    units_count(check->buckets_differing).text,
					    units_count(check->buckets).text,
					    check->bounded ? ", as they may: the program ran while "
							     "the table was read"
							   : ": events were lost or counted twice")
				: xstrdup(": complete");
		finding(report, trust,
			"Bucket table of process %" PRIu32
			", %s to %s (%s readings): the runtime counted %s births and %s deaths, "
			"the trace holds %s and %s%s.",
			check->process < model->n_processes ? model->processes[check->process].pid
							    : 0,
			report_time(report, check->begin).text,
			report_time(report, check->end).text, units_count(check->readings).text,
			units_count(check->counted_births).text,
			units_count(check->counted_deaths).text,
			units_count(check->seen_births).text, units_count(check->seen_deaths).text,
			result);
		free(result);
	}
	if (!valid && model->births)
		finding(report, TRUST_WARN,
			"There are no two readings of the runtime's bucket table: that the events "
			"are "
			"complete is not proven.");
}

static void trust_alignments(const struct report *report)
{
	const struct model *model = report->model;

	for (size_t i = 0; i < model->n_alignments; i++) {
		const struct gctrace_alignment *a = &model->alignments[i];
		const char *path = a->path ? a->path : "gctrace log";

		if (!a->aligned) {
			finding(report, TRUST_BAD,
				"%s, gc %" PRIu64 " to %" PRIu64 ": not on the trace's clock: %s.",
				path, a->first_gc, a->last_gc,
				a->problem ? a->problem : "nothing of it matches");
			continue;
		}
		finding(report, a->problem ? TRUST_WARN : TRUST_GOOD,
			"%s, gc %" PRIu64 " to %" PRIu64
			": placed by %s, %s of %s lines match a cycle of the trace; gctrace time "
			"+ %.6fs is the trace's clock, +- %s%s%s%s%s.",
			path, a->first_gc, a->last_gc, a->method ? a->method : "GC events",
			units_count(a->matched).text, units_count(a->lines).text,
			(double)a->offset / 1e9, units_duration(a->bound).text, a->note ? "; " : "",
			a->note ? a->note : "", a->problem ? "; but " : "",
			a->problem ? a->problem : "");
	}
}

static char *describe_step(const struct clock_step *step)
{
	uint64_t by = (uint64_t)(step->set < 0 ? -step->set : step->set);
	const char *way = step->set < 0 ? "back" : "forward";

	if (!step->slept)
		return xasprintf("The wall clock was set %s by %s", way, units_duration(by).text);
	if (!step->set)
		return xasprintf("The machine slept for %s", units_duration(step->slept).text);
	return xasprintf("The machine slept for %s, and the wall clock was set %s by %s",
			 units_duration(step->slept).text, way, units_duration(by).text);
}

static void trust_executions(const struct report *report)
{
	const struct model *model = report->model;

	for (size_t i = 0; i < model->n_executions; i++) {
		const struct execution *e = &model->executions[i];
		int64_t low = e->low < 0 ? -e->low : e->low,
			high = e->high < 0 ? -e->high : e->high;

		if (!e->placed) {
			finding(report, TRUST_BAD, "%s: not on the trace's clock: %s.", e->path,
				e->problem ? e->problem : "its clock is not known");
			continue;
		}
		if (!e->bounded) {
			finding(report, TRUST_WARN, "%s: it has the trace's clock%s%s%s%s.",
				e->path, e->note ? "; " : "", e->note ? e->note : "",
				e->problem ? "; but " : "", e->problem ? e->problem : "");
			continue;
		}
		finding(report, e->problem ? TRUST_WARN : TRUST_GOOD,
			"%s: %s of %s GC cycles in it are those of process %" PRIu32
			"; by them its clock is the trace's, between %s%s and %s%s%s%s%s%s.",
			e->path, units_count(e->matched).text, units_count(e->compared).text,
			model->processes[e->process].pid, e->low < 0 ? "-" : "+",
			units_duration((uint64_t)low).text, e->high < 0 ? "-" : "+",
			units_duration((uint64_t)high).text, e->note ? "; " : "",
			e->note ? e->note : "", e->problem ? "; but " : "",
			e->problem ? e->problem : "");
	}
}

/* What the wall clock did, which heap dumps have their times from. */
static void trust_clocks(const struct report *report)
{
	struct clock_step steps[MOST_STEPS];
	size_t n = clocks_steps(report->model, steps, MOST_STEPS);

	for (size_t i = 0; i < n; i++) {
		char *what = describe_step(&steps[i]);

		finding(report, TRUST_WARN,
			"%s, between %s and %s: wall-clock times are placed by the readings of "
			"the clocks around it.",
			what, report_time(report, steps[i].after).text,
			report_time(report, steps[i].before).text);
		free(what);
	}
}

static void print_dump_rows(const struct report *report, const struct heap_dump *dump)
{
	size_t most = report->options.verbose ? dump->n_rows : MOST_ROWS;

	for (size_t i = 0; i < dump->n_rows && i < most; i++) {
		const struct reconcile_row *row = &dump->rows[i];

		report_wrap(report, 9, 11, "%s: dump %s objects, %s; trace %s, %s",
			    row->name ? row->name : "[unknown]",
			    units_count(row->dump_objects).text,
			    units_bytes((double)row->dump_bytes).text,
			    units_count(row->trace_objects).text,
			    units_bytes((double)row->trace_bytes).text);
	}
	if (dump->n_rows > most)
		fprintf(report->out, "         (%zu more: -v shows them)\n", dump->n_rows - most);
}

static void trust_dumps(const struct report *report)
{
	const struct model *model = report->model;

	for (size_t i = 0; i < model->n_dumps; i++) {
		const struct heap_dump *dump = &model->dumps[i];
		const char *path = dump->path ? dump->path : "heap dump";
		bool agrees = dump->matched_objects == dump->dump_objects &&
			      dump->trace_objects == dump->dump_objects && !dump->n_rows;

		if (!dump->prof_cycle) {
			finding(report, TRUST_WARN, "Dump %zu, %s: not compared: %s.", i + 1, path,
				dump->problem ? dump->problem : "it matches no GC cycle");
			continue;
		}
		if (!dump->dump_objects && !dump->trace_objects && dump->older_objects) {
			finding(report, TRUST_WARN,
				"Dump %zu, %s%s%s: nothing to compare: its %s sampled objects were "
				"all "
				"born before the recording.",
				i + 1, path, dump->time ? " at " : "",
				dump->time ? report_time(report, dump->time).text : "",
				units_count(dump->older_objects).text);
			continue;
		}
		finding(report, agrees && !dump->problem ? TRUST_GOOD : TRUST_WARN,
			"Dump %zu, %s%s%s: %s of %s sampled objects match (%s), %s%s%s%s%s.", i + 1,
			path, dump->time ? " at " : "",
			dump->time ? report_time(report, dump->time).text : "",
			units_count(dump->matched_objects).text,
			units_count(dump->dump_objects).text,
			units_percent(dump->dump_objects ? (double)dump->matched_objects /
								   (double)dump->dump_objects
							 : 1)
				.text,
			units_bytes((double)dump->matched_bytes).text,
			dump->older_objects ? "; beside them, born before the recording: " : "",
			dump->older_objects ? units_count(dump->older_objects).text : "",
			dump->problem ? "; but " : "", dump->problem ? dump->problem : "");
		print_dump_rows(report, dump);
	}
}

void report_trust(const struct report *report)
{
	report_heading(report, "How far to trust this");
	trust_reading(report);
	trust_processes(report);
	trust_tables(report);
	trust_native(report);
	trust_alignments(report);
	trust_executions(report);
	trust_clocks(report);
	trust_dumps(report);
	if (report->options.verbose && report->model->n_texts) {
		report_heading(report, "Remarks of the recorder");
		for (size_t i = 0; i < report->model->n_texts; i++)
			report_wrap(report, 2, 4, "%s", report->model->texts[i]);
	}
}
