#include "analyze/gclives.h"

#include "common/map.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MAX_ACTIVE 64 /* lives that a line may still go on; older ones are taken for ended */

/* What identifies a line; two processes do not print the same eight durations. */
struct fingerprint {
	uint64_t number, time, clock[GCTRACE_CLOCKS], cpu[GCTRACE_CPUS];
	uint64_t heap[4];
};

static bool is_repeated(struct map *seen, const struct gctrace_entry *entry)
{
	struct fingerprint print = {
		.number = entry->number,
		.time = entry->time,
		.heap = {entry->heap_start, entry->heap_peak, entry->heap_live, entry->goal},
	};
	bool fresh;

	memcpy(print.clock, entry->clock, sizeof(print.clock));
	memcpy(print.cpu, entry->cpu, sizeof(print.cpu));
	map_put(seen, XXH3_64bits(&print, sizeof(print)), &fresh);
	return !fresh;
}

static uint64_t cycle_length(const struct gctrace_entry *entry)
{
	uint64_t sum = 0;

	for (int i = 0; i < GCTRACE_CLOCKS; i++)
		if (__builtin_add_overflow(sum, entry->clock[i], &sum))
			return 0;
	return sum < INT64_MAX ? sum : 0;
}

/* How unlikely it is that the line at index i goes on the life; negative: it cannot. */
static double cost(const struct gclife *life, const struct gctrace_entry *entry, size_t i)
{
	uint64_t gap = entry->number - life->last_number - 1, stale = i - life->last - 1, wait;

	if (entry->number <= life->last_number ||
	    entry->time + GCTRACE_TIME_RESOLUTION <= life->last_time + life->last_length ||
	    entry->time < life->last_time)
		return -1;
	wait = entry->time - life->last_time;
	/* A missing line is rarer than sixteen of others in between; time only breaks ties. */
	return (double)(gap < 50 ? gap : 50) + (double)(stale < 800 ? stale : 800) / 16 +
	       0.5 * (double)wait / ((double)wait + 1e9);
}

static uint32_t find_life(struct gclives *result, const struct gctrace_entry *entry, size_t i)
{
	size_t oldest = result->n_lives > MAX_ACTIVE ? result->n_lives - MAX_ACTIVE : 0;
	double best_cost = -1;
	size_t best = 0;

	for (size_t j = result->n_lives; j-- > oldest;) {
		double c = cost(&result->lives[j], entry, i);

		if (c >= 0 && (best_cost < 0 || c < best_cost)) {
			best_cost = c;
			best = j;
		}
	}
	if (best_cost >= 0)
		return (uint32_t)best;
	xgrow(result->lives, result->cap_lives, result->n_lives + 1);
	result->lives[result->n_lives] = (struct gclife){.first = i};
	return (uint32_t)result->n_lives++;
}

/* Lives are in the order of their first lines: those that overlap are neighbours. */
static void group_lives(struct gclives *result)
{
	size_t end = 0;

	for (size_t i = 0; i < result->n_lives; i++) {
		struct gclife *life = &result->lives[i];

		if (i == 0 || life->first > end)
			result->n_groups++;
		life->group = (uint32_t)result->n_groups - 1;
		if (life->last > end)
			end = life->last;
	}
}

void gclives_split(const struct gctrace_entry *const *entries, size_t n, struct gclives *result)
{
	struct map seen = {0};

	*result = (struct gclives){.of = xcalloc(n ? n : 1, sizeof(result->of[0]))};
	for (size_t i = 0; i < n; i++) {
		struct gclife *life;

		result->of[i] = GCLIFE_NONE;
		if (entries[i]->kind != GCTRACE_GC)
			continue;
		if (is_repeated(&seen, entries[i])) {
			result->of[i] = GCLIFE_DUPLICATE;
			result->duplicates++;
			continue;
		}
		result->of[i] = find_life(result, entries[i], i);
		life = &result->lives[result->of[i]];
		life->last = i;
		life->last_number = entries[i]->number;
		life->last_time = entries[i]->time;
		life->last_length = cycle_length(entries[i]);
		life->n++;
	}
	group_lives(result);
	map_free(&seen);
}

void gclives_free(struct gclives *lives)
{
	free(lives->of);
	free(lives->lives);
	*lives = (struct gclives){0};
}
