#include "formats/decompress.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define STEP ((size_t)256 << 10)

static bool is_gzip(const uint8_t *data, size_t len)
{
	return len >= 2 && data[0] == 0x1f && data[1] == 0x8b;
}

static bool is_zstd(const uint8_t *data, size_t len)
{
	static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};

	return len >= sizeof(magic) && !memcmp(data, magic, sizeof(magic));
}

/* The most that len compressed bytes may become. */
static size_t limit_of(size_t len)
{
	size_t limit = DECOMPRESS_MAX_BYTES;

	if (len < limit / DECOMPRESS_MAX_RATIO)
		limit = len * DECOMPRESS_MAX_RATIO;
	return limit < DECOMPRESS_FREE_SIZE ? DECOMPRESS_FREE_SIZE : limit;
}

static struct error *too_large(size_t len, size_t limit)
{
	return error_remedy(error_new("%zu compressed bytes unpack to more than %zu", len, limit),
			    "it is no heap dump of a real program; if it is, unpack it first");
}

static struct error *cut(const char *what, size_t at)
{
	return error_remedy(error_new("%s data cut at byte %zu", what, at),
			    "fetch or copy the file again");
}

/* Inflates until the input's last member ends. z.next_in and avail_in are set. */
static struct error *inflate_all(z_stream *z, size_t len, struct buffer *out)
{
	size_t limit = limit_of(len), start = out->len;

	for (;;) {
		int status;

		z->next_out = buffer_extend(out, STEP);
		z->avail_out = STEP;
		status = inflate(z, Z_NO_FLUSH);
		out->len -= z->avail_out;
		if (out->len - start > limit)
			return too_large(len, limit);
		if (status == Z_STREAM_END) {
			/* Zero bytes after the last member are padding. */
			while (z->avail_in && !*z->next_in) {
				z->next_in++;
				z->avail_in--;
			}
			if (!z->avail_in)
				return NULL;
			if (inflateReset(z) == Z_OK)
				continue;
		}
		if (status == Z_BUF_ERROR || (status == Z_OK && !z->avail_in && z->avail_out))
			return cut("gzip", len);
		if (status != Z_OK)
			return error_new("gzip data damaged before byte %zu: %s", len - z->avail_in,
					 z->msg ? z->msg : "bad stream");
	}
}

static struct error *gunzip(const uint8_t *data, size_t len, struct buffer *out)
{
	z_stream z = {.next_in = (Bytef *)data, .avail_in = (uInt)len};
	struct error *err;

	if (len > UINT32_MAX)
		return error_new("%zu bytes of gzip are too large for a heap dump", len);
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return error_new("zlib cannot start");
	err = inflate_all(&z, len, out);
	inflateEnd(&z);
	return err;
}

static struct error *unzstd_all(ZSTD_DStream *stream, ZSTD_inBuffer *in, struct buffer *out)
{
	size_t limit = limit_of(in->size), start = out->len, status;

	do {
		ZSTD_outBuffer piece = {.dst = buffer_extend(out, STEP), .size = STEP};
		size_t had = in->pos;

		status = ZSTD_decompressStream(stream, &piece, in);
		out->len -= STEP - piece.pos;
		if (ZSTD_isError(status))
			return error_new("zstd data damaged before byte %zu: %s", in->pos,
					 ZSTD_getErrorName(status));
		if (out->len - start > limit)
			return too_large(in->size, limit);
		if (status && in->pos == in->size && in->pos == had && !piece.pos)
			return cut("zstd", in->size);
	} while (status || in->pos < in->size);
	return NULL;
}

static struct error *unzstd(const uint8_t *data, size_t len, struct buffer *out)
{
	ZSTD_inBuffer in = {.src = data, .size = len};
	ZSTD_DStream *stream = ZSTD_createDStream();
	struct error *err;

	if (!stream)
		return error_new("zstd cannot start");
	err = unzstd_all(stream, &in, out);
	ZSTD_freeDStream(stream);
	return err;
}

struct error *decompress(const void *data, size_t len, struct buffer *out)
{
	if (is_gzip(data, len))
		return gunzip(data, len, out);
	if (is_zstd(data, len))
		return unzstd(data, len, out);
	if (len > DECOMPRESS_MAX_BYTES)
		return error_new("%zu bytes are too large for a heap dump", len);
	buffer_append(out, data, len);
	return NULL;
}

struct error *gzip_compress(const void *data, size_t len, struct buffer *out)
{
	z_stream z = {.next_in = (Bytef *)data, .avail_in = (uInt)len};
	size_t start = out->len;
	uLong bound;
	int status;

	if (len > UINT32_MAX)
		return error_new("%zu bytes are too large to compress at once", len);
	if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return error_new("zlib cannot start");
	bound = deflateBound(&z, len);
	z.next_out = buffer_extend(out, bound);
	z.avail_out = (uInt)bound;
	status = deflate(&z, Z_FINISH);
	out->len = start + z.total_out;
	deflateEnd(&z);
	return status == Z_STREAM_END ? NULL : error_new("zlib cannot compress %zu bytes", len);
}
