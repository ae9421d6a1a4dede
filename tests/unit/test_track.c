#include "analyze/track.h"

#include "analyze/tablecheck.h"
#include "formats/xalloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PID 100u
#define MS  1000000u

/* ---- Making events ---------------------------------------------------------------------- */

struct bench {
	struct model model;
	struct track *track;
};

static void bench_open(struct bench *bench, uint64_t from, uint64_t to)
{
	model_init(&bench->model);
	bench->track = track_new(&bench->model, &(struct track_options){from, to});
}

static void bench_close(struct bench *bench)
{
	track_free(bench->track);
	model_free(&bench->model);
}

static struct event event_at(enum event_kind kind, uint64_t time, uint32_t pid)
{
	return (struct event){.kind = kind, .time = time, .pid = pid, .tid = pid};
}

static void put(struct event *event, enum event_field field, uint64_t value)
{
	event->has |= EVENT_HAS(field);
	event->v[field] = value;
}

/* The cycle as the runtime of 1.19 and later has it in memory. */
static uint64_t raw_cycle(uint64_t cycle)
{
	return cycle << 1 | 1;
}

/* Bucket b has the stack {b / 16, 1, 2}: buckets that differ in the low digit share it. */
static uint64_t *stack_of(uint64_t b)
{
	static uint64_t stack[3];

	stack[0] = b / 16;
	stack[1] = 1;
	stack[2] = 2;
	return stack;
}

static struct event birth_event(uint64_t time, uint64_t p, uint64_t b, uint64_t size,
				uint64_t cycle)
{
	struct event event = event_at(EVENT_BIRTH, time, PID);

	put(&event, FIELD_P, p);
	put(&event, FIELD_B, b);
	put(&event, FIELD_SIZE, size);
	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	put(&event, FIELD_NSTK, 3);
	put(&event, FIELD_GOID, 1);
	event.stack = stack_of(b);
	event.n_stack = 3;
	event.stack_from_bucket = true;
	return event;
}

static void birth(struct bench *bench, uint64_t time, uint64_t p, uint64_t b, uint64_t size,
		  uint64_t cycle)
{
	struct event event = birth_event(time, p, b, size, cycle);

	track_event(bench->track, &event);
}

static struct event death_event(uint64_t time, uint64_t p, uint64_t b, uint64_t size,
				uint64_t cycle)
{
	struct event event = event_at(EVENT_DEATH, time, PID);

	put(&event, FIELD_P, p);
	put(&event, FIELD_B, b);
	put(&event, FIELD_SIZE, size);
	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	return event;
}

static void death(struct bench *bench, uint64_t time, uint64_t p, uint64_t b, uint64_t size,
		  uint64_t cycle)
{
	struct event event = death_event(time, p, b, size, cycle);

	track_event(bench->track, &event);
}

static void mark_term(struct bench *bench, uint64_t time, uint64_t cycle)
{
	struct event event = event_at(EVENT_GC_MARK_TERM, time, PID);

	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	track_event(bench->track, &event);
}

static void process_note(struct bench *bench, uint64_t time, const char *version, bool attached,
			 uint64_t rate)
{
	struct event event = event_at(EVENT_NOTE, time, 1);

	event.note.kind = NOTE_PROCESS;
	event.note.process = (struct note_process){
		.pid = PID,
		.exe = "/bin/target",
		.go_version = version,
		.attached = attached,
		.mem_profile_rate = rate,
	};
	track_event(bench->track, &event);
}

static void bucket_note(struct bench *bench, uint64_t time, uint64_t b, uint64_t size,
			const uint64_t *stack, size_t n)
{
	struct event event = event_at(EVENT_NOTE, time, 1);

	event.note.kind = NOTE_BUCKET;
	event.note.bucket = (struct note_bucket){
		.pid = PID, .address = b, .size = size, .stack = stack, .n_stack = n};
	track_event(bench->track, &event);
}

/* The site whose innermost address is pc; NULL where there is none. */
static const struct site *site_at(const struct model *model, uint64_t pc)
{
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct stack *stack = &model->stacks[model->sites[i].stack];

		if (stack->n && stack->pcs[0] == pc)
			return &model->sites[i];
	}
	return NULL;
}

/* ---- Lives of objects, against a plain reckoning ---------------------------------------- */

#define SITES  4
#define CYCLES 4000
#define MOST   (CYCLES * 8)

