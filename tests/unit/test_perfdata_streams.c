#include "tests/unit/perfdata_cases.h"

#include <string.h>
#include <sys/wait.h>
#include <zstd.h>

/* ---- The pipe form ------------------------------------------------------------------------ */

static void make_pipe_attr(struct maker *m, const struct perfdata_event *event, uint32_t attr_size)
{
	size_t start = make_begin(m, PERFDATA_HEADER_ATTR, 0);

	make_attr(m, &event->attr, FLAG_SAMPLE_ID_ALL | FLAG_PRECISE_IP_2 | FLAG_CLOCKID,
		  attr_size);
	for (size_t i = 0; i < event->n_ids; i++)
		make_u64(m, event->ids[i]);
	make_end(m, start);
}

static void make_name(struct maker *m, uint64_t id, const char *name)
{
	size_t start = make_begin(m, PERFDATA_EVENT_UPDATE, 0);

	make_u64(m, 2); /* a name */
	make_u64(m, id);
	make_bytes(m, name, strlen(name));
	make_zeros(m, 8 - strlen(name) % 8);
	make_end(m, start);
}

static void make_pipe_features(struct maker *m)
{
	for (size_t i = 0; i < N_FEATURES; i++) {
		unsigned feature = all_features[i];
		size_t start;

		if (feature == PERFDATA_FEAT_TRACING_DATA || feature == PERFDATA_FEAT_BUILD_ID ||
		    feature == PERFDATA_FEAT_SYMTAB)
			continue;
		start = make_begin(m, PERFDATA_HEADER_FEATURE, 0);
		make_u64(m, feature);
		body_of_feature(m, feature);
		make_zeros(m, (8 - (m->out.len - start) % 8) % 8);
		make_end(m, start);
	}
}

/* What stands in front of the records. */
static void make_pipe_head(struct maker *m, uint32_t attr_size)
{
	size_t start;

	make_bytes(m, m->swap ? "2ELIFREP" : "PERFILE2", 8);
	make_u64(m, 16);
	for (int i = 0; i < 2; i++)
		make_pipe_attr(m, &events[i], attr_size);
	make_name(m, 11, "a name that the description repeats");
	make_name(m, 11, "gmt_12:birth");
	make_pipe_features(m);
	start = make_begin(m, PERFDATA_HEADER_TRACING_DATA, 0);
	make_u32(m, 10);
	make_u32(m, 0);
	make_end(m, start);
	body_of_feature(m, PERFDATA_FEAT_TRACING_DATA);
	start = make_begin(m, PERFDATA_HEADER_BUILD_ID, 1 << 15 | PERF_RECORD_MISC_USER);
	m->out.len = start;
	body_build_id(m);
	/* In a feature section the type of a build id record is not set. */
	m->out.data[start + (m->swap ? 3 : 0)] = PERFDATA_HEADER_BUILD_ID;
}

static void check_pipe(struct perfdata_reader *reader, bool swap)
{
	const struct perfdata_info *info = perfdata_info(reader);

	assert_true(info->is_pipe);
	assert_int_equal(info->swapped, swap);
	check_events(info, true);
	check_features(info);
	check_records(reader);
	check_end(reader);
	if (perfdata_damage(reader))
		print_error("%s\n", perfdata_damage(reader));
	assert_null(perfdata_damage(reader));
}

static void test_pipe_form(void **state)
{
	(void)state;
	for (int swap = 0; swap < 2; swap++) {
		for (uint32_t size = 112; size <= 144; size += 8) {
			struct maker m = {.swap = swap};
			struct perfdata_reader *reader;

			make_pipe_head(&m, size);
			make_records(&m);
			reader = open_bytes(&m.out);
			check_pipe(reader, swap);
			perfdata_close(reader);
			buffer_free(&m.out);
		}
	}
}

/* Puts a process behind standard input that writes the bytes in pieces of `step`. */
static pid_t feed_stdin(const struct buffer *bytes, size_t step)
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		for (size_t at = 0; at < bytes->len; at += step) {
			size_t n = bytes->len - at < step ? bytes->len - at : step;

			if (write(ends[1], bytes->data + at, n) != (ssize_t)n)
				_exit(1);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	return pid;
}

static void test_standard_input(void **state)
{
	static const size_t steps[] = {1, 7, 64, 1 << 16};
	struct perfdata_reader *reader;
	struct maker m = {0};
	int saved = dup(STDIN_FILENO);

	(void)state;
	make_pipe_head(&m, 128);
	make_records(&m);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		pid_t pid = feed_stdin(&m.out, steps[i]);
		uint64_t done, total;

		check(perfdata_open("-", &reader));
		check_pipe(reader, false);
		perfdata_progress(reader, &done, &total);
		assert_int_equal(done, m.out.len);
		assert_int_equal(total, 0);
		perfdata_close(reader);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	}
	buffer_free(&m.out);
}

/* The file form needs to be sought in. The refusal says so, and what to do. */
static void test_file_through_pipe(void **state)
{
	struct perfdata_reader *reader;
	struct maker data = {0}, m = {0};
	int saved = dup(STDIN_FILENO);
	struct made_file file;
	struct error *err;
	pid_t pid;

	(void)state;
	make_records(&data);
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	pid = feed_stdin(&m.out, m.out.len);
	err = perfdata_open("-", &reader);
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "standard input"));
	assert_non_null(error_remedy_text(err));
	error_free(err);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	}
	buffer_free(&data.out);
	buffer_free(&m.out);
}

