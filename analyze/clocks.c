#include "analyze/clocks.h"

#include "formats/xalloc.h"

#include <string.h>

#define MAX_PAIRS ((size_t)1 << 16)
#define STEADY	  1000000 /* ns: less is not a step, but what the reading of three clocks takes */
#define MAX_SLEW  1000	  /* the clock is slewed, and runs fast or slow, by less than 1/1000 */

/* Clocks of this size and above are damage, and sums of three of them do not overflow. */
#define MAX_CLOCK (INT64_MAX / 4)

void clocks_add(struct model *model, const struct clock_pair *pair)
{
	size_t at;

	if (pair->monotonic > MAX_CLOCK || pair->realtime > MAX_CLOCK || pair->boottime > MAX_CLOCK)
		return;
	if (model->n_clocks >= MAX_PAIRS) {
		for (size_t i = 0; 2 * i < model->n_clocks; i++)
			model->clocks[i] = model->clocks[2 * i];
		model->n_clocks = (model->n_clocks + 1) / 2;
	}
	xgrow(model->clocks, model->cap_clocks, model->n_clocks + 1);
	for (at = model->n_clocks; at > 0 && model->clocks[at - 1].monotonic > pair->monotonic;)
		at--;
	memmove(model->clocks + at + 1, model->clocks + at,
		(model->n_clocks - at) * sizeof(model->clocks[0]));
	model->clocks[at] = *pair;
	model->n_clocks++;
}

static int64_t gain(uint64_t to, uint64_t from, const struct clock_pair *a,
		    const struct clock_pair *b)
{
	return (int64_t)(to - from) - (int64_t)(b->monotonic - a->monotonic);
}

static bool is_steady(int64_t gained, const struct clock_pair *a, const struct clock_pair *b)
{
	int64_t limit = STEADY + (int64_t)((b->monotonic - a->monotonic) / MAX_SLEW);

	return gained <= limit && gained >= -limit;
}

/* Whether the wall clock stepped from one pair to the next. */
static bool find_step(const struct clock_pair *a, const struct clock_pair *b,
		      struct clock_step *step)
{
	int64_t gained = gain(b->realtime, a->realtime, a, b), slept = 0;

	if (a->boottime && b->boottime)
		slept = gain(b->boottime, a->boottime, a, b);
	if (slept < 0 || is_steady(slept, a, b))
		slept = 0;
	*step = (struct clock_step){.after = a->monotonic,
				    .before = b->monotonic,
				    .set = gained - slept,
				    .slept = (uint64_t)slept};
	if (is_steady(step->set, a, b))
		step->set = 0;
	return step->set || step->slept;
}

size_t clocks_steps(const struct model *model, struct clock_step *steps, size_t max)
{
	size_t n = 0;

	for (size_t i = 1; i < model->n_clocks && n < max; i++)
		n += find_step(&model->clocks[i - 1], &model->clocks[i], &steps[n]);
	return n;
}

/* A moment that a wall time can be, and how far in wall time it lies from what the pairs cover. */
struct moment {
	int64_t time;
	uint64_t away;
};

/* Where a wall time lies on the run of pairs first..last, between which there is no step. */
static struct moment on_run(const struct clock_pair *pairs, size_t first, size_t last, int64_t wall)
{
	const struct clock_pair *a, *b;
	size_t low = first, high = last;

	while (low < high) { /* the last pair that is not later */
		size_t mid = low + (high - low + 1) / 2;

		if ((int64_t)pairs[mid].realtime <= wall)
			low = mid;
		else
			high = mid - 1;
	}
	a = &pairs[low];
	b = low < last ? &pairs[low + 1] : a;
	if ((int64_t)a->realtime > wall)
		return (struct moment){(int64_t)a->monotonic - ((int64_t)a->realtime - wall),
				       a->realtime - (uint64_t)wall};
	if (b->realtime <= a->realtime)
		return (struct moment){(int64_t)a->monotonic + (wall - (int64_t)a->realtime),
				       (uint64_t)wall - a->realtime};
	return (struct moment){(int64_t)((double)(wall - (int64_t)a->realtime) /
					 (double)(b->realtime - a->realtime) *
					 (double)(b->monotonic - a->monotonic)) +
				       (int64_t)a->monotonic,
			       0};
}

/* Adds a moment, the nearest first; one that is nearly the same as another is no further one. */
static size_t add_moment(struct moment *moments, size_t n, const struct moment *moment)
{
	size_t at = n;

	for (size_t i = 0; i < n; i++) {
		int64_t apart = moments[i].time - moment->time;

		if (apart < STEADY && apart > -STEADY)
			return n;
	}
	while (at > 0 && moments[at - 1].away > moment->away)
		at--;
	if (at >= CLOCKS_MAX_TIMES)
		return n;
	n = n < CLOCKS_MAX_TIMES ? n + 1 : n;
	memmove(moments + at + 1, moments + at, (n - 1 - at) * sizeof(moments[0]));
	moments[at] = *moment;
	return n;
}

size_t clocks_trace_times(const struct model *model, uint64_t wall,
			  uint64_t times[CLOCKS_MAX_TIMES])
{
	const struct clock_pair *pairs = model->clocks;
	struct moment moments[CLOCKS_MAX_TIMES];
	struct clock_step step;
	size_t n = 0, total = model->n_clocks;

	if (wall > MAX_CLOCK)
		return 0;
	for (size_t first = 0, last; first < total; first = last + 1) {
		struct moment moment;

		for (last = first; last + 1 < total;)
			if (find_step(&pairs[last], &pairs[last + 1], &step))
				break;
			else
				last++;
		moment = on_run(pairs, first, last, (int64_t)wall);
		/* The step came at some moment between the pairs on either side of it. */
		if (moment.time > 0 &&
		    (first == 0 || moment.time >= (int64_t)pairs[first - 1].monotonic) &&
		    (last + 1 == total || moment.time <= (int64_t)pairs[last + 1].monotonic))
			n = add_moment(moments, n, &moment);
	}
	for (size_t i = 0; i < n; i++)
		times[i] = (uint64_t)moments[i].time;
	return n;
}
