#include "analyze/judge_evidence.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The variance from point to point, by the median of the absolute deviations. */
static void weigh_jitter(struct judge_evidence *ev)
{
	size_t n = ev->live.n > 1 ? ev->live.n - 1 : 0;
	double *step = xcalloc(n + 1, sizeof(double)), median;

	for (size_t i = 0; i < n; i++)
		step[i] = ev->live.objects[i + 1] - ev->live.objects[i];
	median = stats_quantile(step, n, 0.5);
	for (size_t i = 0; i < n; i++)
		step[i] = fabs(step[i] - median);
	median = 1.4826 * stats_quantile(step, n, 0.5);
	ev->jitter = median * median;
	free(step);
}

/* Whether the live objects rose as little, or less, over an earlier stretch of the length of that
 * from point i to the last. */
static bool was_as_flat(const struct judge_evidence *ev, size_t i, double net)
{
	const struct judge_series *live = &ev->live;
	double length = live->time[live->n - 1] - live->time[i];
	size_t from = ev->warm_end;

	for (size_t to = from; to <= i; to++) {
		while (live->time[to] - live->time[from] > length)
			from++;
		if (from > ev->warm_end && live->objects[to] - live->objects[from - 1] <= net)
			return true;
	}
	return false;
}

/* The likelihood of no rise at the end over that of a rise at the rate of the whole, or at nearly
 * half of it, for ends of several lengths. */
static void weigh_flat(struct judge_evidence *ev)
{
	static const double shares[] = {0.6, 0.7, 0.8, 0.9, 0.95, 0.975};
	const size_t n = sizeof(shares) / sizeof(*shares);
	double rate, sum = 0, blind = 0;

	ev->flat = 0;
	ev->flat_or_blind = 1;
	if (ev->live.n < 4 || ev->window <= 0)
		return;
	rate = (ev->survivors - ev->died_unseen) / ev->window;
	for (size_t k = 0; k < n && rate > 0; k++) {
		size_t i = judge_point_at(ev, shares[k]);
		double expected = rate * (ev->live.time[ev->live.n - 1] - ev->live.time[i]);
		double noise, net = judge_net_rise(ev, i, &noise), whole, less, ratio, told;

		noise = (noise + expected) * ev->clumping;
		whole = expected * (2 * net - expected) / (2 * noise);
		less = 0.4 * expected * (2 * net - 0.4 * expected) / (2 * noise);
		ratio = 2 / (stats_bounded_exp(whole) + stats_bounded_exp(less));
		if (ratio > 1 && was_as_flat(ev, i, net))
			ratio = 1;
		/* Where chance alone could be so large, nothing is to be learnt. */
		told = -expm1(-expected * expected / (2 * noise));
		sum += told * ratio;
		blind += 1 - told;
	}
	ev->flat = sum / (double)n;
	ev->flat_or_blind = rate > 0 ? ev->flat + blind / (double)n : 1;
}

/* How many of the births at or before point i, since point `from`, were still there at i, net. */
static double net_share(const struct judge_evidence *ev, size_t from, size_t i)
{
	double born = judge_sum_objects(ev->born, from + 1, i + 1);

	return born > 0 ? (ev->live.objects[i] - ev->live.objects[from]) / born : 0;
}

/*
 * Whether of late something goes for each that comes, though as many come as before: what is full
 * does so, and a leak under a load that falls does not. Given the births at the end, as many of
 * them should remain as did before; the likelihood that none does over that, for ends of several
 * lengths.
 */
static void weigh_evicting(struct judge_evidence *ev)
{
	static const double shares[] = {0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975};
	const size_t n = sizeof(shares) / sizeof(*shares);
	size_t last = ev->live.n - 1, from = ev->warm_end;
	double kept = ev->born_kept, sum = 0;

	ev->evicting = 0;
	if (ev->live.n < 4 || from >= last)
		return;
	for (size_t k = 0; k < n; k++) {
		size_t i = judge_point_at(ev, shares[k]);
		double noise, net = judge_net_rise(ev, i, &noise), expected, ratio;

		if (i <= from || i >= last)
			continue;
		expected = fmin(1, net_share(ev, from, i)) *
			   judge_sum_objects(ev->born, i + 1, last + 1);
		if (expected <= 0)
			continue;
		noise = (noise + expected) * ev->clumping;
		ratio = stats_bounded_exp(expected * (expected - 2 * net) / (2 * noise));
		if (ratio > 1 && was_as_flat(ev, i, net))
			ratio = 1;
		/* Where chance alone could be so large, nothing is to be learnt. */
		sum += -expm1(-expected * expected / (2 * noise)) * ratio;
	}
	/* Births, before and at the end, tell what should stay as far as what is born here is kept.
	 */
	ev->evicting = sum / (double)n * kept * kept;
}

