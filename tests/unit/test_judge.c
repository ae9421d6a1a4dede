#include "analyze/judge.h"

#include "tests/unit/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VERDICTS (VERDICT_TOO_LITTLE + 1)

struct calibration {
	size_t n[10], right[10];
	double confidence[10]; /* their sum */
};

static void calibration_add(struct calibration *calibration, const struct candidate *c, bool right)
{
	size_t bin = (size_t)fmin(9, c->confidence * 10);

	calibration->n[bin]++;
	calibration->right[bin] += right;
	calibration->confidence[bin] += c->confidence;
}

struct kind_result {
	size_t verdicts[VERDICTS];
	size_t judged, within, leaks; /* growth within its interval */
};

static void run_kind(size_t kind, struct kind_result *result, struct calibration *leaks,
		     struct calibration *all)
{
	for (size_t seed = 0; seed < seeds(); seed++) {
		struct trial trial;
		const struct candidate *c;
		bool is_leak = sim_kinds[kind].leak, right;

		trial_run(&trial, kind, seed, 20, 400);
		c = trial.candidate;
		if (!c) {
			/* Nothing was sampled: there is nothing to say. */
			result->verdicts[VERDICT_TOO_LITTLE]++;
			trial_free(&trial);
			continue;
		}
		result->judged++;
		result->verdicts[c->verdict]++;
		result->leaks += called_leak(c->verdict);
		result->within += isnan(trial.growth) || (trial.growth * 3600 >= c->growth_low &&
							  trial.growth * 3600 <= c->growth_high);
		assert_true(c->confidence >= 0 && c->confidence <= 1);
		assert_non_null(c->evidence);
		right = called_leak(c->verdict) == is_leak ||
			(is_leak && c->verdict == VERDICT_GROWING);
		if (called_leak(c->verdict))
			calibration_add(leaks, c, right);
		if (c->verdict != VERDICT_TOO_LITTLE)
			calibration_add(all, c, right);
		trial_free(&trial);
	}
}

static void print_calibration(const char *name, const struct calibration *calibration)
{
	for (size_t bin = 0; bin < 10; bin++)
		if (calibration->n[bin])
			print_message("%s at confidence 0.%zu to %s: %5zu, right %5.1f%%\n", name,
				      bin,
				      bin == 9 ? "1.0"
					       : (const char *[]){"0.1", "0.2", "0.3", "0.4", "0.5",
								  "0.6", "0.7", "0.8", "0.9"}[bin],
				      calibration->n[bin],
				      100.0 * (double)calibration->right[bin] /
					      (double)calibration->n[bin]);
}

/* What is called a leak is one as often as its confidence says. */
static bool calibrated(const struct calibration *leaks)
{
	bool well = true;

	for (size_t bin = 0; bin < 10; bin++) {
		double n = (double)leaks->n[bin], stated, right;

		if (n < 50)
			continue;
		stated = leaks->confidence[bin] / n;
		right = (double)leaks->right[bin] / n;
		print_message("confidence %.3f: right %.3f\n", stated, right);
		well = well &&
		       fabs(stated - right) <= 0.04 + 2.326 * sqrt(stated * (1 - stated) / n);
	}
	return well;
}

/* The targets: 95 % of the leaks are found, at most 1 % of each kind of innocents is called one,
 * the growth lies within its interval nine times of ten, and the confidence is the share that is
 * right. */
static void test_kinds(void **state)
{
	struct kind_result results[SIM_KINDS] = {0};
	struct calibration leaks = {0}, all = {0};
	size_t wrong = 0;

	(void)state;
	print_message("%-20s", "");
	for (int v = 0; v < VERDICTS; v++)
		print_message(" %11.11s", verdict_name((enum verdict)v));
	print_message(" growth within\n");
	for (size_t kind = 0; kind < SIM_KINDS; kind++) {
		struct kind_result *result = &results[kind];

		run_kind(kind, result, &leaks, &all);
		print_message("%-20s", sim_kinds[kind].name);
		for (int v = 0; v < VERDICTS; v++)
			print_message(" %10.1f%%",
				      100.0 * (double)result->verdicts[v] / (double)seeds());
		print_message(" %10.1f%%\n",
			      100.0 * (double)result->within / fmax(1, (double)result->judged));
	}
	print_calibration("leaks", &leaks);
	print_calibration("all", &all);
	for (size_t kind = 0; kind < SIM_KINDS; kind++) {
		double n = (double)seeds(), found = (double)results[kind].leaks;
		bool bad = found > at_most(0.01, n);

		if (sim_kinds[kind].leak)
			bad = found < at_least(0.95, n) ||
			      (double)results[kind].within < at_least(0.9, n);
		if (sim_kinds[kind].hard)
			bad = false;
		if (bad)
			print_message("%s: out of its bounds\n", sim_kinds[kind].name);
		wrong += bad;
	}
	assert_int_equal(wrong, 0);
	assert_true(calibrated(&leaks));
}

