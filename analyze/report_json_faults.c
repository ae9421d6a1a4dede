#include "analyze/owners.h"
#include "analyze/report_json_parts.h"

static void put_tally(struct json *json, const struct fault_tally *tally)
{
	json_u64(json, "faults", tally->faults);
	json_u64(json, "major", tally->major);
	json_u64(json, "first_touch_bytes", tally->first_bytes);
}

static void put_owners(struct json *json, const struct fault_account *account)
{
	json_array(json, "owners");
	for (int o = 0; o < OWNER_COUNT; o++) {
		if (!account->owners[o].faults)
			continue;
		json_object(json, NULL);
		json_string(json, "owner", owner_key((enum memory_owner)o));
		put_tally(json, &account->owners[o]);
		json_end(json);
	}
	json_end(json);
}

static void put_slots(struct json *json, const struct fault_account *account)
{
	json_array(json, "timeline");
	for (size_t i = 0; i < account->n_slots; i++) {
		json_object(json, NULL);
		json_u64(json, "from_ns", account->base + i * account->width);
		json_u64(json, "to_ns", account->base + (i + 1) * account->width);
		json_object(json, "first_touch_bytes");
		for (int o = 0; o < OWNER_COUNT; o++)
			if (account->slots[i][o])
				json_u64(json, owner_key((enum memory_owner)o),
					 account->slots[i][o]);
		json_end(json);
		json_end(json);
	}
	json_end(json);
}

static void put_sites(struct json_report *report, const struct fault_account *account)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "sites");
	for (size_t i = 0; i < model->n_fault_sites; i++) {
		const struct fault_site *site = &model->fault_sites[i];
		const struct site stack = {.process = site->process, .stack = site->stack};

		if (site->process != account->process)
			continue;
		json_object(json, NULL);
		json_string(json, "owner", owner_key(site->owner));
		put_tally(json, &site->tally);
		report_json_site(report, &stack);
		json_end(json);
	}
	json_end(json);
}

static void put_untouched(struct json_report *report, const struct fault_account *account)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "untouched");
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->process != account->process || !site->paged_objects)
			continue;
		json_object(json, NULL);
		report_json_site(report, site);
		json_u64(json, "objects", site->paged_objects);
		json_u64(json, "untouched_objects", site->untouched_objects);
		json_number(json, "est_bytes", site->paged_est_bytes);
		json_number(json, "untouched_est_bytes", site->untouched_est_bytes);
		json_end(json);
	}
	json_end(json);
}

static void put_others(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "other_events");
	for (size_t i = 0; i < model->n_others; i++) {
		json_object(json, NULL);
		json_string(json, "name", model->others[i].name);
		json_u64(json, "count", model->others[i].count);
		report_json_known(report, "first_ns", model->others[i].first);
		report_json_known(report, "last_ns", model->others[i].last);
		json_end(json);
	}
	json_end(json);
}

void report_json_faults(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "faults");
	for (size_t i = 0; i < model->n_faults; i++) {
		const struct fault_account *account = &model->faults[i];

		json_object(json, NULL);
		report_json_index(report, "process", account->process, model->n_processes);
		put_tally(json, &account->total);
		json_bool(json, "sampled", account->is_sampled);
		json_u64(json, "page_bytes", account->page_size);
		json_u64(json, "resident_bytes", account->resident_bytes);
		put_owners(json, account);
		put_slots(json, account);
		put_sites(report, account);
		put_untouched(report, account);
		json_end(json);
	}
	json_end(json);
	put_others(report);
}
