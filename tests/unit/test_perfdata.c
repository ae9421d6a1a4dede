#include "tests/unit/perfdata_samples.h"

#include "tests/unit/random.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <zstd.h>

static void round_trip(int level, bool pipe)
{
	struct fixture *f = fixture_form(level, pipe);
	uint64_t raw, packed;

	while (f->written < 60000) {
		write_samples(f, 5000);
		check(perfdata_write_round(f->writer));
		if (f->written % 20000 == 0)
			check(perfdata_writer_flush(f->writer));
	}
	perfdata_writer_stats(f->writer, &raw, &packed);
	assert_true(level ? raw > packed * 3 : raw == packed);
	check(perfdata_writer_finish(f->writer));
	check_all(f, f->written);
	fixture_free(f);
}

static void test_compressed(void **state)
{
	(void)state;
	round_trip(1, false);
	round_trip(3, false);
}

static void test_uncompressed(void **state)
{
	(void)state;
	round_trip(0, false);
}

/* Written front to back: a file of perf's pipe form, without what is only known at the end. */
static void test_pipe_form(void **state)
{
	struct perfdata_build_id id = {
		.pid = 4711, .id_len = 20, .path = (char *)"/usr/bin/server"};
	struct fixture *f = fixture_form(1, true);
	const struct perfdata_info *info;
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct buffer ids = {0};

	(void)state;
	write_samples(f, 1000);
	perfdata_writer_times(f->writer, 1, 2);
	check(perfdata_writer_flush(f->writer));
	perfdata_encode_build_ids(&ids, &id, 1);
	perfdata_writer_feature(f->writer, PERFDATA_FEAT_BUILD_ID, ids.data, ids.len);
	perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB, "symbols", 7);
	check(perfdata_writer_finish(f->writer));
	check_all(f, 1000);
	check(perfdata_open(f->path, &reader));
	info = perfdata_info(reader);
	assert_true(info->is_pipe);
	assert_true(info->compressed);
	assert_string_equal(info->version, "1.2.3");
	assert_string_equal(info->cmdline[2], "4711");
	assert_null(info->symtab);
	do
		perfdata_next(reader, &record);
	while (record.header);
	assert_int_equal(info->n_build_ids, 1);
	assert_string_equal(info->build_ids[0].path, "/usr/bin/server");
	perfdata_close(reader);
	buffer_free(&ids);
	fixture_free(f);
	round_trip(0, true);
	round_trip(1, true);
}

/* More events than a description in one record has room for: the names are there all the same. */
static void test_many_events_in_pipe(void **state)
{
	enum { N = 600 };
	struct fixture *f = fixture_new(0);
	struct perfdata_writer_options options = options_for(f, 1);
	struct perfdata_event *events = xcalloc(N, sizeof(*events));
	const struct perfdata_info *info;
	struct perfdata_reader *reader;
	struct perfdata_writer *writer;
	uint64_t ids[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		ids[i] = 1000 + (uint64_t)i;
		events[i] = f->events[0];
		events[i].name = xasprintf("gmt:event_%d", i);
		events[i].ids = &ids[i];
		events[i].n_ids = 1;
	}
	options.events = events;
	options.n_events = N;
	options.pipe = true;
	assert_int_equal(ftruncate(f->fd, 0), 0);
	check(perfdata_writer_new(&options, &writer));
	check(perfdata_writer_finish(writer));
	check(perfdata_open(f->path, &reader));
	info = perfdata_info(reader);
	assert_int_equal(info->n_events, N);
	for (int i = 0; i < N; i++) {
		assert_string_equal(info->events[i].name, events[i].name);
		free(events[i].name);
	}
	perfdata_close(reader);
	free(events);
	check(perfdata_writer_finish(f->writer));
	fixture_free(f);
}

