#ifndef GMT_TESTS_UNIT_TRACE_H
#define GMT_TESTS_UNIT_TRACE_H

/* Traces for tests: a perf.data file in a temporary place, written record by record. */

#include "formats/bytes.h"
#include "formats/perfdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TRACE_SAMPLE_TYPE                                                               \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | \
	 PERF_SAMPLE_CPU | PERF_SAMPLE_RAW)

struct trace {
	char path[64];
	int fd;
	struct perfdata_writer *writer;
	struct perfdata_event events[16];
	uint64_t ids[16];
	size_t n_events;
	struct buffer tracing; /* formats, as tracefs has them */
	uint32_t n_formats;
};

/* No error must come; says which one did. */
static inline void trace_ok(struct error *err)
{
	if (err)
		fail_msg("%s", error_message(err));
}

/* Adds an event; returns its id. */
static inline uint64_t trace_add_event(struct trace *trace, uint32_t type, uint64_t config,
				       const char *name, uint64_t sample_type)
{
	size_t i = trace->n_events++;

	trace->ids[i] = 1000 + i;
	trace->events[i] = (struct perfdata_event){
		.attr =
			{
				.type = type,
				.size = sizeof(struct perf_event_attr),
				.config = config,
				.sample_period = 1,
				.sample_type = sample_type,
				.sample_id_all = 1,
				.use_clockid = 1,
				.clockid = 1,
			},
		.name = (char *)name,
		.ids = &trace->ids[i],
		.n_ids = 1,
	};
	return trace->ids[i];
}

/* Opens the file for writing, with the events added so far. */
static inline void trace_create(struct trace *trace)
{
	static char *const cmdline[] = {(char *)"record", NULL};

	strcpy(trace->path, "/tmp/gmt-test-XXXXXX");
	trace->fd = mkstemp(trace->path);
	assert_true(trace->fd >= 0);
	trace_ok(perfdata_writer_new(
		&(struct perfdata_writer_options){
			.fd = trace->fd,
			.compression_level = 1,
			.events = trace->events,
			.n_events = trace->n_events,
			.version = "test",
			.cmdline = cmdline,
			.tracing_data = trace->tracing.data,
			.tracing_data_len = trace->tracing.len,
		},
		&trace->writer));
}

static inline void trace_write(struct trace *trace, const struct buffer *record)
{
	trace_ok(perfdata_write(trace->writer, record->data, record->len));
}

/* A sample as TRACE_SAMPLE_TYPE has it, and the call chain in front of raw where there is one. */
static inline void trace_sample(struct trace *trace, uint64_t id, uint64_t time, uint32_t pid,
				uint32_t tid, uint32_t cpu, const uint64_t *chain, size_t n_chain,
				const void *raw, size_t raw_len)
{
	struct perf_event_header header = {.type = PERF_RECORD_SAMPLE};
	size_t padded = ((raw_len + 4 + 7) & ~(size_t)7) - 4;
	struct buffer b = {0};

	buffer_append(&b, &header, sizeof(header));
	buffer_u64(&b, id);
	buffer_u64(&b, 0x400000);
	buffer_u32(&b, pid);
	buffer_u32(&b, tid);
	buffer_u64(&b, time);
	buffer_u32(&b, cpu);
	buffer_u32(&b, 0);
	if (chain) {
		buffer_u64(&b, n_chain);
		buffer_append(&b, chain, n_chain * sizeof(*chain));
	}
	buffer_u32(&b, (uint32_t)padded);
	buffer_append(&b, raw, raw_len);
	buffer_align(&b, 8);
	header.size = (uint16_t)b.len;
	memcpy(b.data, &header, sizeof(header));
	trace_write(trace, &b);
	buffer_free(&b);
}

/* A record of the kernel's with a body, and the trailer that sample_id_all gives it. */
static inline void trace_record(struct trace *trace, uint32_t type, uint16_t misc, uint64_t time,
				uint32_t pid, uint32_t tid, const void *body, size_t len)
{
	struct perf_event_header header = {.type = type, .misc = misc};
	struct buffer b = {0};

	buffer_append(&b, &header, sizeof(header));
	buffer_append(&b, body, len);
	buffer_align(&b, 8);
	buffer_u32(&b, pid);
	buffer_u32(&b, tid);
	buffer_u64(&b, time);
	buffer_u32(&b, 0);
	buffer_u32(&b, 0);
	buffer_u64(&b, trace->ids[0]);
	header.size = (uint16_t)b.len;
	memcpy(b.data, &header, sizeof(header));
	trace_write(trace, &b);
	buffer_free(&b);
}

/* A mark right here: perfdata_write_round joins short rounds into longer ones. */
static inline void trace_round(struct trace *trace)
{
	struct perf_event_header mark = {.type = PERFDATA_FINISHED_ROUND, .size = sizeof(mark)};

	trace_ok(perfdata_write(trace->writer, &mark, sizeof(mark)));
}

/* Completes the file and opens it for reading. */
static inline struct perfdata_reader *trace_reopen(struct trace *trace)
{
	struct perfdata_reader *reader;

	trace_ok(perfdata_writer_finish(trace->writer));
	close(trace->fd);
	trace_ok(perfdata_open(trace->path, &reader));
	return reader;
}

static inline void trace_remove(struct trace *trace)
{
	unlink(trace->path);
	buffer_free(&trace->tracing);
}

/* ---- Tracing data ------------------------------------------------------------------------ */

static inline void trace_put_file(struct buffer *b, const char *text)
{
	buffer_u64(b, strlen(text));
	buffer_append(b, text, strlen(text));
}

/* Begins a section of so many systems; trace_begin_system and trace_put_file fill it. */
static inline void trace_begin_formats(struct buffer *b, uint32_t n_systems)
{
	buffer_append(b, "\x17\x08\x44tracing", 10);
	buffer_append(b, "0.5", 4);
	buffer_u8(b, __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
	buffer_u8(b, 8);
	buffer_u32(b, 4096);
	buffer_append(b, "header_page", 12);
	trace_put_file(b, "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n");
	buffer_append(b, "header_event", 13);
	trace_put_file(b, "# compressed entry header\n");
	buffer_u32(b, 1);
	trace_put_file(b, "name: function\nID: 1\nformat:\n");
	buffer_u32(b, n_systems);
}

static inline void trace_begin_system(struct buffer *b, const char *name, uint32_t n_events)
{
	buffer_append(b, name, strlen(name) + 1);
	buffer_u32(b, n_events);
}

/* What follows the systems: no kallsyms, no printk formats. */
static inline void trace_end_formats(struct buffer *b)
{
	buffer_u32(b, 0);
	buffer_u32(b, 0);
}

#endif
