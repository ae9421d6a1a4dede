#ifndef GMT_FORMATS_PERFDATA_H
#define GMT_FORMATS_PERFDATA_H

/*
 * perf.data, version 2: the file that perf record writes and perf script reads.
 * Source: tools/perf/Documentation/perf.data-file-format.txt and tools/perf/util/header.c
 * (linux 6.1), include/uapi/linux/perf_event.h.
 */

#include "formats/bytes.h"
#include "formats/error.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records that user space writes; the kernel's own are below 64. */
enum perfdata_record_type {
	PERFDATA_HEADER_ATTR = 64,
	PERFDATA_HEADER_TRACING_DATA = 66,
	PERFDATA_HEADER_BUILD_ID = 67,
	PERFDATA_FINISHED_ROUND = 68,
	PERFDATA_EVENT_UPDATE = 78,
	PERFDATA_HEADER_FEATURE = 80,
	PERFDATA_COMPRESSED = 81,
	PERFDATA_FINISHED_INIT = 82,
	PERFDATA_COMPRESSED2 = 83,
};

enum perfdata_feature {
	PERFDATA_FEAT_TRACING_DATA = 1,
	PERFDATA_FEAT_BUILD_ID = 2,
	PERFDATA_FEAT_HOSTNAME = 3,
	PERFDATA_FEAT_OSRELEASE = 4,
	PERFDATA_FEAT_VERSION = 5,
	PERFDATA_FEAT_ARCH = 6,
	PERFDATA_FEAT_NRCPUS = 7,
	PERFDATA_FEAT_TOTAL_MEM = 10,
	PERFDATA_FEAT_CMDLINE = 11,
	PERFDATA_FEAT_EVENT_DESC = 12,
	PERFDATA_FEAT_SAMPLE_TIME = 21,
	PERFDATA_FEAT_CLOCKID = 23,
	PERFDATA_FEAT_COMPRESSED = 27,
	PERFDATA_FEAT_CLOCK_DATA = 29,
	/* Ours: the symbol table (formats/symtab.h). perf 6.1 and 7.2 pass over high bits. */
	PERFDATA_FEAT_SYMTAB = 200,
	PERFDATA_FEAT_DUMPS = 201,  /* heap dumps (formats/dumps.h) */
	PERFDATA_FEAT_UNWIND = 202, /* unwinding rules (formats/unwind.h) */
	PERFDATA_FEAT_BITS = 256,
};

/* The largest PERF_RECORD_COMPRESSED that every reader takes, header included. */
#define PERFDATA_COMPRESSED_MAX 65528

/* One event that was opened: what it is, what it is called, and the ids its samples carry. */
struct perfdata_event {
	struct perf_event_attr attr;
	char *name; /* "gmt_12:birth"; NULL where the file does not tell */
	uint64_t *ids;
	size_t n_ids;
};

struct perfdata_build_id {
	uint32_t pid;
	uint8_t id[20];
	uint8_t id_len;
	char *path;
};

/* What the header and the feature sections say. Strings are NULL where absent. */
struct perfdata_info {
	struct perfdata_event *events;
	size_t n_events;
	char *hostname, *osrelease, *version, *arch;
	char **cmdline;
	size_t n_cmdline;
	uint32_t cpus_available, cpus_online;
	uint64_t first_time, last_time; /* ns; 0 where unknown */
	bool has_clock_data;
	uint32_t clockid;		  /* CLOCK_*, with has_clock_data */
	uint64_t wall_clock_ns, clock_ns; /* the same moment on both clocks */
	bool compressed;
	uint32_t compression_level, compression_ratio, compression_mmap_len;
	struct perfdata_build_id *build_ids;
	size_t n_build_ids;
	const uint8_t *tracing_data; /* points into the reader */
	size_t tracing_data_len;
	const uint8_t *symtab; /* PERFDATA_FEAT_SYMTAB, or NULL */
	size_t symtab_len;
	const uint8_t *dumps; /* PERFDATA_FEAT_DUMPS, or NULL */
	size_t dumps_len;
	const uint8_t *unwind; /* PERFDATA_FEAT_UNWIND, or NULL */
	size_t unwind_len;
	bool is_pipe;	/* perf's pipe form */
	bool truncated; /* the file was never finished: features may be missing */
	bool swapped;	/* written on a machine of the other byte order */
};

/* ---- Reading ---------------------------------------------------------------------------- */

struct perfdata_reader;

/* One record as it lies in the stream, decompressed and in this machine's byte order. */
struct perfdata_record {
	const struct perf_event_header *header; /* valid until the next call */
	uint64_t offset;			/* in the file (of the enclosing type 81 record) */
};

/*
 * Opens path ("-": standard input) and reads header and features. The reader owns everything that
 * perfdata_info gives. Errors: not perf.data, empty, unsupported; each says so in one line.
 */
struct error *perfdata_open(const char *path, struct perfdata_reader **reader);
const struct perfdata_info *perfdata_info(const struct perfdata_reader *reader);

/*
 * The next record in file order; record->header is NULL at the end. Records of type 81 and 83 are
 * unpacked and never returned themselves. Damage ends the stream: *damage (owned by the reader)
 * then says where and what ("at byte 104: ..."), and what came before it remains good.
 */