/* Events that come after the first samples: pointers into the old list stay good. */
static void test_late_events(void **state)
{
	struct perfdata_sample first, s;
	struct perfdata_event late = events[1];
	struct perfdata_reader *reader;
	struct maker m = {0};
	uint64_t id;

	(void)state;
	late.ids = &id;
	make_pipe_head(&m, 128);
	make_sample_b(&m, 21, 5, "four");
	for (id = 1000; id < 1020; id++) {
		make_pipe_attr(&m, &late, 128);
		make_name(&m, id, "late");
		make_name(&m, 21, "another");
		make_sample_b(&m, id, id, "four");
	}
	reader = open_bytes(&m.out);
	assert_true(perfdata_sample(reader, next(reader, PERF_RECORD_SAMPLE), &first));
	for (id = 1000; id < 1020; id++) {
		assert_true(perfdata_sample(reader, next(reader, PERF_RECORD_SAMPLE), &s));
		assert_non_null(s.event);
		assert_string_equal(s.event->name, "late");
		assert_int_equal(s.event->ids[0], id);
		assert_int_equal(s.time, id);
	}
	check_end(reader);
	assert_null(perfdata_damage(reader));
	assert_int_equal(perfdata_info(reader)->n_events, 22);
	assert_string_equal(first.event->name, "gmt:note");
	assert_int_equal(first.event->attr.sample_period, 9);
	perfdata_close(reader);
	buffer_free(&m.out);
}

/* ---- Compressed records ------------------------------------------------------------------- */

struct packer {
	ZSTD_CCtx *zstd;
	struct maker *m;
	uint32_t type;
};

/* One compressed record as perf makes it: of type 81 not padded, of type 83 padded. */
static void make_packed(struct packer *p, const void *bytes, size_t len)
{
	static uint8_t space[1 << 16];
	ZSTD_inBuffer in = {.src = bytes, .size = len};
	ZSTD_outBuffer out = {.dst = space, .size = sizeof(space)};
	size_t start;

	assert_int_equal(ZSTD_compressStream2(p->zstd, &out, &in, ZSTD_e_flush), 0);
	start = make_begin(p->m, p->type, 0);
	if (p->type == PERFDATA_COMPRESSED2)
		make_u64(p->m, out.pos);
	make_bytes(p->m, space, out.pos);
	if (p->type == PERFDATA_COMPRESSED2)
		make_zeros(p->m, (8 - out.pos % 8) % 8);
	make_end(p->m, start);
}

/* All of raw in pieces of `step`, records cut where it happens, a round marked after each. */
static void make_packed_stream(struct maker *m, uint32_t type, const struct buffer *raw,
			       size_t step)
{
	struct packer p = {.zstd = ZSTD_createCCtx(), .m = m, .type = type};

	for (size_t at = 0; at < raw->len; at += step)
		make_packed(&p, raw->data + at, raw->len - at < step ? raw->len - at : step);
	ZSTD_freeCCtx(p.zstd);
}

static void check_packed(bool swap, uint32_t type, size_t step)
{
	struct maker raw = {.swap = swap}, data = {.swap = swap}, m = {.swap = swap};
	struct perfdata_reader *reader;
	struct made_file file;

	make_records(&raw);
	make_packed_stream(&data, type, &raw.out, step);
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	check_records(reader);
	check_end(reader);
	assert_null(perfdata_damage(reader));
	perfdata_close(reader);
	buffer_free(&raw.out);
	buffer_free(&data.out);
	buffer_free(&m.out);
}

static void test_packed(void **state)
{
	static const size_t steps[] = {1, 7, 8, 13, 100, 1 << 16};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		check_packed(false, PERFDATA_COMPRESSED, steps[i]);
		check_packed(false, PERFDATA_COMPRESSED2, steps[i]);
		check_packed(true, PERFDATA_COMPRESSED, steps[i]);
		check_packed(true, PERFDATA_COMPRESSED2, steps[i]);
	}
}

/* Records between two halves of an event, as perf writes the end of a round. */
static void test_packed_and_plain(void **state)
{
	struct maker raw = {0}, m = {0};
	struct packer p = {.zstd = ZSTD_createCCtx(), .m = &m, .type = PERFDATA_COMPRESSED};
	struct perfdata_reader *reader;

	(void)state;
	make_pipe_head(&m, 128);
	make_sample_b(&raw, 21, 5, "four");
	make_sample_b(&raw, 21, 6, "five and six");
	make_packed(&p, raw.out.data, 40);
	make_end(&m, make_begin(&m, PERFDATA_FINISHED_ROUND, 0));
	make_packed(&p, raw.out.data + 40, raw.out.len - 40);
	make_sample_b(&m, 21, 7, "last");
	reader = open_bytes(&m.out);
	check_sample_b(reader, 5, "four");
	next(reader, PERFDATA_FINISHED_ROUND);
	check_sample_b(reader, 6, "five and six");
	check_sample_b(reader, 7, "last");
	check_end(reader);
	assert_null(perfdata_damage(reader));
	perfdata_close(reader);
	ZSTD_freeCCtx(p.zstd);
	buffer_free(&raw.out);
	buffer_free(&m.out);
}

/* ---- Damage -------------------------------------------------------------------------------- */

/* Reads to the end. The good samples of event b before it; what the damage says, if there is any.
 */
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
		cmocka_unit_test(test_pipe_form),
		cmocka_unit_test(test_standard_input),
		cmocka_unit_test(test_file_through_pipe),
		cmocka_unit_test(test_late_events),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_packed_and_plain),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_killed_perf),
	};

	return cmocka_run_group_tests_name("perfdata_streams", tests, setup, teardown);
}
