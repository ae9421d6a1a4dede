/* The gctrace parser: any bytes, in any pieces, give the same lines, within their bounds. */
#include "formats/gctrace.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct digest {
	uint64_t sum, n;
	size_t len;
};

static void take(void *arg, const struct gctrace_entry *entry)
{
	struct digest *digest = arg;
	uint64_t sum = digest->sum;

	if (entry->offset >= digest->len || !entry->line || entry->raw_len > 2048)
		abort();
	for (size_t i = 0; i < entry->raw_len; i++)
		sum = (sum ^ (uint8_t)entry->raw[i]) * 0x100000001b3;
	digest->sum = (sum ^ entry->offset ^ entry->number << 20) * 0x100000001b3 + entry->kind;
	digest->n++;
}

static struct digest run(const uint8_t *data, size_t len, size_t step)
{
	struct digest digest = {.len = len};
	struct gctrace_parser *parser = gctrace_parser_new(take, &digest);

	for (size_t at = 0; at < len; at += step)
		gctrace_parser_feed(parser, data + at, len - at < step ? len - at : step);
	gctrace_parser_finish(parser);
	if (gctrace_parser_lines(parser) > len)
		abort();
	gctrace_parser_free(parser);
	return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct digest whole = run(data, len, len ? len : 1);
	struct digest parts = run(data, len, len ? 1 + data[0] % 64 : 1);

	if (whole.sum != parts.sum || whole.n != parts.n)
		abort();
	return 0;
}
