#include "analyze/comparison.h"

#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SITES 200
#define BYTES 524288.0 /* that a sample stands for */

/* Samples of a site whose expectation is `mean`, in bursts of `burst` on average. */
static double draw(struct random *random, double mean, double burst)
{
	double n = 0, at = 0;

	while ((at += random_exponential(random, burst)) < mean)
		n += burst > 1 ? ceil(random_exponential(random, burst)) : 1;
	return n;
}

static void set_side(struct comparison_side *side, double births, double seconds)
{
	side->births = births;
	side->bytes = births * BYTES;
	side->alloc_rate = side->bytes / seconds;
}

/*
 * Two recordings of the same program, the second of `work` times the first. The first `changed`
 * sites allocate `factor` times as much for the same work.
 */
static struct comparison *recordings(struct random *random, double work, double burst,
				     size_t changed, double factor)
{
	struct comparison *comparison = comparison_new();

	comparison->before.path = xstrdup("old");
	comparison->now.path = xstrdup("new");
	comparison->before.seconds = 10;
	comparison->now.seconds = 20;
	for (size_t i = 0; i < SITES; i++) {
		/* Few sites allocate much. */
		double mean = 2000.0 / (double)(i + 2);
		char *name = xasprintf("main.f%zu", i);
		struct comparison_row *row =
			comparison_row(comparison, "go-heap", name, "main.go", name);

		set_side(&row->before, draw(random, mean, burst), 10);
		set_side(&row->now, draw(random, mean * work * (i < changed ? factor : 1), burst),
			 20);
		free(name);
	}
	comparison_finish(comparison);
	return comparison;
}

static size_t regressions(const struct comparison *comparison)
{
	size_t n = 0;

	for (size_t i = 0; i < comparison->n_rows; i++)
		n += comparison_is_regression(&comparison->rows[i]);
	return n;
}

/* How many of 100 pairs of recordings without a change have one. */
static size_t false_alarms(double work, double burst)
{
	struct random random = {7};
	size_t alarms = 0;

	for (int i = 0; i < 100; i++) {
		struct comparison *comparison = recordings(&random, work, burst, 0, 1);

		alarms += regressions(comparison) > 0;
		comparison_free(comparison);
	}
	return alarms;
}

static void test_same(void **state)
{
	(void)state;
	/* The same load, thrice the load, and allocation in bursts. */
	assert_in_range(false_alarms(1, 1), 0, 8);
	assert_in_range(false_alarms(3, 1), 0, 8);
	assert_in_range(false_alarms(1, 5), 0, 12);
}

static void test_changed(void **state)
{
	struct random random = {11};

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct comparison *comparison = recordings(&random, 2, 1, 3, 1.6);
		size_t found = 0;

		for (size_t k = 0; k < comparison->n_rows; k++) {
			const struct comparison_row *row = &comparison->rows[k];

			if (comparison_is_regression(row) && (!strcmp(row->function, "main.f0") ||
							      !strcmp(row->function, "main.f1") ||
							      !strcmp(row->function, "main.f2")))
				found++;
		}
		assert_int_equal(found, 3);
		/* What has changed comes first. */
		assert_true(comparison_is_regression(&comparison->rows[0]));
		comparison_free(comparison);
	}
}

static struct comparison_row *find(struct comparison *comparison, const char *function)
{
	for (size_t i = 0; i < comparison->n_rows; i++) {
		if (!strcmp(comparison->rows[i].function, function))
			return &comparison->rows[i];
	}
	fail_msg("no row of %s", function);
	return NULL;
}

static void add(struct comparison *comparison, const char *function, double before, double now)
{
	struct comparison_row *row =
		comparison_row(comparison, "go-heap", function, "main.go", function);

	set_side(&row->before, before, 10);
	set_side(&row->now, now, 10);
}

