/* The JSON report on what else speaks for the trace or against it: the gctrace log, heap dumps, the
 * runtime's own counts, and what was lost. */

#include "analyze/report_json_parts.h"

#include "analyze/clocks.h"
#include "formats/xalloc.h"

#include <stdlib.h>

static void put_alignments(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "alignments");
	for (size_t i = 0; i < model->n_alignments; i++) {
		const struct gctrace_alignment *a = &model->alignments[i];

		json_object(json, NULL);
		json_string(json, "path", a->path);
		report_json_index(report, "process", a->process, model->n_processes);
		json_u64(json, "first_gc", a->first_gc);
		json_u64(json, "last_gc", a->last_gc);
		json_u64(json, "lines", a->lines);
		json_u64(json, "matched", a->matched);
		json_u64(json, "unmatched", a->unmatched);
		json_bool(json, "aligned", a->aligned);
		if (a->aligned) {
			json_i64(json, "offset_ns", a->offset);
			json_u64(json, "bound_ns", a->bound);
		} else {
			json_null(json, "offset_ns");
			json_null(json, "bound_ns");
		}
		json_string(json, "method", a->method);
		json_string(json, "problem", a->problem);
		json_string(json, "note", a->note);
		json_end(json);
	}
	json_end(json);
}

static void put_gctrace(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "gctrace");
	for (size_t i = 0; i < model->n_gctrace; i++) {
		const struct gctrace_point *point = &model->gctrace[i];

		json_object(json, NULL);
		report_json_index(report, "alignment", point->alignment, model->n_alignments);
		json_u64(json, "gc", point->number);
		report_json_known(report, "line", point->line);
		report_json_known(report, "time_ns", point->time);
		json_bool(json, "matched", point->matched);
		json_number(json, "runtime_cpu_percent", point->percent);
		json_number(json, "pause_ms", point->pause_ms);
		json_number(json, "mark_ms", point->mark_ms);
		json_number(json, "assist_ms", point->assist_ms);
		report_json_known(report, "heap_start_bytes", point->heap_start);
		report_json_known(report, "heap_peak_bytes", point->heap_peak);
		report_json_known(report, "heap_live_bytes", point->heap_live);
		report_json_goal(report, "goal_bytes", point->goal);
		report_json_known(report, "procs", point->procs);
		json_bool(json, "forced", point->forced);
		json_end(json);
	}
	json_end(json);
}

/* By site: its rank among the candidates, 0 for none. */
static size_t *rank_sites(const struct model *model)
{
	size_t *ranks = xcalloc(model->n_sites + 1, sizeof(*ranks));

	for (size_t i = 0; i < model->n_candidates; i++)
		ranks[model->candidates[i].site] = i + 1;
	return ranks;
}

static void put_rows(struct json_report *report, const struct heap_dump *dump, const size_t *ranks)
{
	struct json *json = &report->json;

	json_array(json, "rows");
	for (size_t i = 0; i < dump->n_rows; i++) {
		const struct reconcile_row *row = &dump->rows[i];

		json_object(json, NULL);
		json_string(json, "function", row->name);
		report_json_known(report, "rank",
				  row->site < report->model->n_sites ? ranks[row->site] : 0);
		json_u64(json, "dump_objects", row->dump_objects);
		json_u64(json, "dump_bytes", row->dump_bytes);
		json_u64(json, "trace_objects", row->trace_objects);
		json_u64(json, "trace_bytes", row->trace_bytes);
		json_end(json);
	}
	json_end(json);
}

