#include "analyze/read.h"

#include "tests/unit/trace.h"

/* Each record carries a number: its place in the file. */
struct written {
	uint64_t *times;
	size_t n, cap;
};

static void note_time(struct written *written, uint64_t time)
{
	if (written->n == written->cap) {
		written->cap = written->cap ? written->cap * 2 : 64;
		written->times = realloc(written->times, written->cap * sizeof(uint64_t));
	}
	written->times[written->n++] = time;
}

static void put(struct trace *trace, struct written *written, uint64_t time, uint32_t cpu)
{
	uint64_t number = written->n;

	note_time(written, time);
	trace_sample(trace, 1000, time, 1, 1, cpu, NULL, 0, &number, sizeof(number));
}

static uint64_t number_of(const struct perfdata_reader *file, const struct read_record *record)
{
	struct perfdata_sample sample;
	uint64_t number;

	assert_true(perfdata_sample(file, record->header, &sample));
	assert_int_equal(sample.time, record->time);
	assert_true(sample.raw_len >= sizeof(number));
	memcpy(&number, sample.raw, sizeof(number));
	return number;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void begin(struct trace *trace)
{
	*trace = (struct trace){0};
	trace_add_event(trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, "dummy", TRACE_SAMPLE_TYPE);
	trace_create(trace);
}

/*
 * Reads all back: each record once. Returns how many came later than one with a greater time, as
 * counted here; sorted_by_place: that equal times kept the order of the file.
 */
static uint64_t read_all(struct trace *trace, const struct written *written, size_t limit,
			 size_t *peak)
{
	struct perfdata_reader *file = trace_reopen(trace);
	bool *seen = calloc(written->n, sizeof(bool));
	struct read *read = read_new(file, limit);
	uint64_t late = 0, greatest = 0, last_number = 0;
	struct read_record record;
	size_t n = 0;

	while (read_next(read, &record)) {
		uint64_t number = number_of(file, &record);

		assert_true(number < written->n);
		assert_false(seen[number]);
		seen[number] = true;
		n++;
		assert_int_equal(written->times[number], record.time);
		if (record.time < greatest)
			late++;
		if (n > 1 && record.time == greatest)
			assert_true(number > last_number);
		if (record.time >= greatest) {
			greatest = record.time;
			last_number = number;
		}
	}
	assert_int_equal(n, written->n);
	assert_int_equal(read_out_of_order(read), late);
	assert_null(perfdata_damage(file));
	if (peak)
		*peak = read_peak(read);
	read_free(read);
	perfdata_close(file);
	trace_remove(trace);
	free(seen);
	free(written->times);
	return late;
}

/*
 * Rings of several CPUs, emptied in turn. A ring is read up to what is there at that moment, so
 * that an event of a CPU read early in a round may be older than one of a CPU read later.
 */
static void write_rings(struct trace *trace, struct written *written, unsigned cpus,
			unsigned rounds, bool marks)
{
	uint64_t seed = 88172645463325252u, now = 1000000, taken[64] = {0};

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned cpu = 0; cpu < cpus; cpu++) {
			uint64_t time = taken[cpu] ? taken[cpu] : now - 5000;

			now += next_random(&seed) % 2000;
			for (;;) {
				time += next_random(&seed) % 400;
				if (time > now)
					break;
				put(trace, written, time, cpu);
			}
			taken[cpu] = now + 1;
		}
		if (marks)
			trace_round(trace);
	}
}

static void test_rounds(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= 64; cpus *= 4) {
		struct written written = {0};
		struct trace trace;
		size_t peak;

		begin(&trace);
		write_rings(&trace, &written, cpus, 6000 / cpus, true);
		assert_int_equal(read_all(&trace, &written, READ_DEFAULT_LIMIT, &peak), 0);
		/* About two rounds are held, not the file. */
		assert_true(peak < (size_t)written.n * 64 / 4);
	}
}

static void test_no_rounds(void **state)
{
	struct written written = {0};
	struct trace trace;

	(void)state;
	begin(&trace);
	write_rings(&trace, &written, 16, 400, false);
	assert_int_equal(read_all(&trace, &written, READ_DEFAULT_LIMIT, NULL), 0);
}

/* A limit is kept; what is still in order within it comes in order. */
static void test_limit(void **state)
{
	struct written written = {0};
	struct trace trace;
	size_t peak;

	(void)state;
	begin(&trace);
	write_rings(&trace, &written, 16, 400, false);
	assert_int_equal(read_all(&trace, &written, 256 << 10, &peak), 0);
	assert_true(peak <= (256 << 10) + 65536);

	/* Far too little for the disorder there is: all arrive, the late ones are counted. */
	written = (struct written){0};
	begin(&trace);
	for (uint64_t i = 0; i < 20000; i++)
		put(&trace, &written, 1000000 + (i * 7919) % 20000, 0);
	assert_true(read_all(&trace, &written, 64 << 10, &peak) > 0);
	assert_true(peak <= (64 << 10) + 65536);
}

