#include "tests/unit/perfdata_cases.h"

#include <errno.h>
#include <string.h>

static void check_file(bool swap, uint32_t attr_size, bool long_of_32)
{
	struct maker data = {.swap = swap}, m = {.swap = swap};
	struct made_feature features[N_FEATURES];
	const struct perfdata_info *info;
	struct perfdata_reader *reader;
	struct made_file file;
	uint64_t done, total;

	make_records(&data);
	make_features(features, swap);
	file = file_of(&data.out, features);
	file.attr_size = attr_size;
	file.long_of_32 = long_of_32;
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	info = perfdata_info(reader);
	assert_int_equal(info->swapped, swap);
	assert_false(info->is_pipe);
	assert_false(info->truncated);
	check_events(info, attr_size >= 112);
	check_features(info);
	assert_int_equal(info->symtab_len, 9);
	assert_memory_equal(info->symtab, "something", 9);
	check_records(reader);
	check_end(reader);
	assert_null(perfdata_damage(reader));
	perfdata_progress(reader, &done, &total);
	assert_int_equal(total, m.out.len);
	assert_true(done > 104 && done <= total);
	perfdata_close(reader);
	free_features(features);
	buffer_free(&data.out);
	buffer_free(&m.out);
}

static void test_file(void **state)
{
	(void)state;
	check_file(false, 128, false);
}

static void test_swapped_file(void **state)
{
	(void)state;
	check_file(true, 128, false);
	check_file(true, 128, true);
}

/* Behind the header: 8, 4 and 2 are integers, b a byte, T the trailer of event a, 0 zeros. */
static const struct {
	uint32_t type;
	const char *body;
} swapped_records[] = {
	{PERF_RECORD_MMAP, "44888bbbbbbb0T"},
	{PERF_RECORD_LOST, "88T"},
	{PERF_RECORD_COMM, "44bbbbbbb0T"},
	{PERF_RECORD_EXIT, "44448T"},
	{PERF_RECORD_THROTTLE, "888T"},
	{PERF_RECORD_UNTHROTTLE, "888T"},
	{PERF_RECORD_FORK, "44448T"},
	{PERF_RECORD_READ, "448888T"},
	{PERF_RECORD_AUX, "888T"},
	{PERF_RECORD_ITRACE_START, "44T"},
	{PERF_RECORD_LOST_SAMPLES, "8T"},
	{PERF_RECORD_SWITCH, "T"},
	{PERF_RECORD_SWITCH_CPU_WIDE, "44T"},
	{PERF_RECORD_NAMESPACES, "4488888T"},
	{PERF_RECORD_KSYMBOL, "8422bbbbbbb0T"},
	{PERF_RECORD_BPF_EVENT, "224bbbbbbbbT"},
	{PERF_RECORD_CGROUP, "8bbbbbbb0T"},
	{PERF_RECORD_TEXT_POKE, "822bbbbT"},
	{PERF_RECORD_AUX_OUTPUT_HW_ID, "8T"},
	{69 /* ID_INDEX */, "88888"},
	{70 /* AUXTRACE_INFO */, "400008888"},
	{79 /* TIME_CONV */, "888"},
};

static void make_swapped_records(struct maker *m)
{
	for (size_t i = 0; i < sizeof(swapped_records) / sizeof(*swapped_records); i++) {
		size_t start = make_begin(m, swapped_records[i].type, 0);

		for (const char *at = swapped_records[i].body; *at; at++) {
			uint64_t value =
				0x0102030405060708u * (uint64_t)(at - swapped_records[i].body + 1);

			switch (*at) {
			case '8':
				make_u64(m, value);
				break;
			case '4':
				make_u32(m, (uint32_t)value);
				break;
			case '2':
				make_u16(m, (uint16_t)value);
				break;
			case 'b':
				make_u8(m, (uint8_t)(value | 1));
				break;
			case '0':
				make_u8(m, 0);
				break;
			case 'T':
				make_trailer(m, 70);
				break;
			}
		}
		make_end(m, start);
	}
}

