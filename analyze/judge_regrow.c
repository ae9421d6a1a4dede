#include "analyze/judge_evidence.h"

#include <math.h>

/*
 * Sites that hold one array, or a few, copied to a larger one whenever it is full: a slice that is
 * appended to, a map's buckets, a buffer. The count of the live does not grow, the survivors are
 * few and young, and what was alive before them is dead; all that grows is the size. How full the
 * array is cannot be seen: it was full when it was last replaced.
 */

/* A step is a new highest level of live bytes, higher than the last by so much. */
#define STEP 1.05
/* A level below this share of the highest is a fall: the array was given up. (In an epoch of two
 * cycles half of an array's death may be counted before its successor's birth.) */
#define FALL 0.45
/* And so, with more certainty, where two points in a row are below this share: what is only
 * appended to is never copied to a smaller one; a window that slides is. */
#define SHRINK 0.95
/* The alive must be so much larger than what was born here on average. */
#define LARGER 1.3
/* All arrays together that lead to one of a size come to no more than so many times that size: five
 * where each is a quarter larger than the last, as Go grows slices, and some for what chance does
 * to samples. Where there are more, whole series of them came and went between two GC cycles, and
 * the levels that the cycles met rise by chance, or by a beat. */
#define SERIES 6
/* There may be so many of them; of more, as of a pool's buffers, the sizes tell no trend. */
#define MOST_ARRAYS 16
/* On the Go heap arrays below this size, two samples of the profiler, tell too little: whatever a
 * program fills has one. */
#define LEAST_ARRAY (1 << 20)
/* What the time since the last step weighs, in which the filling may have ended unseen. */
#define BLIND_WEIGHT 2.0
/* And each time that the filling became slower, beyond twice: a load may have halved. */
#define SLOWING_WEIGHT 1.5

static double least_bytes(const struct judge_series *live, size_t from, size_t to)
{
	double least = live->bytes[from];

	for (size_t i = from + 1; i < to; i++)
		least = fmin(least, live->bytes[i]);
	return least;
}

/*
 * The level after point i. While an array is copied both are alive, until a mark or two later: the
 * last points may fall back yet. What is left then is what was there in any of the last three; or
 * of an array and its copy the copy, which is at least half.
 */
static double level(const struct judge_series *live, size_t i)
{
	double now;

	if (i + 3 <= live->n)
		return fmax(0, least_bytes(live, i, i + 3));
	now = least_bytes(live, i, live->n);
	if (live->objects[live->n - 1] > 1.5 || live->objects[i] > 1.5)
		now = fmax(now / 2, least_bytes(live, live->n - 3, live->n));
	return fmax(0, now);
}

static bool has_shrunk(const struct judge_series *live, size_t i, double highest)
{
	return i + 2 <= live->n && fmax(live->bytes[i], live->bytes[i + 1]) < SHRINK * highest;
}

/* The last steps, newest first, and their count. */
struct steps {
	size_t n;
	double time[3], level[4]; /* level[i + 1] was there until time[i] */
	double first_level;	  /* of the first step, which was there until */
	double second_time;
	double idle; /* arrays as large as these that were born where no step is near */
};

static bool find_steps(const struct judge_evidence *ev, struct steps *steps)
{
	const struct judge_series *live = &ev->live;
	double pending[2] = {0}; /* of the last points: a step may follow yet */
	size_t since = 0;

	*steps = (struct steps){0};
	for (size_t i = 0; i < live->n; i++) {
		double now = level(live, i);

		if (now < FALL * steps->level[0] || has_shrunk(live, i, steps->level[0]))
			return false;
		if (now <= STEP * steps->level[0]) {
			if (steps->n && ++since > 2) {
				steps->idle += pending[0];
				pending[0] = pending[1];
				pending[1] = ev->born[i].est_bytes / steps->level[0];
			}
			continue;
		}
		since = 0;
		pending[0] = pending[1] = 0;
		for (size_t k = 3; k > 0; k--)
			steps->level[k] = steps->level[k - 1];
		for (size_t k = 2; k > 0; k--)
			steps->time[k] = steps->time[k - 1];
		steps->level[0] = now;
		steps->time[0] = live->time[i];
		steps->n++;
		if (steps->n == 1)
			steps->first_level = now;
		if (steps->n == 2)
			steps->second_time = live->time[i];
	}
	return true;
}

