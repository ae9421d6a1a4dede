#ifndef GMT_TESTS_FAMILIES_H
#define GMT_TESTS_FAMILIES_H

/* Kinds of allocation sites, leaks and innocents, with parameters drawn at random. */

#include "tests/unit/simulate.h"

/* What a site does, and for a leak how many bytes a second it truly keeps (NaN: not one rate). */
typedef double (*sim_family)(struct sim *sim);

static inline double sim_lifetime(struct sim *sim, double mean_cycles)
{
	return random_exponential(&sim->random, mean_cycles * sim->span / (double)sim->cycles);
}

/* Objects for ever, `expected` of them, evenly over the recording. Returns the growth. */
static inline double sim_retain(struct sim *sim, double expected, double from, double to)
{
	double rate = expected / ((to - from) * sim->span), time = from * sim->span;

	while ((time += random_exponential(&sim->random, 1 / rate)) < to * sim->span)
		sim_object(sim, time, INFINITY);
	return rate * sim->mean_weight;
}

/* `expected` objects that live a number of cycles, exponentially distributed. */
static inline void sim_churn(struct sim *sim, double expected, double mean_cycles)
{
	double rate = expected / sim->span;
	double time = sim->attached ? -20 * mean_cycles * sim->span / (double)sim->cycles : 0;

	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span)
		sim_object(sim, time, time + sim_lifetime(sim, mean_cycles));
}

/* What a program keeps from its start, in the recording where it began with it. */
static inline void sim_startup(struct sim *sim, double most)
{
	int n = (int)(most * random_uniform(&sim->random));

	if (!sim->attached)
		for (int i = 0; i < n; i++)
			sim_object(sim, sim->end[0] * random_uniform(&sim->random), INFINITY);
}

static inline double family_fast_leak(struct sim *sim)
{
	sim_startup(sim, 20);
	return sim_retain(sim, sim_log_between(sim, 100, 3000), 0, 1);
}

static inline double family_slow_leak(struct sim *sim)
{
	return sim_retain(sim, sim_log_between(sim, 14, 100), 0, 1);
}

static inline double family_leak_in_churn(struct sim *sim)
{
	double births = sim_log_between(sim, 2000, 20000);
	double kept = fmax(40, births * sim_log_between(sim, 0.005, 0.05));
	double longest = fmin(2.5, (double)sim->cycles / 30);

	sim_churn(sim, births, random_between(&sim->random, 0.1, longest));
	return sim_retain(sim, kept, 0, 1);
}

/* The rate of the leak follows a load that swings. */
static inline double family_loaded_leak(struct sim *sim)
{
	double expected = sim_log_between(sim, 40, 1000), swing = random_uniform(&sim->random);
	double periods = random_between(&sim->random, 2, 10), time = 0;
	double rate = expected / sim->span;

	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span) {
		double load = 1 + swing * sin(2 * M_PI * periods * time / sim->span);

		if (random_uniform(&sim->random) < load / 2)
			sim_object(sim, time, INFINITY);
	}
	return rate / 2 * sim->mean_weight;
}

/* It leaks a handful now and then, as a job that runs every so often does. */
static inline double family_stepping_leak(struct sim *sim)
{
	int steps = (int)sim_log_between(sim, 15, 60);
	double each = sim_log_between(sim, 2, 40);

	for (int i = 0; i < steps; i++)
		for (int j = 0; j < (int)each; j++)
			sim_object(sim,
				   (i + 0.2 + 0.1 * random_uniform(&sim->random)) * sim->span /
					   steps,
				   INFINITY);
	return steps * (int)each / sim->span * sim->mean_weight;
}

/* A bounded cache that fills at `fill` of the recording; then each insertion evicts one: the
 * oldest, or any one. */
