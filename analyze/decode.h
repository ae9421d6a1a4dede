#ifndef GMT_ANALYZE_DECODE_H
#define GMT_ANALYZE_DECODE_H

/*
 * From records to events. What a field is called, where it lies and how wide it is was settled
 * once for each event type; after that an event costs a few loads.
 *
 * Probes are known by their names: system "gmt_ANYTHING", events "birth", "death", "gc_start",
 * "gc_mark_term", "gc_end". Any field may be missing. Of others, where they sit (foreign.h).
 */

#include "analyze/event.h"
#include "analyze/foreign.h"
#include "analyze/read.h"
#include "formats/perfdata.h"

struct decode;

struct decode_stats {
	uint64_t records;   /* all that came in */
	uint64_t malformed; /* did not fit their own size, or had an id that no event has */
	uint64_t no_format; /* of tracepoints whose format the file does not have */
	uint64_t bad_notes;
};

/* file stays the caller's, and must outlive the decoder. */
struct decode *decode_new(const struct perfdata_reader *file);
/* Fills event, whose pointers are good until the record goes or the next call. */
void decode_record(struct decode *decode, const struct read_record *record, struct event *event);
/*
 * Identifies the probes of other recorders by where they sit, and learns of mappings for it.
 * foreign stays the caller's, and must outlive the decoder.
 */
void decode_use_foreign(struct decode *decode, struct foreign *foreign);
/*
 * What was made of such probes: "probe: " and a sentence, or "loss: " for one of no use. Owned by
 * the decoder.
 */
const char *const *decode_remarks(const struct decode *decode, size_t *n);
/* Whether an event of this kind was met, or one that is known to be of it. */
bool decode_knows(const struct decode *decode, enum event_kind kind);
const struct decode_stats *decode_stats(const struct decode *decode);
/* Why the formats could not be read, or NULL. Owned by the decoder. */
const struct error *decode_problem(const struct decode *decode);
void decode_free(struct decode *decode);

#endif
