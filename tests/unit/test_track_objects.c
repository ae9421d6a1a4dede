#include "analyze/track_objects.h"

#include "analyze/judge.h"
#include "tests/unit/families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PID    7
#define START  1000000000u
#define ORIGIN 0x4567u

/* Of each kind of site; GMT_JUDGE_SEEDS asks for another number. */
static size_t seeds(void)
{
	const char *text = getenv("GMT_JUDGE_SEEDS");

	return text ? strtoul(text, NULL, 10) : 300;
}

/* A life to put objects into, with no other event than these. */
struct feed {
	struct model model;
	struct track *track;
	struct life *life;
};

static void feed_begin(struct feed *feed, bool attached)
{
	model_init(&feed->model);
	feed->track = track_new(&feed->model, &(struct track_options){0});
	feed->life = track_life(feed->track, PID, START);
	life_process(feed->track, feed->life)->attached = attached;
	feed->model.first_time = START;
	feed->model.last_time = START;
}

static void feed_end(struct feed *feed, uint64_t end)
{
	feed->model.last_time = end;
	track_finish(feed->track);
}

static void feed_free(struct feed *feed)
{
	track_free(feed->track);
	model_free(&feed->model);
}

static uint32_t stack_of(struct feed *feed, uint64_t pc)
{
	return stackset_intern(&feed->track->stacks, &pc, 1);
}

static void born(struct feed *feed, uint64_t key, uint64_t pc, uint64_t bytes, uint64_t time)
{
	track_object_born(feed->track, feed->life,
			  &(struct object_birth){
				  .kind = SITE_GOROUTINE,
				  .key = key,
				  .stack = stack_of(feed, pc),
				  .origin = pc,
				  .bytes = bytes,
				  .time = time,
			  });
}

static const struct site *site_of_pc(const struct model *model, uint64_t pc)
{
	for (size_t i = 0; i < model->n_sites; i++)
		if (model->stacks[model->sites[i].stack].pcs[0] == pc)
			return &model->sites[i];
	return NULL;
}

/* ---- Counts against a plain list -------------------------------------------------------- */

struct plain {
	uint64_t born, died; /* died 0: it lives */
	uint64_t bytes;
};

enum { OBJECTS = 5000, PCS = 3 };

static size_t slice_of(const struct process *process, uint64_t time)
{
	size_t i = 0;

	while (i + 1 < process->n_slices && time >= process->slices[i].end_time)
		i++;
	return i;
}

static void compare_site(const struct model *model, const struct plain *objects, uint32_t which)
{
	const struct process *process = &model->processes[0];
	const struct site *site = site_of_pc(model, 100 + which);
	size_t n = process->n_slices;
	struct tally *want = xcalloc(3 * n, sizeof(*want));
	uint64_t live = 0, deaths = 0, distinct = 0, ages[MODEL_AGES] = {0};

	assert_non_null(site);
	for (size_t i = which; i < OBJECTS; i += PCS) {
		size_t from = slice_of(process, objects[i].born), to;

		sim_count(&want[from], (double)objects[i].bytes);
		if (!objects[i].died) {
			live++;
			sim_count(&want[2 * n + from], (double)objects[i].bytes);
			continue;
		}
		to = slice_of(process, objects[i].died);
		deaths++;
		sim_count(&want[n + to], (double)objects[i].bytes);
		ages[to - from < MODEL_AGES ? to - from : MODEL_AGES - 1]++;
	}
	assert_int_equal(site->live, live);
	assert_int_equal(site->deaths, deaths);
	for (size_t e = 0; e < n; e++) {
		assert_int_equal(site->born[e].objects, want[e].objects);
		assert_int_equal(site->died[e].objects, want[n + e].objects);
		assert_int_equal(site->alive[e].objects, want[2 * n + e].objects);
		assert_true(fabs(site->born[e].est_bytes - want[e].est_bytes) < 1e-3);
		assert_true(fabs(site->died[e].est_bytes - want[n + e].est_bytes) < 1e-3);
		assert_true(fabs(site->alive[e].est_bytes - want[2 * n + e].est_bytes) < 1e-3);
	}
	/* Ages are counted as differences of slices while these are still narrow: what is merged
	 * may be one off. */
	for (size_t age = 1; age + 1 < MODEL_AGES; age++) {
		uint64_t near = ages[age - 1] + ages[age] + ages[age + 1];

		assert_true(site->died_at_age[age] <= near);
	}
	for (size_t e = 0; e < n; e++)
		distinct += want[2 * n + e].objects > 0;
	assert_int_equal(site->generations[n - 1], distinct);
	free(want);
}

