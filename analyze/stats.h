#ifndef GMT_ANALYZE_STATS_H
#define GMT_ANALYZE_STATS_H

/*
 * The statistics that the judgement rests on: pure functions over plain arrays, no state, no
 * randomness, the same answer every time. Each names its source. NaN never comes out where no NaN
 * went in; what cannot be estimated is said to be so by the result's own rule.
 */

#include <stdbool.h>
#include <stddef.h>

/* The standard normal distribution: P(Z <= z), and the z for which that is p. p is held within
 * [1e-300, 1 - 1e-16]. */
double stats_normal_cdf(double z);
double stats_normal_inverse(double p);

/* The regularized incomplete beta function I_x(a, b), a > 0, b > 0: the distribution of a share
 * of which a - 1 and b - 1 were seen, from a flat prior. (DLMF 8.17, continued fraction 8.17.22.)
 */
double stats_beta_cdf(double x, double a, double b);

/* P(X >= k) for X binomial in n trials of probability p; k and n may be fractional (by way of the
 * beta distribution). k <= 0: 1. */
double stats_binomial_tail(double k, double n, double p);

/* An interval for the mean of a Poisson count of which `count` were seen, with z the two-sided
 * normal quantile (1.96 for 95 %). Byar's approximation: Breslow and Day 1987, Statistical Methods
 * in Cancer Research II, 2.13; within 1 % of the exact one. */
void stats_poisson_interval(double count, double z, double *low, double *high);

/* The q-quantile by linear interpolation (type 7 of Hyndman and Fan 1996). Sorts the values in
 * place. n == 0: 0. */
double stats_quantile(double *values, size_t n, double q);

/*
 * Mann-Kendall's test for a monotonic trend in a series, with the variance corrected for ties
 * (Kendall 1975, Rank Correlation Methods, 4.4) and then multiplied by `inflation`, which is 1 for
 * independent values and n over the effective sample size for others (Hamed and Rao 1998, J.
 * Hydrology 204).
 */
struct stats_trend {
	double s;	 /* pairs that rise less pairs that fall */
	double variance; /* of s where there is no trend */
	double z;	 /* with continuity correction; 0 where the variance is 0 */
	double p_rising; /* one-sided: so large an s without a trend */
};
struct stats_trend stats_mann_kendall(const double *values, size_t n, double inflation);

/*
 * Theil-Sen's slope: the median of the slopes between all pairs, and Sen's interval from the
 * distribution of Kendall's S (Sen 1968, JASA 63), in which z is the two-sided normal quantile and
 * inflation as above. Pairs at equal times are left out. `valid` is false where no two times
 * differ.
 */
struct stats_slope {
	bool valid;
	double slope, low, high;
	double intercept; /* median of the values less slope times the median of the times */
};
struct stats_slope stats_theil_sen(const double *times, const double *values, size_t n, double z,
				   double inflation);

/* By how much the variance of a mean over the series exceeds that of independent values, >= 1,
 * from the lag-1 autocorrelation as of a first-order autoregression (Bayley and Hammersley 1946;
 * small-sample bias removed as in Marriott and Pope 1954). Give it residuals, not a trend. */
double stats_inflation(const double *residuals, size_t n);

/*
 * Kaplan and Meier's survival curve (1958, JASA 53) from counts by age: died[a] died at age a,
 * censored[a] were last seen alive at age a, just after it. survival[a] is the share that lives
 * past age a, variance[a] Greenwood's; either may be NULL. Past the greatest age that was reached
 * the last value is kept. Returns the greatest age reached; 0 where there are no counts.
 */
size_t stats_kaplan_meier(const double *died, const double *censored, size_t n, double *survival,
			  double *variance);

/* Benjamini and Hochberg's control of the false discovery rate (1995, JRSS B 57): q[i] is the
 * smallest rate at which hypothesis i is rejected. */
void stats_benjamini_hochberg(const double *p, size_t n, double *q);

/*
 * What one sampled object of this size stands for, in bytes: size / (1 - exp(-size / rate)), as
 * runtime/pprof/protomem.go scales; and the variance that the sampling of it contributes to a sum
 * of such estimates, from the samples alone: size^2 * exp(-size/rate) / (1 - exp(-size/rate))^2
 * (Horvitz and Thompson 1952, JASA 47, for Bernoulli inclusion). rate <= 1: everything is sampled.
 */
double stats_sample_weight(double size, double rate);
double stats_sample_variance(double size, double rate);

/* exp, held within what a double can hold, for likelihoods of much evidence. */
double stats_bounded_exp(double x);

#endif