/* Nobody reads any more: an error, and no more memory than usual. */
static void test_broken_pipe(void **state)
{
	struct fixture *f = fixture_new(0);
	struct perfdata_writer_options options = options_for(f, 1);
	struct perfdata_writer *writer;
	struct error *err;
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	options.pipe = true;
	options.fd = ends[1];
	check(perfdata_writer_new(&options, &writer));
	close(ends[0]);
	check(perfdata_write(writer, f->ids, 8));
	err = perfdata_writer_flush(writer);
	assert_non_null(err);
	assert_int_equal(error_errnum(err), EPIPE);
	error_free(err);
	err = perfdata_writer_finish(writer);
	assert_non_null(err);
	error_free(err);
	close(ends[1]);
	check(perfdata_writer_finish(f->writer));
	fixture_free(f);
}

/* A record of the pipe form has room for some 8,000 ids. */
static void test_too_many_ids(void **state)
{
	struct fixture *f = fixture_new(0);
	struct perfdata_writer_options options = options_for(f, 1);
	uint64_t *many = xcalloc(10000, sizeof(*many));
	struct perfdata_writer *writer;
	struct error *err;

	(void)state;
	options.pipe = true;
	f->events[1].ids = many;
	f->events[1].n_ids = 10000;
	err = perfdata_writer_new(&options, &writer);
	assert_non_null(err);
	assert_non_null(strstr(error_message(err), "gmt:second"));
	error_free(err);
	free(many);
	check(perfdata_writer_finish(f->writer));
	fixture_free(f);
}

/* Nothing written, and nothing flushed: both are good files without a record. */
static void test_empty(void **state)
{
	struct fixture *f = fixture_new(1);

	(void)state;
	check_all(f, 0);
	check(perfdata_writer_flush(f->writer));
	check_all(f, 0);
	check(perfdata_writer_finish(f->writer));
	check_all(f, 0);
	fixture_free(f);
}

static void test_no_events(void **state)
{
	struct perfdata_writer_options options = {.fd = -1};
	struct perfdata_writer *writer;
	struct error *err;

	(void)state;
	err = perfdata_writer_new(&options, &writer);
	assert_non_null(err);
	error_free(err);
}

