#ifndef GMT_RECORD_TRACING_DATA_H
#define GMT_RECORD_TRACING_DATA_H

#include "formats/bytes.h"
#include "formats/error.h"
#include "record/probes.h"

/*
 * Appends the body of perf.data's TRACING_DATA section: how the fields of the given events lie in
 * their raw samples, in the layout of trace-cmd (tools/perf/util/trace-event-info.c, linux 6.1).
 */
struct error *tracing_data_collect(const struct trace_event *events, size_t n, struct buffer *out);

#endif
