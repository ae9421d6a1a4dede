#include "analyze/judge_evidence.h"

#include "analyze/stats.h"
#include "formats/xalloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What was born after the last epoch that ended; readings of counters do not show it. */
static void set_tail(struct judge_axis *axis, bool unfinished, double finish)
{
	axis->n_births = axis->n;
	if (!unfinished || axis->counted || !axis->n || finish <= axis->span)
		return;
	axis->end[axis->n_births++] = finish;
	axis->tail = 1 - axis->span / finish;
}

/* Of the time from start to finish, how much of its end tells nothing where nothing happens in it.
 */
#define IDLE_END 0.1

/*
 * When the process last did anything that is recorded. It may be kept waiting, or be shutting down,
 * when the recording ends: that nothing at all is born any more is no news of one site. (Where it
 * is idle for long, that is what it does, and counts.)
 */
static uint64_t active_until(const struct model *model, const struct process *process,
			     uint64_t start, uint64_t finish)
{
	uint64_t last = start;

	if (finish <= start)
		return finish;
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		if (&model->processes[site->process] == process && site->last_birth > last)
			last = site->last_birth;
	}
	if (last >= finish || (double)(finish - last) > IDLE_END * (double)(finish - start))
		return finish;
	return last;
}

void judge_axis_init(struct judge_axis *axis, const struct model *model,
		     const struct process *process, bool by_time)
{
	const struct epoch *epochs = by_time ? process->slices : process->epochs;
	size_t n_epochs = by_time ? process->n_slices : process->n_epochs;
	uint64_t start = process->start > model->first_time ? process->start : model->first_time;
	uint64_t finish = process->end ? process->end : model->last_time;
	double mean;
	size_t n = 0;

	/* Of a part that was cut out of the recording, the process may end after it. */
	if (model->last_time && finish > model->last_time)
		finish = model->last_time;
	finish = active_until(model, process, start, finish);
	while (n < n_epochs && epochs[n].end_time &&
	       (!by_time || !n || epochs[n - 1].end_time < finish))
		n++;
	memset(axis, 0, sizeof(*axis));
	axis->by_time = by_time;
	axis->counted = !by_time && model->counted_readings;
	axis->n = n;
	axis->attached = process->attached;
	axis->end = xcalloc(n + 1, sizeof(double));
	axis->cycles = xcalloc(n + 1, sizeof(double));
	axis->age = xcalloc(n + 1, sizeof(double));
	axis->none = xcalloc(n_epochs + 1, sizeof(struct tally));
	for (size_t i = 0; i < n; i++) {
		const struct epoch *epoch = &epochs[i];
		double end = epoch->end_time > start ? (double)(epoch->end_time - start) / 1e9 : 0;

		axis->end[i] = fmax(end, judge_axis_begin(axis, i));
		axis->cycles[i] = 1;
		if (epoch->last_cycle > epoch->first_cycle)
			axis->cycles[i] += (double)(epoch->last_cycle - epoch->first_cycle);
		axis->n_cycles += axis->cycles[i];
	}
	axis->span = n ? axis->end[n - 1] : 0;
	set_tail(axis, n < n_epochs, (double)(finish > start ? finish - start : 0) / 1e9);
	mean = n ? axis->span / axis->n_cycles : 0;
	/* Cycles that are forced in quick succession give nothing the time to die: an object is as
	 * old as the cycles it has seen, but not older than the time it has had. */
	for (size_t i = 0; i < n; i++) {
		double cycles = (double)(epochs[n - 1].last_cycle - epochs[i].last_cycle);

		axis->age[i] = cycles;
		if (mean > 0)
			axis->age[i] = fmin(cycles, (axis->span - axis->end[i]) / mean);
	}
}

void judge_axis_free(struct judge_axis *axis)
{
	free(axis->end);
	free(axis->cycles);
	free(axis->age);
	free(axis->none);
}

size_t judge_axis_lag(const struct judge_axis *axis)
{
	return axis->by_time || axis->counted ? 0 : 1;
}

double judge_axis_begin(const struct judge_axis *axis, size_t i)
{
	return i ? axis->end[i - 1] : 0;
}

double judge_sum_objects(const struct tally *tally, size_t from, size_t to)
{
	double sum = 0;

	for (size_t i = from; i < to; i++)
		sum += tally[i].objects;
	return sum;
}

struct swept {
	double objects, bytes;
};

/* What the next epoch's deaths take from the state that epoch i leaves. Of an epoch of several
 * cycles only the first cycle's deaths were found by the mark that ends this one. */
static struct swept swept_after(const struct judge_evidence *ev, size_t i, bool unseen_too)
{
	struct swept swept = {0};
	double share;

	if (!judge_axis_lag(ev->axis))
		return swept;
	share = 1 / ev->axis->cycles[i + 1];
	swept.objects = share * ev->died[i + 1].objects;
	swept.bytes = share * ev->died[i + 1].est_bytes;
	if (unseen_too) {
		swept.objects += share * ev->unseen[i + 1].objects;
		swept.bytes += share * ev->unseen[i + 1].est_bytes;
	}
	return swept;
}

