#include "formats/symtab.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct symtab_frame inlined[] = {
	{"fmt.Println", "/usr/lib/go/src/fmt/print.go", 274, 273},
	{"main.main", "/src/main.go", 12, 7},
};

static void assert_frames(const struct symtab *table, uint32_t pid, uint64_t address,
			  const struct symtab_frame *want, size_t n_want)
{
	size_t n;
	const struct symtab_frame *got = symtab_find(table, pid, address, &n);

	assert_int_equal(n, n_want);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(got[i].function, want[i].function);
		assert_string_equal(got[i].file, want[i].file ? want[i].file : "");
		assert_int_equal(got[i].line, want[i].line);
		assert_int_equal(got[i].start_line, want[i].start_line);
	}
}

static void test_find(void **state)
{
	struct symtab *table = symtab_new();
	const struct symtab_frame bare = {"memcpy", NULL, 0, 0};
	size_t n = 7;

	(void)state;
	assert_null(symtab_find(table, 1, 2, &n));
	assert_int_equal(n, 0);
	symtab_add(table, 1, 0x401000, inlined, 2);
	symtab_add(table, 2, 0x401000, &bare, 1);
	symtab_add(table, 1, UINT64_MAX, &bare, 1);
	assert_int_equal(symtab_count(table), 3);
	assert_frames(table, 1, 0x401000, inlined, 2);
	assert_frames(table, 2, 0x401000, &bare, 1);
	assert_frames(table, 1, UINT64_MAX, &bare, 1);
	assert_null(symtab_find(table, 3, 0x401000, &n));
	assert_null(symtab_find(table, 1, 0x401001, &n));
	/* What is added last holds. */
	symtab_add(table, 1, 0x401000, &bare, 1);
	assert_int_equal(symtab_count(table), 3);
	assert_frames(table, 1, 0x401000, &bare, 1);
	symtab_free(table);
}

/* A table of n addresses whose frames follow from the address alone. */
static struct symtab *made_table(size_t n)
{
	struct symtab *table = symtab_new();

	for (size_t i = 0; i < n; i++) {
		/* Not in order, several processes. */
		uint64_t address = UINT64_C(0x7f0000000000) + i * 7919 % n * 16;
		char *name = xasprintf("pkg.f%zu", i * 7919 % n % 100);
		struct symtab_frame frames[3] = {
			{name, "a.go", (uint32_t)(address & 0xffff), 1},
			{"outer", "b.go", 2, 0},
			{"outermost", "", 0, 0},
		};

		symtab_add(table, (uint32_t)(i % 3), address, frames, 1 + i % 3);
		free(name);
	}
	return table;
}

static void test_round_trip(void **state)
{
	struct symtab *table = made_table(5000), *back;
	struct buffer out = {0};
	size_t n, m;

	(void)state;
	symtab_add(table, UINT32_MAX, 5, inlined, 2);
	symtab_encode(table, &out);
	assert_null(symtab_decode(out.data, out.len, false, &back));
	assert_int_equal(symtab_count(back), symtab_count(table));
	for (uint32_t pid = 0; pid < 3; pid++) {
		for (uint64_t i = 0; i < 5000; i++) {
			uint64_t address = UINT64_C(0x7f0000000000) + i * 16;
			const struct symtab_frame *want = symtab_find(table, pid, address, &n);

			assert_frames(back, pid, address, want, n);
			symtab_find(back, pid, address, &m);
			assert_int_equal(n, m);
		}
	}
	assert_frames(back, UINT32_MAX, 5, inlined, 2);
	symtab_free(table);
	symtab_free(back);
	buffer_free(&out);
}

static void test_size(void **state)
{
	struct symtab *table = made_table(5000);
	struct buffer out = {0};

	(void)state;
	symtab_encode(table, &out);
	/* A dozen bytes an address: the strings are stored once. */
	assert_in_range(out.len, 1, 5000 * 16);
	symtab_free(table);
	buffer_free(&out);
}

static void test_truncated(void **state)
{
	struct symtab *table = made_table(50), *back;
	struct buffer out = {0};

	(void)state;
	symtab_encode(table, &out);
	for (size_t len = 0; len < out.len; len++) {
		/* A copy of just that size, so that a read past it is seen by the sanitizer. */
		uint8_t *part = xmalloc(len ? len : 1);
		struct error *err;

		memcpy(part, out.data, len);
		err = symtab_decode(part, len, false, &back);
		assert_non_null(err);
		assert_null(back);
		error_free(err);
		free(part);
	}
	symtab_free(table);
	buffer_free(&out);
}

static void test_other_byte_order(void **state)
{
	struct symtab *table = made_table(50), *back;
	struct buffer out = {0};
	struct error *err;

	(void)state;
	symtab_encode(table, &out);
	for (int i = 0; i < 2; i++) {
		uint8_t byte = out.data[i];

		out.data[i] = out.data[3 - i];
		out.data[3 - i] = byte;
	}
	err = symtab_decode(out.data, out.len, false, &back);
	assert_non_null(err);
	error_free(err);
	assert_null(symtab_decode(out.data, out.len, true, &back));
	assert_int_equal(symtab_count(back), 50);
	symtab_free(table);
	symtab_free(back);
	buffer_free(&out);
}

static void refuse(const void *bytes, size_t len, const char *message)
{
	struct symtab *back;
	struct error *err = symtab_decode(bytes, len, false, &back);

	assert_non_null(err);
	assert_null(back);
	assert_non_null(strstr(error_message(err), message));
	error_free(err);
}

static void test_hostile(void **state)
{
	(void)state;
	refuse("\2\0\0\0", 4, "version 2");
	refuse("\1\0\0\0\xff\xff\xff\xff\x0f", 9, "more strings");
	refuse("\1\0\0\0\1\xff\xff\xff\xff\x0f", 10, "bad string");
	refuse("\1\0\0\0\1\2a\0\0", 9, "bad string");
	refuse("\1\0\0\0\0\xff\xff\xff\xff\x0f", 10, "more addresses");
	/* One address with 2^35 frames; one whose frame names the second of one strings. */
	refuse("\1\0\0\0\1\1a\1\0\0\xff\xff\xff\xff\x7f", 15, "truncated");
	refuse("\1\0\0\0\1\1a\1\0\0\1\0\1\0\0", 15, "bad frame");
	/* Process numbers that pass 32 bits. */
	refuse("\1\0\0\0\0\2\xff\xff\xff\xff\x0f\0\0\1\0\0\0", 17, "bad address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_other_byte_order),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
