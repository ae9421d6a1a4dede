#include "analyze/judge.h"

#include "analyze/fold.h"
#include "analyze/judge_evidence.h"
#include "analyze/judge_hints.h"
#include "analyze/judge_text.h"
#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The greatest p-value of a leak, whatever the number of sites. */
#define MAX_P_VALUE 0.02
/* Sampled objects below which even a site that frees all of them is not called steady. */
#define MIN_OBJECTS 8
/* Points of the live objects among which their jitter cannot be told from their growth. */
#define FEW_POINTS 6
/* The odds from which growth is taken to have ended. */
#define OVER 5

static struct judge_options with_defaults(const struct judge_options *given)
{
	struct judge_options options = {0};

	if (given)
		options = *given;
	if (options.false_discovery <= 0)
		options.false_discovery = 0.05;
	if (!options.min_cycles)
		options.min_cycles = 4;
	if (options.min_seconds <= 0)
		options.min_seconds = 3;
	if (!options.min_survivors)
		options.min_survivors = 5;
	if (options.leak_confidence <= 0)
		options.leak_confidence = 0.9;
	if (options.likely_confidence <= 0)
		options.likely_confidence = 0.8;
	return options;
}

/* Too little of the program's life was seen to say anything. */
static bool too_short(const struct judge_options *options, const struct judge_axis *axis)
{
	return axis->n_cycles < (double)options->min_cycles ||
	       (axis->by_time && axis->span < options->min_seconds);
}

/* Of the Go heap less than this, kept in a whole recording, is no leak yet: with a sample for each
 * span a few cells of a program's own tables would be called one. */
#define LEAST_KEPT 65536

static bool enough_kept(const struct judge_options *options, const struct judge_evidence *ev)
{
	if (ev->regrown)
		return true;
	return ev->survivors >= (double)options->min_survivors &&
	       (ev->site->kind != SITE_HEAP || ev->survivor_bytes >= LEAST_KEPT);
}

static bool enough_evidence(const struct judge_options *options, const struct judge_evidence *ev)
{
	double settled = 0;

	for (size_t i = ev->warm_end; i < ev->axis->n; i++)
		settled += ev->axis->cycles[i];
	return !too_short(options, ev->axis) && settled >= 3 && enough_kept(options, ev);
}

/* What the time that tells nothing weighs: more than its length, for the sites that hide the end of
 * their growth in churn are those where such time is long. */
#define BLIND_WEIGHT 1.4

/* Even odds where 0.7 of the time is dark. */
#define DARK_WEIGHT 2

/* Of a rise at an even pace, the part that falls into the last half, and the last quarter, of the
 * time; a little less, for a pace that slows down. And how many caches there are, beforehand, for
 * one site of which the old go and that rises for ever. */
#define RISING_HALF    0.4
#define RISING_QUARTER 0.2
#define CACHES	       3

/* The odds that the growth has ended: by when the survivors were born, and where that tells nothing
 * by the live objects alone. */
static double ended_odds(const struct judge_evidence *ev)
{
	double odds = (1 - ev->blind) * fmax(ev->stopped, 0.3 * fmax(ev->flat, ev->evicting)) +
		      BLIND_WEIGHT * ev->blind * ev->flat_or_blind;

	/* What has slowed down once is the likelier to do so again. */
	return ev->settled > 0 ? 3 * odds : odds;
}

/* The odds that it has ended unseen. Where the garbage collector runs so seldom that much of the
 * time follows the last cycle of which the deaths are known, those that would show it are still to
 * come. */
static double dark_odds(const struct judge_evidence *ev)
{
	double finish = ev->axis->n_births ? ev->axis->end[ev->axis->n_births - 1] : 0, share;

	if (!ev->live.n || finish <= 0)
		return 0;
	share = 1 - ev->axis->end[ev->live.n - 1] / finish;
	return DARK_WEIGHT * share * share;
}

/*
 * A program fills its caches and tables as it begins: what has grown from its start to the end of
 * the recording may be no more than that, the likelier the less of its life was seen. The programs
 * of the corpus that fill something for half a minute or less, cut after 20 s and after 30 s, are
 * 10 of 46, and 3 of 48, of those that are called a leak without this.
 */
#define BEGINNING      12   /* seconds */
#define BEGINNING_MOST 0.36 /* a test that runs for some seconds has to be judged too */

static double beginning_odds(const struct judge_evidence *ev)
{
	double seen = ev->axis->n_births ? ev->axis->end[ev->axis->n_births - 1] : 0;

	if (ev->axis->attached || ev->site->kind != SITE_HEAP)
		return 0;
	return seen > 0 ? fmin(BEGINNING_MOST, pow(BEGINNING / seen, 2)) : BEGINNING_MOST;
}

/* The probability of a leak of objects: it grows at all, the growth has not ended, and the old
 * neither fade nor are freed. */
