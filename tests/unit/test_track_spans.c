/*
 * Sampling by spans, against a small allocator that works as the runtime's does: caches, spans that
 * are swept and taken again, spans that are freed and come back as others.
 */
#include "analyze/track_state.h"

#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PID = 7, CLASSES = 4, SITES = 6, SPANS = 4000, LARGE = 3 };

static const struct {
	uint64_t size;
	uint32_t slots;
} classes[CLASSES] = {{16, 512}, {48, 170}, {24, 340}, {65536, 1}};

struct cell {
	bool used, kept; /* kept: reachable for ever; else until the next mark */
	bool sampled;
	uint32_t site, lives; /* lives: marks that it survives still */
};

struct heap_span {
	uint64_t mspan, base;
	uint32_t class, gen, freeindex, count;
	bool in_use, cached;
	uint64_t bits[16];
	struct cell cells[1024];
};

struct heap {
	struct model model;
	struct track *track;
	struct random random;
	struct heap_span *spans;
	size_t n;
	struct heap_span *cache[CLASSES];
	uint32_t gen, cycle;
	uint64_t time, next_base;
	bool without_bits;
	uint64_t allocs[SITES], samples[SITES], sampled_alive[SITES];
};

static void heap_begin(struct heap *heap, uint64_t seed)
{
	*heap = (struct heap){.gen = 100, .cycle = 5, .time = 1000, .next_base = 0xc000000000};
	model_init(&heap->model);
	heap->track = track_new(&heap->model, &(struct track_options){0});
	heap->random.state = seed;
	heap->spans = xcalloc(SPANS, sizeof(*heap->spans));
}

static void heap_free(struct heap *heap)
{
	track_free(heap->track);
	model_free(&heap->model);
	free(heap->spans);
}

static uint64_t below(struct heap *heap, uint64_t n)
{
	return (uint64_t)(random_uniform(&heap->random) * (double)n);
}

static struct event event_now(struct heap *heap, enum event_kind kind, const struct heap_span *span)
{
	struct event event = {
		.kind = kind,
		.pid = PID,
		.tid = PID,
		.time = ++heap->time,
		.has = EVENT_HAS(FIELD_SPAN) | EVENT_HAS(FIELD_CYCLE) |
		       EVENT_HAS(FIELD_ALLOC_COUNT),
	};

	event.v[FIELD_SPAN] = span->mspan;
	event.v[FIELD_ALLOC_COUNT] = span->count;
	event.v[FIELD_CYCLE] = (uint64_t)heap->cycle << 1;
	return event;
}

static uint64_t alloc_cache(const struct heap_span *span)
{
	uint64_t word = ~span->bits[span->freeindex / 64];

	return word >> span->freeindex % 64;
}

static void tell_take(struct heap *heap, struct heap_span *span, uint64_t pc)
{
	bool large = classes[span->class].slots == 1;
	struct event event = event_now(heap, large ? EVENT_SPAN_LARGE : EVENT_SPAN_TAKEN, span);

	event.has |= EVENT_HAS(FIELD_BASE) | EVENT_HAS(FIELD_SWEEPGEN) | EVENT_HAS(FIELD_NELEMS) |
		     EVENT_HAS(FIELD_FREEINDEX) | EVENT_HAS(FIELD_ALLOC_CACHE) |
		     EVENT_HAS(FIELD_ELEMSIZE);
	event.v[FIELD_BASE] = span->base;
	event.v[FIELD_SWEEPGEN] = span->gen;
	event.v[FIELD_NELEMS] = classes[span->class].slots;
	event.v[FIELD_FREEINDEX] = span->freeindex;
	event.v[FIELD_ALLOC_CACHE] = alloc_cache(span);
	event.v[FIELD_ELEMSIZE] = classes[span->class].size;
	if (!heap->without_bits) {
		event.words = span->bits;
		event.n_words = 8;
	}
	event.stack = &pc;
	event.n_stack = 1;
	track_event(heap->track, &event);
}

static struct heap_span *new_span(struct heap *heap, uint32_t class)
{
	struct heap_span *span = NULL;

	/* The mspan of one that was freed comes back, at its old place or another. */
	for (size_t i = 0; i < heap->n && !span; i++)
		if (!heap->spans[i].in_use && below(heap, 2))
			span = &heap->spans[i];
	if (!span) {
		assert_true(heap->n < SPANS);
		span = &heap->spans[heap->n];
		*span = (struct heap_span){.mspan = 0x7f0000000000 + 160 * heap->n++};
		span->base = 0;
	}
	if (!span->base || below(heap, 2)) {
		span->base = heap->next_base;
		heap->next_base += 65536;
	}
	memset(span->bits, 0, sizeof(span->bits));
	memset(span->cells, 0, sizeof(span->cells));
	span->class = class;
	span->gen = heap->gen;
	span->freeindex = span->count = 0;
	span->in_use = true;
	return span;
}

