#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <byteswap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a compressed record may unpack to where the header does not say, and at most. */
#define UNPACKED_MAX (64u << 20)

#define TRACING_DATA_MAX (256u << 20)

#define EVENT_TYPE 65 /* names of events, of old */
#define AUXTRACE   71 /* followed by bulk that is not a record */

/* The first damage is what is reported: it ends the stream. */
static __attribute__((format(printf, 3, 4))) void damaged(struct perfdata_reader *reader,
							  uint64_t offset, const char *fmt, ...)
{
	va_list ap;
	char *what;

	reader->done = true;
	if (reader->damage)
		return;
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		what = NULL;
	va_end(ap);
	reader->damage =
		xasprintf("at byte %llu: %s", (unsigned long long)offset, what ? what : "damaged");
	free(what);
}

static struct perf_event_header load_header(const struct perfdata_reader *reader,
					    const uint8_t *bytes)
{
	struct perf_event_header header;

	memcpy(&header, bytes, sizeof(header));
	if (reader->info.swapped) {
		header.type = bswap_32(header.type);
		header.misc = bswap_16(header.misc);
		header.size = bswap_16(header.size);
	}
	return header;
}

static struct cursor body_of(const struct perfdata_reader *reader,
			     const struct perfdata_piece *piece)
{
	struct cursor c = cursor_make(piece->bytes, piece->header.size);

	c.swap = reader->info.swapped;
	cursor_skip(&c, sizeof(piece->header));
	return c;
}

/* ---- Pulling records out of the two streams --------------------------------------------- */

/* A record from what has been unpacked; false where there is none, or only a part of one. */
static bool pull_unpacked(struct perfdata_reader *reader, struct perfdata_piece *piece)
{
	struct perfdata_unpack *unpack = &reader->unpack;
	size_t need = sizeof(piece->header), available;
	const char *failure;

	if (!unpack->out)
		return false;
	for (;;) {
		piece->bytes = perfdata_unpack_peek(unpack, need, &available, &failure);
		if (failure) {
			damaged(reader, unpack->offset, "a compressed record is damaged: %s",
				failure);
			return false;
		}
		if (available < need)
			return false;
		piece->header = load_header(reader, piece->bytes);
		if (piece->header.size < sizeof(piece->header)) {
			damaged(reader, unpack->offset,
				"what a compressed record holds is not a record: its size is %u",
				piece->header.size);
			return false;
		}
		if (available >= piece->header.size)
			break;
		need = piece->header.size;
	}
	unpack->start += piece->header.size;
	piece->offset = unpack->offset;
	piece->unpacked = true;
	return true;
}

/* Nothing more can be had from the file: says so where more was promised. */
static void end_of_source(struct perfdata_reader *reader, size_t available)
{
	const struct perfdata_source *source = &reader->source;

	reader->done = true;
	if (source->errnum)
		damaged(reader, source->offset, "cannot be read: %s", strerror(source->errnum));
	else if (available)
		damaged(reader, source->offset, "the file ends within a record");
	else if (source->regular && source->offset < source->limit)
		damaged(reader, source->offset, "the file ends %llu bytes before its data",
			(unsigned long long)(source->limit - source->offset));
	else if (reader->unpack.start < reader->unpack.end)
		damaged(reader, reader->unpack.offset,
			"the last compressed record ends within an event");
}

/* A record as it lies in the file. */
static bool pull_source(struct perfdata_reader *reader, struct perfdata_piece *piece)
{
	size_t need = sizeof(piece->header), available;

	for (;;) {
		piece->bytes = perfdata_source_peek(&reader->source, need, &available);
		if (available < need) {
			end_of_source(reader, available);
			return false;
		}
		piece->header = load_header(reader, piece->bytes);
		piece->offset = reader->source.offset;
		if (piece->header.size < sizeof(piece->header)) {
			damaged(reader, piece->offset, "not a record: its size is %u",
				piece->header.size);
			return false;
		}
		if (available >= piece->header.size)
			break;
		need = piece->header.size;
	}
	perfdata_source_consume(&reader->source, piece->header.size);
	piece->unpacked = false;
	return true;
}

static void unpack_piece(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	uint32_t mmap_len = reader->info.compression_mmap_len;
	struct cursor c = body_of(reader, piece);
	uint64_t len = cursor_left(&c);

	if (piece->header.type == PERFDATA_COMPRESSED2) {
		uint64_t stated = cursor_u64(&c);

		len = cursor_left(&c);
		if (c.failed || stated > len) {
			damaged(reader, piece->offset,
				"a compressed record states more bytes than it has");
			return;
		}
		len = stated;
	}
	perfdata_unpack_feed(&reader->unpack, c.pos, len, piece->offset,
			     mmap_len && mmap_len < UNPACKED_MAX ? mmap_len : UNPACKED_MAX);
}

