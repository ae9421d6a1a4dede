#ifndef GMT_ANALYZE_DECODE_KERNEL_H
#define GMT_ANALYZE_DECODE_KERNEL_H

/* The kernel's records that are not samples: processes, mappings, losses. */

#include "analyze/event.h"

#include <linux/perf_event.h>

/*
 * Fills what the record tells; its time, and for some its process, are the caller's. False where it
 * is too short for what it should hold.
 */
bool decode_kernel_record(const struct perf_event_header *header, struct event *event);

#endif
