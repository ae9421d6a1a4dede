/* Wall-clock times on the trace's clock: slewed, set back and forward, and after a sleep. */
#include "analyze/clocks.h"

#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS   1000000ll
#define SEC  1000000000ll
#define WALL (1795000000ll * SEC)

/* What the clocks did: at `at` the wall clock gained `set` and the machine slept. */
struct change {
	int64_t at, set, slept;
};

static int64_t wall_at(int64_t time, double ppm, const struct change *changes, size_t n)
{
	int64_t wall = WALL + time + (int64_t)((double)time * ppm / 1e6);

	for (size_t i = 0; i < n; i++)
		if (time >= changes[i].at)
			wall += changes[i].set + changes[i].slept;
	return wall;
}

static void add_pairs(struct model *model, int64_t step, double ppm, const struct change *changes,
		      size_t n)
{
	for (int64_t t = 10 * SEC; t <= 110 * SEC; t += step) {
		struct clock_pair pair = {.monotonic = (uint64_t)t,
					  .realtime = (uint64_t)wall_at(t, ppm, changes, n),
					  .boottime = (uint64_t)t + 7 * SEC};

		for (size_t i = 0; i < n; i++)
			if (t >= changes[i].at)
				pair.boottime += (uint64_t)changes[i].slept;
		clocks_add(model, &pair);
	}
}

/* Every wall time of the trace comes back to its moment, or the moment is among the two it can be.
 */
static void check(const struct model *model, double ppm, const struct change *changes, size_t n,
		  size_t *twice)
{
	*twice = 0;
	for (int64_t t = 5 * SEC; t <= 120 * SEC; t += 137 * MS) {
		uint64_t times[CLOCKS_MAX_TIMES];
		int64_t wall = wall_at(t, ppm, changes, n), best = INT64_MAX;
		size_t k = clocks_trace_times(model, (uint64_t)wall, times);

		assert_in_range(k, 1, 2);
		*twice += k == 2;
		for (size_t i = 0; i < k; i++) {
			int64_t off = llabs((int64_t)times[i] - t);

			best = off < best ? off : best;
		}
		if (best > MS / 10 + (int64_t)(fabs(ppm) * 1e4))
			fail_msg("%lld ms: off by %lld ns, %zu times", (long long)(t / MS),
				 (long long)best, k);
		if (k == 1)
			assert_int_equal(model_trace_time(model, (uint64_t)wall), times[0]);
	}
}

static void test_steady(void **state)
{
	static const double rates[] = {0, 20, -45, 500};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct clock_step steps[2];
		struct model model;
		size_t twice;

		model_init(&model);
		add_pairs(&model, 10 * SEC, rates[i], NULL, 0);
		assert_int_equal(clocks_steps(&model, steps, 2), 0);
		check(&model, rates[i], NULL, 0, &twice);
		assert_int_equal(twice, 0);
		model_free(&model);
	}
}

static void expect_step(const struct model *model, int64_t set, int64_t slept)
{
	struct clock_step steps[4];

	assert_int_equal(clocks_steps(model, steps, 4), 1);
	assert_true(steps[0].after < 60 * SEC && steps[0].before >= 60 * SEC);
	assert_true(steps[0].before - steps[0].after <= 11 * SEC);
	assert_true(llabs(steps[0].set - set) < 12 * MS);
	assert_true(llabs((int64_t)steps[0].slept - slept) < 12 * MS);
}

static void test_steps(void **state)
{
	static const int64_t sets[] = {3600 * SEC, 40 * MS,   30 * SEC,
				       -40 * MS,   -30 * SEC, -3600 * SEC};

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct change change = {.at = 60 * SEC, .set = sets[i]};
		struct model model;
		size_t twice;

		model_init(&model);
		/* A pair on either side of the step, as the recorder writes them. */
		add_pairs(&model, 11 * SEC, 15, &change, 1);
		expect_step(&model, change.set, 0);
		check(&model, 15, &change, 1, &twice);
		/* 30 s were there twice; an hour back leads out of the trace. */
		if (sets[i] == -30 * SEC)
			assert_in_range(twice, 2 * 30000 / 137 - 2, 2 * 41000 / 137);
		if (sets[i] == 3600 * SEC)
			assert_int_equal(twice, 0);
		model_free(&model);
	}
}

