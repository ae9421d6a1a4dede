#include "analyze/options.h"
#include "common/arguments.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"0", 0},
		{"90", 90000000000},
		{"90s", 90000000000},
		{"1.5s", 1500000000},
		{"1500ms", 1500000000},
		{"200us", 200000},
		{"10m", 600000000000},
		{"2h", 7200000000000},
	};
	static const char *const bad[] = {"",	"s",   "-1",  "+1",	    " 1",   "1 s",
					  "1d", "nan", "inf", "9999999999", "1e9h", "10mm"};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(argument_duration(good[i].text, &ns));
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (argument_duration(bad[i], &ns))
			fail_msg("'%s' was taken for a duration", bad[i]);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},
		{"4096", 4096},
		{"64K", 65536},
		{"2M", 2 << 20},
		{"1g", 1 << 30},
		{"512MiB", 512 << 20},
		{"3TB", 3ull << 40},
		{"16777215T", 16777215ull << 40},
	};
	static const char *const bad[] = {"",	 "K",	"-1",  "1.5G",	    "1X",
					  "1Ki", "1MM", "1 M", "16777216T", "18446744073709551616"};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(argument_bytes(good[i].text, &bytes));
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (argument_bytes(bad[i], &bytes))
			fail_msg("'%s' was taken for a size", bad[i]);
}

static void test_numbers(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(argument_number("7", 1, 7, &value));
	assert_int_equal(value, 7);
	assert_false(argument_number("8", 1, 7, &value));
	assert_false(argument_number("0", 1, 7, &value));
	assert_false(argument_number("7x", 1, 7, &value));
	assert_false(argument_number("", 0, 7, &value));
	assert_false(argument_number("-1", 0, UINT64_MAX, &value));
}

#define MAX_WORDS 32

/* Parses a command line, words apart by one blank. */
static struct error *parse(const char *line, struct analyze_options *options)
{
	static char copy[512];
	char *argv[MAX_WORDS], *save = NULL;
	int argc = 0;

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0; /* begins anew */
	return analyze_options_parse(argc, argv, options);
}

static void test_command_line(void **state)
{
	struct analyze_options options;

	(void)state;
	assert_null(
		parse("analyze a.gmt --gctrace gc1 b.gmt --pprof=h1 --gctrace gc2 -o out --from "
		      "1m --to 2m --top 3 --limit 2G --color=never -v",
		      &options));
	assert_int_equal(options.action, ANALYZE_REPORT);
	assert_int_equal(options.n_traces, 2);
	assert_string_equal(options.traces[0], "a.gmt");
	assert_string_equal(options.traces[1], "b.gmt");
	assert_int_equal(options.n_gctraces, 2);
	assert_string_equal(options.gctraces[1], "gc2");
	assert_int_equal(options.n_dumps, 1);
	assert_string_equal(options.dumps[0], "h1");
	assert_string_equal(options.output, "out");
	assert_int_equal(options.from, 60000000000);
	assert_int_equal(options.to, 120000000000);
	assert_int_equal(options.top, 3);
	assert_int_equal(options.limit, 2ull << 30);
	assert_int_equal(options.color, COLOR_NEVER);
	assert_int_equal(options.verbosity, 1);
	analyze_options_free(&options);

	assert_null(parse("analyze -f text -", &options));
	assert_string_equal(options.traces[0], "-");
	assert_int_equal(options.format, FORMAT_TEXT);
	analyze_options_free(&options);
	assert_null(parse("analyze --format=json a.gmt", &options));
	assert_int_equal(options.format, FORMAT_JSON);
	analyze_options_free(&options);
	/* A log speaks for itself. */
	assert_null(parse("analyze --gctrace gc.log", &options));
	assert_int_equal(options.n_traces, 0);
	analyze_options_free(&options);
	assert_null(parse("analyze --help", &options));
	assert_int_equal(options.action, ANALYZE_HELP);
	analyze_options_free(&options);
	assert_null(parse("analyze --version", &options));
	assert_int_equal(options.action, ANALYZE_VERSION);
	analyze_options_free(&options);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
		{"analyze", "no trace"},
		{"analyze --pprof heap.pb.gz", "trace"},
		{"analyze a.gmt --bogus", "--bogus: no such option"},
		{"analyze a.gmt -x", "-x: no such option"},
		{"analyze a.gmt --gctrace", "--gctrace: a value is missing"},
		{"analyze a.gmt -f html2", "html2: no such format; there are: text, json"},
		{"analyze a.gmt --from soon", "--from soon"},
		{"analyze a.gmt --to 0", "--to 0"},
		{"analyze a.gmt --from 2m --to 1m", "--from is not before --to"},
		{"analyze a.gmt --top 0", "--top 0"},
		{"analyze a.gmt --limit 0", "--limit 0"},
		{"analyze a.gmt --color=blue", "--color blue"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct analyze_options options;
		struct error *err = parse(wrong[i].line, &options);

		if (!err)
			fail_msg("'%s' was accepted", wrong[i].line);
		if (!strstr(error_message(err), wrong[i].words))
			fail_msg("'%s': \"%s\"", wrong[i].line, error_message(err));
		assert_non_null(error_remedy_text(err));
		error_free(err);
		analyze_options_free(&options);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("analyze_options", tests, NULL, NULL);
}
