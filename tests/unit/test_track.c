#include "tests/unit/track_bench.h"

/* ---- Lives of objects, against a plain reckoning ---------------------------------------- */

#define SITES  4
#define CYCLES 4000
#define MOST   (CYCLES * 8)

struct truth {
	uint32_t site;
	uint64_t size, p, time;
	uint32_t born, died; /* cycles; died UINT32_MAX: alive */
};

/* Runs a program of so many cycles through track; returns its objects in truth. */
static size_t simulate(struct bench *bench, struct truth *truth, uint64_t *ends, uint32_t cycles)
{
	uint64_t seed = 0x2545f4914f6cdd1du, time = 1000, next_p = 0xc000000000u;
	static uint64_t free_list[MOST];
	size_t n = 0, n_free = 0, n_alive = 0;
	static size_t alive[MOST];

	for (uint32_t cycle = 0; cycle < cycles; cycle++) {
		unsigned births = (unsigned)(next_random(&seed) % 8);
		size_t kept = 0;

		/* The sweep of what the mark before found dead. */
		for (size_t i = 0; i < n_alive; i++) {
			struct truth *object = &truth[alive[i]];
			/* Site 0 leaks; the others die at different paces. */
			bool dies = object->born < cycle && object->site &&
				    next_random(&seed) % (object->site * 3u) == 0;

			if (!dies) {
				alive[kept++] = alive[i];
				continue;
			}
			object->died = cycle;
			death(bench, time += 10, object->p, 0x1000 + object->site * 16,
			      object->size, cycle);
			free_list[n_free++] = object->p;
		}
		n_alive = kept;
		while (births--) {
			struct truth *object = &truth[n];
			uint32_t site = (uint32_t)(next_random(&seed) % SITES);

			*object = (struct truth){
				.site = site,
				.size = 64u << site,
				.p = n_free ? free_list[--n_free] : (next_p += 64),
				.time = time += 10,
				.born = cycle,
				.died = UINT32_MAX,
			};
			birth(bench, object->time, object->p, 0x1000 + site * 16, object->size,
			      cycle);
			alive[n_alive++] = n++;
		}
		mark_term(bench, ends[cycle] = time += 10, cycle);
	}
	return n;
}

/* Distinct birth cycles among a site's objects alive at the end of a cycle. */
static uint32_t true_generations(const struct truth *truth, size_t n, uint32_t site, uint32_t at)
{
	uint32_t count = 0, last = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct truth *object = &truth[i];

		if (object->site != site || object->born > at || object->died <= at ||
		    object->born == last)
			continue;
		last = object->born; /* objects are in the order of their births */
		count++;
	}
	return count;
}

static void check_epochs(const struct model *model, const struct site *site, uint32_t id,
			 const struct truth *truth, size_t n)
{
	const struct process *process = &model->processes[0];

	for (size_t e = 0; e < process->n_epochs; e++) {
		const struct epoch *epoch = &process->epochs[e];
		uint32_t born = 0, died = 0, alive = 0;

		for (size_t i = 0; i < n; i++) {
			bool here = truth[i].site == id && truth[i].born >= epoch->first_cycle &&
				    truth[i].born <= epoch->last_cycle;

			born += here;
			alive += here && truth[i].died == UINT32_MAX;
			died += truth[i].site == id && truth[i].died >= epoch->first_cycle &&
				truth[i].died <= epoch->last_cycle;
		}
		assert_int_equal(site->born[e].objects, born);
		assert_int_equal(site->died[e].objects, died);
		assert_int_equal(site->alive ? site->alive[e].objects : 0, alive);
		assert_true(fabs(site->born[e].est_bytes - born * weight_of(site->min_size)) <
			    1e-3);
		assert_int_equal(site->generations[e],
				 true_generations(truth, n, id, (uint32_t)epoch->last_cycle));
	}
}