static inline void sim_cache(struct sim *sim, double capacity, double fill, bool oldest_first)
{
	double turnover = fill * sim->span, rate = capacity / turnover;
	double begin = sim->attached ? -3 * turnover : 0, time = begin;
	size_t slots = (size_t)capacity, used = 0, next = 0;
	double *births = xcalloc(slots + 1, sizeof(double));

	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span) {
		if (used < slots) {
			births[used++] = time;
			continue;
		}
		if (!oldest_first)
			next = (size_t)(random_uniform(&sim->random) * (double)slots);
		sim_object(sim, births[next], time);
		births[next] = time;
		next = oldest_first ? (next + 1) % slots : next;
	}
	for (size_t i = 0; i < used; i++)
		sim_object(sim, births[i], INFINITY);
	free(births);
}

static inline double family_cache_filling(struct sim *sim)
{
	bool oldest_first = random_uniform(&sim->random) < 0.5;

	if (sim->attached)
		sim->attached = false;
	sim_cache(sim, sim_log_between(sim, 15, 1500), random_between(&sim->random, 0.1, 0.7),
		  oldest_first);
	return 0;
}

static inline double family_cache_full(struct sim *sim)
{
	sim->attached = true;
	sim_cache(sim, sim_log_between(sim, 15, 1500), sim_log_between(sim, 0.05, 3),
		  random_uniform(&sim->random) < 0.5);
	return 0;
}

/* Entries live for a fixed time, as in a session store. */
static inline double family_expiry(struct sim *sim)
{
	double expected = sim_log_between(sim, 30, 3000);
	double life = random_between(&sim->random, 0.03, 0.6) * sim->span;
	double time = sim->attached ? -2 * life : 0, rate = expected / sim->span;

	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span)
		sim_object(sim, time, time + life);
	return 0;
}

/* A map that is filled and then stays; some of it is warm-up, some churns on. */
static inline double family_ramp_up(struct sim *sim)
{
	sim_retain(sim, sim_log_between(sim, 15, 1500), 0, random_between(&sim->random, 0.05, 0.7));
	if (random_uniform(&sim->random) < 0.5)
		sim_churn(sim, sim_log_between(sim, 100, 3000), 1);
	return 0;
}

/* New keys become ever rarer, as where strings are interned. */
static inline double family_interning(struct sim *sim)
{
	double expected = sim_log_between(sim, 30, 1500);
	double decline = random_between(&sim->random, 5, 15);

	for (int i = 0; i < (int)expected; i++)
		sim_object(sim, random_exponential(&sim->random, sim->span / decline), INFINITY);
	return 0;
}

static inline double family_burst(struct sim *sim)
{
	double from = random_between(&sim->random, 0, 0.7) * sim->span;
	double length = random_between(&sim->random, 0.02, 0.2) * sim->span;
	double hold = random_between(&sim->random, 0.05, 0.9) * (sim->span - from - length);
	int n = (int)sim_log_between(sim, 30, 3000);

	for (int i = 0; i < n; i++)
		sim_object(sim, from + length * random_uniform(&sim->random),
			   from + length + hold * random_between(&sim->random, 0.8, 1));
	sim_churn(sim, 50, 1);
	return 0;
}

/* A batch that is gathered and then dropped as a whole, over and over. */
static inline double family_sawtooth(struct sim *sim)
{
	double period = random_between(&sim->random, 0.04, 0.45) * sim->span;
	double rate = sim_log_between(sim, 50, 5000) / sim->span;
	double time = 0, phase = period * random_uniform(&sim->random);

	if (sim->attached)
		time = -period;
	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span)
		sim_object(sim, time, (floor((time + phase) / period) + 1) * period - phase);
	return 0;
}

/* Data that is loaded as a whole and replaces what was there. */
static inline double family_reload(struct sim *sim)
{
	double period = random_between(&sim->random, 0.08, 0.5) * sim->span;
	double takes = random_between(&sim->random, 0.02, 0.3) * period;
	int n = (int)sim_log_between(sim, 20, 500);

	for (double time = sim->attached ? -2 * period : 0; time < sim->span; time += period)
		for (int i = 0; i < n; i++)
			sim_object(sim, time + takes * random_uniform(&sim->random),
				   time + period + takes);
	return 0;
}

