#include "analyze/program.h"
#include "analyze/report_json_parts.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERDICTS (VERDICT_TOO_LITTLE + 1)

/* ---- Curves ----------------------------------------------------------------------------- */

struct point {
	uint64_t time;
	double bytes, objects;
	uint32_t generations;
};

static bool same_values(const struct point *a, const struct point *b)
{
	return a->bytes == b->bytes && a->objects == b->objects && a->generations == b->generations;
}

/*
 * What was born in the recording and lived at the end of each epoch (judge_evidence.h says why what
 * the next cycle found dead is not alive); of an epoch of several cycles the first one's share.
 * Returns the points; *n is their number.
 */
static struct point *live_points(const struct model *model, const struct site *site, size_t *n)
{
	size_t n_epochs;
	const struct epoch *epochs = model_site_epochs(model, site, &n_epochs);
	struct point *points = xcalloc(n_epochs + 1, sizeof(*points));
	double bytes = 0, objects = 0;

	*n = 0;
	for (size_t e = 0; site->born && site->died && e < n_epochs; e++) {
		const struct epoch *epoch = &epochs[e], *next = epoch + 1;
		struct point *point = &points[*n];

		bytes += site->born[e].est_bytes - site->died[e].est_bytes;
		objects += (double)site->born[e].objects - site->died[e].objects;
		if (!epoch->end_time)
			continue;
		point->time = epoch->end_time;
		point->bytes = bytes;
		point->objects = objects;
		point->generations = site->generations ? site->generations[e] : 0;
		if (site->kind == SITE_HEAP && e + 1 < n_epochs &&
		    next->last_cycle >= next->first_cycle) {
			double cycles = (double)(next->last_cycle - next->first_cycle + 1);

			point->bytes -= site->died[e + 1].est_bytes / cycles;
			point->objects -= site->died[e + 1].objects / cycles;
		}
		/* Where nothing is left, neither are the crumbs of rounding. */
		point->objects = fmax(0, point->objects);
		point->bytes = point->objects > 1e-9 ? fmax(0, point->bytes) : 0;
		(*n)++;
	}
	return points;
}

/* A point that equals both its neighbours is left out: no line through the others changes. */
static void put_series(struct json_report *report, const struct site *site)
{
	struct json *json = &report->json;
	size_t n;
	struct point *points = live_points(report->model, site, &n);

	json_array(json, "series");
	for (size_t i = 0; i < n; i++) {
		const struct point *point = &points[i];

		if (i && i + 1 < n && same_values(point, point - 1) &&
		    same_values(point, point + 1))
			continue;
		json_object(json, NULL);
		json_u64(json, "time_ns", point->time);
		json_number(json, "live_est_bytes", point->bytes);
		json_number(json, "live_objects", point->objects);
		json_u64(json, "generations", point->generations);
		json_end(json);
	}
	json_end(json);
	free(points);
}

static void put_tally(struct json *json, const char *objects, const char *bytes,
		      const struct tally *tally, size_t e)
{
	json_u64(json, objects, tally ? tally[e].objects : 0);
	json_number(json, bytes, tally ? tally[e].est_bytes : 0);
}

static bool anything(const struct tally *tally, size_t e)
{
	return tally && tally[e].objects;
}

static void put_epochs(struct json_report *report, const struct site *site)
{
	struct json *json = &report->json;
	size_t n_epochs;

	model_site_epochs(report->model, site, &n_epochs);

	json_array(json, "epochs");
	for (size_t e = 0; e < n_epochs; e++) {
		if (!anything(site->born, e) && !anything(site->died, e) &&
		    !anything(site->died_unseen, e))
			continue;
		json_object(json, NULL);
		json_u64(json, "epoch", e);
		put_tally(json, "born_objects", "born_est_bytes", site->born, e);
		put_tally(json, "died_objects", "died_est_bytes", site->died, e);
		put_tally(json, "died_unseen_objects", "died_unseen_est_bytes", site->died_unseen,
			  e);
		put_tally(json, "alive_objects", "alive_est_bytes", site->alive, e);
		json_end(json);
	}
	json_end(json);
}

/* Zeros at the end are left out. */
static void put_ages(struct json_report *report, const char *key, const uint64_t *by_age)
{
	size_t n = MODEL_AGES;

	while (n && !by_age[n - 1])
		n--;
	json_array(&report->json, key);
	for (size_t i = 0; i < n; i++)
		json_u64(&report->json, NULL, by_age[i]);
	json_end(&report->json);
}

/* ---- Sites ------------------------------------------------------------------------------ */

static void put_frames(struct json_report *report, const struct site *site)
{
	const struct model *model = report->model;
	struct json *json = &report->json;
	uint32_t n = model_stack_length(model, site);

	json_array(json, "frames");
	for (uint32_t i = 0; i < n; i++) {
		const struct symtab_frame *inlined;
		size_t n_inlined;
		char address[24];

		/* Text: as numbers many readers would round addresses. */
		snprintf(address, sizeof(address), "0x%" PRIx64, model->stacks[site->stack].pcs[i]);
		inlined = model_frames(model, site, i, &n_inlined);
		for (size_t k = 0; k < n_inlined; k++) {
			json_object(json, NULL);
			report_json_frame(report, &inlined[k]);
			json_string(json, "address", address);
			json_end(json);
		}
	}
	json_end(json);
}

/* A frame, or null. */
static void put_frame(struct json_report *report, const char *key, const struct symtab_frame *frame)
{
	if (!frame) {
		json_null(&report->json, key);
		return;
	}
	json_object(&report->json, key);
	report_json_frame(report, frame);
	json_end(&report->json);
}

