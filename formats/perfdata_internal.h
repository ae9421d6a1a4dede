#ifndef GMT_FORMATS_PERFDATA_INTERNAL_H
#define GMT_FORMATS_PERFDATA_INTERNAL_H

/* What the perfdata_*.c files share; nothing outside includes this. */

#include "formats/perfdata.h"

#include <zstd.h>

/* "PERFILE2" as this machine's byte order has it in a u64, and the other way round. */
#define PERFDATA_MAGIC	      0x32454c4946524550ull
#define PERFDATA_MAGIC_SWAP   0x50455246494c4532ull
#define PERFDATA_HEADER_SIZE  104
#define PERFDATA_OLD_SIZE     72 /* before there were feature bits */
#define PERFDATA_PIPE_SIZE    16
#define PERFDATA_SECTION_SIZE 16
#define PERFDATA_FLAG_WORDS   (PERFDATA_FEAT_BITS / 64)

/*
 * A second copy of the feature table, as it was at the start, lies right in front of the data: the
 * entries, the feature bits, this magic. Only the reader here knows it. The table proper lies
 * behind the data, where a cut copy and a writer that was killed at a bad moment do not have it.
 */
#define PERFDATA_SHADOW_MAGIC 0x5f574f444148535full /* "_SHADOW_" */

struct perfdata_section {
	uint64_t offset, size;
};

static inline bool perfdata_bit(const uint64_t *flags, unsigned bit)
{
	return flags[bit / 64] >> (bit % 64) & 1;
}

/* ---- Bytes of a file or a pipe (perfdata_source.c) ------------------------------------- */

struct perfdata_source {
	int fd;
	bool close_fd, regular;
	uint64_t file_size; /* of a regular file */
	uint64_t limit;	    /* no byte from this offset on is part of the stream */
	uint64_t offset;    /* of the first byte not consumed */
	uint8_t *window;    /* what was read ahead: [start, end) */
	size_t start, end;
	int errnum; /* of a read that failed, else 0 */
};

struct error *perfdata_source_open(struct perfdata_source *source, const char *path);
void perfdata_source_close(struct perfdata_source *source);
/*
 * The next bytes in place, at least `need` of them (at most 128 KiB) where so many are left, and
 * *available otherwise. Valid until the next call.
 */
const uint8_t *perfdata_source_peek(struct perfdata_source *source, size_t need, size_t *available);
void perfdata_source_consume(struct perfdata_source *source, size_t len);
/* Consumes len bytes; false where the stream ends before. */
bool perfdata_source_skip(struct perfdata_source *source, uint64_t len);
/* Goes to another place of a regular file. */
void perfdata_source_seek(struct perfdata_source *source, uint64_t offset, uint64_t limit);
/* Reads a whole section of a regular file; NULL where it is not all there. Freed by the caller. */
uint8_t *perfdata_source_section(struct perfdata_source *source, struct perfdata_section section);

/* ---- Records of type 81 and 83 (perfdata_unpack.c) -------------------------------------- */

struct perfdata_unpack {
	ZSTD_DCtx *zstd;
	uint8_t *out; /* unpacked and not yet consumed: [start, end) */
	size_t start, end;
	ZSTD_inBuffer in;
	uint64_t produced, max; /* from the present record, and what it may give */
	uint64_t offset;	/* in the file, of the present record */
};

/* Takes the payload of a compressed record, which must stay in place until it is used up. */
void perfdata_unpack_feed(struct perfdata_unpack *unpack, const void *data, size_t len,
			  uint64_t offset, uint64_t max);
/*
 * The next bytes, at least `need` of them where the present record gives so many, and *available
 * otherwise. *failure is set to what is wrong with the stream, if anything.
 */
const uint8_t *perfdata_unpack_peek(struct perfdata_unpack *unpack, size_t need, size_t *available,
				    const char **failure);
void perfdata_unpack_free(struct perfdata_unpack *unpack);

/* ---- Events and their samples (perfdata_sample.c) ------------------------------------- */

/* Where the fields of an event's records lie; worked out once. */
struct perfdata_layout {
	uint64_t sample_type, read_format, branch_type;
	uint64_t period; /* of every sample where it has no field of its own */
	/* In words from the first behind the header; -1: not there. */
	int8_t ip, tid, time, addr, id, cpu, period_at;
	uint8_t fixed; /* words before the first field of variable size */
	uint8_t n_user_regs;
	/* In words back from the end of a record that is not a sample. */
	int8_t tail_tid, tail_time, tail_id, tail_cpu;
	uint8_t tail;
	bool sample_id_all;
};

struct perfdata_id_slot {
	uint64_t id;
	uint32_t event; /* index + 1; 0: free */
};

struct perfdata_index {
	struct perfdata_layout *layouts; /* of the events, in their order */
	size_t n_layouts, layouts_cap;
	struct perfdata_id_slot *slots; /* at most half full */
	size_t n_ids;
	unsigned slots_log2;
	int id_at, tail_id_at; /* the same in all events, or -1 */
	bool uniform;	       /* all events have the same layout */
};

