#include "analyze/judge_evidence.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* exp, held within what a double can hold. */
static double bounded_exp(double x)
{
	return exp(fmin(x, 600));
}

/*
 * How much the survivors' births clump: the variance of their number over that of independent
 * births, >= 1, from neighbouring epochs, so that a rate which drifts or steps is not taken for
 * clumps. Given the births of two epochs together, independent ones share out as their lengths do.
 */
static double clumping(const struct judge_evidence *ev)
{
	double *excess = xcalloc(ev->old_end + 1, sizeof(double)), sum = 0;
	size_t n = 0, kept;

	for (size_t i = ev->warm_end; i + 1 < ev->old_end; i++) {
		double a = ev->axis->end[i] - judge_axis_begin(ev->axis, i);
		double b = ev->axis->end[i + 1] - ev->axis->end[i];
		double in_a = ev->alive[i].objects, in_b = ev->alive[i + 1].objects;
		double difference = in_b * a - in_a * b;

		if (in_a + in_b > 0 && a > 0 && b > 0)
			excess[n++] = difference * difference / (a * b * (in_a + in_b));
	}
	/* The largest tenth is left to steps of the rate. */
	stats_quantile(excess, n, 0);
	kept = n - n / 10;
	for (size_t i = 0; i < kept; i++)
		sum += excess[i];
	free(excess);
	return kept ? fmax(1, sum / (double)kept) : 1;
}

/* The births of the survivors as a point process on [0, 1], each weighed as `weight`. */
struct births {
	size_t n;
	double *before, *after; /* by boundary i, which follows epoch i: weights on its two sides */
	double *place;		/* of the boundary */
	signed char *quiet;	/* was_as_quiet of the boundary: -1 not asked yet */
	double total;
};

/* Of the epochs from the warm-up's end up to `end`. */
static void births_init(struct births *births, const struct judge_evidence *ev, size_t end,
			double weight)
{
	double begin = judge_axis_begin(ev->axis, ev->warm_end), sum = 0;
	double window = end > ev->warm_end ? ev->axis->end[end - 1] - begin : 0;

	births->n = window > 0 ? end - ev->warm_end : 0;
	births->before = xcalloc(births->n + 1, sizeof(double));
	births->after = xcalloc(births->n + 1, sizeof(double));
	births->place = xcalloc(births->n + 1, sizeof(double));
	births->quiet = xmalloc(births->n + 1);
	memset(births->quiet, -1, births->n + 1);
	births->total = births->n ? weight * judge_sum_objects(ev->alive, ev->warm_end, end) : 0;
	for (size_t i = 0; i < births->n; i++) {
		sum += weight * ev->alive[ev->warm_end + i].objects;
		births->before[i] = sum;
		births->after[i] = fmax(0, births->total - sum);
		births->place[i] = (ev->axis->end[ev->warm_end + i] - begin) / window;
	}
}

static void births_free(struct births *births)
{
	free(births->before);
	free(births->after);
	free(births->place);
	free(births->quiet);
}

/* Log-likelihood, against an even rate, of a rate that changes by the factor after boundary i. */
static double step_likelihood(const struct births *births, size_t i, double factor)
{
	double x = births->place[i];

	if (births->after[i] > 1e-9 && factor <= 0)
		return -INFINITY;
	return (factor > 0 ? births->after[i] * log(factor) : 0) -
	       births->total * log(x + factor * (1 - x));
}

/* Whether an earlier stretch as long as from boundary i to the end saw as few births: then the
 * quiet at the end tells nothing, for it has been as quiet before and gone on. */
static bool find_quiet(const struct births *births, size_t i)
{
	double length = 1 - births->place[i], few = births->after[i] + 1e-9;
	size_t from = 0;

	for (size_t to = 0; to <= i; to++) {
		while (births->place[to] - births->place[from] > length)
			from++;
		/* From `from` it is just too short; one epoch more makes it long enough. */
		if (from > 0 && births->before[to] - births->before[from - 1] <= few)
			return true;
	}
	return false;
}

static bool was_as_quiet(struct births *births, size_t i)
{
	if (births->quiet[i] < 0)
		births->quiet[i] = find_quiet(births, i);
	return births->quiet[i];
}

/* The mean likelihood over all places of the step, each as likely as the time it takes. */
static double mean_step(struct births *births, double factor)
{
	double sum = 0, covered = 0;

	for (size_t i = 0; i + 1 < births->n; i++) {
		double width = births->place[i + 1] - births->place[i];
		double likelihood = step_likelihood(births, i, factor);

		if (factor < 1 && likelihood > 0 && was_as_quiet(births, i))
			likelihood = 0;
		/* What has ended is most of the growth, not a handful at the start. */
		if (factor < 0.5 && births->before[i] < births->after[i])
			likelihood = -INFINITY;
		sum += width * bounded_exp(likelihood);
		covered += width;
	}
	return covered > 0 ? sum / covered : 1;
}

/* The likelihood, against an even rate, of one that falls off as exp(-decline t). */
static double decline_likelihood(const struct births *births, double decline)
{
	double sum = births->total * log(decline / -expm1(-decline)), last = 0, begin = 0;

	for (size_t i = 0; i < births->n; i++) {
		sum -= decline * (births->before[i] - last) * (begin + births->place[i]) / 2;
		last = births->before[i];
		begin = births->place[i];
	}
	return bounded_exp(sum);
}

