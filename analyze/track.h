#ifndef GMT_ANALYZE_TRACK_H
#define GMT_ANALYZE_TRACK_H

/*
 * From events to the model: which objects live, at which sites they were born, how old they grew,
 * what the GC did, what was mapped. Events come in time order, each once; memory grows with live
 * objects, distinct stacks and mappings, not with events.
 */

#include "analyze/event.h"
#include "analyze/model.h"

struct track;

struct track_options {
	/*
	 * Only what lies between these times (CLOCK_MONOTONIC ns; 0: no bound) is counted, as if
	 * the recording had begun and ended there; who a process is and what a bucket holds is
	 * learned from everything.
	 */
	uint64_t from, to;
};

/* Fills model, which stays the caller's. */
struct track *track_new(struct model *model, const struct track_options *options);
/* The same as options.from and to, where they are known only once the trace is being read. */
void track_set_window(struct track *track, uint64_t from, uint64_t to);
/* The trace has no births and deaths: they are known from readings of the bucket table alone. */
void track_by_counters(struct track *track);
void track_event(struct track *track, const struct event *event);
/*
 * What births and deaths are about lies far apart in memory. These two have it fetched into the
 * cache for an event that comes soon; the second one after the first had time to work.
 */
void track_expect(const struct track *track, const struct event *event);
void track_expect_object(const struct track *track, const struct event *event);
/* Completes the model; no event may follow. */
void track_finish(struct track *track);
void track_free(struct track *track);

#endif
