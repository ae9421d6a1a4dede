#ifndef GMT_ANALYZE_JUDGE_WAITING_H
#define GMT_ANALYZE_JUDGE_WAITING_H

#include "analyze/model.h"

#include <stdio.h>

/*
 * Prints where the goroutines of a site wait, by the last of the goroutine profiles that were
 * given, or nothing. A profile does not tell where a goroutine was started, but which function it
 * runs.
 */
void judge_print_waiting(FILE *out, const struct model *model, const struct site *site);

#endif
