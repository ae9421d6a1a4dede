/* The JSON report on execution traces. */

#include "analyze/gotrace.h"
#include "analyze/report_json_parts.h"

/* A time on the trace's clock, null where there is none. */
static void put_time(struct json_report *report, const char *key, const struct execution *e,
		     uint64_t time)
{
	report_json_known(report, key, time ? gotrace_time(e, time) : 0);
}

static void put_gcs(struct json_report *report, const struct execution *e)
{
	struct json *json = &report->json;

	json_array(json, "cycles");
	for (size_t i = 0; i < e->content->n_gcs; i++) {
		const struct gotrace_gc *gc = &e->content->gcs[i];

		json_object(json, NULL);
		put_time(report, "begin_ns", e, gc->begin);
		put_time(report, "end_ns", e, gc->end);
		put_time(report, "first_stop_begin_ns", e, gc->first.begin);
		put_time(report, "first_stop_end_ns", e, gc->first.end);
		put_time(report, "second_stop_begin_ns", e, gc->second.begin);
		put_time(report, "second_stop_end_ns", e, gc->second.end);
		json_end(json);
	}
	json_end(json);
}

static void put_stops(struct json_report *report, const struct execution *e)
{
	static const char *const kinds[] = {[GOTRACE_STOP_SWEEP_TERM] = "sweep-termination",
					    [GOTRACE_STOP_MARK_TERM] = "mark-termination",
					    [GOTRACE_STOP_OTHER] = "other"};
	struct json *json = &report->json;

	json_array(json, "stops");
	for (size_t i = 0; i < e->content->n_stops; i++) {
		const struct gotrace_stop *stop = &e->content->stops[i];

		json_object(json, NULL);
		json_string(json, "kind", kinds[stop->kind]);
		put_time(report, "begin_ns", e, stop->begin);
		put_time(report, "end_ns", e, stop->end);
		json_end(json);
	}
	json_end(json);
}

static void put_points(struct json_report *report, const struct execution *e)
{
	struct json *json = &report->json;

	json_array(json, "points");
	for (size_t i = 0; i < e->content->n_points; i++) {
		const struct gotrace_point *point = &e->content->points[i];

		json_object(json, NULL);
		put_time(report, "time_ns", e, point->time);
		report_json_known(report, "heap_bytes", point->heap);
		report_json_known(report, "heap_peak_bytes", point->heap_peak);
		report_json_goal(report, "goal_bytes", point->goal);
		json_u64(json, "goroutines", point->goroutines);
		json_u64(json, "created", point->created);
		json_u64(json, "destroyed", point->destroyed);
		json_u64(json, "assist_ns", point->assist);
		json_end(json);
	}
	json_end(json);
}

static void put_sums(struct json_report *report, const struct gotrace *content)
{
	struct json *json = &report->json;

	json_u64(json, "generations", content->generations);
	json_u64(json, "events", content->events);
	report_json_known(report, "procs", content->procs);
	json_u64(json, "assists", content->assists);
	json_u64(json, "assist_ns", content->assist_ns);
	json_u64(json, "sweeps", content->sweeps);
	json_u64(json, "sweep_ns", content->sweep_ns);
	json_u64(json, "swept_bytes", content->swept_bytes);
	json_u64(json, "reclaimed_bytes", content->reclaimed_bytes);
	json_u64(json, "goroutines_first", content->goroutines_first);
	json_u64(json, "goroutines_last", content->goroutines_last);
	json_u64(json, "goroutines_peak", content->goroutines_peak);
	json_u64(json, "goroutines_created", content->created);
}

void report_json_executions(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "executions");
	for (size_t i = 0; i < model->n_executions; i++) {
		const struct execution *e = &model->executions[i];

		json_object(json, NULL);
		json_string(json, "path", e->path);
		json_u64(json, "format", (uint64_t)e->content->version);
		report_json_index(report, "process", e->process, model->n_processes);
		json_bool(json, "placed", e->placed);
		put_time(report, "first_ns", e, e->content->first);
		put_time(report, "last_ns", e, e->content->last);
		json_u64(json, "clock_readings", e->content->n_clocks);
		json_u64(json, "cycles_compared", e->compared);
		json_u64(json, "cycles_matched", e->matched);
		if (e->bounded) {
			json_i64(json, "clock_low_ns", e->low);
			json_i64(json, "clock_high_ns", e->high);
		} else {
			json_null(json, "clock_low_ns");
			json_null(json, "clock_high_ns");
		}
		json_string(json, "note", e->note);
		json_string(json, "problem", e->problem);
		put_sums(report, e->content);
		put_gcs(report, e);
		put_stops(report, e);
		put_points(report, e);
		json_end(json);
	}
	json_end(json);
}
