#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The file form, in its order: header, ids, attrs, the feature sections known at the start, a copy
 * of the feature table, the data, and behind the data, where readers look for it, the feature table
 * with the sections that came later. Only this tail is ever overwritten.
 */

/* Data are written without being asked when so much of them waits. */
#define PENDING_MAX (4u << 20)

/*
 * Rounds of less than this are joined with the next one: each ends a compressed record. What is
 * between any two of the marks that remain is still in order as the marks promise it.
 */
#define ROUND_MIN (1u << 20)

struct section {
	unsigned feature;
	struct buffer body;
	bool late;	 /* lies behind the table */
	uint64_t offset; /* of one that is not late */
};

struct perfdata_writer {
	int fd, level;
	bool pipe;
	struct perfdata_pack pack;
	struct section *sections; /* by feature; in the pipe form late ones only */
	size_t n_sections, sections_cap;
	struct perfdata_section attrs, data; /* data: up to the last flush */
	uint64_t attr_entry;
	uint8_t header[PERFDATA_HEADER_SIZE]; /* as it is in the file */
	struct buffer tail;		      /* what is in the file behind the data */
	uint64_t first, last;
	uint64_t since_round; /* bytes after the last mark */
	bool round_ended;     /* a mark belongs here, if anything does */
	bool changed;	      /* something besides the data waits for a flush */
};

/* ---- The parts of the file --------------------------------------------------------------- */

static struct section *add_section(struct perfdata_writer *writer, unsigned feature)
{
	size_t at = 0;

	while (at < writer->n_sections && writer->sections[at].feature < feature)
		at++;
	if (at < writer->n_sections && writer->sections[at].feature == feature)
		return &writer->sections[at];
	xgrow(writer->sections, writer->sections_cap, writer->n_sections + 1);
	memmove(writer->sections + at + 1, writer->sections + at,
		(writer->n_sections - at) * sizeof(*writer->sections));
	writer->n_sections++;
	writer->sections[at] = (struct section){.feature = feature};
	return &writer->sections[at];
}

static void put_section(struct buffer *out, uint64_t offset, uint64_t size)
{
	buffer_u64(out, offset);
	buffer_u64(out, size);
}

static void put_flags(const struct perfdata_writer *writer, struct buffer *out)
{
	uint64_t flags[PERFDATA_FLAG_WORDS] = {0};

	for (size_t i = 0; i < writer->n_sections; i++)
		flags[writer->sections[i].feature / 64] |= 1ull << writer->sections[i].feature % 64;
	buffer_append(out, flags, sizeof(flags));
}

/* The feature table for a file whose data end at data_end, and the late sections behind it. */
static void put_tail(const struct perfdata_writer *writer, struct buffer *out, uint64_t data_end)
{
	uint64_t at = data_end + writer->n_sections * PERFDATA_SECTION_SIZE;

	for (size_t i = 0; i < writer->n_sections; i++) {
		const struct section *s = &writer->sections[i];

		put_section(out, s->late ? at : s->offset, s->body.len);
		if (s->late)
			at += s->body.len;
	}
	for (size_t i = 0; i < writer->n_sections; i++)
		if (writer->sections[i].late)
			buffer_append(out, writer->sections[i].body.data,
				      writer->sections[i].body.len);
}

static void put_header(const struct perfdata_writer *writer, struct buffer *out, uint64_t data_size)
{
	buffer_u64(out, PERFDATA_MAGIC);
	buffer_u64(out, PERFDATA_HEADER_SIZE);
	buffer_u64(out, writer->attr_entry);
	put_section(out, writer->attrs.offset, writer->attrs.size);
	put_section(out, writer->data.offset, data_size);
	put_section(out, 0, 0); /* event types, of old */
	put_flags(writer, out);
}