/* One leak among one of each kind of innocents must head the list. */
static void test_leak_is_first(void **state)
{
	size_t runs = 0, first = 0, false_leaks = 0, innocents = 0;

	(void)state;
	for (size_t seed = 0; seed < seeds() / 3; seed++) {
		struct sim sim = sim_new(seed + 5000000, 20 + seed * 37 % 380, seed % 2);
		bool attached = sim.attached;
		struct model model;
		size_t leak = seed % 4; /* fast, slow, in churn, with the load */

		sim_model(&sim, &model);
		for (size_t kind = 0; kind < SIM_KINDS; kind++) {
			if (sim_kinds[kind].hard || (sim_kinds[kind].leak && kind != leak) ||
			    sim_kinds[kind].fill ==
				    (attached ? family_cache_filling : family_cache_full))
				continue;
			sim_begin_site(&sim, &model);
			sim_kinds[kind].fill(&sim);
			sim_end_site(&sim);
			if (kind == leak)
				leak = 1000 + model.n_sites - 1;
		}
		judge(&model, NULL);
		runs++;
		first += model.candidates[0].site == leak - 1000 &&
			 called_leak(model.candidates[0].verdict);
		for (size_t i = 0; i < model.n_candidates; i++) {
			if (model.candidates[i].site == leak - 1000)
				continue;
			innocents++;
			false_leaks += called_leak(model.candidates[i].verdict);
		}
		model_free(&model);
		sim_free(&sim);
	}
	print_message("first in the list: %zu of %zu; innocents called a leak: %zu of %zu\n", first,
		      runs, false_leaks, innocents);
	assert_true((double)first >= at_least(0.95, (double)runs));
	assert_true((double)false_leaks <= at_most(0.01, (double)innocents));
}

/* A recording of thousands of cycles, whose epochs hold several each. */
static void test_merged_epochs(void **state)
{
	size_t runs = 0, found = 0, innocents = 0, wrong = 0, within = 0;

	(void)state;
	for (size_t seed = 0; seed < seeds() / 15; seed++) {
		for (size_t kind = 0; kind < SIM_KINDS; kind++) {
			struct sim sim =
				sim_new(seed + kind * 1000 + 9000000, 1500 + seed * 10, seed % 2);
			struct model model;
			double growth;

			if (sim_kinds[kind].hard) {
				sim_free(&sim);
				continue;
			}
			sim_model(&sim, &model);
			sim_begin_site(&sim, &model);
			growth = sim_kinds[kind].fill(&sim) * 3600;
			sim_end_site(&sim);
			model.processes[0].attached = sim.attached;
			sim_merge(&model, 4);
			judge(&model, NULL);
			if (model.n_candidates && sim_kinds[kind].leak) {
				const struct candidate *c = &model.candidates[0];

				runs++;
				found += called_leak(c->verdict);
				within += isnan(growth) ||
					  (growth >= c->growth_low && growth <= c->growth_high);
			} else if (model.n_candidates) {
				innocents++;
				wrong += called_leak(model.candidates[0].verdict);
			}
			model_free(&model);
			sim_free(&sim);
		}
	}
	print_message("merged epochs: %zu of %zu leaks found, growth within for %zu; %zu of %zu "
		      "innocents called a leak\n",
		      found, runs, within, wrong, innocents);
	assert_true((double)found >= at_least(0.95, (double)runs));
	assert_true((double)within >= at_least(0.9, (double)runs));
	assert_true((double)wrong <= at_most(0.01, (double)innocents));
}

static void test_evidence_line(void **state)
{
	struct model model;
	struct sim sim = plain_sim(&model, 100);
	const struct candidate *c;

	(void)state;
	/* Two objects a cycle are kept; of two more one dies at once and one in the cycle after. */
	for (int i = 0; i < 100; i++) {
		sim_object(&sim, i + 0.2, INFINITY);
		sim_object(&sim, i + 0.6, INFINITY);
		sim_object(&sim, i + 0.3, i + 0.4);
		sim_object(&sim, i + 0.5, i + 1.5);
	}
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.n_candidates, 1);
	c = &model.candidates[0];
	assert_int_equal(c->verdict, VERDICT_LEAK);
	assert_true(c->confidence > 0.95);
	/* 2 a second, each standing for 4096 / (1 - exp(-4096 / 524288)) = 526,338.7 bytes. */
	assert_true(fabs(c->growth - 2 * 526338.7 * 3600) < 1e-3 * c->growth);
	/* The last mark that is known found one of those that died at once still alive. */
	assert_int_equal(c->survivors, 199);
	assert_int_equal(c->generations, 99);
	assert_string_equal(c->evidence,
			    "199 of 396 sampled objects alive; survivors from 99 of 99 GC cycles, "
			    "still rising; +3.53 GiB/h (3.04 to 4.08); none freed after age 2; "
			    "oldest 1m40s");
	assert_string_equal(c->advice, "look for what keeps them: a map, slice, channel or "
				       "goroutine that is only ever added to");
	model_free(&model);
	sim_free(&sim);
}

