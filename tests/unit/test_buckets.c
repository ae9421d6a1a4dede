/* Readings of a bucket table that lies in this process, laid out as Go's runtime has it. */

#include "record/buckets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#define STACK 3

/* A bucket as up to Go 1.26: header, stack, then active and future[3] of four words each. */
struct fake_bucket {
	uint64_t next, allnext, type, hash, size, n_stack;
	uint64_t stack[STACK];
	uint64_t record[4][4];
};

static const struct go_layout layout = {
	.bucket_allnext = 8,
	.bucket_type = 16,
	.bucket_size = 32,
	.bucket_nstk = 40,
	.bucket_stack = 48,
	.record_words = 4,
};

static struct fake_bucket pool[2000];
static uint64_t head;
static uint32_t cycle = 7 << 1 | 1;

static void add_bucket(size_t i, uint64_t allocs)
{
	pool[i] = (struct fake_bucket){
		.allnext = head,
		.type = 1,
		.size = 16 * (i + 1),
		.n_stack = STACK,
		.stack = {i + 100, i + 200, i + 300},
		.record = {{allocs, 1, 0, 0}, {2, 3, 0, 0}, {4, 5, 0, 0}, {6, 7, 0, 0}},
	};
	head = (uintptr_t)&pool[i];
}

/* What the callbacks saw. */
struct seen {
	size_t buckets, parts, entries;
	uint64_t last_stack_word, last_size;
	struct note_table last;
	struct note_table_entry last_entry;
};

static void on_bucket(void *context, const struct note_bucket *bucket)
{
	struct seen *seen = context;

	seen->buckets++;
	seen->last_size = bucket->size;
	seen->last_stack_word = bucket->stack[STACK - 1];
}

static void on_table(void *context, const struct note_table *part)
{
	struct seen *seen = context;

	assert_int_equal(part->part, seen->parts);
	seen->parts++;
	seen->entries += part->n_entries;
	seen->last = *part;
	if (part->n_entries)
		seen->last_entry = part->entries[part->n_entries - 1];
}

static struct buckets *open_table(struct memory **memory)
{
	struct buckets_options options = {
		.pid = 1,
		.layout = &layout,
		.head = (uintptr_t)&head,
		.cycle = (uintptr_t)&cycle,
		.cycle_has_flag = true,
	};

	head = 0;
	assert_null(memory_open(getpid(), memory));
	options.memory = *memory;
	return buckets_new(&options);
}

static void test_new_and_changed(void **state)
{
	struct memory *memory;
	struct buckets *b = open_table(&memory);
	struct seen seen = {0};

	(void)state;
	add_bucket(0, 10);
	add_bucket(1, 20);
	assert_true(buckets_read(b, false, &seen, on_bucket, on_table));
	assert_int_equal(seen.buckets, 2);
	assert_int_equal(seen.last_size, 32);
	assert_int_equal(seen.last_stack_word, 301);
	assert_int_equal(seen.entries, 2);
	assert_int_equal(seen.last.cycle, 7);
	assert_int_equal(seen.last.flushed, 1);
	assert_int_equal(seen.last.stable, 1);
	assert_true(seen.last.begin <= seen.last.end);
	assert_int_equal(seen.last_entry.active.allocs, 20);
	assert_int_equal(seen.last_entry.active.frees, 1);
	assert_int_equal(seen.last_entry.future[2].allocs, 6);
	assert_int_equal(seen.last_entry.future[2].frees, 7);

	/* Nothing new, one change: one entry. */
	pool[0].record[1][0]++;
	memset(&seen, 0, sizeof(seen));
	assert_true(buckets_read(b, true, &seen, on_bucket, on_table));
	assert_int_equal(seen.buckets, 0);
	assert_int_equal(seen.entries, 1);
	assert_int_equal(seen.last.reading, 1);
	assert_int_equal(seen.last.final, 1);
	assert_int_equal(seen.last.buckets, 2);
	assert_int_equal(seen.last_entry.address, (uintptr_t)&pool[0]);
	assert_int_equal(seen.last_entry.future[0].allocs, 3);
	buckets_free(b);
	memory_close(memory);
}

static void test_many_parts(void **state)
{
	struct memory *memory;
	struct buckets *b = open_table(&memory);
	struct seen seen = {0};

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		add_bucket(i, i);
	assert_true(buckets_read(b, false, &seen, on_bucket, on_table));
	assert_int_equal(seen.buckets, 2000);
	assert_int_equal(seen.entries, 2000);
	assert_int_equal(seen.last.parts, 3);
	assert_int_equal(seen.parts, 3);
	/* Oldest first: the newest bucket comes last. */
	assert_int_equal(seen.last_size, 32000);
	buckets_free(b);
	memory_close(memory);
}

static void test_foreign_memory(void **state)
{
	struct memory *memory;
	struct buckets *b = open_table(&memory);
	struct seen seen = {0};

	(void)state;
	/* A list that leads nowhere, and one that is not of buckets. */
	head = 8;
	assert_false(buckets_read(b, false, &seen, on_bucket, on_table));
	add_bucket(0, 1);
	pool[0].type = 77;
	assert_false(buckets_read(b, false, &seen, on_bucket, on_table));
	add_bucket(0, 1);
	pool[0].n_stack = 1u << 30;
	assert_false(buckets_read(b, false, &seen, on_bucket, on_table));
	assert_int_equal(seen.buckets, 0);
	/* A ring ends at the bound on buckets instead of never. */
	add_bucket(0, 1);
	pool[0].allnext = (uintptr_t)&pool[0];
	buckets_read(b, false, &seen, on_bucket, on_table);
	buckets_free(b);
	memory_close(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_and_changed),
		cmocka_unit_test(test_many_parts),
		cmocka_unit_test(test_foreign_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
