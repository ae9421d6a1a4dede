#include "formats/tracing_data.h"

#include "tests/unit/trace_formats.h"

static void test_tracing_data(void **state)
{
	const char *system, *name;
	struct tracing_field field;
	struct tracing_data *tracing;
	struct buffer b = {0};

	(void)state;
	put_formats(&b);
	trace_ok(tracing_data_parse(b.data, b.len, &tracing));
	assert_true(tracing_data_event(tracing, 502, &system, &name));
	assert_string_equal(system, "gmt_77");
	assert_string_equal(name, "death");
	assert_true(tracing_data_event(tracing, 601, &system, &name));
	assert_string_equal(system, "syscalls");
	assert_false(tracing_data_event(tracing, 1, &system, &name));
	assert_false(tracing_data_event(tracing, UINT64_MAX, &system, &name));
	assert_true(tracing_data_field(tracing, 501, "stk", &field));
	assert_int_equal(field.offset, 48);
	assert_int_equal(field.size, 32);
	assert_true(tracing_data_field(tracing, 503, "stk", &field));
	assert_int_equal(field.size, 16);
	assert_true(tracing_data_field(tracing, 503, "size", &field));
	assert_true(field.is_signed);
	assert_false(tracing_data_field(tracing, 501, "none", &field));
	/* As the kernel writes strings: the field says where they are. */
	assert_true(tracing_data_field(tracing, 700, "name", &field));
	assert_true(field.is_dynamic);
	assert_int_equal(field.size, 4);
	assert_true(tracing_data_field(tracing, 700, "p", &field));
	assert_false(field.is_signed); /* not told */
	assert_int_equal(field.offset, 8);
	/* Beyond what an event can hold. */
	assert_false(tracing_data_field(tracing, 700, "far", &field));
	assert_false(tracing_data_field(tracing, 700, "wide", &field));
	assert_false(tracing_data_field(tracing, 700, "huge", &field));
	assert_true(tracing_data_field(tracing, 700, "last", &field));
	assert_false(tracing_data_field(tracing, 9, "p", &field));
	tracing_data_free(tracing);
	buffer_free(&b);
}

static void test_tracing_data_cut(void **state)
{
	struct tracing_data *tracing;
	struct buffer b = {0};

	(void)state;
	put_formats(&b);
	/* The two empty sections at the end are not needed. */
	for (size_t len = 0; len < b.len - 8; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct error *err;

		memcpy(copy, b.data, len);
		err = tracing_data_parse(copy, len, &tracing);
		assert_non_null(err);
		assert_null(tracing);
		error_free(err);
		free(copy);
	}
	buffer_free(&b);
}

/* Any byte changed: parsed or refused, and fields stay within bounds. */
static void test_tracing_data_hostile(void **state)
{
	static const char *const names[] = {"p", "b", "size", "nstk", "stk", "cycle", "addr"};
	uint64_t seed = 88172645463325252u;
	struct buffer b = {0};

	(void)state;
	put_formats(&b);
	for (unsigned round = 0; round < 20000; round++) {
		struct tracing_data *tracing = NULL;
		uint8_t *copy = malloc(b.len);
		struct error *err;

		memcpy(copy, b.data, b.len);
		for (unsigned i = 0; i <= round % 4; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			copy[seed % b.len] = (uint8_t)(seed >> 40);
		}
		err = tracing_data_parse(copy, b.len, &tracing);
		for (uint64_t id = 500; !err && id < 701; id++) {
			struct tracing_field field;

			for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
				if (tracing_data_field(tracing, id, names[i], &field))
					assert_true(field.offset + field.size <= 65536);
		}
		error_free(err);
		tracing_data_free(tracing);
		free(copy);
	}
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tracing_data),
		cmocka_unit_test(test_tracing_data_cut),
		cmocka_unit_test(test_tracing_data_hostile),
	};

	return cmocka_run_group_tests_name("tracing_data", tests, NULL, NULL);
}
