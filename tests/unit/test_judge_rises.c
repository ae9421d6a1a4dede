#include "analyze/judge.h"

#include "tests/unit/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
/* Of what none was freed, none was evicted: where too few cycles, ever longer ones, call nothing
 * old yet, it is no cache. */
static void test_few_and_none_freed(void **state)
{
	static const double ends[] = {0.5, 6, 16, 36};
	struct sim sim = sim_new(1, 4, false);
	struct model model;

	(void)state;
	sim.span = 60;
	sim.tail_swept = true;
	for (size_t i = 0; i < 4; i++) {
		sim.end[i] = ends[i];
		sim.mark_start[i] = ends[i] - 0.01;
	}
	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	for (double time = 0.2; time < sim.span; time += 1.5)
		sim_object(&sim, time, INFINITY);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.candidates[0].verdict, VERDICT_GROWING);
	model_free(&model);
	sim_free(&sim);
}

/* What churns, and of which the last mark that is known found more: it ran for longer, and what was
 * allocated meanwhile was dead a cycle later. */
static void test_long_last_mark(void **state)
{
	struct model model;
	struct sim sim = plain_sim(&model, 8);

	(void)state;
	sim.mark_start[6] = 6.5;
	for (double time = 0.005; time < 8.5; time += 0.01)
		sim_object(&sim, time, time + 0.001);
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.candidates[0].verdict, VERDICT_STEADY);
	model_free(&model);
	sim_free(&sim);
}

/* A cache that one line fills and that another comes to share in the second half: what that has
 * there is what the first has lost, though it has more than at the start. */
static void test_shared_late(void **state)
{
	enum { PLACES = 200 };
	struct model model;
	struct sim sim = plain_sim(&model, 60);

	(void)state;
	for (int line = 0; line < 2; line++) {
		if (line)
			sim_begin_site(&sim, &model);
		sim.min_size = sim.max_size = 8192;
		for (int i = 0; i < 600; i++) {
			bool second = i > 350 && i % 2;

			if (second == (line == 1))
				sim_object(&sim, 0.1 * i,
					   i + PLACES < 600 ? 0.1 * (i + PLACES) : INFINITY);
		}
		sim_end_site(&sim);
	}
	judge(&model, NULL);
	assert_int_equal(model.n_candidates, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_false(called_leak(model.candidates[i].verdict));
		assert_int_not_equal(model.candidates[i].verdict, VERDICT_GROWING);
	}
	model_free(&model);
	sim_free(&sim);
}

/* A queue that grows, and a cache that is full: of both the old go, and one has levelled off. */
static void test_backlog(void **state)
{
	size_t runs = 0, growing = 0, misled = 0, backlog = kind_of(family_backlog);

	(void)state;
	for (size_t seed = 0; seed < seeds(); seed++) {
		struct trial trial;

		trial_run(&trial, backlog, seed, 20, 400);
		runs++;
		growing += trial.candidate && (called_leak(trial.candidate->verdict) ||
					       trial.candidate->verdict == VERDICT_GROWING);
		misled += trial.candidate && trial.candidate->verdict == VERDICT_CACHE &&
			  trial.candidate->confidence >= 0.9;
		trial_free(&trial);
	}
	print_message("backlogs: %zu of %zu said to grow, %zu surely to have levelled off\n",
		      growing, runs, misled);
	assert_true((double)growing >= at_least(0.9, (double)runs));
	assert_true((double)misled <= at_most(0.01, (double)runs));
}

/* The one site, of which all is told, is no leak. */
static void assert_innocent(struct sim *sim, struct model *model)
{
	sim_end_site(sim);
	judge(model, NULL);
	assert_int_equal(model->n_candidates, 1);
	assert_false(called_leak(model->candidates[0].verdict));
	model_free(model);
	sim_free(sim);
}

/* An array that grew up to a size and is replaced by one of the same ever since; the recording ends
 * while both are alive, which is no growth. */
static void test_array_copied_at_the_end(void **state)
{
	static const struct {
		double born, dies, size;
	} arrays[] = {{1.1, 2.1, 1},	{2.1, 3.1, 2},	  {3.1, 4.1, 4},       {4.1, 6.1, 8},
		      {6.1, 8.1, 16},	{8.1, 16.1, 32},  {16.1, 24.1, 32},    {24.1, 32.1, 32},
		      {32.1, 40.1, 32}, {40.1, 48.1, 32}, {48.1, INFINITY, 32}};
	struct model model;
	struct sim sim = plain_sim(&model, 56);

	(void)state;
	for (size_t i = 0; i < sizeof(arrays) / sizeof(*arrays); i++)
		sim_sized(&sim, arrays[i].born, arrays[i].dies, arrays[i].size * 262144);
	sim_sized(&sim, 54.1, INFINITY, 32 * 262144);
	assert_innocent(&sim, &model);
}

/* A window that slides over an array: at each copy it is as large as the window then is, and by
 * chance the largest of all is a late one. */
static void test_sliding_window(void **state)
{
	static const double sizes[] = {4, 8, 16, 9, 24, 14, 32};
	struct model model;
	struct sim sim = plain_sim(&model, 60);

	(void)state;
	for (size_t i = 0; i < 7; i++)
		sim_sized(&sim, 8.1 * (double)i, i == 6 ? INFINITY : 8.1 * (double)i + 8.1,
			  sizes[i] * 262144);
	assert_innocent(&sim, &model);
}

/* Keys that come again: the last doubling takes ten times as long as the one before. */
static void test_table_that_levels_off(void **state)
{
	static const double times[] = {0.3, 1.3, 2.3, 6.3, 47.3, INFINITY};
	struct model model;
	struct sim sim = plain_sim(&model, 60);

	(void)state;
	for (size_t i = 0; i < 5; i++)
		sim_sized(&sim, times[i], times[i + 1], (double)(1 << i) * 262144);
	assert_innocent(&sim, &model);
}

/* An array whose growth makes the collector run: at each mark the full one and its copy are alive,
 * and what is in it must lie within the interval all the same. */
static void test_array_copied_at_each_mark(void **state)
{
	const double first = 1 << 20, rate = 1 << 19, factor = 1.25;
	struct model model;
	struct sim sim = sim_new(1, 8, false);
	double full = 0, size = first;

	(void)state;
	sim.span = 60;
	sim.tail_swept = true;
	for (size_t i = 0; i < 8; i++) {
		double mark = first / rate * pow(factor, 2 * (double)i + 1);

		sim.mark_start[i] = mark + 0.01;
		sim.end[i] = mark + 0.1;
	}
	sim_model(&sim, &model);
	sim_begin_site(&sim, &model);
	for (; full < sim.span; size *= factor) {
		double born = full;

		full = size / rate;
		sim_sized(&sim, born, full + 0.05, size);
	}
	sim_end_site(&sim);
	judge(&model, NULL);
	assert_int_equal(model.n_candidates, 1);
	assert_true(called_leak(model.candidates[0].verdict));
	assert_true(model.candidates[0].growth_low <= rate * 3600);
	assert_true(model.candidates[0].growth_high >= rate * 3600);
	model_free(&model);
	sim_free(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_and_none_freed),
		cmocka_unit_test(test_long_last_mark),
		cmocka_unit_test(test_shared_late),
		cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_array_copied_at_the_end),
		cmocka_unit_test(test_sliding_window),
		cmocka_unit_test(test_table_that_levels_off),
		cmocka_unit_test(test_array_copied_at_each_mark),
	};

	return cmocka_run_group_tests_name("judge of what rises", tests, NULL, NULL);
}
