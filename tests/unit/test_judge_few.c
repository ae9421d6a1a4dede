#include "analyze/judge.h"

#include "tests/unit/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Few cycles: no verdict below four; a plain leak is seen soon after, and no innocent with it. */
static void test_few_cycles(void **state)
{
	static const double few[] = {4, 8, 20};

	(void)state;
	for (size_t range = 0; range < 2; range++) {
		size_t found = 0, runs = 0, wrong = 0, innocents = 0;

		for (size_t kind = 0; kind < SIM_KINDS; kind++) {
			for (size_t seed = 0; seed < seeds() / 3; seed++) {
				struct trial trial;

				trial_run(&trial, kind, seed, 2, 3.99);
				if (trial.candidate)
					assert_int_equal(trial.candidate->verdict,
							 VERDICT_TOO_LITTLE);
				trial_free(&trial);
				trial_run(&trial, kind, seed, few[range], few[range + 1]);
				if (trial.candidate && kind == 0) {
					runs++;
					found += called_leak(trial.candidate->verdict);
				} else if (trial.candidate && !sim_kinds[kind].leak &&
					   !sim_kinds[kind].hard) {
					innocents++;
					wrong += called_leak(trial.candidate->verdict);
				}
				trial_free(&trial);
			}
		}
		print_message("%.0f to %.0f cycles: %zu of %zu fast leaks found, %zu of %zu "
			      "innocents called one\n",
			      few[range], few[range + 1], found, runs, wrong, innocents);
		assert_true((double)found >= at_least(range ? 0.9 : 0.5, (double)runs));
		assert_true((double)wrong <= at_most(0.01, (double)innocents));
	}
}

/* A site of few samples: 8 to 14 of them are born, evenly in time, from the start until a share of
 * the recording. Those of a leak stay; of others each goes after so many cycles. */
static bool few_called(size_t seed, double until, double life_cycles)
{
	struct sim sim = sim_new(seed + 31000000, 20 + seed * 37 % 380, false);
	size_t n = 8 + seed % 7;
	struct model model;
	bool called;

	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	for (size_t i = 0; i < n; i++) {
		double birth = until * sim.span * random_uniform(&sim.random);

		sim_object(&sim, birth, birth + sim_lifetime(&sim, life_cycles));
	}
	sim_end_site(&sim);
	judge(&model, NULL);
	called = model.n_candidates && called_leak(model.candidates[0].verdict);
	model_free(&model);
	sim_free(&sim);
	return called;
}

/* A handful that is born to the end and stays is a leak in most cases; one that comes to an end, or
 * of which some go, hardly ever is called one. */
static void test_few_survivors(void **state)
{
	size_t n = seeds(), found = 0, ended = 0, short_lived = 0;

	(void)state;
	for (size_t seed = 0; seed < n; seed++) {
		found += few_called(seed, 1, INFINITY);
		ended += few_called(seed, 0.3 + 0.4 * (double)(seed % 10) / 10, INFINITY);
		short_lived += few_called(seed, 1, 6);
	}
	print_message("8 to 14 samples: leaks found %zu of %zu; innocents called one: what has "
		      "ended %zu, what lives for some cycles %zu\n",
		      found, n, ended, short_lived);
	assert_true((double)found >= at_least(0.85, (double)n));
	assert_true((double)ended <= at_most(0.01, (double)n));
	assert_true((double)short_lived <= at_most(0.01, (double)n));
}

/* What grew for a while in the middle of a recording, and not before or after, has ended, however
 * few the cycles are that show it: the maps of a cache were called leaks for it. */
static void test_late_step(void **state)
{
	size_t called = trials_where(family_late_step, 14, 20, called_leak), n = seeds();

	(void)state;
	print_message("late steps of few cycles called a leak: %zu of %zu\n", called, n);
	assert_true((double)called <= at_most(0.01, (double)n));
}

/* Arrays that are gathered and given up about once in a GC cycle: the levels that the cycles meet
 * rise by chance, yet nothing grows. */
static void test_beat(void **state)
{
	size_t called = trials_where(family_array_batches, 8, 20, called_leak);
	size_t growing = trials_where(family_growing_array, 20, 400, called_leak), n = seeds();

	(void)state;
	print_message("arrays in batches called a leak: %zu of %zu; growing ones: %zu\n", called, n,
		      growing);
	assert_true((double)called <= at_most(0.01, (double)n));
	assert_true((double)growing >= at_least(0.95, (double)n));
}

/* The verdict on goroutines of which one is started in each of `active` slices of 100 and none
 * ends, beside a site that is `busy` to the end or does as little. */
static enum verdict goroutines_verdict(int active, bool busy)
{
	struct sim sim = sim_new(1, 100, false);
	struct process *process;
	enum verdict verdict = VERDICT_TOO_LITTLE;
	struct model model;

	sim.span = 100;
	for (size_t i = 0; i < sim.cycles; i++) {
		sim.mark_start[i] = (double)i + 1;
		sim.end[i] = (double)i + 1;
	}
	sim_model(&sim, &model);
	process = &model.processes[0];
	process->slices = xcalloc(process->n_epochs, sizeof(*process->slices));
	memcpy(process->slices, process->epochs, process->n_epochs * sizeof(*process->slices));
	process->n_slices = process->n_epochs;
	for (int churn = 0; churn < 2; churn++) {
		sim_begin_site(&sim, &model);
		for (int i = 0; i < (churn && busy ? 100 : active); i++)
			for (int k = 0; k < 10; k++)
				sim_object(&sim, i + 0.05 + 0.09 * k,
					   churn ? i + 0.2 + 0.09 * k : INFINITY);
		sim_end_site(&sim);
		model.sites[churn].kind = SITE_GOROUTINE;
	}
	judge(&model, NULL);
	for (size_t i = 0; i < model.n_candidates; i++)
		if (model.candidates[i].site == 0)
			verdict = model.candidates[i].verdict;
	model_free(&model);
	sim_free(&sim);
	return verdict;
}

