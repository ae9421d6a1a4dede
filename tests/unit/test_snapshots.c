/* analyze/snapshots against a model of the runtime's own book-keeping (runtime/mprof.go): what a
 * dump of the model shows must be what the snapshot for it says, to the object. */

#include "analyze/snapshots.h"

#include "tests/unit/mprof_model.h"

/* ---- Comparing ---------------------------------------------------------------------------- */

/* Returns how many of the dump's objects are older than the recording. */
static int64_t assert_dump(struct runtime *r, const struct dump *dump)
{
	int64_t k = dump->after_gc ? dump->cycle : (int64_t)dump->cycle - 1;
	struct snapshot_count sums[SITES] = {0}, olds[SITES] = {0};
	const struct snapshot *snapshot;
	int64_t older_objects = 0, state;

	assert_int_equal(snapshots_get(r->model.snapshots, dump->want, 0, &snapshot), SNAPSHOT_OK);
	assert_int_equal(snapshot->prof_cycle, dump->cycle);
	state = k - snapshot->first_state;
	assert_in_range(state, 0, SNAPSHOT_STATES - 1);
	for (size_t i = 0; i < snapshot->n_rows; i++) {
		const struct snapshot_row *row = &snapshot->rows[i];

		sums[row->site].objects += row->born_seen[state].objects;
		sums[row->site].bytes += row->born_seen[state].bytes;
		olds[row->site].objects += row->older[state].objects;
		olds[row->site].bytes += row->older[state].bytes;
	}
	for (size_t i = 0; i < SITES; i++) {
		assert_int_equal(sums[i].objects + olds[i].objects, dump->inuse[i].objects);
		assert_int_equal(sums[i].bytes + olds[i].bytes, dump->inuse[i].bytes);
		assert_true(sums[i].objects >= 0 && olds[i].objects >= 0);
		older_objects += olds[i].objects;
	}
	return older_objects;
}

/*
 * Runs the program twice: first to learn when the dumps are written, then with the dumps named
 * beforehand, as they are on a command line.
 */
static struct runtime *run(unsigned seed, unsigned cycles_before, bool by_number)
{
	struct runtime *rehearsal = runtime_new(seed), *r = runtime_new(seed);

	simulate(rehearsal, cycles_before);
	assert_true(rehearsal->n_dumps > 10);
	for (size_t i = 0; i < rehearsal->n_dumps; i++) {
		struct dump *dump = &rehearsal->dumps[i];

		r->dumps[i].want =
			by_number ? snapshots_want(r->model.snapshots, 0, dump->cycle)
				  : snapshots_want(r->model.snapshots, WALL_ZERO + dump->time, 0);
	}
	runtime_free(rehearsal);
	simulate(r, cycles_before);
	return r;
}

static void test_launched(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		struct runtime *r = run(seed, 0, seed % 2);

		for (size_t i = 0; i < r->n_dumps; i++)
			assert_int_equal(assert_dump(r, &r->dumps[i]), 0);
		runtime_free(r);
	}
}

/* With the first reading of the table the older objects are told apart exactly. */
static void test_attached(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		struct runtime *r = run(seed, 1 + seed, seed % 2);

		assert_true(assert_dump(r, &r->dumps[0]) > 10);
		for (size_t i = 1; i < r->n_dumps; i++)
			assert_dump(r, &r->dumps[i]);
		runtime_free(r);
	}
}

/* ---- Single rules -------------------------------------------------------------------------- */

static struct snapshot_count only_row(const struct runtime *r, uint32_t want, int state)
{
	const struct snapshot *snapshot;
	struct snapshot_count sum = {0};

	assert_int_equal(snapshots_get(r->model.snapshots, want, 0, &snapshot), SNAPSHOT_OK);
	for (size_t i = 0; i < snapshot->n_rows; i++) {
		sum.objects += snapshot->rows[i].born_seen[state].objects;
		sum.bytes += snapshot->rows[i].born_seen[state].bytes;
	}
	return sum;
}

/* Before the first publication a dump shows everything up to its time. */
static void test_now(void **state)
{
	struct runtime *r = runtime_new(1);
	struct snapshots *s = r->model.snapshots;
	uint32_t want = snapshots_want(s, WALL_ZERO + 100, 0);
	const struct snapshot *snapshot;

	(void)state;
	snapshots_cycle(s, 0, 1, 0, 0);
	snapshots_birth(s, 3, 50, 0, 64);
	snapshots_birth(s, 4, 99, 0, 32);
	snapshots_birth(s, 5, 101, 0, 128);
	snapshots_finish(s, 200);
	assert_int_equal(snapshots_get(s, want, 0, &snapshot), SNAPSHOT_OK);
	assert_true(snapshot->has_now);
	assert_false(snapshot->after_end);
	assert_int_equal(only_row(r, want, SNAPSHOT_NOW).objects, 2);
	assert_int_equal(only_row(r, want, SNAPSHOT_NOW).bytes, 96);
	runtime_free(r);
}

