/* Execution traces: real ones against what Go's own tool says of them, and ones by hand. */
#include "formats/gotrace.h"

#include "formats/xalloc.h"
#include "tests/unit/gotracebytes.h"
#include "tests/unit/random.h"
#include "tests/unit/slurp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Real ones ------------------------------------------------------------------------- */

static void expect_line(const struct gotrace *t, const char *line, size_t *gcs, size_t *stops)
{
	unsigned long long a, b, c;

	if (sscanf(line, "gc %llu %llu", &a, &b) == 2) {
		assert_int_equal(t->gcs[*gcs].begin, a);
		assert_int_equal(t->gcs[*gcs].end, b);
		/* The stops lie about both. */
		assert_in_range(t->gcs[*gcs].first.begin, a, b);
		assert_in_range(b, t->gcs[*gcs].second.begin, t->gcs[*gcs].second.end);
		++*gcs;
	} else if (sscanf(line, "stop %llu %llu %llu", &c, &a, &b) == 3) {
		assert_int_equal(t->stops[*stops].kind, c);
		assert_int_equal(t->stops[*stops].begin, a);
		assert_int_equal(t->stops[*stops].end, b);
		++*stops;
	} else if (sscanf(line, "assists %llu %llu", &a, &b) == 2) {
		assert_int_equal(t->assists, a);
		assert_int_equal(t->assist_ns, b);
	} else if (sscanf(line, "sweeps %llu %llu", &a, &b) == 2) {
		assert_int_equal(t->sweeps, a);
		assert_int_equal(t->sweep_ns, b);
	} else if (sscanf(line, "heap %llu %llu", &a, &b) == 2) {
		assert_int_equal(t->points[t->n_points - 1].heap, a);
		assert_int_equal(t->points[t->n_points - 1].goal, b);
	} else if (sscanf(line, "goroutines %llu %llu", &a, &b) == 2) {
		assert_int_equal(t->goroutines_first, a);
		assert_int_equal(t->created, b);
	} else {
		fail_msg("%s", line);
	}
}