static void check_site(const struct model *model, uint32_t id, const struct truth *truth, size_t n,
		       uint32_t now)
{
	const struct site *site = site_at(model, (0x1000 + id * 16) / 16);
	uint64_t died_at[MODEL_AGES] = {0}, live_at[MODEL_AGES] = {0}, births = 0, live = 0;
	uint64_t oldest = 0;

	assert_non_null(site);
	for (size_t i = 0; i < n; i++) {
		uint32_t age = (truth[i].died == UINT32_MAX ? now : truth[i].died) - truth[i].born;

		if (truth[i].site != id)
			continue;
		age = age < MODEL_AGES - 1 ? age : MODEL_AGES - 1;
		births++;
		if (truth[i].died != UINT32_MAX) {
			died_at[age]++;
			continue;
		}
		live++;
		live_at[age]++;
		if (!oldest || truth[i].time < oldest)
			oldest = truth[i].time;
	}
	assert_int_equal(site->births, births);
	assert_int_equal(site->deaths, births - live);
	assert_int_equal(site->live, live);
	assert_int_equal(site->live_sampled_bytes, live * (64u << id));
	assert_int_equal(site->oldest_live, oldest);
	assert_memory_equal(site->died_at_age, died_at, sizeof(died_at));
	assert_memory_equal(site->live_at_age, live_at, sizeof(live_at));
	assert_true(fabs(site->est_live_bytes - (double)live * weight_of(64u << id)) < 1e-3);
	check_epochs(model, site, id, truth, n);
}

static void run_simulation(uint32_t cycles, uint32_t width)
{
	static struct truth truth[MOST];
	static uint64_t ends[CYCLES];
	struct bench bench;
	struct process *process;
	size_t n;

	bench_open(&bench, 0, 0);
	n = simulate(&bench, truth, ends, cycles);
	track_finish(bench.track);
	process = &bench.model.processes[0];
	assert_int_equal(bench.model.births, n);
	assert_int_equal(bench.model.lost_deaths, 0);
	assert_int_equal(bench.model.unmatched_deaths, 0);
	assert_int_equal(bench.model.duplicates, 0);
	assert_true(process->n_epochs <= MODEL_MAX_EPOCHS);
	for (size_t e = 0; e < process->n_epochs; e++) {
		assert_int_equal(process->epochs[e].first_cycle, e * width);
		if (e + 1 < process->n_epochs)
			assert_int_equal(process->epochs[e].last_cycle, e * width + width - 1);
		if (e + 1 < process->n_epochs)
			assert_int_equal(process->epochs[e].end_time, ends[e * width + width - 1]);
	}
	assert_int_equal(process->epochs[process->n_epochs - 1].last_cycle, cycles);
	for (uint32_t id = 0; id < SITES; id++)
		check_site(&bench.model, id, truth, n, cycles);
	bench_close(&bench);
}

static void test_one_cycle_an_epoch(void **state)
{
	(void)state;
	run_simulation(200, 1);
}

static void test_epochs_are_merged(void **state)
{
	(void)state;
	run_simulation(1023, 1);
	run_simulation(1024, 2); /* cycles 0..1024, with the one in progress */
	run_simulation(CYCLES, 4);
}

static void test_epoch_ends(void **state)
{
	struct bench bench;
	struct epoch *epochs;

	(void)state;
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 7);
	mark_term(&bench, 20, 7);
	mark_term(&bench, 20, 7); /* hit twice */
	birth(&bench, 30, 0x20, 0x1000, 64, 8);
	birth(&bench, 40, 0x30, 0x1000, 64, 9); /* the mark termination was lost */
	mark_term(&bench, 50, 9);
	track_finish(bench.track);
	epochs = bench.model.processes[0].epochs;
	assert_int_equal(bench.model.processes[0].n_epochs, 4);
	assert_int_equal(epochs[0].first_cycle, 7);
	assert_int_equal(epochs[0].end_time, 20);
	assert_int_equal(epochs[1].end_time, 40);
	assert_int_equal(epochs[2].end_time, 50);
	assert_int_equal(epochs[3].end_time, 0);
	bench_close(&bench);
}