struct truth {
	uint32_t site;
	uint64_t size, p, time;
	uint32_t born, died; /* cycles; died UINT32_MAX: alive */
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Runs a program of so many cycles through track; returns its objects in truth. */
static size_t simulate(struct bench *bench, struct truth *truth, uint32_t cycles)
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
		mark_term(bench, time += 10, cycle);
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

static double weight_of(uint64_t size)
{
	return (double)size / (1 - exp(-(double)size / 524288.0));
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
	struct bench bench;
	struct process *process;
	size_t n;

	bench_open(&bench, 0, 0);
	n = simulate(&bench, truth, cycles);
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

/* ---- Sites ------------------------------------------------------------------------------ */

static void test_site_is_a_stack(void **state)
{
	const struct site *site;
	struct event event;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	/* Two buckets of one stack, that is two sizes; the same stack in another process. */
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	birth(&bench, 20, 0x20, 0x1001, 4096, 1);
	event = birth_event(30, 0x10, 0x1000, 64, 1);
	event.pid = event.tid = PID + 1;
	track_event(bench.track, &event);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_sites, 2);
	assert_int_equal(bench.model.n_processes, 2);
	/* Neither its beginning nor its rate is known. */
	assert_true(bench.model.processes[0].attached);
	assert_int_equal(bench.model.processes[0].mem_profile_rate, 524288);
	site = &bench.model.sites[0];
	assert_int_equal(site->births, 2);
	assert_int_equal(site->min_size, 64);
	assert_int_equal(site->max_size, 4096);
	assert_int_equal(site->generations[0], 1);
	assert_int_equal(bench.model.sites[1].process, 1);
	assert_int_equal(bench.model.sites[1].stack, site->stack);
	bench_close(&bench);
}

/* A birth that holds only the beginning of its stack. */
static void deep_birth(struct bench *bench, uint64_t time, uint64_t p, uint64_t b, uint64_t cycle)
{
	struct event event = birth_event(time, p, b, 64, cycle);

	put(&event, FIELD_NSTK, 5);
	track_event(bench->track, &event);
}

static void test_deep_stacks(void **state)
{
	uint64_t one[] = {0x100, 1, 2, 31, 32}, other[] = {0x100, 1, 2, 41, 42};
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	/* Three buckets whose stacks begin alike; the first and the last are one site. */
	deep_birth(&bench, 10, 0x10, 0x1001, 1);
	deep_birth(&bench, 11, 0x20, 0x1002, 1);
	deep_birth(&bench, 12, 0x30, 0x1003, 1);
	death(&bench, 13, 0x10, 0x1001, 64, 2);
	deep_birth(&bench, 14, 0x40, 0x1003, 2);
	deep_birth(&bench, 15, 0x50, 0x1003, 3);
	bucket_note(&bench, 20, 0x1001, 64, one, 5);
	bucket_note(&bench, 21, 0x1002, 64, other, 5);
	bucket_note(&bench, 22, 0x1003, 64, one, 5);
	bucket_note(&bench, 22, 0x1003, 64, one, 5);
	deep_birth(&bench, 30, 0x60, 0x1003, 4);
	death(&bench, 31, 0x30, 0x1003, 64, 4);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_sites, 2);
	site = &bench.model.sites[0];
	assert_int_equal(bench.model.stacks[site->stack].n, 5);
	assert_int_equal(bench.model.stacks[site->stack].pcs[4], 32);
	assert_int_equal(site->births, 5);
	assert_int_equal(site->deaths, 2);
	assert_int_equal(site->live, 3);
	assert_int_equal(site->born[0].objects, 2);
	assert_int_equal(site->died[1].objects, 1);
	assert_int_equal(site->died[3].objects, 1);
	assert_int_equal(site->generations[1], 2); /* births of cycles 1 and 2 */
	assert_int_equal(site->generations[3], 3); /* of 2, 3, 4 */
	assert_int_equal(bench.model.sites[1].births, 1);
	assert_int_equal(bench.model.stacks[bench.model.sites[1].stack].pcs[4], 42);
	bench_close(&bench);
}

/* The rate changes while the stack is not known: the bucket's generations stay one site. */
static void test_deep_stack_and_rate(void **state)
{
	uint64_t stack[] = {0x100, 1, 2, 31, 32};
	struct bench bench;

	(void)state;
	for (int note = 0; note < 2; note++) {
		bench_open(&bench, 0, 0);
		deep_birth(&bench, 10, 0x10, 0x1001, 1);
		process_note(&bench, 11, "go1.27", false, 4096);
		deep_birth(&bench, 12, 0x20, 0x1001, 1);
		process_note(&bench, 13, "go1.27", false, 8192);
		deep_birth(&bench, 14, 0x30, 0x1001, 1);
		if (note)
			bucket_note(&bench, 15, 0x1001, 64, stack, 5);
		death(&bench, 16, 0x20, 0x1001, 64, 2);
		track_finish(bench.track);
		assert_int_equal(bench.model.n_sites, 1);
		assert_int_equal(bench.model.sites[0].births, 3);
		assert_int_equal(bench.model.sites[0].live, 2);
		bench_close(&bench);
	}
}

/* With no note at all the beginning of the stack has to do: equal beginnings are one site. */
static void test_deep_stacks_without_notes(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	deep_birth(&bench, 10, 0x10, 0x1001, 1);
	deep_birth(&bench, 11, 0x20, 0x1002, 1);
	deep_birth(&bench, 12, 0x30, 0x1011, 2);
	death(&bench, 13, 0x20, 0x1002, 64, 2);
	track_finish(bench.track);
	assert_int_equal(bench.model.n_sites, 2);
	assert_int_equal(site_at(&bench.model, 0x100)->births, 2);
	assert_int_equal(site_at(&bench.model, 0x100)->live, 1);
	assert_int_equal(site_at(&bench.model, 0x100)->alive[0].objects, 1);
	assert_int_equal(site_at(&bench.model, 0x101)->live, 1);
	bench_close(&bench);
}

