#ifndef GMT_RECORD_SPAN_EVENTS_H
#define GMT_RECORD_SPAN_EVENTS_H

/*
 * The span events of --heap=span, looked at while they are drained: which spans have sampled
 * objects, in each process (record/spans.h).
 */

#include "record/probes.h"
#include "record/session.h"
#include "record/spans.h"

struct span_events;

/* For these events; NULL where none of them tells of spans. */
struct span_events *span_events_new(const struct trace_event *events, size_t n);

/* From now on what the session drains is looked at: it must be closed first. */
void span_events_attach(struct span_events *events, struct session *session);

/* A session_look: a sample of an event, or an exec. */
void span_events_look(void *events, size_t i, const void *record);

/* The spans of a process; NULL where it has none. */
struct spans *span_events_of(const struct span_events *events, uint32_t pid);

/* Lets go of the spans of processes that have ended, but for those that are still to be read. */
void span_events_tidy(struct span_events *events, const void *context,
		      bool is_watched(const void *context, uint32_t pid));

void span_events_free(struct span_events *events);

#endif