/* The next record that is not a compressed one; false at the end or at damage. */
static bool pull(struct perfdata_reader *reader, struct perfdata_piece *piece)
{
	if (reader->skip) {
		uint64_t skip = reader->skip;

		reader->skip = 0;
		if (!perfdata_source_skip(&reader->source, skip)) {
			damaged(reader, reader->source.offset,
				"the file ends within the data behind a record");
			return false;
		}
	}
	while (!reader->done) {
		if (pull_unpacked(reader, piece)) {
			if (piece->header.type != PERFDATA_COMPRESSED &&
			    piece->header.type != PERFDATA_COMPRESSED2)
				return true;
			damaged(reader, piece->offset, "a compressed record within another");
		}
		if (reader->done || !pull_source(reader, piece))
			return false;
		if (piece->header.type != PERFDATA_COMPRESSED &&
		    piece->header.type != PERFDATA_COMPRESSED2)
			return true;
		unpack_piece(reader, piece);
	}
	return false;
}

/* ---- Records that belong to the header --------------------------------------------------- */

static void take_attr(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	struct cursor c = body_of(reader, piece), size = c;
	const uint8_t *attr_bytes, *ids;
	struct perf_event_attr attr;
	uint32_t attr_size;
	size_t n_ids;

	cursor_u32(&size);
	attr_size = cursor_u32(&size);
	if (attr_size == 0)
		attr_size = PERF_ATTR_SIZE_VER0;
	attr_bytes = cursor_take(&c, attr_size);
	if (!attr_bytes || attr_size < PERF_ATTR_SIZE_VER0) {
		damaged(reader, piece->offset, "the description of an event is cut");
		return;
	}
	n_ids = cursor_left(&c) / sizeof(uint64_t);
	ids = cursor_take(&c, n_ids * sizeof(uint64_t));
	perfdata_read_attr(&attr, attr_bytes, attr_size, c.swap);
	perfdata_add_event(reader, &attr, perfdata_read_words(ids, n_ids, c.swap), n_ids);
}

static void take_update(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	struct cursor c = body_of(reader, piece);
	uint64_t what = cursor_u64(&c), id = cursor_u64(&c);
	const char *name = cursor_cstring(&c);
	long event = perfdata_index_find(&reader->index, id);
	char **to;

	if (what != 2 /* PERF_EVENT_UPDATE__NAME */ || !name || event < 0)
		return;
	/* A name that has been given out is not taken away again. */
	to = &reader->info.events[event].name;
	if (*to && reader->started)
		return;
	free(*to);
	*to = xstrdup(name);
}

static void take_feature(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	struct cursor c = body_of(reader, piece);
	uint64_t feature = cursor_u64(&c);

	if (!c.failed && feature < PERFDATA_FEAT_BITS)
		perfdata_read_feature(reader, (unsigned)feature, c.pos, cursor_left(&c));
}

/* The tracing data lie behind their record. The memory grows with what is really there. */
static void take_tracing_data(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	struct cursor c = body_of(reader, piece);
	uint32_t size = cursor_u32(&c);
	struct buffer data = {0};

	if (reader->tracing_data || size > TRACING_DATA_MAX) {
		reader->skip = size;
		return;
	}
	while (data.len < size) {
		size_t available;
		const uint8_t *bytes = perfdata_source_peek(&reader->source, 1, &available);

		if (!available) {
			damaged(reader, reader->source.offset,
				"the file ends within the tracing data");
			break;
		}
		if (available > size - data.len)
			available = size - data.len;
		buffer_append(&data, bytes, available);
		perfdata_source_consume(&reader->source, available);
	}
	reader->info.tracing_data = reader->tracing_data = data.data;
	reader->info.tracing_data_len = data.len;
}

/* Takes in what the pipe form has in place of a header; false: a record for the caller. */
static bool take_header_record(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	switch (piece->header.type) {
	case PERFDATA_HEADER_ATTR:
		/* The file form has its attrs in the header. */
		if (reader->info.is_pipe)
			take_attr(reader, piece);
		return true;
	case PERFDATA_EVENT_UPDATE:
		take_update(reader, piece);
		return true;
	case PERFDATA_HEADER_FEATURE:
		take_feature(reader, piece);
		return true;
	case PERFDATA_HEADER_BUILD_ID:
		perfdata_read_build_id(reader, piece->bytes, piece->header.size);
		return true;
	case PERFDATA_HEADER_TRACING_DATA:
		if (piece->unpacked)
			damaged(reader, piece->offset, "tracing data within a compressed record");
		else
			take_tracing_data(reader, piece);
		return true;
	case EVENT_TYPE:
		return true;
	}
	return false;
}

/* ---- Opening and reading ----------------------------------------------------------------- */

static struct error *open_pipe(struct perfdata_reader *reader)
{
	struct perfdata_piece piece;

	reader->info.is_pipe = true;
	if (reader->source.regular)
		reader->source.limit = reader->source.file_size;
	perfdata_source_consume(&reader->source, PERFDATA_PIPE_SIZE);
	while (pull(reader, &piece)) {
		if (!take_header_record(reader, &piece)) {
			reader->held = piece;
			reader->is_held = true;
			break;
		}
	}
	return NULL;
}