static void put_dump(struct json_report *report, const struct heap_dump *dump, const size_t *ranks)
{
	struct json *json = &report->json;
	bool compared = dump->prof_cycle != 0;

	json_object(json, NULL);
	json_string(json, "path", dump->path);
	report_json_index(report, "process", dump->process, report->model->n_processes);
	report_json_known(report, "wall_ns", dump->time_nanos);
	report_json_known(report, "time_ns", dump->time);
	json_bool(json, "compared", compared);
	report_json_known(report, "profile_cycle", dump->prof_cycle);
	json_bool(json, "after_gc", dump->after_gc);
	json_bool(json, "agrees",
		  compared && dump->matched_objects == dump->dump_objects &&
			  dump->trace_objects == dump->dump_objects && !dump->n_rows);
	json_u64(json, "dump_objects", dump->dump_objects);
	json_u64(json, "dump_bytes", dump->dump_bytes);
	json_u64(json, "matched_objects", dump->matched_objects);
	json_u64(json, "matched_bytes", dump->matched_bytes);
	json_u64(json, "trace_objects", dump->trace_objects);
	json_u64(json, "trace_bytes", dump->trace_bytes);
	json_bool(json, "older_known", dump->older_known);
	json_u64(json, "older_objects", dump->older_objects);
	json_u64(json, "older_bytes", dump->older_bytes);
	json_string(json, "problem", dump->problem);
	put_rows(report, dump, ranks);
	json_end(json);
}

static void put_dumps(struct json_report *report)
{
	const struct model *model = report->model;
	size_t *ranks = rank_sites(model);

	json_array(&report->json, "dumps");
	for (size_t i = 0; i < model->n_dumps; i++)
		put_dump(report, &model->dumps[i], ranks);
	json_end(&report->json);
	free(ranks);
}

static void put_checks(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "checks");
	for (size_t i = 0; i < model->n_checks; i++) {
		const struct table_check *check = &model->checks[i];

		json_object(json, NULL);
		report_json_index(report, "process", check->process, model->n_processes);
		json_bool(json, "valid", check->valid);
		json_bool(json, "complete", check->valid && !check->buckets_differing);
		json_bool(json, "bounded", check->bounded);
		json_u64(json, "readings", check->readings);
		report_json_known(report, "begin_ns", check->begin);
		report_json_known(report, "end_ns", check->end);
		json_u64(json, "counted_births", check->counted_births);
		json_u64(json, "counted_deaths", check->counted_deaths);
		json_u64(json, "seen_births", check->seen_births);
		json_u64(json, "seen_deaths", check->seen_deaths);
		json_u64(json, "buckets", check->buckets);
		json_u64(json, "buckets_differing", check->buckets_differing);
		json_end(json);
	}
	json_end(json);
}

#define MOST_STEPS 1000

static void put_clock_steps(struct json_report *report)
{
	struct clock_step *steps = xcalloc(MOST_STEPS, sizeof(steps[0]));
	size_t n = clocks_steps(report->model, steps, MOST_STEPS);
	struct json *json = &report->json;

	json_array(json, "clock_steps");
	for (size_t i = 0; i < n; i++) {
		json_object(json, NULL);
		json_u64(json, "after_ns", steps[i].after);
		json_u64(json, "before_ns", steps[i].before);
		json_i64(json, "set_ns", steps[i].set);
		json_u64(json, "slept_ns", steps[i].slept);
		json_end(json);
	}
	json_end(json);
	free(steps);
}

static void put_trust(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_object(json, "trust");
	json_u64(json, "events", model->events);
	json_u64(json, "lost_events", model->lost_events);
	json_u64(json, "lost_records", model->lost_records);
	json_u64(json, "throttles", model->throttles);
	json_u64(json, "out_of_order", model->out_of_order);
	json_u64(json, "births", model->births);
	json_u64(json, "deaths", model->deaths);
	json_u64(json, "duplicates", model->duplicates);
	json_u64(json, "unmatched_deaths", model->unmatched_deaths);
	json_u64(json, "lost_deaths", model->lost_deaths);
	json_u64(json, "counted_readings", model->counted_readings);
	json_array(json, "remarks");
	for (size_t i = 0; i < model->n_texts; i++)
		json_string(json, NULL, model->texts[i]);
	json_end(json);
	put_clock_steps(report);
	json_end(json);
}

void report_json_witnesses(struct json_report *report)
{
	put_alignments(report);
	put_gctrace(report);
	put_dumps(report);
	put_checks(report);
	put_trust(report);
}