static struct heap_span *refill(struct heap *heap, uint32_t class, uint64_t pc)
{
	struct heap_span *span = NULL;

	if (heap->cache[class])
		heap->cache[class]->cached = false;
	for (size_t i = 0; i < heap->n && !span && class != LARGE; i++)
		if (heap->spans[i].in_use && heap->spans[i].class == class &&
		    heap->spans[i].count < classes[class].slots && below(heap, 3))
			span = &heap->spans[i];
	if (!span)
		span = new_span(heap, class);
	/* Somewhere at the first slot that may be free: its word is in the cache. */
	while (span->freeindex / 64 * 64 + 64 < classes[class].slots &&
	       !~span->bits[span->freeindex / 64])
		span->freeindex = span->freeindex / 64 * 64 + 64;
	tell_take(heap, span, pc);
	span->cached = true;
	heap->cache[class] = class == LARGE ? NULL : span;
	return span;
}

static void allocate(struct heap *heap, uint32_t class, uint32_t site, bool kept, uint32_t lives)
{
	struct heap_span *span = heap->cache[class];
	bool sampled = !span || span->count == classes[class].slots;
	struct cell *cell;

	if (sampled)
		span = refill(heap, class, 0x1000 + site);
	while (span->bits[span->freeindex / 64] >> span->freeindex % 64 & 1)
		span->freeindex++;
	assert_true(span->freeindex < classes[class].slots);
	cell = &span->cells[span->freeindex++];
	assert_false(cell->used);
	*cell = (struct cell){
		.used = true, .kept = kept, .sampled = sampled, .site = site, .lives = lives};
	span->count++;
	heap->allocs[site] += classes[class].size;
	heap->samples[site] += sampled;
	heap->sampled_alive[site] += sampled;
}

static void sweep(struct heap *heap, struct heap_span *span)
{
	span->count = span->freeindex = 0;
	span->gen = heap->gen;
	for (uint32_t i = 0; i < classes[span->class].slots; i++) {
		struct cell *cell = &span->cells[i];
		bool live = cell->used && (cell->kept || cell->lives);

		if (cell->used && !live)
			heap->sampled_alive[cell->site] -= cell->sampled;
		if (!live)
			*cell = (struct cell){0};
		else
			cell->lives -= cell->lives > 0;
		span->bits[i / 64] &= ~(UINT64_C(1) << i % 64);
		span->bits[i / 64] |= (uint64_t)live << i % 64;
		span->count += live;
	}
	span->in_use = span->count;
}

static void collect(struct heap *heap)
{
	heap->gen += 2;
	heap->cycle++;
	for (uint32_t c = 0; c < CLASSES; c++) {
		struct event event;

		if (!heap->cache[c])
			continue;
		event = event_now(heap, EVENT_SPAN_RELEASED, heap->cache[c]);
		track_event(heap->track, &event);
		heap->cache[c]->cached = false;
		heap->cache[c] = NULL;
	}
	for (size_t i = 0; i < heap->n; i++)
		if (heap->spans[i].in_use)
			sweep(heap, &heap->spans[i]);
}

/* One of so many spans is read. */
static void read_spans(struct heap *heap, uint64_t one_of)
{
	struct note_span entries[NOTE_SPANS_MAX_ENTRIES];
	struct event event = {.kind = EVENT_NOTE, .time = heap->time += 30000000, .pid = PID};

	for (size_t i = 0; i < heap->n;) {
		size_t n = 0;

		for (; i < heap->n && n < NOTE_SPANS_MAX_ENTRIES; i++) {
			struct heap_span *span = &heap->spans[i];
			struct note_span *entry = &entries[n];

			if (below(heap, one_of))
				continue;
			*entry = (struct note_span){
				.address = span->mspan,
				.base = span->base,
				.sweepgen = span->cached ? span->gen + 3 : span->gen,
				.in_use = span->in_use,
				.count = (uint16_t)span->count,
				.n_words = (uint8_t)((classes[span->class].slots + 63) / 64),
			};
			if (span->class == LARGE)
				entry->n_words = 0;
			memcpy(entry->words, span->bits, sizeof(span->bits));
			n++;
		}
		event.note = (struct note){
			.kind = NOTE_SPANS,
			.spans = {.pid = PID,
				  .begin = event.time,
				  .end = event.time,
				  .entries = entries,
				  .n_entries = n},
		};
		track_event(heap->track, &event);
	}
}

