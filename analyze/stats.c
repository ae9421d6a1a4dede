#include "analyze/stats.h"

#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double stats_normal_cdf(double z)
{
	return 0.5 * erfc(-z / M_SQRT2);
}

double stats_normal_inverse(double p)
{
	double t, z;
	bool upper = p > 0.5;

	if (upper)
		p = 1 - p;
	p = fmax(p, upper ? 1e-16 : 1e-300);
	/* Abramowitz and Stegun 26.2.23, good to 4.5e-4, then Newton's steps on the exact tail. */
	t = sqrt(-2 * log(p));
	z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
			(1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
	for (int i = 0; i < 4; i++) {
		double tail = 0.5 * erfc(z / M_SQRT2);
		double density = exp(-z * z / 2) / sqrt(2 * M_PI);

		z += (tail - p) / density;
	}
	return upper ? z : -z;
}

/* Lentz's evaluation of the continued fraction of the incomplete beta function. */
static double beta_fraction(double x, double a, double b)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), value;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	value = d;
	for (int m = 1; m <= 10000; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double step;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		value *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		step = d * c;
		value *= step;
		if (fabs(step - 1) < 1e-15)
			break;
	}
	return value;
}

/* lgamma without its global sign, which no caller here needs. */
static double log_gamma(double x)
{
	int sign;

	return lgamma_r(x, &sign);
}

double stats_beta_cdf(double x, double a, double b)
{
	double front;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
	/* The fraction converges fast on this side of the mean only. */
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(x, a, b) / a;
	return 1 - front * beta_fraction(1 - x, b, a) / b;
}

double stats_binomial_tail(double k, double n, double p)
{
	if (k <= 0)
		return 1;
	if (k > n)
		return 0;
	return stats_beta_cdf(p, k, n - k + 1);
}

void stats_poisson_interval(double count, double z, double *low, double *high)
{
	double up = count + 1, l, h;

	h = 1 - 1 / (9 * up) + z / (3 * sqrt(up));
	*high = up * h * h * h;
	*low = 0;
	if (count > 0) {
		l = 1 - 1 / (9 * count) - z / (3 * sqrt(count));
		*low = l > 0 ? count * l * l * l : 0;
	}
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double sorted_quantile(const double *sorted, size_t n, double q)
{
	double position = q * (double)(n - 1);
	size_t below = (size_t)position;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

double stats_quantile(double *values, size_t n, double q)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), compare_doubles);
	return sorted_quantile(values, n, fmin(fmax(q, 0), 1));
}

static double *sorted_copy(const double *values, size_t n)
{
	double *copy = xreallocarray(NULL, n ? n : 1, sizeof(*copy));

	if (n)
		memcpy(copy, values, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), compare_doubles);
	return copy;
}

/* The sum of t(t-1)(2t+5) over the groups of t equal values: what ties take from 18 Var(S). */
static double tie_term(const double *values, size_t n)
{
	double *sorted = sorted_copy(values, n), sum = 0;

	for (size_t i = 0, end; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && sorted[end] == sorted[i]; end++)
			;
		t = (double)(end - i);
		sum += t * (t - 1) * (2 * t + 5);
	}
	free(sorted);
	return sum;
}

static double kendall_variance(size_t n, double ties)
{
	double k = (double)n;

	return fmax(0, (k * (k - 1) * (2 * k + 5) - ties) / 18);
}

struct stats_trend stats_mann_kendall(const double *values, size_t n, double inflation)
{
	struct stats_trend trend = {.p_rising = 1};

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			trend.s += (values[j] > values[i]) - (values[j] < values[i]);
	trend.variance = kendall_variance(n, tie_term(values, n)) * inflation;
	if (trend.variance > 0 && trend.s != 0)
		trend.z = (trend.s - copysign(1, trend.s)) / sqrt(trend.variance);
	trend.p_rising = stats_normal_cdf(-trend.z);
	return trend;
}

