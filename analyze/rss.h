#ifndef GMT_ANALYZE_RSS_H
#define GMT_ANALYZE_RSS_H

/* What the readings of RSS by owner come to: the figures behind the reports' sections on memory. */

#include "analyze/model.h"

/* One process from its first reading by owner to its last. */
struct rss_summary {
	const struct rss_point *first, *peak, *last; /* NULL: there is none */
	bool has_growth;			     /* there are enough readings for it */
	double growth[OWNER_COUNT], total_growth;    /* bytes an hour: the median of all slopes */
};

/* False where nobody looked whose its memory is. */
bool rss_summarise(const struct model *model, uint32_t process, struct rss_summary *summary);

/* The limit that a process meets first. */
struct rss_limit {
	uint64_t bytes;	  /* 0: none is known */
	uint64_t used;	  /* of it, at the end */
	double growth;	  /* of that, bytes an hour; 0 where it may be none */
	const char *what; /* "GOMEMLIMIT", "its control group's limit"; owned by the model; "" asked
			     for */
	const char *of;	  /* what it limits: "RSS", "the memory of the Go runtime" */
};

/*
 * The least of a process's limits; `asked` where that is not 0. go: also GOMEMLIMIT, which says
 * nothing of memory that is not Go's.
 */
struct rss_limit rss_limit(const struct model *model, uint32_t process, uint64_t asked, bool go);

/* Kinds of limits, for the JSON report: "asked", "go", "cgroup", "machine"; NULL: none. */
const char *rss_limit_kind(const struct model *model, uint32_t process,
			   const struct rss_limit *limit);

/* RSS in words: how much of it is the Go heap, and what the rest is. Owned by the caller. */
char *rss_gap_text(const struct rss_point *point);

/* What to record to learn who makes an owner's memory grow, which this recording does not tell;
 * NULL: it does not grow, or the recording tells, or nothing would. Owned by the caller. */
char *rss_remedy_text(const struct model *model, uint32_t process,
		      const struct rss_summary *summary, enum memory_owner owner);

/* ns from the end until the limit is reached, at the pace of growth; 0: not in sight. */
uint64_t rss_limit_in(const struct rss_limit *limit);

#endif