static inline double family_periodic_burst(struct sim *sim)
{
	double period = random_between(&sim->random, 0.05, 0.3) * sim->span;
	int n = (int)sim_log_between(sim, 10, 500);

	for (double time = 0; time < sim->span; time += period)
		for (int i = 0; i < n; i++) {
			double birth = time + 0.1 * period * random_uniform(&sim->random);

			sim_object(sim, birth,
				   birth + random_exponential(&sim->random, 0.2 * period));
		}
	return 0;
}

static inline double family_constant(struct sim *sim)
{
	sim_startup(sim, 500);
	if (random_uniform(&sim->random) < 0.5)
		sim_churn(sim, sim_log_between(sim, 5, 200), 1);
	return 0;
}

/* Lifetimes with a heavy tail: Pareto or lognormal. */
static inline double family_heavy_tail(struct sim *sim)
{
	double expected = sim_log_between(sim, 100, 10000), cycle;
	double shape = random_between(&sim->random, 1.2, 2.5);
	bool pareto = random_uniform(&sim->random) < 0.5;
	double rate = expected / sim->span, time = sim->attached ? -sim->span : 0;

	cycle = sim->span / (double)sim->cycles;
	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span) {
		double life = pareto ? pow(random_uniform(&sim->random), -1 / shape) - 1
				     : 0.5 * exp(shape * random_normal(&sim->random));

		sim_object(sim, time, time + life * cycle);
	}
	return 0;
}

/* A population from which any one may go, and another come: births and deaths balance on average.
 */
static inline double family_random_walk(struct sim *sim)
{
	size_t standing = (size_t)sim_log_between(sim, 20, 3000), n = standing;
	double rate = 2 * sim_log_between(sim, 20, 3000) / sim->span, time = 0;
	size_t most = standing * 4 + 8;
	double *births = xcalloc(most, sizeof(double));

	for (size_t i = 0; i < n; i++)
		births[i] = sim->attached ? -1 - 1e6 : sim->end[0] * random_uniform(&sim->random);
	while ((time += random_exponential(&sim->random, 1 / rate)) < sim->span) {
		if ((random_uniform(&sim->random) < 0.5 && n < most) || n == 0) {
			births[n++] = time;
		} else {
			size_t i = (size_t)(random_uniform(&sim->random) * (double)n);

			sim_object(sim, births[i], time);
			births[i] = births[--n];
		}
	}
	for (size_t i = 0; i < n; i++)
		sim_object(sim, births[i], INFINITY);
	free(births);
	return 0;
}

/* A pool that follows a swinging load and is emptied of what has lain idle for two cycles. */
static inline double family_pool(struct sim *sim)
{
	double level = sim_log_between(sim, 10, 500), swing = random_uniform(&sim->random);
	double periods = random_between(&sim->random, 1.5, 12);
	double phase = 2 * M_PI * random_uniform(&sim->random), *births;
	size_t most = (size_t)(4 * level) + 8, n = 0;

	births = xcalloc(most, sizeof(double));
	for (size_t c = 0; c < sim->cycles; c++) {
		double time = sim->end[c], gap = c ? time - sim->end[c - 1] : time;
		double load = 1 + swing * sin(2 * M_PI * periods * time / sim->span + phase);
		double noise = 1 + 0.15 * random_normal(&sim->random);
		size_t want = (size_t)fmax(0, level * load * noise);

		while (n < want && n < most)
			births[n++] = time - gap * random_uniform(&sim->random);
		/* What is idle goes, last in first out, half at a time. */
		for (size_t drop = n > want ? (n - want) / 2 : 0; drop; drop--) {
			n--;
			sim_object(sim, births[n], time);
		}
	}
	for (size_t i = 0; i < n; i++)
		sim_object(sim, births[i], INFINITY);
	free(births);
	return 0;
}