/* Everything in front of the data but the header, which is left free. */
static void put_front(struct perfdata_writer *writer, struct buffer *out,
		      const struct perfdata_writer_options *options)
{
	size_t attr_size = perfdata_attr_size(options->events, options->n_events);
	uint64_t ids_at = PERFDATA_HEADER_SIZE;

	memset(buffer_extend(out, PERFDATA_HEADER_SIZE), 0, PERFDATA_HEADER_SIZE);
	for (size_t i = 0; i < options->n_events; i++)
		buffer_append(out, options->events[i].ids,
			      options->events[i].n_ids * sizeof(uint64_t));
	writer->attr_entry = attr_size + PERFDATA_SECTION_SIZE;
	writer->attrs.offset = out->len;
	for (size_t i = 0; i < options->n_events; i++) {
		uint64_t size = options->events[i].n_ids * sizeof(uint64_t);

		perfdata_encode_attr(out, &options->events[i].attr, attr_size);
		put_section(out, ids_at, size);
		ids_at += size;
	}
	writer->attrs.size = out->len - writer->attrs.offset;
	for (size_t i = 0; i < writer->n_sections; i++) {
		writer->sections[i].offset = out->len;
		buffer_append(out, writer->sections[i].body.data, writer->sections[i].body.len);
		buffer_align(out, 8);
	}
	put_tail(writer, out, 0);
	put_flags(writer, out);
	buffer_u64(out, PERFDATA_SHADOW_MAGIC);
	writer->data.offset = out->len;
}

/* ---- Writing ------------------------------------------------------------------------------ */

