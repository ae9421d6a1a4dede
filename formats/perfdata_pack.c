#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/*
 * One zstd stream for the whole file, cut into records of type 81. Every record ends at a block
 * boundary, so that a reader gets all that was put in it, and so that it can be padded to 8 bytes
 * with empty raw blocks, which every decoder passes over.
 */

#define HEADER	    sizeof(struct perf_event_header)
#define EMPTY_BLOCK 3 /* bytes: a block header of zeros */
#define PADDING_MAX (7 * EMPTY_BLOCK)
#define PAYLOAD_MAX (PERFDATA_COMPRESSED_MAX - HEADER - PADDING_MAX)

/*
 * What is fed to the compressor at once becomes a block. One of this size fits a record even where
 * it does not compress at all. As many go into a record as would still fit in that case; smaller
 * blocks, down to the minimum, are only made where that brings another one into the record.
 */
#define SLICE_MAX 62000u
#define SLICE_MIN 58000u

_Static_assert(ZSTD_COMPRESSBOUND(SLICE_MAX) + 32 <= PAYLOAD_MAX, "a block must fit a record");

struct error *perfdata_pack_init(struct perfdata_pack *pack, int level)
{
	size_t result;

	*pack = (struct perfdata_pack){0};
	if (!level)
		return NULL;
	pack->raw = xmalloc(PERFDATA_PACK_MAX);
	pack->zstd = ZSTD_createCCtx();
	if (!pack->zstd)
		return error_new("no memory for zstd");
	result = ZSTD_CCtx_setParameter(pack->zstd, ZSTD_c_compressionLevel, level);
	if (ZSTD_isError(result))
		return error_new("compression level %d: %s", level, ZSTD_getErrorName(result));
	return NULL;
}

/* Empty blocks until the record is a multiple of 8 long: 3 has an inverse modulo 8. */
static void pad_record(struct buffer *out, size_t start)
{
	while ((out->len - start) % 8)
		memset(buffer_extend(out, EMPTY_BLOCK), 0, EMPTY_BLOCK);
}

/* The largest slice that fits so much room even where it does not compress. */
static size_t worst_fit(size_t room)
{
	size_t overhead = ZSTD_COMPRESSBOUND(SLICE_MAX) - SLICE_MAX + 32;

	return room > overhead ? room - overhead : 0;
}

static struct error *compress_slice(struct perfdata_pack *pack, const uint8_t *raw, size_t len,
				    size_t room)
{
	ZSTD_inBuffer in = {.src = raw, .size = len};
	ZSTD_outBuffer out = {.dst = buffer_extend(&pack->out, room), .size = room};
	size_t result = ZSTD_compressStream2(pack->zstd, &out, &in, ZSTD_e_flush);

	pack->out.len -= room - out.pos;
	if (ZSTD_isError(result))
		return error_new("compression failed: %s", ZSTD_getErrorName(result));
	if (result || in.pos < in.size)
		return error_new("compression failed: %zu bytes do not fit a record", len);
	return NULL;
}

/* One record from the gathered bytes after *done, which counts those that are in it then. */
static struct error *pack_record(struct perfdata_pack *pack, size_t *done)
{
	struct perf_event_header header = {.type = PERFDATA_COMPRESSED};
	size_t start = pack->out.len, max = SLICE_MAX;
	struct error *err;

	buffer_append(&pack->out, &header, sizeof(header));
	do {
		size_t room = PAYLOAD_MAX - (pack->out.len - start - HEADER);
		size_t len = pack->raw_len - *done < max ? pack->raw_len - *done : max;

		err = compress_slice(pack, pack->raw + *done, len, room);
		if (err) {
			/* The stream has a gap from here on: nothing can follow. */
			pack->out.len = start;
			pack->failed = true;
			return err;
		}
		*done += len;
		max = worst_fit(PAYLOAD_MAX - (pack->out.len - start - HEADER));
		if (max > SLICE_MAX)
			max = SLICE_MAX;
	} while (max >= SLICE_MIN && pack->raw_len - *done >= max);
	pad_record(&pack->out, start);
	header.size = (uint16_t)(pack->out.len - start);
	memcpy(pack->out.data + start, &header, sizeof(header));
	pack->out_total += header.size;
	return NULL;
}

/* Packs whole slices as long as there are some, and with `all` what is left then. */
static struct error *pack_gathered(struct perfdata_pack *pack, bool all)
{
	size_t done = 0;

	if (pack->failed)
		return error_new("compression has failed before");
	while (pack->raw_len - done >= SLICE_MAX || (all && done < pack->raw_len))
		TRY(pack_record(pack, &done));
	memmove(pack->raw, pack->raw + done, pack->raw_len - done);
	pack->raw_len -= done;
	return NULL;
}

struct error *perfdata_pack_flush(struct perfdata_pack *pack)
{
	return pack->raw_len ? pack_gathered(pack, true) : NULL;
}

struct error *perfdata_pack_add(struct perfdata_pack *pack, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	pack->raw_total += len;
	if (!pack->zstd) {
		buffer_append(&pack->out, bytes, len);
		pack->out_total += len;
		return NULL;
	}
	while (len) {
		size_t room = PERFDATA_PACK_MAX - pack->raw_len, n = len < room ? len : room;

		memcpy(pack->raw + pack->raw_len, from, n);
		pack->raw_len += n;
		from += n;
		len -= n;
		if (pack->raw_len == PERFDATA_PACK_MAX)
			TRY(pack_gathered(pack, false));
	}
	return NULL;
}

void perfdata_pack_plain(struct perfdata_pack *pack, const void *record, size_t len)
{
	buffer_append(&pack->out, record, len);
	pack->raw_total += len;
	pack->out_total += len;
}

void perfdata_pack_free(struct perfdata_pack *pack)
{
	ZSTD_freeCCtx(pack->zstd);
	free(pack->raw);
	buffer_free(&pack->out);
	*pack = (struct perfdata_pack){0};
}