/* Tells the forms apart by the first 16 bytes: the magic and the size of the header. */
static struct error *open_stream(struct perfdata_reader *reader)
{
	struct perfdata_source *source = &reader->source;
	size_t available;
	struct cursor c;
	uint64_t magic, size;

	c.base = perfdata_source_peek(source, PERFDATA_PIPE_SIZE, &available);
	if (source->errnum)
		return error_errno(source->errnum, "%s: cannot be read", reader->path);
	if (!available)
		return error_new("%s: is empty", reader->path);
	c = cursor_make(c.base, available);
	if (available >= 8 && memcmp(c.base, "PERFFILE", 8) == 0)
		return error_remedy(error_new("%s: perf.data of the first version", reader->path),
				    "convert it with a perf of its time, or record it anew");
	magic = cursor_u64(&c);
	c.swap = reader->info.swapped = magic == PERFDATA_MAGIC_SWAP;
	size = cursor_u64(&c);
	if (c.failed || (magic != PERFDATA_MAGIC && magic != PERFDATA_MAGIC_SWAP))
		return error_new("%s: not a perf.data file", reader->path);
	if (size == PERFDATA_PIPE_SIZE)
		return open_pipe(reader);
	if (!source->regular)
		return error_remedy(error_new("%s: a perf.data file cannot be read from a pipe, "
					      "only what 'perf record -o -' writes",
					      reader->path),
				    "give the file by its name");
	return perfdata_read_header(reader);
}

struct error *perfdata_open(const char *path, struct perfdata_reader **out)
{
	struct perfdata_reader *reader = xcalloc(1, sizeof(*reader));
	struct error *err;

	reader->path = xstrdup(strcmp(path, "-") ? path : "standard input");
	err = perfdata_source_open(&reader->source, path);
	if (!err)
		err = open_stream(reader);
	if (err) {
		perfdata_close(reader);
		return err;
	}
	reader->started = true;
	*out = reader;
	return NULL;
}

const struct perfdata_info *perfdata_info(const struct perfdata_reader *reader)
{
	return &reader->info;
}

/* Gives a record out in place, where it is aligned and in this machine's byte order. */
static void deliver(struct perfdata_reader *reader, const struct perfdata_piece *piece,
		    struct perfdata_record *record)
{
	record->offset = piece->offset;
	record->header = (const struct perf_event_header *)piece->bytes;
	if (!reader->info.swapped && (uintptr_t)piece->bytes % sizeof(uint64_t) == 0)
		return;
	if (!reader->bounce)
		reader->bounce = xmalloc(UINT16_MAX + 1);
	memcpy(reader->bounce, piece->bytes, piece->header.size);
	memcpy(reader->bounce, &piece->header, sizeof(piece->header));
	record->header = (const struct perf_event_header *)reader->bounce;
	if (reader->info.swapped)
		perfdata_swap_record(reader, (struct perf_event_header *)reader->bounce);
}

/* Bulk behind a record of another kind is passed over, before the next record. */
static void note_bulk(struct perfdata_reader *reader, const struct perfdata_piece *piece)
{
	struct cursor c = body_of(reader, piece);

	if (piece->header.type != AUXTRACE)
		return;
	if (piece->unpacked)
		damaged(reader, piece->offset, "AUX area data within a compressed record");
	else
		reader->skip = cursor_u64(&c);
}

void perfdata_next(struct perfdata_reader *reader, struct perfdata_record *record)
{
	struct perfdata_piece piece;

	record->header = NULL;
	for (;;) {
		if (reader->is_held)
			piece = reader->held;
		else if (!pull(reader, &piece))
			return;
		reader->is_held = false;
		if (piece.header.type < PERFDATA_HEADER_ATTR)
			break;
		if (!take_header_record(reader, &piece)) {
			note_bulk(reader, &piece);
			break;
		}
	}
	deliver(reader, &piece, record);
}

const char *perfdata_damage(const struct perfdata_reader *reader)
{
	return reader->damage;
}

void perfdata_progress(const struct perfdata_reader *reader, uint64_t *done, uint64_t *total)
{
	*done = reader->source.offset;
	*total = reader->source.regular ? reader->source.file_size : 0;
}

void perfdata_close(struct perfdata_reader *reader)
{
	if (!reader)
		return;
	perfdata_source_close(&reader->source);
	perfdata_unpack_free(&reader->unpack);
	perfdata_index_free(&reader->index);
	perfdata_info_free(&reader->info);
	for (size_t i = 0; i < reader->n_retired; i++)
		free(reader->retired[i]);
	free(reader->retired);
	free(reader->bounce);
	free(reader->tracing_data);
	free(reader->symtab);
	free(reader->dumps);
	free(reader->unwind);
	for (size_t i = 0; i < PERFDATA_FEAT_BITS; i++)
		buffer_free(&reader->bodies[i]);
	free(reader->damage);
	free(reader->path);
	free(reader);
}