static double objects_confidence(const struct judge_evidence *ev, double chance)
{
	return (1 - chance) /
	       (1 + ended_odds(ev) + dark_odds(ev) + beginning_odds(ev) + ev->slowing) /
	       (1 + 0.3 * ev->faded) * ev->not_freed * (1 - ev->replaced);
}

/* The same where arrays are replaced by ever larger ones. */
static double regrowth_confidence(const struct judge_evidence *ev)
{
	return ev->regrown ? (1 - ev->regrowth_p) / (1 + ev->regrowth_ended) : 0;
}

static bool ended_regrowing(const struct judge_evidence *ev)
{
	return ev->regrowth_ended > 2;
}

/*
 * Where counters alone tell of births and deaths, it is not known who died: growth is known, and
 * that the old stay only as far as hardly any died at all.
 */
static double known_deaths(const struct judge_evidence *ev)
{
	double kept = ev->born_seen > 0 ? ev->alive_objects / ev->born_seen : 0;

	return ev->axis->counted ? kept * kept : 1;
}

/*
 * What is above takes it to be as likely beforehand that growth ends late in a recording as that it
 * goes on. Growth so clear that it comes to be judged goes on more often: by these odds, the one
 * parameter of Platt's recalibration (1999, Advances in Large Margin Classifiers) that was needed,
 * for its slope came out as 0.9 to 1.1. They are fitted to simulated recordings of known truth
 * (tests/unit/families.h, 600 of each kind, those that end just before the recording among them):
 * 3.2, and 2.5 to 9 where any one kind is left out. The programs of the corpus (tests/corpus.sh),
 * of which none that was called a leak with even odds is innocent, pull upwards.
 */
#define PRIOR_ODDS 4

static double recalibrated(double confidence)
{
	return confidence * PRIOR_ODDS / (1 + confidence * (PRIOR_ODDS - 1));
}

static double raw_confidence(const struct judge_evidence *ev, double chance)
{
	return fmax(objects_confidence(ev, chance) * known_deaths(ev), regrowth_confidence(ev));
}

static double leak_confidence(const struct judge_evidence *ev, double chance)
{
	return recalibrated(raw_confidence(ev, chance));
}

static bool came_down(const struct judge_evidence *ev)
{
	double range = ev->peak - fmin(ev->lowest, ev->last);

	return ev->peak - ev->last >= 0.5 * range && ev->drop_z > 3;
}

/* The odds that it rose by as much as expected over that it did not rise. */
static double rise_odds(double net, double error, double expected)
{
	if (error <= 0)
		return 1;
	return stats_bounded_exp(expected * (2 * net - expected) / (2 * error * error));
}

/*
 * The odds that what rose has not levelled off, though the old go: that over the last half it rose
 * on at its pace, as a queue does whose consumer is too slow, over that it rose no more. Where it
 * has come to rest in that half, the last quarter tells.
 */
static double rising_odds(const struct judge_evidence *ev, double rise)
{
	double half = rise_odds(ev->half_rise, ev->half_error, RISING_HALF * rise);
	double quarter = rise_odds(ev->quarter_rise, ev->quarter_error, RISING_QUARTER * rise);

	return quarter < 1 ? fmin(half, quarter) : half;
}

/* The runtime's own mappings are judged by what lies in them. */
static bool follows_heap(const struct site *site)
{
	return site->of_runtime && site->kind == SITE_MAPPING;
}

/*
 * Whether a rise is what it seems. Where most of it was dead soon after the last point, it was
 * garbage of the last cycle, allocated while its mark ran, as a site that churns makes more of now
 * and then; and what takes the place of others' objects has not grown.
 */
static bool truly_rose(const struct judge_evidence *ev, double rise)
{
	bool garbage =
		!ev->axis->by_time && judge_sum_objects(ev->alive, 0, ev->live.n) < 0.5 * rise;

	return !garbage && fmax(ev->replaced, ev->replaced_late) < 0.5;
}

/* What rose, and has not come down: it levelled off as its old go, or grows no more, or does. */
static void classify_risen(const struct judge_evidence *ev, struct candidate *candidate,
			   double ended, double rise)
{
	/* Where none was freed yet, nothing is known of the old. */
	bool freed =
		ev->all_kept < 0.5 && (ev->alive_objects < ev->born_seen || ev->died_unseen > 0);
	double rising = rising_odds(ev, rise) / CACHES;
	double over = fmax(ended / (1 + ended), -expm1(-ev->settled));

	if (freed)
		over = (1 - ev->all_kept / (1 + ended)) / (1 + rising);
	candidate->verdict = freed ? VERDICT_CACHE : VERDICT_RAMP_UP;
	candidate->confidence = over;
	if (freed ? over < 0.5 : over < 0.6) {
		candidate->verdict = VERDICT_GROWING;
		candidate->confidence = 1 - over;
	}
}

