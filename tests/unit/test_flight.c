#include "record/flight.h"

#include "tests/unit/perfdata_samples.h"

#include "tests/unit/random.h"

#define SECOND 1000000000ull

/* Hands on samples from number `from` in pieces of any size, as rings do. */
static void add_samples(struct flight *flight, const struct fixture *f, uint32_t from,
			uint32_t count, struct random *random)
{
	struct buffer all = {0};

	for (uint32_t n = from; n < from + count; n++)
		put_sample(&all, f, n % 2, n);
	for (size_t at = 0; at < all.len;) {
		size_t len = 1 + random_u64(random) % 50000;

		if (len > all.len - at)
			len = all.len - at;
		check(flight_add(flight, all.data + at, len));
		at += len;
	}
	flight_round(flight);
	buffer_free(&all);
}

/* What a flight wrote: samples one behind the other up to `last`; returns the number of the first.
 */
static uint32_t first_written(struct flight *flight, uint32_t last)
{
	struct fixture *f = fixture_new(1);
	struct perfdata_reader *reader;
	struct perfdata_record record;
	uint32_t first = UINT32_MAX, n = 0;

	check(flight_write(flight, f->writer));
	check(perfdata_writer_finish(f->writer));
	check(perfdata_open(f->path, &reader));
	for (;;) {
		struct perfdata_sample s;

		perfdata_next(reader, &record);
		if (!record.header)
			break;
		if (record.header->type == PERFDATA_FINISHED_ROUND)
			continue;
		if (first == UINT32_MAX) {
			assert_true(perfdata_sample(reader, record.header, &s));
			first = n = (uint32_t)((s.time - 1000000) / 10);
		}
		check_sample(reader, record.header, n % 2, n);
		n++;
	}
	assert_null(perfdata_damage(reader));
	assert_int_equal(n, last);
	perfdata_close(reader);
	fixture_free(f);
	return first;
}

static struct flight *make(uint64_t window, size_t bytes)
{
	struct flight_options options = {window, bytes, 1};
	struct flight *flight;

	check(flight_new(&options, &flight));
	return flight;
}

/* Every second 1,000 samples: what is left is the window, and at most an eighth more. */
static void test_window(void **state)
{
	struct flight *flight = make(16 * SECOND, 64 << 20);
	struct fixture *f = fixture_new(1);
	struct random random = {1};
	uint32_t n = 0;

	(void)state;
	assert_true(flight_is_due(flight, 0));
	for (uint64_t second = 1; second <= 100; second++) {
		uint64_t now = second * SECOND;

		if (flight_is_due(flight, now))
			check(flight_begin(flight, now));
		add_samples(flight, f, n, 1000, &random);
		n += 1000;
		if (second == 3)
			assert_int_equal(first_written(flight, n), 0);
		if (second > 20 && second % 7 == 0) {
			uint32_t first = first_written(flight, n);

			/* The samples of a second are there from its beginning on. */
			assert_in_range(n - first, 16000, 19000);
			assert_int_equal(flight_from(flight), (first / 1000 + 1) * SECOND);
		}
	}
	error_free(perfdata_writer_finish(f->writer));
	fixture_free(f);
	flight_free(flight);
}

/* More than there is room for: the memory stays within its bound, and the newest is kept. */
static void test_memory(void **state)
{
	struct flight *flight = make(1000 * SECOND, 1 << 20);
	struct fixture *f = fixture_new(1);
	struct random random = {2};
	uint32_t n = 0;

	(void)state;
	for (uint64_t second = 1; second <= 400; second++) {
		if (flight_is_due(flight, second * SECOND))
			check(flight_begin(flight, second * SECOND));
		add_samples(flight, f, n, 2000, &random);
		n += 2000;
		assert_true(flight_bytes(flight) <= 1 << 20);
	}
	assert_true(flight_from(flight) > SECOND);
	assert_true(flight_bytes(flight) > 1 << 19);
	assert_in_range(first_written(flight, n), 1, n - 2000);
	error_free(perfdata_writer_finish(f->writer));
	fixture_free(f);
	flight_free(flight);
}

static void test_nothing(void **state)
{
	struct flight *flight = make(16 * SECOND, 1 << 20);
	struct fixture *f = fixture_new(1);

	(void)state;
	assert_int_equal(flight_from(flight), 0);
	check(flight_write(flight, f->writer));
	check(flight_begin(flight, SECOND));
	check(flight_write(flight, f->writer));
	check(perfdata_writer_finish(f->writer));
	check_all(f, 0);
	fixture_free(f);
	flight_free(flight);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("flight", tests, NULL, NULL);
}
