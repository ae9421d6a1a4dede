#include "analyze/report_json_parts.h"

/* Part of the schema: apart from the words that people read, which may change. */
static const char *const kinds[GCHEALTH_KINDS] = {
	[GCHEALTH_CPU_SHARE] = "cpu-share",   [GCHEALTH_RATE] = "rate",
	[GCHEALTH_PAUSE] = "pause",	      [GCHEALTH_ASSIST] = "assist",
	[GCHEALTH_MARK_TREND] = "mark-trend", [GCHEALTH_LIVE_GOAL] = "live-goal",
	[GCHEALTH_FORCED] = "forced",	      [GCHEALTH_LIVE_TREND] = "live-trend",
	[GCHEALTH_FLAT_GOAL] = "flat-goal",   [GCHEALTH_OVERSHOOT] = "overshoot",
	[GCHEALTH_STACKS] = "stacks",
};

/* A figure that is negative where it cannot be had; null then. */
static void put_figure(struct json *json, const char *key, double value)
{
	if (value >= 0)
		json_number(json, key, value);
	else
		json_null(json, key);
}

static void put_figures(struct json_report *report, const struct gchealth *h)
{
	struct json *json = &report->json;

	put_figure(json, "span_ns", h->span);
	put_figure(json, "cycles_per_s", h->rate);
	put_figure(json, "cpu_share", h->cpu_share);
	put_figure(json, "runtime_cpu_percent", h->percent);
	put_figure(json, "assist_share", h->assist_share);
	put_figure(json, "pause_p50_ns", h->pause_p50);
	put_figure(json, "pause_p99_ns", h->pause_p99);
	put_figure(json, "pause_max_ns", h->pause_max);
	put_figure(json, "pause_total_ns", h->pause_total);
	put_figure(json, "cycle_pause_p50_ns", h->cycle_pause_p50);
	put_figure(json, "cycle_pause_p99_ns", h->cycle_pause_p99);
	put_figure(json, "cycle_pause_max_ns", h->cycle_pause_max);
	put_figure(json, "mark_p50_ns", h->mark_p50);
	put_figure(json, "mark_max_ns", h->mark_max);
	json_number(json, "mark_growth", h->mark_growth);
	put_figure(json, "live_first_bytes", h->live_first);
	put_figure(json, "live_last_bytes", h->live_last);
	put_figure(json, "live_max_bytes", h->live_max);
	json_number(json, "live_growth_bytes_per_hour", h->live_growth);
	json_number(json, "live_growth_bytes_per_hour_low", h->live_growth_low);
	json_number(json, "live_growth_bytes_per_hour_high", h->live_growth_high);
	put_figure(json, "live_goal_p50", h->live_goal_p50);
	report_json_goal(report, "goal_last_bytes",
			 h->goal_last > 0 && h->goal_last < 0x1p64 ? (uint64_t)h->goal_last : 0);
	put_figure(json, "peak_max_bytes", h->peak_max);
}

static void put_anomaly(struct json_report *report, const struct gchealth_anomaly *anomaly)
{
	struct json *json = &report->json;

	json_object(json, NULL);
	json_string(json, "kind", anomaly->kind < GCHEALTH_KINDS ? kinds[anomaly->kind] : NULL);
	json_number(json, "measured", anomaly->measured);
	json_number(json, "threshold", anomaly->threshold);
	json_string(json, "text", anomaly->text);
	json_string(json, "meaning", anomaly->meaning);
	json_array(json, "evidence");
	for (size_t i = 0; i < anomaly->n_evidence; i++) {
		json_object(json, NULL);
		json_u64(json, "gc", anomaly->evidence[i].number);
		report_json_known(report, "line", anomaly->evidence[i].line);
		json_end(json);
	}
	json_end(json);
	json_end(json);
}

void report_json_gc(struct json_report *report)
{
	struct json *json = &report->json;

	json_array(json, "gc");
	for (size_t i = 0; i < report->health->n; i++) {
		const struct gchealth *h = &report->health->items[i];

		json_object(json, NULL);
		json_string(json, "source", h->source);
		report_json_index(report, "process", h->process, report->model->n_processes);
		json_u64(json, "first_gc", h->first_number);
		json_u64(json, "last_gc", h->last_number);
		json_u64(json, "cycles", h->cycles);
		json_u64(json, "forced", h->forced);
		json_u64(json, "periodic", h->periodic);
		report_json_known(report, "procs", h->procs);
		json_bool(json, "enough", h->enough);
		put_figures(report, h);
		json_array(json, "anomalies");
		for (size_t a = 0; a < h->n_anomalies; a++)
			put_anomaly(report, &h->anomalies[a]);
		json_end(json);
		json_end(json);
	}
	json_end(json);
}
