#ifndef GMT_RECORD_SESSION_ATTR_H
#define GMT_RECORD_SESSION_ATTR_H

/*
 * What the session's events are opened with. Samples of all of them begin alike: identifier,
 * address, process and thread, time, CPU.
 */

#include "record/session.h"

#include <linux/perf_event.h>

/* An event that is recorded; a ring wakes its reader with so many bytes in it. */
struct perf_event_attr session_trace_attr(const struct session_options *options,
					  const struct trace_event *event, uint32_t watermark);

/* Process lifecycle and mappings: a counter that counts nothing. */
struct perf_event_attr session_tracking_attr(const struct session_options *options);

/*
 * What our notes are samples of; the kernel itself never writes one. Old perfs (5.10) take it for
 * granted that samples of this event have a period.
 */
struct perf_event_attr session_note_attr(const struct session_options *options);

#endif