static void test_sleep(void **state)
{
	struct change slept = {.at = 60 * SEC, .slept = 1800 * SEC};
	struct change both = {.at = 60 * SEC, .set = -2 * SEC, .slept = 1800 * SEC};
	struct model model;
	size_t twice;

	(void)state;
	model_init(&model);
	add_pairs(&model, 10 * SEC, 0, &slept, 1);
	expect_step(&model, 0, slept.slept);
	check(&model, 0, &slept, 1, &twice);
	model_free(&model);
	model_init(&model);
	add_pairs(&model, 10 * SEC, 0, &both, 1);
	expect_step(&model, both.set, both.slept);
	check(&model, 0, &both, 1, &twice);
	/* Without the third clock a sleep is taken for a setting. */
	for (size_t i = 0; i < model.n_clocks; i++)
		model.clocks[i].boottime = 0;
	expect_step(&model, both.set + both.slept, 0);
	model_free(&model);
}

static void test_order(void **state)
{
	uint64_t times[CLOCKS_MAX_TIMES];
	struct model model;

	(void)state;
	model_init(&model);
	assert_int_equal(clocks_trace_times(&model, WALL, times), 0);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t t = (uint64_t)SEC * (1 + i * 5 % 8);

		clocks_add(&model, &(struct clock_pair){t, t + (uint64_t)WALL, 0});
	}
	for (size_t i = 0; i < model.n_clocks; i++)
		assert_int_equal(model.clocks[i].monotonic, (i + 1) * (uint64_t)SEC);
	assert_int_equal(model_trace_time(&model, (uint64_t)(WALL + 5 * SEC / 2)), 5 * SEC / 2);
	assert_int_equal(model_trace_time(&model, UINT64_MAX), 0);
	/* Half of very many goes, the span stays. */
	for (uint64_t i = 0; i < 200000; i++)
		clocks_add(&model,
			   &(struct clock_pair){(uint64_t)SEC * (10 + i),
						(uint64_t)(WALL + SEC * (10 + (int64_t)i)), 0});
	assert_in_range(model.n_clocks, 30000, 70000);
	assert_int_equal(model.clocks[0].monotonic, SEC);
	assert_int_equal(model_trace_time(&model, (uint64_t)(WALL + 12345 * SEC)), 12345 * SEC);
	model_free(&model);
}

static void test_hostile(void **state)
{
	static const uint64_t edges[] = {0,   1, INT64_MAX, 1ull << 63, UINT64_MAX, INT64_MAX / 4,
					 WALL};

	(void)state;
	for (uint64_t seed = 1; seed < 3000; seed++) {
		struct random r = {seed};
		struct clock_step steps[8];
		uint64_t times[CLOCKS_MAX_TIMES];
		struct model model;

		model_init(&model);
		for (int i = 0; i < 12; i++) {
			struct clock_pair pair = {edges[random_u64(&r) % 7] + random_u64(&r) % 3,
						  edges[random_u64(&r) % 7] - random_u64(&r) % 3,
						  edges[random_u64(&r) % 7]};

			clocks_add(&model, &pair);
		}
		assert_in_range(clocks_steps(&model, steps, 8), 0, 8);
		for (int i = 0; i < 7; i++)
			assert_in_range(clocks_trace_times(&model, edges[i], times), 0,
					CLOCKS_MAX_TIMES);
		model_free(&model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady),	cmocka_unit_test(test_steps),
		cmocka_unit_test(test_sleep),	cmocka_unit_test(test_order),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
