#ifndef GMT_ANALYZE_JUDGE_H
#define GMT_ANALYZE_JUDGE_H

#include "analyze/model.h"

/*
 * Tells leaks from caches, bursts, ramps and churn, site by site, from what was born, what died
 * and what is left. Reads model->sites, processes and dumps; writes model->candidates, best first:
 * leaks by growth times confidence, then the rest by what they hold.
 */
struct judge_options {
	double false_discovery;	  /* accepted share of false leaks among the leaks; 0: 0.05 */
	uint64_t min_cycles;	  /* GC cycles below which nothing is judged; 0: 4 */
	double min_seconds;	  /* of what GC cycles do not count, the same; 0: 3 */
	uint64_t min_survivors;	  /* sampled survivors below which nothing is; 0: 5 */
	uint64_t memory_limit;	  /* bytes: say when the growth reaches it; 0: not known */
	double leak_confidence;	  /* from which a leak is called one; 0: 0.9 */
	double likely_confidence; /* from which it is called likely; 0: 0.8 */
};

/* Fills model->candidates anew. The same model gives the same judgement. */
void judge(struct model *model, const struct judge_options *options);

#endif
