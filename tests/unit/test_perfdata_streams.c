#include "tests/unit/perfdata_streams.h"

#include <sys/wait.h>

/* ---- The pipe form ------------------------------------------------------------------------ */

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

/*
 * One record that unpacks to many times the room that there is for it. Its events are of 40 bytes,
 * so that they lie across every edge, also the last one, when all input is used up already.
 */
static void test_packed_much(void **state)
{
	struct maker raw = {0}, data = {0}, m = {0};
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct made_file file;
	uint64_t n = 0;

	(void)state;
	while (raw.out.len + 40 < 4 << 20) {
		make_sample_b(&raw, 21, 1000, "five and six");
		n++;
	}
	make_packed_stream(&data, PERFDATA_COMPRESSED, &raw.out, raw.out.len);
	file = file_of(&data.out, NULL);
	make_file(&m, &file);
	reader = open_bytes(&m.out);
	for (uint64_t i = 0; i < n; i++)
		check_sample_b(reader, 1000, "five and six");
	perfdata_next(reader, &record);
	assert_null(record.header);
	assert_null(perfdata_damage(reader));
	perfdata_close(reader);
	buffer_free(&raw.out);
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
		cmocka_unit_test(test_packed_much),
	};

	return cmocka_run_group_tests_name("perfdata_streams", tests, setup, teardown);
}
