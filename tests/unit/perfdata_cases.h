#ifndef GMT_TESTS_PERFDATA_CASES_H
#define GMT_TESTS_PERFDATA_CASES_H

/* A perf.data file in which everything occurs, built field by field, and what must be read. */

#include "formats/perfdata.h"

#include "formats/xalloc.h"
#include "tests/unit/perfdata_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FLAG_SAMPLE_ID_ALL (1ull << 18)
#define FLAG_PRECISE_IP_2  (1ull << 16) /* the value 2 of two bits */
#define FLAG_CLOCKID	   (1ull << 25)

/* Everything that comes before user registers, and a field behind them. */
#define SAMPLE_TYPE                                                                        \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |    \
	 PERF_SAMPLE_ADDR | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |     \
	 PERF_SAMPLE_PERIOD | PERF_SAMPLE_READ | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW | \
	 PERF_SAMPLE_BRANCH_STACK | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_DATA_SRC)

static uint64_t ids_a[] = {11, 12}, ids_b[] = {21};

/* Two events of different layout. */
static const struct perfdata_event events[] = {
	{.attr = {.type = PERF_TYPE_TRACEPOINT,
		  .config = 77,
		  .sample_period = 3,
		  .sample_type = SAMPLE_TYPE,
		  .read_format =
			  PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_TOTAL_TIME_ENABLED,
		  .branch_sample_type = PERF_SAMPLE_BRANCH_HW_INDEX | PERF_SAMPLE_BRANCH_ANY,
		  .sample_regs_user = 0x105,
		  .sample_stack_user = 8192,
		  .clockid = 1,
		  .sample_max_stack = 127},
	 .ids = ids_a,
	 .n_ids = 2},
	{.attr = {.type = PERF_TYPE_SOFTWARE,
		  .config = 10,
		  .sample_period = 9,
		  .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
		  .read_format = 0},
	 .ids = ids_b,
	 .n_ids = 1},
};

static inline void check(struct error *err)
{
	if (err)
		print_error("%s\n", error_message(err));
	assert_null(err);
}

/* ---- Records ------------------------------------------------------------------------------ */

static inline void make_sample_a(struct maker *m)
{
	size_t start = make_begin(m, PERF_RECORD_SAMPLE, 2);

	make_u64(m, 12); /* identifier */
	make_u64(m, 0x401000);
	make_u32(m, 4711);
	make_u32(m, 4712);
	make_u64(m, 1234567890123);
	make_u64(m, 0xdead0);
	make_u64(m, 12);
	make_u64(m, 99); /* stream */
	make_u32(m, 5);
	make_u32(m, 0);
	make_u64(m, 42); /* period */
	make_u64(m, 2);	 /* read: two in the group, time, pairs */
	for (int i = 0; i < 5; i++)
		make_u64(m, 7);
	make_u64(m, 3);
	make_u64(m, PERF_CONTEXT_USER);
	make_u64(m, 0x401001);
	make_u64(m, 0x402002);
	make_u32(m, 12); /* raw */
	make_bytes(m, "twelve bytes", 12);
	make_u64(m, 1); /* branches: hardware index, then one */
	for (int i = 0; i < 4; i++)
		make_u64(m, 8);
	make_u64(m, PERF_SAMPLE_REGS_ABI_64);
	make_u64(m, 0xa);
	make_u64(m, 0xb);
	make_u64(m, 0xc);
	make_u64(m, 0x5); /* data source */
	make_end(m, start);
}

static inline void make_sample_b(struct maker *m, uint64_t id, uint64_t time, const char *raw)
{
	size_t start = make_begin(m, PERF_RECORD_SAMPLE, 0), len = strlen(raw);

	make_u64(m, id);
	make_u64(m, time);
	make_u32(m, (uint32_t)len);
	make_bytes(m, raw, len);
	make_end(m, start);
}

/* The trailer of event a, newest field last: pid, tid, time, id, stream, cpu, identifier. */
static inline void make_trailer(struct maker *m, uint64_t time)
{
	make_u32(m, 100);
	make_u32(m, 101);
	make_u64(m, time);
	make_u64(m, 11);
	make_u64(m, 99);
	make_u32(m, 3);
	make_u32(m, 0);
	make_u64(m, 11);
}

static inline void make_mmap2(struct maker *m, bool build_id)
{
	size_t start =
		make_begin(m, PERF_RECORD_MMAP2, build_id ? PERF_RECORD_MISC_MMAP_BUILD_ID : 0);

	make_u32(m, 100);
	make_u32(m, 101);
	make_u64(m, 0x400000);
	make_u64(m, 0x1000);
	make_u64(m, 0x2000);
	if (build_id) {
		make_u8(m, 20);
		make_zeros(m, 3);
		make_bytes(m, "0123456789abcdefghij", 20);
	} else {
		make_u32(m, 8);
		make_u32(m, 1);
		make_u64(m, 4242);
		make_u64(m, 1);
	}
	make_u32(m, 5);
	make_u32(m, 2);
	make_bytes(m, "/bin/x\0", 8);
	make_trailer(m, 50);
	make_end(m, start);
}

