#ifndef GMT_ANALYZE_TABLECHECK_H
#define GMT_ANALYZE_TABLECHECK_H

/*
 * The proof of completeness: between two readings of the bucket table its counters grow by exactly
 * the births and deaths that the trace holds, bucket by bucket.
 *
 * A reading is the state at one moment between its begin and its end, and no more is known about
 * the moment. The runtime counts a birth (mProf_Malloc) just before the event of it
 * (setprofilebucket), and a death (mProf_Free) just after (freeSpecial). So in a reading there is
 * each birth of an event up to its begin, and there may be those up to TABLECHECK_SLACK after its
 * end; there is each death of an event up to TABLECHECK_SLACK before its begin, and there may be
 * those up to its end. Where that leaves a choice it is made in favour of the table, for each
 * bucket on its own, and the check is marked as bounded.
 *
 * A process that was recorded from its birth had an empty table then, which is the first reading.
 */

#include "analyze/model.h"
#include "formats/note.h"

/* Microseconds as a rule; this much where a thread was interrupted in between. */
#define TABLECHECK_SLACK 1000000u

struct tablecheck;

struct tablecheck *tablecheck_new(void);
/* The process (index into model.processes) was seen from its birth, at this time. */
void tablecheck_from_birth(struct tablecheck *check, uint32_t process, uint64_t time);
/* A number for a bucket, to count its events by. */
uint32_t tablecheck_slot(struct tablecheck *check, uint32_t process, uint64_t address);
void tablecheck_event(struct tablecheck *check, uint32_t slot, uint64_t time, bool death);
/*
 * A part of a reading. usable: false outside of the time that is looked at: what the table holds
 * is learned, but not compared.
 */
void tablecheck_reading(struct tablecheck *check, uint32_t process, const struct note_table *table,
			bool usable);
/* Appends one check per process that had a reading to model.checks. */
void tablecheck_finish(struct tablecheck *check, struct model *model);
void tablecheck_free(struct tablecheck *check);

#endif