static void test_problems(void **state)
{
	struct runtime *r = runtime_new(1);
	struct snapshots *s = r->model.snapshots;
	uint32_t before = snapshots_want(s, WALL_ZERO + 5, 0);
	uint32_t after = snapshots_want(s, WALL_ZERO + 1000, 0);
	uint32_t old_number = snapshots_want(s, 0, 3), late_number = snapshots_want(s, 0, 11);
	const struct snapshot *snapshot;

	(void)state;
	assert_int_equal(snapshots_get(s, before, 0, &snapshot), SNAPSHOT_NO_CYCLES);
	snapshots_cycle(s, 0, 10, 7, 0);
	snapshots_birth(s, 0, 11, 7, 8);
	snapshots_cycle(s, 0, 20, 9, 0);
	snapshots_finish(s, 30);
	assert_int_equal(snapshots_get(s, before, 0, &snapshot), SNAPSHOT_BEFORE);
	assert_int_equal(snapshots_get(s, old_number, 0, &snapshot), SNAPSHOT_BEFORE);
	assert_int_equal(snapshots_get(s, after, 0, &snapshot), SNAPSHOT_OK);
	assert_true(snapshot->after_end);
	assert_int_equal(snapshot->prof_cycle, 9);
	assert_int_equal(snapshots_get(s, late_number, 0, &snapshot), SNAPSHOT_OK);
	assert_true(snapshot->after_end);
	assert_int_equal(only_row(r, late_number, 0).objects, 1);
	assert_int_equal(snapshots_get(s, after, 1, &snapshot), SNAPSHOT_NO_CYCLES);
	runtime_free(r);
}

static void test_no_clock(void **state)
{
	struct runtime *r = runtime_new(1);
	struct snapshots *s = r->model.snapshots;
	uint32_t want = snapshots_want(s, WALL_ZERO + 5, 0);
	const struct snapshot *snapshot;

	(void)state;
	r->model.n_clocks = 0;
	snapshots_cycle(s, 0, 1, 0, 0);
	snapshots_finish(s, 30);
	assert_int_equal(snapshots_get(s, want, 0, &snapshot), SNAPSHOT_NO_CLOCK);
	runtime_free(r);
}

/* The wall clock is set while the trace runs: the pairs that follow place what is to come. */
static void test_clock_step(void **state)
{
	struct runtime *r = runtime_new(1);
	struct snapshots *s = r->model.snapshots;
	uint32_t want = snapshots_want(s, WALL_ZERO + 5000 * MS, 0);
	const struct snapshot *snapshot;

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		snapshots_cycle(s, 0, i * 100 * MS + 1, i, i);
		if (i == 4) {
			xgrow(r->model.clocks, r->model.cap_clocks, 2);
			r->model.clocks[r->model.n_clocks++] = (struct clock_pair){
				.monotonic = 450 * MS, .realtime = WALL_ZERO + 4850 * MS};
		}
	}
	snapshots_finish(s, 1000 * MS);
	assert_int_equal(snapshots_get(s, want, 0, &snapshot), SNAPSHOT_OK);
	assert_int_equal(snapshot->time, 600 * MS);
	assert_int_equal(snapshot->prof_cycle, 5);
	assert_false(snapshot->after_end);
	runtime_free(r);
}

/* Numbers of GC cycles that run apart from the profile's are told by the trace. */
static void test_offset(void **state)
{
	struct runtime *r = runtime_new(1);
	struct snapshots *s = r->model.snapshots;
	uint32_t want = snapshots_want(s, 0, 6);
	const struct snapshot *snapshot;

	(void)state;
	snapshots_cycle(s, 0, 1, 8, 4);
	for (uint32_t i = 1; i < 9; i++) {
		snapshots_birth(s, 0, i * 10, 7 + i, 8);
		snapshots_cycle(s, 0, i * 10 + 5, 8 + i, 4 + i);
	}
	snapshots_finish(s, 300);
	assert_int_equal(snapshots_get(s, want, 0, &snapshot), SNAPSHOT_OK);
	assert_int_equal(snapshot->prof_cycle, 10);
	assert_int_equal(only_row(r, want, 1).objects, 1); /* state 9: births below cycle 9 */
	assert_int_equal(only_row(r, want, 3).objects, 3);
	runtime_free(r);
}

/* Sites that turn out to be one, and sites that move, keep their counts. */
static void test_merge_and_renumber(void **state)
{
	struct runtime *r = runtime_new(1);
	struct snapshots *s = r->model.snapshots;
	uint32_t first = snapshots_want(s, WALL_ZERO + 25, 0);
	uint32_t second = snapshots_want(s, WALL_ZERO + 95, 0);
	uint32_t new_index[SITES];
	const struct snapshot *snapshot;

	(void)state;
	snapshots_cycle(s, 0, 1, 0, 0);
	for (uint32_t i = 0; i < 10; i++) {
		snapshots_birth(s, 7, i * 10 + 1, i, 8);
		snapshots_birth(s, 9, i * 10 + 2, i, 8);
		snapshots_cycle(s, 0, i * 10 + 3, i + 1, 0);
	}
	snapshots_merge(s, 7, 9);
	snapshots_merge(s, 30, 9);
	for (uint32_t i = 0; i < SITES; i++)
		new_index[i] = i == 7 ? UINT32_MAX : i > 7 ? i - 1 : i;
	snapshots_renumber(s, new_index, SITES);
	snapshots_finish(s, 300);
	assert_int_equal(snapshots_get(s, first, 0, &snapshot), SNAPSHOT_OK);
	for (size_t i = 0; i < snapshot->n_rows; i++)
		assert_int_equal(snapshot->rows[i].site, 8);
	assert_int_equal(snapshot->prof_cycle, 3);
	assert_int_equal(only_row(r, first, 1).objects, 4); /* state 2: cycles 0 and 1, twice */
	assert_int_equal(snapshots_get(s, second, 0, &snapshot), SNAPSHOT_OK);
	assert_int_equal(snapshot->rows[0].site, 8);
	assert_int_equal(snapshot->prof_cycle, 10);
	assert_int_equal(only_row(r, second, 1).objects, 18);
	runtime_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launched), cmocka_unit_test(test_attached),
		cmocka_unit_test(test_now),	 cmocka_unit_test(test_problems),
		cmocka_unit_test(test_no_clock), cmocka_unit_test(test_clock_step),
		cmocka_unit_test(test_offset),	 cmocka_unit_test(test_merge_and_renumber),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