/* A birth that names no bucket is known by its stack and size. */
static void test_no_buckets(void **state)
{
	struct event event;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	for (uint64_t i = 0; i < 6; i++) {
		event = birth_event(10 + i, 0x10 + i, 0x1000 + 16 * (i % 2), 64 << i % 3, 1);
		put(&event, FIELD_B, 0);
		event.has &= ~EVENT_HAS(FIELD_B);
		track_event(bench.track, &event);
	}
	track_finish(bench.track);
	assert_int_equal(bench.model.n_sites, 2);
	assert_int_equal(bench.model.sites[0].live, 3);
	assert_int_equal(bench.model.sites[0].live_sampled_bytes, 64 + 128 + 256);
	bench_close(&bench);
}

static double weight_at(uint64_t size, double rate)
{
	return (double)size / (1 - exp(-(double)size / rate));
}

static void test_rate(void **state)
{
	struct event end = event_at(EVENT_GC_END, 20, PID);
	const struct site *site;
	struct bench bench;
	double p;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", false, 0); /* not initialised yet: the default */
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	put(&end, FIELD_RATE, 4096);
	put(&end, FIELD_CYCLE, raw_cycle(2));
	track_event(bench.track, &end);
	birth(&bench, 30, 0x20, 0x1000, 64, 2);
	birth(&bench, 31, 0x30, 0x1000, 64, 2);
	death(&bench, 40, 0x10, 0x1000, 64, 3); /* weighs what it weighed when it was born */
	death(&bench, 41, 0x20, 0x1000, 64, 3);
	track_finish(bench.track);
	site = &bench.model.sites[0];
	assert_int_equal(bench.model.processes[0].mem_profile_rate, 4096);
	assert_false(bench.model.processes[0].attached);
	assert_true(fabs(site->born[0].est_bytes - weight_of(64)) < 1e-6);
	assert_true(fabs(site->born[1].est_bytes - 2 * weight_at(64, 4096)) < 1e-6);
	assert_true(fabs(site->died[2].est_bytes - weight_of(64) - weight_at(64, 4096)) < 1e-6);
	assert_true(fabs(site->est_live_bytes - weight_at(64, 4096)) < 1e-6);
	assert_true(fabs(site->est_live_objects - weight_at(64, 4096) / 64) < 1e-9);
	p = 1 - exp(-64.0 / 4096);
	assert_true(fabs(site->est_live_variance / (64.0 * 64 * (1 - p) / (p * p)) - 1) < 1e-9);
	bench_close(&bench);

	/* Rate 1: every allocation is sampled, and stands for itself. */
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", false, 1);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	track_finish(bench.track);
	assert_true(bench.model.sites[0].est_live_bytes == 64);
	assert_true(bench.model.sites[0].est_live_variance == 0);
	bench_close(&bench);
}

/* ---- Processes -------------------------------------------------------------------------- */

static void lifecycle(struct bench *bench, enum event_kind kind, uint64_t time, uint32_t pid,
		      uint32_t tid, uint32_t parent, const char *comm)
{
	struct event event = event_at(kind, time, pid);

	event.tid = tid;
	if (kind == EVENT_COMM || kind == EVENT_EXEC)
		event.comm.comm = comm;
	else
		event.fork.parent_pid = parent;
	track_event(bench->track, &event);
}

static void test_process_lives(void **state)
{
	struct process *process;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	lifecycle(&bench, EVENT_FORK, 5, PID, PID, 1, NULL);
	lifecycle(&bench, EVENT_EXEC, 6, PID, PID, 0, "first");
	lifecycle(&bench, EVENT_COMM, 7, PID, PID + 5, 0, "thread");
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	lifecycle(&bench, EVENT_EXIT, 11, PID, PID + 5, 1, NULL); /* a thread */
	/* A new program in the same process: its heap is empty, its buckets are others. */
	lifecycle(&bench, EVENT_EXEC, 20, PID, PID, 0, "second");
	birth(&bench, 30, 0x10, 0x1000, 64, 0);
	birth(&bench, 31, 0x20, 0x1000, 64, 0);
	lifecycle(&bench, EVENT_EXIT, 35, PID, PID, 1, NULL);
	death(&bench, 36, 0x10, 0x1000, 64, 1); /* only the first thread had ended */
	birth(&bench, 37, 0x10, 0x1000, 64, 1);
	lifecycle(&bench, EVENT_EXIT, 40, PID, PID, 1, NULL);
	bucket_note(&bench, 45, 0x1000, 64, stack_of(0x1000), 3); /* what was left to tell */
	/* The pid is given out again. */
	lifecycle(&bench, EVENT_FORK, 50, PID, PID, 1, NULL);
	birth(&bench, 60, 0x20, 0x1000, 64, 0);
	/* Processes nothing happens in leave no trace. */
	for (uint32_t pid = 1000; pid < 3000; pid++) {
		lifecycle(&bench, EVENT_FORK, 70, pid, pid, 1, NULL);
		lifecycle(&bench, EVENT_EXEC, 71, pid, pid, 1, "other");
		lifecycle(&bench, EVENT_EXIT, 72, pid, pid, 1, NULL);
	}
	track_finish(bench.track);
	assert_int_equal(bench.model.n_processes, 3);
	assert_int_equal(bench.model.lost_deaths, 0);
	process = bench.model.processes;
	assert_string_equal(process[0].comm, "first");
	assert_int_equal(process[0].start, 6);
	assert_int_equal(process[0].end, 20);
	assert_string_equal(process[1].comm, "second");
	assert_int_equal(process[1].start, 20);
	assert_int_equal(process[1].end, 40);
	assert_int_equal(process[2].start, 50);
	assert_int_equal(process[2].end, 0);
	assert_int_equal(bench.model.n_sites, 3);
	assert_int_equal(bench.model.sites[0].live, 1);
	assert_int_equal(bench.model.sites[1].live, 2);
	assert_int_equal(bench.model.sites[2].live, 1);
	bench_close(&bench);
}