void judge_continuing(struct judge_evidence *ev)
{
	weigh_jitter(ev);
	weigh_flat(ev);
	weigh_evicting(ev);
}

/* Twice the standard error of the mean rate over blocks of the window, Student's t for 95 %: what
 * the rate does from one stretch to the next counts as uncertainty, whatever it comes from. */
static double block_error(const struct judge_evidence *ev)
{
	enum { BLOCKS = 8 };
	const double student = 2.365; /* of 7 degrees of freedom */
	double begin = judge_axis_begin(ev->axis, ev->warm_end);
	double bytes[BLOCKS] = {0}, length[BLOCKS] = {0}, mean, sum = 0;

	if (ev->old_end - ev->warm_end < 2 * BLOCKS)
		return 0;
	for (size_t i = ev->warm_end; i < ev->old_end; i++) {
		double middle = (judge_axis_begin(ev->axis, i) + ev->axis->end[i]) / 2 - begin;
		size_t block = (size_t)fmin(BLOCKS - 1, fmax(0, middle / ev->window * BLOCKS));

		bytes[block] += ev->alive[i].est_bytes;
		length[block] += ev->axis->end[i] - judge_axis_begin(ev->axis, i);
	}
	mean = ev->survivor_bytes / ev->window;
	/* Blocks are of unequal length, for an epoch is not divided: weigh by it. */
	for (size_t b = 0; b < BLOCKS; b++)
		sum += (bytes[b] - mean * length[b]) * (bytes[b] - mean * length[b]);
	return student * sqrt(sum * BLOCKS / (BLOCKS - 1)) / ev->window;
}

/* However many samples there are: slots are a little larger than what is asked for, and the window
 * ends at marks. */
#define FINEST 0.03

/* Growth by what is kept: the rate at which old survivors were born, less that at which objects
 * from before the recording go. The interval is that of a Poisson count, widened for clumps. */
static void growth_of_kept(struct judge_evidence *ev)
{
	double count = ev->survivor_bytes / ev->survivor_size / ev->clumping;
	double rate = ev->survivor_bytes / ev->window, low, high, blocks = block_error(ev);
	double lost = 0, lost_error = 0;

	stats_poisson_interval(count, 1.96, &low, &high);
	/* What is kept is no negative number: downwards the blocks' error is one of the logarithm.
	 */
	low = fmin(rate * low / count, rate * exp(-blocks / rate));
	high = rate + fmax(rate * (high / count - 1), blocks);
	if (ev->died_unseen > 0 && ev->unseen_window > 0) {
		lost = ev->unseen_bytes / ev->unseen_window;
		lost_error = 1.96 * lost / sqrt(ev->died_unseen);
	}
	ev->kept = true;
	ev->growth = rate - lost;
	ev->growth_low = ev->growth - hypot(rate - low, hypot(lost_error, FINEST * rate));
	ev->growth_high = ev->growth + hypot(high - rate, hypot(lost_error, FINEST * rate));
}

/* Growth by the live bytes: Theil and Sen's slope, its interval widened for values that hang
 * together, and by what chance can do to births and deaths over the whole. */
static void growth_of_live(struct judge_evidence *ev)
{
	enum { MOST = 64 };
	double time[MOST] = {0}, bytes[MOST] = {0}, residual[MOST] = {0}, variance, chance;
	size_t n = ev->live.n, used = n < MOST ? n : MOST;
	struct stats_slope slope;

	for (size_t i = 0; i < used; i++) {
		size_t from = used > 1 ? i * (n - 1) / (used - 1) : 0;

		time[i] = ev->live.time[from];
		bytes[i] = ev->live.bytes[from];
	}
	slope = stats_theil_sen(time, bytes, used, 1.96, 1);
	for (size_t i = 0; i < used; i++)
		residual[i] = bytes[i] - slope.intercept - slope.slope * time[i];
	slope = stats_theil_sen(time, bytes, used, 1.96, stats_inflation(residual, used));
	if (!slope.valid)
		return;
	judge_net_rise(ev, 0, &variance);
	chance = ev->site->births ? 1.96 * sqrt(1.2 * variance) * ev->site->est_births_bytes /
					    (double)ev->site->births / (time[used - 1] - time[0])
				  : 0;
	ev->growth = slope.slope;
	ev->growth_low = slope.slope - fmax(slope.slope - slope.low, chance);
	ev->growth_high = slope.slope + fmax(slope.high - slope.slope, chance);
}

void judge_growth(struct judge_evidence *ev)
{
	if (ev->survivors >= 5 && ev->window > 0 && ev->p_value <= 0.05 && ev->not_freed > 0.5)
		growth_of_kept(ev);
	else if (ev->live.n >= 3)
		growth_of_live(ev);
}