/* Events in order of time: births and deaths of a list, the next one first. */
static void feed_plain(struct feed *feed, struct plain *objects, struct random *random,
		       uint64_t step)
{
	uint64_t time = START;
	size_t born_next = 0, open = 0;
	size_t *alive = xcalloc(OBJECTS, sizeof(*alive));

	while (born_next < OBJECTS) {
		time += 1 + (uint64_t)(random_exponential(random, (double)step));
		if (open && random_uniform(random) < 0.48) {
			size_t at = (size_t)(random_uniform(random) * (double)open), i = alive[at];

			objects[i].died = time;
			alive[at] = alive[--open];
			assert_true(track_object_died(feed->track, feed->life, SITE_GOROUTINE, i, 0,
						      time));
			continue;
		}
		objects[born_next].born = time;
		objects[born_next].bytes = 1 + (uint64_t)(random_uniform(random) * 10000);
		born(feed, born_next, 100 + born_next % PCS, objects[born_next].bytes, time);
		alive[open++] = born_next++;
	}
	free(alive);
	feed_end(feed, time + step);
}

/* The tallies are those of a plain list, however often slices were merged. */
static void test_counts(void **state)
{
	static const uint64_t steps[] = {10, 20000, 1000000, 700000000};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct plain *objects = xcalloc(OBJECTS, sizeof(*objects));
		struct random random = {i + 1};
		struct feed feed;

		feed_begin(&feed, false);
		feed_plain(&feed, objects, &random, steps[i]);
		assert_int_equal(feed.model.n_sites, PCS);
		assert_true(feed.model.processes[0].n_slices <= MODEL_MAX_SLICES);
		if (i > 1)
			assert_true(feed.model.processes[0].n_slices >= MODEL_MAX_SLICES / 2);
		for (uint32_t which = 0; which < PCS; which++)
			compare_site(&feed.model, objects, which);
		feed_free(&feed);
		free(objects);
	}
}

static void test_end_of_slices(void **state)
{
	struct feed feed;
	const struct process *process;

	(void)state;
	feed_begin(&feed, false);
	born(&feed, 1, 100, 2048, START + 5000);
	feed_end(&feed, START + 100500000);
	process = &feed.model.processes[0];
	assert_int_equal(process->n_slices, 101);
	assert_int_equal(process->slices[0].end_time, START + 1000000);
	assert_int_equal(process->slices[100].end_time, START + 100500000);
	/* Generations are filled in to the end. */
	assert_int_equal(feed.model.sites[0].generations[100], 1);
	assert_int_equal(feed.model.sites[0].oldest_live, START + 5000);
	feed_free(&feed);
}

static void test_shrunk_and_replaced(void **state)
{
	struct feed feed;
	const struct site *site;

	(void)state;
	feed_begin(&feed, false);
	born(&feed, 1, 100, 4096, START);
	track_object_shrunk(feed.track, feed.life, SITE_GOROUTINE, 1, 1024, START + 1500000);
	/* It cannot grow, and what is not there has no size. */
	track_object_shrunk(feed.track, feed.life, SITE_GOROUTINE, 1, 9999, START + 1600000);
	track_object_shrunk(feed.track, feed.life, SITE_GOROUTINE, 2, 1, START + 1600000);
	/* The same key again: the one before has ended unseen. */
	born(&feed, 3, 101, 10, START);
	born(&feed, 3, 101, 20, START + 2500000);
	feed_end(&feed, START + 3000000);
	site = site_of_pc(&feed.model, 100);
	assert_int_equal(site->live, 1);
	assert_int_equal(site->live_sampled_bytes, 1024);
	assert_true(site->est_live_bytes == 1024);
	assert_true(site->alive[0].est_bytes == 1024);
	assert_true(site->died[1].est_bytes == 3072 && site->died[1].objects == 0);
	site = site_of_pc(&feed.model, 101);
	assert_int_equal(site->deaths, 1);
	assert_int_equal(site->live_sampled_bytes, 20);
	feed_free(&feed);
}