/* Every kind of record of the other byte order reads as it does on its own machine. */
static void test_swapped_records(void **state)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct maker plain = {0}, data = {.swap = true}, m = {.swap = true};
	struct made_file file;
	size_t at = 0;

	(void)state;
	make_swapped_records(&plain);
	make_swapped_records(&data);
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	for (size_t i = 0; i < sizeof(swapped_records) / sizeof(*swapped_records); i++) {
		struct perfdata_sample s;
		bool trailer = strchr(swapped_records[i].body, 'T') != NULL;

		perfdata_next(reader, &record);
		assert_non_null(record.header);
		assert_int_equal(record.header->type, swapped_records[i].type);
		assert_memory_equal(record.header, plain.out.data + at, record.header->size);
		at += record.header->size;
		assert_int_equal(perfdata_sample_id(reader, record.header, &s), trailer);
		if (trailer)
			check_trailer(reader, record.header, 70);
	}
	assert_int_equal(at, plain.out.len);
	check_end(reader);
	perfdata_close(reader);
	buffer_free(&plain.out);
	buffer_free(&data.out);
	buffer_free(&m.out);
}

/* What only looks as if it had a trailer: a record from user space, and a sample. */
static void test_no_trailer(void **state)
{
	static const uint32_t types[] = {69, PERF_RECORD_SAMPLE, PERF_RECORD_LOST_SAMPLES};
	struct perfdata_reader *reader;
	struct maker data = {0}, m = {0};
	struct perfdata_sample s;
	struct made_file file;

	(void)state;
	for (int i = 0; i < 3; i++) {
		size_t start = make_begin(&data, types[i], 0);

		make_u64(&data, 11);
		make_trailer(&data, 70);
		make_end(&data, start);
	}
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	for (int i = 0; i < 3; i++)
		assert_int_equal(perfdata_sample_id(reader, next(reader, types[i]), &s), i == 2);
	perfdata_close(reader);
	m.out.len = 0;
	/* Nor has any record one in a file without sample_id_all. */
	file.attr_flags = 0;
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	for (int i = 0; i < 3; i++)
		assert_false(perfdata_sample_id(reader, next(reader, types[i]), &s));
	perfdata_close(reader);
	buffer_free(&data.out);
	buffer_free(&m.out);
}

/* Of an older and of a newer kernel; what lies beyond our own attr is passed over. */
static void test_attr_sizes(void **state)
{
	(void)state;
	for (uint32_t size = 112; size <= 168; size += 8) {
		check_file(false, size, false);
		check_file(true, size, false);
	}
}

/* The first published size has no room for registers: samples of such an event have none. */
static void test_oldest_attr(void **state)
{
	struct maker data = {0}, m = {0};
	struct perfdata_reader *reader;
	struct made_file file;

	(void)state;
	make_sample_b(&data, 21, 5, "four");
	file = file_of(&data.out, NULL);
	file.attr_size = PERF_ATTR_SIZE_VER0;
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	check_events(perfdata_info(reader), false);
	check_sample_b(reader, 5, "four");
	check_end(reader);
	perfdata_close(reader);
	buffer_free(&data.out);
	buffer_free(&m.out);
}

static int open_fails(const void *bytes, size_t len, const char *what)
{
	struct perfdata_reader *reader;
	struct error *err;
	int found;

	save(bytes, len);
	err = perfdata_open(path, &reader);
	assert_non_null(err);
	found = strstr(error_message(err), what) && strstr(error_message(err), path);
	if (!found)
		print_error("\"%s\" does not say \"%s\"\n", error_message(err), what);
	error_free(err);
	return found;
}

static void set64(struct buffer *file, size_t at, uint64_t value)
{
	memcpy(file->data + at, &value, sizeof(value));
}

static void make_small(struct maker *m)
{
	struct maker data = {0};
	struct made_file file;

	make_sample_b(&data, 21, 5, "four");
	file = file_of(&data.out, NULL);
	make_file(m, &file);
	buffer_free(&data.out);
}