/* Requests hold memory for a while, and there are ever more of them. */
static inline double family_rising_load(struct sim *sim)
{
	double expected = sim_log_between(sim, 300, 20000), time = 0;
	double factor = random_between(&sim->random, 2, 6), rate = expected / sim->span;

	while ((time += random_exponential(&sim->random, 1 / (rate * factor))) < sim->span) {
		double load = 1 + (factor - 1) * time / sim->span;

		if (random_uniform(&sim->random) < load / factor)
			sim_object(sim, time, time + sim_lifetime(sim, 1.5));
	}
	return 0;
}

/* An array that is filled evenly from one time to another, and copied to a larger one, a quarter or
 * twice, whenever it is full. Returns what comes to be in it, bytes a second. */
static inline double sim_array(struct sim *sim, double from, double to, double end)
{
	double most = SIM_RATE * sim_log_between(sim, 40, 400), capacity = SIM_RATE / 4;
	double factor = random_uniform(&sim->random) < 0.5 ? 1.25 : 2, born = from;

	while (born < to) {
		double full = fmin(from + capacity / most * (to - from), to);

		sim_sized(sim, born, full < to ? full : end, capacity);
		capacity *= factor;
		born = full;
	}
	return most / (to - from);
}

static inline double family_growing_array(struct sim *sim)
{
	return sim_array(sim, 0, sim->span, INFINITY);
}

static inline double family_filled_array(struct sim *sim)
{
	sim_array(sim, 0, random_between(&sim->random, 0.05, 0.5) * sim->span, INFINITY);
	return 0;
}

/* Gathered in an array, and given up as a whole. */
static inline double family_array_batches(struct sim *sim)
{
	double period = random_between(&sim->random, 0.1, 0.45) * sim->span;

	for (double from = 0; from < sim->span; from += period)
		sim_array(sim, from, from + period, from + period);
	return 0;
}

/* Made once for each of many keys, of which ever rarer ones are new: as many while the time doubles
 * as while it doubled before. */
static inline double family_once_each(struct sim *sim)
{
	double each = sim_log_between(sim, 3, 100),
	       first = random_between(&sim->random, 0.003, 0.03);
	double time = first;

	while ((time *= exp(random_exponential(&sim->random, 1 / each))) < 1 + first)
		sim_object(sim, (time - first) * sim->span, INFINITY);
	return 0;
}

/* The hard ones: what stopped growing only a moment before the end, and what began late. */
static inline double family_late_cache(struct sim *sim)
{
	sim->attached = false;
	sim_cache(sim, sim_log_between(sim, 15, 1500), random_between(&sim->random, 0.7, 0.95),
		  random_uniform(&sim->random) < 0.5);
	return 0;
}

static inline double family_late_ramp(struct sim *sim)
{
	sim_retain(sim, sim_log_between(sim, 15, 1500), 0, random_between(&sim->random, 0.7, 0.95));
	return 0;
}

/* A table of a running program that is enlarged within a few cycles and then stays, as where the
 * tables of a map are split: nothing before, nothing after. */
static inline double family_late_step(struct sim *sim)
{
	double from = random_between(&sim->random, 0.25, 0.7);

	sim_retain(sim, sim_log_between(sim, 6, 60), from,
		   from + random_between(&sim->random, 0.05, 0.25));
	return 0;
}

/* Sessions that last about as long as the recording, in a program that has just begun. */
static inline double family_long_sessions(struct sim *sim)
{
	double expected = sim_log_between(sim, 20, 2000), time = 0;
	double mean = random_between(&sim->random, 0.1, 1.2) * (double)sim->cycles;

	while ((time += random_exponential(&sim->random, sim->span / expected)) < sim->span)
		sim_object(sim, time, time + sim_lifetime(sim, mean));
	return 0;
}

static inline double family_tiny_leak(struct sim *sim)
{
	return sim_retain(sim, sim_log_between(sim, 6, 14), 0, 1);
}

static inline double family_late_leak(struct sim *sim)
{
	double from = random_between(&sim->random, 0.2, 0.7);

	return sim_retain(sim, sim_log_between(sim, 30, 1000), from, 1);
}

