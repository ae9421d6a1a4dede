#include "tests/unit/track_bench.h"

static void reading(struct bench *bench, uint64_t time, uint32_t number, uint32_t cycle,
		    struct note_table_entry *entries, size_t n)
{
	struct event event = {.kind = EVENT_NOTE, .pid = PID, .tid = PID, .time = time};

	event.note.kind = NOTE_TABLE;
	event.note.table = (struct note_table){
		.pid = PID,
		.reading = number,
		.parts = 1,
		.stable = 1,
		.begin = time - 1,
		.end = time,
		.cycle = cycle,
		.entries = entries,
		.n_entries = n,
	};
	track_event(bench->track, &event);
}

static void count(struct bench *bench, uint64_t time, uint32_t number, uint32_t cycle,
		  uint64_t allocs, uint64_t frees)
{
	struct note_table_entry entry = {
		.address = 0x1000,
		.active = {allocs, frees},
		/* What is not published yet is garbage, as far as is known. */
		.future = {{70, 0}, {30, 7}, {0, 0}},
	};

	reading(bench, time, number, cycle, &entry, 1);
}

static void open_counters(struct bench *bench, bool attached)
{
	uint64_t stack[] = {0x100, 0x200};

	bench_open(bench, 0, 0);
	track_by_counters(bench->track);
	process_note(bench, 5, "go1.27", attached, 524288);
	bucket_note(bench, 6, 0x1000, 4096, stack, 2);
}

static void test_from_birth(void **state)
{
	const struct process *process;
	const struct site *site;
	struct bench bench;

	(void)state;
	open_counters(&bench, false);
	count(&bench, 1000, 0, 3, 10, 2);
	/* Nothing further was published; then two cycles at once, and one. */
	reading(&bench, 2000, 1, 3, NULL, 0);
	count(&bench, 3000, 2, 5, 15, 6);
	count(&bench, 4000, 3, 6, 15, 9);
	track_finish(bench.track);
	assert_int_equal(bench.model.counted_readings, 4);
	assert_int_equal(bench.model.n_checks, 0);
	process = &bench.model.processes[0];
	assert_int_equal(process->n_epochs, 4);
	assert_int_equal(process->epochs[0].end_time, 1000);
	assert_int_equal(process->epochs[1].end_time, 3000);
	/* One cycle further than the last reading: what was born until that one is published. */
	assert_int_equal(process->epochs[2].end_time, 3000);
	assert_int_equal(bench.model.n_sites, 1);
	site = &bench.model.sites[0];
	assert_int_equal(site->births, 15);
	assert_int_equal(site->deaths, 9);
	assert_int_equal(site->unmatched_deaths, 0);
	assert_int_equal(site->live, 6);
	assert_int_equal(site->born[0].objects, 10);
	assert_int_equal(site->died[0].objects, 2);
	assert_int_equal(site->born[1].objects, 5);
	assert_int_equal(site->died[1].objects, 4);
	assert_int_equal(site->born[2].objects, 0);
	assert_int_equal(site->died[2].objects, 3);
	/* The youngest went first: of the second reading's five, one was left, and two of the
	 * first's went after it. */
	assert_int_equal(site->alive[0].objects, 6);
	assert_int_equal(site->alive[1].objects, 0);
	assert_int_equal(site->died_at_age[0], 6);
	assert_int_equal(site->died_at_age[1], 1);
	assert_int_equal(site->died_at_age[2], 2);
	assert_int_equal(bench.model.stacks[site->stack].n, 2);
	bench_close(&bench);
}

/* What was there before is no birth, and its death is one of an object not seen born. */
static void test_attached(void **state)
{
	const struct site *site;
	struct bench bench;

	(void)state;
	open_counters(&bench, true);
	count(&bench, 1000, 0, 3, 1000, 900);
	count(&bench, 2000, 1, 4, 1004, 910);
	track_finish(bench.track);
	site = &bench.model.sites[0];
	assert_int_equal(site->births, 4);
	assert_int_equal(site->deaths, 4);
	assert_int_equal(site->unmatched_deaths, 6);
	assert_int_equal(site->died_unseen[0].objects, 6);
	assert_int_equal(site->live, 0);
	bench_close(&bench);
}

/* Counts that go back, as those of a damaged reading, are no billions of births. */
static void test_hostile(void **state)
{
	struct bench bench;

	(void)state;
	open_counters(&bench, false);
	count(&bench, 1000, 0, 3, 100, 50);
	count(&bench, 2000, 1, 4, 10, 5);
	count(&bench, 3000, 2, 5, UINT64_MAX, UINT64_MAX / 2);
	count(&bench, 4000, 3, 6, 12, 6);
	track_finish(bench.track);
	assert_true(bench.model.sites[0].births <= 200);
	assert_true(bench.model.sites[0].deaths <= bench.model.sites[0].births);
	bench_close(&bench);
}

/* Where the trace has births and deaths, the table is a witness of them and no source. */
static void test_beside_events(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	process_note(&bench, 5, "go1.27", false, 524288);
	birth(&bench, 10, 0x10, 0x1000, 64, 1);
	count(&bench, 1000, 0, 3, 10, 2);
	track_finish(bench.track);
	assert_int_equal(bench.model.sites[0].births, 1);
	assert_int_equal(bench.model.counted_readings, 0);
	assert_int_equal(bench.model.n_checks, 1);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_birth),
		cmocka_unit_test(test_attached),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_beside_events),
	};

	return cmocka_run_group_tests_name("track_counters", tests, NULL, NULL);
}
