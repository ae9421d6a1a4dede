/* Spans that lie in this process, laid out as Go's runtime has them, taken and read. */

#include "record/spans.h"

#include "common/go_layout.h"
#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As of Go 1.22 and later, up to the size of its objects. */
struct fake_span {
	uint64_t next, prev, list, start, npages, manual;
	uint16_t freeindex, nelems, scan, scan_index;
	uint64_t alloc_cache;
	uint64_t *alloc_bits, *mark_bits, *pinner_bits;
	uint32_t sweepgen, div_mul;
	uint16_t alloc_count;
	uint8_t spanclass, state, needzero, arena;
	uint16_t before;
	uint64_t elemsize;
};

#define CLASS 10 /* any of small objects */

static uint32_t heap_sweepgen;
static struct go_layout layout;
static struct memory *memory;
static struct spans_source source;

/* What came of the last reading. */
static struct note_span seen[2000];
static size_t n_seen, n_parts;

static int set_up(void **state)
{
	(void)state;
	go_layout_of_version(27, GO_ARCH_AMD64, true, &layout);
	assert_int_equal(layout.mspan_elemsize, offsetof(struct fake_span, elemsize));
	assert_int_equal(layout.mspan_sweepgen, offsetof(struct fake_span, sweepgen));
	assert_int_equal(layout.mspan_state, offsetof(struct fake_span, state));
	assert_int_equal(layout.mspan_spanclass, offsetof(struct fake_span, spanclass));
	assert_int_equal(layout.mspan_alloc_count, offsetof(struct fake_span, alloc_count));
	assert_int_equal(layout.mspan_alloc_bits, offsetof(struct fake_span, alloc_bits));
	assert_int_equal(layout.mspan_alloc_cache, offsetof(struct fake_span, alloc_cache));
	assert_int_equal(layout.mspan_freeindex, offsetof(struct fake_span, freeindex));
	assert_int_equal(layout.mspan_nelems, offsetof(struct fake_span, nelems));
	assert_int_equal(layout.mspan_index_size, 2);
	assert_null(memory_open(getpid(), &memory));
	source = (struct spans_source){
		.memory = memory, .layout = &layout, .sweepgen = (uintptr_t)&heap_sweepgen};
	heap_sweepgen = 10;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	memory_close(memory);
	return 0;
}

static void on_spans(void *context, const struct note_spans *part)
{
	(void)context;
	assert_int_equal(part->pid, 7);
	assert_true(part->begin && part->begin <= part->end);
	assert_in_range(part->n_entries, 1, NOTE_SPANS_MAX_ENTRIES);
	memcpy(seen + n_seen, part->entries, part->n_entries * sizeof(*seen));
	n_seen += part->n_entries;
	n_parts++;
}

static void read_all(struct spans *spans)
{
	n_seen = n_parts = 0;
	spans_read(spans, &source, UINT64_MAX - 1, NULL, on_spans);
}

static void read_last(struct spans *spans)
{
	n_seen = n_parts = 0;
	spans_read(spans, &source, UINT64_MAX, NULL, on_spans);
}

/* The one span of which something was noted. */
static const struct note_span *only(const struct fake_span *span)
{
	assert_int_equal(n_seen, 1);
	assert_int_equal(seen[0].address, (uintptr_t)span);
	assert_int_equal(seen[0].base, span->start);
	return &seen[0];
}

/* A span that was swept in the present cycle, with these bits. */
static struct fake_span make_span(uint64_t *bits, uint16_t nelems, uint64_t size)
{
	return (struct fake_span){
		.start = 0xc000100000,
		.npages = 1,
		.nelems = nelems,
		.alloc_bits = bits,
		.alloc_cache = ~bits[0],
		.sweepgen = heap_sweepgen,
		.spanclass = CLASS,
		.state = 1,
		.elemsize = size,
	};
}

static struct span_take take_of(const struct fake_span *span)
{
	static uint64_t time;
	struct span_take take = {
		.time = ++time,
		.span = (uintptr_t)span,
		.base = span->start,
		.elemsize = span->elemsize,
		.sweepgen = span->sweepgen,
		.spanclass = span->spanclass,
		.nelems = span->nelems,
		.freeindex = span->freeindex,
		.alloc_cache = span->alloc_cache,
		.n_bits = 8,
	};