/* Returns 0 or an errno value. */
static int write_at(int fd, const void *data, size_t len, uint64_t offset)
{
	const uint8_t *from = data;

	while (len) {
		ssize_t n = pwrite(fd, from, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno : ENOSPC;
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static struct section *find_static(struct perfdata_writer *writer, unsigned feature)
{
	for (size_t i = 0; i < writer->n_sections; i++)
		if (writer->sections[i].feature == feature && !writer->sections[i].late)
			return &writer->sections[i];
	return NULL;
}

/* Puts new content of the same size into a section in front of the data. */
static int rewrite_section(struct perfdata_writer *writer, unsigned feature, struct buffer *body)
{
	struct section *section = find_static(writer, feature);
	int errnum = 0;

	if (section && body->len == section->body.len &&
	    memcmp(body->data, section->body.data, body->len) != 0) {
		errnum = write_at(writer->fd, body->data, body->len, section->offset);
		if (!errnum)
			memcpy(section->body.data, body->data, body->len);
	}
	buffer_free(body);
	return errnum;
}

static int rewrite_sections(struct perfdata_writer *writer)
{
	struct buffer times = {0}, compressed = {0};
	int errnum;

	buffer_u64(&times, writer->first);
	buffer_u64(&times, writer->last);
	perfdata_encode_compressed(&compressed, writer->level, writer->pack.raw_total,
				   writer->pack.out_total);
	errnum = rewrite_section(writer, PERFDATA_FEAT_SAMPLE_TIME, &times);
	if (errnum) {
		buffer_free(&compressed);
		return errnum;
	}
	return rewrite_section(writer, PERFDATA_FEAT_COMPRESSED, &compressed);
}

/*
 * Writes `new`, n_data bytes of data and the tail behind them, over the old tail. What goes beyond
 * the end of the file is written first: it takes longest, and it is what fails on a full disk, and
 * until it is done nothing has changed. The place of the old tail and the header follow at once, so
 * that the moment at which the file has no table is short.
 */
static int write_end(struct perfdata_writer *writer, const struct buffer *new, size_t n_data)
{
	uint64_t end = writer->data.offset + writer->data.size;
	size_t over = writer->tail.len < new->len ? writer->tail.len : new->len;
	struct buffer header = {0};
	int errnum;

	errnum = write_at(writer->fd, new->data + over, new->len - over, end + over);
	if (errnum)
		return errnum;
	errnum = rewrite_sections(writer);
	if (errnum)
		return errnum;
	put_header(writer, &header, writer->data.size + n_data);
	errnum = write_at(writer->fd, new->data, over, end);
	if (!errnum)
		errnum = write_at(writer->fd, header.data, header.len, 0);
	if (!errnum)
		memcpy(writer->header, header.data, header.len);
	buffer_free(&header);
	return errnum;
}

/* As the file was at the last flush. What fails here has failed before. */
static void restore(struct perfdata_writer *writer)
{
	uint64_t end = writer->data.offset + writer->data.size;

	write_at(writer->fd, writer->tail.data, writer->tail.len, end);
	write_at(writer->fd, writer->header, sizeof(writer->header), 0);
	if (ftruncate(writer->fd, (off_t)(end + writer->tail.len)))
		return;
}

/* Data and tail of the file form; it is as it was where that fails. */
static struct error *write_file(struct perfdata_writer *writer)
{
	struct buffer *out = &writer->pack.out;
	size_t n_data = out->len;
	uint64_t end = writer->data.offset + writer->data.size + n_data;
	bool shorter;
	int errnum;

	put_tail(writer, out, end);
	errnum = write_end(writer, out, n_data);
	if (errnum) {
		out->len = n_data;
		restore(writer);
		return error_remedy(
			error_errno(errnum,
				    "cannot write on; the %llu bytes written before stay readable",
				    (unsigned long long)(end - n_data + writer->tail.len)),
			"make room on the disk, or limit the size of the recording");
	}
	writer->data.size += n_data;
	/* The tail may have become shorter than it was, by more than there are new data. */
	shorter = writer->tail.len > out->len;
	writer->tail.len = 0;
	buffer_append(&writer->tail, out->data + n_data, out->len - n_data);
	out->len = 0;
	writer->changed = false;
	if (shorter && ftruncate(writer->fd, (off_t)(end + writer->tail.len)))
		return error_errno(errno, "cannot shorten the file");
	return NULL;
}

/* The pipe form: what is out is out, and what is not stays in memory. */
static struct error *write_stream(int fd, struct buffer *out)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t n = write(fd, out->data + done, out->len - done);
		int errnum = errno;

		if (n < 0 && errnum == EINTR)
			continue;
		if (n < 0) {
			memmove(out->data, out->data + done, out->len - done);
			out->len -= done;
			return error_errno(errnum, "cannot write on");
		}
		done += (size_t)n;
	}
	out->len = 0;
	return NULL;
}

/* Writes what has been packed. On failure it stays in memory, so that a later flush may succeed. */
static struct error *write_packed(struct perfdata_writer *writer)
{
	if (writer->pipe)
		return write_stream(writer->fd, &writer->pack.out);
	return write_file(writer);
}

/* ---- The interface ------------------------------------------------------------------------ */

static void writer_free(struct perfdata_writer *writer)
{
	for (size_t i = 0; i < writer->n_sections; i++)
		buffer_free(&writer->sections[i].body);
	free(writer->sections);
	buffer_free(&writer->tail);
	perfdata_pack_free(&writer->pack);
	free(writer);
}

static struct error *start_file(struct perfdata_writer *writer,
				const struct perfdata_writer_options *options)
{
	struct buffer front = {0}, header = {0};
	int errnum;

	for (unsigned feature = 1; feature < PERFDATA_FEAT_BITS; feature++) {
		struct buffer body = {0};

		if (perfdata_encode_section(&body, feature, options))
			add_section(writer, feature)->body = body;
		else
			buffer_free(&body);
	}
	put_front(writer, &front, options);
	put_header(writer, &header, 0);
	memcpy(front.data, header.data, header.len);
	memcpy(writer->header, header.data, header.len);
	put_tail(writer, &writer->tail, writer->data.offset);
	buffer_append(&front, writer->tail.data, writer->tail.len);
	errnum = write_at(writer->fd, front.data, front.len, 0);
	buffer_free(&front);
	buffer_free(&header);
	return errnum ? error_errno(errnum, "cannot write the header") : NULL;
}

static struct error *start_pipe(struct perfdata_writer *writer,
				const struct perfdata_writer_options *options)
{
	struct buffer head = {0};
	struct error *err = perfdata_put_pipe_head(&head, options);

	if (!err)
		err = write_stream(writer->fd, &head);
	buffer_free(&head);
	return err;
}

struct error *perfdata_writer_new(const struct perfdata_writer_options *options,
				  struct perfdata_writer **out)
{
	struct perfdata_writer *writer;
	struct error *err;

	if (!options->n_events)
		return error_new("a perf.data file needs an event");
	writer = xcalloc(1, sizeof(*writer));
	writer->fd = options->fd;
	writer->level = options->compression_level;
	writer->pipe = options->pipe;
	err = perfdata_pack_init(&writer->pack, writer->level);
	if (!err)
		err = options->pipe ? start_pipe(writer, options) : start_file(writer, options);
	if (err) {
		writer_free(writer);
		return err;
	}
	*out = writer;
	return NULL;
}

struct error *perfdata_write_part(struct perfdata_writer *writer, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	while (len) {
		size_t n = len < PERFDATA_PACK_MAX ? len : PERFDATA_PACK_MAX;

		/* First, so that no more is taken in while the disk is full. */
		if (writer->pack.out.len >= PENDING_MAX)
			TRY(write_packed(writer));
		TRY(perfdata_pack_add(&writer->pack, from, n));
		writer->since_round += n;
		writer->round_ended = false;
		from += n;
		len -= n;
	}
	return NULL;
}

struct error *perfdata_write(struct perfdata_writer *writer, const void *records, size_t len)
{
	return perfdata_write_part(writer, records, len);
}

static struct error *end_round(struct perfdata_writer *writer)
{
	struct perf_event_header mark = {.type = PERFDATA_FINISHED_ROUND, .size = sizeof(mark)};

	TRY(perfdata_pack_flush(&writer->pack));
	perfdata_pack_plain(&writer->pack, &mark, sizeof(mark));
	writer->since_round = 0;
	writer->round_ended = false;
	return NULL;
}

struct error *perfdata_write_round(struct perfdata_writer *writer)
{
	if (writer->since_round >= ROUND_MIN)
		return end_round(writer);
	writer->round_ended = writer->since_round != 0;
	return NULL;
}

struct error *perfdata_writer_flush(struct perfdata_writer *writer)
{
	if (writer->round_ended)
		TRY(end_round(writer));
	TRY(perfdata_pack_flush(&writer->pack));
	if (!writer->pack.out.len && !writer->changed)
		return NULL;
	return write_packed(writer);
}

void perfdata_writer_times(struct perfdata_writer *writer, uint64_t first, uint64_t last)
{
	writer->first = first;
	writer->last = last;
	writer->changed = true;
}

void perfdata_writer_feature(struct perfdata_writer *writer, enum perfdata_feature feature,
			     const void *data, size_t len)
{
	struct section *section = add_section(writer, feature);
	size_t behind = writer->n_sections - (size_t)(section - writer->sections) - 1;

	writer->changed = true;
	if (!len) {
		/* Some readers warn about a section that is announced and empty. */
		buffer_free(&section->body);
		memmove(section, section + 1, behind * sizeof(*section));
		writer->n_sections--;
		return;
	}
	section->late = true;
	section->body.len = 0;
	buffer_append(&section->body, data, len);
}

struct error *perfdata_writer_finish(struct perfdata_writer *writer)
{
	struct error *err = perfdata_writer_flush(writer);

	for (size_t i = 0; !err && writer->pipe && i < writer->n_sections; i++) {
		const struct section *section = &writer->sections[i];

		if (section->feature != PERFDATA_FEAT_BUILD_ID)
			continue;
		perfdata_put_pipe_build_ids(&writer->pack.out, section->body.data,
					    section->body.len);
		err = write_packed(writer);
	}
	writer_free(writer);
	return err;
}

void perfdata_writer_leave(struct perfdata_writer *writer)
{
	writer_free(writer);
}

void perfdata_writer_stats(const struct perfdata_writer *writer, uint64_t *raw, uint64_t *packed)
{
	*raw = writer->pack.raw_total;
	*packed = writer->pack.out_total;
}
