#include "analyze/expression.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A small world: three figures, and a set of four items with a number and a name. */

static bool lookup(const void *context, const char *name, struct quantity *value)
{
	*value = (struct quantity){.known = context != NULL};
	if (!strcmp(name, "rss.max")) {
		value->bytes = 1;
		value->number = 3.0 * (1 << 30);
	} else if (!strcmp(name, "pause")) {
		value->seconds = 1;
		value->number = 0.004;
	} else if (!strcmp(name, "rate")) {
		value->bytes = 1;
		value->seconds = -1;
		value->number = 1 << 20;
	} else if (!strcmp(name, "cycles")) {
		value->number = 12;
	} else if (!strcmp(name, "missing")) {
		value->known = false;
	} else {
		return false;
	}
	return true;
}

static const struct item {
	const char *name;
	double size;
} items[] = {{"main.leak", 100}, {"main.(*cache).get", 2000}, {"runtime.malg", 30}, {"os.Open", 4}};

static bool count_items(const void *context, size_t *n)
{
	*n = 4;
	return context != NULL;
}

static double one(const void *context, size_t item)
{
	(void)context;
	(void)item;
	return 1;
}

static double size_of(const void *context, size_t item)
{
	(void)context;
	return items[item].size;
}

static bool field(const void *context, size_t item, const char *name, struct quantity *value)
{
	*value = (struct quantity){.known = context != NULL};
	if (!strcmp(name, "size")) {
		value->bytes = 1;
		value->number = context ? items[item].size : 0;
		return true;
	}
	if (!strcmp(name, "name")) {
		value->kind = QUANTITY_TEXT;
		value->text = context ? items[item].name : "";
		return true;
	}
	return false;
}

static const struct expression_set sets[] = {
	{"items", 0, 0, count_items, one, field},
	{"bytes", 1, 0, count_items, size_of, field},
};
static const struct expression_scope world = {&world, lookup, sets, 2};
static const struct expression_scope nothing = {NULL, lookup, sets, 2};

/* The value of a text that is right in both scopes. */
static struct quantity value_of(const char *text)
{
	struct expression *expression;
	struct quantity value, dry;

	assert_null(expression_parse(text, &expression));
	assert_null(expression_value(expression, &nothing, &dry));
	assert_null(expression_value(expression, &world, &value));
	assert_int_equal(dry.kind, value.kind);
	assert_int_equal(dry.bytes, value.bytes);
	assert_int_equal(dry.seconds, value.seconds);
	expression_free(expression);
	return value;
}

static void assert_truth(const char *text, bool wanted)
{
	const struct quantity value = value_of(text);

	assert_int_equal(value.kind, QUANTITY_TRUTH);
	if (!value.known || (value.number != 0) != wanted)
		fail_msg("%s", text);
}

static void assert_unknown(const char *text)
{
	if (value_of(text).known)
		fail_msg("%s", text);
}

static void assert_number(const char *text, double wanted)
{
	const struct quantity value = value_of(text);

	assert_int_equal(value.kind, QUANTITY_NUMBER);
	assert_true(value.known);
	if (fabs(value.number - wanted) > 1e-9 * fabs(wanted))
		fail_msg("%s is %.17g, not %.17g", text, value.number, wanted);
}

/* The error that a text gives, in parsing or in the scope without values. */
static void assert_error(const char *text, const char *wanted)
{
	struct expression *expression;
	struct quantity value;
	struct error *err = expression_parse(text, &expression);

	if (!err)
		err = expression_value(expression, &nothing, &value);
	if (!err)
		fail_msg("%s: no error", text);
	if (!strstr(error_message(err), wanted))
		fail_msg("%s: %s", text, error_message(err));
	error_free(err);
	expression_free(expression);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_number("1", 1);
	assert_number(" 2 + 3 * 4 ", 14);
	assert_number("(2 + 3) * 4", 20);
	assert_number("10 - 4 - 3", 3);
	assert_number("100 / 10 / 2", 5);
	assert_number("-2 * -3", 6);
	assert_number("1.5G", 1.5 * (1 << 30));
	assert_number("1KB", 1024);
	assert_number("1KiB", 1024);
	assert_number("3k", 3072);
	assert_number("1M", 1 << 20);
	assert_number("1m", 60);
	assert_number("2min", 120);
	assert_number("50ms", 0.05);
	assert_number("7us", 7e-6);
	assert_number("1h", 3600);
	assert_number("10%", 0.1);
	assert_number("6MB/min", (6 << 20) / 60.0);
	assert_number("3/s", 3);
	assert_number("1 / 4", 0.25);
	assert_number("6/2", 3);
	assert_number("rss.max / 1G", 3);
	assert_number("rate * 60s", 60.0 * (1 << 20));
	assert_unknown("1 / 0");
}