/* What a site that is no leak is. Sets the verdict and how sure it is. */
static void classify_innocent(const struct judge_options *options, const struct judge_evidence *ev,
			      struct candidate *candidate)
{
	double objects = (double)(ev->site->births + ev->site->unmatched_deaths);
	double ended = ended_odds(ev), rise = ev->last - ev->lowest;
	double half_z = ev->half_error > 0 ? ev->half_rise / ev->half_error : 0;

	if (follows_heap(ev->site)) {
		candidate->verdict = VERDICT_STEADY;
		candidate->confidence = 1;
		return;
	}
	candidate->verdict = VERDICT_TOO_LITTLE;
	candidate->confidence = 1;
	if (too_short(options, ev->axis) || ev->live.n < 3 || objects < MIN_OBJECTS)
		return;
	if (came_down(ev)) {
		candidate->verdict = VERDICT_BURST;
		candidate->confidence = stats_normal_cdf(ev->drop_z - 1.5);
	} else if (half_z >= 2.5 && ev->fall < 0.5 * ev->half_rise && ended < OVER &&
		   truly_rose(ev, ev->half_rise)) {
		candidate->verdict = VERDICT_GROWING;
		candidate->confidence = stats_normal_cdf(half_z - 1);
	} else if (ev->regrown) {
		candidate->verdict = ended_regrowing(ev) ? VERDICT_RAMP_UP : VERDICT_GROWING;
		candidate->confidence = 1 - ev->regrowth_p;
	} else if (ev->reached > 0.1 && rise >= (double)options->min_survivors &&
		   (ev->live.n < FEW_POINTS || rise > 3 * sqrt(ev->jitter)) &&
		   ev->fall < 0.5 * rise && truly_rose(ev, rise)) {
		classify_risen(ev, candidate, ended, rise);
	} else {
		candidate->verdict = VERDICT_STEADY;
		/* Few objects tell little: Laplace's rule of succession. */
		candidate->confidence =
			(objects + 1) / (objects + 2) * (1 - leak_confidence(ev, ev->p_value));
	}
}

static void fill(struct candidate *candidate, const struct judge_evidence *ev)
{
	double cycles = 0, with_survivors = 0, weight, beyond;

	for (size_t i = 0; i < ev->live.n; i++) {
		cycles += ev->axis->cycles[i];
		with_survivors += fmin(ev->axis->cycles[i], ev->alive[i].objects);
	}
	candidate->generations = (uint32_t)with_survivors;
	if (cycles > (double)ev->live.n && ev->generations < with_survivors)
		candidate->generations = ev->generations;
	candidate->generations_trend = ev->generations_rise;
	candidate->growth = ev->growth * 3600;
	candidate->growth_low = ev->growth_low * 3600;
	candidate->growth_high = ev->growth_high * 3600;
	candidate->p_value = ev->regrown ? fmin(ev->p_value, ev->regrowth_p) : ev->p_value;
	candidate->survival = ev->survival;
	candidate->survival_age = ev->survival_age;
	candidate->survivors = (uint64_t)ev->alive_objects;
	if (ev->site->est_births_bytes > 0)
		candidate->growth_objects =
			candidate->growth * (double)ev->site->births / ev->site->est_births_bytes;
	if (ev->site->live)
		candidate->held_growth = fmax(0, candidate->growth_objects) *
					 ev->site->held_est_bytes / (double)ev->site->live;
	candidate->live_bytes = ev->alive_bytes;
	/* The variance that sampling gives the sum: of each, its weight times what it stands for
	 * beyond itself. */
	if (ev->site->births) {
		weight = ev->site->est_births_bytes / (double)ev->site->births;
		beyond = weight - (double)ev->site->births_sampled_bytes / (double)ev->site->births;
		candidate->live_bytes_error =
			1.96 * sqrt(ev->alive_objects * weight * fmax(0, beyond));
	}
}

/* Address space that was never touched is no memory: what counts of a mapping is what is in RAM. */
static void count_resident(struct candidate *candidate, const struct site *site)
{
	double share;

	if (site->kind != SITE_MAPPING || !site->resident_known)
		return;
	share = site->est_live_bytes > 0 ? fmin(1, site->resident_bytes / site->est_live_bytes) : 0;
	candidate->resident_known = true;
	candidate->resident_bytes = fmin(site->resident_bytes, site->est_live_bytes);
	candidate->mapped_growth = candidate->growth;
	candidate->growth *= share;
	candidate->growth_low *= share;
	candidate->growth_high *= share;
}

static void classify(const struct judge_options *options, const struct judge_evidence *ev,
		     struct candidate *candidate)
{
	double confidence = leak_confidence(ev, fmin(1, candidate->q_value));
	bool grows = !follows_heap(ev->site) && !ev->bounded &&
		     candidate->q_value <= options->false_discovery &&
		     candidate->p_value <= MAX_P_VALUE && ev->growth_low > 0;