static inline void make_records(struct maker *m)
{
	size_t start;

	start = make_begin(m, PERF_RECORD_COMM, 0);
	make_u32(m, 100);
	make_u32(m, 101);
	make_bytes(m, "server\0", 8);
	make_trailer(m, 40);
	make_end(m, start);
	make_mmap2(m, false);
	make_mmap2(m, true);
	start = make_begin(m, PERF_RECORD_FORK, 0);
	for (uint32_t i = 0; i < 4; i++)
		make_u32(m, 200 + i);
	make_u64(m, 60);
	make_trailer(m, 61);
	make_end(m, start);
	make_sample_a(m);
	start = make_begin(m, PERF_RECORD_LOST, 0);
	make_u64(m, 11);
	make_u64(m, 1000);
	make_trailer(m, 62);
	make_end(m, start);
	make_sample_b(m, 21, 777, "four");
	start = make_begin(m, PERFDATA_FINISHED_ROUND, 0);
	make_end(m, start);
}

#define N_RECORDS 8

static inline const struct perf_event_header *next(struct perfdata_reader *reader, uint32_t type)
{
	struct perfdata_record record;

	perfdata_next(reader, &record);
	if (perfdata_damage(reader))
		print_error("%s\n", perfdata_damage(reader));
	assert_non_null(record.header);
	assert_int_equal(record.header->type, type);
	assert_int_equal((uintptr_t)record.header % 8, 0);
	return record.header;
}

static inline void check_trailer(const struct perfdata_reader *reader,
				 const struct perf_event_header *header, uint64_t time)
{
	struct perfdata_sample s;

	assert_true(perfdata_sample_id(reader, header, &s));
	assert_ptr_equal(s.event, &perfdata_info(reader)->events[0]);
	assert_int_equal(s.id, 11);
	assert_int_equal(s.pid, 100);
	assert_int_equal(s.tid, 101);
	assert_int_equal(s.time, time);
	assert_int_equal(s.cpu, 3);
}

static inline uint32_t word32(const struct perf_event_header *header, size_t at)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)header + at, sizeof(v));
	return v;
}

static inline uint64_t word64(const struct perf_event_header *header, size_t at)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)header + at, sizeof(v));
	return v;
}

static inline void check_mmap2(struct perfdata_reader *reader, bool build_id)
{
	const struct perf_event_header *header = next(reader, PERF_RECORD_MMAP2);

	check_trailer(reader, header, 50);
	assert_int_equal(word32(header, 8), 100);
	assert_int_equal(word64(header, 16), 0x400000);
	assert_int_equal(word64(header, 32), 0x2000);
	if (build_id) {
		assert_int_equal(((const uint8_t *)header)[40], 20);
		assert_memory_equal((const uint8_t *)header + 44, "0123456789abcdefghij", 20);
	} else {
		assert_int_equal(word32(header, 40), 8);
		assert_int_equal(word64(header, 48), 4242);
	}
	assert_int_equal(word32(header, 64), 5);
	assert_int_equal(word32(header, 68), 2);
	assert_string_equal((const char *)header + 72, "/bin/x");
}

static inline void check_sample_a(struct perfdata_reader *reader)
{
	const struct perf_event_header *header = next(reader, PERF_RECORD_SAMPLE);
	struct perfdata_sample s;

	assert_true(perfdata_sample(reader, header, &s));
	assert_ptr_equal(s.event, &perfdata_info(reader)->events[0]);
	assert_int_equal(s.id, 12);
	assert_int_equal(s.ip, 0x401000);
	assert_int_equal(s.pid, 4711);
	assert_int_equal(s.tid, 4712);
	assert_int_equal(s.time, 1234567890123);
	assert_int_equal(s.addr, 0xdead0);
	assert_int_equal(s.cpu, 5);
	assert_int_equal(s.period, 42);
	assert_int_equal(s.n_callchain, 3);
	assert_int_equal(s.callchain[0], PERF_CONTEXT_USER);
	assert_int_equal(s.callchain[2], 0x402002);
	assert_int_equal(s.raw_len, 12);
	assert_memory_equal(s.raw, "twelve bytes", 12);
	assert_int_equal(s.user_regs_abi, PERF_SAMPLE_REGS_ABI_64);
	assert_int_equal(s.user_regs[0], 0xa);
	assert_int_equal(s.user_regs[2], 0xc);
	assert_false(perfdata_sample_id(reader, header, &s));
}