	memcpy(take.bits, span->alloc_bits, (span->nelems + 63u) / 64 * 8);
	return take;
}

/* A cache takes it: from then on its generation is 3 more. */
static void take_span(struct spans *spans, struct fake_span *span)
{
	struct span_take take = take_of(span);

	span->sweepgen += 3;
	spans_take(spans, &take);
}

/* A cycle ends, and the span is swept with these marks, which it then has in another place. */
static void sweep_span(struct fake_span *span, uint64_t *marks)
{
	heap_sweepgen += 2;
	span->sweepgen = heap_sweepgen;
	span->alloc_bits = marks;
	span->alloc_cache = ~marks[0];
	span->freeindex = 0;
}

/* An object that is found alive once, stays silent, and dies. */
static void test_life(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t born[1] = {0x7}, alive[1] = {0xf}, dead[1] = {0x7};
	struct fake_span span = make_span(born, 42, 192);

	(void)state;
	take_span(spans, &span);
	assert_int_equal(spans_count(spans), 1);
	/* In the cache, and then swept in no later cycle: nothing is known. */
	read_all(spans);
	assert_int_equal(n_seen, 0);
	span.sweepgen = heap_sweepgen;
	read_all(spans);
	assert_int_equal(n_seen, 0);
	sweep_span(&span, alive);
	read_all(spans);
	assert_true(only(&span)->in_use);
	assert_int_equal(seen[0].sweepgen, heap_sweepgen);
	assert_int_equal(seen[0].n_words, 1);
	assert_int_equal(seen[0].words[0], alive[0]);
	read_all(spans);
	assert_int_equal(n_seen, 0);
	sweep_span(&span, alive);
	read_all(spans);
	assert_int_equal(n_seen, 0);
	sweep_span(&span, dead);
	read_all(spans);
	assert_true(only(&span)->in_use);
	assert_int_equal(seen[0].words[0], dead[0]);
	assert_int_equal(spans_count(spans), 0);
	spans_free(spans);
}

/* While it is swept, its bits may be of the one cycle or of the other. */
static void test_being_swept(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t born[1] = {0}, alive[1] = {1};
	struct fake_span span = make_span(born, 42, 192);

	(void)state;
	take_span(spans, &span);
	sweep_span(&span, alive);
	span.sweepgen = heap_sweepgen - 1;
	read_all(spans);
	assert_int_equal(n_seen, 0);
	/* Taken into a cache, and one cycle later still in it. */
	span.sweepgen = heap_sweepgen + 3;
	heap_sweepgen += 2;
	read_all(spans);
	assert_int_equal(only(&span)->sweepgen, heap_sweepgen + 1);
	assert_int_equal(seen[0].words[0], 1);
	/* Where the heap's generation is not known, an odd one tells nothing. */
	spans_free(spans);
	spans = spans_new(7);
	source.sweepgen = 0;
	span = make_span(born, 42, 192);
	take_span(spans, &span);
	sweep_span(&span, alive);
	span.sweepgen = heap_sweepgen + 3;
	read_all(spans);
	assert_int_equal(n_seen, 0);
	span.sweepgen = heap_sweepgen;
	read_all(spans);
	assert_int_equal(n_seen, 1);
	source.sweepgen = (uintptr_t)&heap_sweepgen;
	spans_free(spans);
}

/* Of objects of one span, those that have died are gone with the next take, and their slots too. */
static void test_taken_again(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t first[1] = {0}, second[1] = {0x1}, third[1] = {0x6};
	struct fake_span span = make_span(first, 42, 192);

	(void)state;
	take_span(spans, &span); /* slot 0 */
	/* Half used it goes back, and is taken again in the same cycle: its bits know no births. */
	span.sweepgen = heap_sweepgen;
	span.freeindex = 20;
	span.alloc_cache = ~UINT64_C(0);
	take_span(spans, &span); /* slot 20 */
	second[0] |= UINT64_C(1) << 20;
	sweep_span(&span, second);
	take_span(spans, &span); /* slot 1 */
	read_all(spans);
	assert_int_equal(n_seen, 0);
	sweep_span(&span, third);
	read_all(spans);
	assert_int_equal(only(&span)->words[0], third[0]);
	assert_int_equal(spans_count(spans), 1);
	spans_free(spans);
}