/* What breaks the promise of the marks is delivered, and counted. */
static void test_out_of_order(void **state)
{
	struct written written = {0};
	struct trace trace;

	(void)state;
	begin(&trace);
	put(&trace, &written, 100, 0);
	put(&trace, &written, 200, 0);
	trace_round(&trace);
	put(&trace, &written, 150, 1); /* in time: the first mark lets nothing go */
	trace_round(&trace);	       /* lets go up to 200 */
	put(&trace, &written, 180, 1);
	put(&trace, &written, 300, 1);
	trace_round(&trace);
	put(&trace, &written, 190, 1);
	assert_int_equal(read_all(&trace, &written, READ_DEFAULT_LIMIT, NULL), 2);
}

static void test_descending_and_equal(void **state)
{
	struct written written = {0};
	struct trace trace;

	(void)state;
	begin(&trace);
	for (uint64_t i = 0; i < 5000; i++)
		put(&trace, &written, 1000000 - i / 3, 0);
	assert_int_equal(read_all(&trace, &written, READ_DEFAULT_LIMIT, NULL), 0);
}

/* Other records are put in order by their trailer; those without a time do not wait. */
static void test_other_records(void **state)
{
	uint32_t ids[2] = {7, 7}, types[5];
	struct perfdata_reader *file;
	struct read_record record;
	struct written written = {0};
	uint64_t times[5];
	struct trace trace;
	struct read *read;
	size_t n = 0;

	(void)state;
	begin(&trace);
	put(&trace, &written, 300, 0);
	put(&trace, &written, 100, 1);
	trace_record(&trace, PERF_RECORD_COMM, 0, 200, 7, 7,
		     (uint8_t[16]){7, 0, 0, 0, 7, 0, 0, 0, 'x', 0}, 16);
	trace_record(&trace, PERF_RECORD_COMM, 0, 0, 7, 7,
		     (uint8_t[16]){7, 0, 0, 0, 7, 0, 0, 0, 'y', 0}, 16);
	trace_record(&trace, PERF_RECORD_ITRACE_START, 0, 250, 7, 7, ids, sizeof(ids));
	file = trace_reopen(&trace);
	read = read_new(file, READ_DEFAULT_LIMIT);
	while (read_next(read, &record)) {
		assert_true(n < 5);
		types[n] = record.header->type;
		times[n++] = record.time;
	}
	assert_int_equal(n, 5);
	assert_memory_equal(times, ((uint64_t[]){0, 100, 200, 250, 300}), sizeof(times));
	assert_int_equal(types[0], PERF_RECORD_COMM);
	assert_int_equal(types[1], PERF_RECORD_SAMPLE);
	assert_int_equal(types[2], PERF_RECORD_COMM);
	assert_int_equal(types[3], PERF_RECORD_ITRACE_START);
	assert_int_equal(read_out_of_order(read), 0);
	read_free(read);
	perfdata_close(file);
	trace_remove(&trace);
	free(written.times);
}

/* Events whose samples have their times in different places. */
static void test_layouts(void **state)
{
	struct buffer b = {0};
	struct perf_event_header header = {.type = PERF_RECORD_SAMPLE, .size = 32};
	struct perfdata_reader *file;
	struct read_record record;
	struct trace trace = {0};
	struct read *read;

	(void)state;
	trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, "a", TRACE_SAMPLE_TYPE);
	trace_add_event(&trace, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, "b",
			PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME);
	trace_create(&trace);
	trace_sample(&trace, 1000, 500, 1, 1, 0, NULL, 0, "", 0);
	buffer_append(&b, &header, sizeof(header));
	buffer_u64(&b, 1001);
	buffer_u64(&b, 0x100000001);
	buffer_u64(&b, 400);
	trace_write(&trace, &b);
	buffer_free(&b);
	trace_sample(&trace, 1000, 450, 1, 1, 0, NULL, 0, "", 0);
	file = trace_reopen(&trace);
	read = read_new(file, READ_DEFAULT_LIMIT);
	for (int i = 0; i < 3; i++) {
		assert_true(read_next(read, &record));
		assert_int_equal(record.time, 400 + 50 * i);
	}
	assert_false(read_next(read, &record));
	assert_false(read_next(read, &record));
	read_free(read);
	perfdata_close(file);
	trace_remove(&trace);
}

/* A file that is cut gives what is before the cut, in order. */
static void test_cut(void **state)
{
	struct perfdata_reader *file;
	struct written written = {0};
	struct read_record record;
	struct trace trace;
	uint64_t last = 0;
	struct read *read;
	size_t n = 0;

	(void)state;
	begin(&trace);
	write_rings(&trace, &written, 4, 2000, true);
	trace_ok(perfdata_writer_finish(trace.writer));
	assert_int_equal(ftruncate(trace.fd, lseek(trace.fd, 0, SEEK_END) / 2), 0);
	close(trace.fd);
	trace_ok(perfdata_open(trace.path, &file));
	read = read_new(file, READ_DEFAULT_LIMIT);
	while (read_next(read, &record)) {
		assert_true(record.time >= last);
		last = record.time;
		n++;
	}
	assert_true(n > written.n / 4 && n < written.n);
	assert_true(perfdata_damage(file) || perfdata_info(file)->truncated);
	read_free(read);
	perfdata_close(file);
	trace_remove(&trace);
	free(written.times);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_no_rounds),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_descending_and_equal),
		cmocka_unit_test(test_other_records),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
