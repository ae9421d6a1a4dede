#include "analyze/judge_evidence.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * How much the survivors' births clump: the variance of their number over that of independent
 * births, >= 1, from neighbouring epochs, so that a rate which drifts or steps is not taken for
 * clumps. Given the births of two epochs together, independent ones share out as their lengths do.
 */
static void weigh_clumping(struct judge_evidence *ev)
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
	ev->clumping = kept ? fmax(1, sum / (double)kept) : 1;
}

/* The births of the survivors as a point process on [0, 1], each weighed as `weight`. */
struct births {
	size_t n;
	double *before, *after; /* by boundary i, which follows epoch i: weights on its two sides */
	double *place;		/* of the boundary */
	signed char *quiet;	/* was_as_quiet of the boundary: -1 not asked yet */
	double total;
};

/* Of the epochs from `from` up to `end`. */
static void births_init(struct births *births, const struct judge_evidence *ev, size_t from,
			size_t end, double weight)
{
	double begin = judge_axis_begin(ev->axis, from), sum = 0;
	double window = end > from ? ev->axis->end[end - 1] - begin : 0;

	births->n = window > 0 ? end - from : 0;
	births->before = xcalloc(births->n + 1, sizeof(double));
	births->after = xcalloc(births->n + 1, sizeof(double));
	births->place = xcalloc(births->n + 1, sizeof(double));
	births->quiet = xmalloc(births->n + 1);
	memset(births->quiet, -1, births->n + 1);
	births->total = births->n ? weight * judge_sum_objects(ev->alive, from, end) : 0;
	for (size_t i = 0; i < births->n; i++) {
		sum += weight * ev->alive[from + i].objects;
		births->before[i] = sum;
		births->after[i] = fmax(0, births->total - sum);
		births->place[i] = (ev->axis->end[from + i] - begin) / window;
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
 * quiet at the end tells nothing, for it has been as quiet before and gone on. That it was quiet
 * before the first birth says nothing of going on. */
static bool find_quiet(const struct births *births, size_t i)
{
	double length = 1 - births->place[i], few = births->after[i] + 1e-9;
	size_t first = 0, from;

	while (first < i && births->before[first] <= 0)
		first++;
	from = first;
	for (size_t to = first; to <= i; to++) {
		while (births->place[to] - births->place[from] > length)
			from++;
		/* From `from` it is just too short; one epoch more makes it long enough. */
		if (from > first && births->before[to] - births->before[from - 1] <= few)
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
		sum += width * stats_bounded_exp(likelihood);
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
	return stats_bounded_exp(sum);
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
	births_init(&births, ev, ev->warm_end, ev->old_end,
		    ev->survivors > 0 ? ev->spread / ev->survivors : 0);
	cut = best_step(&births, slower, 5, 0.5, &gain);
	births_free(&births);
	if (cut) {
		ev->settled = gain;
		ev->warm_end += cut;
		judge_sum_window(ev);
	}
	births_init(&births, ev, ev->warm_end, ev->old_end,
		    ev->survivors > 0 ? ev->spread / ev->survivors : 0);
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

/* What a birth of the epochs from `from` up to `end` weighs for that. */
static double birth_weight(const struct judge_evidence *ev, size_t from, size_t end)
{
	double count = judge_sum_objects(ev->alive, from, end) / ev->clumping;

	return MOST_BIRTHS / fmax(MOST_BIRTHS, count) / ev->clumping;
}

/* The likelihoods, against an even rate, of growth that ends and of growth that goes on. */
struct prospects {
	double over, on;
};

/* Growth that ends: at some moment, wholly or nearly; or ever more slowly. Growth that goes on:
 * evenly, or with a rate that changes once, to half or to many times. */
static struct prospects weigh_prospects(struct births *births)
{
	struct prospects prospects = {1, 1};

	if (!births->n)
		return prospects;
	prospects.over = (mean_step(births, 0) + mean_step(births, 0.05) + mean_step(births, 0.15) +
			  decline_likelihood(births, 3) + decline_likelihood(births, 6)) /
			 5;
	prospects.on = (4 + mean_step(births, 0.5) + mean_step(births, 2) + mean_step(births, 5) +
			mean_step(births, 20)) /
		       8;
	return prospects;
}

/* Of sites that grow, those that do not begin to as the program does. */
#define LATE 0.1

/* Log-likelihood, against an even rate from the beginning, that the site began at some moment
 * within the first `quiet` epochs and has gone on evenly since. */
static double began_late(const struct births *births, size_t quiet)
{
	double sum = 0, last = 0, greatest;

	if (!quiet || quiet >= births->n || births->place[quiet - 1] >= 1)
		return -INFINITY;
	greatest = -births->total * log(1 - births->place[quiet - 1]);
	for (size_t i = 0; i < quiet; i++) {
		sum += (births->place[i] - last) *
		       exp(-births->total * log(1 - births->place[i]) - greatest);
		last = births->place[i];
	}
	return log(LATE * sum) + greatest;
}

/*
 * The odds that the growth has ended. What began late may end as well, as a table does that is
 * enlarged in the middle of a recording; taken for even from the start, its beginning would hide
 * its end.
 */
static double stopped_until(const struct judge_evidence *ev, size_t end)
{
	double weight = birth_weight(ev, ev->warm_end, end), late;
	size_t first = ev->warm_end;
	struct prospects prospects, since;
	struct births births;

	while (first < end && !ev->alive[first].objects)
		first++;
	births_init(&births, ev, ev->warm_end, end, weight);
	prospects = weigh_prospects(&births);
	late = began_late(&births, first - ev->warm_end);
	births_free(&births);
	if (late > -INFINITY) {
		births_init(&births, ev, first, end, weight);
		since = weigh_prospects(&births);
		prospects.over = exp(-late) * prospects.over + since.over;
		prospects.on = exp(-late) * prospects.on + since.on;
		births_free(&births);
	}
	return prospects.over / prospects.on;
}

static void weigh_kept(struct judge_evidence *ev)
{
	double born = judge_sum_objects(ev->born, ev->warm_end, ev->old_end);

	ev->born_kept = born > 0 ? ev->survivors / born : 0;
}

/*
 * The births after the window of the old are not proven to survive. That there are few of them
 * shows an end of the growth all the same; that there are many shows that it goes on only as far as
 * what is born at this site is kept.
 */
static void weigh_stopped(struct judge_evidence *ev)
{
	double kept = ev->born_kept;
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

		sum += stats_bounded_exp(alive[0] * log(less / even) +
					 alive[1] * log((1 - less) / (1 - even)));
	}
	ev->faded = sum / 4;
}

/* Log-likelihood, against an even rate, of a rate that falls off as 1 / (t + c): as many new ones
 * come while the time doubles as came while it doubled before. */
static double slowing_likelihood(const struct births *births, double c)
{
	double scale = log((1 + c) / c), last = 0, begin = 0, sum = 0;

	for (size_t i = 0; i < births->n; i++) {
		double end = births->place[i];

		if (end > begin && births->before[i] > last)
			sum += (births->before[i] - last) *
			       log(log((end + c) / (begin + c)) / scale / (end - begin));
		last = births->before[i];
		begin = end;
	}
	return sum;
}

/* Log-likelihood, against an even rate, of the best step after boundary i, less what two parameters
 * gain of themselves (Schwarz 1978, Annals of Statistics 6). */
static double fitted_step(const struct births *births, size_t i)
{
	double x = births->place[i], before = births->before[i], after = births->after[i];
	double sum = -log(fmax(births->total, 1));

	if (before > 0)
		sum += before * log(before / births->total / x);
	if (after > 0 && x < 1)
		sum += after * log(after / births->total / (1 - x));
	return sum;
}

/*
 * Whether what seems even, or even after a beginning, gets ever slower from the start, as where one
 * is made for each of many keys, few of which are common. What began late has another start.
 */
static void weigh_slowing(struct judge_evidence *ev)
{
	static const double onsets[] = {0.003, 0.01, 0.03};
	struct births births;
	double base, sum = 0;

	if (ev->onset > 0)
		return;
	births_init(&births, ev, 0, ev->axis->n_births, birth_weight(ev, 0, ev->axis->n_births));
	base = ev->settled > 0 ? fitted_step(&births, ev->warm_end - 1) : 0;
	for (size_t i = 0; i < 3 && births.total > 0; i++)
		sum += stats_bounded_exp(slowing_likelihood(&births, onsets[i]) - base);
	ev->slowing = sum / 3;
	births_free(&births);
}

void judge_births(struct judge_evidence *ev)
{
	weigh_clumping(ev);
	weigh_kept(ev);
	weigh_stopped(ev);
	weigh_slowing(ev);
	weigh_faded(ev);
}