/* Each refusal says what is wrong, in one line that begins with the name. */
static void test_refusals(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		const char *what;
	} lies[] = {
		{8, 9999, "header claims 9999"},
		{16, 0, "never completed"},
		{16, 79, "never completed"},
		{24, 1 << 20, "outside the file"},
		{32, UINT64_MAX, "outside the file"},
		{40, 1 << 20, "outside the file"},
		{48, UINT64_MAX, "outside the file"},
		/* The ids of the first event: 104 header, 24 ids, 128 attr. */
		{256, 1 << 20, "ids of event 0"},
		{264, 1ull << 63, "ids of event 0"},
	};
	struct maker m = {0};

	(void)state;
	make_small(&m);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		uint64_t before;

		memcpy(&before, m.out.data + lies[i].at, sizeof(before));
		set64(&m.out, lies[i].at, lies[i].value);
		assert_true(open_fails(m.out.data, m.out.len, lies[i].what));
		set64(&m.out, lies[i].at, before);
	}
	perfdata_close(open_bytes(&m.out)); /* and without a lie it opens */
	assert_true(open_fails("", 0, "is empty"));
	assert_true(open_fails("PERFILE2", 8, "not a perf.data"));
	assert_true(open_fails("\177ELF not a trace, but long enough", 33, "not a perf.data"));
	assert_true(open_fails("PERFFILE\0\0\0\0\0\0\0\0", 16, "first version"));
	for (size_t len = 16; len < 104; len++)
		assert_true(open_fails(m.out.data, len, "within its header"));
	buffer_free(&m.out);
}

static void test_no_file(void **state)
{
	struct perfdata_reader *reader;
	struct error *err;

	(void)state;
	err = perfdata_open("/nonexistent/trace", &reader);
	assert_non_null(err);
	assert_int_equal(error_errnum(err), ENOENT);
	error_free(err);
	err = perfdata_open("/tmp", &reader);
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "is a directory"));
	assert_non_null(error_remedy_text(err));
	error_free(err);
}

/* Many attrs that all claim the same large run of ids must not multiply it in memory. */
static void test_shared_ids(void **state)
{
	struct maker m = {0};
	size_t n = 200, ids = 5000;

	(void)state;
	make_bytes(&m, "PERFILE2", 8);
	make_u64(&m, 104);
	make_u64(&m, 80);
	make_u64(&m, 104);
	make_u64(&m, n * 80);
	make_u64(&m, 104);
	make_u64(&m, 8);
	make_zeros(&m, 48);
	for (size_t i = 0; i < n; i++) {
		make_attr(&m, &events[1].attr, 0, 64);
		make_u64(&m, 104);
		make_u64(&m, ids * 8);
	}
	make_zeros(&m, ids * 8);
	assert_true(open_fails(m.out.data, m.out.len, "ids of event 1 "));
	buffer_free(&m.out);
}

/* A feature section that is wrong in itself is left out, and the others are read. */
static void test_bad_features(void **state)
{
	struct made_feature features[N_FEATURES];
	struct perfdata_reader *reader;
	struct maker data = {0};
	struct made_file file;

	(void)state;
	make_records(&data);
	make_features(features, false);
	for (size_t i = 0; i < N_FEATURES; i++) {
		/* TRACING_DATA and SYMTAB have no form of their own, 7 and 8 nobody reads. */
		if (all_features[i] < 2 || all_features[i] > 29)
			continue;
		for (size_t len = 0; len < features[i].body.len; len += 3) {
			size_t whole = features[i].body.len;
			struct maker m = {0};

			features[i].body.len = len;
			file = file_of(&data.out, features);
			make_file(&m, &file);
			features[i].body.len = whole;
			reader = open_bytes(&m.out);
			assert_int_equal(perfdata_info(reader)->tracing_data_len, 10);
			check_records(reader);
			check_end(reader);
			assert_null(perfdata_damage(reader));
			perfdata_close(reader);
			buffer_free(&m.out);
		}
	}
	free_features(features);
	buffer_free(&data.out);
}

