#include "tests/unit/track_bench.h"

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

/* The first reading of the next file is a whole one again, and counts on from the one before. */
static void test_table_of_next_file(void **state)
{
	struct table_check check;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 1, "go1.27.4", true, 524288);
	reading(&bench, 0, 10, (struct entry[]){{0x1000, 100, 50}, {0x3000, 7, 7}}, 2);
	birth(&bench, 20 * MS, 0x20, 0x1000, 64, 1);
	reading(&bench, 1, 30, (struct entry[]){{0x1000, 101, 50}}, 1);
	reading(&bench, 0, 40, (struct entry[]){{0x1000, 101, 50}, {0x3000, 7, 7}}, 2);
	birth(&bench, 50 * MS, 0x30, 0x3000, 64, 1);
	reading(&bench, 1, 60, (struct entry[]){{0x3000, 8, 7}}, 1);
	check = finish_check(&bench);
	assert_true(check.valid);
	assert_int_equal(check.readings, 4);
	assert_int_equal(check.begin, 10 * MS);
	assert_int_equal(check.end, 60 * MS + 1000);
	assert_int_equal(check.counted_births, 2);
	assert_int_equal(check.seen_births, 2);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_agrees),	 cmocka_unit_test(test_table_of_next_file),
		cmocka_unit_test(test_table_shows_loss), cmocka_unit_test(test_table_from_birth),
		cmocka_unit_test(test_table_bounds),	 cmocka_unit_test(test_table_gaps),
		cmocka_unit_test(test_table_unstable),
	};

	return cmocka_run_group_tests_name("tablecheck", tests, NULL, NULL);
}