/* Who is older than the recording ends at the site that its origin names, else at those which keep
 * objects, in proportion. */
static void test_unseen(void **state)
{
	struct feed feed;

	(void)state;
	feed_begin(&feed, true);
	for (uint64_t i = 0; i < 30; i++)
		born(&feed, i, 100, 2048, START + i * 1000000);
	for (uint64_t i = 30; i < 40; i++)
		born(&feed, i, 101, 2048, START + i * 1000000);
	assert_false(track_object_died(feed.track, feed.life, SITE_GOROUTINE, 1000, 101,
				       START + 50000000));
	for (uint64_t i = 0; i < 20; i++)
		assert_false(track_object_died(feed.track, feed.life, SITE_GOROUTINE, 2000 + i, 0,
					       START + (60 + i) * 1000000));
	feed_end(&feed, START + 100000000);
	assert_int_equal(site_of_pc(&feed.model, 100)->unmatched_deaths, 15);
	assert_int_equal(site_of_pc(&feed.model, 101)->unmatched_deaths, 6);
	assert_int_equal(site_of_pc(&feed.model, 101)->died_unseen[50].objects, 1);
	assert_int_equal(feed.model.processes[0].ended_unseen[SITE_GOROUTINE], 21);
	feed_free(&feed);
}

/* ---- The judge on slices ---------------------------------------------------------------- */

struct object_event {
	double time;
	uint64_t key;
	double size;
	bool death;
};

struct collected {
	struct object_event *events;
	size_t n, cap;
	uint64_t next;
	double span;
};

static void collect(void *context, double birth, double death, double size)
{
	struct collected *all = context;
	uint64_t key = all->next++;

	xgrow(all->events, all->cap, all->n + 2);
	if (birth >= 0)
		all->events[all->n++] = (struct object_event){birth, key, size, false};
	if (death > 0 && death < all->span && death > birth)
		all->events[all->n++] = (struct object_event){death, key, size, true};
}

static int by_time(const void *a, const void *b)
{
	const struct object_event *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->key > y->key) - (x->key < y->key);
}

/* A recording of one site of a kind of the judge's families, every object of it seen. Returns the
 * verdict on it. */
static enum verdict judge_kind(size_t kind, size_t seed, double *growth, struct candidate *got)
{
	struct random random = {seed * 77 + kind * 1000003};
	size_t cycles = (size_t)(20 * exp(random_uniform(&random) * log(20)));
	struct sim sim = sim_new(seed + kind * 100000, cycles, random_uniform(&random) < 0.5);
	struct feed feed;
	struct collected all = {.span = sim.span};
	enum verdict verdict = VERDICT_TOO_LITTLE;

	sim.object = collect;
	sim.context = &all;
	sim.min_size = sim.max_size = sim.mean_weight = 2048;
	*growth = sim_kinds[kind].fill(&sim) * 3600;
	if (all.n)
		qsort(all.events, all.n, sizeof(*all.events), by_time);
	feed_begin(&feed, sim.attached);
	for (size_t i = 0; i < all.n; i++) {
		const struct object_event *event = &all.events[i];
		uint64_t time = START + (uint64_t)(event->time * 1e9);

		if (event->death)
			track_object_died(feed.track, feed.life, SITE_GOROUTINE, event->key, ORIGIN,
					  time);
		else
			born(&feed, event->key, ORIGIN, (uint64_t)event->size, time);
	}
	feed_end(&feed, START + (uint64_t)(sim.span * 1e9));
	judge(&feed.model, NULL);
	if (feed.model.n_candidates) {
		*got = feed.model.candidates[0];
		verdict = got->verdict;
		assert_non_null(got->evidence);
		got->evidence = got->advice = NULL;
	}
	feed_free(&feed);
	free(all.events);
	sim_free(&sim);
	return verdict;
}

