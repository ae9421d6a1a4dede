#include "analyze/owners.h"
#include "analyze/report_json_parts.h"
#include "analyze/rss.h"
#include "formats/xalloc.h"

#include <stdlib.h>

void report_json_owners(struct json_report *report, const struct rss_point *point)
{
	struct json *json = &report->json;

	if (!point->has_owners) {
		json_null(json, "owners");
		json_null(json, "go");
		return;
	}
	json_object(json, "owners");
	for (int owner = 0; owner < OWNER_COUNT; owner++) {
		char *key = xasprintf("%s_bytes", owner_key((enum memory_owner)owner));

		if (owner != OWNER_UNKNOWN || point->owners[owner])
			json_u64(json, key, point->owners[owner]);
		free(key);
	}
	json_end(json);
	if (!point->go.in_use) {
		json_null(json, "go");
		return;
	}
	json_object(json, "go");
	json_u64(json, "in_use_bytes", point->go.in_use);
	json_u64(json, "free_bytes", point->go.free);
	json_u64(json, "released_bytes", point->go.released);
	json_u64(json, "stacks_bytes", point->go.stacks);
	report_json_known(report, "live_bytes", point->go.live);
	json_u64(json, "metadata_bytes", point->go.sys);
	json_end(json);
}

static void put_point(struct json_report *report, const char *key, const struct rss_point *point)
{
	json_object(&report->json, key);
	json_u64(&report->json, "time_ns", point->time);
	json_u64(&report->json, "rss_bytes", point->rss);
	report_json_owners(report, point);
	json_end(&report->json);
}

static void put_growth(struct json_report *report, const struct rss_summary *summary)
{
	struct json *json = &report->json;

	if (!summary->has_growth) {
		json_null(json, "growth");
		return;
	}
	json_object(json, "growth");
	json_number(json, "rss_bytes_per_hour", summary->total_growth);
	for (int i = 0; i < OWNER_COUNT; i++) {
		char *key = xasprintf("%s_bytes_per_hour", owner_key((enum memory_owner)i));

		if (i != OWNER_UNKNOWN || summary->growth[i] != 0)
			json_number(json, key, summary->growth[i]);
		free(key);
	}
	json_end(json);
}

static void put_limits(struct json_report *report, uint32_t process)
{
	const struct memory_limits *known = &report->model->processes[process].limits;
	struct rss_limit limit =
		rss_limit(report->model, process, report->model->memory_limit, true);
	struct json *json = &report->json;
	uint64_t ns = rss_limit_in(&limit);

	json_object(json, "limits");
	report_json_known(report, "go_bytes", known->go);
	report_json_known(report, "cgroup_bytes", known->cgroup);
	json_string(json, "cgroup", known->control);
	report_json_known(report, "machine_bytes", known->machine);
	json_string(json, "lowest", rss_limit_kind(report->model, process, &limit));
	report_json_known(report, "lowest_bytes", limit.bytes);
	report_json_known(report, "used_bytes", limit.used);
	if (ns)
		json_number(json, "reached_after_s", (double)ns / 1e9);
	else if (limit.bytes && limit.used >= limit.bytes)
		json_number(json, "reached_after_s", 0);
	else
		json_null(json, "reached_after_s");
	json_end(json);
}

static void put_mappings(struct json_report *report, uint32_t process)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "mappings");
	for (size_t i = 0; i < model->n_shares; i++) {
		const struct mapped_share *share = &model->shares[i];
		const struct site site = {
			.process = process, .stack = share->stack, .kind = SITE_MAPPING};

		if (share->process != process)
			continue;
		json_object(json, NULL);
		json_string(json, "owner", owner_key(share->owner));
		if (share->stack == UINT32_MAX) {
			json_null(json, "site");
		} else {
			json_object(json, "site");
			report_json_frame(report, model_site_frame(model, &site));
			json_end(json);
		}
		json_number(json, "first_bytes", share->first);
		json_number(json, "peak_bytes", share->peak);
		json_number(json, "last_bytes", share->last);
		json_end(json);
	}
	json_end(json);
}

static void put_remedies(struct json_report *report, uint32_t process,
			 const struct rss_summary *summary)
{
	json_array(&report->json, "remedies");
	for (int i = 0; i < OWNER_COUNT; i++) {
		char *text = rss_remedy_text(report->model, process, summary, (enum memory_owner)i);

		if (text) {
			json_object(&report->json, NULL);
			json_string(&report->json, "owner", owner_key((enum memory_owner)i));
			json_string(&report->json, "text", text);
			json_end(&report->json);
		}
		free(text);
	}
	json_end(&report->json);
}

void report_json_memory(struct json_report *report)
{
	json_array(&report->json, "memory");
	for (uint32_t i = 0; i < report->model->n_processes; i++) {
		struct rss_summary summary;
		char *text;

		if (!rss_summarise(report->model, i, &summary))
			continue;
		json_object(&report->json, NULL);
		json_u64(&report->json, "process", i);
		put_point(report, "first", summary.first);
		put_point(report, "peak", summary.peak);
		put_point(report, "last", summary.last);
		put_growth(report, &summary);
		text = rss_gap_text(summary.peak);
		json_string(&report->json, "text", text);
		free(text);
		put_remedies(report, i, &summary);
		put_limits(report, i);
		put_mappings(report, i);
		json_end(&report->json);
	}
	json_end(&report->json);
}