static void test_limit_and_dumps(void **state)
{
	struct judge_options options = {.memory_limit = (uint64_t)4 << 30};
	struct model model;
	struct sim sim = plain_sim(&model, 60);

	(void)state;
	for (int i = 0; i < 60; i++)
		for (int j = 0; j < 4; j++)
			sim_object(&sim, i + 0.1 + 0.2 * j, INFINITY);
	sim_end_site(&sim);
	model.rss = xcalloc(1, sizeof(*model.rss));
	model.rss[0].rss = (uint64_t)1 << 30;
	model.n_rss = 1;
	model.dumps = xcalloc(2, sizeof(*model.dumps));
	model.n_dumps = 2;
	model.dumps[0].prof_cycle = model.dumps[1].prof_cycle = 20;
	judge(&model, &options);
	/* 3 GiB at 4 * 526,338.7 bytes a second. */
	assert_non_null(strstr(model.candidates[0].advice, "of 4.00 GiB is reached 25m30s after"));
	assert_non_null(strstr(model.candidates[0].evidence, "; 2 heap dumps agree"));
	/* Without one that is asked for, the lowest that was recorded; and what to look for. */
	model.processes[0].limits =
		(struct memory_limits){.machine = (uint64_t)16 << 30, .cgroup = (uint64_t)4 << 30};
	judge(&model, &(struct judge_options){0});
	assert_non_null(strstr(model.candidates[0].advice, "look for what keeps them"));
	assert_non_null(strstr(model.candidates[0].advice,
			       "of 4.00 GiB (its control group's limit) is reached 25m30s after"));
	model.dumps[1].rows = xcalloc(1, sizeof(*model.dumps[1].rows));
	model.dumps[1].n_rows = 1;
	judge(&model, &options);
	assert_int_equal(model.n_candidates, 1);
	assert_non_null(strstr(model.candidates[0].evidence, "; 1 of 2 heap dumps differ here"));
	model_free(&model);
	sim_free(&sim);
}

/* A table of so many places, filled at the start by one site; then another replaces what is in
 * them, any one at a time, in the mean each once in the recording. One size for all. */
static void fill_replaced(struct sim *sim, struct model *model, bool loses)
{
	enum { PLACES = 60 };
	struct random random = sim->random;

	for (int later = 0; later < 2; later++) {
		sim_begin_site(sim, model);
		sim->min_size = sim->max_size = 4096;
		sim->random = random;
		for (int place = 0; place < PLACES; place++) {
			double birth = 0.2, death = random_exponential(&sim->random, sim->span);

			if (!later)
				sim_object(sim, birth, loses ? death : INFINITY);
			for (birth = death; birth < sim->span; birth = death) {
				death += random_exponential(&sim->random, sim->span);
				if (later)
					sim_object(sim, birth, loses ? death : INFINITY);
			}
		}
		sim_end_site(sim);
	}
}

static void test_replaced(void **state)
{
	struct model model;
	struct sim sim;
	size_t wrong = 0, found = 0, growing = 0;

	(void)state;
	for (size_t seed = 0; seed < 100; seed++) {
		for (int loses = 0; loses < 2; loses++) {
			sim = sim_new(seed + 77, 60, false);
			sim_model(&sim, &model);
			fill_replaced(&sim, &model, loses);
			judge(&model, NULL);
			for (size_t i = 0; i < 2; i++) {
				if (called_leak(model.candidates[i].verdict))
					*(loses ? &wrong : &found) += 1;
				growing += loses && model.candidates[i].verdict == VERDICT_GROWING;
			}
			model_free(&model);
			sim_free(&sim);
		}
	}
	print_message(
		"what replaces others called a leak: %zu of 100, growing: %zu; what is added to "
		"them: %zu\n",
		wrong, growing, found);
	assert_true(wrong <= 2);
	assert_true(growing <= 10);
	assert_true(found >= 95);
}

/* A handful that is born in the first moment, before two early GC cycles, is no growth that ended.
 */
