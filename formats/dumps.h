#ifndef GMT_FORMATS_DUMPS_H
#define GMT_FORMATS_DUMPS_H

/*
 * Heap dumps in a trace: the body of its PERFDATA_FEAT_DUMPS section. In the byte order of the
 * trace: magic, version, count and a zero (u32 each); then for each dump pid and length of the URL
 * with its NUL (u32), time and length of the dump (u64), the URL, the dump; both are padded to 8.
 */

#include "formats/bytes.h"
#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dump {
	uint32_t pid;  /* of the process it is thought to be of; 0 unknown */
	uint64_t time; /* CLOCK_MONOTONIC ns: it had arrived whole */
	const char *url;
	const uint8_t *data; /* as the server sent it */
	size_t len;
};

/* Appends the body of the section. */
void dumps_encode(struct buffer *out, const struct dump *dumps, size_t n);

/*
 * Reads it. *dumps is to be freed by the caller, what it points to lies in data. swap: the trace
 * has the other byte order. Errors: not such a body, or cut.
 */
struct error *dumps_decode(const void *data, size_t len, bool swap, struct dump **dumps, size_t *n);

#endif