static void test_window(void **state)
{
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 100, 200);
	birth(&bench, 50, 0x10, 0x1000, 64, 1);
	birth(&bench, 100, 0x20, 0x1000, 64, 1);
	death(&bench, 150, 0x10, 0x1000, 64, 2);
	birth(&bench, 200, 0x30, 0x1000, 64, 2);
	death(&bench, 250, 0x20, 0x1000, 64, 3);
	track_finish(bench.track);
	site = site_at(&bench.model, 0x100);
	assert_int_equal(site->births, 2);
	assert_int_equal(site->deaths, 0);
	assert_int_equal(site->unmatched_deaths, 1);
	assert_int_equal(site->live, 2);
	assert_true(bench.model.processes[0].attached);
	assert_int_equal(bench.model.first_time, 100);
	assert_int_equal(bench.model.last_time, 200);
	bench_close(&bench);
}

/* ---- GC cycles -------------------------------------------------------------------------- */

static void gc_end(struct bench *bench, uint64_t time, uint64_t number, uint64_t cycle)
{
	struct event event = event_at(EVENT_GC_END, time, PID);

	put(&event, FIELD_NUMGC, number);
	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	put(&event, FIELD_SWEEP_TERM, time - 40);
	put(&event, FIELD_MARK, time - 30);
	put(&event, FIELD_MARK_TERM, time - 20);
	put(&event, FIELD_END, time - 10);
	put(&event, FIELD_HEAP0, 4000 + number);
	put(&event, FIELD_HEAP1, 5000 + number);
	put(&event, FIELD_HEAP2, 2000 + number);
	put(&event, FIELD_GOAL, number == 4 ? UINT64_MAX : 8000 + number);
	if (number == 1)
		put(&event, FIELD_NEXT_GOAL, 9001);
	put(&event, FIELD_FORCED, 0xff00 | (number == 2));
	put(&event, FIELD_PROCS, 2);
	track_event(bench->track, &event);
}

static void gc_start(struct bench *bench, uint64_t time, uint64_t number)
{
	struct event event = event_at(EVENT_GC_START, time, PID);

	put(&event, FIELD_CYCLES, number);
	put(&event, FIELD_LIVE, 4100);
	put(&event, FIELD_GOAL, 8100);
	track_event(bench->track, &event);
}

static void test_gc_cycles(void **state)
{
	struct gc_cycle *cycles;
	struct epoch *epochs;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	gc_start(&bench, 1060, 1);
	gc_start(&bench, 1061, 1); /* hit twice */
	mark_term(&bench, 1079, 0);
	gc_end(&bench, 1100, 1, 1);
	gc_end(&bench, 1101, 1, 1); /* hit twice */
	gc_start(&bench, 2060, 2);
	mark_term(&bench, 2079, 1);
	gc_end(&bench, 2100, 2, 2);
	gc_start(&bench, 3060, 3); /* its end is lost */
	mark_term(&bench, 3079, 2);
	gc_start(&bench, 4060, 4);
	mark_term(&bench, 4079, 3);
	gc_end(&bench, 4100, 4, 4); /* GOGC=off: no goal */
	gc_start(&bench, 5060, 5);  /* the trace ends within it */
	track_finish(bench.track);
	assert_int_equal(bench.model.n_cycles, 4);
	assert_int_equal(bench.model.cycles[3].goal, 0);
	cycles = bench.model.cycles;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(cycles[i].number, i + 1);
		assert_int_equal(cycles[i].prof_cycle, i + 1);
		assert_int_equal(cycles[i].start, 1060 + i * 1000);
	}
	assert_int_equal(cycles[1].mark, 2070);
	assert_int_equal(cycles[1].mark_term, 2080);
	assert_int_equal(cycles[1].end, 2090);
	assert_int_equal(cycles[1].heap0, 4002);
	assert_int_equal(cycles[1].heap1, 5002);
	assert_int_equal(cycles[1].heap2, 2002);
	assert_int_equal(cycles[1].goal, 8002);
	assert_true(cycles[1].forced);
	assert_false(cycles[0].forced);
	assert_int_equal(cycles[1].procs, 2);
	assert_int_equal(cycles[2].mark_term, 3079);
	assert_int_equal(cycles[2].end, 0);
	assert_int_equal(cycles[2].heap0, 4100);
	epochs = bench.model.processes[0].epochs;
	assert_int_equal(epochs[0].heap_live, 2001);
	assert_int_equal(epochs[0].heap_goal, 9001);
	assert_int_equal(epochs[1].heap_live, 2002);
	assert_int_equal(epochs[1].heap_goal, 8002);
	assert_int_equal(epochs[0].end_time, 1079);
	bench_close(&bench);
}

/* ---- Mappings --------------------------------------------------------------------------- */

