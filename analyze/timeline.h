#ifndef GMT_ANALYZE_TIMELINE_H
#define GMT_ANALYZE_TIMELINE_H

#include "analyze/model.h"

/*
 * What one process did over time, in a bounded number of intervals: its GC cycles, heap, samples,
 * mappings and RSS on one axis. The sums of a site are kept by GC epoch, so within an epoch they
 * are spread evenly.
 */
struct timeline_row {
	uint64_t from, to;	    /* trace time */
	uint32_t gcs, forced;	    /* cycles whose mark ended in it, and how many were forced */
	uint64_t first_gc, last_gc; /* their numbers; 0 unknown */
	bool from_log;		    /* cycles that only a gctrace log tells of are among them */
	uint64_t heap_start;	    /* of the first cycle; bytes, here and below; 0 unknown */
	uint64_t heap_peak;	    /* greatest at a mark's end */
	uint64_t heap_live, goal;   /* of the last cycle */
	bool sampled;		    /* a cycle has ended by its end, so that live is known */
	double live;		    /* estimate of what was born in the recording and was alive */
	double born, freed;	    /* estimates, in it */
	bool mapping;		    /* mappings changed in it */
	int64_t mapped;		    /* by how much */
	bool native_known;	    /* C allocations were recorded */
	double native;		    /* estimate of what C code was given and had not freed */
	uint64_t rss;		    /* last reading in it; 0: none */
	bool has_owners;	    /* RSS was read by owner in it: the last such reading */
	uint64_t owners[OWNER_COUNT];
	uint32_t first_dump, dumps; /* heap dumps taken in it: index of the first, number */
};

struct timeline {
	struct timeline_row *rows;
	size_t n;
	uint64_t step; /* ns */
};

/* Builds the rows of a process, at most `intervals` (0: 30), of a round length. */
void timeline_init(struct timeline *timeline, const struct model *model, uint32_t process,
		   size_t intervals);
void timeline_free(struct timeline *timeline);

#endif