/* The step of the rate, by one of the factors and before `until`, that gains the most likelihood
 * over none: the epochs before it, 0 where none gains enough. */
static size_t best_step(const struct births *births, const double *factors, size_t n_factors,
			double until, double *gain)
{
	size_t cut = 0;

	*gain = 4;
	for (size_t i = 0; i + 1 < births->n && births->place[i] < until; i++) {
		for (size_t f = 0; f < n_factors; f++) {
			double likelihood = step_likelihood(births, i, factors[f]);

			if (likelihood > *gain) {
				*gain = likelihood;
				cut = i + 1;
			}
		}
	}
	return cut;
}

void judge_cut_warm_up(struct judge_evidence *ev)
{
	static const double slower[] = {0.02, 0.05, 0.1, 0.2, 0.35}, onset[] = {10, 30, 100, 1000};
	struct births births;
	double gain;
	size_t cut;

	/* A beginning may come in one clump: cycles are counted here more than objects. */
	births_init(&births, ev, ev->old_end, ev->survivors > 0 ? ev->spread / ev->survivors : 0);
	cut = best_step(&births, slower, 5, 0.5, &gain);
	births_free(&births);
	if (cut) {
		ev->settled = gain;
		ev->warm_end += cut;
		judge_sum_window(ev);
	}
	births_init(&births, ev, ev->old_end, ev->survivors > 0 ? ev->spread / ev->survivors : 0);
	cut = best_step(&births, onset, 4, 0.75, &gain);
	births_free(&births);
	if (cut) {
		ev->onset = ev->axis->end[ev->warm_end + cut - 1];
		ev->warm_end += cut;
		judge_sum_window(ev);
	}
}

/*
 * Where every birth is recorded, or samples are many, there are thousands, and a pace that is a
 * fifth lower in the second half, as of a program that a busy machine slows down, is no chance any
 * more; yet it is not an end either. No more births than these are taken to tell how a pace
 * changes.
 */
#define MOST_BIRTHS 200

/* Growth that ends: at some moment, wholly or nearly; or ever more slowly. Growth that goes on:
 * evenly, or with a rate that changes once, to half or to many times. */
static double stopped_until(const struct judge_evidence *ev, size_t end)
{
	double count = judge_sum_objects(ev->alive, ev->warm_end, end) / ev->clumping;
	struct births births;
	double over, on;

	if (count <= MOST_BIRTHS)
		count = MOST_BIRTHS;
	births_init(&births, ev, end, MOST_BIRTHS / count / ev->clumping);
	over = (mean_step(&births, 0) + mean_step(&births, 0.05) + mean_step(&births, 0.15) +
		decline_likelihood(&births, 3) + decline_likelihood(&births, 6)) /
	       5;
	on = (4 + mean_step(&births, 0.5) + mean_step(&births, 2) + mean_step(&births, 5) +
	      mean_step(&births, 20)) /
	     8;
	if (!births.n)
		over = on = 1;
	births_free(&births);
	return over / on;
}

/* Of what was born in the window of the old, the share that lives. */
static double kept_share(const struct judge_evidence *ev)
{
	double born = judge_sum_objects(ev->born, ev->warm_end, ev->old_end);

	return born > 0 ? ev->survivors / born : 0;
}

/*
 * The births after the window of the old are not proven to survive. That there are few of them
 * shows an end of the growth all the same; that there are many shows that it goes on only as far as
 * what is born at this site is kept.
 */
static void weigh_stopped(struct judge_evidence *ev)
{
	double kept = kept_share(ev);
	double proven = stopped_until(ev, ev->old_end), all = stopped_until(ev, ev->axis->n_births);

	ev->stopped = kept * all + (1 - kept) * fmax(proven, all);
	ev->blind = 1 - kept;
	if (ev->old_end && ev->axis->span > 0)
		ev->blind *= 1 - ev->axis->end[ev->old_end - 1] / ev->axis->span;
}

/* Whether of what was born in the first half of the window a smaller share is alive than of what
 * was born in the second: then age takes its toll. */
static void weigh_faded(struct judge_evidence *ev)
{
	static const double kept[] = {0.01, 0.1, 0.3, 0.6};
	double begin = judge_axis_begin(ev->axis, ev->warm_end);
	double alive[2] = {0}, born[2] = {0}, even, sum = 0;

	for (size_t i = ev->warm_end; i < ev->old_end; i++) {
		int half = ev->axis->end[i] - begin > ev->window / 2;

		alive[half] += ev->alive[i].objects / ev->clumping;
		born[half] += ev->born[i].objects;
	}
	ev->faded = 0;
	if (born[0] <= 0 || born[1] <= 0 || ev->survivors <= 0)
		return;
	even = born[0] / (born[0] + born[1]);
	for (size_t i = 0; i < 4; i++) {
		double less = kept[i] * born[0] / (kept[i] * born[0] + born[1]);

		sum += bounded_exp(alive[0] * log(less / even) +
				   alive[1] * log((1 - less) / (1 - even)));
	}
	ev->faded = sum / 4;
}

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
		ratio = 2 / (bounded_exp(whole) + bounded_exp(less));
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
	double kept = kept_share(ev), sum = 0;

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
		ratio = bounded_exp(expected * (expected - 2 * net) / (2 * noise));
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
	ev->clumping = clumping(ev);
	weigh_jitter(ev);
	weigh_stopped(ev);
	weigh_faded(ev);
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
