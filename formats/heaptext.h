#ifndef GMT_FORMATS_HEAPTEXT_H
#define GMT_FORMATS_HEAPTEXT_H

/*
 * The text form of a Go heap dump (/debug/pprof/heap?debug=1, runtime/pprof with debug 1): unscaled
 * counts per bucket with the stack's return addresses, then the MemStats.
 * Source: runtime/pprof/pprof.go, writeHeapInternal and printStackRecord (Go 1.15 to 1.27).
 */

#include "formats/error.h"
#include "formats/heapprofile.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes begin as such a dump does. */
bool heaptext_is(const void *data, size_t len);
/*
 * Parses it; lines may end in CRLF. An error names the line. The sums of the first line must be
 * those of the entries, so a dump that was cut within them is an error.
 */
struct error *heaptext_parse(const void *data, size_t len, struct heap_profile **profile);

#endif
