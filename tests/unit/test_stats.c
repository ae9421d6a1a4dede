#include "analyze/stats.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%.17g is not %.17g within %g", got, want, tolerance);
}

/* Reference values of this and the next test: SciPy 1.10.1, scipy.stats. */
static void test_normal(void **state)
{
	static const double p[] = {1e-10, .001, .025, .5, .9, .975, 1 - 1e-9};
	static const double z[] = {-6.361340902404056, -3.090232306167813, -1.9599639845400545, 0,
				   1.2815515655446004, 1.959963984540054,  5.997807019601637};

	(void)state;
	for (size_t i = 0; i < COUNT(p); i++)
		assert_near(stats_normal_inverse(p[i]), z[i], 1e-7);
	for (double x = -8; x < 5; x += 0.25)
		assert_near(stats_normal_inverse(stats_normal_cdf(x)), x, 1e-8);
	assert_true(stats_normal_inverse(0) < -30);
	assert_true(stats_normal_inverse(1) > 8);
}

static void test_beta_and_binomial(void **state)
{
	(void)state;
	assert_near(stats_beta_cdf(.3, 2, 5), 0.5798250000000003, 1e-12);
	assert_near(stats_beta_cdf(.05, .5, 3), 0.4054969522947275, 1e-12);
	assert_near(stats_beta_cdf(.9, 30, 4), 0.5769436641256929, 1e-12);
	assert_near(stats_beta_cdf(.5, 600, 610), 0.613166042985921, 1e-10);
	assert_near(stats_beta_cdf(0, 2, 2), 0, 0);
	assert_near(stats_beta_cdf(1, 2, 2), 1, 0);
	assert_near(stats_binomial_tail(9, 12, .5), 0.072998046875, 1e-12);
	assert_near(stats_binomial_tail(300, 560, .5), 0.04962793502869833, 1e-10);
	assert_near(stats_binomial_tail(1, 10, .1), 0.6513215599000001, 1e-12);
	assert_near(stats_binomial_tail(0, 10, .1), 1, 0);
	assert_near(stats_binomial_tail(11, 10, .1), 0, 0);
}

static void test_poisson_interval(void **state)
{
	/* Garwood's exact limits, by the chi-squared distribution. */
	static const struct {
		double count, low, high;
	} exact[] = {{0, 0, 3.6888794541139354},
		     {5, 1.6234863901184207, 11.66833207932267},
		     {10, 4.7953886961324335, 18.39035604201778},
		     {100, 81.36399125092314, 121.62679379242638}};

	(void)state;
	for (size_t i = 0; i < COUNT(exact); i++) {
		double low, high;

		stats_poisson_interval(exact[i].count, 1.959964, &low, &high);
		assert_near(low, exact[i].low, 0.01 * exact[i].low);
		assert_near(high, exact[i].high, 0.01 * exact[i].high);
	}
}

static void test_quantile(void **state)
{
	double v[] = {7, 1, 5, 3, 9, 2};

	(void)state;
	assert_near(stats_quantile(v, 6, 0), 1, 0);
	assert_near(stats_quantile(v, 6, .1), 1.5, 1e-12);
	assert_near(stats_quantile(v, 6, .25), 2.25, 1e-12);
	assert_near(stats_quantile(v, 6, .5), 4, 1e-12);
	assert_near(stats_quantile(v, 6, .9), 8, 1e-12);
	assert_near(stats_quantile(v, 6, 1), 9, 0);
	assert_near(stats_quantile(v, 0, .5), 0, 0);
}

