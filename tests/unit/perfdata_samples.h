#ifndef GMT_TESTS_PERFDATA_SAMPLES_H
#define GMT_TESTS_PERFDATA_SAMPLES_H

/* A trace in memory, written by the writer, whose every sample follows from its number. */

#include "formats/perfdata.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE_TYPE                                                                     \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | \
	 PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW)

static inline struct perf_event_attr sampling_attr(void)
{
	return (struct perf_event_attr){.type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_BPF_OUTPUT,
					.sample_period = 1,
					.sample_type = SAMPLE_TYPE,
					.sample_id_all = 1,
					.use_clockid = 1,
					.clockid = 1};
}

/* Two events; the second one carries user registers too. */
struct fixture {
	struct perfdata_event events[2];
	uint64_t ids[2][3];
	char path[64];
	int fd; /* a file in memory */
	struct perfdata_writer *writer;
	uint32_t written, flushed; /* samples */
};

static inline void check(struct error *err)
{
	if (err)
		print_error("%s\n", error_message(err));
	assert_null(err);
}

static inline struct perfdata_writer_options options_for(struct fixture *f, int level)
{
	static char *cmdline[] = {(char *)"record", (char *)"-p", (char *)"4711", NULL};

	return (struct perfdata_writer_options){
		.fd = f->fd,
		.compression_level = level,
		.events = f->events,
		.n_events = 2,
		.version = "1.2.3",
		.cmdline = cmdline,
		.tracing_data = (const uint8_t *)"not really tracing data",
		.tracing_data_len = 23,
	};
}

static inline struct fixture *fixture_form(int level, bool pipe)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct perfdata_writer_options options;

	for (int e = 0; e < 2; e++) {
		f->events[e].attr = sampling_attr();
		f->events[e].name = e ? (char *)"gmt:second" : (char *)"gmt:note";
		f->events[e].ids = f->ids[e];
		f->events[e].n_ids = 3;
		for (int i = 0; i < 3; i++)
			f->ids[e][i] = (uint64_t)(100 + e * 10 + i);
	}
	f->events[1].attr.sample_type |= PERF_SAMPLE_REGS_USER;
	f->events[1].attr.sample_regs_user = 7;
	f->fd = memfd_create("trace", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	options = options_for(f, level);
	options.pipe = pipe;
	check(perfdata_writer_new(&options, &f->writer));
	return f;
}

static inline struct fixture *fixture_new(int level)
{
	return fixture_form(level, false);
}

static inline void fixture_free(struct fixture *f)
{
	close(f->fd);
	free(f);
}

/* A sample whose every field follows from n, so that a reader can check it. */
static inline void put_sample(struct buffer *out, const struct fixture *f, int event, uint32_t n)
{
	struct perf_event_header header = {.type = PERF_RECORD_SAMPLE, .misc = 2};
	size_t start = out->len;
	uint32_t raw_len = 4 + n % 5 * 8;

	buffer_append(out, &header, sizeof(header));
	buffer_u64(out, f->ids[event][n % 3]);
	buffer_u64(out, 0x400000 + n);
	buffer_u32(out, 4711);
	buffer_u32(out, 4711 + n % 7);
	buffer_u64(out, 1000000 + n * 10ull);
	buffer_u32(out, n % 4);
	buffer_u32(out, 0);
	buffer_u64(out, n + 1);
	buffer_u64(out, n % 6);
	for (uint32_t i = 0; i < n % 6; i++)
		buffer_u64(out, 0x500000 + i);
	buffer_u32(out, raw_len);
	for (uint32_t i = 0; i < raw_len; i++)
		buffer_u8(out, (uint8_t)(n + i));
	if (event) {
		buffer_u64(out, n % 2 ? PERF_SAMPLE_REGS_ABI_64 : PERF_SAMPLE_REGS_ABI_NONE);
		for (uint64_t i = 0; n % 2 && i < 3; i++)
			buffer_u64(out, n * 3ull + i);
	}
	header.size = (uint16_t)(out->len - start);
	memcpy(out->data + start, &header, sizeof(header));
}

static inline void check_sample(const struct perfdata_reader *reader,
				const struct perf_event_header *header, int event, uint32_t n)
{
	struct perfdata_sample s;

	assert_int_equal(header->type, PERF_RECORD_SAMPLE);
	assert_true(perfdata_sample(reader, header, &s));
	assert_ptr_equal(s.event, &perfdata_info(reader)->events[event]);
	assert_int_equal(s.id, 100 + event * 10 + n % 3);
	assert_int_equal(s.ip, 0x400000 + n);
	assert_int_equal(s.pid, 4711);
	assert_int_equal(s.tid, 4711 + n % 7);
	assert_int_equal(s.time, 1000000 + n * 10ull);
	assert_int_equal(s.cpu, n % 4);
	assert_int_equal(s.period, n + 1);
	assert_int_equal(s.n_callchain, n % 6);
	for (uint32_t i = 0; i < n % 6; i++)
		assert_int_equal(s.callchain[i], 0x500000 + i);
	assert_int_equal(s.raw_len, 4 + n % 5 * 8);
	for (uint32_t i = 0; i < s.raw_len; i++)
		assert_int_equal(s.raw[i], (uint8_t)(n + i));
	if (event && n % 2) {
		assert_int_equal(s.user_regs_abi, PERF_SAMPLE_REGS_ABI_64);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(s.user_regs[i], n * 3ull + i);
	} else {
		assert_null(s.user_regs);
	}
}

static inline void write_samples(struct fixture *f, uint32_t count)
{
	struct buffer one = {0};

	for (; count; count--, f->written++) {
		one.len = 0;
		put_sample(&one, f, f->written % 2, f->written);
		check(perfdata_write(f->writer, one.data, one.len));
	}
	buffer_free(&one);
}

static inline void check_info(const struct perfdata_info *info)
{
	struct utsname uts;

	uname(&uts);
	assert_string_equal(info->hostname, uts.nodename);
	assert_int_equal(info->n_events, 2);
	assert_string_equal(info->events[0].name, "gmt:note");
	assert_string_equal(info->events[1].name, "gmt:second");
	/* In a pipe they are padded. */
	assert_int_equal(info->tracing_data_len, info->is_pipe ? 24 : 23);
	assert_memory_equal(info->tracing_data, "not really tracing data", 23);
	assert_true(info->has_clock_data);
}

/* Reads the file to its end; every sample must be there, in order. Returns how many. */
static inline uint32_t read_samples(const char *path, bool *damaged)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	uint32_t n = 0;

	check(perfdata_open(path, &reader));
	check_info(perfdata_info(reader));
	for (;;) {
		perfdata_next(reader, &record);
		if (!record.header)
			break;
		if (record.header->type == PERFDATA_FINISHED_ROUND)
			continue;
		check_sample(reader, record.header, n % 2, n);
		n++;
	}
	*damaged = perfdata_damage(reader) != NULL;
	perfdata_close(reader);
	return n;
}

static inline void check_all(const struct fixture *f, uint32_t count)
{
	bool damaged;

	assert_int_equal(read_samples(f->path, &damaged), count);
	assert_false(damaged);
}

static inline uint64_t header_word(const struct fixture *f, off_t at)
{
	uint64_t word;

	assert_int_equal(pread(f->fd, &word, sizeof(word), at), sizeof(word));
	return word;
}

#endif
