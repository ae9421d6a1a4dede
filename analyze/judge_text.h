#ifndef GMT_ANALYZE_JUDGE_TEXT_H
#define GMT_ANALYZE_JUDGE_TEXT_H

#include "analyze/judge_evidence.h"

/* The evidence of a candidate in one line. Owned by the caller. */
char *judge_evidence_text(const struct model *model, const struct judge_evidence *evidence,
			  const struct candidate *candidate);
/* What to do next: where to look, or how long to record; NULL where nothing is to be said. Owned by
 * the caller. */
char *judge_advice_text(const struct model *model, const struct judge_options *options,
			const struct judge_evidence *evidence, const struct candidate *candidate);

#endif