static void test_first_moment(void **state)
{
	struct model model;
	struct sim sim = plain_sim(&model, 21);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		sim.mark_start[i] = 0.005 + 0.01 * (double)i;
		sim.end[i] = 0.01 + 0.01 * (double)i;
		model.processes[0].epochs[i].end_time =
			model.first_time + (uint64_t)(sim.end[i] * 1e9);
	}
	for (int i = 0; i < 4; i++)
		sim_object(&sim, 0.011 + 0.001 * i, INFINITY);
	for (int i = 0; i < 215; i++)
		sim_object(&sim, 0.05 + 0.1 * i, INFINITY);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_true(called_leak(model.candidates[0].verdict));
	model_free(&model);
	sim_free(&sim);
}

/* What is missing is said, and how long to record for it. */
static void test_advice(void **state)
{
	struct model model;
	struct sim sim = plain_sim(&model, 3);

	(void)state;
	for (int i = 0; i < 30; i++)
		sim_object(&sim, i * 0.1, INFINITY);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.candidates[0].verdict, VERDICT_TOO_LITTLE);
	assert_string_equal(model.candidates[0].advice,
			    "3 of the 4 GC cycles that a judgement needs: record about 30s");
	model_free(&model);
	sim_free(&sim);
	sim = plain_sim(&model, 600);
	for (int i = 0; i < 3; i++)
		sim_object(&sim, 100 + i * 100, INFINITY);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.candidates[0].verdict, VERDICT_TOO_LITTLE);
	assert_string_equal(model.candidates[0].advice,
			    "only 3 sampled objects: record about 2h, or at a finer sampling rate");
	model_free(&model);
	sim_free(&sim);
}

static void test_deterministic(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < SIM_KINDS; kind++) {
		struct trial a, b;

		trial_run(&a, kind, 7, 20, 400);
		trial_run(&b, kind, 7, 20, 400);
		if (a.candidate) {
			assert_int_equal(a.candidate->verdict, b.candidate->verdict);
			assert_true(a.candidate->confidence == b.candidate->confidence);
			assert_string_equal(a.candidate->evidence, b.candidate->evidence);
		}
		trial_free(&a);
		trial_free(&b);
	}
}

static void assert_sound(const struct model *model)
{
	for (size_t i = 0; i < model->n_candidates; i++) {
		const struct candidate *c = &model->candidates[i];

		assert_true(isfinite(c->growth) && isfinite(c->growth_low) &&
			    isfinite(c->growth_high));
		assert_true(c->growth_low <= c->growth && c->growth <= c->growth_high);
		assert_true(c->confidence >= 0 && c->confidence <= 1);
		assert_true(c->p_value >= 0 && c->p_value <= 1);
		assert_true(c->generations_trend >= 0 && c->generations_trend <= 1);
		assert_true(isfinite(c->live_bytes) && isfinite(c->live_bytes_error));
		assert_non_null(c->evidence);
	}
}

/* No epochs, none that ended, no time between them, nothing but deaths, everything at once. */
static void test_degenerate(void **state)
{
	struct model model;
	struct sim sim;

	(void)state;
	model_init(&model);
	judge(&model, NULL);
	assert_int_equal(model.n_candidates, 0);
	for (size_t n = 0; n < 12; n++) {
		sim = plain_sim(&model, n ? n : 1);
		for (int i = 0; i < 50; i++)
			sim_object(&sim, 0.5, i % 2 ? INFINITY : 2);
		sim_end_site(&sim);
		sim_begin_site(&sim, &model);
		model.sites[1].unmatched_deaths = 9;
		model.sites[1].died_unseen[0].objects = 9;
		sim_begin_site(&sim, &model);
		if (n == 0)
			model.processes[0].n_epochs = 0;
		judge(&model, NULL);
		/* A site of which nothing was seen is no candidate. */
		assert_int_equal(model.n_candidates, 2);
		assert_sound(&model);
		for (size_t i = 0; i < model.processes[0].n_epochs; i++)
			model.processes[0].epochs[i].end_time = model.first_time;
		judge(&model, NULL);
		assert_sound(&model);
		model.sites[0].process = 5;
		judge(&model, NULL);
		assert_int_equal(model.n_candidates, 1);
		model_free(&model);
		sim_free(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),		cmocka_unit_test(test_leak_is_first),
		cmocka_unit_test(test_merged_epochs),	cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_first_moment),	cmocka_unit_test(test_evidence_line),
		cmocka_unit_test(test_limit_and_dumps), cmocka_unit_test(test_advice),
		cmocka_unit_test(test_deterministic),	cmocka_unit_test(test_degenerate),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