/* Samples without an id of their own, or with one that nobody has. */
static void test_ids(void **state)
{
	struct perfdata_event one = events[1], same[2] = {events[1], events[1]};
	struct maker data = {0}, m = {0};
	struct perfdata_reader *reader;
	struct made_file file;
	struct perfdata_sample s;

	(void)state;
	make_sample_b(&data, 4444, 5, "four");
	make_sample_b(&data, 0, 6, "zero");
	file = file_of(&data.out, NULL);
	file.events = same;
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	assert_true(perfdata_sample(reader, next(reader, PERF_RECORD_SAMPLE), &s));
	assert_null(s.event);
	assert_int_equal(s.id, 4444);
	/* What user space made up itself has id 0, and the layout of the first event. */
	assert_true(perfdata_sample(reader, next(reader, PERF_RECORD_SAMPLE), &s));
	assert_ptr_equal(s.event, &perfdata_info(reader)->events[0]);
	assert_int_equal(s.time, 6);
	perfdata_close(reader);
	m.out.len = 0;
	/* With one event there is no doubt. */
	one.n_ids = 0;
	file.events = &one;
	file.n_events = 1;
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	assert_true(perfdata_sample(reader, next(reader, PERF_RECORD_SAMPLE), &s));
	assert_ptr_equal(s.event, &perfdata_info(reader)->events[0]);
	assert_int_equal(s.time, 5);
	perfdata_close(reader);
	buffer_free(&m.out);
	buffer_free(&data.out);
}

/* No field of a sample may be believed beyond the sample's own size. */
static void test_lying_samples(void **state)
{
	struct maker whole = {0}, data = {0}, m = {0};
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct perfdata_sample s;
	struct made_file file;
	size_t size, n = 0, good = 0;

	(void)state;
	make_sample_a(&whole);
	make_sample_a(&data);
	size = whole.out.len;
	/* The same sample, cut shorter and shorter by whole words, then with each word too large.
	 */
	for (size_t len = size - 8; len >= 16; len -= 8) {
		size_t start = make_begin(&data, PERF_RECORD_SAMPLE, 2);

		make_bytes(&data, whole.out.data + 8, len - 8);
		make_end(&data, start);
	}
	for (size_t at = 16; at < size; at += 8) {
		size_t start = make_begin(&data, PERF_RECORD_SAMPLE, 2);

		make_bytes(&data, whole.out.data + 8, size - 8);
		memset(data.out.data + start + at, 0xff, 8);
		make_end(&data, start);
	}
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	for (;; n++) {
		perfdata_next(reader, &record);
		if (!record.header)
			break;
		if (!perfdata_sample(reader, record.header, &s))
			continue;
		good++;
		assert_true(!s.raw || (s.raw > (const uint8_t *)record.header &&
				       s.raw + s.raw_len <= (const uint8_t *)record.header +
								    record.header->size));
		assert_true(!s.callchain ||
			    (const uint8_t *)(s.callchain + s.n_callchain) <=
				    (const uint8_t *)record.header + record.header->size);
	}
	assert_null(perfdata_damage(reader));
	assert_int_equal(n, 1 + (size - 16) / 8 + (size - 16) / 8);
	/* Of the cut ones that without the last word, which nobody asks for; most words are values.
	 */
	assert_true(good >= 2 && good < n);
	perfdata_close(reader);
	buffer_free(&m.out);
	buffer_free(&data.out);
	buffer_free(&whole.out);
}

/* AUX area data lie behind their record and are none. */
static void test_bulk_behind_record(void **state)
{
	struct maker data = {0}, m = {0};
	struct perfdata_reader *reader;
	struct made_file file;
	size_t start;

	(void)state;
	for (int i = 0; i < 2; i++) {
		start = make_begin(&data, 71, 0);
		make_u64(&data, i ? 5000 : 2 << 20); /* more than is read ahead */
		make_zeros(&data, 32);
		make_end(&data, start);
		make_zeros(&data, i ? 5000 : 2 << 20);
		make_sample_b(&data, 21, 5, "four");
	}
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	for (int i = 0; i < 2; i++) {
		next(reader, 71);
		check_sample_b(reader, 5, "four");
	}
	check_end(reader);
	assert_null(perfdata_damage(reader));
	perfdata_close(reader);
	buffer_free(&m.out);
	buffer_free(&data.out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_swapped_file),
		cmocka_unit_test(test_swapped_records),
		cmocka_unit_test(test_no_trailer),
		cmocka_unit_test(test_attr_sizes),
		cmocka_unit_test(test_oldest_attr),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_shared_ids),
		cmocka_unit_test(test_bad_features),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_lying_samples),
		cmocka_unit_test(test_bulk_behind_record),
	};

	return cmocka_run_group_tests_name("perfdata_read", tests, setup, teardown);
}