/* Bounds on a count of n: what a true share at the target itself stays within 99 times of 100. */
static double slack(double share, double n)
{
	return 2.326 * sqrt(share * (1 - share) * n);
}

/* The same targets as for the heap: 95 % of the leaks are found, at most 1 % of the innocents of
 * each kind is called one. */
static void test_kinds(void **state)
{
	double n = (double)seeds();
	size_t wrong = 0;

	(void)state;
	for (size_t kind = 0; kind < SIM_KINDS; kind++) {
		size_t leaks = 0, within = 0;
		bool bad;

		for (size_t seed = 0; seed < seeds(); seed++) {
			struct candidate got = {0};
			double growth;

			leaks += verdict_is_leak(judge_kind(kind, seed, &growth, &got));
			within += isnan(growth) ||
				  (growth >= got.growth_low && growth <= got.growth_high);
		}
		bad = (double)leaks > 0.01 * n + slack(0.01, n) + 0.5;
		if (sim_kinds[kind].leak)
			bad = (double)leaks < 0.95 * n - slack(0.95, n) ||
			      (double)within < 0.9 * n - slack(0.9, n);
		if (sim_kinds[kind].hard)
			bad = false;
		print_message("%-20s leaks %5.1f%%, growth within %5.1f%%%s\n",
			      sim_kinds[kind].name, 100.0 * (double)leaks / n,
			      100.0 * (double)within / n, bad ? ": out of its bounds" : "");
		wrong += bad;
	}
	assert_int_equal(wrong, 0);
}

/* What the lines say of goroutines. */
static void test_words(void **state)
{
	struct feed feed;
	const struct candidate *c;

	(void)state;
	feed_begin(&feed, false);
	for (uint64_t i = 0; i < 256; i++) {
		uint64_t time = START + i * 1000000000 + 500000000;

		born(&feed, 2 * i, 100, 2048, time);
		born(&feed, 2 * i + 1, 100, 2048, time);
		track_object_died(feed.track, feed.life, SITE_GOROUTINE, 2 * i, 0, time + 10000000);
	}
	feed_end(&feed, START + 256000000000u);
	judge(&feed.model, NULL);
	assert_int_equal(feed.model.n_candidates, 1);
	c = &feed.model.candidates[0];
	assert_int_equal(c->verdict, VERDICT_LEAK);
	assert_true(fabs(c->growth_objects - 3600) < 40);
	assert_int_equal(c->survivors, 256);
	assert_non_null(strstr(c->evidence, "256 of 512 goroutines alive; these were started in "));
	assert_non_null(strstr(c->evidence, "; none ended after age "));
	assert_non_null(strstr(c->advice, "a channel that nobody serves"));
	feed_free(&feed);
}

/*
 * Thousands that are never freed, at the pace of a real program on a busy machine: tens in each
 * slice of 32 ms.
 */
static void test_uneven_pace(void **state)
{
	static const char tens[] =
		"2211212222323323223233222222232323232323232322313322323213232323232323"
		"2323232323232323232323232323323232323232122212112222323222223232332333"
		"12212322322232332323232323223322";
	struct feed feed;
	uint64_t time = START, key = 0;

	(void)state;
	feed_begin(&feed, false);
	for (size_t i = 0; tens[i]; i++, time += 32000000)
		for (uint64_t k = 0; k < 10 * (uint64_t)(tens[i] - '0'); k++)
			born(&feed, ++key, 100, 1000, time + k * 500000);
	feed_end(&feed, time);
	judge(&feed.model, NULL);
	assert_int_equal(feed.model.candidates[0].verdict, VERDICT_LEAK);
	feed_free(&feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_end_of_slices),
		cmocka_unit_test(test_shrunk_and_replaced),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_uneven_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