/* The next event: its layout, and its ids. */
void perfdata_index_add(struct perfdata_index *index, const struct perfdata_event *event);
/* The number of the event with an id, or -1. */
long perfdata_index_find(const struct perfdata_index *index, uint64_t id);
void perfdata_index_free(struct perfdata_index *index);
/* Both bring fields into this machine's byte order. The second one returns the trailer's length. */
void perfdata_swap_sample(const struct perfdata_reader *reader, struct perf_event_header *header);
size_t perfdata_swap_sample_id(const struct perfdata_reader *reader,
			       struct perf_event_header *header);

/* ---- The other byte order (perfdata_swap.c) ------------------------------------------- */

void perfdata_swap_attr(struct perf_event_attr *attr);
/* Brings a record, whose header is in this machine's order already, into it as a whole. */
void perfdata_swap_record(const struct perfdata_reader *reader, struct perf_event_header *record);

/* ---- Header and features (perfdata_header.c, perfdata_features.c) -------------------- */

/* A record where it lies, its header in this machine's byte order. */
struct perfdata_piece {
	struct perf_event_header header;
	const uint8_t *bytes; /* header included */
	uint64_t offset;
	bool unpacked; /* out of a compressed record */
};

struct perfdata_reader {
	char *path;
	struct perfdata_source source;
	struct perfdata_info info;
	struct perfdata_index index;
	struct perfdata_unpack unpack;
	struct perfdata_piece held; /* the record that ended the header of a pipe */
	bool is_held;
	uint64_t skip;	 /* bytes behind the last record that are none */
	uint8_t *bounce; /* one record: what has to be swapped or aligned */
	uint8_t *tracing_data, *symtab, *dumps, *unwind;
	size_t events_cap, build_ids_cap;
	struct buffer bodies[PERFDATA_FEAT_BITS]; /* of small features, as they are */
	struct perfdata_event **retired; /* arrays of events that the caller may still point to */
	size_t n_retired, retired_cap;
	bool started; /* info has been given out */
	bool done;
	char *damage;
};

/* Adds an event; takes the ids. */
void perfdata_add_event(struct perfdata_reader *reader, const struct perf_event_attr *attr,
			uint64_t *ids, size_t n_ids);
/* n words in file byte order, in an array of their own. */
uint64_t *perfdata_read_words(const uint8_t *bytes, size_t n, bool swap);
/* Reads everything before the data of a file that is not in pipe form. */
struct error *perfdata_read_header(struct perfdata_reader *reader);
/* An attr of any size, as found in a file; at least PERF_ATTR_SIZE_VER0 bytes must be there. */
void perfdata_read_attr(struct perf_event_attr *attr, const uint8_t *bytes, size_t len, bool swap);
/* Takes the body of a feature section into reader->info. What does not parse is left out. */
void perfdata_read_feature(struct perfdata_reader *reader, unsigned feature, const uint8_t *body,
			   size_t len);
/* One build id record, in file byte order. */
void perfdata_read_build_id(struct perfdata_reader *reader, const uint8_t *record, size_t len);
void perfdata_info_free(struct perfdata_info *info);

/* ---- Compressed records for writing (perfdata_pack.c) ----------------------------------- */

/* What is fed to the compressor for one record at most, as the COMPRESSED feature states it. */
#define PERFDATA_PACK_MAX (256u << 10)

struct perfdata_pack {
	ZSTD_CCtx *zstd; /* NULL: records are passed on as they are */
	uint8_t *raw;	 /* gathered, not yet compressed */
	size_t raw_len;
	struct buffer out; /* finished records, to be taken from here */
	bool failed;
	uint64_t raw_total, out_total;
};

struct error *perfdata_pack_init(struct perfdata_pack *pack, int level);
struct error *perfdata_pack_add(struct perfdata_pack *pack, const void *bytes, size_t len);
/* Finishes the record that is being gathered; all bytes so far are in out then. */
struct error *perfdata_pack_flush(struct perfdata_pack *pack);
/* A record that is not to be compressed, behind what was flushed. */
void perfdata_pack_plain(struct perfdata_pack *pack, const void *record, size_t len);
void perfdata_pack_free(struct perfdata_pack *pack);

/* ---- Feature sections for writing (perfdata_sections.c) --------------------------------- */

/* The body of a section that is known at the start; false where there is nothing to say. */
bool perfdata_encode_section(struct buffer *out, enum perfdata_feature feature,
			     const struct perfdata_writer_options *options);
/* The smallest published size of attrs that holds all that is set in them. */
size_t perfdata_attr_size(const struct perfdata_event *events, size_t n_events);
void perfdata_encode_attr(struct buffer *out, const struct perf_event_attr *attr, size_t size);
/* The records that take the place of a header in the pipe form, and of a BUILD_ID section. */
struct error *perfdata_put_pipe_head(struct buffer *out,
				     const struct perfdata_writer_options *options);
void perfdata_put_pipe_build_ids(struct buffer *out, const uint8_t *body, size_t len);
/* The body of a COMPRESSED section. */
void perfdata_encode_compressed(struct buffer *out, int level, uint64_t raw, uint64_t packed);

#endif