static void run(struct heap *heap, uint64_t readings)
{
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 3000; i++) {
			uint32_t site = (uint32_t)below(heap, SITES);
			uint32_t class = below(heap, 100) ? (uint32_t)below(heap, LARGE) : LARGE;

			/* The last site keeps what it makes, of a hundred of which one is made. */
			if (site == SITES - 1 && below(heap, 100))
				site = 0;
			allocate(heap, class, site, site == SITES - 1,
				 (uint32_t)below(heap, site + 1));
		}
		if (round % 3)
			collect(heap);
		if (readings && !below(heap, 2))
			read_spans(heap, readings);
	}
}

static const struct site *site_of(const struct heap *heap, uint32_t site)
{
	for (size_t i = 0; i < heap->model.n_sites; i++)
		if (heap->model.stacks[heap->model.sites[i].stack].pcs[0] == 0x1000 + site)
			return &heap->model.sites[i];
	return NULL;
}

/* Every sample is known, whether it lives, and together they stand for all that was allocated. */
static void check(struct heap *heap, bool lives_exact)
{
	double total = 0, truth = 0;

	track_finish(heap->track);
	assert_true(heap->model.processes[0].by_spans);
	assert_int_equal(heap->model.processes[0].mem_profile_rate, 0);
	for (uint32_t i = 0; i < SITES; i++) {
		const struct site *site = site_of(heap, i);

		assert_non_null(site);
		assert_int_equal(site->births, heap->samples[i]);
		if (lives_exact)
			assert_int_equal(site->live, heap->sampled_alive[i]);
		total += site->est_births_bytes;
		truth += (double)heap->allocs[i];
		if (heap->samples[i] < 30)
			continue;
		/* Each site by itself as well as its samples allow. */
		assert_true(site->est_births_bytes > 0.5 * (double)heap->allocs[i]);
		assert_true(site->est_births_bytes < 2 * (double)heap->allocs[i]);
	}
	assert_float_equal(total, truth, 0.5);
	assert_int_equal(heap->model.unmatched_deaths, 0);
	assert_int_equal(heap->model.lost_deaths, 0);
}

static void test_samples_are_followed(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct heap heap;

		heap_begin(&heap, seed);
		run(&heap, 3);
		read_spans(&heap, 1);
		check(&heap, true);
		heap_free(&heap);
	}
}

/* Takes alone tell of most ends; the rest is found by the last reading. */
static void test_the_last_reading_completes(void **state)
{
	struct heap heap;

	(void)state;
	heap_begin(&heap, 99);
	run(&heap, 0);
	read_spans(&heap, 1);
	check(&heap, true);
	heap_free(&heap);
}

/* A span whose memory went to another, unseen: when it is used again, what was its newest sample is
 * not its own any more, and weighs what it weighs. */
static void test_memory_of_another(void **state)
{
	struct heap_span small = {.mspan = 0x7f0000000000, .base = 0xc000000000, .class = 1};
	struct heap_span large = {.mspan = 0x7f00000000a0, .base = 0xc000000000, .class = LARGE};
	const uint64_t pcs[] = {0x1000, 0x2000};
	size_t found = 0;
	struct heap heap;

	(void)state;
	heap_begin(&heap, 1);
	small.gen = large.gen = heap.gen;
	tell_take(&heap, &small, pcs[0]);
	tell_take(&heap, &large, pcs[1]);
	small.base += 1 << 20;
	small.gen += 2;
	tell_take(&heap, &small, pcs[0]);
	track_finish(heap.track);
	for (size_t i = 0; i < heap.model.n_sites; i++) {
		const struct site *site = &heap.model.sites[i];

		if (!site->births || heap.model.stacks[site->stack].pcs[0] != pcs[1])
			continue;
		found++;
		assert_int_equal(site->births, 1);
		assert_float_equal(site->est_births_bytes, 65536, 0.5);
	}
	assert_int_equal(found, 1);
	heap_free(&heap);
}

/* What a reading finds dead after the process has ended is no sign that it goes on. */
static void test_a_reading_after_the_end(void **state)
{
	struct heap heap;
	uint64_t end, deaths;

	(void)state;
	heap_begin(&heap, 98);
	run(&heap, 0);
	collect(&heap);
	end = heap.time += 1000;
	track_event(heap.track,
		    &(struct event){.kind = EVENT_EXIT, .time = end, .pid = PID, .tid = PID});
	deaths = heap.model.deaths;
	read_spans(&heap, 1);
	assert_true(heap.model.deaths > deaths);
	track_finish(heap.track);
	assert_int_equal(heap.model.n_processes, 1);
	assert_int_equal(heap.model.processes[0].end, end);
	heap_free(&heap);
}

