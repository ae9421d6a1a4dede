#include "formats/json.h"

#include "formats/utf8.h"
#include "formats/xalloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A document in memory. */
struct text {
	struct json json;
	char *data;
	size_t len;
};

static void text_begin(struct text *text)
{
	FILE *out = open_memstream(&text->data, &text->len);

	assert_non_null(out);
	text->json = json_make(out);
}

static void text_is(struct text *text, const char *wanted)
{
	fclose(text->json.out);
	assert_string_equal(text->data, wanted);
	free(text->data);
}

static void test_layout(void **state)
{
	struct text text;

	(void)state;
	text_begin(&text);
	json_object(&text.json, NULL);
	json_object(&text.json, "empty");
	json_end(&text.json);
	json_array(&text.json, "none");
	json_end(&text.json);
	json_array(&text.json, "rows");
	for (uint64_t i = 0; i < 2; i++) {
		json_object(&text.json, NULL);
		json_u64(&text.json, "i", i);
		json_array(&text.json, "list");
		json_bool(&text.json, NULL, true);
		json_bool(&text.json, NULL, false);
		json_null(&text.json, NULL);
		json_end(&text.json);
		json_end(&text.json);
	}
	json_end(&text.json);
	json_string(&text.json, "last", "x");
	json_end(&text.json);
	text_is(&text, "{\n \"empty\":{},\n \"none\":[],\n \"rows\":[\n"
		       "  {\"i\":0,\"list\":[true,false,null]},\n"
		       "  {\"i\":1,\"list\":[true,false,null]}\n ],\n \"last\":\"x\"\n}\n");
}

static void test_depth(void **state)
{
	struct text text;

	(void)state;
	text_begin(&text);
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		json_array(&text.json, NULL);
	json_u64(&text.json, NULL, 7);
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		json_end(&text.json);
	assert_int_equal(text.json.depth, 0);
	fclose(text.json.out);
	assert_non_null(strstr(text.data, "[7]"));
	free(text.data);
}

static void test_numbers(void **state)
{
	static const struct {
		double value;
		const char *text;
	} numbers[] = {
		{0, "0\n"},
		{-0.0, "0\n"},
		{1, "1\n"},
		{-1.5, "-1.5\n"},
		{0.1, "0.1\n"},
		{1.0 / 3, "0.333333333333\n"},
		{9007199254740991.0, "9007199254740991\n"},
		{-9007199254740991.0, "-9007199254740991\n"},
		{1e300, "1e+300\n"},
		{-2.5e-300, "-2.5e-300\n"},
		{NAN, "null\n"},
		{INFINITY, "null\n"},
		{-INFINITY, "null\n"},
	};
	struct text text;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		text_begin(&text);
		json_number(&text.json, NULL, numbers[i].value);
		fputc('\n', text.json.out);
		text_is(&text, numbers[i].text);
	}
	text_begin(&text);
	json_u64(&text.json, NULL, UINT64_MAX);
	text_is(&text, "18446744073709551615");
	text_begin(&text);
	json_i64(&text.json, NULL, INT64_MIN);
	text_is(&text, "-9223372036854775808");
}

static void string_is(const char *value, const char *wanted)
{
	struct text text;

	text_begin(&text);
	json_string(&text.json, NULL, value);
	text_is(&text, wanted);
}

static void test_strings(void **state)
{
	(void)state;
	string_is("", "\"\"");
	string_is(NULL, "null");
	string_is("a/b <c> 'd'", "\"a/b <c> 'd'\"");
	string_is("\"\\\b\f\n\r\t", "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
	string_is("\x01\x1b[2J\x1f\x7f", "\"\\u0001\\u001b[2J\\u001f\\u007f\"");
	/* C1 controls, which steer some terminals as well. */
	string_is("\xc2\x9b"
		  "31m\xc2\xa0",
		  "\"\\u009b31m\xc2\xa0\"");
	string_is("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	string_is("a\xff\x80z", "\"a\\ufffd\\ufffdz\"");
	/* Cut off in the middle. */
	string_is("\xe2\x82", "\"\\ufffd\\ufffd\"");
	string_is("\xe2\"", "\"\\ufffd\\\"\"");
}

static void test_keys(void **state)
{
	struct text text;

	(void)state;
	text_begin(&text);
	json_object(&text.json, NULL);
	json_u64(&text.json, "a\"b\xff", 1);
	json_end(&text.json);
	text_is(&text, "{\n \"a\\\"b\\ufffd\":1\n}\n");
}

/* Against the definition: what a code point looks like, encoded. */
static size_t encode(uint32_t code, char out[5])
{
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

	memset(out, 0, 5);
	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(leads[n] | code);
	return n;
}

static void test_utf8(void **state)
{
	static const char *const wrong[] = {
		"\x80",		"\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
		"\xf5\x80\x80", "\xff", "\xc2",	    "\xe1\x80", "\xf1\x80\x80", "\xc2\xc2\x80",
	};
	char text[5];

	(void)state;
	for (uint32_t code = 0; code < 0x120000; code++) {
		bool valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
		size_t n = encode(code, text);

		if (utf8_length(text) != (valid ? n : 0))
			fail_msg("U+%04X: %zu", code, utf8_length(text));
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(utf8_length(wrong[i]), 0);
}

static void test_broken_file(void **state)
{
	struct json json = json_make(fopen("/dev/full", "w"));

	(void)state;
	assert_non_null(json.out);
	json_object(&json, NULL);
	json_end(&json);
	assert_int_not_equal(fflush(json.out) || ferror(json.out), 0);
	fclose(json.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	    cmocka_unit_test(test_depth),
		cmocka_unit_test(test_numbers),	    cmocka_unit_test(test_strings),
		cmocka_unit_test(test_keys),	    cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_broken_file),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