static inline void check_sample_b(struct perfdata_reader *reader, uint64_t time, const char *raw)
{
	const struct perf_event_header *header = next(reader, PERF_RECORD_SAMPLE);
	struct perfdata_sample s;

	assert_true(perfdata_sample(reader, header, &s));
	assert_ptr_equal(s.event, &perfdata_info(reader)->events[1]);
	assert_int_equal(s.time, time);
	assert_int_equal(s.period, 9); /* of the attr: the sample has none */
	assert_int_equal(s.raw_len, strlen(raw));
	assert_memory_equal(s.raw, raw, strlen(raw));
	assert_null(s.callchain);
	assert_null(s.user_regs);
}

static inline void check_end(struct perfdata_reader *reader)
{
	struct perfdata_record record;

	perfdata_next(reader, &record);
	assert_null(record.header);
	perfdata_next(reader, &record);
	assert_null(record.header);
}

static inline void check_records(struct perfdata_reader *reader)
{
	const struct perf_event_header *header;
	struct perfdata_sample s;

	header = next(reader, PERF_RECORD_COMM);
	check_trailer(reader, header, 40);
	assert_string_equal((const char *)header + 16, "server");
	check_mmap2(reader, false);
	check_mmap2(reader, true);
	header = next(reader, PERF_RECORD_FORK);
	check_trailer(reader, header, 61);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(word32(header, 8 + i * 4), 200 + i);
	assert_int_equal(word64(header, 24), 60);
	check_sample_a(reader);
	header = next(reader, PERF_RECORD_LOST);
	check_trailer(reader, header, 62);
	assert_int_equal(word64(header, 16), 1000);
	check_sample_b(reader, 777, "four");
	header = next(reader, PERFDATA_FINISHED_ROUND);
	assert_false(perfdata_sample_id(reader, header, &s));
}

/* ---- Files -------------------------------------------------------------------------------- */

/* A file in memory, made by setup. */
static char path[64];
static int memory = -1;