static void test_theil_sen(void **state)
{
	/* Hollander and Wolfe 1973, table 9.1: cloud seeding in five years. */
	static const double year[] = {1, 2, 3, 4, 5};
	static const double ratio[] = {1.26, 1.27, 1.12, 1.16, 1.03};
	/* With ties in the values, against scipy.stats.theilslopes(method="separate"). */
	static const double x[] = {0, 1, 2, 3, 4, 6, 7, 9, 10, 12, 13, 15};
	static const double y[] = {3, 3, 4, 6, 5, 9, 9, 10, 14, 13, 13, 19};
	static const double same[] = {4, 4, 4};
	struct stats_slope slope;

	(void)state;
	slope = stats_theil_sen(year, ratio, 5, 1.959964, 1);
	assert_true(slope.valid);
	assert_near(slope.slope, -0.05625, 1e-12);
	assert_near(slope.intercept, 1.32875, 1e-12);
	assert_near(slope.low, -0.15, 1e-12);
	assert_near(slope.high, 0.04, 1e-12);
	slope = stats_theil_sen(x, y, 12, 1.959964, 1);
	assert_near(slope.slope, 1, 1e-12);
	assert_near(slope.intercept, 2.5, 1e-12);
	assert_near(slope.low, 0.75, 1e-12);
	assert_near(slope.high, 8.0 / 7, 1e-12);
	/* A wild value moves nothing: up to 29 % of them may be. */
	double wild[COUNT(y)];
	memcpy(wild, y, sizeof(y));
	wild[5] = 1e9;
	wild[8] = -1e9;
	slope = stats_theil_sen(x, wild, 12, 1.959964, 1);
	assert_true(slope.slope > 0.7 && slope.slope < 1.3);
	assert_false(stats_theil_sen(same, y, 3, 1.96, 1).valid);
	assert_false(stats_theil_sen(x, y, 1, 1.96, 1).valid);
	/* A larger variance widens the interval. */
	slope = stats_theil_sen(x, y, 12, 1.959964, 4);
	assert_true(slope.low < 0.75 && slope.high > 8.0 / 7);
}

static void test_mann_kendall(void **state)
{
	static const double y[] = {3, 3, 4, 6, 5, 9, 9, 10, 14, 13, 13, 19};
	static const double flat[] = {2, 2, 2, 2};
	struct stats_trend trend;

	(void)state;
	trend = stats_mann_kendall(y, 12, 1);
	/* S from numpy; the variance by hand: (12*11*29 - 3 * 2*1*9) / 18. */
	assert_near(trend.s, 57, 0);
	assert_near(trend.variance, 3774.0 / 18, 1e-9);
	assert_near(trend.z, 56 / sqrt(3774.0 / 18), 1e-12);
	assert_near(trend.p_rising, 5.5e-5, 1e-6);
	trend = stats_mann_kendall(flat, 4, 1);
	assert_near(trend.z, 0, 0);
	assert_near(trend.p_rising, 0.5, 1e-12);
}

/* False alarms at 5 % on a series without a trend whose values hang together. */
static void false_alarms(double rho, double *plain, double *corrected)
{
	struct random r = {42};
	enum { RUNS = 2000, N = 60 };
	int n_plain = 0, n_corrected = 0;

	for (int run = 0; run < RUNS; run++) {
		double series[N], value = random_normal(&r);

		for (int i = 0; i < N; i++) {
			series[i] = value;
			value = rho * value + sqrt(1 - rho * rho) * random_normal(&r);
		}
		n_plain += stats_mann_kendall(series, N, 1).p_rising < 0.05;
		n_corrected +=
			stats_mann_kendall(series, N, stats_inflation(series, N)).p_rising < 0.05;
	}
	*plain = n_plain / (double)RUNS;
	*corrected = n_corrected / (double)RUNS;
}

static void test_autocorrelation(void **state)
{
	double plain, corrected;

	(void)state;
	false_alarms(0, &plain, &corrected);
	assert_true(plain > 0.03 && plain < 0.07);
	assert_true(corrected > 0.02 && corrected < 0.07);
	false_alarms(0.6, &plain, &corrected);
	assert_true(plain > 0.15);
	assert_true(corrected > 0.01 && corrected < 0.09);
	/* (1 + rho) / (1 - rho) for a long series. */
	struct random r = {3};
	static double series[20000];
	double value = 0;
	for (size_t i = 0; i < COUNT(series); i++)
		series[i] = value = 0.5 * value + random_normal(&r);
	assert_near(stats_inflation(series, COUNT(series)), 3, 0.2);
	assert_near(stats_inflation(series, 3), 1, 0);
}