/* The last reading tells how far the caches have come; what went back is told by an event. */
static void test_last(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t bits[1] = {0x1}, marks[1] = {0x3};
	struct fake_span span = make_span(bits, 42, 192), back = make_span(bits, 42, 192);

	(void)state;
	take_span(spans, &span);
	take_span(spans, &back);
	back.sweepgen = heap_sweepgen;
	span.alloc_count = 17;
	read_all(spans);
	assert_int_equal(n_seen, 0);
	read_last(spans);
	assert_true(only(&span)->in_use);
	assert_int_equal(seen[0].sweepgen, heap_sweepgen + 3);
	assert_int_equal(seen[0].count, 17);
	assert_int_equal(seen[0].n_words, 0);
	/* One cycle later it has not been swept; then it has. */
	heap_sweepgen += 2;
	read_last(spans);
	assert_int_equal(only(&span)->sweepgen, heap_sweepgen + 1);
	heap_sweepgen -= 2;
	sweep_span(&span, marks);
	span.alloc_count = 2;
	read_last(spans);
	assert_int_equal(only(&span)->sweepgen, heap_sweepgen);
	assert_int_equal(seen[0].words[0], marks[0]);
	assert_int_equal(seen[0].count, 2);
	assert_int_equal(spans_count(spans), 2);
	spans_free(spans);
}

/* Freed, or something else by now. */
static void test_gone(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t bits[1] = {0};
	struct fake_span pool[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		pool[i] = make_span(bits, 42, 192);
		take_span(spans, &pool[i]);
	}
	heap_sweepgen += 2;
	pool[0].state = 0;
	pool[1].start += 8192;
	pool[2].elemsize = 48;
	pool[3].spanclass++;
	read_all(spans);
	assert_int_equal(n_seen, 4);
	for (size_t i = 0; i < 4; i++)
		assert_false(seen[i].in_use);
	assert_int_equal(spans_count(spans), 0);
	/* The same mspan for other objects: what was there before is no more. */
	pool[0] = make_span(bits, 42, 192);
	take_span(spans, &pool[0]);
	pool[0] = make_span(bits, 8, 1024);
	pool[0].freeindex = 3;
	take_span(spans, &pool[0]);
	assert_int_equal(spans_count(spans), 1);
	bits[0] = 0xff;
	pool[0].sweepgen = heap_sweepgen += 2;
	read_all(spans);
	assert_int_equal(only(&pool[0])->words[0], bits[0]);
	spans_free(spans);
}

static void test_large(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t bits[1] = {0}, alive[1] = {1};
	struct fake_span span = make_span(bits, 1, 1 << 20);

	(void)state;
	span.spanclass = 1; /* of class 0, without pointers */
	take_span(spans, &span);
	sweep_span(&span, alive);
	read_all(spans);
	assert_true(only(&span)->in_use);
	assert_int_equal(seen[0].n_words, 0);
	sweep_span(&span, alive);
	read_all(spans);
	assert_int_equal(n_seen, 0);
	heap_sweepgen += 2;
	span.state = 0;
	read_all(spans);
	assert_false(only(&span)->in_use);
	spans_free(spans);
}

static void test_slots(void **state)
{
	struct span_take take = {.spanclass = CLASS, .nelems = 512, .n_bits = 8};
	uint64_t slot;

	(void)state;
	take.freeindex = 70;
	take.alloc_cache = 0x30;
	assert_true(spans_sampled_slot(&take, &slot));
	assert_int_equal(slot, 74);
	/* Behind the word of freeindex. */
	take.alloc_cache = 0;
	take.bits[2] = UINT64_MAX;
	take.bits[3] = UINT64_MAX >> 1;
	assert_true(spans_sampled_slot(&take, &slot));
	assert_int_equal(slot, 3 * 64 + 63);
	/* Behind what is known, or where there is no slot any more. */
	take.n_bits = 3;
	assert_false(spans_sampled_slot(&take, &slot));
	take.nelems = 71;
	take.alloc_cache = 0x30;
	assert_false(spans_sampled_slot(&take, &slot));
	take.spanclass = 1;
	assert_true(spans_sampled_slot(&take, &slot));
	assert_int_equal(slot, 0);
}

