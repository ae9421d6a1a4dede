/* The command line of record. */

#include "record/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static struct error *parse(struct record_options *options, char *line)
{
	static char *argv[32];
	int argc = 0;
	char *save = NULL;

	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0; /* start over, as GNU getopt has it */
	return options_parse(argc, argv, options);
}

static void test_command(void **state)
{
	char line[] = "record -o x.gmt -d 90s -z 3 -m 64 --heap sampled -- prog -p 1 --help";
	struct record_options options;

	(void)state;
	assert_null(parse(&options, line));
	assert_string_equal(options.output, "x.gmt");
	assert_int_equal(options.duration_ms, 90000);
	assert_int_equal(options.compression_level, 3);
	assert_int_equal(options.ring_pages, 64);
	assert_int_equal(options.heap, HEAP_SAMPLED);
	assert_string_equal(options.command[0], "prog");
	assert_string_equal(options.command[3], "--help");
	assert_int_equal(options.n_pids, 0);
	options_free(&options);
}

static void test_pids(void **state)
{
	char line[] = "record -p 12,34 -q";
	struct record_options options;

	(void)state;
	assert_null(parse(&options, line));
	assert_int_equal(options.n_pids, 2);
	assert_int_equal(options.pids[1], 34);
	assert_null(options.command);
	assert_string_equal(options.output, "trace.gmt");
	assert_int_equal(options.verbosity, -1);
	options_free(&options);
}

static void test_gctrace(void **state)
{
	char plain[] = "record --gctrace -- prog", file[] = "record --gctrace=gc.log -- prog";
	struct record_options options;

	(void)state;
	assert_null(parse(&options, plain));
	assert_true(options.gctrace);
	assert_null(options.gctrace_file);
	assert_string_equal(options.command[0], "prog");
	assert_null(parse(&options, file));
	assert_true(options.gctrace);
	assert_string_equal(options.gctrace_file, "gc.log");
}

/* `10m` is minutes and `10M` is MiB. */
static void test_bounds(void **state)
{
	char time[] = "record --rotate=10m --keep 3 -- prog";
	char size[] = "record --rotate=10M --max-size 2G -- prog";
	char flight[] = "record --snapshot --snapshot=rss>2G --snapshot-window 90s -p 1";
	struct record_options options;

	(void)state;
	assert_null(parse(&options, time));
	assert_int_equal(options.rotate_time, 600000000000);
	assert_int_equal(options.rotate_size, 0);
	assert_int_equal(options.keep, 3);
	assert_true(options_numbered(&options));
	assert_false(options_to_pipe(&options));
	options_free(&options);
	assert_null(parse(&options, size));
	assert_int_equal(options.rotate_time, 0);
	assert_int_equal(options.rotate_size, 10 << 20);
	assert_int_equal(options.max_size, 2ull << 30);
	options_free(&options);
	assert_null(parse(&options, flight));
	assert_true(options.snapshot);
	assert_int_equal(options.n_conditions, 1);
	assert_int_equal(options.snapshot_window, 90000000000);
	assert_int_equal(options.snapshot_memory, 64 << 20);
	assert_true(options_numbered(&options));
	options_free(&options);
}

static void test_bounds_that_clash(void **state)
{
	static const char *const lines[] = {
		"record --rotate=5 -- prog",
		"record --rotate=1ms -- prog",
		"record --rotate=1K -- prog",
		"record --rotate=1h --snapshot -- prog",
		"record --rotate=1h --keep 1 -- prog",
		"record --keep 3 -- prog",
		"record -o - --rotate=1h -- prog",
		"record -o - --snapshot -- prog",
		"record -o - --pprof http://localhost:1/debug/pprof/heap -- prog",
		"record --max-size=1M --snapshot -- prog",
		"record --snapshot-window=1m -- prog",
		"record --snapshot --snapshot-window=1s -- prog",
		"record --snapshot --snapshot-memory=1K -- prog",
		"record --snapshot=load>3 -- prog",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct record_options options;
		struct error *err;
		char line[128];

		snprintf(line, sizeof(line), "%s", lines[i]);
		err = parse(&options, line);
		if (!err)
			print_error("\"%s\" was taken\n", lines[i]);
		assert_non_null(err);
		assert_non_null(error_remedy_text(err));
		error_free(err);
		options_free(&options);
	}
}

static void test_native(void **state)
{
	char plain[] = "record --native -p 1", thinned[] = "record --native=16 -- prog";
	struct record_options options;

	(void)state;
	assert_null(parse(&options, plain));
	assert_true(options.native);
	assert_int_equal(options.native_every, 1);
	options_free(&options);
	assert_null(parse(&options, thinned));
	assert_true(options.native);
	assert_int_equal(options.native_every, 16);
	assert_string_equal(options.command[0], "prog");
}

static void test_pprof(void **state)
{
	char line[] = "record --pprof http://a:1/heap?gc=1@30s --pprof https://u@b/heap -p 1";
	struct record_options options;

	(void)state;
	assert_null(parse(&options, line));
	assert_int_equal(options.n_dumps, 2);
	assert_string_equal(options.dumps[0].url, "http://a:1/heap?gc=1");
	assert_int_equal(options.dumps[0].every, 30000000000ull);
	assert_string_equal(options.dumps[1].url, "https://u@b/heap");
	assert_int_equal(options.dumps[1].every, 0);
	options_free(&options);
}

static void test_refusals(void **state)
{
	static const char *const lines[] = {
		"record",
		"record -p 1 -- prog",
		"record -p x",
		"record --native=3 -p 1",
		"record --native=512 -p 1",
		"record --native= -p 1",
		"record -p 1,,x",
		"record -p -3",
		"record -p 0",
		"record -d 10q -p 1",
		"record -d -5 -p 1",
		"record -z 20 -p 1",
		"record -m 100 -p 1",
		"record --heap some -p 1",
		"record --nonsense -p 1",
		"record --gctrace -p 1",
		"record --gctrace= -- prog",
		"record --pprof localhost:6060 -p 1",
		"record --pprof file:///etc/passwd -p 1",
		"record --pprof http://a/heap@0s -p 1",
		"record -p",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct record_options options;
		char line[128];
		struct error *err;

		strcpy(line, lines[i]);
		err = parse(&options, line);
		if (!err)
			fail_msg("accepted: %s", lines[i]);
		assert_non_null(error_remedy_text(err));
		error_free(err);
		options_free(&options);
	}
}

static void test_durations(void **state)
{
	uint64_t ms;

	(void)state;
	assert_true(options_duration("10m", &ms));
	assert_int_equal(ms, 600000);
	assert_true(options_duration("1.5h", &ms));
	assert_int_equal(ms, 5400000);
	assert_true(options_duration("250ms", &ms));
	assert_int_equal(ms, 250);
	assert_true(options_duration("7", &ms));
	assert_int_equal(ms, 7000);
	assert_false(options_duration("", &ms));
	assert_false(options_duration("0", &ms));
	assert_false(options_duration("5d", &ms));
	assert_false(options_duration("nan", &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_pids),
		cmocka_unit_test(test_gctrace),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_bounds_that_clash),
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_pprof),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