void perfdata_next(struct perfdata_reader *reader, struct perfdata_record *record);
const char *perfdata_damage(const struct perfdata_reader *reader);
/* The body of a small feature section, as it lies in the file; NULL where there is none. */
const uint8_t *perfdata_feature_body(const struct perfdata_reader *reader,
				     enum perfdata_feature feature, size_t *len);
/* Bytes of the file consumed so far, and its size (0 for a pipe): for progress. */
void perfdata_progress(const struct perfdata_reader *reader, uint64_t *done, uint64_t *total);
void perfdata_close(struct perfdata_reader *reader);

/* The fields of a PERF_RECORD_SAMPLE; pointers lead into the record. */
struct perfdata_sample {
	const struct perfdata_event *event; /* NULL: an id that no event has */
	uint64_t id, ip, time, period, addr;
	uint32_t pid, tid, cpu;
	const uint64_t *callchain; /* with the PERF_CONTEXT_* markers */
	size_t n_callchain;
	const uint8_t *raw;
	uint32_t raw_len;
	const uint64_t *user_regs; /* NULL where the sample has none */
	uint64_t user_regs_abi;
	const uint64_t *user_stack; /* what lies at the stack pointer; NULL where there is none */
	size_t user_stack_len;	    /* bytes, whole words */
};

/* Parses a PERF_RECORD_SAMPLE by the attr of its event. False: it does not fit its own size. */
bool perfdata_sample(const struct perfdata_reader *reader, const struct perf_event_header *header,
		     struct perfdata_sample *sample);

/*
 * Program counter, stack and frame pointer of a sample with a user stack. False where it has none,
 * or not exactly the registers that unwinding takes (record/session.c).
 */
bool perfdata_user_stack(const struct perfdata_sample *sample, uint64_t *pc, uint64_t *sp,
			 uint64_t *fp);

/*
 * For a kernel record that is not a sample: the pid, tid, time and cpu of its sample_id trailer.
 * False where the file has no sample_id_all, or the record is too short.
 */
bool perfdata_sample_id(const struct perfdata_reader *reader,
			const struct perf_event_header *header, struct perfdata_sample *sample);

/* ---- Writing ---------------------------------------------------------------------------- */

struct perfdata_writer;

struct perfdata_writer_options {
	int fd; /* a regular file, empty, read-write; the writer does not close it */
	/*
	 * perf's pipe form instead: fd is anything that can be written to, front to back. It holds
	 * no symbol table, heap dumps, times or compression ratio, and build ids at its end.
	 */
	bool pipe;
	int compression_level; /* zstd level; 1 to 3 are worth it */
	const struct perfdata_event *events;
	size_t n_events;      /* events[0] is a sampling event */
	const char *version;  /* of this program */
	char *const *cmdline; /* NULL-terminated */
	const uint8_t *tracing_data;
	size_t tracing_data_len;
	/* What the sections say of a machine, its clocks and the recorder is taken from this file;
	 * NULL: it is what holds here and now. */
	const struct perfdata_reader *like;
};

/*
 * Writes header, attrs and the feature sections that are known at the start (tracing data, host,
 * OS release, version, arch, cpus, command line, event descriptions, clock id and clock data,
 * compression), so that from the first flush on the file is complete up to that flush.
 */
struct error *perfdata_writer_new(const struct perfdata_writer_options *options,
				  struct perfdata_writer **writer);

/* Appends whole records (len a multiple of 8) to the stream; they go to the compressor in bulk. */
struct error *perfdata_write(struct perfdata_writer *writer, const void *records, size_t len);
/* Like perfdata_write for bytes that may end inside a record (the two halves of a wrapped ring). */
struct error *perfdata_write_part(struct perfdata_writer *writer, const void *bytes, size_t len);
/* Marks the end of a round of reads: nothing before it is newer than what follows the next. */
struct error *perfdata_write_round(struct perfdata_writer *writer);
/*
 * Makes everything written so far durable against the death of this process: data, then the
 * feature table behind it, then the header's size. On a full disk the file is put back to its
 * state at the last flush, which stays readable, and the error says so.
 */
struct error *perfdata_writer_flush(struct perfdata_writer *writer);
/* Sets the span of sample times for PERFDATA_FEAT_SAMPLE_TIME (ns). */
void perfdata_writer_times(struct perfdata_writer *writer, uint64_t first, uint64_t last);
/* Replaces a feature section that is only known later (build ids, symbol table), or with len 0
 * takes it out again. Copies data. */
void perfdata_writer_feature(struct perfdata_writer *writer, enum perfdata_feature feature,
			     const void *data, size_t len);
/* Flushes and completes the file. The writer is freed in every case. */
struct error *perfdata_writer_finish(struct perfdata_writer *writer);
/*
 * Frees the writer and leaves the file as the last flush made it: for where another process, to
 * which the writer was copied, completes it.
 */
void perfdata_writer_leave(struct perfdata_writer *writer);
/* Uncompressed and compressed bytes so far, data section only. */
void perfdata_writer_stats(const struct perfdata_writer *writer, uint64_t *raw, uint64_t *packed);

/* The body of a BUILD_ID feature section for the given list. */
void perfdata_encode_build_ids(struct buffer *out, const struct perfdata_build_id *ids, size_t n);

#endif