static void call(struct bench *bench, uint64_t time, enum event_syscall which, int64_t result,
		 uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct event event = event_at(EVENT_SYSCALL_ENTER, time, PID);

	event.syscall.call = which;
	event.syscall.args[0] = a;
	event.syscall.args[1] = b;
	event.syscall.args[2] = c;
	event.syscall.args[3] = d;
	track_event(bench->track, &event);
	event.kind = EVENT_SYSCALL_EXIT;
	event.syscall.result = result;
	track_event(bench->track, &event);
}

#define FIXED 0x10

static void map_at(struct bench *bench, uint64_t at, uint64_t len, uint64_t flags)
{
	call(bench, 10, SYSCALL_MMAP, (int64_t)at, flags ? at : 0, len, 3, flags | 0x22);
}

static void test_mappings(void **state)
{
	struct process *process;
	struct bench bench;
	struct event event;
	int64_t sum = 0;

	(void)state;
	bench_open(&bench, 0, 0);
	lifecycle(&bench, EVENT_EXEC, 1, PID, PID, 0, "target");
	map_at(&bench, 0x100000, 0x10000, 0);
	process = bench.model.processes;
	assert_int_equal(process->mapped_net, 0x10000);
	map_at(&bench, 0x104000, 0x4000, FIXED); /* over what is there: nothing new */
	assert_int_equal(process->mapped_net, 0x10000);
	map_at(&bench, 0x10f000, 0x2000, FIXED); /* half of it new */
	assert_int_equal(process->mapped_net, 0x11000);
	map_at(&bench, 0x200000, 1, 0); /* a page at least */
	assert_int_equal(process->mapped_net, 0x12000);
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0x101000, 0x2000, 0, 0); /* a hole */
	assert_int_equal(process->mapped_net, 0x10000);
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0x100000, 0x4000, 0, 0); /* around the hole */
	assert_int_equal(process->mapped_net, 0xe000);
	call(&bench, 20, SYSCALL_MUNMAP, -22, 0x104000, 0x4000, 0, 0); /* fails */
	call(&bench, 20, SYSCALL_MMAP, -12, 0, 0x4000, 3, 0x22);
	assert_int_equal(process->mapped_net, 0xe000);
	assert_int_equal(process->mmap_calls, 4);
	assert_int_equal(process->munmap_calls, 2);
	call(&bench, 20, SYSCALL_MREMAP, 0x300000, 0x200000, 0x1000, 0x3000, 1);
	assert_int_equal(process->mapped_net, 0x10000);
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0, 0x1000000, 0, 0); /* everything */
	assert_int_equal(process->mapped_net, 0);

	call(&bench, 30, SYSCALL_BRK, 0x5000000, 0, 0, 0, 0);
	call(&bench, 30, SYSCALL_BRK, 0x5021000, 0x5021000, 0, 0, 0);
	assert_int_equal(process->mapped_net, 0x21000);
	call(&bench, 30, SYSCALL_BRK, 0x5021000, 0x9021000, 0, 0, 0); /* refused */
	assert_int_equal(process->mapped_net, 0x21000);
	call(&bench, 30, SYSCALL_BRK, 0x5020000, 0x5020000, 0, 0, 0);
	assert_int_equal(process->mapped_net, 0x20000);
	call(&bench, 30, SYSCALL_MADVISE, 0, 0x100000, 0x1000, 4, 0);
	assert_int_equal(process->madvise_calls, 1);

	/* An exit without its enter says nothing. */
	event = event_at(EVENT_SYSCALL_EXIT, 40, PID);
	event.syscall.call = SYSCALL_MMAP;
	event.syscall.result = 0x700000;
	track_event(bench.track, &event);
	assert_int_equal(process->mapped_net, 0x20000);
	for (size_t i = 0; i < bench.model.n_maps; i++)
		sum += bench.model.maps[i].delta;
	assert_int_equal(sum, 0x20000);
	bench_close(&bench);
}

/* Against a bitmap of pages. */
static void test_mappings_at_random(void **state)
{
	static bool pages[512];
	uint64_t seed = 42;
	struct bench bench;

	(void)state;
	memset(pages, 0, sizeof(pages));
	bench_open(&bench, 0, 0);
	lifecycle(&bench, EVENT_EXEC, 1, PID, PID, 0, "target");
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t r = next_random(&seed), at = r % 512, n = 1 + (r >> 16) % 8;
		bool map = (r >> 32) % 2;
		int64_t mapped = 0;

		if (at + n > 512)
			n = 512 - at;
		memset(&pages[at], map, n);
		if (map)
			map_at(&bench, 0x100000 + at * 4096, n * 4096, FIXED);
		else
			call(&bench, 20 + i, SYSCALL_MUNMAP, 0, 0x100000 + at * 4096, n * 4096, 0,
			     0);
		if (i % 1000)
			continue;
		for (size_t page = 0; page < 512; page++)
			mapped += pages[page] * 4096;
		if (bench.model.n_processes)
			assert_int_equal(bench.model.processes[0].mapped_net, mapped);
	}
	/* The series stays bounded, and its sum right. */
	assert_true(bench.model.n_maps <= 65536);
	{
		int64_t sum = 0;

		for (size_t i = 0; i < bench.model.n_maps; i++)
			sum += bench.model.maps[i].delta;
		assert_int_equal(sum, bench.model.processes[0].mapped_net);
	}
	bench_close(&bench);
}