static void build_series(struct judge_evidence *ev)
{
	const struct judge_axis *axis = ev->axis;
	struct judge_series *live = &ev->live;
	double objects = 0, bytes = 0;

	live->n = axis->n > judge_axis_lag(axis) ? axis->n - judge_axis_lag(axis) : 0;
	live->time = xcalloc(live->n + 1, sizeof(double));
	live->objects = xcalloc(live->n + 1, sizeof(double));
	live->bytes = xcalloc(live->n + 1, sizeof(double));
	for (size_t i = 0; i < live->n; i++) {
		struct swept swept = swept_after(ev, i, true);

		objects += ev->born[i].objects;
		objects -= (double)ev->died[i].objects + ev->unseen[i].objects;
		bytes += ev->born[i].est_bytes;
		bytes -= ev->died[i].est_bytes + ev->unseen[i].est_bytes;
		live->time[i] = axis->end[i];
		live->objects[i] = objects - swept.objects;
		live->bytes[i] = bytes - swept.bytes;
	}
	for (size_t i = 0; i < live->n; i++) {
		ev->born_seen += ev->born[i].objects;
		ev->alive_objects += (double)ev->born[i].objects - ev->died[i].objects;
		ev->alive_bytes += ev->born[i].est_bytes - ev->died[i].est_bytes;
	}
	if (live->n) {
		struct swept swept = swept_after(ev, live->n - 1, false);

		ev->alive_objects -= swept.objects;
		ev->alive_bytes -= swept.bytes;
	}
	ev->alive_objects = fmax(0, round(ev->alive_objects));
	ev->alive_bytes = ev->alive_objects > 0 ? fmax(0, ev->alive_bytes) : 0;
}

void judge_sum_window(struct judge_evidence *ev)
{
	const struct tally *alive = ev->alive;
	double squares = 0;

	ev->survivors = ev->survivor_bytes = ev->survivor_size = ev->spread = ev->window = 0;
	for (size_t i = ev->warm_end; i < ev->old_end; i++) {
		if (!alive[i].objects)
			continue;
		ev->survivors += alive[i].objects;
		ev->survivor_bytes += alive[i].est_bytes;
		squares += alive[i].est_bytes * alive[i].est_bytes / alive[i].objects;
		ev->spread += fmin(ev->axis->cycles[i], alive[i].objects);
	}
	if (ev->survivor_bytes > 0)
		ev->survivor_size = squares / ev->survivor_bytes;
	if (ev->old_end > ev->warm_end)
		ev->window =
			ev->axis->end[ev->old_end - 1] - judge_axis_begin(ev->axis, ev->warm_end);
}

static void sum_old_deaths(struct judge_evidence *ev, double age)
{
	double cycles = 0;

	ev->died_old = ev->died_unseen = ev->unseen_bytes = ev->unseen_window = 0;
	for (size_t k = (size_t)age + 1; k < MODEL_AGES; k++)
		ev->died_old += (double)ev->site->died_at_age[k];
	/* What dies without a birth seen is older than the recording. */
	for (size_t i = 0; i < ev->axis->n; i++) {
		if (cycles >= age) {
			ev->died_unseen += ev->unseen[i].objects;
			ev->unseen_bytes += ev->unseen[i].est_bytes;
			ev->unseen_window += ev->axis->end[i] - judge_axis_begin(ev->axis, i);
		}
		cycles += ev->axis->cycles[i];
	}
	ev->died_old += ev->died_unseen;
}

static void set_old_age(struct judge_evidence *ev, double age)
{
	ev->old_age = age;
	ev->old_end = 0;
	while (ev->old_end < ev->axis->n && ev->axis->age[ev->old_end] >= age)
		ev->old_end++;
	sum_old_deaths(ev, age);
	judge_sum_window(ev);
}

/*
 * From which age an object counts as old: the least from which on nearly none is found dead, so
 * that what a site churns through is out of the picture; where there is none, the age after which
 * the smallest share dies. Half of the recording must remain to be judged.
 */
static void choose_old_age(struct judge_evidence *ev)
{
	static const double ages[] = {3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 61};
	double best = INFINITY, best_age = ages[0];

	for (size_t i = 0; i < sizeof(ages) / sizeof(*ages); i++) {
		double share;

		set_old_age(ev, ages[i]);
		if (i && (ev->survivors < 5 || ev->window < ev->axis->span / 2))
			break;
		share = (ev->died_old + 0.5) / (ev->died_old + ev->survivors + 1);
		if (share < best) {
			best = share;
			best_age = ages[i];
		}
		if (ev->died_old <= 0.04 * ev->survivors)
			break;
	}
	set_old_age(ev, best_age);
}

size_t judge_point_at(const struct judge_evidence *ev, double share)
{
	double time = share * ev->live.time[ev->live.n - 1];
	size_t i = 0;

	while (i + 1 < ev->live.n && ev->live.time[i] < time)
		i++;
	return i;
}

/* What was there at point i and has gone since, and what has come: where births and deaths go on
 * at the same rates, each has the variance of its count. */