static inline int setup(void **state)
{
	(void)state;
	memory = memfd_create("perfdata", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	return memory < 0 ? -1 : 0;
}

static inline int teardown(void **state)
{
	(void)state;
	return close(memory);
}

static inline void save(const void *bytes, size_t len)
{
	assert_int_equal(ftruncate(memory, 0), 0);
	assert_int_equal(pwrite(memory, bytes, len, 0), len);
}

static inline struct perfdata_reader *open_bytes(const struct buffer *bytes)
{
	struct perfdata_reader *reader = NULL;

	save(bytes->data, bytes->len);
	check(perfdata_open(path, &reader));
	return reader;
}

static inline void body_build_id(struct maker *m)
{
	size_t start = make_begin(m, 0, 1 << 15 | PERF_RECORD_MISC_USER);

	make_u32(m, 4711);
	make_bytes(m, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	make_zeros(m, 12);
	make_u8(m, 8);
	make_zeros(m, 3);
	make_bytes(m, "/bin/x", 6);
	make_zeros(m, 58);
	make_end(m, start);
}

static inline void body_event_desc(struct maker *m)
{
	make_u32(m, 2);
	make_u32(m, 64);
	/* In another order than the attrs: the ids tell. */
	for (int i = 1; i >= 0; i--) {
		make_attr(m, &events[i].attr, 0, 64);
		make_u32(m, (uint32_t)events[i].n_ids);
		make_string(m, i ? "gmt:note" : "gmt_12:birth");
		for (size_t j = 0; j < events[i].n_ids; j++)
			make_u64(m, events[i].ids[j]);
	}
}

static inline void body_strings(struct maker *m)
{
	make_u32(m, 3);
	make_string(m, "record");
	make_string(m, "-p");
	make_string(m, "4711");
}

static inline void body_of_feature(struct maker *m, unsigned feature)
{
	switch (feature) {
	case PERFDATA_FEAT_TRACING_DATA:
		make_bytes(m, "\x17\x08\x44tracing", 10);
		break;
	case PERFDATA_FEAT_BUILD_ID:
		body_build_id(m);
		break;
	case PERFDATA_FEAT_HOSTNAME:
		make_string(m, "machine");
		break;
	case PERFDATA_FEAT_OSRELEASE:
		make_string(m, "4.19.0");
		break;
	case PERFDATA_FEAT_VERSION:
		make_string(m, "6.1");
		break;
	case PERFDATA_FEAT_ARCH:
		make_string(m, "s390x");
		break;
	case PERFDATA_FEAT_NRCPUS:
		make_u32(m, 64);
		make_u32(m, 48);
		break;
	case PERFDATA_FEAT_CMDLINE:
		body_strings(m);
		break;
	case PERFDATA_FEAT_EVENT_DESC:
		body_event_desc(m);
		break;
	case PERFDATA_FEAT_SAMPLE_TIME:
		make_u64(m, 1000);
		make_u64(m, 2000);
		break;
	case PERFDATA_FEAT_COMPRESSED:
		make_u32(m, 0);
		make_u32(m, 1);
		make_u32(m, 3);
		make_u32(m, 41);
		make_u32(m, 65536);
		break;
	case PERFDATA_FEAT_CLOCK_DATA:
		make_u32(m, 1);
		make_u32(m, 1);
		make_u64(m, 1700000000000000000);
		make_u64(m, 5000000000);
		break;
	default:
		make_bytes(m, "something", 9);
	}
}

static const unsigned all_features[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 21, 27, 29, 200};
#define N_FEATURES (sizeof(all_features) / sizeof(*all_features))

static inline void make_features(struct made_feature *features, bool swap)
{
	for (size_t i = 0; i < N_FEATURES; i++) {
		struct maker m = {.swap = swap};

		body_of_feature(&m, all_features[i]);
		features[i] = (struct made_feature){all_features[i], m.out};
	}
}

static inline void free_features(struct made_feature *features)
{
	for (size_t i = 0; i < N_FEATURES; i++)
		buffer_free(&features[i].body);
}

static inline void check_features(const struct perfdata_info *info)
{
	assert_string_equal(info->hostname, "machine");
	assert_string_equal(info->osrelease, "4.19.0");
	assert_string_equal(info->version, "6.1");
	assert_string_equal(info->arch, "s390x");
	assert_int_equal(info->n_cmdline, 3);
	assert_string_equal(info->cmdline[2], "4711");
	assert_int_equal(info->cpus_available, 64);
	assert_int_equal(info->cpus_online, 48);
	assert_int_equal(info->first_time, 1000);
	assert_int_equal(info->last_time, 2000);
	assert_true(info->has_clock_data);
	assert_int_equal(info->clockid, 1);
	assert_int_equal(info->wall_clock_ns, 1700000000000000000);
	assert_int_equal(info->clock_ns, 5000000000);
	assert_true(info->compressed);
	assert_int_equal(info->compression_level, 3);
	assert_int_equal(info->compression_ratio, 41);
	assert_int_equal(info->compression_mmap_len, 65536);
	assert_string_equal(info->events[0].name, "gmt_12:birth");
	assert_string_equal(info->events[1].name, "gmt:note");
	assert_int_equal(info->n_build_ids, 1);
	assert_int_equal(info->build_ids[0].pid, 4711);
	assert_int_equal(info->build_ids[0].id_len, 8);
	assert_memory_equal(info->build_ids[0].id, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	assert_string_equal(info->build_ids[0].path, "/bin/x");
	assert_int_equal(info->tracing_data_len, 10);
	assert_memory_equal(info->tracing_data, "\x17\x08\x44tracing", 10);
}

static inline void check_events(const struct perfdata_info *info, bool whole)
{
	const struct perf_event_attr *attr;

	assert_int_equal(info->n_events, 2);
	attr = &info->events[0].attr;
	assert_int_equal(attr->type, PERF_TYPE_TRACEPOINT);
	assert_int_equal(attr->config, 77);
	assert_int_equal(attr->sample_type, SAMPLE_TYPE);
	assert_int_equal(attr->sample_id_all, 1);
	assert_int_equal(attr->precise_ip, 2);
	assert_int_equal(attr->use_clockid, 1);
	assert_int_equal(attr->disabled, 0);
	if (whole) {
		assert_int_equal(attr->sample_regs_user, 0x105);
		assert_int_equal(attr->sample_stack_user, 8192);
		assert_int_equal(attr->clockid, 1);
		assert_int_equal(attr->sample_max_stack, 127);
	}
	assert_int_equal(info->events[0].n_ids, 2);
	assert_int_equal(info->events[0].ids[1], 12);
	assert_int_equal(info->events[1].n_ids, 1);
	assert_int_equal(info->events[1].ids[0], 21);
}

static inline struct made_file file_of(const struct buffer *data,
				       const struct made_feature *features)
{
	return (struct made_file){.events = events,
				  .n_events = 2,
				  .attr_flags =
					  FLAG_SAMPLE_ID_ALL | FLAG_PRECISE_IP_2 | FLAG_CLOCKID,
				  .attr_size = 128,
				  .data = data,
				  .features = features,
				  .n_features = features ? N_FEATURES : 0};
}

#endif
