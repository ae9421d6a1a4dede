/* Readings of a list of goroutines that lies in this process, laid out as Go's runtime has it. */

#include "record/goroutines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_g {
	uint64_t lo, hi;
	uint64_t other[4];
	uint32_t status, pad;
	uint64_t goid, schedlink;
	int64_t waitsince;
	uint8_t waitreason;
	uint64_t gopc, startpc;
};

static const struct go_layout layout = {
	.g_stack_lo = offsetof(struct fake_g, lo),
	.g_stack_hi = offsetof(struct fake_g, hi),
	.g_status = offsetof(struct fake_g, status),
	.g_goid = offsetof(struct fake_g, goid),
	.g_wait_since = offsetof(struct fake_g, waitsince),
	.g_wait_reason = offsetof(struct fake_g, waitreason),
	.g_gopc = offsetof(struct fake_g, gopc),
	.g_startpc = offsetof(struct fake_g, startpc),
};

static struct fake_g pool[3000];
static const struct fake_g *array[3000];
static struct {
	const struct fake_g **array;
	uint64_t len, cap;
} list;

static struct {
	const char *text;
	uint64_t len;
} reasons[NOTE_GOROUTINES_MAX_REASONS] = {
	{"", 0}, {"chan receive", 12}, {"select", 6}, {"\x1b[2J", 4}, {"sleep", 5}};

/* What on_part was given, added up. */
struct seen {
	struct note_goroutine entries[3000];
	size_t n, parts, n_reasons;
	struct note_goroutines last;
};

static void on_part(void *context, const struct note_goroutines *part)
{
	struct seen *seen = context;

	assert_int_equal(part->part, seen->parts);
	assert_true(part->n_entries <= NOTE_GOROUTINES_MAX_ENTRIES);
	memcpy(seen->entries + seen->n, part->entries, part->n_entries * sizeof(*part->entries));
	seen->n += part->n_entries;
	seen->parts++;
	seen->n_reasons = part->n_reasons;
	seen->last = *part;
}

static void fill(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pool[i] = (struct fake_g){
			.lo = 0x10000,
			.hi = 0x12000,
			.status = 4,
			.goid = i + 1,
			.waitsince = 77,
			.waitreason = 3,
			.gopc = 0x401000,
			.startpc = 0x402000,
		};
		array[i] = &pool[i];
	}
	list.array = array;
	list.len = n;
	list.cap = sizeof(array) / sizeof(*array);
}

static struct goroutines *open_list(struct memory **memory, size_t n)
{
	struct goroutines_options options = {
		.pid = 4711,
		.layout = &layout,
		.list = (uintptr_t)&list,
		.reasons = (uintptr_t)reasons,
	};
	struct goroutines *goroutines;

	fill(n);
	assert_null(memory_open(getpid(), memory));
	options.memory = *memory;
	goroutines = goroutines_new(&options);
	assert_non_null(goroutines);
	return goroutines;
}

static void test_living(void **state)
{
	static struct seen seen;
	struct memory *memory;
	struct goroutines *goroutines = open_list(&memory, 9);
	uint64_t left_out;

	(void)state;
	pool[1].status = 6;		      /* dead */
	pool[2].status = 0;		      /* just allocated */
	pool[3].status = 11;		      /* for a thread of C */
	pool[4].goid = 0;		      /* never used */
	pool[5].status = 0x1000 | 2;	      /* running, its stack being scanned */
	pool[6].status = 10;		      /* waits for ever */
	array[7] = (const struct fake_g *)64; /* not to be read */
	memset(&seen, 0, sizeof(seen));
	assert_true(goroutines_read(goroutines, &seen, on_part, &left_out));
	assert_int_equal(left_out, 0);
	assert_int_equal(seen.parts, 1);
	assert_int_equal(seen.last.pid, 4711);
	assert_true(seen.last.begin && seen.last.begin <= seen.last.end);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.entries[0].goid, 1);
	assert_int_equal(seen.entries[0].gopc, 0x401000);
	assert_int_equal(seen.entries[0].startpc, 0x402000);
	assert_int_equal(seen.entries[0].stack, 0x2000);
	assert_int_equal(seen.entries[0].status, 4);
	assert_int_equal(seen.entries[0].reason, 3);
	assert_int_equal(seen.entries[0].wait_since, 77);
	assert_int_equal(seen.entries[1].goid, 6);
	assert_int_equal(seen.entries[1].status, 2);
	assert_int_equal(seen.entries[1].wait_since, 0);
	assert_int_equal(seen.entries[1].reason, 0);
	assert_int_equal(seen.entries[2].goid, 7);
	assert_int_equal(seen.entries[2].reason, 3);
	assert_int_equal(seen.entries[3].goid, 9);
	/* What is not to be printed is no name, and ends them. */
	assert_int_equal(seen.n_reasons, 2);
	goroutines_free(goroutines);
	memory_close(memory);
}

static void test_parts(void **state)
{
	static struct seen seen;
	struct memory *memory;
	struct goroutines *goroutines = open_list(&memory, 3000);
	uint64_t left_out;

	(void)state;
	/* Some that run are looked at twice. */
	for (size_t i = 0; i < 3000; i += 2)
		pool[i].status = 2;
	memset(&seen, 0, sizeof(seen));
	assert_true(goroutines_read(goroutines, &seen, on_part, &left_out));
	assert_int_equal(seen.n, 3000);
	assert_int_equal(seen.parts,
			 (3000 + NOTE_GOROUTINES_MAX_ENTRIES - 1) / NOTE_GOROUTINES_MAX_ENTRIES);
	assert_int_equal(seen.last.parts, seen.parts);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(seen.entries[i].goid, i + 1);
	goroutines_free(goroutines);
	memory_close(memory);
}

/* A list of nobody is a reading of none; what is no slice is no list. */
static void test_no_list(void **state)
{
	static struct seen seen;
	struct memory *memory;
	struct goroutines *goroutines = open_list(&memory, 0);
	uint64_t left_out;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	list.array = NULL;
	list.cap = 0;
	assert_true(goroutines_read(goroutines, &seen, on_part, &left_out));
	assert_int_equal(seen.parts, 1);
	assert_int_equal(seen.n, 0);
	list.len = 5;
	assert_false(goroutines_read(goroutines, &seen, on_part, &left_out));
	list.cap = 5;
	assert_false(goroutines_read(goroutines, &seen, on_part, &left_out));
	list.len = list.cap = UINT64_MAX / 2;
	assert_false(goroutines_read(goroutines, &seen, on_part, &left_out));
	goroutines_free(goroutines);
	memory_close(memory);
}

/* The end of a list that is too long is left out, and said to be. */
static void test_long_list(void **state)
{
	const size_t n = ((size_t)1 << 18) + 100;
	const struct fake_g **many = calloc(n, sizeof(*many));
	static struct seen seen;
	struct memory *memory;
	struct goroutines *goroutines = open_list(&memory, 1);
	uint64_t left_out;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	pool[0].status = 4;
	pool[1] = (struct fake_g){.status = 6, .goid = 9};
	assert_non_null(many);
	for (size_t i = 0; i < n; i++)
		many[i] = &pool[i != 0];
	list.array = many;
	list.len = list.cap = n;
	assert_true(goroutines_read(goroutines, &seen, on_part, &left_out));
	assert_int_equal(left_out, 100);
	assert_int_equal(seen.last.left_out, 100);
	assert_int_equal(seen.n, 1);
	goroutines_free(goroutines);
	memory_close(memory);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_living),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_long_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