struct stats_slope stats_theil_sen(const double *times, const double *values, size_t n, double z,
				   double inflation)
{
	struct stats_slope result = {0};
	double *slopes, *sorted, deviation, mid_time, low, high;
	size_t count = 0;

	if (n < 2)
		return result;
	slopes = xreallocarray(NULL, n * (n - 1) / 2, sizeof(*slopes));
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (times[j] != times[i])
				slopes[count++] = (values[j] - values[i]) / (times[j] - times[i]);
	if (count == 0) {
		free(slopes);
		return result;
	}
	qsort(slopes, count, sizeof(*slopes), compare_doubles);
	result.valid = true;
	result.slope = sorted_quantile(slopes, count, 0.5);
	deviation = sqrt(inflation * kendall_variance(n, tie_term(times, n) + tie_term(values, n)));
	/* The ranks between which S stays within z deviations of nothing, the first being 0. */
	low = round(((double)count - z * deviation) / 2) - 1;
	high = round(((double)count + z * deviation) / 2);
	result.low = slopes[low > 0 ? (size_t)low : 0];
	result.high = slopes[high < (double)count ? (size_t)high : count - 1];
	sorted = sorted_copy(times, n);
	mid_time = sorted_quantile(sorted, n, 0.5);
	free(sorted);
	sorted = sorted_copy(values, n);
	result.intercept = sorted_quantile(sorted, n, 0.5) - result.slope * mid_time;
	free(sorted);
	free(slopes);
	return result;
}

double stats_inflation(const double *residuals, size_t n)
{
	double mean = 0, variance = 0, lagged = 0, rho, sum = 0, power = 1;

	if (n < 6)
		return 1;
	for (size_t i = 0; i < n; i++)
		mean += residuals[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		variance += (residuals[i] - mean) * (residuals[i] - mean);
		if (i)
			lagged += (residuals[i] - mean) * (residuals[i - 1] - mean);
	}
	if (variance <= 0)
		return 1;
	rho = lagged / variance;
	rho += (1 + 3 * rho) / (double)n;
	rho = fmin(rho, 0.98);
	if (rho <= 0)
		return 1;
	for (size_t k = 1; k < n; k++) {
		power *= rho;
		sum += (1 - (double)k / (double)n) * power;
	}
	return 1 + 2 * sum;
}

size_t stats_kaplan_meier(const double *died, const double *censored, size_t n, double *survival,
			  double *variance)
{
	double at_risk = 0, share = 1, greenwood = 0;
	size_t greatest = 0;

	for (size_t a = 0; a < n; a++)
		at_risk += died[a] + censored[a];
	for (size_t a = 0; a < n; a++) {
		if (at_risk > 0 && died[a] > 0) {
			share *= fmax(0, 1 - died[a] / at_risk);
			if (at_risk > died[a])
				greenwood += died[a] / (at_risk * (at_risk - died[a]));
		}
		if (died[a] + censored[a] > 0)
			greatest = a;
		at_risk -= died[a] + censored[a];
		if (survival)
			survival[a] = share;
		if (variance)
			variance[a] = share * share * greenwood;
	}
	return greatest;
}

struct ranked {
	double p;
	size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

void stats_benjamini_hochberg(const double *p, size_t n, double *q)
{
	struct ranked *order = xreallocarray(NULL, n ? n : 1, sizeof(*order));
	double smallest = 1;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct ranked){p[i], i};
	qsort(order, n, sizeof(*order), compare_ranked);
	for (size_t i = n; i-- > 0;) {
		smallest = fmin(smallest, order[i].p * (double)n / (double)(i + 1));
		q[order[i].index] = smallest;
	}
	free(order);
}

double stats_sample_weight(double size, double rate)
{
	if (size <= 0 || rate <= 1)
		return size;
	return size / -expm1(-size / rate);
}

double stats_sample_variance(double size, double rate)
{
	double chance;

	if (size <= 0 || rate <= 1)
		return 0;
	chance = -expm1(-size / rate);
	return size * size * exp(-size / rate) / (chance * chance);
}

double stats_bounded_exp(double x)
{
	return exp(fmin(x, 600));
}