/* A site at which nothing happens while epochs are merged keeps what it has. */
static void test_idle_site(void **state)
{
	const struct site *site;
	struct bench bench;
	size_t n;

	(void)state;
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 0);
	birth(&bench, 11, 0x20, 0x1000, 64, 0);
	for (uint32_t cycle = 0; cycle < 5000; cycle++) {
		birth(&bench, 20 + cycle * 10, 0x1000 + cycle * 16, 0x1010, 64, cycle);
		mark_term(&bench, 25 + cycle * 10, cycle);
		if (cycle == 3000)
			birth(&bench, 26 + cycle * 10, 0x30, 0x1000, 64, cycle + 1);
	}
	track_finish(bench.track);
	site = site_at(&bench.model, 0x100);
	n = bench.model.processes[0].n_epochs;
	for (size_t e = 0; e < n; e++)
		assert_int_equal(site->generations[e],
				 bench.model.processes[0].epochs[e].last_cycle > 3000 ? 2 : 1);
	site = site_at(&bench.model, 0x101);
	assert_int_equal(site->generations[n - 1], 5000);
	bench_close(&bench);
}

/* A cycle that no process can have reached is not believed. */
static void test_wild_cycle(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 5);
	birth(&bench, 20, 0x20, 0x1000, 64, 0x7fffffff);
	birth(&bench, 30, 0x30, 0x1000, 64, 2);
	birth(&bench, 40, 0x40, 0x1000, 64, 6);
	track_finish(bench.track);
	assert_int_equal(bench.model.processes[0].n_epochs, 2);
	assert_int_equal(bench.model.sites[0].born[0].objects, 3);
	assert_int_equal(bench.model.sites[0].born[1].objects, 1);
	bench_close(&bench);
}

/* ---- Events that are not what they seem ------------------------------------------------- */

static void test_duplicates(void **state)
{
	struct event event;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	birth(&bench, 11, 0x10, 0x1000, 64, 1); /* the same in all */
	assert_int_equal(bench.model.duplicates, 1);
	assert_int_equal(bench.model.births, 1);

	event = birth_event(12, 0x10, 0x1000, 64, 1);
	event.tid++; /* of another thread: another birth */
	track_event(bench.track, &event);
	event = birth_event(13, 0x10, 0x1000, 64, 1);
	event.tid++;
	put(&event, FIELD_GOID, 2); /* of another goroutine */
	track_event(bench.track, &event);
	birth(&bench, 14, 0x10, 0x1010, 64, 1); /* of another bucket */
	birth(&bench, 15, 0x10, 0x1010, 64, 2); /* in another cycle */
	assert_int_equal(bench.model.duplicates, 1);
	assert_int_equal(bench.model.births, 5);
	assert_int_equal(bench.model.lost_deaths, 4);

	event = birth_event(16, 0x10, 0x1010, 64, 2);
	event.has &= ~EVENT_HAS(FIELD_CYCLE); /* nothing proves it */
	track_event(bench.track, &event);
	assert_int_equal(bench.model.duplicates, 1);

	death(&bench, 17, 0x10, 0x1010, 64, 3);
	birth(&bench, 18, 0x10, 0x1010, 64, 3);
	assert_int_equal(bench.model.duplicates, 1);
	track_finish(bench.track);
	assert_int_equal(bench.model.births, 7);
	assert_int_equal(site_at(&bench.model, 0x100)->live, 0);
	assert_int_equal(site_at(&bench.model, 0x101)->live, 1);
	bench_close(&bench);
}

