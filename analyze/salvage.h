#ifndef GMT_ANALYZE_SALVAGE_H
#define GMT_ANALYZE_SALVAGE_H

/*
 * A trace of which a part is there, cut off by a copy that broke or damaged in its midst, made a
 * whole file again: what perf and analyze read is written anew, as far as it goes, and a remark in
 * it says what is missing. The formats of the events, without which perf refuses a file, lie in
 * front of the data in the traces of `record`; where another recorder put them behind, they are
 * lost with the end.
 */

#include "common/log.h"
#include "formats/error.h"

/* `output` must not be there yet; it is there afterwards where nothing failed. */
struct error *salvage_trace(const char *trace, const char *output, struct log *log);

#endif