/* The halves of a wrapped ring, cut anywhere, with flushes between them. */
static void test_parts(void **state)
{
	struct fixture *f = fixture_new(1);
	struct random rng = {42};
	struct buffer all = {0};
	size_t at = 0;

	(void)state;
	for (; f->written < 20000; f->written++)
		put_sample(&all, f, f->written % 2, f->written);
	while (at < all.len) {
		size_t n = 1 + random_u64(&rng) % 3000;

		if (n > all.len - at)
			n = all.len - at;
		check(perfdata_write_part(f->writer, all.data + at, n));
		at += n;
		if (random_u64(&rng) % 50 == 0)
			check(perfdata_writer_flush(f->writer));
	}
	check(perfdata_writer_finish(f->writer));
	check_all(f, f->written);
	buffer_free(&all);
	fixture_free(f);
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Everything that the header says, also what is only known at the end. */
static void test_features(void **state)
{
	struct perfdata_build_id id = {
		.pid = 4711, .id_len = 20, .path = (char *)"/usr/bin/server"};
	uint64_t before = now(CLOCK_MONOTONIC), offset = now(CLOCK_REALTIME) - before;
	struct fixture *f = fixture_new(2);
	const struct perfdata_info *info;
	struct perfdata_reader *reader;
	struct buffer ids = {0};
	uint64_t raw, packed;
	struct utsname uts;

	(void)state;
	write_samples(f, 1000);
	memset(id.id, 0xab, sizeof(id.id));
	perfdata_encode_build_ids(&ids, &id, 1);
	perfdata_writer_feature(f->writer, PERFDATA_FEAT_BUILD_ID, ids.data, ids.len);
	perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB, "symbols", 7);
	perfdata_writer_times(f->writer, 1000000, 1009990);
	check(perfdata_writer_flush(f->writer));
	perfdata_writer_stats(f->writer, &raw, &packed);
	check(perfdata_writer_finish(f->writer));
	check_all(f, 1000);
	check(perfdata_open(f->path, &reader));
	info = perfdata_info(reader);
	uname(&uts);
	assert_string_equal(info->osrelease, uts.release);
	assert_string_equal(info->arch, uts.machine);
	assert_string_equal(info->version, "1.2.3");
	assert_int_equal(info->n_cmdline, 3);
	assert_string_equal(info->cmdline[0], "record");
	assert_string_equal(info->cmdline[2], "4711");
	assert_int_equal(info->cpus_online, sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(info->cpus_available >= info->cpus_online);
	assert_int_equal(info->first_time, 1000000);
	assert_int_equal(info->last_time, 1009990);
	assert_int_equal(info->clockid, CLOCK_MONOTONIC);
	assert_true(info->clock_ns >= before && info->clock_ns <= now(CLOCK_MONOTONIC));
	/* Unless the wall clock is set between the two readings, by more than 10 ms. */
	assert_true(llabs((long long)(info->wall_clock_ns - info->clock_ns - offset)) < 10000000);
	assert_true(info->compressed);
	assert_int_equal(info->compression_level, 2);
	assert_int_equal(info->compression_ratio, (raw + packed / 2) / packed);
	assert_int_equal(info->n_build_ids, 1);
	assert_int_equal(info->build_ids[0].pid, 4711);
	assert_int_equal(info->build_ids[0].id_len, 20);
	assert_memory_equal(info->build_ids[0].id, id.id, 20);
	assert_string_equal(info->build_ids[0].path, "/usr/bin/server");
	assert_int_equal(info->symtab_len, 7);
	assert_memory_equal(info->symtab, "symbols", 7);
	assert_false(info->truncated);
	assert_int_equal(info->events[1].n_ids, 3);
	assert_int_equal(info->events[1].ids[2], 112);
	/* No larger than needed, so that a perf of linux 4.1 can read it. */
	assert_int_equal(info->events[0].attr.size, PERF_ATTR_SIZE_VER5);
	perfdata_close(reader);
	buffer_free(&ids);
	fixture_free(f);
}

/* The ratio in the header is that of the data, rounded, after every flush. */
static void test_ratio(void **state)
{
	struct fixture *f = fixture_new(1);
	bool up = false, down = false;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct perfdata_reader *reader;
		uint64_t raw, packed;

		write_samples(f, 100);
		check(perfdata_writer_flush(f->writer));
		perfdata_writer_stats(f->writer, &raw, &packed);
		check(perfdata_open(f->path, &reader));
		assert_int_equal(perfdata_info(reader)->compression_ratio,
				 (raw + packed / 2) / packed);
		up |= raw % packed > packed / 2;
		down |= raw % packed < packed / 2;
		perfdata_close(reader);
	}
	assert_true(up && down);
	check(perfdata_writer_finish(f->writer));
	fixture_free(f);
}

/* A section that is replaced again and again, by larger and by smaller ones. */
static void test_late_sections(void **state)
{
	static const size_t sizes[] = {10, 100000, 3, 50000, 50001, 0, 77};
	struct fixture *f = fixture_new(1);
	uint8_t *bytes = xcalloc(1, 100000);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct perfdata_reader *reader;

		memset(bytes, (int)i + 1, 100000);
		perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB, bytes, sizes[i]);
		if (i % 2)
			write_samples(f, 10);
		check(perfdata_writer_flush(f->writer));
		check_all(f, f->written);
		check(perfdata_open(f->path, &reader));
		assert_int_equal(perfdata_info(reader)->symtab_len, sizes[i]);
		if (sizes[i])
			assert_memory_equal(perfdata_info(reader)->symtab, bytes, sizes[i]);
		assert_true(lseek(f->fd, 0, SEEK_END) < (off_t)(20000 + sizes[i]));
		perfdata_close(reader);
	}
	check(perfdata_writer_finish(f->writer));
	free(bytes);
	fixture_free(f);
}