static void real(void **state)
{
	static const struct {
		const char *go;
		int version;
		size_t clocks;
	} files[] = {{"1.22", 22, 0},
		     {"1.23", 23, 0},
		     {"1.25", 25, 1},
		     {"1.26", 26, 1},
		     {"1.27", 26, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = xasprintf("tests/data/gotrace/go%s.trace.gz", files[i].go);
		char *truth = xasprintf("tests/data/gotrace/go%s.txt", files[i].go), line[200];
		FILE *f = fopen(truth, "r");
		size_t gcs = 0, stops = 0;
		struct gotrace t;

		assert_null(gotrace_read(path, &t));
		assert_null(t.damage);
		assert_false(t.too_many);
		assert_int_equal(t.version, files[i].version);
		assert_int_equal(t.frequency, GOTRACE_NANOTIME_TICKS);
		assert_int_equal(t.procs, 2);
		assert_int_equal(t.n_clocks, files[i].clocks);
		for (size_t k = 0; k < t.n_clocks; k++)
			assert_in_range(t.clocks[k].monotonic + 100 - t.clocks[k].time, 0, 200);
		assert_non_null(f);
		while (fgets(line, sizeof(line), f))
			expect_line(&t, line, &gcs, &stops);
		fclose(f);
		assert_true(gcs >= 2);
		assert_int_equal(t.n_gcs, gcs);
		assert_int_equal(t.n_stops, stops);
		assert_int_equal(t.goroutines_last, t.goroutines_first + t.created);
		gotrace_free(&t);
		free(path);
		free(truth);
	}
}

/* ---- By hand --------------------------------------------------------------------------- */

enum {
	GO_CREATE = 14,
	GO_START = 16,
	GO_DESTROY = 17,
	GO_BLOCK = 20,
	GO_STATUS = 25,
	STW_BEGIN = 26,
	STW_END = 27,
	GC_ACTIVE = 28,
	GC_BEGIN = 29,
	GC_END = 30,
	ASSIST_BEGIN = 35,
	ASSIST_END = 36,
	HEAP_ALLOC = 37,
	HEAP_GOAL = 38,
};

static void add_frequency(struct buffer *out, uint64_t generation, uint64_t ticks,
			  uint64_t frequency)
{
	struct buffer body = {0};

	buffer_u8(&body, 8);
	gotrace_uvarint(&body, frequency);
	gotrace_batch(out, generation, UINT64_MAX, ticks, &body);
}

/* Two generations. In the first a cycle is in progress, another begins in it and ends in the
 * second, of which the batches stand in the file before those of the other thread. */
static void make(struct buffer *out)
{
	struct buffer body = {0};

	gotrace_header(out, 23);
	gotrace_event(&body, GO_STATUS, 1, 3, 5, 100, 2);
	gotrace_event(&body, GO_STATUS, 1, 3, 6, 0, 4);
	gotrace_event(&body, GO_STATUS, 1, 3, 7, 0, 0); /* no status */
	gotrace_event(&body, GC_ACTIVE, 1, 1, 3, 0, 0);
	gotrace_event(&body, GC_END, 6, 1, 4, 0, 0);	/* at 1010 */
	gotrace_event(&body, GC_BEGIN, 10, 2, 5, 0, 0); /* 1020 */
	gotrace_event(&body, STW_BEGIN, 1, 2, 7, 0, 0);
	gotrace_event(&body, STW_END, 4, 0, 0, 0, 0);
	gotrace_event(&body, ASSIST_BEGIN, 5, 1, 0, 0, 0); /* 1030, goroutine 5 */
	gotrace_event(&body, GO_BLOCK, 1, 2, 0, 0, 0);
	gotrace_event(&body, HEAP_ALLOC, 9, 1, 4096, 0, 0); /* 1040 */
	gotrace_batch(out, 1, 100, 1000, &body);
	gotrace_event(&body, GO_START, 1, 2, 5, 1, 0);
	gotrace_event(&body, ASSIST_END, 49, 0, 0, 0, 0); /* 1050, on another thread */
	gotrace_event(&body, GO_CREATE, 1, 3, 8, 0, 0);
	gotrace_event(&body, GO_CREATE, 1, 3, 9, 0, 0);
	gotrace_event(&body, GO_DESTROY, 1, 0, 0, 0, 0);
	gotrace_event(&body, HEAP_ALLOC, 1, 1, 1000, 0, 0);
	gotrace_event(&body, HEAP_GOAL, 1, 1, 9000, 0, 0);
	gotrace_batch(out, 1, 200, 1000, &body);
	gotrace_string(&body, 3, "start trace");
	gotrace_string(&body, 7, "GC sweep termination");
	gotrace_batch(out, 1, UINT64_MAX, 0, &body);
	add_frequency(out, 1, 1100, GOTRACE_NANOTIME_TICKS);
	/* Here 7 is another reason. */
	gotrace_event(&body, GO_STATUS, 1, 3, 6, 0, 4);
	gotrace_event(&body, GC_ACTIVE, 1, 1, 5, 0, 0);
	gotrace_event(&body, STW_BEGIN, 8, 2, 7, 0, 0); /* 2010 */
	gotrace_event(&body, GC_END, 5, 1, 6, 0, 0);
	gotrace_event(&body, STW_END, 5, 0, 0, 0, 0);
	gotrace_event(&body, GC_BEGIN, 5, 2, 7, 0, 0); /* 2025: its end is not there */
	gotrace_batch(out, 2, 100, 2000, &body);
	gotrace_string(&body, 7, "GC mark termination");
	gotrace_batch(out, 2, UINT64_MAX, 0, &body);
	add_frequency(out, 2, 2100, GOTRACE_NANOTIME_TICKS);
}

static void by_hand(void **state)
{
	struct buffer data = {0};
	struct gotrace t;

	(void)state;
	make(&data);
	assert_true(gotrace_is(data.data, data.len));
	assert_null(gotrace_parse(data.data, data.len, &t));
	assert_null(t.damage);
	assert_int_equal(t.version, 23);
	assert_int_equal(t.generations, 2);
	assert_int_equal(t.events, 24);
	assert_int_equal(t.first, 1001 * 64);
	assert_int_equal(t.last, 2025 * 64);
	assert_int_equal(t.n_gcs, 3);
	assert_int_equal(t.gcs[0].begin, 0);
	assert_int_equal(t.gcs[0].end, 1010 * 64);
	assert_int_equal(t.gcs[1].begin, 1020 * 64);
	assert_int_equal(t.gcs[1].end, 2015 * 64);
	assert_int_equal(t.gcs[1].first.begin, 1021 * 64);
	assert_int_equal(t.gcs[1].first.end, 1025 * 64);
	assert_int_equal(t.gcs[1].second.begin, 2010 * 64);
	assert_int_equal(t.gcs[1].second.end, 2020 * 64);
	assert_int_equal(t.gcs[2].begin, 2025 * 64);
	assert_int_equal(t.gcs[2].end, 0);
	assert_int_equal(t.n_stops, 2);
	assert_int_equal(t.stops[0].kind, GOTRACE_STOP_SWEEP_TERM);
	assert_int_equal(t.stops[1].kind, GOTRACE_STOP_MARK_TERM);
	assert_int_equal(t.assists, 1);
	assert_int_equal(t.assist_ns, 20 * 64);
	assert_int_equal(t.goroutines_first, 2);
	assert_int_equal(t.goroutines_last, 3);
	assert_int_equal(t.created, 2);
	assert_int_equal(t.destroyed, 1);
	/* By the clock, not by the place in the file. */
	assert_int_equal(t.points[0].heap, 1000);
	assert_int_equal(t.points[0].heap_peak, 4096);
	assert_int_equal(t.points[0].goal, 9000);
	gotrace_free(&t);
	buffer_free(&data);
}

/* Wherever it is cut: an error, or what comes before, and that it was cut. */
static void cut(void **state)
{
	struct buffer data = {0};
	size_t errors = 0, damaged = 0, whole = 0;

	(void)state;
	make(&data);
	for (size_t len = 0; len < data.len; len++) {
		uint8_t *copy = xreallocarray(NULL, len + 1, 1);
		struct gotrace t;
		struct error *err;

		memcpy(copy, data.data, len);
		err = gotrace_parse(copy, len, &t);
		errors += err != NULL;
		damaged += !err && t.damage;
		whole += !err && !t.damage; /* between two batches */
		if (!err)
			assert_true(t.n_gcs <= 3 && t.events <= 24);
		error_free(err);
		gotrace_free(&t);
		free(copy);
	}
	assert_true(errors > 16 && damaged > 100);
	assert_in_range(whole, 4, 7);
	buffer_free(&data);
}

static void expect_error(const struct buffer *data, const char *part)
{
	struct gotrace t;
	struct error *err = gotrace_parse(data->data, data->len, &t);

	assert_non_null(err);
	if (!strstr(error_message(err), part))
		fail_msg("%s", error_message(err));
	error_free(err);
	gotrace_free(&t);
}

static void refused(void **state)
{
	struct buffer data = {0}, body = {0};
	struct gotrace t;
	struct error *err;

	(void)state;
	expect_error(&data, "not a Go execution trace");
	buffer_append(&data, "go 1.x trace\0\0\0\0", 16);
	expect_error(&data, "not a Go execution trace");
	assert_false(gotrace_is(data.data, data.len));
	buffer_free(&data);
	gotrace_header(&data, 21);
	assert_true(gotrace_is(data.data, data.len));
	expect_error(&data, "format of Go 1.21");
	buffer_free(&data);
	gotrace_header(&data, 26);
	expect_error(&data, "holds nothing");
	add_frequency(&data, 1, 5, GOTRACE_NANOTIME_TICKS);
	expect_error(&data, "holds no event");
	buffer_free(&data);
	gotrace_header(&data, 22);
	add_frequency(&data, 1, 5, UINT64_MAX);
	expect_error(&data, "clock is not one");
	buffer_free(&data);
	/* An event that no version has, and a batch that is too large. */
	gotrace_header(&data, 22);
	gotrace_event(&body, GO_STATUS, 1, 3, 5, 0, 2);
	buffer_u8(&body, 99);
	gotrace_batch(&data, 1, 1, 5, &body);
	assert_null(gotrace_parse(data.data, data.len, &t));
	assert_non_null(strstr(t.damage, "none of this format"));
	gotrace_free(&t);
	buffer_append(&data, "\1\1\1\1\200\200\10", 7);
	assert_null(gotrace_parse(data.data, data.len, &t));
	assert_non_null(strstr(t.damage, "a batch of 131072 bytes"));
	gotrace_free(&t);
	buffer_free(&data);
	err = gotrace_read("tests/data/gotrace/none", &t);
	assert_non_null(err);
	error_free(err);
	err = gotrace_read("tests/data/gotrace/README", &t);
	assert_non_null(strstr(error_message(err), "README: it is not a Go execution trace"));
	error_free(err);
}

/* Readings of the clocks (1.25), another clock, and ends of generations in the band (1.26). */
static void clocks(void **state)
{
	struct buffer data = {0}, body = {0};
	struct gotrace t;

	(void)state;
	gotrace_header(&data, 26);
	buffer_u8(&body, 50);
	buffer_u8(&body, 8);
	gotrace_uvarint(&body, 3000000000);
	buffer_u8(&body, 51);
	gotrace_uvarint(&body, 3000);
	gotrace_uvarint(&body, 777);
	gotrace_uvarint(&body, 1795000000);
	gotrace_uvarint(&body, 5);
	gotrace_batch(&data, 1, UINT64_MAX, 6000000000, &body);
	gotrace_event(&body, GO_STATUS, 6000, 3, 5, 0, 2);
	gotrace_batch(&data, 1, 3, 6000000000, &body);
	buffer_u8(&data, 52);
	assert_null(gotrace_parse(data.data, data.len, &t));
	assert_null(t.damage);
	assert_int_equal(t.n_clocks, 1);
	assert_int_equal(t.clocks[0].time, 2000001000);
	assert_int_equal(t.clocks[0].monotonic, 777);
	assert_int_equal(t.clocks[0].wall, 1795000000000000005);
	assert_int_equal(t.first, 2000002000);
	gotrace_free(&t);
	buffer_free(&data);
}

/* However long it is, there are so many points, and nothing is lost between them. */
static void points(void **state)
{
	struct buffer data = {0}, body = {0};
	uint64_t sum = 0;
	struct gotrace t;

	(void)state;
	gotrace_header(&data, 22);
	for (uint64_t i = 0; i < 3000; i++) {
		gotrace_event(&body, GO_CREATE, 15625 * (i + 1), 3, 8 + i, 0, 0);
		gotrace_event(&body, HEAP_ALLOC, 1, 1, i, 0, 0);
	}
	gotrace_batch(&data, 1, 1, 1000, &body);
	add_frequency(&data, 1, 1000, GOTRACE_NANOTIME_TICKS);
	assert_null(gotrace_parse(data.data, data.len, &t));
	assert_in_range(t.n_points, GOTRACE_MAX_POINTS / 2, GOTRACE_MAX_POINTS);
	for (size_t i = 0; i < t.n_points; i++) {
		sum += t.points[i].created;
		if (i)
			assert_true(t.points[i].time > t.points[i - 1].time &&
				    t.points[i].heap >= t.points[i - 1].heap);
	}
	assert_int_equal(sum, 3000);
	assert_int_equal(t.goroutines_last, 3000);
	assert_int_equal(t.points[t.n_points - 1].heap, 2999);
	assert_int_equal(t.points[t.n_points - 1].time, t.last);
	gotrace_free(&t);
	buffer_free(&data);
}

static void hostile(void **state)
{
	struct buffer whole = {0};

	(void)state;
	make(&whole);
	for (uint64_t seed = 1; seed < 20000; seed++) {
		struct random r = {seed};
		struct buffer data = {0};
		struct gotrace t;

		buffer_append(&data, whole.data, whole.len);
		for (int i = 0; i < 3; i++)
			data.data[16 + random_u64(&r) % (data.len - 16)] = (uint8_t)random_u64(&r);
		error_free(gotrace_parse(data.data, data.len, &t));
		gotrace_free(&t);
		buffer_free(&data);
	}
	buffer_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real),	   cmocka_unit_test(by_hand), cmocka_unit_test(cut),
		cmocka_unit_test(refused), cmocka_unit_test(clocks),  cmocka_unit_test(points),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
