#ifndef GMT_FORMATS_DECOMPRESS_H
#define GMT_FORMATS_DECOMPRESS_H

#include "formats/bytes.h"
#include "formats/error.h"

/* What a compressed input may become: no more than either, a small one excepted. */
#define DECOMPRESS_MAX_BYTES ((size_t)1 << 30)
#define DECOMPRESS_MAX_RATIO 1000
#define DECOMPRESS_FREE_SIZE ((size_t)16 << 20) /* up to here the ratio is not looked at */

/*
 * Appends the content of data to out: unpacked where it is gzip (all members) or zstd (all
 * frames), as it is otherwise. Errors: damaged, cut, or beyond the limits above; out then holds
 * what could be read.
 */
struct error *decompress(const void *data, size_t len, struct buffer *out);
/* Appends data to out as one gzip member, without time or name. */
struct error *gzip_compress(const void *data, size_t len, struct buffer *out);

#endif