	/* What is a leak more likely than not, and not so likely that it is called one, may go on.
	 */
	if (enough_evidence(options, ev) && grows &&
	    confidence >= fmin(0.5, options->likely_confidence)) {
		candidate->verdict = confidence >= options->leak_confidence ? VERDICT_LEAK
				     : confidence >= options->likely_confidence
					     ? VERDICT_LIKELY_LEAK
					     : VERDICT_GROWING;
		candidate->confidence = confidence;
		return;
	}
	classify_innocent(options, ev, candidate);
	candidate->confidence = fmin(0.99, fmax(0.01, candidate->confidence));
}

/* False discovery is controlled among the sites that have enough evidence to be called a leak. */
static void control_discovery(const struct judge_options *options,
			      const struct judge_evidence *evidence, struct candidate *candidates,
			      size_t n)
{
	double *p = xcalloc(n + 1, sizeof(*p)), *q = xcalloc(n + 1, sizeof(*q));
	size_t tested = 0;

	for (size_t i = 0; i < n; i++)
		if (enough_evidence(options, &evidence[i]))
			p[tested++] = candidates[i].p_value;
	stats_benjamini_hochberg(p, tested, q);
	tested = 0;
	for (size_t i = 0; i < n; i++)
		candidates[i].q_value = enough_evidence(options, &evidence[i]) ? q[tested++] : 1;
	free(p);
	free(q);
}

/* Leaks and likely ones first, then what grows, then the rest, then what cannot be judged. */
static int group(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_LEAK:
	case VERDICT_LIKELY_LEAK:
		return 1;
	case VERDICT_GROWING:
		return 2;
	case VERDICT_TOO_LITTLE:
		return 4;
	default:
		return 3;
	}
}

static double weight(const struct candidate *candidate)
{
	if (group(candidate->verdict) <= 2)
		return (candidate->growth + candidate->held_growth) * candidate->confidence;
	return candidate->resident_known ? candidate->resident_bytes : candidate->live_bytes;
}

static int compare_candidates(const void *a, const void *b, void *context)
{
	const struct model *model = context;
	const struct candidate *x = a, *y = b;
	bool x_follows = follows_heap(&model->sites[x->site]);

	/* What holds the heap's sites is not named before them. */
	if (x_follows != follows_heap(&model->sites[y->site]))
		return x_follows ? 1 : -1;
	if (group(x->verdict) != group(y->verdict))
		return group(x->verdict) - group(y->verdict);
	if (weight(x) != weight(y))
		return weight(x) > weight(y) ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

static void clear_candidates(struct model *model)
{
	for (size_t i = 0; i < model->n_candidates; i++) {
		free(model->candidates[i].evidence);
		free(model->candidates[i].advice);
	}
	model->n_candidates = 0;
}

void judge(struct model *model, const struct judge_options *given)
{
	struct judge_options options = with_defaults(given);
	struct judge_axis(*axes)[2] = xcalloc(model->n_processes + 1, sizeof(*axes));
	struct judge_evidence *evidence = xcalloc(model->n_sites + 1, sizeof(*evidence));
	size_t n = 0;

	clear_candidates(model);
	fold_runtime_sites(model);
	xgrow(model->candidates, model->cap_candidates, model->n_sites);
	for (size_t i = 0; i < model->n_processes; i++)
		for (int by_time = 0; by_time < 2; by_time++)
			judge_axis_init(&axes[i][by_time], model, &model->processes[i], by_time);
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (site->process >= model->n_processes ||
		    !(site->births || site->unmatched_deaths))
			continue;
		judge_evidence_init(&evidence[n], site,
				    &axes[site->process][site->kind != SITE_HEAP]);
		evidence[n].bounded = fold_is_overflow(model, site);
		model->candidates[n] = (struct candidate){.site = (uint32_t)i};
		fill(&model->candidates[n], &evidence[n]);
		count_resident(&model->candidates[n], site);
		n++;
	}
	model->n_candidates = n;
	judge_replaced(evidence, n);
	control_discovery(&options, evidence, model->candidates, n);
	for (size_t i = 0; i < n; i++) {
		struct candidate *candidate = &model->candidates[i];

		classify(&options, &evidence[i], candidate);
		candidate->evidence = judge_evidence_text(model, &evidence[i], candidate);
		candidate->advice = judge_advice_text(model, &options, &evidence[i], candidate);
	}
	for (size_t i = 0; i < model->n_processes; i++)
		for (int by_time = 0; by_time < 2; by_time++)
			judge_axis_free(&axes[i][by_time]);
	free(axes);
	free(evidence);
	if (n)
		qsort_r(model->candidates, n, sizeof(*model->candidates), compare_candidates,
			model);
	judge_group(model);
}
