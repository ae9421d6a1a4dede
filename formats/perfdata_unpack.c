#include "formats/perfdata_internal.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* Room for the largest record and a few zstd blocks of up to 128 KiB. */
#define OUT_SIZE (512u << 10)

/* perf record -z22 has windows of this size; a frame that asks for more is refused. */
#define WINDOW_LOG_MAX 27

void perfdata_unpack_feed(struct perfdata_unpack *unpack, const void *data, size_t len,
			  uint64_t offset, uint64_t max)
{
	if (!unpack->zstd) {
		unpack->zstd = ZSTD_createDCtx();
		unpack->out = xmalloc(OUT_SIZE);
		if (unpack->zstd)
			ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	}
	unpack->in = (ZSTD_inBuffer){.src = data, .size = len};
	unpack->offset = offset;
	unpack->produced = 0;
	unpack->max = max;
}

/* Unpacks until there are `need` bytes or the record gives no more. */
static const char *inflate_some(struct perfdata_unpack *unpack, size_t need)
{
	size_t left = unpack->end - unpack->start, front = unpack->start % 8;

	if (!unpack->zstd)
		return "no memory for zstd";
	/* Keeps the alignment: records are multiples of 8 long, and the first one is aligned. */
	memmove(unpack->out + front, unpack->out + unpack->start, left);
	unpack->start = front;
	unpack->end = front + left;
	while (unpack->end - unpack->start < need && unpack->in.src) {
		ZSTD_outBuffer out = {.dst = unpack->out, .size = OUT_SIZE, .pos = unpack->end};
		size_t result = ZSTD_decompressStream(unpack->zstd, &out, &unpack->in);

		if (ZSTD_isError(result))
			return ZSTD_getErrorName(result);
		unpack->produced += out.pos - unpack->end;
		if (unpack->produced > unpack->max)
			return "it unpacks to more than the header allows";
		unpack->end = out.pos;
		/* With room left over, the decoder holds nothing back. */
		if (unpack->in.pos == unpack->in.size && out.pos < out.size)
			unpack->in.src = NULL;
	}
	return NULL;
}

const uint8_t *perfdata_unpack_peek(struct perfdata_unpack *unpack, size_t need, size_t *available,
				    const char **failure)
{
	*failure = NULL;
	if (unpack->end - unpack->start < need && unpack->in.src)
		*failure = inflate_some(unpack, need);
	*available = unpack->end - unpack->start;
	return unpack->out + unpack->start;
}

void perfdata_unpack_free(struct perfdata_unpack *unpack)
{
	ZSTD_freeDCtx(unpack->zstd);
	free(unpack->out);
	*unpack = (struct perfdata_unpack){0};
}