/* Kernels before 4.20 fetch no arrays: what the bits of a take would have told is not known. */
static void test_without_bits(void **state)
{
	struct heap heap;

	(void)state;
	heap_begin(&heap, 5);
	heap.without_bits = true;
	for (int i = 0; i < 4; i++) {
		run(&heap, 1);
		read_spans(&heap, 1);
	}
	track_finish(heap.track);
	for (uint32_t i = 0; i < SITES; i++) {
		const struct site *site = site_of(&heap, i);

		assert_true(site->live >= heap.sampled_alive[i]);
		assert_true(site->live <= heap.sampled_alive[i] + site->births / 4);
	}
	heap_free(&heap);
}

static void tell_gone(struct heap *heap, const struct heap_span *span, uint32_t gen)
{
	struct note_span entry = {.address = span->mspan, .base = span->base, .sweepgen = gen};

	heap->time += 30000000;
	track_event(heap->track, &(struct event){
					 .kind = EVENT_NOTE,
					 .time = heap->time,
					 .pid = PID,
					 .note = {.kind = NOTE_SPANS,
						  .spans = {.pid = PID,
							    .begin = heap->time - 20000000,
							    .end = heap->time,
							    .entries = &entry,
							    .n_entries = 1}},
				 });
}

/* Two samples at one place, the second in a span that was taken anew; how many are alive where the
 * span at `base` is then said to have been freed by the sweep `gen`. */
static uint64_t alive_after_gone(uint32_t gen, uint64_t base)
{
	struct heap_span span = {.mspan = 7, .base = 0xc000002000, .class = 1, .gen = 100};
	struct heap heap;
	uint64_t live;

	heap_begin(&heap, 1);
	tell_take(&heap, &span, 0x1000);
	span.gen = 102;
	tell_take(&heap, &span, 0x1000);
	span.base = base;
	tell_gone(&heap, &span, gen);
	track_finish(heap.track);
	assert_int_equal(site_of(&heap, 0)->births, 2);
	live = site_of(&heap, 0)->live;
	heap_free(&heap);
	return live;
}

/* A span may have been free when it was read, and be taken before the reading has ended. */
static void test_taken_while_others_are_read(void **state)
{
	(void)state;
	assert_int_equal(alive_after_gone(102, 0xc000002000), 1);
	assert_int_equal(alive_after_gone(104, 0xc000002000), 0);
	/* Another span that the same mspan was of. */
	assert_int_equal(alive_after_gone(104, 0xc000004000), 1);
}

static void send(struct heap *heap, const struct event *event)
{
	track_event(heap->track, event);
}

/* What cannot be is passed over. */
static void test_hostile(void **state)
{
	uint64_t words[8] = {0}, pc = 1;
	struct heap heap;

	(void)state;
	heap_begin(&heap, 3);
	for (int i = 0; i < 200000; i++) {
		struct heap_span span = {.mspan = 1 + below(&heap, 5)};
		struct event event = event_now(
			&heap, (enum event_kind)(EVENT_SPAN_TAKEN + below(&heap, 3)), &span);
		struct note_span entry = {
			.address = span.mspan,
			.base = below(&heap, 3),
			.sweepgen = (uint32_t)below(&heap, 10),
			.in_use = below(&heap, 5),
			.n_words = (uint8_t)below(&heap, 17),
			.count = (uint16_t)below(&heap, 3000),
		};
		const struct event note = {
			.kind = EVENT_NOTE,
			.time = heap.time,
			.note = {.kind = NOTE_SPANS,
				 .spans = {.pid = PID, .entries = &entry, .n_entries = 1}},
		};

		event.has = below(&heap, 10) ? UINT64_MAX : below(&heap, UINT32_MAX) << 20;
		event.v[FIELD_BASE] = below(&heap, 3);
		event.v[FIELD_SWEEPGEN] = below(&heap, 10);
		event.v[FIELD_NELEMS] = below(&heap, 1200);
		event.v[FIELD_FREEINDEX] = below(&heap, 1200);
		event.v[FIELD_ALLOC_CACHE] = below(&heap, 3) ? below(&heap, UINT32_MAX) << 8 : 0;
		event.v[FIELD_ALLOC_COUNT] = below(&heap, 1200);
		event.v[FIELD_ELEMSIZE] =
			below(&heap, 2) ? below(&heap, 100) : UINT64_MAX >> below(&heap, 64);
		event.stack = &pc;
		event.n_stack = 1;
		event.words = words;
		event.n_words = (uint32_t)below(&heap, 9);
		words[below(&heap, 8)] = below(&heap, UINT32_MAX) << below(&heap, 32);
		send(&heap, &event);
		if (!below(&heap, 3))
			send(&heap, &note);
	}
	track_finish(heap.track);
	heap_free(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_are_followed),
		cmocka_unit_test(test_the_last_reading_completes),
		cmocka_unit_test(test_memory_of_another),
		cmocka_unit_test(test_a_reading_after_the_end),
		cmocka_unit_test(test_without_bits),
		cmocka_unit_test(test_taken_while_others_are_read),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