static void test_changes(void **state)
{
	struct comparison *comparison = comparison_new();
	struct comparison_row *row;

	(void)state;
	/* Most sites do not change: from them it is known what chance does. */
	for (int i = 0; i < 30; i++) {
		char *name = xasprintf("base.f%d", i);

		add(comparison, name, 100 + i, 100 + (i * 7) % 30);
		free(name);
	}
	add(comparison, "main.new", 0, 80);
	add(comparison, "main.gone", 80, 0);
	add(comparison, "main.more", 200, 400);
	add(comparison, "main.less", 400, 200);
	add(comparison, "main.few", 1, 4);
	/* Grows now, and did not before; what it allocates is the same. */
	add(comparison, "main.leak", 300, 300);
	row = comparison_row(comparison, "go-heap", "main.leak", "main.go", "main.leak");
	row->before.growth_low = -1e6;
	row->before.growth_high = 1e6;
	row->now.growth = 5e8;
	row->now.growth_low = 4e8;
	row->now.growth_high = 6e8;
	/* The same stack, but of another kind, is another site. */
	row = comparison_row(comparison, "native", "main.leak", "main.go", "main.leak");
	assert_true(row->before.births == 0);
	comparison_finish(comparison);
	assert_string_equal(comparison_change_id(find(comparison, "main.new")->change), "new");
	assert_string_equal(comparison_change_id(find(comparison, "main.gone")->change), "gone");
	assert_string_equal(comparison_change_id(find(comparison, "main.more")->change), "more");
	assert_string_equal(comparison_change_id(find(comparison, "main.less")->change), "less");
	assert_string_equal(comparison_change_id(find(comparison, "main.few")->change), "same");
	assert_string_equal(comparison_change_id(find(comparison, "base.f3")->change), "same");
	assert_string_equal(comparison->rows[0].function, "main.leak");
	assert_int_equal(comparison->rows[0].change, CHANGE_MORE);
	assert_true(comparison->rows[0].grows);
	comparison_free(comparison);
}

/* One site that allocates as much as all others together is the only one that has changed. */
static void test_few(void **state)
{
	struct comparison *comparison = comparison_new();

	(void)state;
	add(comparison, "main.a", 125, 148);
	add(comparison, "main.b", 9, 9);
	add(comparison, "main.c", 5, 6);
	add(comparison, "main.d", 6, 12);
	add(comparison, "main.new", 0, 149);
	comparison_finish(comparison);
	assert_in_range(regressions(comparison), 1, 1);
	assert_string_equal(comparison->rows[0].function, "main.new");
	assert_true(comparison->rows[0].q_value < 1e-6);
	comparison_free(comparison);
}

static void test_nothing(void **state)
{
	struct comparison *comparison = comparison_new();

	(void)state;
	comparison_finish(comparison);
	assert_int_equal(comparison->n_rows, 0);
	comparison_free(comparison);
	/* One side has no samples at all: nothing can be said of shares. */
	comparison = comparison_new();
	add(comparison, "main.f", 0, 100);
	comparison_finish(comparison);
	assert_int_equal(comparison->rows[0].change, CHANGE_SAME);
	comparison_free(comparison);
}

static struct error *read_json(const char *text, struct comparison *comparison)
{
	char path[] = "/tmp/test-comparison.XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	struct error *err;

	fputs(text, file);
	fclose(file);
	err = comparison_add_json(comparison, path);
	remove(path);
	return err;
}

static void assert_refused(const char *text, const char *wanted)
{
	struct comparison *comparison = comparison_new();
	struct error *err = read_json(text, comparison);

	assert_non_null(err);
	if (!strstr(error_message(err), wanted))
		fail_msg("%s", error_message(err));
	error_free(err);
	comparison_free(comparison);
}

static void test_json(void **state)
{
	struct comparison *comparison = comparison_new();
	struct quantity value = {0};
	size_t i = 0;

	(void)state;
	assert_null(read_json(
		"{\"schema_version\":1,\"trace\":{\"duration_s\":4},\"metrics\":{\"rss.max\":77,"
		"\"rss.last\":null},\"cycles\":[{},{}],\"candidates\":[{\"kind\":\"go-heap\","
		"\"site\":{\"function\":\"main.f\",\"file\":null},\"frames\":[{\"function\":"
		"\"a\"},{\"function\":\"b\"}],\"births\":3,\"births_est_bytes\":800,"
		"\"live_bytes\":50,\"growth_bytes_per_hour\":null},5,\"x\"]}",
		comparison));
	assert_string_equal(comparison->rows[0].stack, "a;b");
	assert_true(comparison->rows[0].before.births == 3);
	assert_true(comparison->rows[0].before.alloc_rate == 200);
	assert_true(comparison->before.cycles == 2);
	while (comparison->before.metrics[i] != 77)
		i++;
	comparison_metric(comparison, i, &value);
	assert_true(value.known && value.number == 77);
	comparison_free(comparison);
	assert_refused("", "line 1");
	assert_refused("{\"a\":", "line 1");
	assert_refused("{\"a\":1}", "no report of this program");
	assert_refused("[1]", "no report of this program");
	assert_refused("{\"schema_version\":2,\"candidates\":[]}", "version 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),	cmocka_unit_test(test_changed),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_few),
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests_name("comparison", tests, NULL, NULL);
}