/* As Go's heap grows: a reservation, of which a part is put to use, and given back. */
static void test_reservations(void **state)
{
	struct process *process;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	process = bench.model.processes;
	call(&bench, 10, SYSCALL_MMAP, 0x400000, 0, 0x100000, 0, 0x22);
	assert_int_equal(process->mapped_net, 0);
	call(&bench, 11, SYSCALL_MUNMAP, 0, 0x4f0000, 0x10000, 0, 0); /* to be aligned */
	assert_int_equal(process->mapped_net, 0);
	map_at(&bench, 0x400000, 0x20000, FIXED);
	assert_int_equal(process->mapped_net, 0x20000);
	map_at(&bench, 0x410000, 0x20000, FIXED);
	assert_int_equal(process->mapped_net, 0x30000);
	call(&bench, 12, SYSCALL_MMAP, 0x400000, 0x400000, 0x8000, 0, FIXED | 0x22);
	assert_int_equal(process->mapped_net, 0x28000);
	call(&bench, 13, SYSCALL_MUNMAP, 0, 0x400000, 0xf0000, 0, 0);
	assert_int_equal(process->mapped_net, 0);
	bench_close(&bench);
}

static void test_attached_mappings(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	map_at(&bench, 0x100000, 0x4000, FIXED); /* over a reservation made before */
	assert_int_equal(bench.model.processes[0].mapped_net, 0x4000);
	/* All of it was mapped, half of it before. */
	call(&bench, 20, SYSCALL_MUNMAP, 0, 0x100000, 0x8000, 0, 0);
	assert_int_equal(bench.model.processes[0].mapped_net, -0x4000);
	bench_close(&bench);
}

/* ---- The bucket table ------------------------------------------------------------------- */

struct entry {
	uint64_t address, allocs, frees;
};

static void reading_part(struct bench *bench, uint32_t reading, uint32_t part, uint32_t parts,
			 uint64_t begin, uint64_t end, bool stable, const struct entry *entries,
			 size_t n)
{
	struct note_table_entry out[8] = {0};
	struct event event = event_at(EVENT_NOTE, end, 1);

	/* Spread over the cycles as the runtime has them. */
	for (size_t i = 0; i < n; i++) {
		out[i].address = entries[i].address;
		out[i].active.allocs = entries[i].allocs / 2;
		out[i].future[1].allocs = entries[i].allocs - entries[i].allocs / 2;
		out[i].future[2].frees = entries[i].frees;
	}
	event.note.kind = NOTE_TABLE;
	event.note.table = (struct note_table){
		.pid = PID,
		.reading = reading,
		.part = part,
		.parts = parts,
		.begin = begin,
		.end = end,
		.stable = stable,
		.buckets = n,
		.entries = out,
		.n_entries = n,
	};
	track_event(bench->track, &event);
}

static void reading(struct bench *bench, uint32_t number, uint64_t ms, const struct entry *entries,
		    size_t n)
{
	reading_part(bench, number, 0, 1, ms * MS, ms * MS + 1000, true, entries, n);
}

static struct table_check finish_check(struct bench *bench)
{
	struct table_check check;

	track_finish(bench->track);
	assert_int_equal(bench->model.n_checks, 1);
	check = bench->model.checks[0];
	bench_close(bench);
	return check;
}

static void test_table_agrees(void **state)
{
	struct table_check check;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	birth(&bench, 5 * MS, 0x10, 0x1000, 64, 1);
	reading(&bench, 0, 10, (struct entry[]){{0x1000, 101, 50}, {0x3000, 7, 7}}, 2);
	birth(&bench, 20 * MS, 0x20, 0x1000, 64, 1);
	birth(&bench, 21 * MS, 0x30, 0x1010, 64, 1);
	death(&bench, 30 * MS, 0x10, 0x1000, 64, 2);
	death(&bench, 31 * MS, 0x999, 0x1000, 64, 2); /* born before */
	birth(&bench, 32 * MS, 0x30, 0x1010, 64, 2);  /* death lost? no: see below */
	reading(&bench, 1, 40, (struct entry[]){{0x1000, 102, 52}}, 1);
	birth(&bench, 50 * MS, 0x50, 0x1000, 64, 2);
	reading(&bench, 2, 60, (struct entry[]){{0x1000, 103, 52}, {0x1010, 2, 0}}, 2);
	birth(&bench, 70 * MS, 0x60, 0x1000, 64, 2); /* after the last reading */
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_false(check.bounded);
	assert_int_equal(check.readings, 3);
	assert_int_equal(check.begin, 10 * MS);
	assert_int_equal(check.end, 60 * MS + 1000);
	assert_int_equal(check.counted_births, 4);
	assert_int_equal(check.seen_births, 4);
	assert_int_equal(check.counted_deaths, 2);
	assert_int_equal(check.seen_deaths, 2);
	assert_int_equal(check.buckets, 3);
	assert_int_equal(check.buckets_differing, 0);
}

