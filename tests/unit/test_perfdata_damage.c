#include "tests/unit/perfdata_streams.h"

/* Reads to the end and counts the records; what the damage must say, NULL: there is none. */
static size_t count_until(const struct buffer *file, const char *damage)
{
	struct perfdata_reader *reader = open_bytes(file);
	struct perfdata_record record;
	size_t n = 0;

	for (;;) {
		perfdata_next(reader, &record);
		if (!record.header)
			break;
		n++;
	}
	if (!damage) {
		assert_null(perfdata_damage(reader));
	} else {
		assert_non_null(perfdata_damage(reader));
		assert_non_null(strstr(perfdata_damage(reader), "at byte "));
		if (!strstr(perfdata_damage(reader), damage))
			print_error("\"%s\" does not say \"%s\"\n", perfdata_damage(reader),
				    damage);
		assert_non_null(strstr(perfdata_damage(reader), damage));
	}
	check_end(reader);
	perfdata_close(reader);
	return n;
}

/* A pipe-form file that begins with one good sample; returns where the second record begins. */
static size_t make_good_start(struct maker *m)
{
	m->out.len = 0;
	make_pipe_head(m, 128);
	make_sample_b(m, 21, 5, "four");
	return m->out.len;
}

static void test_damage(void **state)
{
	struct maker m = {0}, raw = {0};
	struct packer p = {.m = &m, .type = PERFDATA_COMPRESSED};
	size_t at;

	(void)state;
	p.zstd = ZSTD_createCCtx();
	make_good_start(&m);
	make_u64(&m, 0);
	assert_int_equal(count_until(&m.out, "its size is 0"), 1);
	make_good_start(&m);
	make_u32(&m, PERF_RECORD_SAMPLE);
	make_u32(&m, 7 << 16);
	assert_int_equal(count_until(&m.out, "its size is 7"), 1);
	/* Compressed: no frame at all; a record within a record; one that is not a record. */
	at = make_good_start(&m);
	make_bytes(&m, "\x51\0\0\0\0\0\x18\0no zstd frame at", 24);
	m.out.data[at + 6] = 24;
	assert_int_equal(count_until(&m.out, "compressed record is damaged"), 1);
	make_good_start(&m);
	raw.out.len = 0;
	make_end(&raw, make_begin(&raw, PERFDATA_COMPRESSED, 0));
	make_packed(&p, raw.out.data, raw.out.len);
	assert_int_equal(count_until(&m.out, "within another"), 1);
	ZSTD_freeCCtx(p.zstd);
	p.zstd = ZSTD_createCCtx();
	make_good_start(&m);
	raw.out.len = 0;
	make_sample_b(&raw, 21, 6, "good");
	make_zeros(&raw, 16);
	make_packed(&p, raw.out.data, raw.out.len);
	assert_int_equal(count_until(&m.out, "its size is 0"), 2);
	ZSTD_freeCCtx(p.zstd);
	/* An event that its compressed record does not hold to the end. */
	p.zstd = ZSTD_createCCtx();
	make_good_start(&m);
	make_packed(&p, raw.out.data, raw.out.len - 20);
	assert_int_equal(count_until(&m.out, "ends within an event"), 1);
	ZSTD_freeCCtx(p.zstd);
	/* Type 83 with more data than it has. */
	at = make_good_start(&m);
	make_end(&m, make_begin(&m, PERFDATA_COMPRESSED2, 0));
	make_u64(&m, 100);
	m.out.data[at + 6] = 16;
	assert_int_equal(count_until(&m.out, "more bytes than it has"), 1);
	/* Bulk behind a record where there can be none. */
	make_good_start(&m);
	make_end(&m, make_begin(&m, 71, 0));
	assert_int_equal(count_until(&m.out, NULL), 2);
	buffer_free(&raw.out);
	buffer_free(&m.out);
}

/* A few bytes that unpack to more than the header allows are refused before memory is filled. */
static void test_bomb(void **state)
{
	size_t size = 16 << 20;
	uint8_t *zeros = xmalloc(size);
	struct maker m = {0};
	struct packer p = {.zstd = ZSTD_createCCtx(), .m = &m, .type = PERFDATA_COMPRESSED};

	(void)state;
	/* Bytes that make valid records: type 0x08080808, size 0x0808. */
	memset(zeros, 8, size);
	make_good_start(&m);
	make_packed(&p, zeros, size);
	assert_true(m.out.len < 8192);
	assert_true(count_until(&m.out, "more than the header allows") <= 1 + 65536 / 0x808);
	ZSTD_freeCCtx(p.zstd);
	free(zeros);
	buffer_free(&m.out);
}