/* The load falls, or rises, to a few times what it was in the middle of the recording. */
static inline double family_changing_leak(struct sim *sim)
{
	double expected = sim_log_between(sim, 30, 1000);

	sim_retain(sim, expected, 0, 0.5);
	sim_retain(sim, expected * sim_log_between(sim, 0.35, 3), 0.5, 1);
	return NAN; /* of the whole, or of late: either is right */
}

/* A queue without a limit whose consumer is slower than what comes in: the old do go, and there are
 * ever more of them. */
static inline double family_backlog(struct sim *sim)
{
	double expected = sim_log_between(sim, 60, 3000), rate = expected / sim->span;
	double consumed = random_between(&sim->random, 0.5, 0.85);
	double time = sim->attached ? -sim->span : 0;
	size_t most = (size_t)(4 * expected) + 100, n = 0;
	double *births = xcalloc(most, sizeof(double));

	while (n < most && (time += random_exponential(&sim->random, 1 / rate)) < sim->span)
		births[n++] = time;
	for (size_t i = 0; i < n; i++) {
		size_t last = (size_t)((double)i / consumed) + 1;

		sim_object(sim, births[i], last < n ? births[last] : INFINITY);
	}
	free(births);
	return (1 - consumed) * rate * sim->mean_weight;
}

/* Of what is kept for a while, a part is never let go. */
static inline double family_half_freed(struct sim *sim)
{
	double expected = sim_log_between(sim, 60, 3000), kept = 0;
	double life = random_between(&sim->random, 0.08, 0.3) * sim->span;
	double share = random_between(&sim->random, 0.3, 0.7);
	double time = sim->attached ? -2 * life : 0;

	while ((time += random_exponential(&sim->random, sim->span / expected)) < sim->span) {
		bool leaks = random_uniform(&sim->random) < share;

		kept += leaks && time > 0;
		sim_object(sim, time, leaks ? INFINITY : time + life);
	}
	return kept / sim->span * sim->mean_weight;
}

struct sim_kind {
	const char *name;
	sim_family fill;
	bool leak;
	bool hard; /* at or beyond what can be told: shown, not demanded */
};

static const struct sim_kind sim_kinds[] = {
	{"fast leak", family_fast_leak, true, false},
	{"slow leak", family_slow_leak, true, false},
	{"leak in churn", family_leak_in_churn, true, false},
	{"leak with the load", family_loaded_leak, true, false},
	{"leak in steps", family_stepping_leak, true, false},
	{"tiny leak", family_tiny_leak, true, true},
	{"late leak", family_late_leak, true, false},
	{"changing leak", family_changing_leak, true, false},
	{"growing array", family_growing_array, true, false},
	{"array filled", family_filled_array, false, false},
	{"array in batches", family_array_batches, false, false},
	{"cache filling", family_cache_filling, false, false},
	{"cache full", family_cache_full, false, false},
	{"expiry", family_expiry, false, false},
	{"ramp-up", family_ramp_up, false, false},
	{"interning", family_interning, false, false},
	{"once each", family_once_each, false, false},
	{"burst", family_burst, false, false},
	{"sawtooth", family_sawtooth, false, false},
	{"reload", family_reload, false, false},
	{"periodic burst", family_periodic_burst, false, false},
	{"constant", family_constant, false, false},
	{"heavy-tailed churn", family_heavy_tail, false, false},
	{"random walk", family_random_walk, false, false},
	{"pool", family_pool, false, false},
	{"rising load", family_rising_load, false, false},
	{"long sessions", family_long_sessions, false, false},
	{"late cache", family_late_cache, false, true},
	{"late ramp", family_late_ramp, false, true},
	{"late step", family_late_step, false, false},
	{"backlog", family_backlog, true, true},
	{"half freed", family_half_freed, true, true},
};

#define SIM_KINDS (sizeof(sim_kinds) / sizeof(sim_kinds[0]))

#endif