static void test_lost_and_unmatched(void **state)
{
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	/* The death of another bucket's object at its place: two events are missing. */
	death(&bench, 20, 0x10, 0x1010, 128, 3);
	/* Of a known bucket, of one never seen, and with no bucket at all. */
	death(&bench, 30, 0x999, 0x1000, 64, 3);
	death(&bench, 40, 0x998, 0x2000, 256, 4);
	{
		struct event event = event_at(EVENT_DEATH, 50, PID);

		put(&event, FIELD_P, 0x997);
		track_event(bench.track, &event);
	}
	bucket_note(&bench, 60, 0x2000, 256, (uint64_t[]){0x77, 0x78}, 2);
	track_finish(bench.track);
	assert_int_equal(bench.model.deaths, 4);
	assert_int_equal(bench.model.unmatched_deaths, 4);
	assert_int_equal(bench.model.lost_deaths, 1);

	site = site_at(&bench.model, 0x100);
	assert_int_equal(site->births, 1);
	assert_int_equal(site->deaths, 1);
	assert_int_equal(site->unmatched_deaths, 1);
	assert_int_equal(site->live, 0);
	/* Epoch 0 is cycle 1. */
	assert_int_equal(site->died[2].objects, 1);
	assert_int_equal(site->died_unseen[2].objects, 1);

	site = site_at(&bench.model, 0x77);
	assert_non_null(site);
	assert_int_equal(site->unmatched_deaths, 1);
	assert_int_equal(site->died_unseen[3].objects, 1);
	assert_true(fabs(site->died_unseen[3].est_bytes - weight_of(256)) < 1e-6);
	assert_int_equal(site->births, 0);
	bench_close(&bench);
}

static void special(struct bench *bench, uint64_t p, uint64_t b, uint64_t kind)
{
	struct event event = death_event(100, p, b, 64, 3);

	put(&event, FIELD_KIND, kind);
	track_event(bench->track, &event);
}

static uint64_t deaths_of_kind(const char *version, uint64_t kind)
{
	struct bench bench;
	uint64_t deaths;

	bench_open(&bench, 0, 0);
	process_note(&bench, 1, version, false, 524288);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	special(&bench, 0x10, 0x1000, kind);
	deaths = bench.model.deaths;
	bench_close(&bench);
	return deaths;
}

static void test_special_kinds(void **state)
{
	static const struct {
		const char *version;
		uint64_t kind;
	} known[] = {
		{"go1.15.15", 2},	  {"go1.22.12", 2}, {"go1.23", 3},
		{"go1.24.4", 3},	  {"go1.25.1", 4},  {"go1.27.4", 4},
		{"devel go1.28-3f2c", 4},
	};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		for (uint64_t kind = 1; kind <= 10; kind++)
			assert_int_equal(deaths_of_kind(known[i].version, kind),
					 kind == known[i].kind);

	/* Of an unknown version: what names a known bucket is a sample. */
	bench_open(&bench, 0, 0);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	special(&bench, 0x10, 0xdeadbeef, 1);
	assert_int_equal(bench.model.deaths, 0);
	special(&bench, 0x10, 0x1000, 2);
	assert_int_equal(bench.model.deaths, 1);
	/* That told which kind it is. */
	special(&bench, 0x20, 0x1000, 1);
	assert_int_equal(bench.model.deaths, 1);
	special(&bench, 0x20, 0x2000, 2);
	assert_int_equal(bench.model.deaths, 2);
	bench_close(&bench);
}

static void test_cycle_word(void **state)
{
	struct event event;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.18.1", false, 524288);
	event = birth_event(10, 0x10, 0x1000, 64, 0);
	put(&event, FIELD_CYCLE, 9);
	track_event(bench.track, &event);
	track_finish(bench.track);
	assert_int_equal(bench.model.processes[0].epochs[0].first_cycle, 9);
	bench_close(&bench);

	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.19.8", false, 524288);
	event = birth_event(10, 0x10, 0x1000, 64, 0);
	put(&event, FIELD_CYCLE, 9);
	track_event(bench.track, &event);
	track_finish(bench.track);
	assert_int_equal(bench.model.processes[0].epochs[0].first_cycle, 4);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_cycle_an_epoch), cmocka_unit_test(test_epochs_are_merged),
		cmocka_unit_test(test_epoch_ends),	   cmocka_unit_test(test_idle_site),
		cmocka_unit_test(test_wild_cycle),	   cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_lost_and_unmatched), cmocka_unit_test(test_special_kinds),
		cmocka_unit_test(test_cycle_word),
	};

	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