static void test_conditions(void **state)
{
	(void)state;
	assert_truth("rss.max > 1.5G", true);
	assert_truth("rss.max < 1.5G", false);
	assert_truth("rss.max >= 3G and rss.max <= 3G", true);
	assert_truth("rss.max == 3G", true);
	assert_truth("rss.max != 3G", false);
	assert_truth("pause > 3ms && pause < 5ms", true);
	assert_truth("pause > 5ms || cycles == 12", true);
	assert_truth("not (cycles == 12)", false);
	assert_truth("!(cycles == 11)", true);
	assert_truth("not cycles == 12 or cycles == 1", false);
	assert_truth("not not cycles == 12", true);
	assert_truth("not cycles == 11 or cycles == 12", true);
	assert_truth("rate > 59MB/min", true);
	assert_truth("rate > 61MB/min", false);
	assert_truth("rate > 0", true);
	/* "and" before "or". */
	assert_truth("cycles == 12 or cycles == 1 and cycles == 2", true);
	assert_truth("'abc' == \"abc\"", true);
	assert_truth("'abc' < 'abd'", true);
	assert_truth("'main.leak' ~ '^main[.]'", true);
	assert_truth("'main.leak' ~ '^runtime[.]'", false);
}

static void test_functions(void **state)
{
	(void)state;
	assert_number("items()", 4);
	assert_number("items(size > 50B)", 2);
	assert_number("items(name ~ '^main' and size < 1K)", 1);
	assert_number("items(size > 50B and cycles == 12)", 2);
	assert_number("bytes()", 2134);
	assert_truth("bytes(name ~ 'main') > 2K", true);
	assert_truth("items(name == 'nobody') > 0", false);
	assert_unknown("items(size > missing * 1B)");
	assert_error("items(items() > 1) > 1", "within another's brackets");
	assert_error("items(colour > 1)", "'colour' is neither a field of items()");
	assert_error("items(size)", "no condition");
	assert_error("things() > 1", "no function called 'things'");
}

static void test_unknown(void **state)
{
	(void)state;
	assert_unknown("missing > 1");
	assert_unknown("not (missing > 1)");
	/* Decided without it. */
	assert_truth("missing > 1 and cycles == 1", false);
	assert_truth("cycles == 12 or missing > 1", true);
	assert_unknown("missing > 1 or cycles == 1");
	assert_unknown("missing > 1 and cycles == 12");
	assert_truth("known(missing)", false);
	assert_truth("known(cycles)", true);
	assert_truth("known(missing) and missing > 1", false);
}

static void test_errors(void **state)
{
	(void)state;
	assert_error("", "it ends too early");
	assert_error("rss.max >", "it ends too early");
	assert_error("rss.max > 1.5G extra", "at character 16: this is not understood");
	assert_error("(1 > 2", "a ')' is missing");
	assert_error("items(1 > 2", "a ')' is missing");
	assert_error("1.5X > 1", "no such unit");
	assert_error("1e999 > 1", "too large");
	assert_error("'open", "without its end");
	assert_error("'a' ~ 'a('", "no regular expression");
	assert_error("'a' ~ 1", "wants a text in quotes");
	assert_error("known()", "known() of what?");
	assert_error("nobody > 1", "no figure called 'nobody'");
	assert_error("rss.max > 1s", "the left side is bytes, the right side a time");
	assert_error("rss.max > 1", "the left side is bytes, the right side a plain number");
	assert_error("rss.max + pause > 1G", "the left side is bytes");
	assert_error("'a' > 1", "the left side is a text");
	assert_error("'a' + 1", "only numbers");
	assert_error("-'a'", "only numbers");
	assert_error("not 1", "no condition");
	assert_error("1 and 1 > 0", "no condition");
	assert_error("rss.max ~ 'a'", "is bytes, the right side a text");
}

static void test_deep(void **state)
{
	char text[5000];

	(void)state;
	memset(text, '(', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_error(text, "nested too deeply");
	memset(text, '-', sizeof(text) - 1);
	assert_error(text, "nested too deeply");
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? '+' : '1';
	assert_error(text, "too many operators");
}

struct seen {
	char text[200];
};

static void see(void *arg, const char *text, size_t len, const struct quantity *value)
{
	struct seen *seen = arg;
	size_t at = strlen(seen->text);

	snprintf(seen->text + at, sizeof(seen->text) - at, "[%.*s=%g]", (int)len, text,
		 value->number);
}

static void test_visit(void **state)
{
	struct expression *expression;
	struct seen seen = {""};

	(void)state;
	assert_null(
		expression_parse("(cycles) > 1 or bytes( size > 50B ) > 2 * rss.max", &expression));
	expression_visit_figures(expression, &world, see, &seen);
	assert_string_equal(seen.text,
			    "[cycles=12][bytes( size > 50B )=2100][rss.max=3.22123e+09]");
	expression_free(expression);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_functions), cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_errors),	  cmocka_unit_test(test_deep),
		cmocka_unit_test(test_visit),
	};

	return cmocka_run_group_tests_name("expression", tests, NULL, NULL);
}