/* All records of a file one behind the other, and where each ends in the file. */
static void collect(const struct buffer *file, struct buffer *records, bool *damaged)
{
	struct perfdata_reader *reader = NULL;
	struct perfdata_record record;
	struct error *err;

	records->len = 0;
	*damaged = true;
	save(file->data, file->len);
	err = perfdata_open(path, &reader);
	if (err) {
		assert_non_null(error_message(err));
		error_free(err);
		return;
	}
	for (;;) {
		struct perfdata_sample s;

		perfdata_next(reader, &record);
		if (!record.header || records->len > 1 << 16)
			break;
		perfdata_sample(reader, record.header, &s);
		perfdata_sample_id(reader, record.header, &s);
		buffer_append(records, record.header, record.header->size);
	}
	*damaged = perfdata_damage(reader) != NULL;
	perfdata_close(reader);
}

/* Files of every form with the same records. */
static void make_form(struct maker *m, int form)
{
	struct maker data = {0}, raw = {0};
	struct made_feature features[N_FEATURES];
	struct made_file file;

	m->out.len = 0;
	make_features(features, false);
	make_records(&raw);
	switch (form) {
	case 0: /* file */
		file = file_of(&raw.out, features);
		make_file(m, &file);
		break;
	case 1: /* file, compressed in three records */
		make_packed_stream(&data, PERFDATA_COMPRESSED, &raw.out, raw.out.len / 3 + 1);
		file = file_of(&data.out, features);
		make_file(m, &file);
		break;
	case 2: /* pipe */
		make_pipe_head(m, 128);
		make_records(m);
		break;
	case 3: /* pipe, compressed in three records of the other kind */
		make_pipe_head(m, 128);
		make_packed_stream(m, PERFDATA_COMPRESSED2, &raw.out, raw.out.len / 3 + 1);
		break;
	}
	free_features(features);
	buffer_free(&data.out);
	buffer_free(&raw.out);
}

/* Whether a pipe-form file may end here: between two records, or behind the bytes of one. */
static bool is_boundary(const struct buffer *file, size_t len)
{
	size_t at = 16;

	while (at < len) {
		uint16_t size;

		memcpy(&size, file->data + at + 6, sizeof(size));
		at += size;
		if (file->data[at - size] == PERFDATA_HEADER_TRACING_DATA)
			at += 10;
	}
	return at == len;
}

/* Cut anywhere, a file gives the records that are whole, and says that something is missing. */
static void test_cut(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		struct buffer all = {0}, some = {0}, cut;
		struct maker m = {0};
		size_t last = 0;
		bool damaged;

		make_form(&m, form);
		collect(&m.out, &all, &damaged);
		assert_false(damaged);
		for (size_t len = 0; len < m.out.len; len++) {
			cut = m.out;
			cut.len = len;
			collect(&cut, &some, &damaged);
			assert_true(some.len >= last && some.len <= all.len);
			if (some.len)
				assert_memory_equal(some.data, all.data, some.len);
			if (form == 2)
				assert_int_equal(damaged, !is_boundary(&m.out, len));
			else if (some.len < all.len && form != 3)
				assert_true(damaged);
			last = some.len;
		}
		assert_true(form >= 2 || last == all.len);
		buffer_free(&all);
		buffer_free(&some);
		buffer_free(&m.out);
	}
}

/* No single bit can make it crash, hang or read outside; a sanitizer watches. */
static void test_bit_flips(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		struct buffer records = {0};
		struct maker m = {0};
		bool damaged;

		make_form(&m, form);
		for (size_t bit = 0; bit < m.out.len * 8; bit += form % 2 ? 3 : 5) {
			m.out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			collect(&m.out, &records, &damaged);
			m.out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		buffer_free(&records);
		buffer_free(&m.out);
	}
}

/* As a perf record that was killed leaves it: no size, no features, the data to the end. */
static void test_killed_perf(void **state)
{
	struct maker data = {0}, m = {0};
	struct made_feature features[N_FEATURES];
	struct perfdata_reader *reader;
	struct made_file file;

	(void)state;
	make_records(&data);
	make_features(features, false);
	file = file_of(&data.out, features);
	file.no_data_size = true;
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	assert_true(perfdata_info(reader)->truncated);
	assert_null(perfdata_info(reader)->hostname);
	check_records(reader);
	check_end(reader);
	assert_null(perfdata_damage(reader));
	perfdata_close(reader);
	free_features(features);
	buffer_free(&data.out);
	buffer_free(&m.out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage),	    cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_cut),	    cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_killed_perf),
	};

	return cmocka_run_group_tests_name("perfdata_damage", tests, setup, teardown);
}