static void test_table_shows_loss(void **state)
{
	struct table_check check;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	reading(&bench, 0, 10, (struct entry[]){{0x1000, 10, 0}, {0x1010, 5, 5}}, 2);
	birth(&bench, 20 * MS, 0x20, 0x1000, 64, 1);
	birth(&bench, 21 * MS, 0x30, 0x1010, 64, 1);
	/* One birth more than was seen at the first, one death less at the second. */
	death(&bench, 22 * MS, 0x30, 0x1010, 64, 2);
	reading(&bench, 1, 40, (struct entry[]){{0x1000, 12, 0}, {0x1010, 6, 5}}, 2);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_int_equal(check.counted_births, 3);
	assert_int_equal(check.seen_births, 2);
	assert_int_equal(check.counted_deaths, 0);
	assert_int_equal(check.seen_deaths, 1);
	assert_int_equal(check.buckets_differing, 2);
}

/* Of a process seen from its birth the table was empty at first. */
static void test_table_from_birth(void **state)
{
	struct table_check check;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", false, 524288);
	birth(&bench, 5 * MS, 0x10, 0x1000, 64, 1);
	reading(&bench, 0, 10, (struct entry[]){{0x1000, 2, 0}}, 1);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_int_equal(check.counted_births, 2);
	assert_int_equal(check.seen_births, 1);
	assert_int_equal(check.buckets_differing, 1);
}

/* Events near a reading may or may not be in it. */
static void test_table_bounds(void **state)
{
	struct table_check check;
	struct bench bench;

	(void)state;
	for (uint64_t in_first = 0; in_first <= 2; in_first++)
		for (uint64_t in_last = 2; in_last <= 5; in_last++) {
			bench_open(&bench, 0, 0);
			process_note(&bench, 1, "go1.27.4", true, 524288);
			/* One within the first reading, one so shortly after it that the runtime
			 * may have counted it before; one, surely, after that; one within the
			 * last, one after it. */
			birth(&bench, 10 * MS + 500, 0x10, 0x1000, 64, 1);
			reading(&bench, 0, 10, (struct entry[]){{0x1000, 100 + in_first, 0}}, 1);
			birth(&bench, 10 * MS + 1500, 0x20, 0x1000, 64, 1);
			birth(&bench, 15 * MS, 0x30, 0x1000, 64, 1);
			birth(&bench, 40 * MS + 500, 0x40, 0x1000, 64, 1);
			reading(&bench, 1, 40, (struct entry[]){{0x1000, 100 + in_last, 0}}, 1);
			birth(&bench, 43 * MS, 0x50, 0x1000, 64, 1);
			check = finish_check(&bench);
			assert_true(check.valid);
			assert_true(check.bounded);
			/* Between one event and four: all that the events allow. */
			assert_int_equal(check.buckets_differing,
					 in_last - in_first > 4 || in_last - in_first < 1);
		}
	/* Deaths are counted after their event: one just before a reading may be missing in it. */
	for (uint64_t counted = 0; counted <= 2; counted++) {
		bench_open(&bench, 0, 0);
		process_note(&bench, 1, "go1.27.4", true, 524288);
		reading(&bench, 0, 10, (struct entry[]){{0x1000, 1, 0}}, 1);
		death(&bench, 40 * MS - 1000, 0x10, 0x1000, 64, 1);
		reading(&bench, 1, 40, (struct entry[]){{0x1000, 1, counted}}, 1);
		check = finish_check(&bench);
		assert_int_equal(check.buckets_differing, counted == 2);
	}
}

/* Where a part of a reading is missing, later ones cannot be trusted: they leave out what is
 * unchanged. */
static void test_table_gaps(void **state)
{
	struct entry first[] = {{0x1000, 10, 0}}, second[] = {{0x1000, 11, 0}};
	struct table_check check;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	reading(&bench, 0, 10, first, 1);
	birth(&bench, 20 * MS, 0x20, 0x1000, 64, 1);
	reading(&bench, 1, 30, second, 1);
	birth(&bench, 40 * MS, 0x30, 0x1000, 64, 1);
	reading(&bench, 3, 50, NULL, 0); /* reading 2 had the change */
	birth(&bench, 60 * MS, 0x40, 0x1000, 64, 1);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_int_equal(check.end, 30 * MS + 1000);
	assert_int_equal(check.counted_births, 1);
	assert_int_equal(check.buckets_differing, 0);

	/* Parts of one reading make one. */
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	reading_part(&bench, 0, 0, 2, 10 * MS, 10 * MS, true, first, 1);
	reading_part(&bench, 0, 1, 2, 10 * MS, 10 * MS, true, (struct entry[]){{0x1010, 3, 0}}, 1);
	birth(&bench, 20 * MS, 0x20, 0x1010, 64, 1);
	reading_part(&bench, 1, 0, 2, 30 * MS, 30 * MS, true, NULL, 0);
	reading_part(&bench, 1, 1, 2, 30 * MS, 30 * MS, true, (struct entry[]){{0x1010, 4, 0}}, 1);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_int_equal(check.readings, 2);
	assert_int_equal(check.counted_births, 1);
	assert_int_equal(check.buckets_differing, 0);

	/* The second part of the first is lost. */
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	reading_part(&bench, 0, 0, 2, 10 * MS, 10 * MS, true, first, 1);
	reading(&bench, 1, 30, second, 1);
	reading(&bench, 2, 40, second, 1);
	check = finish_check(&bench);
	assert_false(check.valid);
}

