#include "tests/unit/track_bench.h"

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

static void cycle_event(struct bench *bench, enum event_kind kind, uint64_t time, uint64_t cycle,
			uint64_t heap, uint64_t goal)
{
	struct event event = event_at(kind, time, PID);

	put(&event, FIELD_CYCLE, raw_cycle(cycle));
	if (kind == EVENT_GC_START) {
		put(&event, FIELD_CYCLES, cycle);
		put(&event, FIELD_LIVE, heap);
		put(&event, FIELD_GOAL, goal);
	} else {
		put(&event, FIELD_NUMGC, cycle);
		put(&event, FIELD_HEAP2, heap);
		put(&event, FIELD_NEXT_GOAL, goal);
	}
	track_event(bench->track, &event);
}

/* Objects of 1 MiB count for little more than themselves. */
static void test_near_goal(void **state)
{
	const uint64_t mib = 1 << 20;
	const struct process *process;
	const struct site *site;
	struct bench bench;

	(void)state;
	bench_open(&bench, 0, 0);
	bench.model.near_goal = 0.8;
	birth(&bench, 5, 0x10, 0x1000, mib, 0); /* the goal is not known yet */
	cycle_event(&bench, EVENT_GC_END, 10, 1, 6 * mib, 12 * mib);
	birth(&bench, 20, 0x20, 0x1000, mib, 1);
	birth(&bench, 30, 0x30, 0x1000, mib, 1);
	birth(&bench, 40, 0x40, 0x2000, 2 * mib, 1); /* 10 of 12: near from here on */
	birth(&bench, 50, 0x50, 0x1000, mib, 1);
	cycle_event(&bench, EVENT_GC_START, 60, 1, 11 * mib, 12 * mib);
	birth(&bench, 70, 0x60, 0x1000, mib, 1);
	cycle_event(&bench, EVENT_GC_END, 80, 2, 3 * mib, 6 * mib); /* and no longer */
	birth(&bench, 90, 0x70, 0x1000, mib, 2);
	/* Near again at the start of a cycle that the estimate did not see coming; to the end. */
	cycle_event(&bench, EVENT_GC_START, 100, 2, 5 * mib, 6 * mib);
	birth(&bench, 130, 0x80, 0x2000, 2 * mib, 2);
	track_finish(bench.track);
	process = &bench.model.processes[0];
	assert_true(process->near_known);
	assert_int_equal(process->near_times, 2);
	assert_int_equal(process->near_time, (80 - 40) + (130 - 100));
	assert_int_equal(bench.model.n_sites, 2);
	site = &bench.model.sites[0];
	assert_int_equal(site->births, 6);
	assert_int_equal(site->near_births, 2);
	assert_true(site->near_est_bytes > 2 * mib && site->near_est_bytes < 2.5 * mib);
	assert_int_equal(bench.model.sites[1].near_births, 2);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near_goal),
		cmocka_unit_test(test_site_is_a_stack),
		cmocka_unit_test(test_deep_stacks),
		cmocka_unit_test(test_deep_stack_and_rate),
		cmocka_unit_test(test_deep_stacks_without_notes),
		cmocka_unit_test(test_no_buckets),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests_name("track_sites", tests, NULL, NULL);
}
