#ifndef GMT_ANALYZE_JUDGE_HINTS_H
#define GMT_ANALYZE_JUDGE_HINTS_H

#include "analyze/model.h"

/* Where to look for the cause of a leak at this site, one line: by the kind of the site, and by
 * known causes that its stack and its goroutines name. Owned by the caller. */
char *judge_hint(const struct model *model, const struct site *site);
/*
 * Puts suspects of one cause behind the first of them, and says so in their `leader`: those of one
 * kind that differ in no more than the line of one function of the program, or in what that
 * function calls. The candidates are ranked already.
 */
void judge_group(struct model *model);

#endif
