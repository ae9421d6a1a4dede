#ifndef GMT_RECORD_RESIDENCE_H
#define GMT_RECORD_RESIDENCE_H

/*
 * Readings of a process's RSS by owner, from /proc/PID/smaps. A reading walks the page tables: it
 * takes longer the more is mapped and in RAM. Its own cost decides when the next one is due.
 */

#include "formats/note.h"
#include "record/go_memory.h"
#include "record/memory.h"
#include "record/target.h"

struct residence;

/* memory, NULL where it cannot be read, and go, NULL where nothing is known, must outlive it. */
struct residence *residence_new(const struct target *target, const struct memory *memory,
				struct go_memory *go);

/*
 * Shares what readings may cost with so many other processes. Without a word: with none.
 */
void residence_share(struct residence *residence, size_t processes);

/* Whether a reading at `now` (CLOCK_MONOTONIC ns) stays within what readings may cost. */
bool residence_due(const struct residence *residence, uint64_t now);

/*
 * One reading. False where there is none: the process is gone, or may not be looked at. The ranges
 * stay residence's, until the next reading.
 */
bool residence_read(struct residence *residence, struct note_owners *note);

/* How many readings there were, and their CPU time, ns. */
void residence_stats(const struct residence *residence, uint64_t *readings, uint64_t *cpu_time);

void residence_free(struct residence *residence);

#endif
