#ifndef GMT_ANALYZE_SNAPSHOT_RING_H
#define GMT_ANALYZE_SNAPSHOT_RING_H

/* The comings and goings of one population of objects by GC cycle. Part of snapshots. */

#include "analyze/snapshots.h"

#include <stdint.h>

/*
 * Cycles that are told apart; what is older is only summed. The snapshot of a dump of cycle P needs
 * those from P - 2 on, and is taken when P + 3 begins.
 */
#define RING 8

struct slot {
	int64_t cycle;
	struct snapshot_count born, died;
};

/* Zero-initialise. */
struct ring {
	struct snapshot_count base; /* born - died, of all cycles that have no slot */
	struct slot slots[RING];
};

/* Counts objects of a size; those of ring_base belong to no cycle that matters. */
void ring_base(struct ring *ring, int64_t objects, uint64_t size);
void ring_birth(struct ring *ring, int64_t cycle, int64_t objects, uint64_t size);
void ring_death(struct ring *ring, int64_t cycle, int64_t objects, uint64_t size);
/* Adds sign times all that `from` holds, cycle by cycle. */
void ring_add(struct ring *to, const struct ring *from, int64_t sign);
/* Births of cycles below k, minus deaths of cycles up to k. ring may be NULL. */
struct snapshot_count ring_state(const struct ring *ring, int64_t k);

#endif