/* Freireich et al. 1963, remission in weeks under 6-mercaptopurine: the classic of the method. */
static void test_kaplan_meier(void **state)
{
	double died[40] = {0}, censored[40] = {0}, survival[40], variance[40];
	static const int remission_ended[] = {6, 6, 6, 7, 10, 13, 16, 22, 23};
	static const int still_well[] = {6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35};
	static const struct {
		int week;
		double survival, error;
	} published[] = {{6, .857, .0764},  {7, .807, .0869},  {10, .753, .0963}, {13, .690, .1068},
			 {16, .627, .1141}, {22, .538, .1282}, {23, .448, .1346}};

	(void)state;
	for (size_t i = 0; i < COUNT(remission_ended); i++)
		died[remission_ended[i]]++;
	for (size_t i = 0; i < COUNT(still_well); i++)
		censored[still_well[i]]++;
	assert_int_equal(stats_kaplan_meier(died, censored, 40, survival, variance), 35);
	assert_near(survival[5], 1, 0);
	for (size_t i = 0; i < COUNT(published); i++) {
		assert_near(survival[published[i].week], published[i].survival, 0.0006);
		assert_near(sqrt(variance[published[i].week]), published[i].error, 0.00006);
	}
	assert_near(survival[39], survival[23], 0);
	memset(died, 0, sizeof(died));
	memset(censored, 0, sizeof(censored));
	assert_int_equal(stats_kaplan_meier(died, censored, 40, survival, NULL), 0);
	assert_near(survival[39], 1, 0);
}

/* The example of Benjamini and Hochberg 1995, section 3.2: four of fifteen at 5 %. */
static void test_benjamini_hochberg(void **state)
{
	static const double p[] = {.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344,
				   .0459, .3240, .4262, .5719, .6528, .7590, 1.000};
	double q[COUNT(p)];
	size_t rejected = 0;

	(void)state;
	stats_benjamini_hochberg(p, COUNT(p), q);
	for (size_t i = 0; i < COUNT(p); i++)
		rejected += q[i] <= 0.05;
	assert_int_equal(rejected, 4);
	assert_near(q[3], .0095 * 15 / 4, 1e-12);
	assert_near(q[14], 1, 1e-12);
	/* Out of order, with a value that only the next one carries. */
	static const double mixed[] = {0.9, 0.021, 0.02};
	stats_benjamini_hochberg(mixed, 3, q);
	assert_near(q[2], 0.0315, 1e-12);
	assert_near(q[1], 0.0315, 1e-12);
	assert_near(q[0], 0.9, 1e-12);
}

/* A population that is known, sampled over and over as the runtime does. */
static void test_sampling(void **state)
{
	enum { RUNS = 4000, OBJECTS = 300 };
	const double rate = 524288;
	struct random r = {11};
	double sum = 0, squares = 0, claimed = 0, truth = 0;
	static const double size[] = {4096, 65536, 524288, 4194304};

	(void)state;
	for (int i = 0; i < OBJECTS; i++)
		truth += size[i % 4];
	for (int run = 0; run < RUNS; run++) {
		double estimate = 0;

		for (int i = 0; i < OBJECTS; i++) {
			double s = size[i % 4];

			if (random_uniform(&r) > exp(-s / rate)) {
				estimate += stats_sample_weight(s, rate);
				claimed += stats_sample_variance(s, rate) / RUNS;
			}
		}
		sum += estimate / RUNS;
		squares += estimate * estimate / RUNS;
	}
	assert_near(sum, truth, 0.005 * truth);
	assert_near(squares - sum * sum, claimed, 0.08 * claimed);
	assert_near(stats_sample_weight(1000, 1), 1000, 0);
	assert_near(stats_sample_variance(1000, 1), 0, 0);
	assert_near(stats_sample_weight(16, rate), rate + 8, 0.01);
	assert_near(stats_sample_weight(0, rate), 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal),
		cmocka_unit_test(test_beta_and_binomial),
		cmocka_unit_test(test_poisson_interval),
		cmocka_unit_test(test_quantile),
		cmocka_unit_test(test_theil_sen),
		cmocka_unit_test(test_mann_kendall),
		cmocka_unit_test(test_autocorrelation),
		cmocka_unit_test(test_kaplan_meier),
		cmocka_unit_test(test_benjamini_hochberg),
		cmocka_unit_test(test_sampling),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