/* What changed while it was read counts only where there is nothing better. */
static void test_table_unstable(void **state)
{
	struct entry entry = {0x1000, 10, 0};
	struct table_check check;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	reading_part(&bench, 0, 0, 1, 10 * MS, 10 * MS, false, &entry, 1);
	birth(&bench, 15 * MS, 0x20, 0x1000, 64, 1);
	entry.allocs = 11;
	reading_part(&bench, 1, 0, 1, 20 * MS, 20 * MS, true, &entry, 1);
	birth(&bench, 25 * MS, 0x30, 0x1000, 64, 1);
	entry.allocs = 12;
	reading_part(&bench, 2, 0, 1, 30 * MS, 30 * MS, true, &entry, 1);
	entry.allocs = 20;
	reading_part(&bench, 3, 0, 1, 40 * MS, 40 * MS, false, &entry, 1);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_false(check.bounded);
	assert_int_equal(check.begin, 20 * MS);
	assert_int_equal(check.end, 30 * MS);
	assert_int_equal(check.counted_births, 1);
	assert_int_equal(check.buckets_differing, 0);

	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	entry.allocs = 10;
	reading_part(&bench, 0, 0, 1, 10 * MS, 10 * MS, false, &entry, 1);
	birth(&bench, 15 * MS, 0x20, 0x1000, 64, 1);
	entry.allocs = 11;
	reading_part(&bench, 1, 0, 1, 20 * MS, 20 * MS, false, &entry, 1);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_true(check.bounded);
	assert_int_equal(check.counted_births, 1);

	/* That nothing equals nothing proves nothing. */
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", false, 524288);
	reading_part(&bench, 0, 0, 1, 10 * MS, 10 * MS, true, NULL, 0);
	check = finish_check(&bench);
	assert_int_equal(check.readings, 1);
	assert_false(check.valid);
}

static void gctrace_note(struct bench *bench, uint64_t time, uint32_t pid, const char *text)
{
	struct event event = event_at(EVENT_NOTE, time, pid);

	event.note.kind = NOTE_GCTRACE;
	event.note.gctrace = (struct note_gctrace){.pid = pid, .text = text};
	track_event(bench->track, &event);
}

/* Each process has a log of its own, in order, whatever window is looked at. */
static void test_gctrace_lines(void **state)
{
	const struct model *model;
	struct bench bench;

	(void)state;
	bench_open(&bench, 50, 60);
	process_note(&bench, 1, "go1.27.4", false, 524288);
	gctrace_note(&bench, 2, PID, "gc 1 @1s");
	gctrace_note(&bench, 3, PID + 1, "gc 7 @1s");
	gctrace_note(&bench, 90, PID, "gc 2 @2s");
	track_finish(bench.track);
	model = &bench.model;
	assert_int_equal(model->n_gctrace_texts, 2);
	assert_int_equal(model->processes[model->gctrace_texts[0].process].pid, PID);
	assert_int_equal(model->gctrace_texts[0].text.len, 18);
	assert_memory_equal(model->gctrace_texts[0].text.data, "gc 1 @1s\ngc 2 @2s\n", 18);
	assert_int_equal(model->processes[model->gctrace_texts[1].process].pid, PID + 1);
	assert_memory_equal(model->gctrace_texts[1].text.data, "gc 7 @1s\n", 9);
	assert_int_equal(model->gctrace_texts[0].left_out, 0);
	bench_close(&bench);
}

/* What is kept of them has a limit, and what lies beyond it is counted. */
static void test_gctrace_limit(void **state)
{
	char *line = xmalloc(1u << 20);
	struct bench bench;

	(void)state;
	memset(line, 'x', (1u << 20) - 1);
	line[(1u << 20) - 1] = '\0';
	bench_open(&bench, 0, 0);
	for (int i = 0; i < 70; i++)
		gctrace_note(&bench, 1, PID, line);
	track_finish(bench.track);
	assert_in_range(bench.model.gctrace_texts[0].text.len, MODEL_MAX_GCTRACE - (1u << 20),
			MODEL_MAX_GCTRACE);
	assert_in_range(bench.model.gctrace_texts[0].left_out, 6, 7);
	bench_close(&bench);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_cycle_an_epoch),
		cmocka_unit_test(test_epochs_are_merged),
		cmocka_unit_test(test_epoch_ends),
		cmocka_unit_test(test_wild_cycle),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_lost_and_unmatched),
		cmocka_unit_test(test_special_kinds),
		cmocka_unit_test(test_cycle_word),
		cmocka_unit_test(test_site_is_a_stack),
		cmocka_unit_test(test_deep_stacks),
		cmocka_unit_test(test_deep_stack_and_rate),
		cmocka_unit_test(test_deep_stacks_without_notes),
		cmocka_unit_test(test_no_buckets),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_process_lives),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_gc_cycles),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_mappings_at_random),
		cmocka_unit_test(test_reservations),
		cmocka_unit_test(test_attached_mappings),
		cmocka_unit_test(test_table_agrees),
		cmocka_unit_test(test_table_shows_loss),
		cmocka_unit_test(test_table_from_birth),
		cmocka_unit_test(test_table_bounds),
		cmocka_unit_test(test_table_gaps),
		cmocka_unit_test(test_table_unstable),
		cmocka_unit_test(test_gctrace_lines),
		cmocka_unit_test(test_gctrace_limit),
	};

	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