/* ---- What the records of type 81 look like ----------------------------------------------- */

/*
 * Unpacks the data section with zstd alone, by the rules that other readers hold a writer to:
 * sizes, padding, each record complete in itself. Returns what was in it, without the marks of
 * rounds.
 */
static struct buffer unpack_strictly(const struct fixture *f, unsigned *rounds)
{
	uint64_t at = header_word(f, 40), end = at + header_word(f, 48);
	uint8_t *packed = xmalloc(1 << 16), *raw = xmalloc(1 << 20);
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	struct buffer all = {0};

	*rounds = 0;
	while (at < end) {
		struct perf_event_header header;
		ZSTD_outBuffer out = {.dst = raw, .size = 1 << 20};
		ZSTD_inBuffer in = {.src = packed};

		assert_int_equal(at % 8, 0);
		assert_int_equal(pread(f->fd, &header, 8, (off_t)at), 8);
		assert_int_equal(header.size % 8, 0);
		assert_true(header.size >= 8 && header.size <= PERFDATA_COMPRESSED_MAX);
		in.size = header.size - 8u;
		assert_int_equal(pread(f->fd, packed, in.size, (off_t)at + 8), in.size);
		at += header.size;
		if (header.type == PERFDATA_FINISHED_ROUND) {
			++*rounds;
			continue;
		}
		assert_int_equal(header.type, PERFDATA_COMPRESSED);
		assert_false(ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)));
		assert_int_equal(in.pos, in.size);
		assert_true(out.pos > 0 && out.pos <= 256 << 10);
		buffer_append(&all, raw, out.pos);
	}
	assert_int_equal(at, end);
	ZSTD_freeDCtx(zstd);
	free(packed);
	free(raw);
	return all;
}

/* Records of every kind of content: endless repetition, noise that does not compress, a mix. */
static void test_record_sizes(void **state)
{
	struct random rng = {7};

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct fixture *f = fixture_new(1 + kind);
		struct buffer expected = {0}, got;
		unsigned rounds;

		for (int i = 0; i < 300; i++) {
			size_t len = 8 + 8 * (random_u64(&rng) % 2000), start = expected.len;
			struct perf_event_header header = {.type = 9, .size = (uint16_t)len};

			buffer_append(&expected, &header, sizeof(header));
			while (expected.len < start + len)
				buffer_u64(&expected, kind == 0			  ? 7
						      : kind == 1 || (i / 20) % 2 ? random_u64(&rng)
										  : 7);
			check(perfdata_write(f->writer, expected.data + start, len));
			if (i % 3 == 0)
				check(perfdata_write_round(f->writer));
			if (i % 100 == 99)
				check(perfdata_writer_flush(f->writer));
		}
		check(perfdata_writer_finish(f->writer));
		got = unpack_strictly(f, &rounds);
		assert_int_equal(got.len, expected.len);
		assert_memory_equal(got.data, expected.data, got.len);
		assert_true(rounds >= 2);
		buffer_free(&got);
		buffer_free(&expected);
		fixture_free(f);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compressed),   cmocka_unit_test(test_uncompressed),
		cmocka_unit_test(test_pipe_form),    cmocka_unit_test(test_many_events_in_pipe),
		cmocka_unit_test(test_broken_pipe),  cmocka_unit_test(test_too_many_ids),
		cmocka_unit_test(test_empty),	     cmocka_unit_test(test_no_events),
		cmocka_unit_test(test_parts),	     cmocka_unit_test(test_features),
		cmocka_unit_test(test_ratio),	     cmocka_unit_test(test_late_sections),
		cmocka_unit_test(test_record_sizes),
	};

	return cmocka_run_group_tests_name("perfdata", tests, NULL, NULL);
}
