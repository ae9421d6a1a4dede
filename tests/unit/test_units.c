#include "analyze/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static void test_units(void **state)
{
	char *text;

	(void)state;
	assert_string_equal(units_bytes(0).text, "0 B");
	assert_string_equal(units_bytes(-0.2).text, "0 B");
	assert_string_equal(units_bytes(512).text, "512 B");
	assert_string_equal(units_bytes(999).text, "999 B");
	assert_string_equal(units_bytes(1000).text, "0.98 KiB");
	assert_string_equal(units_bytes(1024).text, "1.00 KiB");
	assert_string_equal(units_bytes(61.2 * 1048576).text, "61.2 MiB");
	assert_string_equal(units_bytes(123.4 * 1048576).text, "123 MiB");
	assert_string_equal(units_bytes(-1.5 * 1073741824).text, "-1.50 GiB");
	assert_string_equal(units_growth(61.2 * 1048576).text, "+61.2 MiB/h");
	assert_string_equal(units_growth(-2048).text, "-2.00 KiB/h");
	assert_string_equal(units_growth_range(61.2 * 1048576, 58.9 * 1048576, 63.6 * 1048576).text,
			    "+61.2 MiB/h (58.9 to 63.6)");
	assert_string_equal(units_growth_range(0, -512 * 1024, 512 * 1024).text,
			    "+0.00 KiB/h (-512.00 to 512.00)");
	assert_string_equal(units_growth_range(-1, -2 * 1048576, 1048576).text,
			    "+0.00 MiB/h (-2.00 to 1.00)");
	assert_string_equal(units_duration(0).text, "0ns");
	assert_string_equal(units_duration(850000000).text, "850ms");
	assert_string_equal(units_duration(12340000000).text, "12.3s");
	assert_string_equal(units_duration(59990000000).text, "1m00s");
	assert_string_equal(units_duration(298 * SECOND).text, "4m58s");
	assert_string_equal(units_duration(7500 * SECOND).text, "2h05m");
	assert_string_equal(units_duration(3 * 86400 * SECOND + 4 * 3600 * SECOND).text, "3d04h");
	assert_string_equal(units_count(0).text, "0");
	assert_string_equal(units_count(999).text, "999");
	assert_string_equal(units_count(1234567).text, "1,234,567");
	assert_string_equal(units_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	assert_string_equal(units_percent(0).text, "0%");
	assert_string_equal(units_percent(0.0001).text, "<0.1%");
	assert_string_equal(units_percent(0.034).text, "3.4%");
	assert_string_equal(units_percent(0.12).text, "12%");
	assert_string_equal(units_percent(0.99999).text, "99.9%");
	assert_string_equal(units_percent(1).text, "100%");
	assert_int_equal(units_columns("a\xc3\xa4z"), 3);
	text = units_shorten("github.com/acme/store.(*DB).Put", 20);
	assert_string_equal(text, "githu...re.(*DB).Put");
	free(text);
}

static void test_shorten(void **state)
{
	(void)state;
	for (size_t width = 0; width < 40; width++) {
		char *text =
			units_shorten("p\xc3\xa4"
				      "ckage/\xe4\xb8\x96\xe7\x95\x8c.(*T).\xf0\x9f\x98\x80 method",
				      width);

		assert_true(units_columns(text) <= width || width >= 26);
		/* No code point is cut: what is printable stays so. */
		char *again = units_printable(text);
		assert_string_equal(text, again);
		free(again);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_shorten),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