/* Values that no runtime has, in an event or in memory. */
static void test_hostile(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t bits[1] = {0};
	struct fake_span span = make_span(bits, 42, 192);
	struct span_take take = take_of(&span), bad;

	(void)state;
	bad = take;
	bad.nelems = 1025;
	spans_take(spans, &bad);
	bad = take;
	bad.nelems = UINT64_MAX;
	bad.freeindex = UINT64_MAX - 1;
	bad.alloc_cache = 4;
	spans_take(spans, &bad);
	bad = take;
	bad.sweepgen = 11;
	spans_take(spans, &bad);
	bad = take;
	bad.span = 0;
	spans_take(spans, &bad);
	assert_int_equal(spans_count(spans), 0);
	/* No memory there: it is let go, and the others are read. */
	bad = take;
	bad.span = 0x10;
	spans_take(spans, &bad);
	spans_take(spans, &take);
	assert_int_equal(spans_count(spans), 2);
	heap_sweepgen += 2;
	span.state = 0;
	read_all(spans);
	only(&span);
	assert_int_equal(spans_count(spans), 0);
	/* Bits that cannot be read. */
	span = make_span(bits, 42, 192);
	take_span(spans, &span);
	sweep_span(&span, bits);
	span.alloc_bits = (uint64_t *)(uintptr_t)0x18;
	read_all(spans);
	assert_int_equal(n_seen, 0);
	spans_free(spans);
}

/* More than are read at once and than fit a note, of which every third dies and every fifth goes.
 */
static void test_many(void **state)
{
	enum { N = 1000 };
	static struct fake_span pool[N];
	static uint64_t marks[2] = {0, UINT64_MAX};
	struct spans *spans = spans_new(7);
	size_t left = 0, gone = 0, dead = 0;
	uint64_t none[1] = {0};

	(void)state;
	for (size_t i = 0; i < N; i++) {
		pool[i] = make_span(none, 42, 192);
		pool[i].start += i * 8192;
		take_span(spans, &pool[i]);
	}
	heap_sweepgen += 2;
	for (size_t i = 0; i < N; i++) {
		pool[i].alloc_bits = &marks[i % 3 != 0];
		pool[i].sweepgen = heap_sweepgen;
		pool[i].state = i % 5 != 0;
		left += i % 3 && i % 5;
	}
	read_all(spans);
	assert_int_equal(n_seen, N);
	assert_true(n_parts >= N / NOTE_SPANS_MAX_ENTRIES && n_parts <= 5);
	for (size_t i = 0; i < n_seen; i++) {
		gone += !seen[i].in_use;
		dead += seen[i].in_use && !seen[i].words[0];
	}
	assert_int_equal(gone, N / 5);
	assert_int_equal(left + gone + dead, N);
	assert_int_equal(spans_count(spans), left);
	read_all(spans);
	assert_int_equal(n_seen, 0);
	/* By and by, with next to no time for each: every one comes up. */
	heap_sweepgen += 2;
	for (size_t i = 0; i < N; i++)
		pool[i].state = 0;
	n_seen = 0;
	for (int i = 0; i < 10 && spans_count(spans); i++)
		spans_read(spans, &source, 1, NULL, on_spans);
	assert_int_equal(n_seen, left);
	assert_int_equal(spans_count(spans), 0);
	spans_free(spans);
}

/* Events of two CPUs come in whichever order; an exec ends what came before it. */
static void test_order(void **state)
{
	struct spans *spans = spans_new(7);
	uint64_t bits[1] = {0}, marks[1] = {0x3};
	struct fake_span span = make_span(bits, 42, 192);
	struct span_take early = take_of(&span), late;

	(void)state;
	span.freeindex = 1;
	span.alloc_cache = ~UINT64_C(0);
	late = take_of(&span);
	spans_take(spans, &late);
	spans_take(spans, &early);
	sweep_span(&span, marks);
	read_all(spans);
	assert_int_equal(only(&span)->words[0], 0x3);
	/* Early, and of another size: the span has become what the later event says. */
	early.elemsize = 48;
	spans_take(spans, &early);
	assert_int_equal(spans_count(spans), 1);
	spans_forget(spans, late.time);
	assert_int_equal(spans_count(spans), 1);
	spans_forget(spans, late.time + 1);
	assert_int_equal(spans_count(spans), 0);
	spans_free(spans);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_being_swept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_taken_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
