#ifndef GMT_ANALYZE_GCLIVES_H
#define GMT_ANALYZE_GCLIVES_H

/*
 * The lives of processes in a gctrace log. A log may hold several, one after the other (the program
 * was restarted: the numbers and times fall) or in turns (several write to one file). A life's
 * numbers and times only rise, so lines are dealt out by the least gap. Where lives look alike
 * single lines may be dealt wrongly; lives in turns are therefore also put in one group.
 */

#include "formats/gctrace.h"

#include <stddef.h>
#include <stdint.h>

#define GCLIFE_NONE	 UINT32_MAX	  /* not a gc line */
#define GCLIFE_DUPLICATE (UINT32_MAX - 1) /* the same line stands in the log before */

struct gclife {
	size_t n;	    /* lines */
	size_t first, last; /* their first and last index */
	uint64_t last_number, last_time;
	uint64_t last_length; /* of the last cycle, ns, at least */
	uint32_t group;	      /* of lives that overlap in the log; groups are in log order */
};

struct gclives {
	uint32_t *of; /* for each entry: index into lives, or one of the values above */
	struct gclife *lives;
	size_t n_lives, cap_lives;
	size_t n_groups, duplicates;
};

/* Deals the entries (in log order) out to lives. Free with gclives_free. */
void gclives_split(const struct gctrace_entry *const *entries, size_t n, struct gclives *result);
void gclives_free(struct gclives *lives);

#endif
