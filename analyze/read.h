#ifndef GMT_ANALYZE_READ_H
#define GMT_ANALYZE_READ_H

/*
 * The records of a perf.data file in the order of their times. A file holds them as the rings were
 * emptied: runs that are each in order, one behind the other. A FINISHED_ROUND mark promises that
 * what follows the next mark is not older than what came before this one (perf's rule,
 * tools/perf/util/ordered-events.c), so that at each mark everything up to the greatest time seen
 * at the mark before may be merged and let go. Memory holds about one round, and has a limit for
 * files without marks: above it the older half is let go early.
 */

#include "formats/perfdata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READ_DEFAULT_LIMIT ((size_t)128 << 20)

/* So many records that were delivered stay readable. */
#define READ_KEPT 8

struct read;

struct read_record {
	/* Good until READ_KEPT further ones were read; without a time, until the next one. */
	const struct perf_event_header *header;
	uint64_t time; /* ns; 0 where the record has none */
};

/* file stays the caller's. limit: bytes of records held back at most. */
struct read *read_new(struct perfdata_reader *file, size_t limit);
/*
 * The next record in time order; false at the end, or at damage (perfdata_damage tells). Records
 * without a time come when they are met. Marks and the file's own headers are not delivered.
 */
bool read_next(struct read *read, struct read_record *record);
/* Records so far that came later than one with a greater time. */
uint64_t read_out_of_order(const struct read *read);
/* The most bytes of records that were held at one time. */
size_t read_peak(const struct read *read);
void read_free(struct read *read);

#endif
