#include "record/flight.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <zstd.h>

/* The window, and the memory, are that many segments: what is let go is let go by segments. */
#define SEGMENTS 8
#define CHUNK	 ((size_t)64 << 10)
/* As the writer has it: smaller rounds are joined with the next one. */
#define ROUND_MIN ((uint64_t)1 << 20)

struct segment {
	uint64_t begin;
	uint8_t **chunks; /* of CHUNK bytes; all but the last are full */
	size_t n_chunks, cap_chunks, last_len;
	uint64_t raw;	 /* bytes of records in it */
	uint64_t *marks; /* ends of rounds, in raw bytes */
	size_t n_marks, cap_marks;
};

struct flight {
	struct flight_options options;
	struct segment *segments; /* oldest first; the last is added to */
	size_t n, cap, n_chunks;
	ZSTD_CCtx *zstd;
};

struct error *flight_new(const struct flight_options *options, struct flight **out)
{
	struct flight *flight = xcalloc(1, sizeof(*flight));

	flight->options = *options;
	flight->zstd = ZSTD_createCCtx();
	if (!flight->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(flight->zstd, ZSTD_c_compressionLevel,
						options->compression_level))) {
		flight_free(flight);
		return error_new("no memory for zstd");
	}
	*out = flight;
	return NULL;
}

static struct segment *present(const struct flight *flight)
{
	return flight->n ? &flight->segments[flight->n - 1] : NULL;
}

static void drop_oldest(struct flight *flight)
{
	struct segment *oldest = &flight->segments[0];

	for (size_t i = 0; i < oldest->n_chunks; i++)
		free(oldest->chunks[i]);
	flight->n_chunks -= oldest->n_chunks;
	free(oldest->chunks);
	free(oldest->marks);
	flight->n--;
	for (size_t i = 0; i < flight->n; i++)
		flight->segments[i] = flight->segments[i + 1];
}

/* Room at the end of the present segment. */
static ZSTD_outBuffer room(struct flight *flight)
{
	struct segment *s = present(flight);

	if (!s->n_chunks || s->last_len == CHUNK) {
		xgrow(s->chunks, s->cap_chunks, s->n_chunks + 1);
		s->chunks[s->n_chunks++] = xmalloc(CHUNK);
		s->last_len = 0;
		flight->n_chunks++;
	}
	return (ZSTD_outBuffer){
		.dst = s->chunks[s->n_chunks - 1], .size = CHUNK, .pos = s->last_len};
}

static struct error *compress(struct flight *flight, const void *bytes, size_t len,
			      ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = {.src = bytes, .size = len};
	size_t left;

	do {
		ZSTD_outBuffer out = room(flight);

		left = ZSTD_compressStream2(flight->zstd, &out, &in, how);
		if (ZSTD_isError(left))
			return error_new("compression failed: %s", ZSTD_getErrorName(left));
		present(flight)->last_len = out.pos;
	} while (in.pos < in.size || (how == ZSTD_e_end && left));
	return NULL;
}

/* What comes next in a segment that has ended is a frame of its own. */
static struct error *end_frame(struct flight *flight)
{
	return present(flight) ? compress(flight, NULL, 0, ZSTD_e_end) : NULL;
}

bool flight_is_due(const struct flight *flight, uint64_t now)
{
	const struct segment *s = present(flight);

	return !s || now - s->begin >= flight->options.window / SEGMENTS ||
	       s->n_chunks * CHUNK >= flight->options.bytes / SEGMENTS;
}

struct error *flight_begin(struct flight *flight, uint64_t now)
{
	size_t limit = flight->options.bytes - flight->options.bytes / SEGMENTS;

	TRY(end_frame(flight));
	/* The second oldest reaches back far enough, or there is no room for more. */
	while (flight->n &&
	       ((flight->n > 1 && now - flight->segments[1].begin >= flight->options.window) ||
		flight->n_chunks * CHUNK > limit))
		drop_oldest(flight);
	xgrow(flight->segments, flight->cap, flight->n + 1);
	flight->segments[flight->n++] = (struct segment){.begin = now};
	return NULL;
}

struct error *flight_add(struct flight *flight, const void *bytes, size_t len)
{
	present(flight)->raw += len;
	return compress(flight, bytes, len, ZSTD_e_continue);
}

void flight_round(struct flight *flight)
{
	struct segment *s = present(flight);

	if (s->raw - (s->n_marks ? s->marks[s->n_marks - 1] : 0) < ROUND_MIN)
		return;
	xgrow(s->marks, s->cap_marks, s->n_marks + 1);
	s->marks[s->n_marks++] = s->raw;
}

/* Hands on what was unpacked, with the marks at their places. */
static struct error *write_raw(const struct segment *s, size_t *mark, uint64_t *at,
			       const uint8_t *bytes, size_t len, struct perfdata_writer *writer)
{
	while (len) {
		uint64_t n = len;

		if (*mark < s->n_marks && s->marks[*mark] - *at < n)
			n = s->marks[*mark] - *at;
		TRY(perfdata_write_part(writer, bytes, n));
		bytes += n;
		len -= n;
		*at += n;
		if (*mark < s->n_marks && s->marks[*mark] == *at) {
			TRY(perfdata_write_round(writer));
			(*mark)++;
		}
	}
	return NULL;
}

static struct error *write_segment(const struct segment *s, ZSTD_DCtx *zstd, uint8_t *raw,
				   size_t raw_len, struct perfdata_writer *writer)
{
	uint64_t at = 0;
	size_t mark = 0;

	for (size_t i = 0; i < s->n_chunks; i++) {
		ZSTD_inBuffer in = {
			.src = s->chunks[i],
			.size = i + 1 < s->n_chunks ? CHUNK : s->last_len,
		};
		ZSTD_outBuffer out;

		do {
			size_t result;

			out = (ZSTD_outBuffer){.dst = raw, .size = raw_len};
			result = ZSTD_decompressStream(zstd, &out, &in);
			if (ZSTD_isError(result))
				return error_new("what is in memory is damaged: %s",
						 ZSTD_getErrorName(result));
			TRY(write_raw(s, &mark, &at, raw, out.pos, writer));
		} while (in.pos < in.size || out.pos == out.size);
	}
	return perfdata_write_round(writer);
}

struct error *flight_write(struct flight *flight, struct perfdata_writer *writer)
{
	size_t raw_len = ZSTD_DStreamOutSize();
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	struct error *err = end_frame(flight);
	uint8_t *raw = xmalloc(raw_len);

	if (!zstd && !err)
		err = error_new("no memory for zstd");
	for (size_t i = 0; i < flight->n && !err; i++)
		err = write_segment(&flight->segments[i], zstd, raw, raw_len, writer);
	ZSTD_freeDCtx(zstd);
	free(raw);
	return err;
}

uint64_t flight_from(const struct flight *flight)
{
	return flight->n ? flight->segments[0].begin : 0;
}

size_t flight_bytes(const struct flight *flight)
{
	return flight->n_chunks * CHUNK;
}

void flight_free(struct flight *flight)
{
	if (!flight)
		return;
	while (flight->n)
		drop_oldest(flight);
	free(flight->segments);
	ZSTD_freeCCtx(flight->zstd);
	free(flight);
}