double judge_net_rise(const struct judge_evidence *ev, size_t i, double *variance)
{
	size_t last = ev->live.n - 1;
	double net = ev->live.objects[last] - ev->live.objects[i];
	double unseen = judge_sum_objects(ev->unseen, 0, last + 1 + judge_axis_lag(ev->axis));
	double gone = ev->live.objects[i] + unseen - judge_sum_objects(ev->alive, 0, i + 1);

	*variance = fmax(1, fmax(2 * fmax(gone, 0) + net, ev->jitter));
	return net;
}

static double middle_of_three(const double *v, size_t i, size_t n)
{
	double a = v[i ? i - 1 : 0], b = v[i], c = v[i + 1 < n ? i + 1 : n - 1];

	return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

static void weigh_shape(struct judge_evidence *ev)
{
	const struct judge_series *live = &ev->live;
	double greatest, error, drop;
	size_t lag = judge_axis_lag(ev->axis), half, peak = 0;

	if (live->n < 2)
		return;
	ev->last = middle_of_three(live->objects, live->n - 1, live->n);
	ev->lowest = ev->axis->attached ? INFINITY : 0;
	greatest = -INFINITY;
	for (size_t i = 0; i < live->n; i++) {
		double value = middle_of_three(live->objects, i, live->n);

		if (value > greatest) {
			greatest = value;
			peak = i;
		}
		ev->lowest = fmin(ev->lowest, value);
		ev->fall = fmax(ev->fall, greatest - value);
	}
	ev->peak = greatest;
	drop = -judge_net_rise(ev, peak, &error);
	ev->drop_z = drop / sqrt(error);
	for (size_t i = live->n; i-- > 0;) {
		if (live->objects[i] < ev->lowest + 0.9 * (ev->last - ev->lowest) - 1)
			break;
		ev->reached = live->time[i] / live->time[live->n - 1];
	}
	half = judge_point_at(ev, 0.5);
	ev->half_rise = judge_net_rise(ev, half, &error);
	ev->half_error = sqrt(error);
	ev->quarter_rise = judge_net_rise(ev, judge_point_at(ev, 0.75), &error);
	ev->quarter_error = sqrt(error);
	ev->drift = judge_net_rise(ev, judge_point_at(ev, 0.1), &error);
	ev->drift_error = sqrt(error);
	ev->generations = ev->site->generations[live->n - 1 + lag];
	for (size_t i = half + 1; i < live->n + lag; i++)
		ev->generations_rise += ev->site->generations[i] > ev->site->generations[i - 1];
	ev->generations_rise /=
		(double)(live->n + lag - 1 - half > 0 ? live->n + lag - 1 - half : 1);
}

static void weigh_survival(struct judge_evidence *ev)
{
	double died[MODEL_AGES], live[MODEL_AGES], survival[MODEL_AGES];

	for (size_t i = 0; i < MODEL_AGES; i++) {
		died[i] = (double)ev->site->died_at_age[i];
		live[i] = (double)ev->site->live_at_age[i];
		if (died[i] > 0)
			ev->oldest_death = (uint32_t)i;
	}
	ev->survival_age = (uint32_t)stats_kaplan_meier(died, live, MODEL_AGES, survival, NULL);
	ev->survival = survival[ev->survival_age];
}

void judge_evidence_init(struct judge_evidence *ev, const struct site *site,
			 const struct judge_axis *axis)
{
	memset(ev, 0, sizeof(*ev));
	ev->site = site;
	ev->axis = axis;
	ev->born = site->born ? site->born : axis->none;
	ev->died = site->died ? site->died : axis->none;
	ev->unseen = site->died_unseen ? site->died_unseen : axis->none;
	ev->alive = site->alive ? site->alive : axis->none;
	build_series(ev);
	choose_old_age(ev);
	if (!axis->attached && ev->old_end > 2) {
		/* In its first cycle a program sets itself up. */
		ev->warm_end = 1;
		judge_sum_window(ev);
	}
	judge_cut_warm_up(ev);
	judge_births(ev);
	judge_continuing(ev);
	/* An eighth: what a real leak loses at most, where a cache that has just begun to evict
	 * loses more. Of most sites either nearly all that is old goes, or nearly none: so
	 * Jeffreys's prior of a share (1946, Proc. R. Soc. A 186), which leans to both ends. */
	ev->not_freed = stats_beta_cdf(0.12, ev->died_old + 0.5, ev->survivors + 0.5);
	ev->all_kept = stats_beta_cdf(0.12, ev->died_old + 0.5,
				      judge_sum_objects(ev->alive, 0, ev->old_end) + 0.5);
	ev->p_value = stats_binomial_tail(ev->survivors / ev->clumping,
					  (ev->survivors + ev->died_old) / ev->clumping, 0.5);
	weigh_shape(ev);
	weigh_survival(ev);
	judge_growth(ev);
	judge_regrowth(ev);
	/* There are as many of these as there are sites: only the figures are kept. */
	free(ev->live.time);
	free(ev->live.objects);
	free(ev->live.bytes);
	ev->live.time = ev->live.objects = ev->live.bytes = NULL;
}