/* A process that is shutting down, or kept waiting, starts nothing: that its leak pauses too does
 * not mean that this has ended. Where the others go on, or the pause is long, it does. */
static void test_idle_end(void **state)
{
	(void)state;
	assert_int_equal(goroutines_verdict(100, true), VERDICT_LEAK);
	assert_int_equal(goroutines_verdict(94, false), VERDICT_LEAK);
	assert_int_equal(goroutines_verdict(94, true), VERDICT_RAMP_UP);
	assert_int_equal(goroutines_verdict(70, false), VERDICT_RAMP_UP);
}

/* Of the first part of a recording it is known when the process ends, long after it: the growth has
 * not ended with the part. */
static void test_part(void **state)
{
	struct sim sim = sim_new(7, 40, false);
	struct model model;

	(void)state;
	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	sim_retain(&sim, 200, 0, 1);
	sim_end_site(&sim);
	model.processes[0].end = model.last_time + 2 * (model.last_time - model.first_time);
	judge(&model, NULL);
	assert_int_equal(model.candidates[0].verdict, VERDICT_LEAK);
	model_free(&model);
	sim_free(&sim);
}

/* Even growth since the start of a program is no sure leak after 20 s, and one is after minutes. */
static double sureness(double seconds, bool attached)
{
	struct sim sim = sim_new(3, 20, attached);
	struct model model;
	double confidence;

	for (size_t i = 0; i < sim.cycles; i++) {
		sim.mark_start[i] *= seconds / sim.span;
		sim.end[i] *= seconds / sim.span;
	}
	sim.span = seconds;
	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	for (int i = 0; i < 60; i++)
		sim_object(&sim, (i + 0.5) / 60 * seconds, INFINITY);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_true(called_leak(model.candidates[0].verdict));
	confidence = model.candidates[0].confidence;
	model_free(&model);
	sim_free(&sim);
	return confidence;
}

static void test_beginning(void **state)
{
	(void)state;
	assert_true(sureness(20, false) < 0.92);
	assert_true(sureness(20, true) > 0.95);
	assert_true(sureness(300, false) > 0.95);
}

static bool said_ended(enum verdict verdict)
{
	return verdict == VERDICT_RAMP_UP;
}

/* Of a leak of some ten samples it may not be known whether it goes on; then it is not said to have
 * ended. */
static void test_undecided(void **state)
{
	size_t ended = trials_where(family_tiny_leak, 20, 400, said_ended), n = seeds();

	(void)state;
	print_message("tiny leaks that are said to have ended: %zu of %zu\n", ended, n);
	assert_true((double)ended <= at_most(0.03, (double)n));
}

/* Four cycles in which all that was born is alive are too few to speak of a steady site. */
static void test_few_points(void **state)
{
	static const double ends[] = {2, 5, 11, 23};
	struct sim sim = sim_new(1, 4, false);
	struct model model;

	(void)state;
	sim.span = 40;
	for (size_t i = 0; i < 4; i++) {
		sim.mark_start[i] = ends[i] - 0.1;
		sim.end[i] = ends[i];
	}
	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	for (int i = 0; i < 20; i++)
		sim_object(&sim, 0.5 + 2 * i, INFINITY);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.candidates[0].verdict, VERDICT_GROWING);
	model_free(&model);
	sim_free(&sim);
}

/* With a sample for each span objects stand for few bytes: what they are together has to matter. */
static void test_little_kept(void **state)
{
	(void)state;
	for (int bytes = 500; bytes <= 5000; bytes += 4500) {
		struct model model;
		struct sim sim = plain_sim(&model, 60);
		struct site *site = &model.sites[0];

		for (int i = 0; i < 60; i++)
			sim_object(&sim, i + 0.2, INFINITY);
		sim_end_site(&sim);
		for (size_t e = 0; e < model.processes[0].n_epochs; e++) {
			site->born[e].est_bytes = site->born[e].objects * (double)bytes;
			site->alive[e].est_bytes = site->alive[e].objects * (double)bytes;
		}
		site->est_births_bytes = (double)(site->births * (uint64_t)bytes);
		site->est_live_bytes = (double)(site->live * (uint64_t)bytes);
		judge(&model, NULL);
		assert_int_equal(called_leak(model.candidates[0].verdict), bytes == 5000);
		model_free(&model);
		sim_free(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_cycles),  cmocka_unit_test(test_few_survivors),
		cmocka_unit_test(test_beat),	    cmocka_unit_test(test_idle_end),
		cmocka_unit_test(test_part),	    cmocka_unit_test(test_beginning),
		cmocka_unit_test(test_undecided),   cmocka_unit_test(test_few_points),
		cmocka_unit_test(test_little_kept), cmocka_unit_test(test_late_step),
	};

	return cmocka_run_group_tests_name("judge on little", tests, NULL, NULL);
}