void report_json_site(struct json_report *report, const struct site *site)
{
	struct json *json = &report->json;

	put_frame(report, "site", model_site_frame(report->model, site));
	put_frame(report, "caller", program_frame(report->model, site));
	put_frame(report, "starts", model_started(report->model, site));
	json_bool(json, "of_runtime", site->of_runtime);
	put_frames(report, site);
}

static void put_judgement(struct json_report *report, const struct candidate *candidate)
{
	struct json *json = &report->json;

	json_number(json, "growth_bytes_per_hour", candidate->growth);
	json_number(json, "growth_bytes_per_hour_low", candidate->growth_low);
	json_number(json, "growth_bytes_per_hour_high", candidate->growth_high);
	json_number(json, "growth_per_hour", candidate->growth_objects);
	json_number(json, "held_growth_bytes_per_hour", candidate->held_growth);
	if (candidate->resident_known) {
		json_number(json, "resident_bytes", candidate->resident_bytes);
		json_number(json, "mapped_growth_bytes_per_hour", candidate->mapped_growth);
	} else {
		json_null(json, "resident_bytes");
		json_null(json, "mapped_growth_bytes_per_hour");
	}
	json_number(json, "live_bytes", candidate->live_bytes);
	json_number(json, "live_bytes_error", candidate->live_bytes_error);
	json_u64(json, "survivors", candidate->survivors);
	json_u64(json, "generations", candidate->generations);
	json_number(json, "generations_trend", candidate->generations_trend);
	json_number(json, "survival", candidate->survival);
	json_u64(json, "survival_age", candidate->survival_age);
	json_number(json, "p_value", candidate->p_value);
	json_number(json, "q_value", candidate->q_value);
	json_string(json, "evidence", candidate->evidence);
	json_string(json, "advice", candidate->advice);
}

static void put_counts(struct json_report *report, const struct site *site)
{
	struct json *json = &report->json;

	json_u64(json, "births", site->births);
	json_u64(json, "births_sampled_bytes", site->births_sampled_bytes);
	json_number(json, "births_est_bytes", site->est_births_bytes);
	json_u64(json, "near_goal_births", site->near_births);
	json_number(json, "near_goal_est_bytes", site->near_est_bytes);
	json_u64(json, "deaths", site->deaths);
	json_u64(json, "deaths_sampled_bytes", site->deaths_sampled_bytes);
	json_u64(json, "unmatched_deaths", site->unmatched_deaths);
	json_u64(json, "live", site->live);
	json_u64(json, "live_sampled_bytes", site->live_sampled_bytes);
	json_number(json, "live_est_bytes", site->est_live_bytes);
	json_number(json, "live_est_objects", site->est_live_objects);
	json_number(json, "held_est_bytes", site->held_est_bytes);
	json_u64(json, "locked", site->locked);
	json_u64(json, "live_of_goroutines", site->live_of_goroutines);
	report_json_known(report, "min_size_bytes", site->births ? site->min_size : 0);
	report_json_known(report, "max_size_bytes", site->births ? site->max_size : 0);
	report_json_known(report, "first_birth_ns", site->first_birth);
	report_json_known(report, "last_birth_ns", site->last_birth);
	report_json_known(report, "oldest_live_ns", site->oldest_live);
}

static void put_candidate(struct json_report *report, size_t index)
{
	const struct model *model = report->model;
	const struct candidate *candidate = &model->candidates[index];
	const struct site *site = &model->sites[candidate->site];
	struct json *json = &report->json;

	json_object(json, NULL);
	json_u64(json, "rank", index + 1);
	if (candidate->leader == index)
		json_null(json, "part_of");
	else
		json_u64(json, "part_of", candidate->leader + 1);
	json_string(json, "kind", site_kind_name(site->kind));
	json_string(json, "unit", site_kind_unit(site->kind));
	json_string(json, "verdict", verdict_id(candidate->verdict));
	json_number(json, "confidence", candidate->confidence);
	report_json_index(report, "process", site->process, model->n_processes);
	report_json_site(report, site);
	put_judgement(report, candidate);
	put_counts(report, site);
	put_ages(report, "deaths_by_age", site->died_at_age);
	put_ages(report, "alive_by_age", site->live_at_age);
	if (site->process < model->n_processes) {
		put_series(report, site);
		put_epochs(report, site);
	}
	json_end(json);
}

static void put_summary(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;
	uint64_t counts[VERDICTS] = {0};
	double growth = 0;

	for (size_t i = 0; i < model->n_candidates; i++) {
		counts[model->candidates[i].verdict]++;
		growth += verdict_is_leak(model->candidates[i].verdict)
				  ? model->candidates[i].growth
				  : 0;
	}
	json_object(json, "summary");
	json_u64(json, "sites", model->n_candidates);
	json_u64(json, "leaks", counts[VERDICT_LEAK] + counts[VERDICT_LIKELY_LEAK]);
	json_number(json, "growth_bytes_per_hour", growth);
	json_object(json, "verdicts");
	for (int i = 0; i < VERDICTS; i++)
		json_u64(json, verdict_id((enum verdict)i), counts[i]);
	json_end(json);
	json_end(json);
}

void report_json_candidates(struct json_report *report)
{
	put_summary(report);
	json_array(&report->json, "candidates");
	for (size_t i = 0; i < report->model->n_candidates; i++)
		put_candidate(report, i);
	json_end(&report->json);
}