/* Whether at all points of the second half, where things are to be seen at all, two are alive: then
 * they may be two, or one and the larger one that it is being copied to. */
static bool may_be_copies(const struct judge_series *live)
{
	for (size_t i = live->n / 2; i < live->n; i++)
		if (live->objects[i] < 1.5)
			return false;
	return true;
}

/*
 * What was filled from one replacement to another is known, and how full the last array is is not:
 * the growth of what is in it, and that of what it occupies, are both within the interval.
 */
static void grow_by_steps(struct judge_evidence *ev, const struct steps *steps)
{
	double cycle = ev->axis->span / ev->axis->n_cycles, end = ev->live.time[ev->live.n - 1];
	double filled = steps->level[1] - steps->first_level;
	double took = steps->time[0] - steps->second_time, occupied = steps->level[0] / end;

	if (took <= cycle)
		return;
	ev->growth = filled / took;
	ev->growth_low = fmin(filled / (took + cycle), occupied) * 0.9;
	if (may_be_copies(&ev->live))
		ev->growth_low /= 2;
	ev->growth_high = fmax(filled / (took - cycle), occupied) * 1.1;
}

/*
 * By how much slower the last array but one was filled than the one before it, at least: when a
 * step was seen is known to one cycle. What fills ever more slowly levels off, as a table does
 * whose keys come again and again.
 */
static double slowing(const struct judge_evidence *ev, const struct steps *steps)
{
	double cycle = ev->axis->span / ev->axis->n_cycles;
	double before =
		(steps->level[2] - steps->level[3]) / (steps->time[1] - steps->time[2] + cycle);
	double last = (steps->level[1] - steps->level[2]) /
		      fmax(cycle, steps->time[0] - steps->time[1] - cycle);

	return before / last;
}

/* Until when no larger array was made: births are known after the last mark, too. */
static double quiet_end(const struct judge_evidence *ev, double level)
{
	const struct judge_axis *axis = ev->axis;
	double end = ev->live.time[ev->live.n - 1];

	for (size_t i = axis->n; i < axis->n_births; i++)
		if (ev->born[i].est_bytes > STEP * level)
			return end;
	return axis->n_births ? fmax(end, axis->end[axis->n_births - 1]) : end;
}

void judge_regrowth(struct judge_evidence *ev)
{
	const struct judge_series *live = &ev->live;
	const struct site *site = ev->site;
	double rate, next, quiet, late, made = 0, p = 1;
	struct steps steps;

	if (live->n < 4 || ev->alive_objects < 1 || ev->alive_objects > MOST_ARRAYS ||
	    3 * ev->alive_objects > ev->born_seen ||
	    ev->alive_bytes / ev->alive_objects <
		    LARGER * site->est_births_bytes / (double)site->births)
		return;
	if (!find_steps(ev, &steps) || steps.n < 3 || 2 * steps.idle > (double)steps.n)
		return;
	if (site->kind == SITE_HEAP && steps.level[0] < LEAST_ARRAY)
		return;
	for (size_t i = 0; i < live->n && live->time[i] <= steps.time[0]; i++)
		made += ev->born[i].est_bytes;
	if (made > SERIES * steps.level[0])
		return;
	/* Filled at the rate of the last two steps, when is the present one full? */
	rate = (steps.level[1] - steps.level[3]) / (steps.time[0] - steps.time[2]);
	next = (steps.level[0] - steps.level[1]) / rate;
	quiet = quiet_end(ev, steps.level[0]) - steps.time[0];
	/* When a step is seen is known to one cycle. */
	late = fmax(0, quiet - 2 * ev->axis->span / ev->axis->n_cycles) / next;
	ev->regrown = steps.n;
	ev->regrowth_ended = BLIND_WEIGHT * quiet / ev->axis->span;
	if (late > 1.2)
		ev->regrowth_ended += expm1(fmin(600, 4 * (late - 1.2)));
	ev->regrowth_ended += SLOWING_WEIGHT * fmax(0, slowing(ev, &steps) - 2);
	/* Sizes in any order would come in rising order once in so many times. */
	for (size_t i = 2; i <= steps.n; i++)
		p /= (double)i;
	ev->regrowth_p = p;
	grow_by_steps(ev, &steps);
}
