#include "analyze/comparison.h"
#include "analyze/gates.h"
#include "analyze/metrics.h"
#include "analyze/report_json_parts.h"

#include <math.h>

static void put_metrics(struct json_report *report)
{
	struct json *json = &report->json;

	json_object(json, "metrics");
	for (size_t i = 0; i < metrics_count(); i++) {
		const struct quantity value = metrics_value(report->findings, i);

		json_number(json, metrics_name(i), value.known ? value.number : NAN);
	}
	json_end(json);
}

static void put_gates(struct json_report *report)
{
	const struct gates *gates = report->findings->gates;
	struct json *json = &report->json;

	json_array(json, "gates");
	for (size_t i = 0; gates && i < gates->n; i++) {
		const struct gate *gate = &gates->items[i];

		json_object(json, NULL);
		json_string(json, "expression", gate->text);
		json_string(json, "source", gate->source);
		json_string(json, "result", gate_result_name(gate->result));
		json_string(json, "values", gate->values);
		json_string(json, "needs", gate->needs);
		json_end(json);
	}
	json_end(json);
}

static void put_total(struct json *json, const char *key, const struct comparison_total *total)
{
	json_object(json, key);
	json_string(json, "path", total->path);
	json_number(json, "duration_s", total->seconds);
	json_number(json, "gc_cycles", total->cycles);
	json_number(json, "births", total->births);
	json_number(json, "births_est_bytes", total->bytes);
	json_end(json);
}

static void put_side(struct json *json, const char *key, const struct comparison_side *side)
{
	json_object(json, key);
	json_number(json, "births", side->births);
	json_number(json, "births_est_bytes", side->bytes);
	json_number(json, "alloc_bytes_per_s", side->alloc_rate);
	json_number(json, "live_bytes", side->live);
	json_number(json, "growth_bytes_per_hour", side->growth);
	json_number(json, "growth_bytes_per_hour_low", side->growth_low);
	json_number(json, "growth_bytes_per_hour_high", side->growth_high);
	json_end(json);
}

static void put_row(struct json *json, const struct comparison_row *row)
{
	json_object(json, NULL);
	json_string(json, "change", comparison_change_id(row->change));
	json_string(json, "kind", row->kind);
	json_string(json, "function", row->function);
	json_string(json, "file", row->file[0] ? row->file : NULL);
	json_string(json, "stack", row->stack);
	put_side(json, "before", &row->before);
	put_side(json, "now", &row->now);
	json_number(json, "work_ratio", row->ratio > 0 ? row->ratio : NAN);
	json_number(json, "p_value", row->p_value);
	json_number(json, "q_value", row->q_value);
	json_end(json);
}

static void put_comparison(struct json_report *report)
{
	const struct comparison *comparison = report->findings->comparison;
	struct json *json = &report->json;

	if (!comparison) {
		json_null(json, "comparison");
		return;
	}
	json_object(json, "comparison");
	put_total(json, "before", &comparison->before);
	put_total(json, "now", &comparison->now);
	json_number(json, "work", comparison->work > 0 ? comparison->work : NAN);
	json_number(json, "dispersion", comparison->dispersion);
	json_array(json, "sites");
	for (size_t i = 0; i < comparison->n_rows; i++)
		put_row(json, &comparison->rows[i]);
	json_end(json);
	json_end(json);
}

void report_json_gates(struct json_report *report)
{
	put_metrics(report);
	put_gates(report);
	put_comparison(report);
}
