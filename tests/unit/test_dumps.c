#include "formats/dumps.h"

#include <byteswap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct dump two[] = {
	{.pid = 7,
	 .time = 1ull << 40,
	 .url = "http://h/heap",
	 .data = (const uint8_t *)"\0ab",
	 .len = 3},
	{.pid = 8, .time = 5, .url = "", .data = (const uint8_t *)"", .len = 0},
};

static void test_round_trip(void **state)
{
	struct buffer out = {0};
	struct dump *dumps;
	size_t n;

	(void)state;
	dumps_encode(&out, two, 2);
	assert_int_equal(out.len % 8, 0);
	assert_null(dumps_decode(out.data, out.len, false, &dumps, &n));
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(dumps[i].pid, two[i].pid);
		assert_int_equal(dumps[i].time, two[i].time);
		assert_string_equal(dumps[i].url, two[i].url);
		assert_int_equal(dumps[i].len, two[i].len);
		assert_memory_equal(dumps[i].data, two[i].data, two[i].len);
	}
	free(dumps);
	out.len = 0;
	dumps_encode(&out, NULL, 0);
	assert_null(dumps_decode(out.data, out.len, false, &dumps, &n));
	assert_int_equal(n, 0);
	free(dumps);
	buffer_free(&out);
}

static bool refused(const void *data, size_t len, bool swap)
{
	uint8_t *exact = malloc(len ? len : 1); /* so that a sanitizer sees a read past it */
	struct dump *dumps;
	struct error *err;
	bool bad;
	size_t n;

	memcpy(exact, data, len);
	err = dumps_decode(exact, len, swap, &dumps, &n);
	bad = err && !dumps && !n;
	if (!err)
		free(dumps);
	error_free(err);
	free(exact);
	return bad;
}

/* Every cut, and every length that lies, up to those that overflow when they are padded. */
static void test_damage(void **state)
{
	static const uint64_t lies[] = {4, 1000, UINT32_MAX, UINT64_MAX - 7, UINT64_MAX};
	struct buffer out = {0};
	uint8_t *copy;

	(void)state;
	dumps_encode(&out, two, 2);
	for (size_t len = 0; len < out.len; len++)
		assert_true(refused(out.data, len, false));
	assert_true(refused(out.data, out.len, true));
	copy = malloc(out.len);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		uint32_t half = (uint32_t)lies[i];

		memcpy(copy, out.data, out.len);
		memcpy(copy + 8, &half, 4); /* the count */
		assert_true(refused(copy, out.len, false));
		memcpy(copy, out.data, out.len);
		memcpy(copy + 20, &half, 4); /* the length of a URL, then without its NUL */
		assert_true(refused(copy, out.len, false));
		if (lies[i] > 1000) {
			memcpy(copy, out.data, out.len);
			memcpy(copy + 32, &lies[i], 8); /* the length of a dump */
			assert_true(refused(copy, out.len, false));
		}
	}
	free(copy);
	buffer_free(&out);
}

static void test_swapped(void **state)
{
	uint32_t head[4] = {bswap_32(0x504d5544), bswap_32(1), bswap_32(1), 0};
	uint32_t ids[2] = {bswap_32(9), bswap_32(2)};
	uint64_t figures[2] = {bswap_64(77), bswap_64(1)};
	struct buffer out = {0};
	struct dump *dumps;
	size_t n;

	(void)state;
	buffer_append(&out, head, sizeof(head));
	buffer_append(&out, ids, sizeof(ids));
	buffer_append(&out, figures, sizeof(figures));
	buffer_append(&out, "u\0\0\0\0\0\0\0d\0\0\0\0\0\0\0", 16);
	assert_null(dumps_decode(out.data, out.len, true, &dumps, &n));
	assert_int_equal(n, 1);
	assert_int_equal(dumps[0].pid, 9);
	assert_int_equal(dumps[0].time, 77);
	assert_string_equal(dumps[0].url, "u");
	assert_int_equal(dumps[0].len, 1);
	assert_int_equal(dumps[0].data[0], 'd');
	free(dumps);
	buffer_free(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_swapped),
	};

	return cmocka_run_group_tests_name("dumps", tests, NULL, NULL);
}
